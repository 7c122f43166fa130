package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rappel/calendars"
	"rappel/calendars/standin"
	"rappel/reminders"
)

// numberCase is one appointment and the phone it is announced to.
type numberCase struct {
	name                         string
	location, title, description string
	phone                        string           // "" = none
	why                          reminders.Reason // "" = any
}

// TestScenarioNumbers: what stands in an appointment and whose phone rings.
func TestScenarioNumbers(t *testing.T) {
	cases := []numberCase{
		{"T42 national", "", "Anna 079 123 45 01", "", "+41791234501", ""},
		{"T42 international with a zero in brackets", "", "Anna 0041 (0)79 123 45 02", "", "+41791234502", ""},
		{"T42 slashes and no-break spaces", "", "Anna 079/123\u202f45\u00a003", "", "+41791234503", ""},
		{"T43 in the target of a link", "", "Anna", `<p>Tel: <a href="tel:+41791234504">hier</a></p>`, "+41791234504", ""},
		{"T43 tags between digits", "", "Anna", `<b>079</b>&nbsp;123 45 <i>05</i>`, "+41791234505", ""},
		{"T44 a landline", "", "Anna 044 668 18 00", "", "", reminders.Landline},
		{"T44 a landline and a mobile", "", "Anna 044 668 18 00, 079 123 45 06", "", "+41791234506", ""},
		{"T44 a landline as the place, a mobile in the title", "044 668 18 00", "Anna 079 123 45 07", "", "+41791234507", ""},
		{"T45 several: the first", "", "Anna 079 123 45 08 oder 079 999 45 08", "", "+41791234508", ""},
		{"T45 the same twice", "079 123 45 09", "Anna +41 79 123 45 09", "", "+41791234509", ""},
		{"T45 place before title", "079 123 45 16", "Anna 079 999 45 16", "", "+41791234516", ""},
		{"T46 German", "", "Anna +49 170 1234567", "", "+491701234567", ""},
		{"T46 French national in a Swiss clinic", "", "Anna 06 12 34 56 78", "", "", ""},
		{"T47 none", "", "Anna", "zum ersten Mal hier", "", reminders.NoNumber},
		{"T48 a social security number", "", "Anna AHV 756.1234.5678.97", "", "", ""},
		{"T48 a bank account", "", "Anna", "IBAN CH93 0076 2011 6238 5295 7", "", ""},
		{"T48 dates, times and a case", "", "Anna 01.06.2026, 10:30-11:15, Fall 2026-0791234", "", "", ""},
		{"T48 a meeting to dial in", "https://meet.google.com/abc-defg-hij", "Anna", "Einwählen: +41 43 508 12 34 PIN: 079 123 456#", "", ""},
		{"T48 the clinic's own", "", "Anna", "Absagen an 079 777 88 99", "", reminders.OwnNumber},
		{"T50 premium rate", "", "Anna 0900 123 456", "", "", ""},
		{"T50 emergency", "", "Anna 144", "", "", ""},
	}
	play(t, "T42-T50 one calendar full of them", func(s *stage) {
		cases := slices.Clone(cases)
		if s.provider == standin.Microsoft {
			// Graph's bodyPreview drops the targets of links, and short bodies aren't read in full.
			i := slices.IndexFunc(cases, func(c numberCase) bool { return c.name == "T43 in the target of a link" })
			cases[i].phone, cases[i].why = "", reminders.NoNumber
		}
		s.settings(func(set *reminders.Settings) { set.OwnNumbers = []string{"079 777 88 99"} })
		type put struct{ id, start string }
		var puts []put
		for i, tc := range cases {
			start := fmt.Sprintf("Thu %02d:%02d", 8+i/6, 10*(i%6))
			e := s.add("", start, func(e *standin.Event) { e.Location, e.Title, e.Description = tc.location, tc.title, tc.description })
			puts = append(puts, put{e.ID, start})
		}
		s.walk("Wed 23:00")
		texts := 0
		for i, tc := range cases {
			if tc.phone != "" {
				texts++
				if got := s.texts(tc.phone); len(got) != 1 || got[0] != s.text(puts[i].start) {
					s.t.Errorf("%s: the phone shows %q", tc.name, got)
				}
				continue
			}
			if tc.why != "" {
				s.wantVerdict(puts[i].id, tc.why)
			}
		}
		if n := s.allTexts(); n != texts {
			s.t.Errorf("%d texts on all phones, want %d", n, texts)
		}
		var silent []string
		s.must(s.app.pools.owner.SelectContext(s.t.Context(), &silent, `SELECT instance_key FROM events e JOIN verdicts v ON v.account_id = e.account_id AND v.event_id = e.id
			WHERE e.account_id = $1 AND v.reason = '' AND v.recipient = ''`, s.account))
		if len(silent) > 0 {
			s.t.Errorf("%d appointments get no text without a reason", len(silent))
		}
	})
	play(t, "T45 every number of an appointment if the clinic wants", func(s *stage) {
		s.settings(func(set *reminders.Settings) { set.Several = reminders.SeveralAll })
		s.add("Anna "+anna+" / "+berta, "Thu 14:30")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantTexts(bertaPhone, "Thu 14:30")
	})
	play(t, "T47 a number added later", func(s *stage) {
		e := s.add("Anna", "Thu 14:30")
		s.walk("Tue 12:00")
		s.wantVerdict(e.ID, reminders.NoNumber)
		s.edit(e.ID, func(e *standin.Event) { e.Location = anna })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T47 a number added after its time is a late booking", func(s *stage) {
		e := s.add("Anna", "Thu 14:30")
		s.walk("Wed 17:00")
		s.edit(e.ID, func(e *standin.Event) { e.Location = anna })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantVerdict(e.ID, reminders.LateBooking)
	}, hourly)
	play(t, "T49 another number two minutes before due", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:28")
		s.edit(e.ID, func(e *standin.Event) { e.Title = "Kontrolle Berta " + berta })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 14:30")
	})
	play(t, "T49 another number after the text", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 15:00")
		s.edit(e.ID, func(e *standin.Event) { e.Title = "Kontrolle Berta " + berta })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantTexts(bertaPhone, "Thu 14:30")
	})
	play(t, "T06 half past midnight in Zurich, entered in New York", func(s *stage) {
		s.add("Anna "+anna, "Thu 00:30", func(e *standin.Event) { e.Zone = "America/New_York" })
		s.walk("Thu 12:00")
		s.wantTexts(annaPhone, "Thu 00:30")
	})
	play(t, "T08 all-day entries: none, unless the clinic wants, and never a day beside", func(s *stage) {
		allDay := func(day int) func(e *standin.Event) {
			return func(e *standin.Event) {
				e.AllDay = true
				e.Start = time.Date(2026, 6, day, 0, 0, 0, 0, time.UTC)
				e.End = e.Start.AddDate(0, 0, 1)
			}
		}
		e := s.add("Anna "+anna, "Wed 00:00", allDay(3))
		s.walk("Wed 12:00")
		s.wantTexts(annaPhone)
		s.wantVerdict(e.ID, reminders.AllDay)
		s.must(s.connector.UpdateCalendar(s.t.Context(), s.ref(s.a()), calendars.Settings{Cron: s.calendar(s.a()).Cron, AllDay: true}))
		s.replan(s.a())
		s.add("Berta "+berta, "Fri 00:00", allDay(5))
		s.walk("Sat 12:00")
		if got := s.texts(bertaPhone); len(got) != 1 || got[0] != "Termin Fr 5.6. " && got[0] != "Termin Fr 5.6." {
			s.t.Errorf("the phone shows %q", got)
		}
	})
	play(t, "T10 quiet hours: the next morning, or the evening before", func(s *stage) {
		s.settings(func(set *reminders.Settings) { set.QuietFrom, set.QuietTo = "21:00", "08:00" })
		s.rule(func(r *reminders.Rule) { r.Kind, r.Amount = reminders.HoursBefore, 10 })
		s.add("Anna "+anna, "Thu 16:00")   // due at 06:00, goes at 08:00
		s.add("Berta "+berta, "Fri 08:15") // due at 22:15, 08:00 would be too late
		s.walk("Thu 07:59")
		s.wantTexts(annaPhone)
		s.walk("Thu 08:00")
		s.wantTexts(annaPhone, "Thu 16:00")
		s.walk("Thu 20:44")
		s.wantTexts(bertaPhone)
		s.walk("Thu 20:45")
		s.wantTexts(bertaPhone, "Fri 08:15")
	})
}
