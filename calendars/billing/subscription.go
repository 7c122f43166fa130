package billing

import "slices"

// Status is where a subscription stands; see the diagram in doc.go.
type Status string

// The statuses of a subscription.
const (
	NoStatus   Status = ""           // there is none
	Incomplete Status = "incomplete" // asked for, not paid for, not begun
	Trialing   Status = "trialing"   // begun, free until TrialEnd
	Active     Status = "active"
	PastDue    Status = "past_due"  // an invoice is overdue; everything goes on
	Suspended  Status = "suspended" // sync and new reminders stand still
	Canceled   Status = "canceled"  // final
	Expired    Status = "expired"   // never completed; final
)

// moves lists the legal changes of a subscription's status. The database has the same.
var moves = map[Status][]Status{
	NoStatus:   {Incomplete, Trialing, Active},
	Incomplete: {Active, Trialing, Expired, Canceled},
	Trialing:   {Active, Suspended, Canceled},
	Active:     {PastDue, Suspended, Canceled},
	PastDue:    {Active, Suspended, Canceled},
	Suspended:  {Active, Trialing, PastDue, Canceled},
}

// MayBecome reports whether a subscription may go from s to next.
func (s Status) MayBecome(next Status) bool { return s == next || slices.Contains(moves[s], next) }

// Live reports whether s is neither over nor nothing.
func (s Status) Live() bool { return s != NoStatus && s != Canceled && s != Expired }

// Serves reports whether calendars are read and reminders sent in status s.
func (s Status) Serves() bool { return s == Trialing || s == Active || s == PastDue }

// Subscription is what a clinic ordered and where its billing stands. The zero value
// is no subscription.
type Subscription struct {
	AccountID int64    `db:"account_id" json:"account_id"`
	ID        int64    `db:"id" json:"id"`
	Status    Status   `db:"status" json:"status"`
	Plan      string   `db:"plan_code" json:"plan"`
	Interval  Interval `db:"billing_interval" json:"interval"`
	Quantity  int64    `db:"quantity" json:"quantity"` // calendars paid for

	// Boundaries of periods are AddMonths(Anchor, n). NextMonth is the n at which the
	// next period begins, NextSeq that period's number, NextOn the day.
	Anchor    Date `db:"anchor_date" json:"anchor"`
	NextMonth int  `db:"next_month" json:"next_month"`
	NextSeq   int  `db:"next_seq" json:"next_seq"`
	NextOn    Date `db:"next_on" json:"next_on"`

	TrialEnd  Date `db:"trial_end" json:"trial_end"`
	CancelOn  Date `db:"cancel_on" json:"cancel_on"` // ends then, unless undone
	StartedOn Date `db:"started_on" json:"started_on"`
	EndedOn   Date `db:"ended_on" json:"ended_on"`

	PendingQuantity int64    `db:"pending_quantity" json:"pending_quantity"` // from NextOn on; 0 = no change
	PendingInterval Interval `db:"pending_interval" json:"pending_interval"` // from NextOn on; "" = no change

	PastDueSince Date   `db:"past_due_since" json:"past_due_since"`
	SuspendedOn  Date   `db:"suspended_on" json:"suspended_on"`
	SuspendedBy  string `db:"suspended_by" json:"suspended_by,omitempty"` // System or the operator who ordered it; "" = it isn't
	DunningAfter Date   `db:"dunning_after" json:"dunning_after"`         // reminders and suspension pause until then
	GrantedUntil Date   `db:"granted_until" json:"granted_until"`         // it gave free SMS up to before this day
	Version      int    `db:"version" json:"version"`                     // rises with every change
}

// Allowed is how many calendars may be watched: a decrease that is to come counts
// already, else its calendars would be read unpaid.
func (s Subscription) Allowed() int64 {
	switch {
	case !s.Status.Serves():
		return 0
	case s.PendingQuantity > 0:
		return min(s.Quantity, s.PendingQuantity)
	}
	return s.Quantity
}
