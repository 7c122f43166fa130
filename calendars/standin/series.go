package standin

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxSlots bounds the expansion of one series. The real servers deliver several
// hundred instances of an endless weekly series, reaching into the 2040s.
const maxSlots = 730

// slots lists the original starts of a series in order. They keep the wall
// clock of the event's zone, so their distance in hours changes with the clock.
func (e *Event) slots() []time.Time {
	if e.Repeat == nil {
		return []time.Time{e.Start}
	}
	step := max(e.Repeat.Every, 1)
	if e.Repeat.Freq == "WEEKLY" {
		step *= 7
	}
	n := maxSlots
	if e.Repeat.Count > 0 {
		n = min(n, e.Repeat.Count)
	}
	zone := e.location()
	first := e.Start.In(zone)
	out := make([]time.Time, 0, n)
	for i := range n {
		t := time.Date(first.Year(), first.Month(), first.Day()+i*step,
			first.Hour(), first.Minute(), first.Second(), 0, zone).UTC()
		if !e.Repeat.Until.IsZero() && t.After(e.Repeat.Until) {
			break
		}
		out = append(out, t)
	}
	return out
}

// location is the zone a series keeps its wall clock in. All-day events float:
// their dates are kept as midnights UTC.
func (e *Event) location() *time.Location {
	if e.AllDay {
		return time.UTC
	}
	loc, err := time.LoadLocation(e.Zone)
	if err != nil { // check refused such names before they were stored
		return time.UTC
	}
	return loc
}

// instance is the unchanged instance of series e at slot.
func (e *Event) instance(slot time.Time) Event {
	i := *e
	i.ID = InstanceID(e.ID, slot, e.AllDay)
	i.Master, i.Original, i.Repeat = e.ID, slot, nil
	i.Start, i.End = slot, slot.Add(e.End.Sub(e.Start))
	if !e.AllDay { // the wall-clock length, as calendars keep it over a clock change
		i.End = wallAdd(slot, e.Start, e.End, e.location())
	}
	return i
}

// wallAdd moves the span start..end to slot keeping both wall clocks.
func wallAdd(slot, start, end time.Time, zone *time.Location) time.Time {
	if end.Sub(start) < 24*time.Hour {
		return slot.Add(end.Sub(start))
	}
	s, a, b := slot.In(zone), start.In(zone), end.In(zone)
	days := int(midnightOf(b).Sub(midnightOf(a)).Hours() / 24)
	return time.Date(s.Year(), s.Month(), s.Day()+days, b.Hour(), b.Minute(), b.Second(), 0, zone).UTC()
}

func midnightOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// rrule writes the series as an RFC 5545 line.
func (e *Event) rrule() string {
	r := "RRULE:FREQ=" + e.Repeat.Freq
	if e.Repeat.Every > 1 {
		r += fmt.Sprintf(";INTERVAL=%d", e.Repeat.Every)
	}
	if e.Repeat.Count > 0 {
		r += fmt.Sprintf(";COUNT=%d", e.Repeat.Count)
	}
	if !e.Repeat.Until.IsZero() {
		r += ";UNTIL=" + stamp(e.Repeat.Until, e.AllDay)
	}
	return r
}

// expand lists the instances of every event of the calendar that keep(start,
// end) accepts, in order of start, then id. Dropped instances are left out.
func (c *calendar) expand(keep func(start, end time.Time) bool) []Event {
	var out []Event
	for _, e := range c.Events {
		for _, i := range c.instances(e) {
			if !i.Dropped && keep(i.Start, i.End) {
				out = append(out, i)
			}
		}
	}
	sortEvents(out)
	return out
}

// instances lists a single event, or every slot of a series with its exceptions
// put in (dropped ones too, marked so).
func (c *calendar) instances(e *Event) []Event {
	if e.Repeat == nil {
		return []Event{*e}
	}
	slots := e.slots()
	out := make([]Event, 0, len(slots))
	for _, slot := range slots {
		i := e.instance(slot)
		if x, ok := c.Exceptions[i.ID]; ok {
			i = *x
		}
		out = append(out, i)
	}
	return out
}

func sortEvents(es []Event) {
	slices.SortFunc(es, func(a, b Event) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
}

// overlaps is the window rule of both providers: the bounds are exclusive, so
// an event ending at from or starting at to lies outside. A zero bound is open.
func overlaps(from, to time.Time) func(start, end time.Time) bool {
	return func(start, end time.Time) bool {
		if !from.IsZero() && !end.After(from) && !(end.Equal(start) && start.Equal(from)) {
			return false
		}
		return to.IsZero() || start.Before(to)
	}
}
