package reminders_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/reminders"
)

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestRule_Due(t *testing.T) {
	t.Parallel()
	zone := zurich(t)
	hours := func(n int) reminders.Rule { return reminders.Rule{Kind: reminders.HoursBefore, Amount: n} }
	days := func(n int, at string) reminders.Rule {
		return reminders.Rule{Kind: reminders.DaysBefore, Amount: n, AtTime: at}
	}
	for _, tc := range []struct {
		name  string
		rule  reminders.Rule
		start string
		want  string
	}{
		{"T01 spring: the day before at the same clock time", days(1, ""), "2026-03-29T09:00:00+02:00", "2026-03-28T09:00:00+01:00"},
		{"T02 autumn: the day before at the same clock time", days(1, ""), "2026-10-25T09:00:00+01:00", "2026-10-24T09:00:00+02:00"},
		{"T02 hours are absolute", hours(24), "2026-10-25T09:00:00+01:00", "2026-10-24T10:00:00+02:00"},
		{"T02 three hours before", hours(3), "2026-03-29T04:30:00+02:00", "2026-03-29T00:30:00+01:00"},
		{"T03 one hour before 03:30, over the gap", hours(1), "2026-03-29T03:30:00+02:00", "2026-03-29T01:30:00+01:00"},
		{"T03 a clock time in the gap is read with the old offset", days(1, "02:30"), "2026-03-30T09:00:00+02:00", "2026-03-29T03:30:00+02:00"},
		{"T03 same clock time falls into the gap", days(1, ""), "2026-03-30T02:30:00+02:00", "2026-03-29T03:30:00+02:00"},
		{"T04 a day before the first 02:30", days(1, ""), "2026-10-25T00:30:00Z", "2026-10-24T02:30:00+02:00"},
		{"T04 a day before the second 02:30", days(1, ""), "2026-10-25T01:30:00Z", "2026-10-24T02:30:00+02:00"},
		{"T04 a clock time shown twice is the earlier", days(1, "02:30"), "2026-10-26T09:00:00+01:00", "2026-10-25T02:30:00+02:00"},
		{"T04 hours before the second 02:30", hours(1), "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z"},
		{"T05 14:00 in summer time", days(7, ""), "2026-10-28T14:00:00+01:00", "2026-10-21T14:00:00+02:00"},
		{"clock time on the day itself", days(0, "08:00"), "2026-06-02T14:00:00+02:00", "2026-06-02T08:00:00+02:00"},
		{"clock time two days before, over a month", days(2, "18:15"), "2026-06-01T00:30:00+02:00", "2026-05-30T18:15:00+02:00"},
		{"T06 an evening in UTC counts by the clinic's day", days(1, "09:00"), "2026-06-01T22:30:00Z", "2026-06-01T09:00:00+02:00"},
		{"first of March after a leap day", days(1, ""), "2028-03-01T10:00:00+01:00", "2028-02-29T10:00:00+01:00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := tc.rule.Due(instant(t, tc.start), zone)
			if want := instant(t, tc.want); !got.Equal(want) {
				t.Errorf("due %v, want %v", got.In(zone), want.In(zone))
			}
		})
	}
}

// A rule of days keeps the clock time wherever that time exists, is never after the
// start, and lies within its reach.
func TestRule_Due_properties(t *testing.T) {
	t.Parallel()
	zone := zurich(t)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, zone).Unix()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(from+rapid.Int64Range(0, 2*365*24*60).Draw(t, "minutes")*60, 0).In(zone)
		rule := reminders.Rule{Kind: reminders.DaysBefore, Amount: rapid.IntRange(1, 30).Draw(t, "days")}
		if rapid.Bool().Draw(t, "clock") {
			rule.AtTime = rapid.StringMatching(`([01][0-9]|2[0-3]):[0-5][0-9]`).Draw(t, "at")
		}
		due := rule.Due(start, zone).In(zone)
		if !due.Before(start) || start.Sub(due) > rule.Reach() {
			t.Fatalf("due %v for start %v, reach %v", due, start, rule.Reach())
		}
		want := rule.AtTime
		if want == "" {
			want = start.Format("15:04")
		}
		day := start.AddDate(0, 0, -rule.Amount).Format(time.DateOnly)
		if gap := due.Format(time.DateOnly) == "2026-03-29" || due.Format(time.DateOnly) == "2027-03-28"; !gap || want < "02:00" || want >= "03:00" {
			if got := due.Format("15:04"); got != want {
				t.Fatalf("due at %s, want %s", got, want)
			}
			// AddDate itself can slip over a gap, so days are compared away from it.
			if got := due.Format(time.DateOnly); got != day && start.Format("15:04") >= "03:00" {
				t.Fatalf("due on %s, want %s", got, day)
			}
		}
	})
}

func TestRule_OffsetKey(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]reminders.Rule{
		"PT24H":     {Kind: reminders.HoursBefore, Amount: 24},
		"P1D":       {Kind: reminders.DaysBefore, Amount: 1},
		"P1DT09:00": {Kind: reminders.DaysBefore, Amount: 1, AtTime: "09:00"},
		"P0DT07:30": {Kind: reminders.DaysBefore, Amount: 0, AtTime: "07:30"},
	} {
		if got := r.OffsetKey(); got != want {
			t.Errorf("OffsetKey = %s, want %s", got, want)
		}
	}
}

func TestRule_Validate(t *testing.T) {
	t.Parallel()
	good := reminders.Rule{CalendarID: 1, TemplateID: 1, Kind: reminders.HoursBefore, Amount: 24, Late: reminders.LateSkip}
	for _, tc := range []struct {
		name   string
		change func(*reminders.Rule)
		want   []string
	}{
		{"good", func(*reminders.Rule) {}, nil},
		{"no hours", func(r *reminders.Rule) { r.Amount = 0 }, []string{"amount out_of_range"}},
		{"a clock time for hours", func(r *reminders.Rule) { r.AtTime = "09:00" }, []string{"at_time unknown"}},
		{"zero days at the same time", func(r *reminders.Rule) { r.Kind, r.Amount = reminders.DaysBefore, 0 }, []string{"amount out_of_range"}},
		{"zero days at a clock time", func(r *reminders.Rule) { r.Kind, r.Amount, r.AtTime = reminders.DaysBefore, 0, "07:00" }, nil},
		{"25 o'clock", func(r *reminders.Rule) { r.Kind, r.AtTime = reminders.DaysBefore, "25:00" }, []string{"at_time not_a_clock_time"}},
		{"sender too long", func(r *reminders.Rule) { r.Sender = "PraxisMeierAG" }, []string{"sender sender_form"}},
		{"generic sender", func(r *reminders.Rule) { r.Sender = "Info" }, []string{"sender sender_generic"}},
		{"number as sender", func(r *reminders.Rule) { r.Sender = "+41791234567" }, nil},
		{"everything wrong", func(r *reminders.Rule) { *r = reminders.Rule{Language: "rm"} },
			[]string{"kind unknown", "calendar_id required", "template_id required", "language unknown", "late unknown"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := good
			tc.change(&r)
			if d := cmp.Diff(tc.want, fieldCodes(r.Validate())); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// fieldCodes lists what a validation found as "field code".
func fieldCodes(err error) []string {
	var bad *reminders.Invalid
	if !errors.As(err, &bad) {
		return nil
	}
	var out []string
	for _, f := range bad.Fields {
		out = append(out, f.Field+" "+f.Code)
	}
	return out
}
