package notify

import "sync"

// Flights is what a Dispatcher and a Desk of one process tell each other.
//
// Which carrier ids were given, but aren't recorded yet: a receipt for one of them waits for
// the record instead of being put aside as unknown, which would cost several times as much;
// gateways close by send most of theirs that early.
//
// Which messages the ids recorded lately are of: most receipts come within minutes of their
// message, and needn't be looked up in the directory then.
//
// It is only a short cut. What one process doesn't know of another, or anybody after a
// crash, is matched by way of early_receipts and the directory.
type Flights struct {
	mu       sync.Mutex
	parked   map[refKey][]func() // by carrier id in flight
	lately   map[refKey]flight   // recorded by the book
	formerly map[refKey]flight   // what lately was before it was full
}

// flight is a message whose id is recorded.
type flight struct {
	MessageRef
	recipient string // "": not known here
}

// latelyMost bounds lately, and formerly: some seconds of the fastest route there is, and
// about 15 MB each.
const latelyMost = 1 << 17

// NewFlights returns an empty one, to be given to both in their Config.
func NewFlights() *Flights {
	return &Flights{parked: map[refKey][]func(){}, lately: map[refKey]flight{}}
}

// took notes ids that carrier gave just now.
func (f *Flights) took(carrier string, ids []string) {
	if f == nil || len(ids) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		k := refKey{carrier, id}
		if _, ok := f.parked[k]; !ok {
			f.parked[k] = nil
		}
	}
}

// landed notes that the ids of outs are recorded, or won't be, and lets go what waits for
// them. Those of byBook are the directory's, and stand for a whole message each.
func (f *Flights) landed(carrier string, outs []outcome, byBook []standing) {
	if f == nil {
		return
	}
	var again []func()
	f.mu.Lock()
	if len(f.lately)+len(byBook) > latelyMost {
		f.lately, f.formerly = make(map[refKey]flight, len(f.lately)), f.lately
	}
	for _, o := range outs {
		for _, id := range o.ids {
			k := refKey{carrier, clean(id)}
			again = append(again, f.parked[k]...)
			delete(f.parked, k)
			if len(byBook) < len(outs) { // given again, as carriers do that start counting anew
				delete(f.formerly, k)
				delete(f.lately, k)
			}
		}
	}
	for i := range byBook {
		st := &byBook[i]
		l := flight{MessageRef: st.MessageRef}
		if st.it != nil {
			l.recipient = st.it.Recipient
		}
		f.lately[refKey{carrier, st.id}] = l
	}
	f.mu.Unlock()
	for _, g := range again {
		g()
	}
}

// park has again called once the id is recorded; false when it isn't in flight.
func (f *Flights) park(k refKey, again func()) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting, ok := f.parked[k]
	if ok {
		f.parked[k] = append(waiting, again)
	}
	return ok
}

// messages are those that all's ids stand for, of the ids recorded lately. others are the
// receipts whose ids aren't among them, or are of messages to somebody else.
func (f *Flights) messages(all []folded) (refs []MessageRef, known, others []folded) {
	if f == nil {
		return nil, nil, all
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range all {
		l, ok := f.lately[r.refKey]
		if !ok {
			l, ok = f.formerly[r.refKey]
		}
		if ok && r.Concerns(l.recipient) {
			refs, known = append(refs, l.MessageRef), append(known, r)
		} else {
			others = append(others, r)
		}
	}
	return refs, known, others
}
