package main

import (
	"testing"
	"time"

	"rappel/calendars/standin"
	"rappel/reminders"
)

// TestScenarioStanding: appointments that go to another calendar, are cancelled,
// restored, declined, or are none at all.
func TestScenarioStanding(t *testing.T) {
	for _, order := range []struct {
		name  string
		first func(c *clinic) [2]standin.Calendar
	}{
		{"the old calendar read first", func(c *clinic) [2]standin.Calendar { return [2]standin.Calendar{c.a(), c.b()} }},
		{"the new calendar read first", func(c *clinic) [2]standin.Calendar { return [2]standin.Calendar{c.b(), c.a()} }},
	} {
		play(t, "T17 moved to a watched calendar, "+order.name, func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.walk("Wed 11:00")
			s.must(s.world.MoveToCalendar(e.ID, s.b().ID))
			for _, cal := range order.first(s.clinic) {
				s.poll(cal)
				s.clock.set(s.now().Add(time.Minute))
			}
			s.walk("Sat 12:00")
			s.wantTexts(annaPhone, "Thu 14:30")
		})
		play(t, "T17 moved to a watched calendar just before and read just after it was due, "+order.name, func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.walk("Wed 14:29")
			s.must(s.world.MoveToCalendar(e.ID, s.b().ID))
			s.walk("Wed 14:35")
			for _, cal := range order.first(s.clinic) {
				s.poll(cal)
				s.walkTo(s.now().Add(time.Minute))
			}
			s.walk("Sat 12:00")
			s.wantTexts(annaPhone, "Thu 14:30")
		})
		play(t, "T17 moved to a watched calendar after it was sent, "+order.name, func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.walk("Wed 14:40")
			s.must(s.world.MoveToCalendar(e.ID, s.b().ID))
			for _, cal := range order.first(s.clinic) {
				s.poll(cal)
			}
			s.walk("Sat 12:00")
			s.wantTexts(annaPhone, "Thu 14:30")
		})
		play(t, "T17 moved to a watched calendar while its text waits to leave, "+order.name, func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.walk("Wed 14:29")
			s.at("Wed 14:30")
			s.remind() // queued, and no dispatcher
			s.at("Wed 14:31")
			s.must(s.world.MoveToCalendar(e.ID, s.b().ID))
			for _, cal := range order.first(s.clinic) {
				s.poll(cal)
			}
			s.walk("Sat 12:00")
			s.wantTexts(annaPhone, "Thu 14:30")
		})
	}
	play(t, "T17 moved to a calendar nobody watches", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:28")
		s.must(s.world.MoveToCalendar(e.ID, s.c().ID))
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone)
		s.wantReminders("dropped gone Thu 14:30")
	})
	for name, how := range map[string]standin.Manner{"deleted": standin.Delete, "vanished": standin.Vanish, "cancelled": standin.MarkCancelled, "removed by its organizer": standin.KeepDetails} {
		play(t, "T18 "+name+" two minutes before due, neither polled nor pushed", func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.walk("Wed 14:28")
			s.must(s.world.CancelEvent(e.ID, how))
			if s.provider == standin.Google && how == standin.Vanish {
				// Nothing rings where nothing is left: only a calendar read by snapshots sees it.
				s.setMode("snapshot")
			}
			s.at("Wed 14:30")
			s.remind()
			s.dispatch()
			s.wantTexts(annaPhone)
			s.walk("Sat 12:00")
			s.wantTexts(annaPhone)
		})
	}
	play(t, "T18 deleted after it was sent: nothing more", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:40")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T18 deleted and restored before due", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 10:00")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.poll()
		s.wantVerdict(e.ID, "gone")
		s.walk("Wed 12:00")
		s.must(s.world.Restore(e.ID))
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T18 deleted before due and restored after it", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:20")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.poll()
		s.walk("Wed 14:40")
		s.must(s.world.Restore(e.ID))
		s.poll()
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T18 deleted after it was sent and restored: not again", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:40")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.poll()
		s.walk("Wed 16:00")
		s.must(s.world.Restore(e.ID))
		s.poll()
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T26 declined, and another declined and accepted again", func(s *stage) {
		anna := s.add("Anna "+anna, "Thu 14:30")
		berta := s.add("Berta "+berta, "Thu 15:30")
		s.walk("Wed 09:00")
		for _, id := range []string{anna.ID, berta.ID} {
			s.edit(id, func(e *standin.Event) { e.Declined = true })
		}
		s.poll()
		s.wantVerdict(anna.ID, reminders.Declined)
		s.wantReminders("dropped declined Thu 14:30", "dropped declined Thu 15:30")
		s.walk("Wed 10:00")
		s.edit(berta.ID, func(e *standin.Event) { e.Declined = false })
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 15:30")
	})
	play(t, "T26 declined two minutes before due", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:28")
		s.edit(e.ID, func(e *standin.Event) { e.Declined = true })
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone)
		s.wantReminders("dropped declined Thu 14:30")
	})
	playAt(t, standin.Google, "T27 entries that are no appointments", func(s *stage) {
		var ids []string
		for i, kind := range []string{"workingLocation", "focusTime", "outOfOffice", "birthday"} {
			e := s.add(kind+" "+anna, "Thu 14:30", func(e *standin.Event) {
				e.EventType, e.Start, e.End = kind, e.Start.Add(time.Duration(i)*time.Hour), e.End.Add(time.Duration(i)*time.Hour)
			})
			ids = append(ids, e.ID)
		}
		s.walk("Fri 20:00")
		s.wantTexts(annaPhone)
		for _, id := range ids {
			s.wantVerdict(id, reminders.NotAppointment)
		}
	})
	play(t, "T28 private, its texts hidden from us", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30", func(e *standin.Event) { e.Private = true })
		s.add("Berta "+berta, "Thu 15:30")
		s.must(s.world.SetRole(s.a().ID, standin.RoleReader))
		s.walk("Fri 20:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 15:30")
		s.wantVerdict(e.ID, reminders.Hidden)
		if n := s.calendar(s.a()).HiddenEvents; n != 0 { // it is over by now
			s.t.Errorf("%d hidden events after the last one was over, want none", n)
		}
	})
	play(t, "T28 a private appointment is counted", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30", func(e *standin.Event) { e.Private = true })
		s.must(s.world.SetRole(s.a().ID, standin.RoleReader))
		s.walk("Tue 12:00")
		if n := s.calendar(s.a()).HiddenEvents; n != 1 {
			s.t.Errorf("%d hidden events counted, want 1", n)
		}
	})
	play(t, "T51 one mother, two children", func(s *stage) {
		s.add("Lea "+anna, "Thu 14:30")
		s.add("Tim "+anna, "Thu 14:30")
		s.addTo(s.b(), "Max "+anna, "Thu 14:30")
		s.add("Ida "+anna, "Thu 15:00")
		s.walk("Fri 20:00")
		s.wantTexts(annaPhone, "Thu 14:30", "Thu 15:00")
		s.wantReminders("queued Thu 14:30", "skipped already_sent Thu 14:30", "skipped already_sent Thu 14:30", "queued Thu 15:00")
	})
	play(t, "T51 of two children one is cancelled while the text waits to leave", func(s *stage) {
		lea := s.add("Lea "+anna, "Thu 14:30")
		s.add("Tim "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		s.at("Wed 14:30")
		s.remind()
		s.at("Wed 14:31")
		s.must(s.world.CancelEvent(lea.ID, standin.Delete))
		s.poll()
		s.walk("Fri 20:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
}
