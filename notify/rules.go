package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SenderMode says which names are delivered as senders in a country.
type SenderMode string

// The modes.
const (
	SenderAny        SenderMode = "any"             // every name but the barred ones
	SenderRegistered SenderMode = "registered_only" // only names registered there
	SenderNone       SenderMode = "none"            // no names, only numbers
)

// CountryRules is what holds for texts to one country from an instant on.
type CountryRules struct {
	Country            string // ISO 3166-1; "" for the row of all countries without one
	ValidFrom          time.Time
	Source             string // where it was read
	SenderMode         SenderMode
	NumericSender      bool     // numbers of the country are delivered as senders
	ForeignNumeric     bool     // numbers of other countries are
	BarredNames        []string // names refused in any case, in capitals
	RegistrationNeeded bool     // whatever the sender, it must be registered
	Hours              Hours    // of marketing
	HolidaySet         string   // whose public holidays count, "" = none known
	ConfirmOptOut      bool     // an opt-out is confirmed by a last text
}

// Assumed reports whether these are not the country's own rules but those for countries
// nobody has looked into.
func (r CountryRules) Assumed() bool { return r.Country == "" }

// barred reports whether name says nothing about who writes.
func (r CountryRules) barred(name string) bool {
	return slices.ContainsFunc(r.BarredNames, func(b string) bool { return strings.EqualFold(b, name) })
}

// strictest stands in for the row "" should somebody have deleted it: nothing is sent for
// advertising then.
var strictest = CountryRules{Source: "built in: the row for all countries is missing", SenderMode: SenderAny, NumericSender: true, ForeignNumeric: true}

// rulebook is all country rules and STOP suffixes, as last read.
type rulebook struct {
	countries map[string][]CountryRules // newest first
	suffixes  []suffixRow
}

// rulesFor returns what is in force for country at an instant: the newest row not after
// it, of the country or else of "".
func (b *rulebook) rulesFor(country string, at time.Time) *CountryRules {
	for _, key := range []string{country, ""} {
		rows := b.countries[key]
		for i := range rows {
			if !rows[i].ValidFrom.After(at) {
				return &rows[i]
			}
		}
	}
	return &strictest
}

// sort puts rows in the order in which they are looked through.
func (b *rulebook) sort() {
	for _, rows := range b.countries {
		slices.SortFunc(rows, func(x, y CountryRules) int { return y.ValidFrom.Compare(x.ValidFrom) })
	}
	slices.SortStableFunc(b.suffixes, func(x, y suffixRow) int {
		return cmp.Or(y.weight()-x.weight(), y.ValidFrom.Compare(x.ValidFrom))
	})
}

// Slot is the part of a day in which marketing may be sent, in minutes since midnight
// by the recipient's clock: [Open, Close). Equal means closed.
type Slot struct{ Open, Close int }

// Hours are the windows of a week: Monday to Sunday, then public holidays whatever the
// day. The zero value is always closed.
type Hours [8]Slot

// publicHoliday is the index of public holidays in Hours.
const publicHoliday = 7

// on returns the window of a day.
func (h *Hours) on(day time.Weekday, holiday bool) Slot {
	if holiday {
		return h[publicHoliday]
	}
	return h[(day+6)%7]
}

// ParseHours reads the eight windows, each "08:00-20:00", up to "24:00", or "" for closed.
// It fails with ErrRequest.
func ParseHours(words []string) (h Hours, err error) {
	if len(words) != len(h) {
		return Hours{}, fmt.Errorf("%w: %d windows, want eight: Monday to Sunday and holidays", ErrRequest, len(words))
	}
	for i, w := range words {
		if w == "" {
			continue
		}
		from, to, ok := strings.Cut(w, "-")
		open, okOpen := minuteOfDay(from)
		end, okEnd := minuteOfDay(to)
		if !ok || !okOpen || !okEnd || open >= end {
			return Hours{}, fmt.Errorf("%w: window %q, want HH:MM-HH:MM", ErrRequest, w)
		}
		h[i] = Slot{open, end}
	}
	return h, nil
}

// minuteOfDay reads HH:MM, 24:00 included.
func minuteOfDay(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	n := hour*60 + minute
	return n, minute < 60 && n <= 24*60
}

// String writes a window as ParseHours reads it.
func (w Slot) String() string {
	if w.Open == w.Close {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.Open/60, w.Open%60, w.Close/60, w.Close%60)
}
