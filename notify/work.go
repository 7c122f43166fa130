package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// flushAfter is how long results wait for the rest of their batch. One slow answer should
// not keep the others unrecorded. It is real time: nothing is decided by it.
const flushAfter = 200 * time.Millisecond

// work submits everything in b, all at once, and records what comes of it. held tokens of
// the lane's window are released as results are recorded.
func (d *Dispatcher) work(ctx context.Context, b *batch, held int64) error {
	// A stop waits for what is under way, so ctx ends nothing here.
	var cancel context.CancelFunc
	b.sending, cancel = context.WithTimeout(context.WithoutCancel(ctx), d.cfg.SendTimeout)
	defer cancel()
	results := d.submitAll(ctx, b)
	defer func() { b.lane.release(b.k, held) }()
	beat := time.NewTicker(max(d.cfg.ClaimLease/3, time.Millisecond))
	defer beat.Stop()
	flush := time.NewTicker(flushAfter)
	defer flush.Stop()

	var onward sync.WaitGroup
	passed := make(chan error, len(b.items)) // one result at least in each of those
	record := func(done []outcome) error {
		if len(done) == 0 {
			return nil
		}
		d.logOutcomes(ctx, b, done)
		next, err := d.record(ctx, b, done)
		n := min(int64(len(done)), held)
		held -= n
		b.lane.release(b.k, n)
		for _, nb := range next {
			onward.Go(func() { passed <- d.passOn(ctx, nb) })
		}
		return err
	}
	var first error
	for open := true; open; {
		select {
		case <-results.all:
			open = false
		case <-flush.C:
		case <-beat.C:
			d.heartbeat(ctx, b)
			continue
		}
		if err := record(results.take()); err != nil && first == nil {
			first = err
		}
	}
	if b.over != nil {
		b.over()
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

// results are what came of a batch's messages so far and hasn't been taken.
type results struct {
	all chan struct{} // closed when nothing is outstanding

	mu   sync.Mutex
	open int
	outs []outcome
}

func (r *results) put(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outs == nil {
		r.outs = make([]outcome, 0, r.open)
	}
	r.outs = append(r.outs, o)
	if r.open--; r.open == 0 {
		close(r.all)
	}
}

func (r *results) take() []outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	outs := r.outs
	r.outs = nil
	return outs
}

// submitAll begins to submit everything in b. Each message has a goroutine where it has to
// wait for its answer: whoever takes one sees to it first that somebody is there for the
// next. Whoever doesn't have to wait goes on with it, and the other isn't needed.
func (d *Dispatcher) submitAll(ctx context.Context, b *batch) *results {
	r := &results{all: make(chan struct{}), open: len(b.items)}
	if r.open == 0 {
		close(r.all)
		return r
	}
	var next atomic.Int64
	var ready atomic.Bool // somebody is there who hasn't had a message yet
	var submit func()
	submit = func() {
		first := true
		for i := next.Add(1); i <= int64(len(b.items)); i = next.Add(1) {
			if first {
				ready.Store(false)
				first = false
			}
			if i < int64(len(b.items)) && ready.CompareAndSwap(false, true) {
				go submit()
			}
			o := d.attempt(ctx, b, b.items[i-1])
			d.react(b.lane, &o)
			r.put(o)
		}
	}
	go submit()
	return r
}

// heartbeat renews the leases. Whether that works or not, a lease as known here only grows
// when the database has said so, and submission stops at its end.
func (d *Dispatcher) heartbeat(ctx context.Context, b *batch) {
	var claims []*claim
	for _, c := range b.claims {
		if c.open > 0 {
			claims = append(claims, c)
		}
	}
	if len(claims) == 0 {
		return
	}
	until := d.cfg.Now().Add(d.cfg.ClaimLease)
	held, err := d.renew(context.WithoutCancel(ctx), claims, until)
	if err != nil {
		d.cfg.Log.WarnContext(ctx, "claims could not be renewed", "carrier", b.carrier(), "claims", len(claims), "error", err)
		return
	}
	for _, c := range claims {
		if held[c.id] {
			c.until.Store(until.UnixNano())
		} else {
			c.lost.Store(true)
		}
	}
}

// passOn works on what failed over. The claims are durable already, so their tokens are
// taken after them; the messages come out of claims of the carrier before, so that the sum
// of what may be unanswered doesn't grow.
func (d *Dispatcher) passOn(ctx context.Context, b *batch) error {
	// Who waits here holds no token of any lane, so nobody waits in a circle.
	n := min(int64(len(b.items)), b.lane.size)
	if b.k.bulk {
		n = min(n, b.lane.bulkSize())
	}
	if err := d.await(ctx, b, n); err != nil {
		return d.work(ctx, b, 0) // stopping: attempt puts everything back unsent
	}
	if err := d.readOptOuts(ctx, b); err != nil {
		b.lane.release(b.k, n)
		return errors.Join(err, d.putBack(ctx, b, b.items))
	}
	// More messages than the window: Send as many at once as it allows.
	if int64(len(b.items)) > n {
		return d.workInPieces(ctx, b, n)
	}
	return d.work(ctx, b, n)
}

// await takes n tokens of b's lane. The leases of b's claims run while it waits, so it renews
// them, and once more at the end: what is submitted then has most of a lease before it.
func (d *Dispatcher) await(ctx context.Context, b *batch, n int64) error {
	over := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() {
		beat := time.NewTicker(max(d.cfg.ClaimLease/3, time.Millisecond))
		defer beat.Stop()
		for {
			select {
			case <-over:
				return
			case <-beat.C:
				d.heartbeat(ctx, b)
			}
		}
	})
	err := b.lane.acquire(ctx, b.k, n)
	close(over)
	beats.Wait() // work reads the claims and changes them
	d.heartbeat(ctx, b)
	return err
}

// workInPieces works on a batch larger than the window: n at a time, the others put back
// into the queue first, from where they come again.
func (d *Dispatcher) workInPieces(ctx context.Context, b *batch, n int64) error {
	rest := b.items[n:]
	b.items = b.items[:n]
	if err := d.putBack(ctx, b, rest); err != nil {
		b.lane.release(b.k, n)
		return err
	}
	return d.work(ctx, b, n)
}

// putBack puts messages that weren't submitted back into the queue. If it can't, their
// claims' leases will run out, and what is in them be looked into.
func (d *Dispatcher) putBack(ctx context.Context, b *batch, items []*item) error {
	now := d.cfg.Now()
	outs := make([]outcome, 0, len(items))
	for _, it := range items {
		outs = append(outs, outcome{it: it, verdict: vRetry, reason: ReasonInterrupted, retryAt: now, at: now})
	}
	_, err := d.record(ctx, b, outs)
	return err
}

// attempt submits one message, if it still should be.
func (d *Dispatcher) attempt(ctx context.Context, b *batch, it *item) outcome {
	if b.k.bulk && !b.lane.pacer.acquire(ctx) {
		now := d.cfg.Now()
		return outcome{it: it, verdict: vRetry, reason: ReasonInterrupted, retryAt: now, at: now}
	}
	o, took := d.submit(ctx, b, it)
	if b.k.bulk {
		b.lane.pacer.release(took)
	}
	return o
}

// submit is attempt once it is the message's turn. took is how long the carrier needed to
// accept it, negative if it didn't.
func (d *Dispatcher) submit(ctx context.Context, b *batch, it *item) (o outcome, took time.Duration) {
	now := d.cfg.Now()
	final := func(s Status, why Reason) (outcome, time.Duration) {
		return outcome{it: it, verdict: vFinal, status: s, reason: why, at: now}, -1
	}
	later := func(why Reason, at time.Time) (outcome, time.Duration) {
		return outcome{it: it, verdict: vRetry, reason: why, retryAt: at, at: now}, -1
	}
	if !now.Before(it.Expires) {
		return final(Expired, ReasonTooLate)
	}
	if it.OptedOut {
		return final(NotAllowed, ReasonOptedOut)
	}
	if it.Invalid {
		return final(InvalidDestination, ReasonInvalidNumber)
	}
	if it.Kind == Marketing && d.cfg.Window != nil {
		opens, err := d.cfg.Window.NextOpen(ctx, it.AccountID, it.Recipient, now)
		switch {
		case err != nil:
			d.cfg.Log.WarnContext(ctx, "sending window unknown", "account_id", it.AccountID, "message_id", it.ID, "error", err)
			o, took = later(ReasonUnchecked, now.Add(d.cfg.RetryBase))
			o.err = err
			return o, took
		case !opens.Before(it.Expires):
			return final(Expired, ReasonTooLate)
		case opens.After(now):
			return later(ReasonOutOfHours, opens)
		}
	}
	asked := it.FreshUntil != nil && !now.Before(*it.FreshUntil) && d.cfg.Gate != nil
	if asked { // which may have taken its time
		until, ok, err := d.ask(ctx, it, now)
		now = d.cfg.Now()
		switch {
		case err != nil:
			d.cfg.Log.WarnContext(ctx, "gate could not answer", "account_id", it.AccountID, "message_id", it.ID, "error", err)
			o, took = later(ReasonUnchecked, now.Add(d.cfg.RetryBase))
			o.err = err
			return o, took
		case !ok:
			return final(NotSent, ReasonStale)
		case !now.Before(it.Expires):
			return final(Expired, ReasonTooLate)
		case !now.Before(until): // the answer itself is old by now
			return later(ReasonUnchecked, now.Add(d.cfg.RetryBase))
		}
	}
	if ctx.Err() != nil || it.claim.lost.Load() || !now.Before(time.Unix(0, it.claim.until.Load())) {
		return later(ReasonInterrupted, now)
	}
	if until := b.lane.pausedUntil(now); now.Before(until) {
		if next, _ := open(d.destinationOf(it.Recipient).lanes, now); next != nil {
			until = now // another carrier can have it
		}
		return later(ReasonInterrupted, until)
	}
	sending := b.sending
	if asked || b.k.bulk { // which have waited
		var cancel context.CancelFunc
		sending, cancel = context.WithTimeout(context.WithoutCancel(ctx), d.cfg.SendTimeout)
		defer cancel()
	}
	handed := d.cfg.Now()
	s, err := send(sending, b.lane.carrier, it.Message)
	now, took = d.cfg.Now(), -1
	o, p, after := judge(it, s, err, now)
	switch {
	case o.verdict == vAccepted:
		took = now.Sub(handed)
		d.cfg.Flights.took(b.carrier(), o.ids)
		b.lane.accepted()
	case p != noPause:
		d.pauseCarrier(ctx, b.lane, p, after, o.refused, err)
	}
	return o, took
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

// react fixes when a message that wasn't taken is tried again: at once, if a carrier that
// doesn't throttle is there for it, when the carrier's pause is over, or after a backoff. If that is too late, it ends here.
func (d *Dispatcher) react(l *lane, o *outcome) {
	if o.verdict != vRetry || !o.counted {
		return
	}
	if o.reason == ReasonThrottled {
		o.retryAt = l.pausedUntil(o.at)
		if next, _ := open(d.destinationOf(o.it.Recipient).lanes, o.at); next != nil || o.retryAt.Before(o.at) {
			o.retryAt = o.at // another carrier can have it
		}
	} else {
		o.retryAt = o.at.Add(backoff(d.cfg.RetryBase, d.cfg.RetryMax, int16(o.tries()), o.it.ID))
	}
	if !o.retryAt.Before(o.it.Expires) {
		o.verdict, o.status, o.reason = vFinal, NetworkError, ReasonExhausted
		if o.refused { // it was never connected
			o.status = RouteNotAvailable
		}
	}
}
