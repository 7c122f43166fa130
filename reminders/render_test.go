package reminders_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/calendars"
	"rappel/reminders"
)

func TestRender(t *testing.T) {
	t.Parallel()
	full := reminders.Vars{
		Business: "Praxis Meier", Date: "1.6.", Weekday: "Mo", Time: "14:30",
		LocationName: "Zürich", Callback: "044 123 45 67", Practitioner: "Dr. A. Huber",
	}
	without := func(change func(*reminders.Vars)) reminders.Vars { v := full; change(&v); return v }
	noTime := without(func(v *reminders.Vars) { v.Time = "" })
	noDoctor := without(func(v *reminders.Vars) { v.Practitioner = "" })
	noPlace := without(func(v *reminders.Vars) { v.LocationName = "" })
	for _, tc := range []struct {
		name, body string
		vars       reminders.Vars
		want       string
	}{
		{"all", "{weekday} {date}, {time} bei {practitioner}, {business} {location_name}. Tel. {callback}", full,
			"Mo 1.6., 14:30 bei Dr. A. Huber, Praxis Meier Zürich. Tel. 044 123 45 67"},
		{"escapes", "{{date}} ist {date}", full, "{date} ist 1.6."},
		{"values are not templates", "{business}", reminders.Vars{Business: "{date}"}, "{date}"},
		{"values lose line breaks", "{business}!", reminders.Vars{Business: " Praxis\n Meier "}, "Praxis Meier!"},
		{"double spaces as typed stay", "a  b {date}  c", full, "a  b 1.6.  c"},
		{"at the end, joiner before it", "{weekday} {date}, {time}", noTime, "Mo 1.6."},
		{"at the end of a line", "{weekday} {date} - {time}\nBis bald", noTime, "Mo 1.6.\nBis bald"},
		{"at the beginning, joiner after it", "{practitioner}, {business}", noDoctor, "Praxis Meier"},
		{"at the beginning of a line", "Guten Tag\n{practitioner} / {business}", noDoctor, "Guten Tag\nPraxis Meier"},
		{"between words", "Ihre {practitioner} Praxis", noDoctor, "Ihre Praxis"},
		{"between joiners the first stays", "{business}, {practitioner}, Tel. {callback}", noDoctor, "Praxis Meier, Tel. 044 123 45 67"},
		{"before a full stop", "Am {weekday} {date}, {time}. Bis bald", noTime, "Am Mo 1.6. Bis bald"},
		{"before a full stop after a word", "Bei {business}, {location_name}. Bis bald", noPlace, "Bei Praxis Meier. Bis bald"},
		{"before an exclamation mark", "{business} {location_name}!", noPlace, "Praxis Meier!"},
		{"after a colon", "Ort: {location_name}", noPlace, "Ort"},
		{"in brackets", "{business} ({location_name})", noPlace, "Praxis Meier"},
		{"in brackets, more text", "{business} ({location_name}), Tel. {callback}", noPlace, "Praxis Meier, Tel. 044 123 45 67"},
		{"first in brackets", "{business} ({practitioner}, {location_name})", noDoctor, "Praxis Meier (Zürich)"},
		{"last in brackets", "{business} ({location_name}, {practitioner})", noDoctor, "Praxis Meier (Zürich)"},
		{"glued", "x{practitioner}y", noDoctor, "xy"},
		{"several in a row", "Am {date} {time} {practitioner} {location_name}. Gruss", reminders.Vars{Date: "1.6."}, "Am 1.6. Gruss"},
		{"several with joiners", "{business}, {practitioner}, {location_name}, Tel. {callback}", reminders.Vars{Business: "P", Callback: "1"}, "P, Tel. 1"},
		{"nothing at all", "{practitioner}", noDoctor, ""},
		{"default text without callback and time", reminders.DefaultTexts()["de"], reminders.Vars{Weekday: "Mo", Date: "1.6.", Business: "P"},
			"Terminerinnerung: Mo 1.6. Freundliche Grüsse, P"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reminders.Render(tc.body, tc.vars)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	if _, err := reminders.Render("{datum}", full); err == nil {
		t.Error("an unknown placeholder renders")
	}
}

// With every value there, rendering is plain substitution: no rule of tidying applies.
func TestRender_full(t *testing.T) {
	t.Parallel()
	names := reminders.Placeholders()
	rapid.Check(t, func(t *rapid.T) {
		body, want := "", ""
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			if rapid.Bool().Draw(t, "placeholder") {
				body += "{" + rapid.SampledFrom(names).Draw(t, "name") + "}"
				want += "v"
			} else {
				s := rapid.StringMatching(`[a-z ,.:()-]{0,6}x`).Draw(t, "text")
				body, want = body+s, want+s
			}
		}
		got, err := reminders.Render("x"+body+"x", reminders.Vars{
			Business: "v", Date: "v", Weekday: "v", Time: "v", LocationName: "v", Callback: "v", Practitioner: "v"})
		if err != nil {
			t.Fatal(err)
		}
		if got != "x"+want+"x" {
			t.Fatalf("Render(%q) = %q, want %q", body, got, "x"+want+"x")
		}
	})
}

// Without a number, nothing leads to one.
func TestRender_noCallback(t *testing.T) {
	t.Parallel()
	v := reminders.Vars{Business: "Praxis Meier", Date: "1.6.", Weekday: "Mo", Time: "14:30"}
	for body, want := range map[string]string{
		"{date} {time}. Tel. {callback}":                                              "1.6. 14:30.",
		"{date} {time}. Tel.: {callback}":                                             "1.6. 14:30.",
		"{date} {time}, Tel. {callback}":                                              "1.6. 14:30",
		"Am {date}, Tel. {callback}.":                                                 "Am 1.6.",
		"{business} Tel. {callback}":                                                  "Praxis Meier",
		"{business}, {callback}":                                                      "Praxis Meier",
		"{business} {callback}. Bis bald":                                             "Praxis Meier. Bis bald",
		"{business} (Tel. {callback}) erwartet Sie":                                   "Praxis Meier erwartet Sie",
		"{business} (Haus B, Tel. {callback})":                                        "Praxis Meier (Haus B)",
		"{business} (seit 1900) (Tel. {callback})":                                    "Praxis Meier (seit 1900)",
		"Tel. {callback}, {business}":                                                 "Praxis Meier",
		"Um {time}.\nFragen: {callback}\nGruss":                                       "Um 14:30.\nGruss",
		"Um {time}.\nFragen: {callback}":                                              "Um 14:30.",
		"Fragen: {callback}\nUm {time}.":                                              "Um 14:30.",
		"Um {time}. Fragen? {callback}":                                               "Um 14:30.",
		"Um {time}. Fragen? Rufen Sie uns an: {callback}. Gruss, {business}":          "Um 14:30. Gruss, Praxis Meier",
		"Geht es am {date}? Sonst {callback}.":                                        "Geht es am 1.6.?",
		"Um {time}. Bitte kommen Sie nüchtern, Fragen unter {callback}. Gruss":        "Um 14:30. Bitte kommen Sie nüchtern. Gruss",
		"Um {time} - bei Fragen, bitte Tel. {callback} - {business}":                  "Um 14:30 - Praxis Meier",
		"Bei Fragen: {callback}, bis bald, {business}":                                "bis bald, Praxis Meier",
		"Um {time}. Absage oder Verschiebung bis am Vortag: {callback}! Danke":        "Um 14:30. Danke",
		"A {time}. Si vous ne pouvez pas venir, merci d'appeler le {callback}. Merci": "A 14:30. Merci",
		"If you can't come, call {callback} or {callback}. See you {date}":            "See you 1.6.",
		"Bitte anrufen: {callback}":                                                   "Bitte anrufen",
		"{callback}":                                                                  "",
		"Um {time} beim Dr. Huber. Tel. {callback}":                                   "Um 14:30 beim Dr. Huber.",
		"Um {time} Uhr (Eingang Nord":                                                 "Um 14:30 Uhr (Eingang Nord",
	} {
		got, err := reminders.Render(body, v)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q\n got %q\nwant %q", body, got, want)
		}
	}
	for lang, body := range reminders.DefaultTexts() {
		got, err := reminders.Render(body, v)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(got, ", Praxis Meier") || strings.Count(got, ".") != 3 || strings.Contains(got, ": .") {
			t.Errorf("%s: %q", lang, got)
		}
	}
}

// Whatever the text, taking the way to the number away leaves all other values, in
// order, and no placeholder.
func TestRender_noCallback_keepsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body, want := "", ""
		for i := range rapid.IntRange(0, 9).Draw(t, "pieces") {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				body += "{callback}"
			case 1:
				body += "{date}"
				want += "#"
			default:
				body += rapid.StringMatching(`[a-z ?!,.:;()\n\[\]/-]{0,8}`).Draw(t, fmt.Sprint("text", i))
			}
		}
		got, err := reminders.Render(body, reminders.Vars{Date: "#"})
		if err != nil {
			t.Fatal(err)
		}
		if kept := strings.Repeat("#", strings.Count(got, "#")); kept != want {
			t.Fatalf("Render(%q) = %q, want %d values", body, got, len(want))
		}
	})
}

func zurich(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestVarsFor(t *testing.T) {
	t.Parallel()
	s := reminders.Settings{Zone: "Europe/Zurich", Business: "P"}
	start := func(s string) calendars.Event {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return calendars.Event{Start: at}
	}
	allDay := start("2026-06-01T22:00:00Z")
	allDay.AllDay, allDay.StartDate = true, "2026-06-02"
	newYork := start("2026-06-01T18:30:00-04:00")
	for _, tc := range []struct {
		name     string
		event    calendars.Event
		language string
		want     string
	}{
		{"T06 evening in UTC is the next day in Zurich", start("2026-06-01T22:30:00Z"), "de", "Di 2.6. 00:30"},
		{"T06 made in New York's zone", newYork, "de", "Di 2.6. 00:30"},
		{"T03 after the gap", start("2026-03-29T03:30:00+02:00"), "de", "So 29.3. 03:30"},
		{"T04 first 02:30", start("2026-10-25T00:30:00Z"), "de", "So 25.10. 02:30"},
		{"T04 second 02:30", start("2026-10-25T01:30:00Z"), "de", "So 25.10. 02:30"},
		{"T08 all-day has no time and is never shifted", allDay, "de", "Di 2.6. "},
		{"T08 in English", allDay, "en", "Tue 2 Jun "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := reminders.VarsFor(s, calendars.Calendar{}, tc.event, tc.language)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Weekday + " " + v.Date + " " + v.Time; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
