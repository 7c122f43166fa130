package billing_test

import (
	"fmt"
	"time"

	"rappel/calendars/billing"
)

// A second calendar from 11 March on costs 21 of 31 days of its price.
func ExampleTimeline_Target() {
	t := billing.Timeline{
		Price: billing.Tiers{{UpTo: 3, Unit: 1500}, {UpTo: 10, Unit: 1200}, {Unit: 900}},
		Span:  billing.Period{From: billing.NewDate(2027, time.March, 1), To: billing.NewDate(2027, time.April, 1)},
		Full:  31,
		Steps: []billing.Step{{On: billing.NewDate(2027, time.March, 1), Quantity: 1}},
	}
	before := t.Target(t.Span.To)
	t.Steps = append(t.Steps, billing.Step{On: billing.NewDate(2027, time.March, 11), Quantity: 2})
	delta := t.Target(t.Span.To) - before
	fmt.Println(billing.CHF(delta), billing.CHF(billing.Tax(delta, 810)))
	// Output: 10.16 0.82
}

// Boundaries are counted from the anchor, so the 31st comes back.
func ExampleAddMonths() {
	anchor := billing.NewDate(2027, time.January, 31)
	fmt.Println(billing.AddMonths(anchor, 1), billing.AddMonths(anchor, 2))
	// Output: 2027-02-28 2027-03-31
}
