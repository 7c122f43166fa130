package credits

import (
	"cmp"
	"slices"
	"time"
)

// Source is where credits come from.
type Source string

// The sources, in the order in which they are used.
const (
	Monthly Source = "monthly" // free with a subscription, for its period
	Gift    Source = "gift"    // from the house, such as at sign-up
	Bought  Source = "package" // a package
)

// priority is the order of use; lower goes first.
func (s Source) priority() int {
	switch s {
	case Monthly:
		return 1
	case Gift:
		return 2
	case Bought:
		return 3
	}
	return 0
}

// Items of the ledger's accounts, and lots of holds, that aren't lots.
const (
	noLot   int64 = 0  // of a free account: counted as usage, and in no book
	owedLot int64 = -1 // beyond the balance
)

// Lot is credits that came together.
type Lot struct {
	ID        int64      `db:"id"`
	Source    Source     `db:"source"`
	Priority  int        `db:"priority"`
	GrantedOn time.Time  `db:"granted_on"` // a date
	ExpiresOn *time.Time `db:"expires_on"` // the first day it is of no use; nil: a year after the last text, or after GrantedOn if that is later
	EndedOn   *time.Time `db:"ended_on"`   // a date; nil: it can be used still. Nothing revives a lot
	Available int64      `db:"available"`
	Held      int64      `db:"held"`
}

// EndsOn is the first day on which the lot is of no use, as far as is known: with every
// text sent, one without a fixed end lasts a year from then. lastSMS is the day of the
// last one, zero if there was none.
func (l Lot) EndsOn(lastSMS time.Time) time.Time {
	switch {
	case l.EndedOn != nil:
		return *l.EndedOn
	case l.ExpiresOn != nil:
		return *l.ExpiresOn
	}
	return yearAfter(l.keptFrom(lastSMS))
}

// keptFrom is the day from which the year of a lot without fixed end counts.
func (l Lot) keptFrom(lastSMS time.Time) time.Time {
	if lastSMS.After(l.GrantedOn) {
		return lastSMS
	}
	return l.GrantedOn
}

// yearAfter is the same day of the next year, or 28 February after a 29th.
func yearAfter(day time.Time) time.Time {
	next := time.Date(day.Year()+1, day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
	if next.Month() != day.Month() {
		return next.AddDate(0, 0, -1)
	}
	return next
}

// dateIn is the civil date of an instant at a place, as midnight UTC.
func dateIn(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// midnight is when a day begins at a place.
func midnight(day time.Time, zone *time.Location) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
}

// order sorts lots into the order in which they are used: by priority, then what ends
// first, then what came first.
func order(lots []Lot, lastSMS time.Time) {
	slices.SortFunc(lots, func(a, b Lot) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.EndsOn(lastSMS).Compare(b.EndsOn(lastSMS)), cmp.Compare(a.ID, b.ID))
	})
}

// take takes n credits from lots in their order, and returns how many from which; nil if
// there are fewer, and then nothing is taken.
func take(lots []Lot, n int64) []portion {
	var total int64
	for _, l := range lots {
		total += l.Available
	}
	if total < n {
		return nil
	}
	return takeUpTo(lots, n)
}

// takeUpTo is take of what there is.
func takeUpTo(lots []Lot, n int64) (taken []portion) {
	for i := range lots {
		if n == 0 {
			break
		}
		if part := min(n, lots[i].Available); part > 0 {
			lots[i].Available -= part
			n -= part
			taken = append(taken, portion{lots[i].ID, part})
		}
	}
	return taken
}

// portion is credits of one lot.
type portion struct{ lot, credits int64 }
