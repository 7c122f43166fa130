package billing

import (
	"database/sql/driver"
	"fmt"
	"time"
	_ "time/tzdata" // zones must resolve on machines without a zone database
)

// Date is a civil date: a day as the clinic's wall calendar shows it, without a zone.
// It counts days, 1 being 0001-01-01, so that dates are compared and subtracted as
// numbers. The zero Date is no date; in the database it is NULL.
type Date int32

// firstDay is Date 1.
var firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

const daySeconds = 24 * 60 * 60

// NewDate is the date of a year, month and day; as with time.Date, values beyond a
// month's end roll over.
func NewDate(year int, month time.Month, day int) Date {
	return Date((time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()-firstDay.Unix())/daySeconds) + 1
}

// DateIn is the date that clocks in zone show at the instant t. The zone of the
// process plays no part.
func DateIn(t time.Time, zone *time.Location) Date {
	y, m, d := t.In(zone).Date()
	return NewDate(y, m, d)
}

// ParseDate reads YYYY-MM-DD. ErrDate when it isn't a day of the calendar.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return 0, fmt.Errorf("%w: %q is not a day such as 2027-03-31", ErrDate, s)
	}
	return NewDate(t.Date()), nil
}

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == 0 }

// midnight is d's beginning in UTC.
func (d Date) midnight() time.Time { return firstDay.AddDate(0, 0, int(d)-1) }

// Start is the first instant of d in zone: midnight, or later where a clock change
// skips it.
func (d Date) Start(zone *time.Location) time.Time {
	y, m, day := d.midnight().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, zone)
}

// Civil returns the year, month and day.
func (d Date) Civil() (year int, month time.Month, day int) { return d.midnight().Date() }

// Year is the calendar year of d.
func (d Date) Year() int { y, _, _ := d.Civil(); return y }

// Month is d's year and month as YYYY-MM.
func (d Date) Month() string { return d.midnight().Format("2006-01") }

// String is YYYY-MM-DD, "" for no date.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.midnight().Format(time.DateOnly)
}

// MarshalText makes dates readable in JSON.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*d = 0
		return nil
	}
	*d, err = ParseDate(string(b))
	return err
}

// Value implements driver.Valuer.
func (d Date) Value() (driver.Value, error) {
	if d == 0 {
		return nil, nil
	}
	return d.String(), nil
}

// Scan implements sql.Scanner for columns of type date.
func (d *Date) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = 0
	case time.Time: // the driver's midnight in UTC
		*d = NewDate(v.Date())
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	default:
		return fmt.Errorf("%w: can't read a date from %T", ErrDate, src)
	}
	return nil
}

// AddMonths is the day n months after anchor, clamped to the last day of a shorter
// month. n is always counted from the anchor itself and never from a clamped date:
// from 31 January come 28 February and 31 March.
func AddMonths(anchor Date, n int) Date {
	y, m, d := anchor.Civil()
	first := NewDate(y, m+time.Month(n), 1)
	fy, fm, _ := first.Civil()
	last := NewDate(fy, fm+1, 1) - first // days of that month
	return first + min(Date(d), last) - 1
}
