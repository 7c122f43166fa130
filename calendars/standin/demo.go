package standin

import (
	"fmt"
	"time"
)

// Who the demo has.
const (
	DemoGoogle    = "praxis.seefeld@example.com"
	DemoMicrosoft = "empfang@praxis-seefeld.example"
)

// demoEvent is an appointment on the day-th working day from now on.
type demoEvent struct {
	day, hour, minute, minutes   int
	title, location, description string
	allDay                       bool
	weekly                       int
}

// The mobile numbers are made up; they are valid in libphonenumber's plan.
var demoCalendars = []struct {
	provider Provider
	name     string
	events   []demoEvent
}{
	{Google, "Dr. Keller", []demoEvent{
		{day: 0, hour: 16, minute: 30, minutes: 30, title: "Kontrolle A. Muster", location: "079 555 01 12"},
		{day: 1, hour: 8, minutes: 45, title: "Füllung B. Beispiel 078 555 02 23", location: "Zimmer 2"},
		{day: 1, hour: 10, minutes: 30, title: "Kontrolle C. Vorlage", description: "<p>Patientin ruft an.<br>Mobile: <a href=\"tel:+41765550334\">076 555 03 34</a></p>"},
		{day: 2, hour: 9, minute: 15, minutes: 60, title: "Wurzelbehandlung D. Probe", location: "+41 79 555 04 45"},
		{day: 2, hour: 14, minutes: 30, title: "Kontrolle E. Fest", location: "044 555 05 56"},
		{day: 3, hour: 11, minutes: 30, title: "Notfall F. Namenlos", description: "Keine Nummer hinterlegt"},
		{day: 4, title: "Weiterbildung Zürich", allDay: true},
	}},
	{Google, "Dentalhygiene", []demoEvent{
		{day: 0, hour: 17, minute: 15, minutes: 45, title: "DH G. Sonne", location: "0041 79 555 06 67"},
		{day: 1, hour: 13, minute: 30, minutes: 45, title: "DH H. Mond / 077 555 07 78"},
		{day: 1, hour: 15, minutes: 45, title: "DH Serie I. Stern", location: "079 555 08 89", weekly: 6},
		{day: 3, hour: 8, minute: 15, minutes: 45, title: "DH J. Wolke", description: "Tel. 076 555 09 90, bitte erinnern"},
	}},
	{Microsoft, "Prof. Weber", []demoEvent{
		{day: 0, hour: 15, minutes: 30, title: "Beratung K. Berg", location: "079 555 10 01"},
		{day: 1, hour: 9, minutes: 30, title: "Kontrolle L. Tal 078 555 11 12"},
		{day: 2, hour: 10, minute: 30, minutes: 60, title: "Implantat M. See", description: "Mobile +41 76 555 12 23, Rückfragen 044 555 12 24"},
		{day: 4, hour: 16, minutes: 30, title: "Kontrolle N. Wald", location: "Zimmer 1"},
	}},
	{Microsoft, "Kieferorthopädie", []demoEvent{
		{day: 1, hour: 16, minutes: 20, title: "Bogenwechsel O. Fluss", location: "079 555 13 34", weekly: 8},
		{day: 3, hour: 14, minute: 20, minutes: 20, title: "Abdruck P. Bach", location: "077 555 14 45"},
	}},
}

// SeedDemo fills an empty World with a small dental practice: one person at
// each provider with two calendars and appointments on the next five working
// days. The first calendar of each is the primary one under another name, so at
// Google its id is the e-mail. A World that has people already is left alone.
func (w *World) SeedDemo(now time.Time) error {
	if len(w.People()) > 0 {
		return nil
	}
	zone, err := time.LoadLocation(w.opt.DefaultZone)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	people := map[Provider]Person{}
	for _, p := range []Provider{Google, Microsoft} { // in order, so that seeded ids repeat
		email := DemoGoogle
		if p == Microsoft {
			email = DemoMicrosoft
		}
		if people[p], err = w.AddPerson(p, email, "Praxis Seefeld"); err != nil {
			return fmt.Errorf("seed demo: %w", err)
		}
	}
	days := workingDays(now.In(zone), 5)
	renamed := map[Provider]bool{}
	for _, c := range demoCalendars {
		var cal Calendar
		if renamed[c.provider] {
			cal, err = w.AddCalendar(people[c.provider].ID, c.name)
		} else {
			renamed[c.provider] = true
			cal = w.Calendars(people[c.provider].ID)[0]
			err = w.RenameCalendar(cal.ID, c.name, "")
		}
		if err != nil {
			return fmt.Errorf("seed demo: %w", err)
		}
		for _, d := range c.events {
			day := days[d.day]
			e := Event{Title: d.title, Location: d.location, Description: d.description, AllDay: d.allDay}
			e.Start = time.Date(day.Year(), day.Month(), day.Day(), d.hour, d.minute, 0, 0, zone)
			e.End = e.Start.Add(time.Duration(d.minutes) * time.Minute)
			if d.allDay {
				e.Start = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
				e.End = e.Start.AddDate(0, 0, 1)
			}
			if d.weekly > 0 {
				r := Weekly(d.weekly)
				e.Repeat = &r
			}
			if _, err := w.AddEvent(cal.ID, e); err != nil {
				return fmt.Errorf("seed demo: %w", err)
			}
		}
	}
	return nil
}

// workingDays lists the next n days from Monday to Friday after t's.
func workingDays(t time.Time, n int) []time.Time {
	var out []time.Time
	for day := t.AddDate(0, 0, 1); len(out) < n; day = day.AddDate(0, 0, 1) {
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			out = append(out, day)
		}
	}
	return out
}
