package notify

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Dispatcher brings queued messages to carriers. Any number of them, in any number of
// processes, may work over one database. See doc.go for what it promises.
type Dispatcher struct {
	cfg          Config
	book         *book
	statements   *statements
	lanes        []*lane
	destinations []*destination // the first is what no other takes
	wake         chan struct{}
	recordPauses []time.Duration
	optimism     optimism

	mu      sync.Mutex
	awaited map[int64]time.Time // when the look for an account's receipts was raised last
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
	s := newStatements(cfg.DB)
	d := &Dispatcher{cfg: cfg, statements: s, book: newBook(cfg, s), wake: make(chan struct{}, 1), recordPauses: recordPauses,
		awaited: map[int64]time.Time{}}
	for i, c := range cfg.Carriers {
		d.lanes = append(d.lanes, newLane(c, i, cfg.Batch, cfg.Routes[c.Name()]))
	}
	d.destinations = destinations(d.lanes)
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
		n, e := d.dispatch(ctx, urgentTraffic, false)
		if e == nil {
			var m int
			m, e = d.dispatch(ctx, bulkTraffic, false)
			n += m
		}
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
	for _, k := range []*traffic{urgentTraffic, bulkTraffic} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := d.dispatch(ctx, k, true); err != nil && ctx.Err() == nil {
					d.cfg.Log.ErrorContext(ctx, "dispatch", "error", err)
					d.pause(ctx, time.Second)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// pause waits for a while or for the end of ctx.
func (d *Dispatcher) pause(ctx context.Context, while time.Duration) {
	t := time.NewTimer(while)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// every calls f at once and then with a pause between.
func (d *Dispatcher) every(ctx context.Context, while time.Duration, what string, f func(context.Context) error) {
	for ctx.Err() == nil {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.ErrorContext(ctx, what, "error", err)
		}
		d.pause(ctx, while)
	}
}

// dispatch leases accounts with due work of k and works on them, Workers groups at once.
// A group gets a quantum of batches and is then given back as due from now on, so that one
// account with a million messages stands in line behind one with a single message.
//
// It ends with ctx, at the first error, and, if it isn't to stay, when nothing is due.
func (d *Dispatcher) dispatch(ctx context.Context, k *traffic, stay bool) (worked int, err error) {
	type report struct {
		n   int
		err error
	}
	reports := make(chan report, d.cfg.Workers)
	returned := make(chan struct{}, 1) // accounts were given back, so there may be work
	busy, idle := 0, false
	wake := d.wake
	if k.bulk {
		wake = nil // who wakes us has a notification
	}
	for {
		if ctx.Err() == nil && busy < d.cfg.Workers && err == nil && !idle {
			accounts, e := d.lease(ctx, k)
			if e != nil {
				err = e
			} else if len(accounts) > 0 {
				busy++
				go func() {
					n, err := d.group(ctx, k, !stay, accounts, func() {
						select {
						case returned <- struct{}{}:
						default: // known already
						}
					})
					reports <- report{n, err}
				}()
				continue
			}
			idle = true
		}
		if busy == 0 && (err != nil || ctx.Err() != nil || !stay) {
			return worked, err
		}
		var look <-chan time.Time
		var timer *time.Timer
		if stay && ctx.Err() == nil && err == nil && busy < d.cfg.Workers {
			timer = time.NewTimer(k.rest * d.cfg.Poll)
			look = timer.C
		}
		done := ctx.Done()
		if busy > 0 {
			done = nil // they end by themselves
		}
		select {
		case r := <-reports:
			busy--
			worked += r.n
			if r.err != nil && err == nil && ctx.Err() == nil {
				err = r.err
			}
			idle = false
		case <-returned:
			idle = false
		case <-look:
			idle = false
		case <-wake:
			idle = false
		case <-done:
		}
		if timer != nil {
			timer.Stop()
		}
	}
}
