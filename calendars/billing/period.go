package billing

// Interval is how often a subscription is billed.
type Interval string

// The intervals.
const (
	Monthly Interval = "monthly"
	Yearly  Interval = "yearly"
)

// Months is the length of i in months, 0 for what is no interval.
func (i Interval) Months() int {
	switch i {
	case Monthly:
		return 1
	case Yearly:
		return 12
	}
	return 0
}

// Period is a half-open stretch of days: From belongs to it, To does not.
type Period struct {
	From, To Date
}

// Days is how many days p has.
func (p Period) Days() int64 { return int64(p.To - p.From) }

// Contains reports whether d lies in p.
func (p Period) Contains(d Date) bool { return p.From <= d && d < p.To }

// Empty reports whether no day lies in p.
func (p Period) Empty() bool { return p.To <= p.From }

// PeriodAt is the period that begins month months after anchor.
func PeriodAt(anchor Date, month int, i Interval) Period {
	return Period{AddMonths(anchor, month), AddMonths(anchor, month+i.Months())}
}
