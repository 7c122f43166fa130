package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"rappel/migrations/due"
)

// quantum is how many batches of one account are worked on before others get their turn.
const quantum = 4

// Dispatcher brings queued messages to carriers. Any number of them, in any number of
// processes, may work over one database. See doc.go for what it promises.
type Dispatcher struct {
	cfg          Config
	book         *book
	lanes        []*lane
	wake         chan struct{}
	recordPauses []time.Duration
}

// NewDispatcher fails with ErrConfig.
func NewDispatcher(cfg Config) (*Dispatcher, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(cfg.Carriers) == 0 {
		return nil, fmt.Errorf("%w: no carriers", ErrConfig)
	}
	d := &Dispatcher{cfg: cfg, book: &book{observer: cfg.Observer, log: cfg.Log}, wake: make(chan struct{}, 1), recordPauses: recordPauses}
	for i, c := range cfg.Carriers {
		d.lanes = append(d.lanes, newLane(c, i, cfg.Batch))
	}
	return d, nil
}

// Wake makes Run look for work now instead of after its pause.
func (d *Dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Tick does everything that is due now: settles what earlier lives and silent carriers
// left open, then dispatches until nothing is due. worked counts messages that were
// claimed or settled. An error of one account doesn't keep the others from being worked
// on; the first is returned.
func (d *Dispatcher) Tick(ctx context.Context) (worked int, err error) {
	worked, err = d.settle(ctx)
	if e := d.housekeep(ctx); err == nil {
		err = e
	}
	for ctx.Err() == nil {
		n, e := d.dispatch(ctx, func() bool { return false })
		worked += n
		if err == nil {
			err = e
		}
		if n == 0 || e != nil {
			break
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return worked, err
}

// Run works until ctx ends, then finishes what is in hand and returns nil. Trouble is
// logged and tried again.
func (d *Dispatcher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		d.every(ctx, time.Second, "settle", func(ctx context.Context) error { _, err := d.settle(ctx); return err })
	})
	wg.Go(func() { d.every(ctx, time.Minute, "housekeep", d.housekeep) })
	for ctx.Err() == nil {
		n, err := d.dispatch(ctx, func() bool { return ctx.Err() == nil })
		pause := d.cfg.Poll
		if err != nil && ctx.Err() == nil {
			d.cfg.Log.ErrorContext(ctx, "dispatch", "error", err)
			pause = max(pause, time.Second)
		} else if n > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-d.wake:
		case <-time.After(pause):
		}
	}
	wg.Wait()
	return nil
}

// every calls f at once and then with a pause between.
func (d *Dispatcher) every(ctx context.Context, pause time.Duration, what string, f func(context.Context) error) {
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.ErrorContext(ctx, what, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// leaseFor is how long an account is leased. Its messages are safe by their claims, so
// this only decides how long a dead process's accounts wait, and is renewed by returning
// to the account.
func (d *Dispatcher) leaseFor() time.Duration { return 2 * d.cfg.ClaimLease }

// dispatch leases due accounts and works on them, Workers at once, until there is nothing
// due any more. An account gets a quantum of batches and is then given back, so that one
// with a hundred thousand messages stands in line behind one with a single reminder.
//
// A free worker is given a new account at once: others that wait for a slow carrier don't
// hold it up. patient says whether to look for new accounts while workers are busy.
func (d *Dispatcher) dispatch(ctx context.Context, patient func() bool) (worked int, err error) {
	type report struct {
		n   int
		err error
	}
	reports := make(chan report, d.cfg.Workers)
	busy := 0
	for {
		var leased []int64
		if ctx.Err() == nil && busy < d.cfg.Workers && err == nil {
			if e := d.readHealth(ctx); e != nil {
				err = e
			} else {
				leased, e = due.Lease(ctx, d.cfg.DB, dueKind, d.cfg.Owner, d.cfg.Now(), d.cfg.Workers-busy, d.leaseFor())
				if e != nil {
					err = fmt.Errorf("lease accounts: %w", e)
				}
			}
		}
		for _, account := range leased {
			busy++
			go func() {
				n, err := d.account(ctx, account)
				reports <- report{n, err}
			}()
		}
		if busy == 0 {
			return worked, err
		}
		var look <-chan time.Time
		var wake <-chan struct{}
		if busy < d.cfg.Workers && patient() {
			look, wake = time.After(d.cfg.Poll), d.wake
		}
		select {
		case r := <-reports:
			busy--
			worked += r.n
			if r.err != nil && err == nil && ctx.Err() == nil {
				err = r.err
			}
		case <-look:
		case <-wake:
		}
	}
}

// account works on up to a quantum of account's batches and gives it back.
func (d *Dispatcher) account(ctx context.Context, account int64) (worked int, err error) {
	var next time.Time
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.ErrorContext(ctx, "panic while dispatching", "account_id", account, "stack", string(debug.Stack()))
			err = fmt.Errorf("account %d: panic while dispatching", account)
		}
		if err != nil {
			next = d.cfg.Now().Add(d.cfg.RetryBase)
		}
		if e := due.Release(context.WithoutCancel(ctx), d.cfg.DB, dueKind, d.cfg.Owner, account, next); e != nil && !errors.Is(e, due.ErrLost) && err == nil {
			err = e
		}
	}()
	for range quantum {
		n, asked, err := d.batch(ctx, account)
		worked += n
		if err != nil {
			return worked, err
		}
		if int64(n) < asked || asked == 0 {
			break
		}
	}
	now := d.cfg.Now()
	if next, err = d.nextDue(context.WithoutCancel(ctx), account); err != nil {
		return worked, err
	}
	// With all carriers at rest there is no use in coming back before one wakes.
	if l, wake := d.laneFrom(0, now); l == nil && !next.IsZero() && next.Before(wake) {
		next = wake
	}
	return worked, nil
}

// batch claims and works on one batch. asked is how many messages it tried to claim; zero
// when no carrier may be used now.
func (d *Dispatcher) batch(ctx context.Context, account int64) (n int, asked int64, err error) {
	l, _ := d.laneFrom(0, d.cfg.Now())
	if l == nil || ctx.Err() != nil {
		return 0, 0, nil
	}
	asked = l.batch
	if err := l.window.Acquire(ctx, asked); err != nil {
		return 0, 0, nil // stopping
	}
	if l.paused(d.cfg.Now()) { // while we waited
		l.window.Release(asked)
		return 0, 0, nil
	}
	c, err := d.take(ctx, account, l.carrier, int(asked))
	if err != nil || c == nil {
		l.window.Release(asked)
		return 0, asked, err
	}
	held := int64(len(c.items))
	l.window.Release(asked - held)
	return len(c.items), asked, d.work(ctx, c, l, held)
}
