package reminders_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/reminders"
)

// drawScene makes an appointment and a clinic of any kind around noon.
func drawScene(t *rapid.T) reminders.PlanInput {
	in := scene()
	drawEvent(t, &in)
	in.Rules = nil
	for id := range rapid.IntRange(0, 3).Draw(t, "rules") {
		r := dayBefore(int64(id + 1))
		if rapid.Bool().Draw(t, "hours") {
			r.Kind, r.Amount = reminders.HoursBefore, rapid.IntRange(1, 72).Draw(t, "amount")
		} else {
			r.Amount = rapid.IntRange(0, 3).Draw(t, "days")
			r.AtTime = rapid.SampledFrom([]string{"", "08:00", "18:30"}).Draw(t, "at")
		}
		r.Enabled = rapid.IntRange(0, 4).Draw(t, "enabled") > 0
		r.Late = rapid.SampledFrom([]reminders.Late{reminders.LateSkip, reminders.LateSend}).Draw(t, "late")
		r.LateMinMinutes = rapid.IntRange(0, 600).Draw(t, "late_min")
		r.UpdatedAt = noon.Add(-time.Duration(rapid.IntRange(0, 200).Draw(t, "rule_age")) * time.Hour)
		in.Rules = append(in.Rules, r)
	}
	in.Settings.MinLeadMinutes = rapid.IntRange(0, 300).Draw(t, "min_lead")
	in.Settings.Several = rapid.SampledFrom([]reminders.Several{reminders.SeveralFirst, reminders.SeveralAll, reminders.SeveralNone}).Draw(t, "several")
	if rapid.IntRange(0, 3).Draw(t, "quiet") == 0 {
		in.Settings.QuietFrom, in.Settings.QuietTo = "21:00", "08:00"
	}
	in.Calendar.AllDay = rapid.Bool().Draw(t, "remind_all_day")
	return in
}

// drawEvent changes the appointment and the last poll in some way.
func drawEvent(t *rapid.T, in *reminders.PlanInput) {
	move(in, noon.Add(time.Duration(rapid.IntRange(-5*60, 100*60).Draw(t, "start"))*time.Minute))
	in.Event.Title = rapid.SampledFrom([]string{"Anna 079 123 45 67", "Berta 078 765 43 21", "079 123 45 67 / 078 765 43 21", "Anna", "044 765 43 21"}).Draw(t, "title")
	in.Event.Changed = in.Now.Add(-time.Duration(rapid.IntRange(0, 100*60).Draw(t, "changed")) * time.Minute)
	in.Event.Declined = rapid.IntRange(0, 9).Draw(t, "declined") == 0
	in.Event.Gone = nil
	if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
		in.Event.Gone = ptr(in.Now)
	}
	in.Event.AllDay, in.Event.StartDate = false, ""
	if rapid.IntRange(0, 5).Draw(t, "all_day") == 0 {
		in.Event.AllDay, in.Event.StartDate = true, in.Event.Start.Format(time.DateOnly)
	}
	in.Calendar.PolledAt = ptr(in.Now.Add(-time.Duration(rapid.IntRange(0, 48*60).Draw(t, "polled")) * time.Minute))
}

func checkOutcome(t *rapid.T, in reminders.PlanInput, out reminders.Outcome) {
	zone := in.Settings.Location()
	start := reminders.StartOf(in.Event, zone)
	last := start.Add(-in.Settings.MinLead())
	if in.Event.AllDay {
		last = last.Add(25 * time.Hour)
	}
	seen := map[reminders.Key]bool{}
	live := map[reminders.Promise]bool{}
	rules := map[int64]reminders.Rule{}
	for _, r := range in.Rules {
		rules[r.ID] = r
	}
	for _, r := range out.Reminders {
		if seen[r.Key()] {
			t.Fatalf("two reminders with key %v", r.Key())
		}
		seen[r.Key()] = true
		switch r.Status {
		case reminders.StatusPlanned:
			if !r.StartsAt.Equal(start) {
				t.Fatalf("announces %v, the appointment is at %v", r.StartsAt, start)
			}
			if r.DueAt.After(last) || r.NotBefore.After(last) {
				t.Fatalf("due %v, not before %v, last moment %v", r.DueAt, r.NotBefore, last)
			}
			if in.Now.After(last) {
				t.Fatalf("planned after the last moment")
			}
			if !in.Event.Stands() {
				t.Fatal("planned though it does not stand")
			}
			if p := reminders.PromiseOf(r.Recipient, r.StartsAt, rules[r.RuleID]); live[p] || in.Promised[p] {
				t.Fatalf("promised twice")
			} else {
				live[p] = true
			}
		case reminders.StatusSkipped, reminders.StatusDropped:
			if r.Reason == reminders.Planned {
				t.Fatalf("%s without a reason", r.Status)
			}
		}
	}
	for _, prev := range in.Previous {
		if !seen[prev.Key()] {
			t.Fatal("a previous reminder is forgotten")
		}
	}
	if alive := len(live) > 0; alive && out.Verdict.Reason != reminders.Planned {
		t.Fatalf("verdict %s though something is planned", out.Verdict.Reason)
	}
	if len(out.Reminders) == 0 && out.Verdict.Reason == reminders.Planned {
		t.Fatal("nothing planned and no reason")
	}
}

// Whatever happens to an appointment, in whatever order: the invariants hold after
// every step, and planning twice is planning once.
func TestPlan_properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawScene(t)
		in.Promised = map[reminders.Promise]bool{}
		texts := map[reminders.Promise]int{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			out := reminders.Plan(in)
			checkOutcome(t, in, out)
			in = again(in, out)
			second := reminders.Plan(in)
			checkOutcome(t, in, second)
			for i := range second.Reminders { // by now they have ids
				second.Reminders[i].ID = 0
			}
			want := append([]reminders.Reminder(nil), in.Previous...)
			for i := range want {
				want[i].ID = 0
			}
			if d := cmp.Diff(byKey(want), byKey(second.Reminders)); d != "" {
				t.Fatalf("planning again changes the plan:\n%s", d)
			}
			if second.Verdict.Reason != out.Verdict.Reason {
				t.Fatalf("planning again turns verdict %q to %q", out.Verdict.Reason, second.Verdict.Reason)
			}
			// What is due goes out, as the clerk would do it.
			if rapid.Bool().Draw(t, "send") {
				for i, r := range in.Previous {
					if r.Status != reminders.StatusPlanned || r.NotBefore.After(in.Now) {
						continue
					}
					for _, rule := range in.Rules {
						if rule.ID == r.RuleID {
							p := reminders.PromiseOf(r.Recipient, r.StartsAt, rule)
							if in.Promised[p] {
								continue
							}
							in.Promised[p] = true
							if texts[p]++; texts[p] > 1 {
								t.Fatal("two texts for one promise")
							}
							in.Previous[i].Status, in.Previous[i].MessageID = reminders.StatusQueued, ptr(int64(1))
						}
					}
				}
			}
			in.Now = in.Now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "later")) * time.Minute)
			if rapid.Bool().Draw(t, "event_changes") {
				drawEvent(t, &in)
				in.Event.Changed = in.Now
			}
		}
	})
}

// Moving away and back, unsent, is as if nothing had happened.
func TestPlan_moveAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := scene()
		start := noon.Add(time.Duration(rapid.IntRange(27*60, 100*60).Draw(t, "start")) * time.Minute)
		move(&in, start)
		first := reminders.Plan(in)
		in = again(in, first)
		move(&in, noon.Add(time.Duration(rapid.IntRange(60, 100*60).Draw(t, "other"))*time.Minute))
		in.Event.Changed = in.Now
		in = again(in, reminders.Plan(in))
		in.Now = in.Now.Add(time.Minute)
		move(&in, start)
		in.Event.Changed = in.Now
		back := reminders.Plan(in)
		if len(back.Reminders) != 1 || back.Reminders[0].Status != reminders.StatusPlanned ||
			!back.Reminders[0].StartsAt.Equal(start) || !back.Reminders[0].DueAt.Equal(first.Reminders[0].DueAt) {
			t.Fatalf("after moving back: %+v", back.Reminders)
		}
	})
}

func byKey(rs []reminders.Reminder) map[reminders.Key]reminders.Reminder {
	out := map[reminders.Key]reminders.Reminder{}
	for _, r := range rs {
		out[r.Key()] = r
	}
	return out
}
