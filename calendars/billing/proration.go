package billing

import "slices"

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
