package smpp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rappel/notify"
)

// pool hands out slots of the bound links, first come first served.
type pool struct {
	window int
	now    func() time.Time

	mu      sync.Mutex
	links   []*link
	waiters []chan grant
	until   time.Time // the gateway wants it slower: no slots before
	refused error     // why the last bind was refused for good, while no link is bound
	trouble error     // why the last bind failed for now, while no link is bound
	ended   bool      // Run has returned
}

// grant is what a waiter gets: a link with a slot, or why there won't be one.
type grant struct {
	link   *link
	failed *notify.SendError
}

// acquire waits for a slot. While no link is bound it waits no longer than until
// patience fires. Errors are *notify.SendError: nothing has been sent.
func (p *pool) acquire(ctx context.Context, patience func() (<-chan time.Time, func())) (*link, *notify.SendError) {
	p.mu.Lock()
	if p.paused() {
		p.mu.Unlock()
		return nil, tooFast()
	}
	if len(p.waiters) == 0 {
		if l := p.free(); l != nil {
			l.used++
			p.mu.Unlock()
			return l, nil
		}
	}
	if len(p.links) == 0 && (p.refused != nil || p.ended) {
		err := p.refused
		p.mu.Unlock()
		return nil, unbound(err)
	}
	w := make(chan grant, 1)
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()

	tired, stop := patience()
	defer func() { stop() }()
	for {
		select {
		case g := <-w:
			return g.link, g.failed
		case <-ctx.Done():
			return p.leave(w, ctx.Err())
		case <-tired:
			if p.bound() == 0 {
				return p.leave(w, p.lastTrouble())
			}
			// Bound meanwhile, only busy. But the link may go again.
			stop()
			tired, stop = patience()
		}
	}
}

// try takes a slot if one is free and nobody waits for it; else it returns nil.
func (p *pool) try() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) > 0 || p.paused() {
		return nil
	}
	l := p.free()
	if l != nil {
		l.used++
	}
	return l
}

// leave takes w out of the queue. A slot granted at the last moment is used.
func (p *pool) leave(w chan grant, why error) (*link, *notify.SendError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		return nil, temporary(why)
	}
	g := <-w
	return g.link, g.failed
}

func unbound(refused error) *notify.SendError {
	if refused == nil {
		return temporary(errNotBound)
	}
	e := &notify.SendError{Kind: notify.ErrMisconfigured, Refused: true, Err: refused}
	if b, ok := errors.AsType[*bindError](refused); ok {
		e.Code = code(b.status)
	}
	return e
}

// temporary is the failure of what certainly hasn't left, and may later.
func temporary(why error) *notify.SendError {
	e := &notify.SendError{Kind: notify.ErrTemporary, Err: why}
	if b, ok := errors.AsType[*bindError](why); ok {
		e.Code, e.Refused = code(b.status), b.noRoute()
	}
	return e
}

func tooFast() *notify.SendError {
	return &notify.SendError{Kind: notify.ErrThrottled, Err: errPaused}
}

// paused reports whether the gateway's wish for less still holds. mu is held.
func (p *pool) paused() bool {
	if p.until.IsZero() {
		return false
	}
	if p.now().Before(p.until) {
		return true
	}
	p.until = time.Time{}
	return false
}

// pause hands out no slots for d, sends away who waits for one, and returns the links.
func (p *pool) pause(d time.Duration) []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = p.now().Add(d)
	p.dismiss(tooFast)
	return slices.Clone(p.links)
}

// free returns the link with most room, or nil. mu is held.
func (p *pool) free() (best *link) {
	for _, l := range p.links {
		if l.used < p.window && !l.suspended && (best == nil || l.used < best.used) {
			best = l
		}
	}
	return best
}

// serve gives free slots to those who wait. mu is held.
func (p *pool) serve() {
	for len(p.waiters) > 0 {
		l := p.free()
		if l == nil {
			return
		}
		l.used++
		p.waiters[0] <- grant{link: l}
		p.waiters = p.waiters[1:]
	}
}

// release gives a slot of l back.
func (p *pool) release(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.used--
	p.serve()
}

func (p *pool) add(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused, p.trouble = nil, nil
	p.links = append(p.links, l)
	p.serve()
}

// remove lets l have no further slots taken. It may be called twice.
func (p *pool) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.links, l); i >= 0 {
		p.links = slices.Delete(p.links, i, i+1)
	}
}

// suspend gives out no slots of l until resume.
func (p *pool) suspend(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.suspended = true
}

func (p *pool) resume(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.suspended = false
	p.serve()
}

// refuse notes that a bind was refused for good; those who wait hear it at once
// unless another link is bound.
func (p *pool) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) > 0 {
		return
	}
	p.refused = err
	p.dismiss(func() *notify.SendError { return unbound(err) })
}

// failed notes why a bind failed; those who wait go on waiting for the next.
func (p *pool) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) == 0 {
		p.trouble = err
	}
}

// lastTrouble is why no link is bound.
func (p *pool) lastTrouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := errors.AsType[*bindError](p.trouble); ok {
		return b
	}
	return errNotBound
}

// dismiss sends away all who wait. mu is held.
func (p *pool) dismiss(why func() *notify.SendError) {
	for _, w := range p.waiters {
		w <- grant{failed: why()}
	}
	p.waiters = nil
}

// open and end bracket Run.
func (p *pool) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = false
}

func (p *pool) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if len(p.links) == 0 {
		p.dismiss(func() *notify.SendError { return unbound(p.refused) })
	}
}

func (p *pool) bound() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}
