package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"rappel/calendars/standin"
)

// handClock stands still unless a scenario moves it.
type handClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *handClock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *handClock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }

var weekdays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// when reads "Thu 14:30", "Thu 14:30:05" (of the scenarios' week; "Mon+" and so on of
// the next) or "2026-03-29 03:30", all in Zurich.
func (s *stage) when(text string) time.Time {
	s.t.Helper()
	day, clock, _ := strings.Cut(text, " ")
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	if i := slices.Index(weekdays, strings.TrimSuffix(day, "+")); i >= 0 {
		if strings.HasSuffix(day, "+") {
			i += 7
		}
		day = s.week.AddDate(0, 0, i).Format(time.DateOnly)
	}
	at, err := time.ParseInLocation(time.DateTime, day+" "+clock, zurich)
	s.must(err)
	return at
}

func (s *stage) now() time.Time { return s.clock.now() }

// at sets the clock and lets nobody work.
func (s *stage) at(when string) {
	s.t.Helper()
	at := s.when(when)
	if at.Before(s.now()) {
		s.t.Fatalf("the clock would run backwards to %s", when)
	}
	s.clock.set(at)
}

// jump sets the clock and then lets everybody work: all were asleep between.
func (s *stage) jump(when string) { s.t.Helper(); s.at(when); s.settle() }

// walk lets time pass until when: whoever has something to do does it at its time.
func (s *stage) walk(when string) { s.t.Helper(); s.walkTo(s.when(when)) }

func (s *stage) walkTo(end time.Time) {
	s.t.Helper()
	for range 5000 {
		s.settle()
		var next *time.Time
		s.must(s.app.pools.owner.GetContext(s.t.Context(), &next, `SELECT min(due_at) FROM due
			WHERE kind IN ('sync', 'remind', 'dispatch') AND due_at < 'infinity' AND NOT (kind = 'dispatch' AND $1)`, s.stuck))
		if next == nil || next.After(end) {
			if !s.now().After(end) {
				s.clock.set(end)
			}
			s.settle()
			return
		}
		// Work that stays due at once is work that failed: it gets another second.
		at := *next
		if least := s.now().Add(time.Second); at.Before(least) {
			at = least
		}
		s.clock.set(at)
	}
	s.t.Fatal("work without end")
}

// settle lets everybody work at this very moment until nobody has anything to do.
func (s *stage) settle() {
	s.t.Helper()
	for range 50 {
		// One question in place of the dozens that workers without work would ask.
		var has struct{ Sync, Remind, Dispatch bool }
		s.must(s.app.pools.owner.GetContext(s.t.Context(), &has, `
			WITH ready AS MATERIALIZED (SELECT DISTINCT kind FROM due WHERE due_at <= $1 OR lease_until <= $1)
			SELECT EXISTS (SELECT 1 FROM ready WHERE kind = 'sync') AS sync, EXISTS (SELECT 1 FROM ready WHERE kind = 'remind') AS remind,
				EXISTS (SELECT 1 FROM ready WHERE kind NOT IN ('sync', 'remind')) OR EXISTS (SELECT 1 FROM claims WHERE lease_until <= $1) OR
				EXISTS (SELECT 1 FROM unanswered WHERE decide_at <= $1) OR
				EXISTS (SELECT 1 FROM sandbox_texts WHERE NOT receipted AND receipt_at <= $1) AS dispatch`, s.now()))
		n := 0
		if has.Sync {
			n += s.sync()
		}
		if has.Remind {
			n += s.remind()
		}
		if has.Dispatch {
			n += s.dispatch()
		}
		if n == 0 {
			return
		}
	}
	s.t.Fatal("work without end at one moment")
}

func (s *stage) sync() int {
	s.t.Helper()
	n, err := s.app.syncer.Tick(s.t.Context())
	s.must(err)
	return n
}

func (s *stage) remind() int {
	s.t.Helper()
	n, err := s.app.clerk.Tick(s.t.Context())
	s.must(err)
	return n
}

func (s *stage) dispatch() int {
	s.t.Helper()
	if s.stuck {
		return 0
	}
	n, err := s.app.dispatcher.Tick(s.t.Context())
	s.must(err)
	if s.sent != nil {
		s.sent()
	}
	if s.app.sandbox != nil {
		m, err := s.app.sandbox.Tick(s.t.Context(), s.app.desk)
		s.must(err)
		n += m
	}
	return n
}

// poll has calendars read now, as a push notification would; without any, calendar a.
func (c *clinic) poll(cals ...standin.Calendar) {
	c.stage.t.Helper()
	if len(cals) == 0 {
		cals = c.cals[:1]
	}
	for _, cal := range cals {
		c.stage.must(c.stage.app.syncer.Ring(c.stage.t.Context(), c.stage.app.pools.owner, c.ref(cal)))
	}
	c.stage.sync()
}
