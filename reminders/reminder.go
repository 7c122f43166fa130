package reminders

import (
	"time"

	"rappel/calendars"
)

// Status is where a reminder stands; see the diagram in doc.go.
type Status string

// The statuses of a reminder.
const (
	StatusPlanned Status = "planned" // to be sent at NotBefore
	StatusQueued  Status = "queued"  // handed to notify; its message tells the rest
	StatusSkipped Status = "skipped" // it will not be sent, the appointment stands
	StatusDropped Status = "dropped" // its appointment, number or rule is no more
)

// Reminder is one rule applied to one appointment and one number.
type Reminder struct {
	AccountID  int64     `db:"account_id"`
	ID         int64     `db:"id"` // 0 = not stored yet
	EventID    int64     `db:"event_id"`
	CalendarID int64     `db:"calendar_id"`
	UID        string    `db:"uid"`
	Occurrence string    `db:"occurrence"`
	RuleID     int64     `db:"rule_id"`
	Recipient  string    `db:"recipient"` // E.164
	Field      string    `db:"field"`     // where the number stood
	StartsAt   time.Time `db:"starts_at"` // the start it announces
	DueAt      time.Time `db:"due_at"`    // when its rule wants it sent
	NotBefore  time.Time `db:"not_before"`
	Status     Status    `db:"status"`
	Reason     Reason    `db:"reason"`     // of skipped and dropped; of planned: why it waits; of queued: why it came too late to take it back
	MessageID  *int64    `db:"message_id"` // the latest message, nil when there was none
	CreatedAt  time.Time `db:"created_at"`
	DecidedAt  time.Time `db:"decided_at"`
}

const reminderColumns = `r.account_id, r.id, r.event_id, r.calendar_id, r.uid, r.occurrence, r.rule_id, r.recipient, r.field,
	r.starts_at, r.due_at, r.not_before, r.status, r.reason, r.message_id, r.created_at, r.decided_at`

// Key is what makes a reminder one: there is never a second with the same.
type Key struct {
	CalendarID int64
	UID        string
	Occurrence string
	RuleID     int64
	Recipient  string
}

// Key returns r's key.
func (r Reminder) Key() Key {
	return Key{CalendarID: r.CalendarID, UID: r.UID, Occurrence: r.Occurrence, RuleID: r.RuleID, Recipient: r.Recipient}
}

// Promise is a row of the sent ledger: at most one text per number, start and offset.
type Promise struct {
	Recipient string
	Start     int64 // Unix seconds
	Offset    string
}

// PromiseOf is what r takes when it is sent under rule.
func PromiseOf(recipient string, start time.Time, rule Rule) Promise {
	return Promise{Recipient: recipient, Start: start.Unix(), Offset: rule.OffsetKey()}
}

// Verdict is what was found about one appointment.
type Verdict struct {
	AccountID int64     `db:"account_id"`
	EventID   int64     `db:"event_id"`
	Reason    Reason    `db:"reason"`    // Planned when a reminder is planned or was sent
	Recipient string    `db:"recipient"` // E.164; the first number found, "" for none
	Field     string    `db:"field"`
	Others    int       `db:"others"`   // further distinct mobile numbers in its texts
	Rejected  string    `db:"rejected"` // why a candidate was refused, the most telling one
	DecidedAt time.Time `db:"decided_at"`
}

// StartOf is the start e is announced with: its instant, or for an all-day
// appointment midnight of its date in the clinic's zone. The provider's own midnight
// would fall on another day where zones differ (T08).
func StartOf(e calendars.Event, zone *time.Location) time.Time {
	if day, ok := dayOf(e); ok {
		y, m, d := day.Date()
		return wall(y, m, d, 0, 0, 0, zone)
	}
	return e.Start
}

// reckonFrom is the instant rules count from: the start, or AllDayHour of an
// all-day appointment.
func reckonFrom(e calendars.Event, zone *time.Location) time.Time {
	if day, ok := dayOf(e); ok {
		y, m, d := day.Date()
		return wall(y, m, d, AllDayHour, 0, 0, zone)
	}
	return e.Start
}

func dayOf(e calendars.Event) (time.Time, bool) {
	if !e.AllDay {
		return time.Time{}, false
	}
	// A date that doesn't parse leaves the instant, which is a day at worst beside.
	day, err := time.Parse(time.DateOnly, e.StartDate)
	return day, err == nil
}

// lastMoment is when e may be announced at the latest.
func lastMoment(e calendars.Event, s Settings) time.Time {
	return reckonFrom(e, s.Location()).Add(-s.MinLead())
}
