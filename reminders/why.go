package reminders

import (
	"slices"
	"time"
)

// Explanation is why an appointment is, was or is not announced, for the web to word.
type Explanation struct {
	Reason    Reason // Planned when something is planned or was sent
	Recipient string // E.164 of the number found, "" for none
	Field     string // where it stood
	Others    int    // further mobile numbers in the texts
	Rejected  string // why something like a number was not taken, "" when nothing was
	Lines     []Line // one for each reminder, the earliest due first
}

// Line is the story of one reminder.
type Line struct {
	ReminderID int64
	RuleID     int64
	Recipient  string
	Status     Status
	Reason     Reason    // as Reminder.Reason
	Due        time.Time // when its rule wants it
	At         time.Time // planned: when it is tried; else when it was decided
	StartsAt   time.Time // the start it announces
	MessageID  int64     // the latest message, 0 for none
	LateMin    int       // LateTooLittleTime: minutes the rule asks for; else 0
	Overdue    bool      // planned, and should have gone already
}

// Explain puts together what the web shows about one appointment. Dropped reminders
// that never had a message are left out: their number or rule is no more.
func Explain(v Verdict, rs []Reminder, rules []Rule, now time.Time) Explanation {
	x := Explanation{Reason: v.Reason, Recipient: v.Recipient, Field: v.Field, Others: v.Others, Rejected: v.Rejected}
	for _, r := range rs {
		if r.Status == StatusDropped && r.MessageID == nil {
			continue
		}
		l := Line{
			ReminderID: r.ID, RuleID: r.RuleID, Recipient: r.Recipient, Status: r.Status, Reason: r.Reason,
			Due: r.DueAt, At: r.DecidedAt, StartsAt: r.StartsAt,
		}
		if r.MessageID != nil {
			l.MessageID = *r.MessageID
		}
		if r.Status == StatusPlanned {
			l.At, l.Overdue = r.NotBefore, r.DueAt.Before(now)
		}
		if i := slices.IndexFunc(rules, func(rule Rule) bool { return rule.ID == r.RuleID }); i >= 0 && r.Reason == LateTooLittleTime {
			l.LateMin = rules[i].LateMinMinutes
		}
		x.Lines = append(x.Lines, l)
	}
	slices.SortStableFunc(x.Lines, func(a, b Line) int { return a.Due.Compare(b.Due) })
	if x.Reason == Planned {
		x.Reason = givenUp(x.Lines)
	}
	return x
}

// givenUp is why all of lines were skipped, by the last of them; Planned unless all
// were. A verdict is as old as the last planning: what the clerk gave up since stands
// with its reminders only.
func givenUp(lines []Line) (why Reason) {
	for _, l := range lines {
		if l.Status != StatusSkipped {
			return Planned
		}
		why = l.Reason
	}
	return why
}
