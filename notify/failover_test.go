package notify_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
)

const neighbour = "+41797654321"

// What is taken back while a carrier has it that then refuses it doesn't go on to the next,
// costs nothing and is told once; the others of its batch go on.
func TestFailover_takenBack(t *testing.T) {
	t.Parallel()
	optOut := func(w *world, _ notify.MessageRef) { w.optOut(1) }
	withdraw := func(w *world, ref notify.MessageRef) {
		if w.withdraw(ref) {
			w.t.Error("withdrawn, although it is being submitted")
		}
	}
	for name, tt := range map[string]struct {
		refusal error
		change  func(w *world, ref notify.MessageRef)
		behind  error // what the next carrier answers
		late    bool  // change comes while the next carrier has it
		status  notify.Status
		reason  notify.Reason
		sent    int // to the next carrier
		credit  string
	}{
		"withdrawn, no route": {refusal: notify.ErrNoRoute, change: withdraw,
			reason: notify.ReasonWithdrawn, credit: "captured false;"},
		"withdrawn, misconfigured": {refusal: notify.ErrMisconfigured, change: withdraw,
			reason: notify.ReasonWithdrawn, credit: "captured false;"},
		"withdrawn, while the refusal is recorded": {refusal: notify.ErrNoRoute, change: (*world).withdrawSlowly,
			reason: notify.ReasonWithdrawn, credit: "captured false;"},
		"opted out, no route": {refusal: notify.ErrNoRoute, change: optOut,
			status: notify.NotAllowed, reason: notify.ReasonOptedOut, credit: "captured false;"},
		"opted out, misconfigured": {refusal: notify.ErrMisconfigured, change: optOut,
			status: notify.NotAllowed, reason: notify.ReasonOptedOut, credit: "captured false;"},
		"withdrawn while the next carrier has it, which takes it": {refusal: notify.ErrNoRoute, change: withdraw, late: true,
			status: notify.Sent, sent: 1, credit: "captured true;"},
		"withdrawn while the next carrier has it, which can't take it": {refusal: notify.ErrNoRoute, change: withdraw, late: true,
			behind: notify.ErrTemporary, reason: notify.ReasonWithdrawn, sent: 1, credit: "captured false;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			two, purse := newCarrier("two", 10), &purse{}
			var ref notify.MessageRef
			w.carrier.script = func(_ int, m notify.Message) (notify.Submission, error) {
				if m.ID == ref.ID && !tt.late {
					tt.change(w, ref)
				}
				return notify.Submission{}, refused(tt.refusal)
			}
			two.script = func(n int, m notify.Message) (notify.Submission, error) {
				if m.ID == ref.ID && tt.late {
					tt.change(w, ref)
				}
				if m.ID == ref.ID && tt.behind != nil {
					return notify.Submission{}, refused(tt.behind)
				}
				return notify.Submission{IDs: idsFor(m, n)}, nil
			}
			d := w.dispatcher(func(c *notify.Config) { c.Carriers, c.Meter = append(c.Carriers, two), purse })
			ref = w.enqueue(nil)
			other := w.enqueue(to(neighbour))
			for range 5 {
				w.tick(d)
				w.clock.Add(time.Minute)
			}
			w.wantStatus(ref, tt.status, tt.reason)
			w.wantStatus(other, notify.Sent, "")
			if n := two.times(ref); n != tt.sent {
				t.Errorf("the next carrier got it %d times, want %d", n, tt.sent)
			}
			if got := purse.settled[ref]; got != tt.credit {
				t.Errorf("its credit: %q, want %q", got, tt.credit)
			}
			heard := 0
			for _, c := range w.seen.all {
				if c.MessageID == ref.ID && c.To == tt.status && c.Reason == tt.reason {
					heard++
				}
			}
			if heard != 1 {
				t.Errorf("the observer heard of it %d times: %+v", heard, w.seen.all)
			}
			if n := w.count(`SELECT count(*) FROM queue`) + w.count(`SELECT count(*) FROM claims`) + w.count(`SELECT count(*) FROM unanswered`); n != 0 {
				t.Errorf("%d messages left", n)
			}
		})
	}
}

// withdrawSlowly withdraws a message and commits once somebody waits for that.
func (w *world) withdrawSlowly(ref notify.MessageRef) {
	tx, err := w.db.Beginx()
	if err != nil {
		w.t.Error(err)
		return
	}
	if ok, err := w.outbox.WithdrawTx(context.Background(), tx, ref, "cancelled", w.clock.Now()); err != nil || ok {
		w.t.Errorf("WithdrawTx: %v, %v", ok, err)
	}
	go func() {
		for range 500 {
			var waiting int
			if err := w.db.Get(&waiting, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
				w.t.Error(err)
			}
			if waiting > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := tx.Commit(); err != nil {
			w.t.Error(err)
		}
	}()
}

// What confirms an opt-out goes on to the next carrier all the same.
func TestFailover_confirmationOfAnOptOut(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `sender = 'Praxis'`)
	two := newCarrier("two", 10)
	w.carrier.script = always(notify.ErrNoRoute)
	w.inAccount(1, func(tx *sqlx.Tx) error {
		_, err := w.outbox.OptOutTx(context.Background(), tx, notify.OptOut{AccountID: 1, Recipient: frenchman, Source: notify.SourcePage}, w.clock.Now())
		return err
	})
	w.tick(w.dispatcher(func(c *notify.Config) { c.Carriers = append(c.Carriers, two) }))
	if n := len(two.sent()); n != 1 {
		t.Errorf("%d confirmations at the next carrier, want 1", n)
	}
}

// nextQueue is a message that the next carrier, which takes one at a time, doesn't answer, and
// one that waits behind it, of account 2.
type nextQueue struct {
	two           *carrier
	first, second notify.MessageRef
	answer        func() // lets both go
}

func (w *world) queueForTheNext(lease time.Duration) *nextQueue {
	w.t.Helper()
	w.account(2)
	w.carrier.script = always(notify.ErrNoRoute)
	q := &nextQueue{two: newCarrier("two", 1)}
	asked, answer := make(chan struct{}), make(chan struct{})
	q.two.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n == 0 {
			close(asked)
			<-answer
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	d := w.dispatcher(func(c *notify.Config) { c.Carriers, c.ClaimLease = append(c.Carriers, q.two), lease })
	var wg sync.WaitGroup
	work := func() {
		wg.Go(func() {
			if _, err := d.Tick(context.Background()); err != nil {
				w.t.Error(err)
			}
		})
	}
	q.answer = func() {
		close(answer)
		wg.Wait()
	}
	q.first = w.enqueue(nil)
	work()
	<-asked
	q.second = w.enqueue(func(m *notify.NewMessage) { m.AccountID, m.Kind = 2, notify.Marketing })
	work()
	w.until("not passed on", `SELECT count(*) FROM claims WHERE account_id = 2 AND carrier = 'two'`)
	return q
}

// until waits for a count above 0, which comes in real time.
func (w *world) until(what, query string, args ...any) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); w.count(query, args...) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Error(what)
			return
		}
	}
}

// optOut has account's patient opt out.
func (w *world) optOut(account int64) {
	w.t.Helper()
	if err := migrations.InAccount(context.Background(), w.db, account, func(tx *sqlx.Tx) error {
		_, err := w.outbox.OptOutTx(context.Background(), tx, notify.OptOut{AccountID: account, Recipient: patient, Source: notify.SourcePage}, w.clock.Now())
		return err
	}); err != nil {
		w.t.Error(err)
	}
}

// Who opts out while a text waits for the next carrier's window doesn't get it.
func TestFailover_optedOutWhileWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.queueForTheNext(time.Hour)
	w.optOut(2)
	q.answer()
	w.wantStatus(q.first, notify.Sent, "")
	w.wantStatus(q.second, notify.NotAllowed, notify.ReasonOptedOut)
	if n := q.two.times(q.second); n != 0 {
		t.Errorf("submitted %d times", n)
	}
}
