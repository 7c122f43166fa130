package credits_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/links"
)

// gateway is a carrier that does what its script says.
type gateway struct {
	mu     sync.Mutex
	script func(m notify.Message) (notify.Submission, error)
	sent   []int64
}

func (g *gateway) Name() string { return "one" }
func (g *gateway) Window() int  { return 10 }

func (g *gateway) Send(_ context.Context, m notify.Message) (notify.Submission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent = append(g.sent, m.ID)
	if g.script != nil {
		return g.script(m)
	}
	return notify.Submission{IDs: []string{fmt.Sprint("id-", m.ID)}}, nil
}

// house is a bench with what sends by the credits.
type house struct {
	*bench
	gateway    *gateway
	policy     *notify.Policy
	outbox     *notify.Outbox
	holds      *notify.Holds
	dispatcher *notify.Dispatcher
	store      *notify.Store
	n          int
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{bench: newBench(t), gateway: &gateway{}}
	l, err := links.New("https://rpl.ch/u", []byte("0123456789abcdef0123456789abcdef"))
	h.ok(err)
	h.policy, err = notify.NewPolicy(notify.PolicyConfig{DB: h.db, Now: h.clock.now, Links: l, Meter: h.credits})
	h.ok(err)
	h.holds, err = notify.NewHolds(notify.HoldsConfig{DB: h.db, Policy: h.policy, Now: h.clock.now})
	h.ok(err)
	h.outbox, h.store = notify.NewPolicyOutbox(h.clock.now, h.policy), notify.NewStore(h.db)
	h.dispatcher, err = notify.NewDispatcher(notify.Config{DB: h.db, Carriers: []notify.Carrier{h.gateway}, Meter: h.credits, Outbox: h.outbox, Now: h.clock.now, Owner: "me"})
	h.ok(err)
	return h
}

// remind asks for a reminder that is worthless after so long.
func (h *house) remind(in time.Duration, change func(*notify.NewMessage)) (notify.MessageRef, notify.Enqueued) {
	h.Helper()
	h.n++
	m := notify.NewMessage{AccountID: 1, Kind: notify.Notification, Reference: keyOf("r", h.n), Origin: notify.OriginReminder, Recipient: "+41791234567",
		Sender: "Praxis", Body: "Termin morgen 14:30", Expires: h.clock.now().Add(in)}
	if change != nil {
		change(&m)
	}
	var e notify.Enqueued
	h.ok(h.tx(1, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		e, err = h.outbox.EnqueueTx(ctx, tx, m)
		return err
	}))
	return notify.MessageRef{AccountID: 1, ID: e.ID}, e
}

// work does what the services of a process do in a second.
func (h *house) work() {
	h.Helper()
	_, err := h.holds.Tick(context.Background())
	h.ok(err)
	_, err = h.dispatcher.Tick(context.Background())
	h.ok(err)
	h.tick()
}

func (h *house) want(ref notify.MessageRef, s notify.Status, why notify.Reason) {
	h.Helper()
	d, err := h.store.Get(context.Background(), ref)
	h.ok(err)
	if d.Status != s || d.Reason != why {
		h.Fatalf("message %d is %v %q, want %v %q", ref.ID, d.Status, d.Reason, s, why)
	}
}

// A reminder waits visibly without credit, goes out after a top-up, the soonest appointment
// first; and one that is too late by then is ended, for that reason.
func TestReminder_waitsForCredit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	late, e := h.remind(time.Hour, nil)
	if e.Reason != notify.ReasonCredit || e.Credits != 1 {
		t.Errorf("told %+v", e)
	}
	third, _ := h.remind(9*time.Hour, nil)
	second, _ := h.remind(5*time.Hour, nil)
	first, _ := h.remind(3*time.Hour, nil)
	h.work()
	for _, ref := range []notify.MessageRef{late, first, second, third} {
		h.want(ref, notify.NotSent, notify.ReasonCredit)
	}
	if bal := h.balance(1); !bal.Waiting || h.letters.count(credits.MailOut) != 1 {
		t.Errorf("balance %+v, %d mails", bal, h.letters.count(credits.MailOut))
	}
	h.clock.set(epoch.Add(time.Hour))
	h.ok(h.grant(credits.Grant{Key: "order/1", Source: credits.Gift, Credits: 2}))
	h.work()
	h.want(late, notify.Expired, notify.ReasonTooLate)
	h.want(first, notify.Sent, notify.ReasonNone)
	h.want(second, notify.Sent, notify.ReasonNone)
	h.want(third, notify.NotSent, notify.ReasonCredit)
	h.ok(h.grant(credits.Grant{Key: "order/2", Source: credits.Gift, Credits: 2}))
	h.work()
	h.want(third, notify.Sent, notify.ReasonNone)
	if bal := h.balance(1); bal.Available != 1 || bal.Held != 0 || h.total(1, "consumed") != 3 {
		t.Errorf("balance %+v", bal)
	}
	h.check(1)
}

// What a release brings back goes to a text that waits.
func TestReminder_getsWhatComesBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ok(h.grant(credits.Grant{Key: "order/1", Source: credits.Gift, Credits: 1}))
	paid, _ := h.remind(5*time.Hour, func(m *notify.NewMessage) { m.SendAt = epoch.Add(time.Hour) })
	waits, _ := h.remind(5*time.Hour, nil)
	h.work()
	h.want(waits, notify.NotSent, notify.ReasonCredit)
	h.ok(h.tx(1, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := h.outbox.WithdrawTx(ctx, tx, paid, "cancelled", epoch)
		return err
	}))
	h.work()
	h.work()
	h.want(paid, notify.NotSent, notify.ReasonWithdrawn)
	h.want(waits, notify.Sent, notify.ReasonNone)
	h.check(1)
}

// Every way a message ends does with its credit what it should, once.
func TestMessage_endsItsHold(t *testing.T) {
	t.Parallel()
	refused := func(kind error) func(notify.Message) (notify.Submission, error) {
		return func(notify.Message) (notify.Submission, error) {
			return notify.Submission{}, &notify.SendError{Kind: kind, Code: "E1"}
		}
	}
	for name, tt := range map[string]struct {
		script   func(notify.Message) (notify.Submission, error)
		do       func(h *house, ref notify.MessageRef)
		end      notify.Status
		why      notify.Reason
		consumed int64
	}{
		"accepted":        {nil, nil, notify.Sent, notify.ReasonNone, 1},
		"rejected":        {refused(notify.ErrRejected), nil, notify.Rejected, notify.ReasonRefused, 0},
		"opted out there": {refused(notify.ErrOptedOut), nil, notify.NotAllowed, notify.ReasonOptedOut, 0},
		"no route":        {refused(notify.ErrNoRoute), nil, notify.RouteNotAvailable, notify.ReasonRefused, 0},
		"throttled for long": {refused(notify.ErrThrottled), func(h *house, _ notify.MessageRef) {
			h.clock.set(epoch.Add(6 * time.Hour))
			h.work()
		}, notify.Expired, notify.ReasonTooLate, 0},
		"throttled, then accepted": {refused(notify.ErrThrottled), func(h *house, _ notify.MessageRef) {
			if h.balance(1).Held != 1 {
				h.Fatalf("it isn't held any more: %+v", h.balance(1))
			}
			h.gateway.script = nil
			h.clock.set(epoch.Add(time.Hour))
			h.work()
		}, notify.Sent, notify.ReasonNone, 1},
		"withdrawn": {nil, func(h *house, ref notify.MessageRef) {
			h.ok(h.tx(1, func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := h.outbox.WithdrawTx(ctx, tx, ref, "cancelled", h.clock.now())
				return err
			}))
		}, notify.NotSent, notify.ReasonWithdrawn, 0},
		"opted out here": {nil, func(h *house, _ notify.MessageRef) {
			h.ok(h.tx(1, func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := h.outbox.OptOutTx(ctx, tx, notify.OptOut{AccountID: 1, Recipient: "+41791234567", Source: notify.SourceStaff}, h.clock.now())
				return err
			}))
		}, notify.NotAllowed, notify.ReasonOptedOut, 0},
		"never answered": {refused(notify.ErrUnknown), func(h *house, _ notify.MessageRef) {
			for range 2 { // and once more: it is sent a second time
				h.clock.set(h.clock.now().Add(5 * time.Minute))
				for range 3 {
					h.work()
				}
			}
		}, notify.NetworkError, notify.ReasonUnanswered, 0},
		"never answered, but there is evidence": {refused(notify.ErrUnknown), func(h *house, ref notify.MessageRef) {
			desk, err := notify.NewDesk(notify.Config{DB: h.db, Carriers: []notify.Carrier{h.gateway}, Meter: h.credits, Now: h.clock.now})
			h.ok(err)
			h.ok(desk.Receipt(context.Background(), notify.Receipt{Carrier: "one", CarrierID: "x", Status: notify.Delivered, Recipient: "+41791234567", Sender: "Praxis", At: h.clock.now()}))
		}, notify.Delivered, notify.ReasonNone, 1},
		"too late": {nil, func(h *house, _ notify.MessageRef) {
			h.clock.set(epoch.Add(6 * time.Hour))
			h.work()
		}, notify.Expired, notify.ReasonTooLate, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.ok(h.grant(credits.Grant{Key: "order/1", Source: credits.Gift, Credits: 5}))
			h.gateway.script = tt.script
			later := name == "withdrawn" || name == "opted out here" || name == "too late"
			ref, _ := h.remind(5*time.Hour, func(m *notify.NewMessage) {
				if later {
					m.SendAt = epoch.Add(time.Hour)
				}
			})
			h.work()
			if tt.do != nil {
				tt.do(h, ref)
			}
			h.work()
			h.want(ref, tt.end, tt.why)
			want := map[string]int64{"granted": -5, "available": 5 - tt.consumed}
			if tt.consumed > 0 {
				want["consumed"] = tt.consumed
			}
			if diff := cmp.Diff(want, h.totals(1)); diff != "" {
				t.Errorf("the books (-want +got):\n%s", diff)
			}
			h.check(1)
		})
	}
}

// An opt-out is confirmed without any credit, in a country that wants that.
func TestConfirmation_isOwed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ok(h.tx(1, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := h.outbox.OptOutTx(ctx, tx, notify.OptOut{AccountID: 1, Recipient: "+33612345678", Source: notify.SourceReply}, epoch)
		return err
	}))
	h.work()
	h.work()
	if len(h.gateway.sent) != 1 {
		t.Fatalf("%d texts went, want the confirmation", len(h.gateway.sent))
	}
	if diff := cmp.Diff(map[string]int64{"consumed": 2, "owed": -2}, h.totals(1)); diff != "" {
		t.Errorf("the books (-want +got):\n%s", diff)
	}
	h.ok(h.grant(credits.Grant{Key: "order/1", Source: credits.Gift, Credits: 5}))
	if bal := h.balance(1); bal.Available != 3 || bal.Owed != 0 {
		t.Errorf("balance %+v", bal)
	}
	h.check(1)
}
