package notify

import "sync"

// Flights is what a Dispatcher and a Desk of one process tell each other: which carrier
// ids were given, but aren't recorded yet. A receipt for one of them waits for the record
// instead of being put aside as unknown, which would cost several times as much; gateways
// close by send most of theirs that early.
//
// It is only a short cut. What one process doesn't know of another, or anybody after a
// crash, is matched by way of early_receipts.
type Flights struct {
	mu     sync.Mutex
	parked map[refKey][]func() // by carrier id in flight
}

// NewFlights returns an empty one, to be given to both in their Config.
func NewFlights() *Flights { return &Flights{parked: map[refKey][]func(){}} }

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

// landed notes that ids are recorded, or won't be, and lets go what waits for them.
func (f *Flights) landed(carrier string, outs []outcome) {
	if f == nil {
		return
	}
	var again []func()
	f.mu.Lock()
	for _, o := range outs {
		for _, id := range o.ids {
			k := refKey{carrier, clean(id)}
			again = append(again, f.parked[k]...)
			delete(f.parked, k)
		}
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
