package billing

import "fmt"

// begin adds the next period of q.After, which begins on NextOn.
func (q *reckoning) begin() error {
	a := &q.After
	price, err := q.Catalogue.PriceOn(a.Plan, a.Interval, a.NextOn)
	if err != nil {
		return err
	}
	span := PeriodAt(a.Anchor, a.NextMonth, a.Interval)
	q.Begin = &Current{Seq: a.NextSeq, Month: a.NextMonth, Price: price, Timeline: Timeline{
		Price: price.Tiers, Span: span, Full: span.Days(), Steps: []Step{{span.From, a.Quantity}}}}
	a.NextSeq++
	a.NextMonth += a.Interval.Months()
	a.NextOn = span.To
	parts, err := q.Catalogue.Taxes.Split(StandardTax, span)
	if err != nil {
		return err
	}
	for i, net := range targets(q.Begin.Timeline, parts) {
		q.lines = append(q.lines, Line{Kind: LineRecurring, Key: fmt.Sprintf("p/%d/recurring", q.Begin.Seq), Quantity: a.Quantity,
			Interval: a.Interval, Service: parts[i].Span, Seq: q.Begin.Seq, Part: i + 1, Net: net, Tax: parts[i].Rate})
	}
	return nil
}

// end cuts the current period today and credits the days left.
func (q *reckoning) end() error {
	q.Cut = q.Today
	after := q.Current.Timeline
	after.Span.To = q.Today
	return q.prorate(after, fmt.Sprintf("p/%d/end", q.Current.Seq))
}

func (q *reckoning) renew() error {
	sub := q.Sub
	switch {
	case sub.Status == Suspended, sub.Status == Incomplete:
		return fmt.Errorf("%w: it is %s", ErrState, sub.Status)
	case q.Today < sub.NextOn:
		return fmt.Errorf("%w: the next period begins on %s", ErrState, sub.NextOn)
	}
	q.Effective = sub.NextOn
	if sub.CancelOn != 0 && sub.CancelOn <= sub.NextOn {
		q.After.Status, q.After.EndedOn = Canceled, sub.CancelOn
		q.After.PendingQuantity, q.After.PendingInterval = 0, ""
		return nil
	}
	if sub.Status == Trialing {
		q.After.Status = Active
	}
	if sub.PendingQuantity > 0 {
		q.After.Quantity, q.After.PendingQuantity = sub.PendingQuantity, 0
	}
	if sub.PendingInterval != "" {
		q.After.Interval, q.After.PendingInterval = sub.PendingInterval, ""
	}
	return q.begin()
}
