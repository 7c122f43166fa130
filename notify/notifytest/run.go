package notifytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rappel/notify"
	"rappel/notify/segment"
)

// Run holds the carrier of h to package notify's promises.
func Run(t *testing.T, h Harness) {
	for _, c := range Cases() {
		_, shows := h.Cases[c]
		why, lacks := h.Lacks[c]
		if shows == lacks || lacks && why == "" {
			t.Errorf("case %q: want it in Cases, or in Lacks with a reason", c)
		}
	}
	t.Run("contract", h.contract)
	t.Run("accepted", h.accepted)
	t.Run("texts arrive as written", h.texts)
	for _, c := range Cases() {
		if want, ok := h.Cases[c]; ok {
			t.Run(string(c), func(t *testing.T) { h.fails(t, c, want) })
		}
	}
	t.Run("two alike", h.alike)
	t.Run("many at once, none lost, none twice", h.many)
	t.Run("receipts of every status", h.statuses)
	t.Run("receipts in any order", h.anyOrder)
	if !h.ReceiptOnce {
		t.Run("receipt twice", h.receiptTwice)
		t.Run("statuses out of order", h.statusesBackwards)
	}
	t.Run("receipt before its answer", h.receiptEarly)
	if !h.NoUnknownReceipt {
		t.Run("unknown receipt", h.unknownReceipt)
	}
	t.Run("inbox that panics", h.panics)
	t.Run("receipt comes again until kept", h.receiptAgain)
	t.Run("replies", h.replies)
	t.Run("reply comes again until kept", h.replyAgain)
	t.Run("the same words twice are two replies", h.sameWords)
}

var messageID int64
var messageMu sync.Mutex

// message returns a fresh message whose text is body, counted as notify counts it.
func message(recipient, body string) notify.Message {
	messageMu.Lock()
	defer messageMu.Unlock()
	messageID++
	n, enc := segment.Count(body)
	return notify.Message{
		AccountID: 7, ID: messageID, Kind: notify.Notification, Recipient: recipient, Sender: "Praxis",
		Body: body, Encoding: enc, Segments: n, Expires: time.Now().Add(6 * time.Hour),
	}
}

const somebody = "+41791234567"

func (h Harness) recipient(c Case, s notify.Status) string {
	if h.Recipient != nil {
		return h.Recipient(c, s)
	}
	return somebody
}

func (h Harness) contract(t *testing.T) {
	g := h.Open(t, NewInbox())
	if g.Carrier.Name() == "" {
		t.Error("no name")
	}
	if g.Carrier.Window() < 1 {
		t.Errorf("window %d, want at least 1", g.Carrier.Window())
	}
	if c, ok := g.Carrier.(notify.Checker); ok {
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	}
}

func (h Harness) accepted(t *testing.T) {
	g := h.Open(t, NewInbox())
	m := message(somebody, "Ihr Termin: Di 4. März, 14:30.")
	s, err := g.Carrier.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.IDs) != 1 || s.IDs[0] == "" {
		t.Errorf("ids %q, want one", s.IDs)
	}
	if diff := cmp.Diff([]Text{{m.Sender, m.Recipient, m.Body}}, g.Texts(t)); diff != "" {
		t.Errorf("on the phone (-want +got):\n%s", diff)
	}
	h.find(t, g, m, s, true)

	m = message(somebody, "Neu bei uns: Zahnreinigung am Samstag.")
	m.Kind = notify.Marketing
	if _, err := g.Carrier.Send(t.Context(), m); err != nil {
		t.Errorf("marketing: %v", err)
	}
	h.discreet(t, g, m)
}

// discreet fails the test when the carrier logged what m says, or to whom.
func (h Harness) discreet(t *testing.T, g *Gateway, m notify.Message) {
	t.Helper()
	if g.Logged == nil {
		return
	}
	log := g.Logged()
	for _, secret := range []string{m.Body, strings.TrimPrefix(m.Recipient, "+")} {
		if strings.Contains(log, secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

// find holds a Finder to what the gateway has.
func (h Harness) find(t *testing.T, g *Gateway, m notify.Message, want notify.Submission, accepted bool) {
	t.Helper()
	f, ok := g.Carrier.(notify.Finder)
	if !ok {
		return
	}
	hits, err := f.Find(t.Context(), m, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	if found := len(hits) > 0; found != accepted {
		t.Errorf("find says %v, the gateway has it: %v", found, accepted)
	}
	if want.IDs != nil && len(hits) > 0 {
		if diff := cmp.Diff(want.IDs, hits[len(hits)-1].IDs); diff != "" {
			t.Errorf("find's ids (-submitted +found):\n%s", diff)
		}
	}
}

func (h Harness) texts(t *testing.T) {
	euro := strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152)
	for name, body := range map[string]string{
		"GSM-7":                   "Grüezi Frau Müller, à demain? ¿Qué? 5 Å @ 3 £",
		"extension table":         "[Zimmer 3] {a|b} ~ 5 € ^ \\",
		"160 septets":             strings.Repeat("x", 160),
		"161 septets":             strings.Repeat("x", 161),
		"escape pair at a border": euro,
		"UCS-2":                   "Début à 8 h « reçu » – ô",
		"70 code units":           strings.Repeat("ж", 70),
		"71 code units":           strings.Repeat("ж", 71),
		"emoji at a border":       strings.Repeat("ж", 66) + "😀" + strings.Repeat("ж", 66),
		"line breaks":             "Zeile 1\nZeile 2",
		"ten parts":               strings.Repeat("0123456789", 150),
	} {
		t.Run(name, func(t *testing.T) {
			g := h.Open(t, NewInbox())
			m := message(somebody, body)
			s, err := g.Carrier.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if h.PerPart {
				want = m.Segments
			}
			if len(s.IDs) != want || len(slices.Compact(slices.Sorted(slices.Values(s.IDs)))) != want {
				t.Errorf("ids %q, want %d different ones", s.IDs, want)
			}
			if diff := cmp.Diff([]Text{{m.Sender, m.Recipient, body}}, g.Texts(t)); diff != "" {
				t.Errorf("on the phone (-want +got):\n%s", diff)
			}
		})
	}
}

func (h Harness) fails(t *testing.T, c Case, want Want) {
	g := h.Open(t, NewInbox())
	g.Stage(t, c)
	m := message(h.recipient(c, 0), "Sehr geheim: Herr Muster, Freitag.")
	ctx := t.Context()
	if c == Slow {
		hurried, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = hurried
		go func() {
			defer cancel()
			g.Held(t)
		}()
	}
	s, err := g.Carrier.Send(ctx, m)
	if err == nil {
		t.Fatalf("accepted as %q, want %v", s.IDs, want.Kind)
	}
	var e *notify.SendError
	if !errors.As(err, &e) || !errors.Is(err, want.Kind) || !errors.Is(e.Kind, want.Kind) {
		t.Fatalf("got %v (%T), want a *SendError of kind %v", err, err, want.Kind)
	}
	if want.Code != "" && e.Code != want.Code {
		t.Errorf("code %q, want %q", e.Code, want.Code)
	}
	if e.After != want.After {
		t.Errorf("after %v, want %v", e.After, want.After)
	}
	if len(s.IDs) != 0 {
		t.Errorf("a failed Send returned ids %q beside its error", s.IDs)
	}
	for _, secret := range []string{m.Body, strings.TrimPrefix(m.Recipient, "+"), "geheim"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells %q", secret)
		}
	}
	h.discreet(t, g, m)
	if c == Unreachable {
		return // nobody is left to ask
	}
	if got := len(g.Texts(t)); (got == 1) != want.Accepted || got > 1 {
		t.Errorf("the gateway has it %d times, want it there: %v", got, want.Accepted)
	}
	if c != Misconfigured {
		h.find(t, g, m, notify.Submission{}, want.Accepted)
	}
}

func (h Harness) many(t *testing.T) {
	g := h.Open(t, NewInbox())
	const n = 300
	var want []Text
	queue := make(chan notify.Message, n)
	for i := range n {
		m := message(fmt.Sprintf("+4179100%04d", 2000+i), fmt.Sprintf("Termin %d %s", i, strings.Repeat("Wort ", i%80)))
		want = append(want, Text{m.Sender, m.Recipient, m.Body})
		queue <- m
	}
	close(queue)
	var mu sync.Mutex
	ids := map[string]int{}
	var wg sync.WaitGroup
	for range g.Carrier.Window() {
		wg.Go(func() {
			for m := range queue {
				s, err := g.Carrier.Send(t.Context(), m)
				if err != nil {
					t.Errorf("message %d: %v", m.ID, err)
				}
				mu.Lock()
				for _, id := range s.IDs {
					ids[id]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, g.Texts(t), cmpopts.SortSlices(func(a, b Text) bool { return a.To < b.To })); diff != "" {
		t.Errorf("on the phones (-want +got):\n%s", diff)
	}
	for id, times := range ids {
		if times != 1 {
			t.Errorf("id %s was given %d times", id, times)
		}
	}
}

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

var replies = map[string]string{
	"short":      "JA",
	"umlauts":    "Grüße, ich komme später à bientôt ñ",
	"extension":  "Kosten: 5 €? [ja]",
	"emoji":      "👍🏽 passt",
	"UCS-2":      "Ça m’arrange, à mercredi",
	"long":       strings.Repeat("Ich kann leider nicht kommen. ", 12),
	"long UCS-2": strings.Repeat("Désolé, je ne peux pas « venir ». ", 8),
}

func (h Harness) replies(t *testing.T) {
	for name, body := range replies {
		t.Run(name, func(t *testing.T) {
			in := NewInbox()
			g := h.Open(t, in)
			g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: body})
			got := in.AwaitInbounds(t, 1)[0]
			want := notify.Inbound{Carrier: g.Carrier.Name(), From: somebody, To: "+41790000100", Body: body}
			if h.NoReplyTo {
				want.To = ""
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(notify.Inbound{}, "CarrierID", "At")); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if got.CarrierID == "" || got.At.IsZero() {
				t.Errorf("id %q at %v: want both", got.CarrierID, got.At)
			}
			g.Settled(t)
		})
	}
}

func (h Harness) replyAgain(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	in.Fail(1)
	g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: "STOP"})
	g.Refused(t, 1)
	g.Redeliver(t)
	in.AwaitInbounds(t, 1)
	g.Settled(t)
	if got := in.Inbounds(); len(got) != 1 {
		t.Errorf("kept %d times", len(got))
	}
}

func (h Harness) sameWords(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	for i := range 2 {
		g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: "1"})
		in.AwaitInbounds(t, i+1)
		g.Settled(t)
	}
	if got := in.Inbounds(); got[0].CarrierID == got[1].CarrierID {
		t.Errorf("both have id %q: one would be taken for a replay", got[0].CarrierID)
	}
}

// alike holds a Finder to two messages alike: it must not take one for the other.
func (h Harness) alike(t *testing.T) {
	g := h.Open(t, NewInbox())
	f, ok := g.Carrier.(notify.Finder)
	if !ok {
		return
	}
	first := message(somebody, "Ihr Termin ist morgen um 10 Uhr.")
	second := first
	second.ID++
	look := func(m notify.Message) []notify.Hit {
		hits, err := f.Find(t.Context(), m, time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatalf("find: %v", err)
		}
		return hits
	}
	a, err := g.Carrier.Send(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range look(second) {
		if hit.Match == notify.ByReference {
			t.Error("one is taken for another for certain")
		}
	}
	b, err := g.Carrier.Send(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	hits := look(second)
	var want [][]string
	switch {
	case len(hits) == 1 && hits[0].Match == notify.ByReference:
		want = [][]string{b.IDs}
	case len(hits) > 0 && hits[0].Match == notify.ByCount:
		want = [][]string{b.IDs, b.IDs}
	default:
		want = [][]string{a.IDs, b.IDs}
	}
	var got [][]string
	for _, hit := range hits {
		got = append(got, hit.IDs)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
