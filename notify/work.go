package notify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// flushAfter is how long results wait for the rest of their batch. One slow answer should
// not keep the others unrecorded. It is real time: nothing is decided by it.
const flushAfter = 200 * time.Millisecond

// run is a claim being worked on.
type run struct {
	*claim
	lane  *lane
	until atomic.Int64 // end of the lease, Unix nanoseconds
	lost  atomic.Bool  // another process has it
}

// work submits everything in c, all at once, and records what comes of it. held tokens of
// the lane's window are released as results are recorded.
func (d *Dispatcher) work(ctx context.Context, c *claim, l *lane, held int64) error {
	r := &run{claim: c, lane: l}
	r.until.Store(c.at.Add(d.cfg.ClaimLease).UnixNano())
	results := make(chan outcome, len(c.items))
	open := make(map[int64]*item, len(c.items))
	for _, it := range c.items {
		open[it.ID] = it
	}
	for _, it := range c.items {
		go func() { results <- d.attempt(ctx, r, it) }()
	}
	defer func() { l.window.Release(held) }()
	beat := time.NewTicker(max(d.cfg.ClaimLease/3, time.Millisecond))
	defer beat.Stop()
	flush := time.NewTicker(flushAfter)
	defer flush.Stop()

	var done []outcome
	var onward sync.WaitGroup
	passed := make(chan error, len(c.items)) // one result at least in each record
	record := func() error {
		keep := make([]*item, 0, len(open))
		for _, it := range c.items {
			if open[it.ID] != nil {
				keep = append(keep, it)
			}
		}
		d.logOutcomes(ctx, c, done)
		next, err := d.record(ctx, c, done, keep)
		n := min(int64(len(done)), held)
		held -= n
		l.window.Release(n)
		done = nil
		if next != nil {
			onward.Go(func() { passed <- d.passOn(ctx, next) })
		}
		return err
	}
	var first error
	for len(open) > 0 {
		select {
		case o := <-results:
			delete(open, o.it.ID)
			done = append(done, o)
			d.react(l, &done[len(done)-1])
		case <-flush.C:
			if len(done) > 0 {
				if err := record(); err != nil && first == nil {
					first = err
				}
			}
		case <-beat.C:
			d.heartbeat(ctx, r)
		}
	}
	if len(done) > 0 {
		if err := record(); err != nil && first == nil {
			first = err
		}
	}
	onward.Wait()
	close(passed)
	for err := range passed {
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// heartbeat renews the lease. Whether that works or not, the lease as known here only
// grows when the database has said so, and submission stops at its end.
func (d *Dispatcher) heartbeat(ctx context.Context, r *run) {
	until := d.cfg.Now().Add(d.cfg.ClaimLease)
	held, err := d.renew(context.WithoutCancel(ctx), r.claim, until)
	switch {
	case err != nil:
		d.cfg.Log.WarnContext(ctx, "claim could not be renewed", "account_id", r.account, "claim_id", r.id, "error", err)
	case !held:
		r.lost.Store(true)
	default:
		r.until.Store(until.UnixNano())
	}
}

// passOn works on what failed over. The claim is durable already, so its tokens are taken
// after it; the messages come out of a claim of the carrier before, so that the sum of
// what may be unanswered doesn't grow.
func (d *Dispatcher) passOn(ctx context.Context, c *claim) error {
	l := d.laneNamed(c.carrier.Name())
	// Lanes are only ever taken in the order of their index, so nobody waits in a circle.
	n := min(int64(len(c.items)), int64(c.carrier.Window()))
	if err := l.window.Acquire(ctx, n); err != nil {
		n = 0 // stopping: attempt puts everything back unsent
	}
	// More messages than the window: Send as many at once as it allows.
	if int64(len(c.items)) > n && n > 0 {
		return d.workInPieces(ctx, c, l, n)
	}
	return d.work(ctx, c, l, n)
}

// workInPieces works on a claim larger than the window: n at a time, the others put back
// into the queue first, from where they come again.
func (d *Dispatcher) workInPieces(ctx context.Context, c *claim, l *lane, n int64) error {
	now := d.cfg.Now()
	rest := make([]outcome, 0, len(c.items))
	for _, it := range c.items[n:] {
		rest = append(rest, outcome{it: it, verdict: vRetry, reason: ReasonInterrupted, retryAt: now, at: now})
	}
	c.items = c.items[:n]
	if _, err := d.record(ctx, c, rest, c.items); err != nil {
		l.window.Release(n)
		return err // the claim's lease will run out, and what is in it be looked into
	}
	return d.work(ctx, c, l, n)
}

// attempt submits one message, if it still should be.
func (d *Dispatcher) attempt(ctx context.Context, r *run, it *item) outcome {
	now := d.cfg.Now()
	final := func(s Status, why Reason) outcome {
		return outcome{it: it, verdict: vFinal, status: s, reason: why, at: now}
	}
	later := func(why Reason, at time.Time) outcome {
		return outcome{it: it, verdict: vRetry, reason: why, retryAt: at, at: now}
	}
	if !now.Before(it.Expires) {
		return final(Expired, ReasonTooLate)
	}
	if it.OptedOut {
		return final(NotAllowed, ReasonOptedOut)
	}
	if it.FreshUntil != nil && !now.Before(*it.FreshUntil) && d.cfg.Gate != nil {
		until, ok, err := d.ask(ctx, it, now)
		now = d.cfg.Now()
		switch {
		case err != nil:
			d.cfg.Log.WarnContext(ctx, "gate could not answer", "account_id", it.AccountID, "message_id", it.ID, "error", err)
			o := later(ReasonUnchecked, now.Add(d.cfg.RetryBase))
			o.err = err
			return o
		case !ok:
			return final(NotSent, ReasonStale)
		case !now.Before(it.Expires):
			return final(Expired, ReasonTooLate)
		case !now.Before(until): // the answer itself is old by now
			return later(ReasonUnchecked, now.Add(d.cfg.RetryBase))
		}
	}
	if ctx.Err() != nil || r.lost.Load() || !now.Before(time.Unix(0, r.until.Load())) {
		return later(ReasonInterrupted, now)
	}
	if until := r.lane.pausedUntil(); now.Before(until) {
		if next, _ := d.laneFrom(0, now); next != nil {
			until = now // another carrier can have it
		}
		return later(ReasonInterrupted, until)
	}
	// A stop waits for what is under way, so ctx ends nothing here.
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.SendTimeout)
	defer cancel()
	s, err := send(sending, r.carrier, it.Message)
	now = d.cfg.Now()
	o, p, after := judge(it, s, err, now)
	switch {
	case o.verdict == vAccepted:
		r.lane.accepted()
	case p != noPause:
		d.pauseCarrier(ctx, r.lane, p, after, err)
	}
	return o
}

// ask asks the Gate; a panic of it is an error like any other.
func (d *Dispatcher) ask(ctx context.Context, it *item, now time.Time) (until time.Time, ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the gate panicked on message %d", it.ID)
		}
	}()
	return d.cfg.Gate.Fresh(ctx, GateQuery{AccountID: it.AccountID, MessageID: it.ID, Origin: it.Origin, OriginID: it.OriginID}, now)
}

// react fixes when a message that wasn't taken is tried again: when the carrier's pause is
// over, or after a backoff. If that is too late, it ends here.
func (d *Dispatcher) react(l *lane, o *outcome) {
	if o.verdict != vRetry || !o.counted {
		return
	}
	if o.reason == ReasonThrottled {
		o.retryAt = l.pausedUntil()
		if o.retryAt.Before(o.at) {
			o.retryAt = o.at
		}
	} else {
		o.retryAt = o.at.Add(backoff(d.cfg.RetryBase, d.cfg.RetryMax, int16(o.tries()), o.it.ID))
	}
	if !o.retryAt.Before(o.it.Expires) {
		o.verdict, o.status, o.reason = vFinal, NetworkError, ReasonExhausted
	}
}
