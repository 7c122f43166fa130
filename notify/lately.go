package notify

import (
	"hash/maphash"
	"strconv"
	"strings"
)

// lately remembers which messages carrier ids recorded in the last while are of. Nothing in
// it is a pointer: a quarter of a million entries cost the garbage collector nothing.
type lately struct {
	seeds         [2]maphash.Seed
	young, former map[idHash]flight // former is what young was before it was full
}

// latelyMost bounds young, and former: some seconds of the fastest route there is, and about
// 7 MB each.
const latelyMost = 1 << 17

// idHash stands for a carrier and an id of it. Of two ids with the same 128 bits nobody
// will ever hear.
type idHash [2]uint64

// flight is a message whose id is recorded.
type flight struct {
	account, message int64
	recipient        uint64 // the digits of E.164, of which there are 15 at most
}

func newLately() lately {
	return lately{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, young: map[idHash]flight{}}
}

func (l *lately) hash(k refKey) (h idHash) {
	for i, seed := range l.seeds {
		h[i] = maphash.Comparable(seed, k)
	}
	return h
}

// remember notes messages accepted by the book.
func (l *lately) remember(carrier string, all []standing) {
	if len(l.young)+len(all) > latelyMost {
		l.young, l.former = make(map[idHash]flight, len(l.young)), l.young
	}
	for i := range all {
		st := &all[i]
		digits, ok := strings.CutPrefix(st.it.Recipient, "+")
		recipient, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil {
			continue // it is looked up, then
		}
		l.young[l.hash(refKey{carrier, st.id})] = flight{st.AccountID, st.ID, recipient}
	}
}

func (l *lately) forget(k refKey) {
	h := l.hash(k)
	delete(l.young, h)
	delete(l.former, h)
}

// messageOf is the message r is for, if it is remembered and to whom r says it was.
func (l *lately) messageOf(r *folded) (ref MessageRef, ok bool) {
	h := l.hash(r.refKey)
	m, ok := l.young[h]
	if !ok {
		m, ok = l.former[h]
	}
	if !ok || r.Recipient != "" && !r.Concerns("+"+strconv.FormatUint(m.recipient, 10)) {
		return ref, false
	}
	return MessageRef{m.account, m.message}, true
}
