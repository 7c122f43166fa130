package smpp

import (
	"hash/maphash"
	"sync"

	"rappel/notify"
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

	count uint64 // when it was put
}

// unfinished remembers messages of which some parts were taken, so that the next
// Send completes them. It forgets the oldest beyond its capacity.
type unfinished struct {
	mu    sync.Mutex
	known map[messageKey]progress
	order []entry // oldest first; some are of messages completed or put again since
	count uint64
}

// entry says that the message was put as the count-th.
type entry struct {
	messageKey
	count uint64
}

// messageKey names a message of ours.
type messageKey struct{ account, id int64 }

const unfinishedCapacity = 4096

func (u *unfinished) take(m *notify.Message) (progress, bool) {
	k := messageKey{m.AccountID, m.ID}
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.known[k]
	delete(u.known, k)
	return p, ok
}

func (u *unfinished) put(m *notify.Message, p progress) {
	k := messageKey{m.AccountID, m.ID}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[messageKey]progress{}
	}
	u.count++
	p.count = u.count
	u.known[k] = p
	u.order = append(u.order, entry{k, u.count})
	for len(u.order) > unfinishedCapacity {
		if oldest := u.order[0]; u.known[oldest.messageKey].count == oldest.count {
			delete(u.known, oldest.messageKey)
		}
		u.order = u.order[1:]
	}
}
