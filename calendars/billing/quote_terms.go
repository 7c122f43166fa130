package billing

import (
	"fmt"
	"slices"
)

func (q *reckoning) setQuantity() error {
	c, sub := q.Change, q.Sub
	switch {
	case c.Quantity < 1:
		return fmt.Errorf("%w: at least one; end the subscription instead", ErrQuantity)
	case sub.Status == Suspended:
		return fmt.Errorf("%w: what is open must be paid first", ErrState)
	case c.Quantity < q.Watched:
		return fmt.Errorf("%w: %d calendars are being read; stop some first", ErrQuantity, q.Watched)
	}
	if q.Current == nil { // in a trial or before the beginning nothing is billed yet
		q.After.Quantity = c.Quantity
		return nil
	}
	later := c.When == AtEnd || c.When == AsRuled && c.Quantity < sub.Quantity
	if later {
		q.Effective = sub.NextOn
		q.After.PendingQuantity = c.Quantity
		if c.Quantity == sub.Quantity {
			q.After.PendingQuantity = 0
		}
		return nil
	}
	q.After.PendingQuantity = 0
	if c.Quantity == sub.Quantity {
		return nil
	}
	q.After.Quantity = c.Quantity
	q.Step = &Step{q.Today, c.Quantity}
	after := q.Current.Timeline
	after.Steps = append(slices.Clone(after.Steps), *q.Step)
	return q.prorate(after, fmt.Sprintf("p/%d/q/%d", q.Current.Seq, len(q.Current.Steps)))
}

func (q *reckoning) setInterval() error {
	c, sub := q.Change, q.Sub
	switch {
	case c.Interval.Months() == 0:
		return fmt.Errorf("%w: no interval %q", ErrState, c.Interval)
	case sub.Status == Suspended:
		return fmt.Errorf("%w: what is open must be paid first", ErrState)
	case q.Current == nil:
		q.After.Interval = c.Interval
		return nil
	}
	later := c.When == AtEnd || c.When == AsRuled && c.Interval.Months() < sub.Interval.Months()
	q.After.PendingInterval = ""
	switch {
	case c.Interval == sub.Interval:
		return nil
	case later:
		q.Effective = sub.NextOn
		q.After.PendingInterval = c.Interval
		return nil
	case sub.CancelOn != 0:
		return fmt.Errorf("%w: undo the planned end first", ErrState)
	}
	if err := q.end(); err != nil {
		return err
	}
	q.After.Interval = c.Interval
	// A decrease that waited for the end of the period still waits, for that of the new one.
	q.After.Anchor, q.After.NextMonth, q.After.NextOn = q.Today, 0, q.Today
	return q.begin()
}
