package ledger

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Unit is what amounts are counted in.
type Unit string

// The units.
const (
	SMS Unit = "SMS" // credits
	CHF Unit = "CHF" // Rappen
)

// Place is where something is booked: an account of the chart, and the item in it.
type Place struct {
	Unit Unit   `db:"unit"`
	Name string `db:"name"`
	Item int64  `db:"item"` // 0 = none
}

// Entry moves Amount into a place; out of it, when it is negative.
type Entry struct {
	Place
	Amount int64 `db:"amount"`
}

// Tx is what is booked together.
type Tx struct {
	Account int64  // the tenant
	Key     string // idempotency key, unique to the tenant
	Kind    string // what it is, such as "hold"; a closed set of each caller
	Note    string // the reason a person gave, "" = none; never about a patient
	Entries []Entry
	At      time.Time
}

// maxLines is what the column lines holds.
const maxLines = math.MaxInt16

// merge sums what is for the same place, sorts by place, and drops what comes to nothing.
// It fails with ErrEntries.
func merge(all []Entry) ([]Entry, error) {
	sums := map[Place]int64{}
	for _, e := range all {
		sum, ok := add(sums[e.Place], e.Amount)
		if !ok {
			return nil, fmt.Errorf("%w: the amount is too large", ErrEntries)
		}
		sums[e.Place] = sum
	}
	out := make([]Entry, 0, len(sums))
	for p, amount := range sums {
		if amount != 0 {
			out = append(out, Entry{p, amount})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Item, b.Item))
	})
	if len(out) < 2 || len(out) > maxLines {
		return nil, fmt.Errorf("%w: %d of them", ErrEntries, len(out))
	}
	totals := map[Unit]int64{}
	for _, e := range out {
		sum, ok := add(totals[e.Unit], e.Amount)
		if !ok {
			return nil, fmt.Errorf("%w: the amount is too large", ErrEntries)
		}
		totals[e.Unit] = sum
	}
	for unit, sum := range totals {
		if sum != 0 {
			return nil, fmt.Errorf("%w: %d %s left over", ErrEntries, sum, unit)
		}
	}
	return out, nil
}

// add is a+b, unless that overflows.
func add(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

// Move is the two entries that take amount from one place to another.
func Move(amount int64, from, to Place) []Entry {
	return []Entry{{from, -amount}, {to, amount}}
}
