package smpp

import (
	"context"

	"sync"
	"time"

	"rappel/notify"
)

// pool hands out slots of the bound links, first come first served.
type pool struct {
	window int

	mu      sync.Mutex
	links   []*link
	waiters []chan grant
	refused error // why the last bind was refused for good, while no link is bound
	ended   bool  // Run has returned
}

// grant is what a waiter gets: a link with a slot, or why there won't be one.
type grant struct {
	link *link
	err  error
}

// acquire waits for a slot. While no link is bound it waits no longer than until
// patience fires. Errors are *notify.SendError: nothing has been sent.
func (p *pool) acquire(ctx context.Context, patience func() (<-chan time.Time, func())) (*link, error) {
	if l := p.try(); l != nil {
		return l, nil
	}
	p.mu.Lock()
	bound := len(p.links) > 0
	if !bound && (p.refused != nil || p.ended) {
		err := p.refused
		p.mu.Unlock()
		return nil, unbound(err)
	}
	w := make(chan grant, 1)
	p.waiters = append(p.waiters, w)
	p.serve() // a slot may have come free since try
	p.mu.Unlock()

	tired, stop := patience()
	defer func() { stop() }()
	for {
		select {
		case g := <-w:
			return g.link, g.err
		case <-ctx.Done():
			return p.leave(w, ctx.Err())
		case <-tired:
			p.mu.Lock()
			bound := len(p.links) > 0
			p.mu.Unlock()
			if !bound {
				return p.leave(w, errNotBound)
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
	if len(p.waiters) > 0 {
		return nil
	}
	l := p.free()
	if l != nil {
		l.used++
	}
	return l
}

// leave takes w out of the queue. A slot granted at the last moment is used.
func (p *pool) leave(w chan grant, why error) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiters {
		if other == w {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			return nil, &notify.SendError{Kind: notify.ErrTemporary, Err: why}
		}
	}
	g := <-w
	return g.link, g.err
}

func unbound(refused error) error {
	if refused != nil {
		return &notify.SendError{Kind: notify.ErrMisconfigured, Code: refusalCode(refused), Err: refused}
	}
	return &notify.SendError{Kind: notify.ErrTemporary, Err: errNotBound}
}

func refusalCode(err error) string {
	if b, ok := err.(*bindError); ok {
		return code(b.status)
	}
	return ""
}

// free returns the link with most room, or nil. mu is held.
func (p *pool) free() (best *link) {
	for _, l := range p.links {
		if l.used < p.window && (best == nil || l.used < best.used) {
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
	p.refused = nil
	p.links = append(p.links, l)
	p.serve()
}

// remove lets l have no further slots taken. It may be called twice.
func (p *pool) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.links {
		if other == l {
			p.links = append(p.links[:i], p.links[i+1:]...)
			return
		}
	}
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
	p.dismiss()
}

// dismiss sends away all who wait. mu is held.
func (p *pool) dismiss() {
	for _, w := range p.waiters {
		w <- grant{err: unbound(p.refused)}
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
		p.dismiss()
	}
}

func (p *pool) bound() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}
