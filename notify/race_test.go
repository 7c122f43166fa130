package notify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
)

// Two processes over one database: everything goes out, nothing twice.
func TestRace_dispatchers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 6
	for a := int64(2); a <= 5; a++ {
		w.account(a)
	}
	var refs []notify.MessageRef
	for i := range 200 {
		refs = append(refs, w.enqueue(func(m *notify.NewMessage) { m.AccountID = int64(i%5 + 1) }))
	}
	var wg sync.WaitGroup
	for range 3 {
		d := w.dispatcher(func(c *notify.Config) { c.Workers = 3 })
		wg.Go(func() {
			if _, err := d.Tick(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.tick(w.dispatcher(nil)) // one may have stopped while another held the last account
	for _, ref := range refs {
		if n := w.carrier.times(ref); n != 1 {
			t.Errorf("message %v submitted %d times", ref, n)
		}
	}
}

// Withdrawals and opt-outs race with dispatch: whoever was told "withdrawn" can rely on it.
func TestRace_withdrawals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 4
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n%3 == 0 {
			return notify.Submission{}, refused(notify.ErrTemporary)
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	var refs []notify.MessageRef
	for i := range 60 {
		refs = append(refs, w.enqueue(func(m *notify.NewMessage) { m.Recipient = fmt.Sprintf("+417900000%02d", i) }))
	}
	withdrawn := make([]bool, len(refs))
	optedOut := make([]bool, len(refs))
	var wg sync.WaitGroup
	d := w.dispatcher(nil)
	wg.Go(func() {
		if _, err := d.Tick(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for i, ref := range refs {
		if i%2 == 0 {
			continue
		}
		wg.Go(func() {
			err := migrations.InAccount(context.Background(), w.db, 1, func(tx *sqlx.Tx) (err error) {
				if i%4 == 1 {
					withdrawn[i], err = w.outbox.WithdrawTx(context.Background(), tx, ref, "cancelled", epoch)
					return err
				}
				n, err := w.outbox.OptOutTx(context.Background(), tx, notify.OptOut{AccountID: 1, Recipient: fmt.Sprintf("+417900000%02d", i), Source: notify.SourcePage}, epoch)
				optedOut[i] = n == 1
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	asked := map[int]int{}
	for i, ref := range refs {
		asked[i] = w.carrier.times(ref)
	}
	for range 12 {
		w.clock.Add(time.Minute)
		w.tick(d)
	}
	for i, ref := range refs {
		got := w.get(ref)
		switch {
		case withdrawn[i]:
			w.wantStatus(ref, notify.NotSent, notify.ReasonWithdrawn)
		case optedOut[i]:
			w.wantStatus(ref, notify.NotAllowed, notify.ReasonOptedOut)
		case i%4 == 1: // too late, or not taken and then not tried again
			if got.Status != notify.Sent && got.Reason != notify.ReasonWithdrawn {
				t.Errorf("message %d is %v %q", i, got.Status, got.Reason)
			}
		case i%4 == 3:
			if got.Status != notify.Sent && got.Reason != notify.ReasonOptedOut {
				t.Errorf("message %d is %v %q", i, got.Status, got.Reason)
			}
		default:
			w.wantStatus(ref, notify.Sent, "")
		}
		if i%2 == 1 && w.carrier.times(ref) > asked[i] {
			t.Errorf("message %d was submitted after it had been taken back", i)
		}
	}
	if n := w.count(`SELECT count(*) FROM queue`) + w.count(`SELECT count(*) FROM claims`); n != 0 {
		t.Errorf("%d messages left over", n)
	}
}

// Run wakes up, works through what comes, and ends in good order.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	got := make(chan struct{}, 20)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		got <- struct{}{}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	d := w.dispatcher(nil)
	go func() { done <- d.Run(ctx) }()
	for range 20 {
		w.enqueue(nil)
		d.Wake()
	}
	for range 20 {
		<-got
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM sent WHERE status = 1`); n != 20 {
		t.Errorf("%d recorded, want 20", n)
	}
}
