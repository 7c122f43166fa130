package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rappel/calendars/standin"
	"rappel/reminders"
)

// TestScenarioTiming: when an appointment, a rule or we ourselves came too late, and
// what two processes over one database do.
func TestScenarioTiming(t *testing.T) {
	play(t, "T19 a late booking is skipped", func(s *stage) {
		s.walk("Wed 16:50")
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantVerdict(e.ID, reminders.LateBooking)
		s.wantNotices()
	}, hourly)
	play(t, "T19 a late booking is sent once if enough remains", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Late = reminders.LateSend })
		s.walk("Wed 16:50")
		s.add("Anna "+anna, "Thu 14:30")
		s.poll()
		s.walk("Wed 16:51")
		s.wantTexts(annaPhone) // settling
		s.walk("Wed 16:53")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T19 a late booking with too little time left", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Late = reminders.LateSend })
		s.walk("Thu 13:00")
		e := s.add("Anna "+anna, "Thu 14:30")
		s.poll()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantVerdict(e.ID, reminders.LateTooLittleTime)
	})
	play(t, "T20 we were down over the due time: caught up", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 11:30")
		e := s.add("Berta "+berta, "Thu 15:30") // never seen before we went down
		s.jump("Wed 20:00")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantTexts(bertaPhone, "Thu 15:30")
		s.wantVerdict(e.ID, "")
	})
	play(t, "T20 we were down until it was too late: skipped and told", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 11:30")
		s.jump("Thu 14:10")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantReminders("skipped too_late Thu 14:30")
		s.wantVerdict(e.ID, reminders.TooLate)
		s.wantNotices(reminders.NoticeMissed)
	})
	play(t, "T20 the provider was down over the due time: caught up", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 12:00")
		down := s.apiDown()
		s.add("Berta "+berta, "Thu 15:30") // while nobody can read
		s.walk("Wed 18:00")
		s.wantTexts(annaPhone)
		s.wantReminders("planned calendar_unreachable Thu 14:30")
		s.wantNotices("calendar_unreachable", "calendar_unreachable")
		down.Clear()
		s.walk("Thu 02:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantTexts(bertaPhone, "Thu 15:30")
		s.walk("Fri 12:00")
		s.wantNotices()
	})
	play(t, "T20 the provider was down until it was too late: skipped and told", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 12:00")
		down := s.apiDown()
		s.walk("Thu 14:20")
		s.wantTexts(annaPhone)
		s.wantReminders("skipped calendar_unreachable Thu 14:30")
		s.wantNotices("calendar_unreachable", "calendar_unreachable", reminders.NoticeMissed)
		down.Clear()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantReminders("skipped calendar_unreachable Thu 14:30")
		s.wantNotices(reminders.NoticeMissed)
	})
	play(t, "T21 the offset changes: what is unsent is planned anew, what is sent is not repeated", func(s *stage) {
		s.add("Anna "+anna, "Wed 14:30")
		s.add("Berta "+berta, "Thu 15:30")
		s.walk("Tue 15:00") // Anna's is out
		s.rule(func(r *reminders.Rule) { r.Kind, r.Amount = reminders.HoursBefore, 3 })
		s.walk("Thu 12:29")
		s.wantTexts(bertaPhone)
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Wed 14:30")
		s.wantTexts(bertaPhone, "Thu 15:30")
	})
	play(t, "T21 a longer offset that is past follows the late rule", func(s *stage) {
		e := s.add("Anna "+anna, "Wed 14:30")
		s.walk("Tue 10:00")
		s.rule(func(r *reminders.Rule) { r.Amount = 3 })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantVerdict(e.ID, reminders.LateRule)
	})
	play(t, "T21 the template is worded anew: today's words go out, once", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 12:00")
		_, err := reminders.NewTemplates(s.app.pools.web, s.clock.now).Save(t.Context(), reminders.Template{AccountID: s.account, ID: s.template,
			Name: "Termin", Texts: map[string]string{"de": "Neu: {date} {time}"}})
		s.must(err)
		s.walk("Fri 12:00")
		if got := s.texts(annaPhone); len(got) != 1 || got[0] != "Neu: 4.6. 14:30" {
			s.t.Errorf("the phone shows %q", got)
		}
	})
	play(t, "T21 a rule deleted and made again after the text: not repeated", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		r := s.rules[s.a().ID]
		s.must(s.ruleStore.Delete(t.Context(), reminders.RuleRef{AccountID: s.account, ID: r.ID}))
		r.ID, r.Late = 0, reminders.LateSend
		_, err := s.ruleStore.Save(t.Context(), r)
		s.must(err)
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T22 two processes over one database", func(s *stage) {
		const n = 25
		for i := range n {
			s.add(fmt.Sprintf("Patient 079 555 66 %02d", i+20), "Thu 14:30")
		}
		s.poll()
		s.walk("Wed 14:29")
		second := s.newApp()
		s.at("Wed 14:30")
		var wg sync.WaitGroup
		for _, a := range []*app{s.app, second, s.app, second} {
			for _, tick := range []func() error{
				func() error { _, err := a.syncer.Tick(t.Context()); return err },
				func() error { _, err := a.clerk.Tick(t.Context()); return err },
				func() error { _, err := a.dispatcher.Tick(t.Context()); return err },
				func() error { _, err := a.sandbox.Tick(t.Context(), a.desk); return err },
			} {
				wg.Go(func() {
					for range 5 {
						if err := tick(); err != nil {
							s.t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		s.walk("Wed 14:40")
		for i := range n {
			s.wantTexts(fmt.Sprintf("+417955566%02d", i+20), "Thu 14:30")
		}
		if got := s.allTexts(); got != n {
			s.t.Errorf("%d texts on all phones, want %d", got, n)
		}
	})
	play(t, "T24 a placeholder title, and the right one forty seconds later", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Late = reminders.LateSend })
		s.walk("Wed 16:50")
		e := s.add("Anna "+anna, "Thu 14:30") // the wrong patient
		s.poll()
		s.walk("Wed 16:50:40")
		s.edit(e.ID, func(e *standin.Event) { e.Title = "Kontrolle Berta " + berta })
		s.poll()
		s.walk("Wed 16:52:39")
		s.wantTexts(bertaPhone)
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 14:30")
	})
	play(t, "T24 edited in the minute it is due", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29:30")
		s.edit(e.ID, func(e *standin.Event) { e.Location = "Zimmer 3" })
		s.walk("Wed 14:31")
		s.wantTexts(annaPhone) // verified, and found to be settling
		s.walk("Wed 14:33")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	for _, when := range []string{"T01 2026-03-29 09:00 2026-03-28 09:00", "T02 2026-10-25 09:00 2026-10-24 09:00"} {
		name, start, due := when[:3], when[4:20], when[21:]
		play(t, name+" a day before is a calendar day on the morning the clocks change", func(s *stage) {
			s.add("Anna "+anna, start)
			s.walkTo(s.when(due).Add(-time.Second))
			s.wantTexts(annaPhone)
			s.walk(due)
			s.wantTexts(annaPhone, start)
		}, from(start))
	}
	play(t, "T02 hours are hours on the morning the clocks change", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Kind, r.Amount = reminders.HoursBefore, 7 })
		s.add("Anna "+anna, "2026-10-25 09:00")
		due := time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC) // 02:00, the second time it is
		s.walkTo(due.Add(-time.Second))
		s.wantTexts(annaPhone)
		s.walkTo(due)
		s.wantTexts(annaPhone, "2026-10-25 09:00")
	}, from("2026-10-25 09:00"))
	play(t, "T03 an hour before 03:30 on the morning without 02:30", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Kind, r.Amount = reminders.HoursBefore, 1 })
		s.add("Anna "+anna, "2026-03-29 03:30")
		s.walk("2026-03-29 01:29:59")
		s.wantTexts(annaPhone)
		s.walk("2026-03-29 01:30")
		s.wantTexts(annaPhone, "2026-03-29 03:30")
	}, from("2026-03-29 03:30"))
	play(t, "T04 half past two comes twice", func(s *stage) {
		s.rule(func(r *reminders.Rule) { r.Kind, r.Amount = reminders.HoursBefore, 2 })
		for _, utc := range []int{0, 1} {
			s.add("Anna "+anna, "2026-10-25 02:30", func(e *standin.Event) {
				e.Start = time.Date(2026, 10, 25, utc, 30, 0, 0, time.UTC)
				e.End = e.Start.Add(30 * time.Minute)
			})
		}
		s.walk("2026-10-25 12:00")
		if n := len(s.texts(annaPhone)); n != 2 {
			s.t.Errorf("%d texts for two instants, want 2", n)
		}
		s.doubles = 1 // the clocks show the same twice
	}, from("2026-10-25 02:30"))
}

// from lets a scenario begin two days before an appointment.
func from(start string) func(*scene) {
	return func(sc *scene) {
		at, err := time.ParseInLocation("2006-01-02 15:04", start, zurich)
		if err != nil {
			panic(err) // of this file's own making
		}
		sc.start = time.Date(at.Year(), at.Month(), at.Day()-2, 9, 0, 0, 0, zurich)
	}
}
