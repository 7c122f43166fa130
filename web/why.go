package web

import (
	"fmt"
	"slices"
	"time"

	"rappel/calendars"
	"rappel/notify"
	"rappel/reminders"
)

// numberReasons are verdicts that mean: there is nobody to text, because of what
// stands in the appointment. Somebody at the clinic can mend each of them.
var numberReasons = []reminders.Reason{
	reminders.NoNumber, reminders.Landline, reminders.Ambiguous, reminders.Unusable, reminders.SeveralNumbers, reminders.OwnNumber, reminders.Hidden,
}

// lineProblems are reasons of a single reminder that somebody should look at. What a
// rule decided by itself, such as leaving out late bookings, is not among them.
var lineProblems = []reminders.Reason{
	reminders.TooLate, reminders.MovedBack, reminders.CalendarUnreachable, reminders.ConnectionLost, reminders.NotSendable,
}

// failedStatuses are final and not delivered.
func failedStatuses() []notify.Status {
	return slices.DeleteFunc(notify.Statuses(), func(s notify.Status) bool { return !s.Final() || s == notify.Delivered })
}

// WhyMood is how loudly a reason is shown: "warn" for what somebody should see to.
func (v *view) WhyMood(reason reminders.Reason) string {
	switch {
	case slices.Contains(numberReasons, reason), slices.Contains(lineProblems, reason):
		return "warn"
	case reason == reminders.NoRules, reason == reminders.RulesOff, reason == reminders.CalendarStopped, reason == reminders.NoSubscription:
		return "warn"
	}
	return ""
}

// WhyHref is the page on which the cause of a reason can be mended, "" when that is
// done in the calendar itself or not at all.
func (v *view) WhyHref(reason reminders.Reason, calendar int64) string {
	switch reason {
	case reminders.NoRules, reminders.RulesOff, reminders.AllDay, reminders.LateBooking, reminders.LateTooLittleTime, reminders.RuleTooClose:
		return fmt.Sprintf("/calendars/%d", calendar)
	case reminders.SeveralNumbers, reminders.OwnNumber, reminders.Ambiguous:
		return "/settings"
	case reminders.CalendarStopped, reminders.ConnectionLost, reminders.CalendarUnreachable:
		return "/calendars"
	case reminders.NotSendable:
		return "/templates"
	case reminders.NoSubscription:
		return "/billing"
	}
	return ""
}

// RuleWords says when a rule sends: "1 Tag vorher, um 10:00 Uhr".
func (v *view) RuleWords(rule *reminders.Rule) string { return ruleWords(v.s.words, v.Lang, rule) }

func ruleWords(w *words, lang string, rule *reminders.Rule) string {
	if rule == nil {
		return w.say(lang, "appointments.rule_gone")
	}
	var s string
	switch {
	case rule.Kind == reminders.HoursBefore:
		s = w.say(lang, "rules.words.hours", "Count", rule.Amount)
	case rule.Amount == 0:
		s = w.say(lang, "rules.words.same_day")
	default:
		s = w.say(lang, "rules.words.days", "Count", rule.Amount)
	}
	if rule.AtTime != "" {
		s += ", " + w.say(lang, "rules.words.at", "Time", rule.AtTime)
	}
	return s
}

// Minutes words a span: "90 Minuten", "2 Stunden".
func (v *view) Minutes(n int) string {
	if n >= 60 && n%60 == 0 {
		return v.s.words.say(v.Lang, "span.hours", "Count", n/60)
	}
	return v.s.words.say(v.Lang, "span.minutes", "Count", n)
}

// StartOf is the start an appointment is announced with.
func (v *view) StartOf(e calendars.Event) time.Time { return reminders.StartOf(e, v.Loc) }

// Appointment is when an appointment takes place, without a clock time if it has none.
func (v *view) Appointment(e calendars.Event) string {
	if e.AllDay {
		return v.Day(v.StartOf(e))
	}
	return v.DayClock(e.Start)
}

// DayNumber is the day of the month as the language writes it: "1.", "1".
func (v *view) DayNumber(t time.Time) string {
	if v.Lang == "de" {
		return t.In(v.Loc).Format("2.")
	}
	return t.In(v.Loc).Format("2")
}
