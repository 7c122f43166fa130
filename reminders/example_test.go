package reminders_test

import (
	"fmt"
	"time"

	"rappel/calendars"
	"rappel/reminders"
)

// A landline in the place does not hide the mobile number in the title.
func ExampleExtract() {
	x := reminders.Extract(
		reminders.Fields{Location: "Praxis, 044 765 43 21", Title: "Frau Meier 079 123 45 67"},
		reminders.ExtractConfig{Region: "CH"},
	)
	fmt.Println(x.Recipients[0].E164, "in the", x.Recipients[0].Field)
	fmt.Println(x.Rejected[0].Text, "is a", x.Rejected[0].Why)
	// Output:
	// +41791234567 in the title
	// 044 765 43 21 is a landline
}

// A day before is the same clock time, whatever the clocks do in between.
func ExampleRule_Due() {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		fmt.Println(err)
		return
	}
	rule := reminders.Rule{Kind: reminders.DaysBefore, Amount: 1}
	start := time.Date(2026, 3, 29, 9, 0, 0, 0, zone) // the clocks went forward that night
	fmt.Println(rule.OffsetKey(), rule.Due(start, zone))
	// Output: P1D 2026-03-28 09:00:00 +0100 CET
}

// What has no value is left out with what only made sense beside it.
func ExampleRender() {
	body := "{weekday} {date}, {time} bei {business} ({practitioner})."
	v := reminders.Vars{Weekday: "Mo", Date: "1.6.", Time: "14:30", Business: "Praxis Meier"}
	text, err := reminders.Render(body, v)
	fmt.Println(text, err)
	// Output: Mo 1.6., 14:30 bei Praxis Meier. <nil>
}

// An error says where it is and what was probably meant.
func ExampleCheckBody() {
	for _, e := range reminders.CheckBody("Grüezi, Ihr Termin: {datum}") {
		fmt.Println(e)
	}
	// Output: body: unknown_placeholder at line 1, column 21 {datum}, perhaps {date}
}

// Planning tells what goes out, or why nothing does.
func ExamplePlan() {
	now := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	in := reminders.PlanInput{
		Event: calendars.Event{
			ID: 1, UID: "u", Start: now.Add(48 * time.Hour), End: now.Add(49 * time.Hour), Kind: "default",
			Title: "Herr Huber 079 123 45 67", FirstSeen: now, Changed: now,
		},
		Calendar: calendars.Calendar{Watched: true, Status: calendars.CalendarActive},
		Rules:    []reminders.Rule{{ID: 1, Kind: reminders.HoursBefore, Amount: 24, Enabled: true, Late: reminders.LateSkip}},
		Settings: reminders.Settings{Zone: "Europe/Zurich", Region: "CH", FieldOrder: reminders.FieldNames(), MinLeadMinutes: 30},
		Debounce: reminders.DefaultDebounce,
		Now:      now,
	}
	out := reminders.Plan(in)
	fmt.Println(out.Reminders[0].Status, out.Reminders[0].NotBefore.Format(time.RFC3339))
	in.Event.Title = "Herr Huber"
	fmt.Println(reminders.Plan(in).Verdict.Reason)
	// Output:
	// planned 2026-06-02T10:00:00Z
	// no_number
}
