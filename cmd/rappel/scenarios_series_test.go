package main

import (
	"testing"

	"rappel/calendars/standin"
)

// TestScenarioSeries: instances of a series that move, vanish, are split off or
// retimed, each from the provider's side to the patient's phone.
func TestScenarioSeries(t *testing.T) {
	play(t, "T12 one instance moved, its neighbours untouched", func(s *stage) {
		m := s.daily("Anna "+anna, "Tue 14:30", 5)
		s.walk("Tue 12:00")
		s.move(s.slot(m, "Thu 14:30"), "Thu 16:00")
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Wed 14:30", "Thu 16:00", "Fri 14:30", "Sat 14:30")
	})
	play(t, "T12 one instance moved two minutes before its reminder was due, nobody polled", func(s *stage) {
		m := s.daily("Anna "+anna, "Wed 14:30", 2)
		s.walk("Tue 14:28")
		s.move(s.slot(m, "Wed 14:30"), "Wed 17:00")
		s.walk("Tue 16:00")
		s.wantTexts(annaPhone)
		s.walk("Thu 18:00")
		s.wantTexts(annaPhone, "Wed 17:00", "Thu 14:30")
	})
	for name, silent := range map[string]bool{"": false, " and the delta is silent about it": true} {
		mode := func(sc *scene) { sc.mode.SilentInstances = silent }
		play(t, "T13 one instance deleted"+name, func(s *stage) {
			m := s.daily("Anna "+anna, "Tue 14:30", 4)
			s.walk("Tue 11:00")
			s.must(s.world.CancelInstance(m.ID, s.when("Thu 14:30")))
			s.walk("Sat 18:00")
			s.wantTexts(annaPhone, "Tue 14:30", "Wed 14:30", "Fri 14:30")
			s.wantVerdict(s.slot(m, "Thu 14:30"), "gone")
		}, mode)
		play(t, "T13 one instance deleted two minutes before its reminder was due"+name, func(s *stage) {
			m := s.daily("Anna "+anna, "Wed 14:30", 3)
			s.walk("Wed 14:28")
			s.must(s.world.CancelInstance(m.ID, s.when("Thu 14:30")))
			s.walk("Sat 18:00")
			s.wantTexts(annaPhone, "Wed 14:30", "Fri 14:30")
		}, mode)
	}
	play(t, "T14 this and following with the same times", func(s *stage) {
		m := s.daily("Anna "+anna, "Tue 14:30", 5)
		s.walk("Tue 15:00") // Wednesday's text is out
		_, err := s.world.SplitSeries(m.ID, s.when("Wed 14:30"), nil)
		s.must(err)
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Wed 14:30", "Thu 14:30", "Fri 14:30", "Sat 14:30")
	})
	play(t, "T14 this and following a minute before a reminder is due", func(s *stage) {
		m := s.daily("Anna "+anna, "Tue 14:30", 5)
		s.walk("Tue 14:29")
		_, err := s.world.SplitSeries(m.ID, s.when("Wed 14:30"), nil)
		s.must(err)
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Wed 14:30", "Thu 14:30", "Fri 14:30", "Sat 14:30")
	})
	play(t, "T14 this and following at another time", func(s *stage) {
		m := s.daily("Anna "+anna, "Tue 14:30", 5)
		s.walk("Tue 10:00")
		_, err := s.world.SplitSeries(m.ID, s.when("Thu 14:30"), func(e *standin.Event) {
			e.Start, e.End = s.when("Thu 08:15"), s.when("Thu 08:45")
		})
		s.must(err)
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Wed 14:30", "Thu 08:15", "Fri 08:15", "Sat 08:15")
	})
	play(t, "T15 the whole series retimed in one snapshot", func(s *stage) {
		m := s.daily("Anna "+anna, "Tue 14:30", 5)
		s.walk("Tue 10:00")
		s.move(s.slot(m, "Fri 14:30"), "Fri 11:00") // an exception, which stays as it is
		s.poll()
		s.world.ForgetRequests()
		_, err := s.world.MoveEvent(m.ID, s.when("Tue 16:00"))
		s.must(err)
		s.poll()
		if n := s.world.Count(s.provider, `GET .*(events|calendarView)`); n > 4 {
			s.t.Errorf("%d requests for one retimed series, want the bell and one snapshot", n)
		}
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Wed 16:00", "Thu 16:00", "Fri 11:00", "Sat 16:00")
	})
}
