package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"rappel/migrations/due"
)

// quantum is how many batches of a group of accounts are claimed before it stands in line
// again.
const quantum = 4

// groupSize is how many accounts one lease takes at most. Claiming for fifty at once costs
// the database little more than for one.
const groupSize = 50

// leaseFor is how long an account is leased. Its messages are safe by their claims, so
// this only decides how long a dead process's accounts wait, and is renewed by returning
// to the account.
func (d *Dispatcher) leaseFor() time.Duration { return 2 * d.cfg.ClaimLease }

// lease takes accounts with due work, no more than there is room for their messages.
func (d *Dispatcher) lease(ctx context.Context, k *traffic) ([]int64, error) {
	if err := d.readHealth(ctx); err != nil {
		return nil, err
	}
	room := int64(1)
	for _, l := range d.lanes {
		room = max(room, l.batch(k))
	}
	accounts, err := due.Lease(ctx, d.cfg.DB, k.kind, d.cfg.Owner, d.cfg.Now(), int(min(room, groupSize)), d.leaseFor())
	if err != nil {
		return nil, fmt.Errorf("lease accounts: %w", err)
	}
	return accounts, nil
}

// group claims up to a quantum of batches of accounts, gives the accounts back, says so, and
// waits for what becomes of the messages. If wait is set, it also waits for carriers that are
// busy, instead of leaving what is for them for later.
func (d *Dispatcher) group(ctx context.Context, k *traffic, wait bool, accounts []int64, returned func()) (worked int, err error) {
	var works sync.WaitGroup
	var mu sync.Mutex
	note := func(e error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			err = e
		}
	}
	defer func() {
		works.Wait()
		if p := recover(); p != nil {
			d.cfg.Log.ErrorContext(ctx, "panic while dispatching", "accounts", len(accounts), "stack", string(debug.Stack()))
			note(errors.New("notify: panic while dispatching"))
		}
	}()
	var blocked time.Time // until when some of them have to wait
	more := map[int64]bool{}
	for _, dest := range d.destinations {
		left := slices.Clone(accounts)
		for range quantum {
			n, rest, wake, e := d.claimAndWork(ctx, k, wait, dest, left, &works, note)
			worked += n
			if e != nil {
				note(e)
			}
			left = rest
			if !wake.IsZero() {
				left = nil // what they have for these carriers waits until then
				if blocked.IsZero() || wake.Before(blocked) {
					blocked = wake
				}
			}
			if e != nil || !wake.IsZero() || len(left) == 0 || ctx.Err() != nil {
				break
			}
		}
		for _, a := range left {
			more[a] = true
		}
	}
	mu.Lock()
	failed := err != nil
	mu.Unlock()
	if e := d.giveBack(context.WithoutCancel(ctx), k, accounts, blocked, more, failed); e != nil {
		note(e)
	}
	returned()
	mu.Lock()
	defer mu.Unlock()
	return worked, err
}

// giveBack releases accounts, each until it has work again. What is due already is due
// from now on, not since when it is: those who were served stand in line behind the others.
func (d *Dispatcher) giveBack(ctx context.Context, k *traffic, accounts []int64, blocked time.Time, more map[int64]bool, failed bool) error {
	now := d.cfg.Now()
	left, err := d.look(ctx, k, accounts, now)
	next := make([]due.Next, len(accounts))
	for i, a := range accounts {
		h := left[a]
		next[i] = due.Next{Account: a}
		switch {
		case err != nil || failed:
			next[i].At = now.Add(d.cfg.RetryBase)
		case h.Oldest == nil:
		case h.Oldest.After(now):
			next[i].At = *h.Oldest
		case blocked.IsZero() || more[a] || blocked.Before(now):
			next[i].At = now
		default: // what is due waits for a carrier, something else may come before that
			next[i].At = blocked
			if h.Future != nil && h.Future.Before(blocked) {
				next[i].At = *h.Future
			}
		}
	}
	if e := due.ReleaseAll(ctx, d.cfg.DB, k.kind, d.cfg.Owner, next); err == nil {
		err = e
	}
	return err
}

// claimAndWork claims one batch for dest and has it worked on. rest are the accounts that
// may have more; wake, if not zero, is when to come again since no carrier takes anything
// now.
func (d *Dispatcher) claimAndWork(ctx context.Context, k *traffic, wait bool, dest *destination, accounts []int64, works *sync.WaitGroup, note func(error)) (n int, rest []int64, wake time.Time, err error) {
	now := d.cfg.Now()
	l, wake := open(dest.lanes, now)
	if l == nil {
		n, err = d.workWithout(ctx, k, dest, accounts, !wake.IsZero())
		if wake.IsZero() && n > 0 {
			return n, accounts, wake, err
		}
		return n, nil, wake, err
	}
	probed, ok := l.probe(ctx, wait)
	if !ok {
		return 0, nil, now.Add(d.cfg.Poll), nil // until it is known what becomes of the one
	}
	held := int64(0)
	defer func() {
		if held == 0 {
			probed()
		}
	}()
	asked := l.batch(k)
	if wait || len(d.destinations) == 1 {
		err = l.acquire(ctx, k, asked)
	} else if ok, err = l.acquireSoon(ctx, k, asked); !ok && err == nil {
		return 0, nil, now.Add(d.cfg.Poll), nil
	}
	if err != nil {
		return 0, accounts, time.Time{}, nil // stopping
	}
	if l.paused(d.cfg.Now()) || asked > l.batch(k) { // since we waited it rests, or is only tried
		l.release(k, asked)
		return 0, accounts, time.Time{}, nil
	}
	ration, wake, err := d.ration(ctx, k, l, asked)
	if err != nil || ration == 0 {
		l.release(k, asked)
		return 0, accounts, wake, err
	}
	share := (ration + int64(len(accounts)) - 1) / int64(len(accounts))
	b, err := d.take(ctx, k, dest, l, accounts, share, ration, false)
	if err != nil {
		l.release(k, asked) // tokens of the bucket stay spent: it may have claimed after all
		return 0, accounts, time.Time{}, err
	}
	held = int64(len(b.items))
	l.release(k, asked-held)
	if err := d.settleRation(ctx, l, ration, b.items); err != nil {
		d.cfg.Log.WarnContext(ctx, "tokens could not be settled", "carrier", b.carrier(), "error", err)
	}
	if held < ration {
		rest = remaining(b, accounts, share)
	} else {
		rest = rotate(b, accounts)
	}
	if held > 0 {
		b.over = probed
		works.Go(func() {
			defer probed() // should it panic
			defer d.guard(ctx, note)
			if err := d.work(ctx, b, held); err != nil {
				note(err)
			}
		})
	}
	return int(held), rest, time.Time{}, nil
}

// guard keeps a panic in a batch from ending the process: its claims stay as they are, and
// what is in them is looked into when their lease ends.
func (d *Dispatcher) guard(ctx context.Context, note func(error)) {
	if p := recover(); p != nil {
		d.cfg.Log.ErrorContext(ctx, "panic while dispatching", "stack", string(debug.Stack()))
		note(errors.New("notify: panic while dispatching"))
	}
}

// remaining are those of accounts that had as many as they were asked for.
func remaining(b *batch, accounts []int64, share int64) []int64 {
	got := make(map[int64]int64, len(b.claims))
	for _, c := range b.claims {
		got[c.account] += int64(c.open)
	}
	var left []int64
	for _, a := range accounts {
		if got[a] >= share {
			left = append(left, a)
		}
	}
	return left
}

// rotate puts those of accounts that were served behind the others.
func rotate(b *batch, accounts []int64) []int64 {
	served := make(map[int64]bool, len(b.claims))
	for _, c := range b.claims {
		served[c.account] = true
	}
	out := make([]int64, 0, len(accounts))
	for _, a := range accounts {
		if !served[a] {
			out = append(out, a)
		}
	}
	for _, a := range accounts {
		if served[a] {
			out = append(out, a)
		}
	}
	return out
}

// workWithout ends messages that no carrier can have: those too late while all rest, and
// all when there is none for their destination.
func (d *Dispatcher) workWithout(ctx context.Context, k *traffic, dest *destination, accounts []int64, resting bool) (int, error) {
	b, err := d.take(ctx, k, dest, nil, accounts, d.lanes[0].most, d.lanes[0].most, resting)
	if err != nil || len(b.items) == 0 {
		return 0, err
	}
	now := d.cfg.Now()
	outs := make([]outcome, len(b.items))
	for i, it := range b.items {
		outs[i] = outcome{it: it, verdict: vFinal, status: RouteNotAvailable, reason: ReasonNoRoute, at: now}
		if !now.Before(it.Expires) {
			outs[i].status, outs[i].reason = Expired, ReasonTooLate
		}
	}
	d.logOutcomes(ctx, b, outs)
	_, err = d.record(ctx, b, outs)
	return len(b.items), err
}
