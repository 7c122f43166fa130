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
	ids []string // by part; "" = not taken, or taken without an id
	has []bool
}
