package notify

import "time"

// lookAhead is how far the next open slot is looked for. What is closed that long is
// closed for good.
const lookAhead = 400 * 24 * time.Hour

// Place is where somebody is, as far as their number tells: by whose clock and by whose
// holidays they live.
type Place struct {
	// Zones are the zones the number may be in. An hour must be right in all of them.
	Zones []*time.Location
	// Holiday tells whether a day is a public holiday there; nil means that none is.
	Holiday func(year int, month time.Month, day int) bool
}

// NextOpen returns now if the clocks and calendars of place show an hour within h, else
// the next instant at which they do. ok is false if there is none within 400 days.
//
// It is right over changes of the clock: what counts is what a clock on the wall shows,
// so an hour that a clock leaves out doesn't open, and one it shows twice counts twice.
func NextOpen(h Hours, place Place, now time.Time) (at time.Time, ok bool) {
	limit := now.Add(lookAhead)
	for at = now; ; {
		first := at
		for _, zone := range place.Zones {
			if at, ok = nextOpen(&h, zone, place.Holiday, at, limit); !ok {
				return time.Time{}, false
			}
		}
		if at.Equal(first) {
			return at, len(place.Zones) > 0
		}
	}
}

// nextOpen is NextOpen for one zone. It walks from local day to local day, and at a change
// of the clock goes on from there with the new offset.
func nextOpen(h *Hours, zone *time.Location, holiday func(int, time.Month, int) bool, now, limit time.Time) (time.Time, bool) {
	for t := now; t.Before(limit); {
		local := t.In(zone)
		year, month, day := local.Date()
		minute := local.Hour()*60 + local.Minute()
		slot := h.on(local.Weekday(), holiday != nil && holiday(year, month, day))
		if slot.Open <= minute && minute < slot.Close {
			return t, true
		}
		// midnight begins this day by the offset that holds at t, whatever held then.
		midnight := t.Add(-time.Duration(minute)*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
		next := midnight.Add(24 * time.Hour)
		if minute < slot.Open && slot.Open < slot.Close {
			next = midnight.Add(time.Duration(slot.Open) * time.Minute)
		}
		if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change
		}
		t = next
	}
	return time.Time{}, false
}
