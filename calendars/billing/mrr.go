package billing

// Monthly recurring revenue is what contracts bring per month, net of VAT: yearly
// prices count a twelfth, trials and what hasn't begun count nothing.

// MRR is the monthly revenue of one subscription, in Rappen.
func MRR(price Price, s Subscription) int64 {
	switch s.Status {
	case Active, PastDue, Suspended:
		return monthly(price, s.Quantity)
	}
	return 0
}

// monthly is a month's share of price for quantity calendars.
func monthly(price Price, quantity int64) int64 {
	n := int64(price.Interval.Months())
	if n == 0 {
		return 0
	}
	return MulDiv(price.Tiers.Total(quantity), 1, n)
}

// MovementKind says why monthly revenue changed.
type MovementKind string

// The kinds of movements.
const (
	MoveNew          MovementKind = "new"
	MoveReactivation MovementKind = "reactivation" // of a clinic that had left
	MoveExpansion    MovementKind = "expansion"
	MoveContraction  MovementKind = "contraction"
	MoveChurn        MovementKind = "churn"
)

// Movement is a change of an account's monthly revenue, in Rappen.
type Movement struct {
	On     Date         `db:"moved_on" json:"on"`
	Kind   MovementKind `db:"kind" json:"kind"`
	Before int64        `db:"before_rappen" json:"before"`
	After  int64        `db:"after_rappen" json:"after"`
}

// movement tells how revenue moved, nil if it didn't. earned says that there was some once.
func movement(on Date, before, after int64, earned bool) *Movement {
	m := &Movement{On: on, Before: before, After: after}
	switch {
	case before == after:
		return nil
	case before == 0 && earned:
		m.Kind = MoveReactivation
	case before == 0:
		m.Kind = MoveNew
	case after == 0:
		m.Kind = MoveChurn
	case after > before:
		m.Kind = MoveExpansion
	default:
		m.Kind = MoveContraction
	}
	return m
}
