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
	mu     sync.Mutex
	parked map[refKey][]func() // by carrier id in flight
	lately lately
}

// NewFlights returns an empty one, to be given to both in their Config.
func NewFlights() *Flights {
	return &Flights{parked: map[refKey][]func(){}, lately: newLately()}
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
	for _, o := range outs {
		for _, id := range o.ids {
			k := refKey{carrier, id}
			again = append(again, f.parked[k]...)
			delete(f.parked, k)
			if len(byBook) < len(outs) { // given again, as carriers do that start counting anew
				f.lately.forget(k)
			}
		}
	}
	f.lately.remember(carrier, byBook)
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
	for i := range all {
		if ref, ok := f.lately.messageOf(&all[i]); ok {
			refs, known = append(refs, ref), append(known, all[i])
		} else {
			others = append(others, all[i])
		}
	}
	return refs, known, others
}
