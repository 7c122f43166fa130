package billing

import "fmt"

// Price is what a plan costs per period. It never changes; a new price is a new one,
// which counts from the first period that begins on or after From.
type Price struct {
	ID       int64    `db:"id" json:"id"`
	Plan     string   `db:"plan_code" json:"plan"`
	Interval Interval `db:"billing_interval" json:"interval"`
	FreeSMS  int64    `db:"free_sms_per_month" json:"free_sms"`
	From     Date     `db:"valid_from" json:"from"`
	Tiers    Tiers    `db:"-" json:"tiers"`
}

// DefaultPlan is the plan of who asks for none.
const DefaultPlan = "calendars"

// Catalogue is what is sold, for how much and at which tax.
type Catalogue struct {
	Prices []Price
	Taxes  TaxRates
}

// PriceOn is the price of a period of plan that begins on day. ErrCatalogue when there
// is none yet.
func (c Catalogue) PriceOn(plan string, i Interval, day Date) (Price, error) {
	var best Price
	for _, p := range c.Prices {
		if p.Plan == plan && p.Interval == i && p.From <= day && (best.Plan == "" || p.From > best.From) {
			best = p
		}
	}
	if best.Plan == "" {
		return best, fmt.Errorf("%w: no %s price of plan %q on %s; enter one", ErrCatalogue, i, plan, day)
	}
	return best, nil
}
