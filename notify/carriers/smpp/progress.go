package smpp

import (
	"hash/maphash"
	"sync"
)

// references hands out concatenation references: one after the other for each
// destination, so that the 8 bits of a UDH last for 256 long messages to the same
// phone. Destinations share counters by hash, which only makes them skip.
type references struct {
	seed maphash.Seed
	mu   sync.Mutex
	next [1 << 14]uint16
}

func newReferences() *references {
	r := &references{seed: maphash.MakeSeed()}
	// Begin anywhere: after a restart, or in another process, the last messages'
	// references shouldn't come again at once.
	for i := range r.next {
		r.next[i] = uint16(maphash.Comparable(r.seed, i))
	}
	return r
}

func (r *references) of(destination string) uint16 {
	i := maphash.String(r.seed, destination) % uint64(len(r.next))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[i]++
	return r.next[i]
}

// progress is what became of the parts of a message not yet taken whole.
type progress struct {
	ref uint16
	ids []string // by part; "" = not taken
	has []bool
}

// unfinished remembers messages of which some parts were taken, so that the next
// Send completes them. It forgets the oldest beyond its capacity.
type unfinished struct {
	mu    sync.Mutex
	known map[string]progress
	order []string
}

const unfinishedCapacity = 4096

func (u *unfinished) take(reference string) (progress, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.known[reference]
	delete(u.known, reference)
	return p, ok
}

func (u *unfinished) put(reference string, p progress) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[string]progress{}
	}
	u.known[reference] = p
	u.order = append(u.order, reference)
	for len(u.order) > unfinishedCapacity {
		delete(u.known, u.order[0])
		u.order = u.order[1:]
	}
}
