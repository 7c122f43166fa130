package billing

import "fmt"

func (q *reckoning) start() error {
	c := q.Change
	switch {
	case c.Quantity < 1:
		return fmt.Errorf("%w: at least one", ErrQuantity)
	case c.Interval.Months() == 0:
		return fmt.Errorf("%w: no interval %q", ErrState, c.Interval)
	case c.TrialDays < 0:
		return fmt.Errorf("%w: a trial of %d days", ErrState, c.TrialDays)
	case c.Quantity < q.Watched:
		return fmt.Errorf("%w: %d calendars are being read", ErrQuantity, q.Watched)
	}
	plan := c.Plan
	if plan == "" {
		plan = DefaultPlan
	}
	q.After = Subscription{AccountID: q.Sub.AccountID, Status: Incomplete, Plan: plan, Interval: c.Interval, Quantity: c.Quantity,
		Anchor: q.Today, NextOn: q.Today, StartedOn: q.Today}
	if _, err := q.Catalogue.PriceOn(plan, c.Interval, q.Today); err != nil {
		return err // not for sale: better said now than after the payment
	}
	switch {
	case c.TrialDays > 0:
		q.After.Status = Trialing
		q.After.Anchor = q.Today + Date(c.TrialDays)
		q.After.TrialEnd, q.After.NextOn = q.After.Anchor, q.After.Anchor
		return nil
	case c.Paid:
		q.After.Status = Active
		return q.begin()
	}
	return nil
}

// activate begins an incomplete subscription. Its first period is counted from today:
// nobody pays for the days the payment took.
func (q *reckoning) activate() error {
	if q.Sub.Status != Incomplete {
		return fmt.Errorf("%w: it is %s", ErrState, q.Sub.Status)
	}
	q.After.Status, q.After.Anchor, q.After.NextMonth, q.After.NextOn = Active, q.Today, 0, q.Today
	return q.begin()
}

func (q *reckoning) cancel() error {
	sub := q.Sub
	if sub.Status == Incomplete || q.Change.When == Now {
		if err := q.become(Canceled); err != nil {
			return err
		}
		q.After.EndedOn, q.After.CancelOn = q.Today, q.Today
		q.After.PendingQuantity, q.After.PendingInterval = 0, ""
		if q.Current == nil || !q.Current.Span.Contains(q.Today) {
			return nil // nothing was billed for the days to come
		}
		return q.end()
	}
	if sub.Status == Suspended {
		return fmt.Errorf("%w: it stands still; it can only be ended now", ErrState)
	}
	q.After.CancelOn, q.Effective = sub.NextOn, sub.NextOn
	return nil
}

func (q *reckoning) extendTrial() error {
	if q.Sub.Status != Trialing || q.Change.Until <= q.Sub.TrialEnd {
		return fmt.Errorf("%w: want a trial and a later end", ErrState)
	}
	u := q.Change.Until
	q.After.TrialEnd, q.After.Anchor, q.After.NextOn, q.After.NextMonth = u, u, u, 0
	if q.Sub.CancelOn != 0 {
		q.After.CancelOn = u
	}
	return nil
}

// resume ends a suspension. What is left of the period goes on; if none is left, a new
// one begins today: the days it stood still are not charged.
func (q *reckoning) resume() error {
	if q.Sub.Status != Suspended {
		return fmt.Errorf("%w: it is %s", ErrState, q.Sub.Status)
	}
	q.After.SuspendedOn, q.After.SuspendedBy, q.After.PastDueSince = 0, "", 0
	switch {
	case q.Current == nil && q.Today < q.Sub.TrialEnd:
		q.After.Status = Trialing
		return nil
	case q.Current != nil && q.Today < q.Current.Span.To:
		q.After.Status = Active
		return nil
	case q.Sub.CancelOn != 0 && q.Sub.CancelOn <= q.Today:
		q.After.Status, q.After.EndedOn = Canceled, q.Sub.CancelOn
		return nil
	}
	q.After.Status = Active
	if q.Sub.PendingQuantity > 0 {
		q.After.Quantity, q.After.PendingQuantity = q.Sub.PendingQuantity, 0
	}
	if q.Sub.PendingInterval != "" {
		q.After.Interval, q.After.PendingInterval = q.Sub.PendingInterval, ""
	}
	q.After.Anchor, q.After.NextMonth, q.After.NextOn = q.Today, 0, q.Today
	return q.begin()
}
