package notify

import (
	"context"
	"sync"
	"time"
)

// pacer bounds how many campaign messages are on their way to a carrier and back at once,
// by the time they wait there. What is handed over lies in the carrier's queue, and a
// reminder handed over next lies behind it: a window of 2000 at 10,000 a second is a fifth
// of a second. So no more is handed over than keeps the carrier busy.
//
// The time answers take beyond the shortest there was is the time in the queue. Each round,
// which is as many answers as the limit allows, the limit follows it: towards what makes
// queueing of that time, up while there is less. Once in a while a round is run with a
// fraction of the limit, so that the shortest time is seen again, should the way have
// become a longer one. (The idea is that of TCP Vegas and BBR.)
//
// Notifications don't wait here.
type pacer struct {
	most int // what the window allows

	mu      sync.Mutex
	limit   int
	out     int             // with the carrier
	waiting []chan struct{} // for their turn, oldest first

	base   time.Duration // shortest answer of this period; 0 = none yet
	rounds int           // in this period
	sum    time.Duration // of the answers of this round
	n      int
	full   bool // the limit was what bound, in this round
	grown  bool // the first queueing was seen: no more doubling
	resume int  // limit after a round of looking; 0 = this is none
}

const (
	pacerQueue  = 40 * time.Millisecond // time in the carrier's queue to aim at
	pacerLeast  = 4                     // messages that may be out in any case
	pacerFirst  = 64
	pacerPeriod = 100 // rounds until the shortest answer is looked for anew
)

func newPacer(most int) *pacer { return &pacer{most: most, limit: min(pacerFirst, most)} }

// acquire waits until a message may be handed over; false says that ctx ended. Each true
// wants a release.
func (p *pacer) acquire(ctx context.Context) bool {
	p.mu.Lock()
	if p.out < p.limit {
		p.out++
		p.mu.Unlock()
		return true
	}
	p.full = true
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return false
		}
	}
	p.out-- // its turn came at the same time
	p.admit()
	return false
}

// release says that the carrier answered after took; took below zero says nothing about
// its queue.
func (p *pacer) release(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	if took >= 0 {
		p.observe(took)
	}
	p.admit()
}

// admit lets those in whose turn it is. The caller holds mu.
func (p *pacer) admit() {
	n := 0
	for n < len(p.waiting) && p.out < p.limit {
		close(p.waiting[n])
		p.out++
		n++
	}
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting = nil
	}
}

func (p *pacer) observe(took time.Duration) {
	if p.base == 0 || took < p.base {
		p.base = max(took, 1)
	}
	p.sum += took
	// A look at the shortest time begins when what was out before it is back.
	if p.n++; p.n < p.limit+p.resume {
		return
	}
	queued := p.sum/time.Duration(p.n) - p.base
	switch {
	case p.resume > 0:
		p.limit, p.resume = p.resume, 0
	case queued > pacerQueue:
		p.limit = int(int64(p.limit) * int64(p.base+pacerQueue) / int64(p.base+queued))
		p.grown = true
	case p.full && queued < pacerQueue/2:
		if p.limit += p.limit/4 + 4; !p.grown {
			p.limit += p.limit / 2
		}
	}
	p.limit = min(max(p.limit, pacerLeast), p.most)
	p.sum, p.n, p.full = 0, 0, false
	if p.rounds++; p.rounds < pacerPeriod {
		return
	}
	p.rounds, p.base, p.resume = 0, 0, p.limit
	p.limit = min(max(p.limit/8, pacerLeast), p.most)
}
