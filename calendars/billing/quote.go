package billing

import (
	"fmt"
	"slices"
)

// expireAfter is how long an incomplete subscription waits for its payment, in days.
const expireAfter = 30

// Ask reckons what change does to s on today, a day of the clinic's zone. It is pure:
// the preview shows its answer, and billing writes down the same answer, so that the
// two can't differ.
//
// ErrBehind when a renewal is due first. ErrState, ErrQuantity, ErrSubscribed, ErrNone
// and ErrCatalogue say what stands in the way.
func Ask(s State, c Change, today Date) (Quote, error) {
	q := &reckoning{State: s, Quote: Quote{Change: c, Today: today, Effective: today, After: s.Sub, CreditAfter: s.Credit}}
	q.Billed = cloneBilled(s.Billed)
	if err := q.answer(); err != nil {
		return Quote{}, fmt.Errorf("%s: %w", c.Kind, err)
	}
	return q.Quote, nil
}

type reckoning struct {
	State
	Quote
	lines []Line // of the invoice to be
}

func (q *reckoning) answer() error {
	c, sub := q.Change, q.Sub
	switch {
	case c.Kind == Start && sub.Status.Live():
		return ErrSubscribed
	case c.Kind != Start && !sub.Status.Live():
		return ErrNone
	case q.Current != nil && c.Kind != Renew && c.Kind != Resume && sub.Status != Suspended && !q.Current.Span.Contains(q.Today),
		sub.Status == Trialing && c.Kind != Renew && c.Kind != Resume && q.Today >= sub.TrialEnd:
		return fmt.Errorf("%w: the period from %s", ErrBehind, sub.NextOn)
	}
	var err error
	switch c.Kind {
	case Start:
		err = q.start()
	case Activate:
		err = q.activate()
	case SetQuantity:
		err = q.setQuantity()
	case SetInterval:
		err = q.setInterval()
	case Cancel:
		err = q.cancel()
	case UndoCancel:
		if sub.CancelOn == 0 {
			return fmt.Errorf("%w: no end is planned", ErrState)
		}
		q.After.CancelOn = 0
	case UndoPending:
		q.After.PendingQuantity, q.After.PendingInterval = 0, ""
	case ExtendTrial:
		err = q.extendTrial()
	case Renew:
		err = q.renew()
	case Suspend:
		err = q.become(Suspended)
		q.After.SuspendedOn = q.Today
	case Resume:
		err = q.resume()
	case FallBehind:
		err = q.become(PastDue)
		q.After.PastDueSince = q.Today
	case CatchUp:
		err = q.become(Active)
		q.After.PastDueSince = 0
	case Expire:
		if q.Today-sub.StartedOn < expireAfter {
			return fmt.Errorf("%w: it may still be paid", ErrState)
		}
		err = q.become(Expired)
		q.After.EndedOn = q.Today
	default:
		return fmt.Errorf("%w: no change %q", ErrState, c.Kind)
	}
	if err != nil {
		return err
	}
	return q.finish()
}

// finish sums the invoice up, settles it from credit and tells how revenue moved.
func (q *reckoning) finish() error {
	if len(q.lines) > 0 {
		q.Invoice = newInvoice(q.lines, q.Round)
	}
	q.settle()
	var before, after int64
	if q.Current != nil {
		before = MRR(q.Current.Price, q.Sub)
	}
	switch {
	case q.Begin != nil:
		after = MRR(q.Begin.Price, q.After)
	case q.Current != nil:
		after = MRR(q.Current.Price, q.After)
	}
	q.Movement = movement(q.Effective, before, after, q.Earned)
	return nil
}

// settle pays what is open from credit: a credit note first makes up for what was written
// off of the invoice it takes back from, then pays that, then the oldest debt comes first, and the new invoice last.
func (q *reckoning) settle() {
	open := slices.Clone(q.Open)
	pay := func(o *OpenInvoice, pool int64) int64 {
		n := min(pool, o.Open)
		o.Open -= n
		return n
	}
	lost := map[int64]int64{}
	for _, b := range q.Billed {
		lost[b.Invoice] = b.Lost
	}
	for _, note := range q.Credits {
		rest := note.Total
		back := min(lost[note.Of], rest) // nobody ever paid that part
		lost[note.Of] -= back
		rest -= back
		for i := range open {
			if open[i].Invoice == note.Of {
				rest -= pay(&open[i], rest)
			}
		}
		q.CreditAfter += rest
	}
	for i := range open {
		q.CreditAfter -= pay(&open[i], q.CreditAfter)
	}
	if q.Invoice != nil {
		q.FromCredit = min(q.CreditAfter, q.Invoice.Total)
		q.Due = q.Invoice.Total - q.FromCredit
		q.CreditAfter -= q.FromCredit
	}
}

func (q *reckoning) become(next Status) error {
	if !q.Sub.Status.MayBecome(next) {
		return fmt.Errorf("%w: a subscription that is %s does not become %s", ErrState, q.Sub.Status, next)
	}
	q.After.Status = next
	return nil
}

func cloneBilled(list []Billed) []Billed {
	out := slices.Clone(list)
	for i := range out {
		out[i].Sums, out[i].Lines = slices.Clone(out[i].Sums), slices.Clone(out[i].Lines)
	}
	return out
}
