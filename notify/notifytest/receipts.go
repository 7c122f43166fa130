package notifytest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rappel/notify"
)

func (h Harness) statuses(t *testing.T) {
	for _, status := range h.Statuses {
		t.Run(status.String(), func(t *testing.T) {
			in := NewInbox()
			g := h.Open(t, in)
			m := message(h.recipient("", status), "Bis morgen.")
			s, err := g.Carrier.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			g.Receipt(t, s.IDs[0], status)
			got := in.AwaitReceipts(t, 1)[0]
			if got.Status != status || got.CarrierID != s.IDs[0] || got.Carrier != g.Carrier.Name() {
				t.Errorf("got %v for id %q of %q, want %v for %q", got.Status, got.CarrierID, got.Carrier, status, s.IDs[0])
			}
			if got.Recipient != "" && got.Recipient != m.Recipient || got.Sender != "" && got.Sender != m.Sender {
				t.Errorf("evidence names %q and %q", got.Recipient, got.Sender)
			}
			g.Settled(t)
		})
	}
}

func (h Harness) anyOrder(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	var ids []string
	for i := range 3 {
		s, err := g.Carrier.Send(t.Context(), message(somebody, fmt.Sprintf("%d: %s", i, strings.Repeat("lang ", 40))))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.IDs...)
	}
	for _, id := range slices.Backward(ids) {
		g.Receipt(t, id, notify.Delivered)
	}
	var got []string
	for _, r := range in.AwaitReceipts(t, len(ids)) {
		got = append(got, r.CarrierID)
	}
	if diff := cmp.Diff(ids, got, cmpopts.SortSlices(strings.Compare), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("receipts (-ids +got):\n%s", diff)
	}
	g.Settled(t)
}

// receiptTwice has a receipt come three times, as after acknowledgements that were
// lost: each is kept, says the same, and is acknowledged.
func (h Harness) receiptTwice(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	s, err := g.Carrier.Send(t.Context(), message(somebody, "Bis morgen."))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		g.Receipt(t, s.IDs[0], notify.Delivered)
	}
	for _, r := range in.AwaitReceipts(t, 3) {
		if r.CarrierID != s.IDs[0] || r.Status != notify.Delivered {
			t.Errorf("got %v for %q, want %v for %q", r.Status, r.CarrierID, notify.Delivered, s.IDs[0])
		}
	}
	g.Settled(t)
}

// statusesBackwards has what came later arrive first. Putting that right is notify's
// business; the carrier hands on what it hears.
func (h Harness) statusesBackwards(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	s, err := g.Carrier.Send(t.Context(), message(somebody, "Bis morgen."))
	if err != nil {
		t.Fatal(err)
	}
	ends := slices.Clone(h.Statuses)
	slices.SortFunc(ends, func(a, b notify.Status) int { return int(b - a) })
	for i, status := range ends {
		g.Receipt(t, s.IDs[0], status)
		in.AwaitReceipts(t, i+1)
	}
	var got []notify.Status
	for _, r := range in.Receipts() {
		got = append(got, r.Status)
	}
	if diff := cmp.Diff(ends, got); diff != "" {
		t.Errorf("statuses (-reported +kept):\n%s", diff)
	}
	g.Settled(t)
}

// receiptEarly has the phone confirm before the gateway has answered the submission.
// Both must come out whole.
func (h Harness) receiptEarly(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	if g.Pending == nil {
		return
	}
	g.Stage(t, Slow)
	type result struct {
		s   notify.Submission
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := g.Carrier.Send(t.Context(), message(somebody, "Bis gleich."))
		done <- result{s, err}
	}()
	g.Held(t)
	ids := g.Pending(t)
	for _, id := range ids {
		g.Receipt(t, id, notify.Delivered)
	}
	var got []string
	for _, r := range in.AwaitReceipts(t, len(ids)) {
		got = append(got, r.CarrierID)
	}
	g.Settled(t)
	g.Release(t)
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if diff := cmp.Diff(r.s.IDs, got); diff != "" {
		t.Errorf("ids (-answered +receipts):\n%s", diff)
	}
}

// panicky is an inbox that panics over the first piece of news, with a number for value.
type panicky struct {
	*Inbox
	once sync.Once
}

func (p *panicky) Receipt(ctx context.Context, r notify.Receipt) error {
	p.once.Do(func() { panic(somebody) })
	return p.Inbox.Receipt(ctx, r)
}

func (p *panicky) Inbound(ctx context.Context, m notify.Inbound) error {
	p.once.Do(func() { panic(somebody) })
	return p.Inbox.Inbound(ctx, m)
}

// panics: news an inbox panicked over is not acknowledged and comes again, and what it
// panicked with stays out of the log.
func (h Harness) panics(t *testing.T) {
	t.Run("receipt", func(t *testing.T) {
		in := &panicky{Inbox: NewInbox()}
		g := h.Open(t, in)
		m := message(somebody, "Bis morgen.")
		s, err := g.Carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		g.Receipt(t, s.IDs[0], notify.Delivered)
		g.Refused(t, 1)
		g.Redeliver(t)
		in.AwaitReceipts(t, 1)
		g.Settled(t)
		h.discreet(t, g, m)
	})
	t.Run("reply", func(t *testing.T) {
		in := &panicky{Inbox: NewInbox()}
		g := h.Open(t, in)
		r := Reply{From: somebody, To: "+41790000100", Body: "Geheim und krank"}
		g.Reply(t, r)
		g.Refused(t, 1)
		g.Redeliver(t)
		in.AwaitInbounds(t, 1)
		g.Settled(t)
		h.discreet(t, g, notify.Message{Recipient: r.From, Body: r.Body})
	})
}

func (h Harness) unknownReceipt(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	g.Receipt(t, "4711", notify.Delivered)
	got := in.AwaitReceipts(t, 1)
	if got[0].CarrierID != "4711" {
		t.Errorf("id %q, want 4711", got[0].CarrierID)
	}
	g.Settled(t)
}

func (h Harness) receiptAgain(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	s, err := g.Carrier.Send(t.Context(), message(somebody, "Bis morgen."))
	if err != nil {
		t.Fatal(err)
	}
	in.Fail(1)
	g.Receipt(t, s.IDs[0], notify.Delivered)
	g.Refused(t, 1)
	if n := len(in.Receipts()); n != 0 {
		t.Fatalf("%d receipts kept by an inbox that failed", n)
	}
	g.Redeliver(t)
	in.AwaitReceipts(t, 1)
	g.Settled(t)
}
