package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rappel/notify"
)

// Carrier is one gateway. Between New and Run, and after Run, Sends wait for a
// link and then fail with ErrTemporary.
type Carrier struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	wait    Wait
	backoff func(int) time.Duration
	tls     *tls.Config

	pool       pool
	limit      *rate.Limiter // nil: none
	ids        ids
	references *references
	unfinished unfinished
	replies    *replies
}

var (
	_ notify.Carrier   = (*Carrier)(nil)
	_ notify.Session   = (*Carrier)(nil)
	_ notify.Segmented = (*Carrier)(nil)
	_ notify.Checker   = (*Carrier)(nil)
)

// New returns the carrier for cfg, which comes from ParseURL or DefaultConfig. It
// connects only in Run and Check. The error is an ErrConfig.
func New(cfg Config) (*Carrier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Carrier{
		cfg: cfg, log: cfg.Log, now: cfg.Now, wait: cfg.Wait, backoff: cfg.Backoff, tls: cfg.TLSConfig,
		pool: pool{window: cfg.Window}, ids: ids{form: cfg.ID}, references: newReferences(), replies: newReplies(),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With(slog.String("carrier", cfg.Name))
	if c.now == nil {
		c.now = time.Now
	}
	if c.wait == nil {
		c.wait = realWait
	}
	if c.backoff == nil {
		c.backoff = backoff
	}
	if cfg.Rate > 0 {
		// A tenth of a second's worth at once: gateways count over a second, and a
		// full second's burst beside a steady flow would be two seconds' worth.
		c.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate/10)))
	}
	return c, nil
}

// Name implements notify.Carrier.
func (c *Carrier) Name() string { return c.cfg.Name }

// Window implements notify.Carrier: the slots of all binds.
func (c *Carrier) Window() int { return c.cfg.Window * c.cfg.Binds }

// Bound returns how many binds stand now.
func (c *Carrier) Bound() int { return c.pool.bound() }

// IDPerSegment implements notify.Segmented.
func (c *Carrier) IDPerSegment() {}

// Send submits m, each part in a slot of its own and at the rate configured, and
// waits for all answers. Sending a message again of which only some parts were
// taken submits the others.
//
// When parts fail in different ways, the kind is that which forbids most:
// ErrUnknown, then a final one, then ErrMisconfigured, ErrThrottled, ErrTemporary.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	l, err := c.encode(m)
	if err != nil {
		return notify.Submission{}, err
	}
	n := len(l.parts)
	p, resumed := c.unfinished.take(m.Reference())
	if !resumed || len(p.ids) != n {
		p = progress{ref: c.references.of(m.Recipient), ids: make([]string, n), has: make([]bool, n)}
	}

	requests := make([]*request, n) // under way
	outcomes := make([]outcome, n)
	settle := func() {
		for i, r := range requests {
			if r != nil {
				outcomes[i], requests[i] = c.await(ctx, r), nil
			}
		}
	}
	for i := range l.parts {
		if p.has[i] {
			continue
		}
		slot := c.pool.try()
		if slot == nil {
			// Before queueing for room, the parts that take some are waited for, so
			// that a message of more parts than the window holds can't block itself.
			settle()
		}
		requests[i], err = c.begin(ctx, slot, c.submit(l, i, p.ref), m)
		if err != nil {
			// What can't leave now can't a moment later.
			for j := i; j < n; j++ {
				outcomes[j].err = err
			}
			break
		}
	}
	settle()
	var worst *notify.SendError
	for i, o := range outcomes {
		if p.has[i] {
			continue
		}
		failure := o.failure()
		if failure == nil {
			p.has[i], p.ids[i] = true, o.id
			continue
		}
		if ours(o.status) {
			c.log.ErrorContext(ctx, "gateway finds fault with our PDU", slog.Int64("message_id", m.ID), slog.String("code", code(o.status)))
		}
		if worst == nil || severity(failure.Kind) > severity(worst.Kind) {
			worst = failure
		}
	}
	s := notify.Submission{}
	for _, id := range p.ids {
		if id != "" {
			s.IDs = append(s.IDs, id)
		}
	}
	if worst == nil {
		return s, nil
	}
	if n > 1 && severity(worst.Kind) != severity(notify.ErrRejected) {
		c.unfinished.put(m.Reference(), p)
	}
	failed := *worst // the same error may stand for several parts
	failed.Partial = s
	return notify.Submission{}, &failed
}

// severity orders the kinds by what they forbid.
func severity(kind error) int {
	switch {
	case errors.Is(kind, notify.ErrUnknown):
		return 5
	case errors.Is(kind, notify.ErrTemporary):
		return 1
	case errors.Is(kind, notify.ErrThrottled):
		return 2
	case errors.Is(kind, notify.ErrMisconfigured):
		return 3
	}
	return 4
}

// throttle waits until the rate lets one more part go.
func (c *Carrier) throttle(ctx context.Context) error {
	if c.limit == nil {
		return nil
	}
	now := c.now()
	reservation := c.limit.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	fired, stop := c.wait(WaitRate, delay)
	defer stop()
	select {
	case <-fired:
		return nil
	case <-ctx.Done():
		reservation.CancelAt(c.now())
		return ctx.Err()
	}
}

// Run keeps the binds until ctx ends, then lets what is outstanding finish for up
// to the timeout, unbinds and returns nil. in gets receipts and replies from
// several goroutines at once.
func (c *Carrier) Run(ctx context.Context, in notify.Inbox) error {
	c.pool.open()
	defer c.pool.end()
	var wg sync.WaitGroup
	for i := range c.cfg.Binds {
		wg.Go(func() { c.keep(ctx, in, i) })
	}
	wg.Wait()
	return nil
}

// keep holds bind number i.
func (c *Carrier) keep(ctx context.Context, in notify.Inbox, i int) {
	log := c.log.With(slog.Int("bind", i))
	for attempt := 0; ctx.Err() == nil; attempt++ {
		l, err := c.open(ctx, true)
		if err == nil {
			log.InfoContext(ctx, "bound")
			err = l.serve(ctx, in, log)
			if l.useful.Load() {
				attempt = 0
			}
		}
		if ctx.Err() != nil {
			return
		}
		var refused *bindError
		if errors.As(err, &refused) && refused.lasting() {
			log.ErrorContext(ctx, "bind refused", slog.String("code", code(refused.status)))
			c.pool.refuse(refused)
		} else {
			log.WarnContext(ctx, "not bound", slog.Any("error", err))
		}
		fired, stop := c.wait(WaitReconnect, c.backoff(attempt))
		select {
		case <-fired:
		case <-ctx.Done():
		}
		stop()
	}
}

// Check binds as a transmitter, so that it takes no receipts away, and unbinds.
// Where a bind of Run stands there is nothing to try.
func (c *Carrier) Check(ctx context.Context) error {
	if c.pool.bound() > 0 {
		return nil
	}
	l, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	return l.leave()
}
