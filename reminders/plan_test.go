package reminders_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars"
	"rappel/reminders"
)

const (
	annas  = "+41791234567"
	bertas = "+41787654321"
)

// noon is the clock of most tables: Monday, 1 June 2026, 12:00 in Zurich.
var noon = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// scene is an appointment tomorrow at 14:00 with Anna's number, known for a week, in a
// healthy calendar with a rule "a day before"; the last poll was a minute ago.
func scene() reminders.PlanInput {
	start := noon.Add(26 * time.Hour)
	week := noon.Add(-7 * 24 * time.Hour)
	return reminders.PlanInput{
		Event: calendars.Event{
			AccountID: 1, ID: 10, CalendarID: 5, Key: "k", UID: "u", Start: start, End: start.Add(time.Hour), Kind: "default",
			Title: "Anna 079 123 45 67", FirstSeen: week, Changed: week,
		},
		Calendar: calendars.Calendar{
			AccountID: 1, ID: 5, Watched: true, Status: calendars.CalendarActive,
			WatchedSince: ptr(week.Add(-time.Hour)), PolledAt: ptr(noon.Add(-time.Minute)),
		},
		Rules: []reminders.Rule{dayBefore(7)},
		Settings: reminders.Settings{
			AccountID: 1, Zone: "Europe/Zurich", Region: "CH", Language: "de", FieldOrder: reminders.FieldNames(),
			Several: reminders.SeveralFirst, MinLeadMinutes: 30,
		},
		Debounce: 2 * time.Minute,
		Now:      noon,
	}
}

func dayBefore(id int64) reminders.Rule {
	return reminders.Rule{
		AccountID: 1, ID: id, CalendarID: 5, Kind: reminders.DaysBefore, Amount: 1, TemplateID: 1, Enabled: true,
		Late: reminders.LateSkip, LateMinMinutes: 120, UpdatedAt: noon.Add(-30 * 24 * time.Hour),
	}
}

// again plans once more on top of what out left behind.
func again(in reminders.PlanInput, out reminders.Outcome) reminders.PlanInput {
	in.Previous = slices.Clone(out.Reminders)
	for i := range in.Previous {
		if in.Previous[i].ID == 0 {
			in.Previous[i].ID = int64(100 + i)
		}
	}
	return in
}

// queued says that r's text was handed over.
func queued(in reminders.PlanInput) reminders.PlanInput {
	in.Previous = slices.Clone(in.Previous)
	for i := range in.Previous {
		if in.Previous[i].Status == reminders.StatusPlanned {
			in.Previous[i].Status, in.Previous[i].MessageID = reminders.StatusQueued, ptr(int64(900))
		}
	}
	return in
}

// tell writes an outcome as "verdict: recipient status reason due not_before; …", times
// in Zurich.
func tell(t testing.TB, out reminders.Outcome) string {
	zone := zurich(t)
	var lines []string
	for _, r := range out.Reminders {
		who := map[string]string{annas: "anna", bertas: "berta"}[r.Recipient]
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", who, r.Status, r.Reason,
			r.NotBefore.In(zone).Format("02.01. 15:04"))), " "))
	}
	s := string(out.Verdict.Reason) + ": " + strings.Join(lines, "; ")
	if len(out.Withdraw) > 0 {
		s += fmt.Sprintf(" withdraw %v", out.Withdraw)
	}
	return s
}

func at(t testing.TB, local string) time.Time {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04", "2026-"+local, zurich(t))
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, in *reminders.PlanInput)
		want   string
	}{
		{"in time", func(*testing.T, *reminders.PlanInput) {}, ": anna planned 01.06. 14:00"},
		{"T01 spring change", func(t *testing.T, in *reminders.PlanInput) {
			in.Now = at(t, "03-27 12:00")
			move(in, at(t, "03-29 09:00"))
			in.Event.Changed = at(t, "03-20 12:00")
			in.Calendar.WatchedSince, in.Rules[0].UpdatedAt = nil, at(t, "01-01 00:00")
		}, ": anna planned 28.03. 09:00"},
		{"suspended", func(_ *testing.T, in *reminders.PlanInput) { in.Settings.Service = "suspended" }, "no_subscription: "},
		{"T08 all-day, not wanted", allDay, "all_day: "},
		{"T08 all-day, wanted: from nine o'clock of its date", func(t *testing.T, in *reminders.PlanInput) {
			allDay(t, in)
			in.Calendar.AllDay = true
			in.Now = at(t, "05-31 12:00")
		}, ": anna planned 01.06. 09:00"},
		{"T09 running at first sight", func(t *testing.T, in *reminders.PlanInput) {
			in.Event.Start, in.Event.End = noon.Add(-time.Hour), noon.Add(48*time.Hour)
		}, "already_running: "},
		{"T09 several days: one, before the first", func(t *testing.T, in *reminders.PlanInput) {
			in.Event.End = in.Event.Start.Add(72 * time.Hour)
		}, ": anna planned 01.06. 14:00"},
		{"over", func(t *testing.T, in *reminders.PlanInput) { move(in, noon.Add(-3*time.Hour)) }, "past: "},
		{"T10 due in quiet hours waits for the morning", func(t *testing.T, in *reminders.PlanInput) {
			in.Settings.QuietFrom, in.Settings.QuietTo = "21:00", "08:00"
			move(in, at(t, "06-03 06:30"))
		}, ": anna planned 02.06. 08:00"},
		{"T10 due in quiet hours goes the evening before when the morning is too late", func(t *testing.T, in *reminders.PlanInput) {
			in.Settings.QuietFrom, in.Settings.QuietTo = "21:00", "08:00"
			in.Rules[0].Kind, in.Rules[0].Amount = reminders.HoursBefore, 2
			move(in, at(t, "06-03 08:15"))
		}, ": anna planned 02.06. 20:45"},
		{"T11 changed in the future", func(t *testing.T, in *reminders.PlanInput) {
			in.Event.Changed = noon.Add(7 * time.Minute)
		}, ": anna planned 01.06. 14:00"},
		{"T19 late booking is skipped by default", func(t *testing.T, in *reminders.PlanInput) {
			book(in, at(t, "06-02 09:00"))
		}, "late_booking: anna skipped late_booking 01.06. 09:00"},
		{"T19 late booking sent once after the debounce if the rule says so", func(t *testing.T, in *reminders.PlanInput) {
			book(in, at(t, "06-02 09:00"))
			in.Rules[0].Late = reminders.LateSend
		}, ": anna planned settling 01.06. 12:02"},
		{"T19 late booking, too little time for the rule", func(t *testing.T, in *reminders.PlanInput) {
			book(in, at(t, "06-01 13:45"))
			in.Rules[0].Late = reminders.LateSend
		}, "late_too_little_time: anna skipped late_too_little_time 31.05. 13:45"},
		{"T19 what was there when the clinic began to watch is late too", func(t *testing.T, in *reminders.PlanInput) {
			book(in, at(t, "06-02 09:00"))
			in.Calendar.PolledAt, in.Calendar.WatchedSince = nil, ptr(noon.Add(-time.Minute))
		}, "late_watch: anna skipped late_watch 01.06. 09:00"},
		{"T20 sync was down over the due time: caught up", func(t *testing.T, in *reminders.PlanInput) {
			book(in, at(t, "06-02 09:00"))
			in.Calendar.PolledAt = ptr(at(t, "06-01 08:59"))
		}, ": anna planned settling 01.06. 12:02"},
		{"T20 caught up at exactly the minimum lead", func(t *testing.T, in *reminders.PlanInput) {
			book(in, noon.Add(30*time.Minute))
			in.Calendar.PolledAt = ptr(at(t, "05-31 08:59"))
		}, ": anna planned 31.05. 12:30"},
		{"T20 sync was down for too long", func(t *testing.T, in *reminders.PlanInput) {
			book(in, noon.Add(29*time.Minute))
			in.Calendar.PolledAt = ptr(at(t, "05-31 08:59"))
		}, "too_late: anna skipped too_late 31.05. 12:29"},
		{"T21 rule made after its time", func(t *testing.T, in *reminders.PlanInput) {
			move(in, at(t, "06-02 09:00"))
			in.Rules[0].UpdatedAt = noon
		}, "late_rule: anna skipped late_rule 01.06. 09:00"},
		{"T21 rule made after its time, late ones sent", func(t *testing.T, in *reminders.PlanInput) {
			move(in, at(t, "06-02 09:00"))
			in.Rules[0].UpdatedAt, in.Rules[0].Late = noon, reminders.LateSend
		}, ": anna planned 01.06. 09:00"},
		{"T24 edited just before it is due: settles", func(t *testing.T, in *reminders.PlanInput) {
			in.Now = at(t, "06-01 13:59")
			in.Event.Changed = in.Now
		}, ": anna planned settling 01.06. 14:01"},
		{"T24 no time to settle", func(t *testing.T, in *reminders.PlanInput) {
			in.Rules[0].Kind, in.Rules[0].Amount = reminders.HoursBefore, 1
			in.Settings.MinLeadMinutes = 59
			in.Now = at(t, "06-02 13:00")
			in.Event.Changed = in.Now
		}, ": anna planned 02.06. 13:00"},
		{"T26 declined", func(t *testing.T, in *reminders.PlanInput) { in.Event.Declined = true }, "declined: "},
		{"T18 cancelled", func(t *testing.T, in *reminders.PlanInput) { in.Event.Cancelled = true }, "cancelled: "},
		{"T13 gone", func(t *testing.T, in *reminders.PlanInput) { in.Event.Gone = ptr(noon) }, "gone: "},
		{"T27 focus time", func(t *testing.T, in *reminders.PlanInput) { in.Event.Kind = "focusTime" }, "not_appointment: "},
		{"T28 hidden", func(t *testing.T, in *reminders.PlanInput) { in.Event.Hidden, in.Event.Title = true, "" }, "hidden: "},
		{"T25 not watched", func(t *testing.T, in *reminders.PlanInput) { in.Calendar.Watched = false }, "calendar_stopped: "},
		{"T38 paused", func(t *testing.T, in *reminders.PlanInput) { in.Calendar.Status = calendars.CalendarPaused }, "calendar_stopped: "},
		{"T44 landline", func(t *testing.T, in *reminders.PlanInput) { in.Event.Title = "044 765 43 21" }, "landline: "},
		{"T45 all", func(t *testing.T, in *reminders.PlanInput) {
			in.Event.Title = "079 123 45 67 / 078 765 43 21"
			in.Settings.Several = reminders.SeveralAll
		}, ": anna planned 01.06. 14:00; berta planned 01.06. 14:00"},
		{"T45 none of several", func(t *testing.T, in *reminders.PlanInput) {
			in.Event.Title = "079 123 45 67 / 078 765 43 21"
			in.Settings.Several = reminders.SeveralNone
		}, "several_numbers: "},
		{"T47 no number", func(t *testing.T, in *reminders.PlanInput) { in.Event.Title = "Anna" }, "no_number: "},
		{"T51 promised by the sibling's appointment", func(t *testing.T, in *reminders.PlanInput) {
			in.Promised = map[reminders.Promise]bool{reminders.PromiseOf(annas, in.Event.Start, in.Rules[0]): true}
		}, "already_sent: anna skipped already_sent 01.06. 14:00"},
		{"T51 the sibling half an hour later", func(t *testing.T, in *reminders.PlanInput) {
			in.Promised = map[reminders.Promise]bool{reminders.PromiseOf(annas, in.Event.Start.Add(-30*time.Minute), in.Rules[0]): true}
		}, ": anna planned 01.06. 14:00"},
		{"no rules", func(t *testing.T, in *reminders.PlanInput) { in.Rules = nil }, "no_rules: "},
		{"all rules off", func(t *testing.T, in *reminders.PlanInput) { in.Rules[0].Enabled = false }, "rules_off: "},
		{"two rules of the same distance are one text", func(t *testing.T, in *reminders.PlanInput) {
			in.Rules = append(in.Rules, dayBefore(8))
		}, ": anna planned 01.06. 14:00; anna skipped already_sent 01.06. 14:00"},
		{"a rule within the minimum lead can't fire", func(t *testing.T, in *reminders.PlanInput) {
			in.Settings.MinLeadMinutes = 25 * 60
		}, "rule_too_close: anna skipped rule_too_close 01.06. 14:00"},
		{"a clock time after the appointment can't fire", func(t *testing.T, in *reminders.PlanInput) {
			in.Rules[0].Amount, in.Rules[0].AtTime = 0, "18:00"
		}, "rule_too_close: anna skipped rule_too_close 02.06. 18:00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := scene()
			tc.change(t, &in)
			if d := cmp.Diff(tc.want, tell(t, reminders.Plan(in))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func move(in *reminders.PlanInput, to time.Time) {
	in.Event.Start, in.Event.End = to, to.Add(time.Hour)
}

// book makes the appointment one that appeared just now.
func book(in *reminders.PlanInput, start time.Time) {
	move(in, start)
	in.Event.FirstSeen, in.Event.Changed = in.Now, in.Now
}

func allDay(t *testing.T, in *reminders.PlanInput) {
	in.Event.AllDay, in.Event.StartDate = true, "2026-06-02"
	in.Event.Start = time.Date(2026, 6, 2, 4, 0, 0, 0, time.UTC) // midnight in New York
	in.Event.End = in.Event.Start.Add(24 * time.Hour)
}

// Each story goes through several plannings, one on top of the other.
func TestPlan_stories(t *testing.T) {
	t.Parallel()
	type step struct {
		what   string
		change func(in *reminders.PlanInput)
		want   string
	}
	sent := func(in *reminders.PlanInput) { *in = queued(*in) }
	atTime := func(local string) func(*reminders.PlanInput) {
		return func(in *reminders.PlanInput) {
			in.Now = at(t, local)
			in.Calendar.PolledAt = ptr(in.Now.Add(-time.Minute))
		}
	}
	change := func(in *reminders.PlanInput) { in.Event.Changed = in.Now }
	both := func(fs ...func(*reminders.PlanInput)) func(*reminders.PlanInput) {
		return func(in *reminders.PlanInput) {
			for _, f := range fs {
				f(in)
			}
		}
	}
	to := func(local string) func(*reminders.PlanInput) {
		return both(func(in *reminders.PlanInput) { move(in, at(t, local)) }, change)
	}
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"T16 moved before the reminder: only the new time", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"moved", to("06-03 10:00"), ": anna planned 02.06. 10:00"},
		}},
		{"T16 moved earlier, so that the new due time is past: caught up", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"moved", to("06-02 11:00"), ": anna planned settling 01.06. 12:02"},
		}},
		{"T16 moved after it was sent: one more for the new start", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"moved", both(atTime("06-02 08:00"), to("06-02 16:00")), ": anna planned settling 02.06. 08:02 withdraw [100]"},
			{"the wait is over", atTime("06-02 08:05"), ": anna planned settling 02.06. 08:02"},
		}},
		{"T16 moved after it was sent, too close to the new start", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"moved", both(atTime("06-02 08:00"), to("06-02 08:20")), "too_late: anna skipped too_late 01.06. 08:20 withdraw [100]"},
		}},
		{"T16 only the description changes after it was sent", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"edited", both(atTime("06-01 15:00"), change, func(in *reminders.PlanInput) { in.Event.Description = "nüchtern" }), ": anna queued 01.06. 14:00"},
		}},
		{"T16 moved away and back after it was sent: never twice for one start", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent, func(in *reminders.PlanInput) {
				in.Promised = map[reminders.Promise]bool{reminders.PromiseOf(annas, in.Event.Start, in.Rules[0]): true}
			}), ": anna queued 01.06. 14:00"},
			{"moved", to("06-03 10:00"), ": anna planned 02.06. 10:00 withdraw [100]"},
			{"back before the second text", to("06-02 14:00"), "already_sent: anna skipped already_sent 01.06. 14:00"},
		}},
		{"T16 back after the second text: somebody should call", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent, func(in *reminders.PlanInput) {
				in.Promised = map[reminders.Promise]bool{reminders.PromiseOf(annas, in.Event.Start, in.Rules[0]): true}
			}), ": anna queued 01.06. 14:00"},
			{"moved", to("06-02 15:00"), ": anna planned 01.06. 15:00 withdraw [100]"},
			{"sent again", both(atTime("06-01 15:00"), sent), ": anna queued 01.06. 15:00"},
			{"back", to("06-02 14:00"), "moved_back: anna skipped moved_back 01.06. 14:00 withdraw [100]"},
		}},
		{"T18 cancelled before, then restored", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"cancelled", both(change, func(in *reminders.PlanInput) { in.Event.Cancelled = true }), "cancelled: anna dropped cancelled 01.06. 14:00"},
			{"restored", both(change, func(in *reminders.PlanInput) { in.Event.Cancelled = false }), ": anna planned 01.06. 14:00"},
		}},
		{"T18 vanished over its due time and restored soon after: caught up", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"gone", both(atTime("06-01 13:58"), change, func(in *reminders.PlanInput) { in.Event.Gone = ptr(in.Now) }), "gone: anna dropped gone 01.06. 14:00"},
			{"restored", both(atTime("06-01 14:10"), change, func(in *reminders.PlanInput) { in.Event.Gone = nil }), ": anna planned settling 01.06. 14:12"},
		}},
		{"T18 deleted after it was sent: withdraw if possible, nothing more", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"gone", func(in *reminders.PlanInput) { in.Event.Gone = ptr(in.Now) }, "gone: anna dropped gone 01.06. 14:00 withdraw [100]"},
		}},
		{"T19 a skipped late booking moves: judged anew", []step{
			{"booked late", func(in *reminders.PlanInput) { book(in, at(t, "06-02 09:00")) }, "late_booking: anna skipped late_booking 01.06. 09:00"},
			{"moved to the day after", to("06-03 09:00"), ": anna planned 02.06. 09:00"},
		}},
		{"T21 offset changed: unsent ones follow, past ones by the late policy", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"two hours before", func(in *reminders.PlanInput) {
				in.Rules[0].Kind, in.Rules[0].Amount, in.Rules[0].UpdatedAt = reminders.HoursBefore, 2, in.Now
			}, ": anna planned 02.06. 12:00"},
			{"two days before", func(in *reminders.PlanInput) {
				in.Rules[0].Amount, in.Rules[0].UpdatedAt = 48, in.Now
			}, "late_rule: anna skipped late_rule 31.05. 14:00"},
		}},
		{"T21 offset changed after it was sent: not repeated", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"two hours before", func(in *reminders.PlanInput) {
				in.Rules[0].Kind, in.Rules[0].Amount, in.Rules[0].UpdatedAt = reminders.HoursBefore, 2, in.Now
			}, ": anna queued 01.06. 14:00"},
		}},
		{"T21 rule switched off and on", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"off", func(in *reminders.PlanInput) { in.Rules[0].Enabled = false }, "rules_off: anna dropped rules_off 01.06. 14:00"},
			{"on", func(in *reminders.PlanInput) { in.Rules[0].Enabled, in.Rules[0].UpdatedAt = true, in.Now }, ": anna planned 01.06. 14:00"},
		}},
		{"T21 rule deleted beside another", []step{
			{"two", func(in *reminders.PlanInput) {
				two := dayBefore(8)
				two.Amount = 0
				two.AtTime = "08:00"
				in.Rules = append(in.Rules, two)
			}, ": anna planned 01.06. 14:00; anna planned 02.06. 08:00"},
			{"one", func(in *reminders.PlanInput) { in.Rules = in.Rules[1:] }, ": anna planned 02.06. 08:00; anna dropped rules_off 01.06. 14:00"},
		}},
		{"T24 placeholder first, number forty seconds later", []step{
			{"created", func(in *reminders.PlanInput) { in.Event.Title = "neu"; change(in) }, "no_number: "},
			{"edited", both(func(in *reminders.PlanInput) {
				in.Now = in.Now.Add(40 * time.Second)
				in.Event.Title = "Anna 079 123 45 67"
			}, change), ": anna planned 01.06. 14:00"},
		}},
		{"T26 declined and accepted again", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"declined", func(in *reminders.PlanInput) { in.Event.Declined = true }, "declined: anna dropped declined 01.06. 14:00"},
			{"accepted", both(change, func(in *reminders.PlanInput) { in.Event.Declined = false }), ": anna planned 01.06. 14:00"},
		}},
		{"T47 number added later", []step{
			{"none", func(in *reminders.PlanInput) { in.Event.Title = "Anna" }, "no_number: "},
			{"added", both(change, func(in *reminders.PlanInput) { in.Event.Title = "Anna 079 123 45 67" }), ": anna planned 01.06. 14:00"},
		}},
		{"T49 number changed before due: the new one only", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"changed", both(change, func(in *reminders.PlanInput) { in.Event.Title = "Berta 078 765 43 21" }),
				": berta planned 01.06. 14:00; anna dropped number_changed 01.06. 14:00"},
		}},
		{"T49 number changed after the text: the new number gets one, the old none", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"changed", both(atTime("06-01 16:00"), change, func(in *reminders.PlanInput) { in.Event.Title = "Berta 078 765 43 21" }),
				": berta planned settling 01.06. 16:02; anna dropped number_changed 01.06. 14:00 withdraw [100]"},
		}},
		{"waiting for an unreachable calendar, then too late", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"waits", both(atTime("06-01 14:05"), func(in *reminders.PlanInput) {
				in.Previous[0].Reason, in.Previous[0].NotBefore = reminders.CalendarUnreachable, at(t, "06-01 14:06")
			}), ": anna planned calendar_unreachable 01.06. 14:06"},
			{"too late", atTime("06-02 13:31"), "calendar_unreachable: anna skipped calendar_unreachable 01.06. 14:00"},
			{"looked at again", atTime("06-02 13:40"), "calendar_unreachable: anna skipped calendar_unreachable 01.06. 14:00"},
		}},
		{"begun without a text", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"begun", atTime("06-02 14:10"), "already_running: anna skipped too_late 01.06. 14:00"},
		}},
		{"begun after its text", []step{
			{"planned", nil, ": anna planned 01.06. 14:00"},
			{"sent", both(atTime("06-01 14:01"), sent), ": anna queued 01.06. 14:00"},
			{"begun", atTime("06-02 14:10"), ": anna queued 01.06. 14:00"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := scene()
			for _, s := range tc.steps {
				if s.change != nil {
					s.change(&in)
				}
				out := reminders.Plan(in)
				if d := cmp.Diff(s.want, tell(t, out)); d != "" {
					t.Fatalf("%s (-want +got):\n%s", s.what, d)
				}
				in = again(in, out)
			}
		})
	}
}

// T14, T17: an appointment that goes on under another id finds what it had coming.
func TestPlan_coming(t *testing.T) {
	t.Parallel()
	in := scene()
	book(&in, at(t, "06-02 09:00")) // due three hours ago, seen just now
	if got := tell(t, reminders.Plan(in)); got != "late_booking: anna skipped late_booking 01.06. 09:00" {
		t.Fatal(got)
	}
	in.Coming = map[reminders.Promise]bool{reminders.PromiseOf(annas, in.Event.Start, in.Rules[0]): true}
	if got := tell(t, reminders.Plan(in)); got != ": anna planned settling 01.06. 12:02" {
		t.Error(got)
	}
	in.Promised = in.Coming // the old calendar's text has left
	if got := tell(t, reminders.Plan(in)); got != "already_sent: anna skipped already_sent 01.06. 09:00" {
		t.Error(got)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[reminders.Reason]bool{}
	for _, r := range reminders.Reasons() {
		if r == "" || seen[r] {
			t.Errorf("reason %q is empty or listed twice", r)
		}
		seen[r] = true
	}
}
