package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"rappel/notify"
	"rappel/notify/carriers/smpp"
	"rappel/notify/standin"
)

// benchSMPP is the whole way: enqueued, claimed, submitted over TCP to an SMSC in this
// process, receipt delivered by it and recorded.
type benchSMPP struct {
	Messages int        `json:"messages"`
	Accounts int        `json:"accounts"`
	Binds    int        `json:"binds"`
	Window   int        `json:"window_per_bind"`
	Flood    *benchFlow `json:"flood"` // as fast as it goes
	Paced    *benchFlow `json:"paced"` // at half that
	Lost     int        `json:"lost"`  // always 0: a lost message fails the run
	Doubled  int        `json:"doubled"`
}

// benchFlow is messages from the first's enqueuing to the last's receipt.
type benchFlow struct {
	Messages  int        `json:"messages"`
	PerSecond float64    `json:"messages_per_second"`
	Accepted  benchTimes `json:"enqueue_to_accepted"`
	benchUse
}

// pacedFor is how long the paced feed goes on, and pace how often it brings something.
const (
	pacedFor = 10 * time.Second
	pace     = 20 * time.Millisecond
)

// countingInbox is the desk, counting the receipts that are durable. Most of their messages
// are DELIVERED by then; those whose acceptance wasn't recorded yet are a moment later.
type countingInbox struct {
	*notify.Desk
	n atomic.Int64
}

// Receipt implements notify.Inbox.
func (i *countingInbox) Receipt(ctx context.Context, r notify.Receipt) error {
	err := i.Desk.Receipt(ctx, r)
	if err == nil {
		i.n.Add(1)
	}
	return err
}

// benchRoute is a running dispatcher with a carrier over SMPP and the SMSC at its end.
type benchRoute struct {
	smsc  *standin.SMSC
	inbox *countingInbox
	stop  []func() error // in this order
}

// openRoute starts everything. wrap may put something around the carrier.
func (e *benchEngine) openRoute(ctx context.Context, b *bench, query string, binds int, wrap func(*smpp.Carrier) notify.Carrier) (r *benchRoute, err error) {
	r = &benchRoute{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.smsc, err = standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{Auto: "DELIVRD", Memory: standin.KeepNothing, Retry: time.Second}); err != nil {
		return r, err
	}
	cfg, err := smpp.ParseURL(r.smsc.URL(query))
	if err != nil {
		return r, err
	}
	cfg.Log = b.log
	c, err := smpp.New(cfg)
	if err != nil {
		return r, err
	}
	notifyConfig := e.config(b, wrap(c))
	desk, err := notify.NewDesk(notifyConfig)
	if err != nil {
		return r, err
	}
	r.inbox = &countingInbox{Desk: desk}
	d, err := notify.NewDispatcher(notifyConfig)
	if err != nil {
		return r, err
	}
	r.serve(ctx, func(ctx context.Context) error { return c.Run(ctx, r.inbox) })
	if err = r.smsc.Until(ctx, func() bool { return r.smsc.Bound() == binds }); err != nil {
		return r, err
	}
	r.serve(ctx, d.Run)
	return r, nil
}

// serve runs f until the route is closed, after those that were started later.
func (r *benchRoute) serve(ctx context.Context, f func(context.Context) error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- f(running) }()
	r.stop = append([]func() error{func() error { cancel(); return <-ended }}, r.stop...)
}

// close ends the dispatcher, which records what it has in hand, then the carrier, then
// the SMSC.
func (r *benchRoute) close() error {
	var errs []error
	for _, stop := range r.stop {
		errs = append(errs, stop())
	}
	if r.smsc != nil {
		errs = append(errs, r.smsc.Close())
	}
	return errors.Join(errs...)
}

// receipts waits until n more are durable than from, as long as they come.
func (r *benchRoute) receipts(ctx context.Context, from, n int) error {
	done := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for r.count() < from+n {
			select {
			case <-watching.Done():
				return
			case <-look.C:
			}
		}
		close(done)
	}()
	return waitMoving(ctx, done, r.count)
}

func (r *benchRoute) count() int { return int(r.inbox.n.Load()) }

func (b *bench) smpp(ctx context.Context) (s *benchSMPP, err error) {
	e, err := b.newEngine(ctx, benchRound{accounts: b.Accounts})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	s = &benchSMPP{Messages: b.Messages, Accounts: b.Accounts, Binds: b.Binds, Window: b.Under}
	r, err := e.openRoute(ctx, b, fmt.Sprintf("binds=%d&window=%d", b.Binds, b.Under), b.Binds, func(c *smpp.Carrier) notify.Carrier { return c })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()

	if err := b.place.checkpoint(ctx); err != nil {
		return nil, err
	}
	b.say("over SMPP, %d messages as fast as it goes", b.Messages)
	load := e.newLoad(b.Messages, notify.Notification)
	s.Flood, err = e.flow(ctx, b, r, load, func() error { return load.enqueue(ctx, benchInserters, benchInsertBatch) })
	if err != nil {
		return nil, err
	}
	rate := s.Flood.PerSecond / 2
	n := min(b.Messages, int(rate*pacedFor.Seconds()))
	b.say("over SMPP, %d messages at %.0f a second", n, rate)
	load = e.newLoad(max(n, 1), notify.Notification)
	s.Paced, err = e.flow(ctx, b, r, load, func() error { return load.feed(ctx, rate) })
	if err != nil {
		return nil, err
	}
	if s.Doubled = r.smsc.Accepted() - s.Flood.Messages - s.Paced.Messages; s.Doubled != 0 {
		return nil, fmt.Errorf("the SMSC accepted %d messages more than were enqueued", s.Doubled)
	}
	return s, nil
}

// flow measures from before enqueue until the last receipt is durable.
func (e *benchEngine) flow(ctx context.Context, b *bench, r *benchRoute, load *benchLoad, enqueue func() error) (*benchFlow, error) {
	from, before := r.count(), time.Now()
	counts, err := e.counts(ctx)
	if err != nil {
		return nil, err
	}
	want := counts[notify.Delivered] + load.n
	through := func() float64 { return float64(r.count()-from) / float64(load.n) }
	g := startGauge(ctx, through)
	enqueued := make(chan error, 1)
	began := time.Now()
	go func() { enqueued <- enqueue() }()
	err = r.receipts(ctx, from, load.n)
	if err == nil {
		err = e.delivered(ctx, want)
	}
	took := time.Since(began)
	use := g.end()
	if err := errors.Join(<-enqueued, err); err != nil {
		return nil, e.explain(ctx, r, err)
	}
	f := &benchFlow{Messages: load.n, PerSecond: float64(load.n) / took.Seconds(), benchUse: use}
	b.say("%.0f messages a second; reading how long each took", f.PerSecond)
	times := make([]time.Duration, 0, load.n)
	store := notify.NewStore(e.owner)
	for account := range e.accounts {
		for m, err := range store.Export(ctx, int64(account+1), notify.Filter{From: before}) {
			switch {
			case err != nil:
				return nil, err
			case m.Status != notify.Delivered || m.AcceptedAt == nil:
				return nil, fmt.Errorf("message %d of account %d is %s (%s) though its receipt came", m.ID, m.AccountID, m.Status, m.Reason)
			}
			times = append(times, m.AcceptedAt.Sub(m.CreatedAt))
		}
	}
	if len(times) != load.n {
		return nil, fmt.Errorf("%d messages are in the log, %d were enqueued", len(times), load.n)
	}
	f.Accepted = newBenchTimes(times)
	return f, nil
}

// explain adds to err where the messages are.
func (e *benchEngine) explain(ctx context.Context, r *benchRoute, err error) error {
	counts, e2 := e.counts(context.WithoutCancel(ctx))
	if e2 != nil {
		return errors.Join(err, e2)
	}
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		err = fmt.Errorf("%w; %d %s", err, counts[status], status)
	}
	refused := r.smsc.Acked(0x64) + r.smsc.Acked(0x66) // for now, for good
	return fmt.Errorf("%w; %d receipts not acknowledged, %d times one was refused", err, r.smsc.Undelivered(), refused)
}

// delivered waits until so many messages are.
func (e *benchEngine) delivered(ctx context.Context, want int) error {
	for try := 0; ; try++ {
		counts, err := e.counts(ctx)
		if err != nil {
			return err
		}
		switch {
		case counts[notify.Delivered] == want:
			return nil
		case counts[notify.Delivered] > want:
			return fmt.Errorf("%d messages are delivered, %d were enqueued", counts[notify.Delivered], want)
		case try == 1000:
			return fmt.Errorf("%d of %d messages are delivered", counts[notify.Delivered], want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// feed enqueues at an even rate of messages a second, a few at a time and each time for
// the next account.
func (l *benchLoad) feed(ctx context.Context, rate float64) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	began := time.Now()
	turn := 0
	for done := 0; done < l.n; {
		now := min(l.n, int(time.Since(began).Seconds()*rate)+1)
		if now > done {
			if err := l.chunk(ctx, benchChunk{done, now}, 1+int64(turn%l.e.accounts)); err != nil {
				return err
			}
			done = now
			turn++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
