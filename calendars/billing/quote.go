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
	q.Movement = movement(q.Effective, before, after, q.Had)
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

// targets is what each part of t's period costs. The parts add up to the whole.
func targets(t Timeline, parts []TaxedPart) []int64 {
	out := make([]int64, len(parts))
	var before int64
	for i, p := range parts {
		upTo := t.Target(p.Span.To)
		out[i], before = upTo-before, upTo
	}
	return out
}

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

// end cuts the current period today and credits the days left.
func (q *reckoning) end() error {
	q.Cut = q.Today
	after := q.Current.Timeline
	after.Span.To = q.Today
	return q.prorate(after, fmt.Sprintf("p/%d/end", q.Current.Seq))
}

// prorate bills the difference between what the current period costs after a change and
// what was billed for it so far, tax rate by tax rate. What is owed joins the invoice to
// be; what was billed too much becomes credit notes, the last billed first.
func (q *reckoning) prorate(after Timeline, key string) error {
	whole := q.Current.Span
	parts, err := q.Catalogue.Taxes.Split(StandardTax, whole)
	if err != nil {
		return err
	}
	goals := targets(after, parts)
	owed := make([]int64, len(parts))
	for i, p := range parts {
		owed[i] = goals[i] - q.billedAt(p.Rate)
	}
	for _, r := range q.strayRates(parts) { // billed at a rate the period no longer has
		parts = append(parts, TaxedPart{whole, r})
		owed = append(owed, -q.billedAt(r))
	}
	settle(owed)
	before := q.Sub.Quantity
	part := 0
	for i, amount := range owed {
		service := Period{max(q.Today, parts[i].Span.From), parts[i].Span.To}
		if service.Empty() {
			service = parts[i].Span
		}
		line := Line{Kind: LineProration, Key: key, Quantity: q.After.Quantity, Before: before, Interval: q.Sub.Interval,
			Service: service, Seq: q.Current.Seq, Tax: parts[i].Rate}
		if q.Cut != 0 {
			line.Quantity = 0
		}
		switch {
		case amount > 0:
			part++
			line.Part, line.Net = part, amount
			q.lines = append(q.lines, line)
		case amount < 0:
			q.credit(-amount, line, &part)
		}
	}
	return nil
}

// settle keeps a sum in one direction: where rounding at a rate change left a Rappen
// against it, or a rate was entered after it was billed, the difference is made up at
// the other rates, so that ordering more never gives a credit note.
func settle(owed []int64) {
	var sum int64
	for _, o := range owed {
		sum += o
	}
	for i, o := range owed {
		if o == 0 || (o > 0) == (sum > 0) && sum != 0 {
			continue
		}
		owed[i] = 0
		for j := range owed {
			if (owed[j] > 0) == (o < 0) && owed[j] != 0 {
				move := min(abs(o), abs(owed[j]))
				if o < 0 {
					owed[j] -= move
					o += move
				} else {
					owed[j] += move
					o -= move
				}
			}
		}
	}
}

func abs(v int64) int64 { return max(v, -v) }

// billedAt is what was billed for the current period at rate, less what changes took back.
func (q *reckoning) billedAt(rate TaxRate) (sum int64) {
	for _, b := range q.Billed {
		for _, l := range b.Lines {
			if l.Line.Seq == q.Current.Seq && l.Line.Tax.ID == rate.ID {
				sum += l.Line.Net - l.Prorated
			}
		}
	}
	return sum
}

// strayRates are rates of billed lines that none of parts has.
func (q *reckoning) strayRates(parts []TaxedPart) (stray []TaxRate) {
	for _, b := range q.Billed {
		for _, l := range b.Lines {
			same := func(r TaxRate) bool { return r.ID == l.Line.Tax.ID }
			if l.Line.Seq == q.Current.Seq && !slices.ContainsFunc(stray, same) &&
				!slices.ContainsFunc(parts, func(p TaxedPart) bool { return same(p.Rate) }) {
				stray = append(stray, l.Line.Tax)
			}
		}
	}
	return stray
}

// credit takes amount back from the current period's lines at line's rate, the last
// billed first: one credit note per invoice. More than is left can't be given back, as
// when an admin has credited some of it already.
func (q *reckoning) credit(amount int64, line Line, part *int) {
	for i := len(q.Billed) - 1; i >= 0 && amount > 0; i-- {
		b := &q.Billed[i]
		if b.Closed {
			continue
		}
		var picked []taken
		for j := len(b.Lines) - 1; j >= 0 && amount > 0; j-- {
			l := b.Lines[j]
			n := min(amount, l.Left())
			if l.Line.Seq != q.Current.Seq || l.Line.Tax.ID != line.Tax.ID || n <= 0 {
				continue
			}
			*part++
			as := line
			as.Part = *part
			picked = append(picked, taken{l, n, as})
			amount -= n
		}
		if len(picked) > 0 {
			q.Credits = append(q.Credits, b.creditNote(picked))
		}
	}
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

func cloneBilled(list []Billed) []Billed {
	out := slices.Clone(list)
	for i := range out {
		out[i].Sums, out[i].Lines = slices.Clone(out[i].Sums), slices.Clone(out[i].Lines)
	}
	return out
}
