package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
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
	requests   sync.Pool
	limit      *rate.Limiter // nil: none
	ids        ids
	held, vain atomic.Int32 // receipts, see link.identify
	references *references
	replies    *replies
}

var (
	_ notify.Carrier   = (*Carrier)(nil)
	_ notify.Session   = (*Carrier)(nil)
	_ notify.Limited   = (*Carrier)(nil)
	_ notify.Linked    = (*Carrier)(nil)
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
		ids: ids{form: cfg.ID, deaf: !cfg.Receipts}, references: newReferences(), replies: newReplies(cfg.Alphabet),
		requests: sync.Pool{New: newRequest},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With(slog.String("carrier", cfg.Name))
	for _, w := range cfg.Warnings() {
		c.log.Warn(w + "; should the gateway refuse the bind, ask for a shorter one")
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.pool = pool{window: cfg.Window, now: c.now}
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

// Bound implements notify.Linked: how many binds stand now.
func (c *Carrier) Bound() int { return c.pool.bound() }

// IDPerSegment implements notify.Segmented.
func (c *Carrier) IDPerSegment() {}

// Rate implements notify.Limited: the parts a second the gateway takes over all binds,
// 0 = no bound.
func (c *Carrier) Rate() float64 { return c.cfg.Rate }

// slot waits for a slot of any link.
func (c *Carrier) slot(ctx context.Context) (*link, *notify.SendError) {
	return c.pool.acquire(ctx, func() (<-chan time.Time, func()) { return c.wait(WaitLink, c.cfg.Timeout) })
}

// pause has nothing more leave over any bind for a while, since the gateway wants it
// slower: neither what is new nor what waits already.
func (c *Carrier) pause() {
	if c.cfg.Pause <= 0 {
		return
	}
	for _, l := range c.pool.pause(c.cfg.Pause) {
		l.withdraw(notify.ErrThrottled, errPaused)
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
		if errors.Is(err, notify.ErrMisconfigured) {
			log.ErrorContext(ctx, "not bound, and won't be before somebody acts", slog.Any("error", err))
			c.pool.refuse(err)
		} else {
			c.pool.failed(err)
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
