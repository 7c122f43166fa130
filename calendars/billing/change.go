package billing

// ChangeKind names a change of a subscription.
type ChangeKind string

// The changes there are.
const (
	Start       ChangeKind = "start"        // Plan, Interval, Quantity; TrialDays or Paid
	Activate    ChangeKind = "activate"     // an incomplete one begins: paid for, or an admin says so
	SetQuantity ChangeKind = "quantity"     // Quantity, When
	SetInterval ChangeKind = "interval"     // Interval, When
	Cancel      ChangeKind = "cancel"       // When
	UndoCancel  ChangeKind = "undo_cancel"  // while CancelOn is to come
	UndoPending ChangeKind = "undo_pending" // forget what was to change at the period's end
	ExtendTrial ChangeKind = "extend_trial" // Until; the anchor moves along
	Renew       ChangeKind = "renew"        // the next period, or the end
	Suspend     ChangeKind = "suspend"      //
	Resume      ChangeKind = "resume"       //
	FallBehind  ChangeKind = "past_due"     // an invoice is overdue
	CatchUp     ChangeKind = "paid_up"      // none is any more
	Expire      ChangeKind = "expire"       // an incomplete one is given up
)

// When says when a change takes effect.
type When string

// The choices. Only an admin overrules [AsRuled].
const (
	// AsRuled: more calendars and monthly to yearly at once; fewer calendars, yearly to
	// monthly and the end at the end of the period.
	AsRuled When = ""
	Now     When = "now"    // from today on
	AtEnd   When = "at_end" // of the period
)

// Change is what shall become of a subscription.
type Change struct {
	Kind      ChangeKind `json:"kind"`
	Plan      string     `json:"plan,omitempty"` // "" = DefaultPlan
	Interval  Interval   `json:"interval,omitempty"`
	Quantity  int64      `json:"quantity,omitempty"`
	TrialDays int        `json:"trial_days,omitempty"`
	// Paid makes a Start begin at once, instead of waiting for the first payment.
	Paid  bool `json:"paid,omitempty"`
	Until Date `json:"until,omitzero"`
	When  When `json:"when,omitempty"`
}

// State is all that a change of one account's subscription depends on.
type State struct {
	Sub       Subscription
	Current   *Current // the period that runs; nil in a trial and before the beginning
	Billed    []Billed // invoices with lines of Current, oldest first
	Catalogue Catalogue
	Credit    int64         // Rappen the account has to its credit
	Open      []OpenInvoice // what it owes, oldest first
	Watched   int64         // calendars being read; a decrease can't go below
	Round     bool          // totals in steps of 5 Rappen
	Had       bool          // there was a subscription once: no second trial
	Earned    bool          // one brought revenue once: whoever begins comes back, and isn't new
}

// OpenInvoice is what is still to be paid of an invoice, in Rappen.
type OpenInvoice struct {
	Invoice int64 `db:"id" json:"invoice"`
	Open    int64 `db:"-" json:"open"`
	DueOn   Date  `db:"due_on" json:"due_on"`
}

// Current is a period of a subscription with what was ordered in it.
type Current struct {
	Seq   int
	Month int // months from the anchor to its beginning
	Price Price
	Timeline
}

// Quote is what a change does. The service writes it down as it is, and the preview
// shows it: there is no other reckoning.
type Quote struct {
	Change    Change       `json:"change"`
	Today     Date         `json:"today"`
	Effective Date         `json:"effective"` // when quantity, interval or end change
	After     Subscription `json:"after"`

	Cut   Date     `json:"cut"`  // the current period ends early, on this day; 0 = it doesn't
	Step  *Step    `json:"step"` // joins the current period
	Begin *Current `json:"-"`    // a period begins

	Credits []*Draft `json:"credits"` // credit notes, in the order to be made
	Invoice *Draft   `json:"invoice"` // nil = none

	FromCredit  int64 `json:"from_credit"`  // of the account's credit, used for Invoice
	Due         int64 `json:"due"`          // of Invoice, to be paid
	CreditAfter int64 `json:"credit_after"` // what the account has to its credit then

	Movement *Movement `json:"movement"` // of the monthly revenue; nil = none
}
