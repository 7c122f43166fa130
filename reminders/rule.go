package reminders

import (
	"fmt"
	"regexp"
	"time"
)

// RuleKind is how a rule measures its distance.
type RuleKind string

// The kinds of rule.
const (
	HoursBefore RuleKind = "hours_before" // an absolute duration before the start
	DaysBefore  RuleKind = "days_before"  // calendar days in the clinic's zone, at a clock time
)

// Late is what a rule does about an appointment that appeared after its time.
type Late string

// The late policies.
const (
	LateSkip Late = "skip" // nothing: the patient has just booked and knows
	LateSend Late = "send" // send soon, if at least Rule.LateMinMinutes remain
)

// Limits of a rule.
const (
	MaxHours = 8760 // one year
	MaxDays  = 365
)

// AllDayHour is the clock hour that rules of all-day appointments count from,
// since such an appointment has none and midnight is no hour to text anybody.
const AllDayHour = 9

// Rule says how long before each appointment of a calendar which template goes out.
type Rule struct {
	AccountID      int64     `db:"account_id"`
	ID             int64     `db:"id"` // 0 = not saved yet
	CalendarID     int64     `db:"calendar_id"`
	Kind           RuleKind  `db:"kind"`
	Amount         int       `db:"amount"`  // hours (1 to MaxHours) or days (0 to MaxDays)
	AtTime         string    `db:"at_time"` // DaysBefore: HH:MM in the clinic's zone; "" = the appointment's own clock time
	TemplateID     int64     `db:"template_id"`
	Language       string    `db:"language"` // "" = the account's
	Sender         string    `db:"sender"`   // "" = the account's
	Enabled        bool      `db:"enabled"`
	Late           Late      `db:"late"`
	LateMinMinutes int       `db:"late_min_minutes"` // LateSend: what must remain at least
	CreatedAt      time.Time `db:"created_at"`
	// UpdatedAt is since when the rule fires when it does: it moves with kind,
	// amount, clock time and with being switched on, with nothing else.
	UpdatedAt time.Time `db:"updated_at"`
}

// OffsetKey names the rule's distance as an ISO 8601 duration: PT24H, P1D, or
// P1DT09:00 for days at a clock time (our notation; ISO 8601 has none for that).
// Two rules with the same key would announce the same thing twice, so the ledger
// counts them as one.
func (r Rule) OffsetKey() string {
	switch {
	case r.Kind == HoursBefore:
		return fmt.Sprintf("PT%dH", r.Amount)
	case r.AtTime == "":
		return fmt.Sprintf("P%dD", r.Amount)
	}
	return fmt.Sprintf("P%dDT%s", r.Amount, r.AtTime)
}

// Due is when the rule wants an appointment at start announced.
//
// Hours are absolute: 24 hours before stays 24 hours over a clock change. Days are
// calendar days in zone: the day before at the same clock time is 23 or 25 hours away
// around one (T01, T02). A clock time that a change skips is taken as the clock
// reads with the offset from before the change, so 02:30 becomes 03:30; one that
// occurs twice is the earlier. With AtTime "" and zero days Due is start.
func (r Rule) Due(start time.Time, zone *time.Location) time.Time {
	if r.Kind == HoursBefore {
		return start.Add(-time.Duration(r.Amount) * time.Hour)
	}
	local := start.In(zone)
	y, m, d := local.Date()
	hour, minute, second := local.Clock()
	switch {
	case r.AtTime != "":
		hour, minute = clock(r.AtTime)
		second = 0
	case r.Amount == 0:
		return start // rebuilding it from wall time could hit the other 02:30 (T04)
	}
	return wall(y, m, d-r.Amount, hour, minute, second, zone)
}

// Reach is the longest Due can lie before a start: what calendars must look ahead.
// Quiet hours can add most of a day; that is within the margin of snapshots.
func (r Rule) Reach() time.Duration {
	const day = 24 * time.Hour
	switch {
	case r.Kind == HoursBefore:
		return time.Duration(r.Amount) * time.Hour
	case r.AtTime == "":
		return time.Duration(r.Amount)*day + time.Hour // a clock change may add one
	}
	return time.Duration(r.Amount+1)*day + time.Hour // early in the day, for an appointment at its end
}

// wall is the instant zone's clocks show that time. time.Date promises nothing for
// times shown never or twice, so those are settled here.
func wall(y int, m time.Month, d, hour, minute, second int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, hour, minute, second, 0, zone)
	want := time.Date(y, m, d, hour, minute, second, 0, time.UTC) // normalises d
	shown := func(t time.Time) bool {
		t = t.In(zone)
		return t.Day() == want.Day() && t.Hour() == want.Hour() && t.Minute() == want.Minute()
	}
	_, before := t.Add(-24 * time.Hour).Zone()
	early := want.Add(-time.Duration(before) * time.Second).In(zone) // read with the offset from before any change
	if shown(t) && !shown(early) {
		return t
	}
	return early
}

// clock splits a valid HH:MM.
func clock(hhmm string) (hour, minute int) {
	t, err := time.Parse("15:04", hhmm)
	if err != nil {
		return AllDayHour, 0 // the table's CHECK and Validate keep this from happening
	}
	return t.Hour(), t.Minute()
}

var clockTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// Validate reports everything wrong with r as an *[Invalid], or nil. Fields bear
// the names of the columns.
func (r Rule) Validate() error {
	var bad []FieldError
	switch r.Kind {
	case HoursBefore:
		bad = append(bad, between("amount", r.Amount, 1, MaxHours)...)
		if r.AtTime != "" {
			bad = append(bad, FieldError{Field: "at_time", Code: CodeUnknown})
		}
	case DaysBefore:
		lowest := 0
		if r.AtTime == "" {
			lowest = 1 // zero days before at the same time is the appointment itself
		}
		bad = append(bad, between("amount", r.Amount, lowest, MaxDays)...)
		if r.AtTime != "" && !clockTime.MatchString(r.AtTime) {
			bad = append(bad, FieldError{Field: "at_time", Code: CodeNotAClockTime})
		}
	default:
		bad = append(bad, FieldError{Field: "kind", Code: CodeUnknown})
	}
	if r.CalendarID <= 0 {
		bad = append(bad, FieldError{Field: "calendar_id", Code: CodeRequired})
	}
	if r.TemplateID <= 0 {
		bad = append(bad, FieldError{Field: "template_id", Code: CodeRequired})
	}
	if r.Language != "" && !isLanguage(r.Language) {
		bad = append(bad, FieldError{Field: "language", Code: CodeUnknown})
	}
	if r.Sender != "" {
		bad = append(bad, checkSender("sender", r.Sender)...)
	}
	if r.Late != LateSkip && r.Late != LateSend {
		bad = append(bad, FieldError{Field: "late", Code: CodeUnknown})
	}
	bad = append(bad, between("late_min_minutes", r.LateMinMinutes, 0, 525600)...)
	return invalid(bad)
}

func between(field string, n, low, high int) []FieldError {
	if n >= low && n <= high {
		return nil
	}
	return []FieldError{{Field: field, Code: CodeOutOfRange, Params: map[string]any{"min": low, "max": high}}}
}
