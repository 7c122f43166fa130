package smpp

import "math"

// ring holds the requests under way by their sequence numbers, which come one after the
// other: a slot each, found without hashing.
type ring struct {
	slots  []*request // by sequence modulo their number, a power of two
	next   int32      // the sequence handed out next
	oldest int32      // no request under way has an older one
	n      int        // requests under way
}

// newRing returns a ring with room for more than n requests under way. Sequence 1 was
// the bind's.
func newRing(n int) ring {
	size := 64
	for size < 2*n {
		size *= 2
	}
	return ring{slots: make([]*request, size), next: 2, oldest: 2}
}

// after counts from 1 to 0x7FFFFFFF and again. SMPP 3.4 §3.2.
func after(sequence int32) int32 {
	if sequence == math.MaxInt32 {
		return 1
	}
	return sequence + 1
}

func (w *ring) at(sequence int32) **request { return &w.slots[int(sequence)&(len(w.slots)-1)] }

// number hands out a sequence number whose slot is free.
func (w *ring) number() int32 {
	for {
		sequence := w.next
		w.next = after(w.next)
		if *w.at(sequence) == nil {
			return sequence
		}
	}
}

// put takes r in and numbers it.
func (w *ring) put(r *request) {
	r.sequence = w.number()
	*w.at(r.sequence) = r
	w.n++
}

// get returns the request of this sequence, or nil.
func (w *ring) get(sequence int32) *request {
	if r := *w.at(sequence); r != nil && r.sequence == sequence {
		return r
	}
	return nil
}

// drop takes r out.
func (w *ring) drop(r *request) {
	*w.at(r.sequence) = nil
	w.n--
}

// first returns the request that has been under way longest, or nil.
func (w *ring) first() *request {
	if w.n == 0 {
		w.oldest = w.next
		return nil
	}
	for w.get(w.oldest) == nil {
		w.oldest = after(w.oldest)
	}
	return w.get(w.oldest)
}

// all empties the ring and returns what was in it.
func (w *ring) all() (out []*request) {
	for i, r := range w.slots {
		if r != nil {
			out = append(out, r)
			w.slots[i] = nil
		}
	}
	w.n = 0
	return out
}
