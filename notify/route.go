package notify

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Route says what a carrier is used for.
type Route struct {
	// To are the destinations it serves, as beginnings of E.164 numbers with "+", such as
	// "+41" or "+4179". None means all. The longest that fits a number wins; carriers that
	// serve all come last, and among equals the one configured first.
	To []string
	// Rate bounds the segments submitted a second, by all processes together; 0 means no
	// bound. A carrier that is Limited brings its own.
	Rate float64
}

// destination is a set of numbers that have the same carriers, in order of preference.
type destination struct {
	prefix string   // "" is what no other destination takes
	except []string // longer prefixes that are destinations of their own
	lanes  []*lane
}

// destinations works out which there are. With no carrier bound to any, it is one.
func destinations(lanes []*lane) []*destination {
	prefixes := []string{""}
	for _, l := range lanes {
		prefixes = append(prefixes, l.to...)
	}
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	all := make([]*destination, len(prefixes))
	for i, p := range prefixes {
		d := &destination{prefix: p}
		for _, longer := range prefixes[i+1:] {
			if strings.HasPrefix(longer, p) {
				d.except = append(d.except, longer)
			}
		}
		for _, l := range lanes {
			if l.fit(p) >= 0 {
				d.lanes = append(d.lanes, l)
			}
		}
		slices.SortStableFunc(d.lanes, func(a, b *lane) int { return cmp.Compare(b.fit(p), a.fit(p)) })
		all[i] = d
	}
	return all
}

// fit is the length of the longest of l's prefixes that number begins with, 0 for a
// carrier that serves all, -1 for one that doesn't serve it.
func (l *lane) fit(number string) int {
	best := -1
	if len(l.to) == 0 {
		best = 0
	}
	for _, p := range l.to {
		if strings.HasPrefix(number, p) {
			best = max(best, len(p))
		}
	}
	return best
}

// destinationOf finds where a number belongs.
func (d *Dispatcher) destinationOf(number string) *destination {
	best := d.destinations[0]
	for _, dest := range d.destinations[1:] {
		if strings.HasPrefix(number, dest.prefix) && len(dest.prefix) > len(best.prefix) {
			best = dest
		}
	}
	return best
}

// open picks the first of lanes that isn't paused. When all rest, it returns nil and when
// the first of them wakes; when there are none, nil and zero.
func open(lanes []*lane, now time.Time) (*lane, time.Time) {
	var wake time.Time
	for _, l := range lanes {
		until := l.pausedUntil(now)
		if !now.Before(until) {
			return l, time.Time{}
		}
		if wake.IsZero() || until.Before(wake) {
			wake = until
		}
	}
	return nil, wake
}

// behind are the lanes of dest that come after l.
func (dest *destination) behind(l *lane) []*lane {
	if i := slices.Index(dest.lanes, l); i >= 0 {
		return dest.lanes[i+1:]
	}
	return nil // it isn't configured for this destination any more
}
