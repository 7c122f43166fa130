package main

import (
	"testing"

	"rappel/calendars/standin"
)

// TestScenarioMoves: single appointments that move before and after their text.
func TestScenarioMoves(t *testing.T) {
	play(t, "T00 an appointment is announced once, a day ahead", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		s.wantTexts(annaPhone)
		s.wantReminders("planned Thu 14:30")
		s.walk("Wed 14:30")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.walk("Sun 18:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantVerdict(e.ID, "")
		s.wantMessages("DELIVERED")
		s.wantNotices()
	})
	play(t, "T16 moved before the reminder: only the new time", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 11:00")
		s.move(e.ID, "Fri 08:00")
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Fri 08:00")
		s.wantReminders("queued Fri 08:00")
	})
	play(t, "T16 moved two minutes before due to an earlier time", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:28")
		s.move(e.ID, "Thu 10:00")
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 10:00")
	})
	play(t, "T16 moved after it was sent: one new text", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		s.move(e.ID, "Fri 08:00")
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30", "Fri 08:00")
	})
	play(t, "T16 moved after it was sent to where its time is past: one new text soon", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		s.move(e.ID, "Thu 10:00")
		s.walk("Wed 17:00")
		s.wantTexts(annaPhone, "Thu 14:30", "Thu 10:00")
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30", "Thu 10:00")
	}, hourly)
	play(t, "T16 moved after it was sent to within the minimum lead: none", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Thu 10:00")
		s.move(e.ID, "Thu 10:25")
		s.poll()
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantReminders("skipped too_late Thu 10:25")
	})
	play(t, "T16 moved there and back after it was sent: the first start is not announced twice", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		s.move(e.ID, "Thu 16:00")
		s.poll()
		s.walk("Wed 17:00")
		s.move(e.ID, "Thu 14:30")
		s.poll()
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30", "Thu 16:00")
		s.wantReminders("skipped moved_back Thu 14:30")
	})
	play(t, "T16 only the description changed: none", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		s.edit(e.ID, func(e *standin.Event) { e.Description = "Röntgenbild mitbringen" })
		s.poll()
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
}
