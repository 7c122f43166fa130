package billing

import (
	"slices"
	"testing"
)

// The catalogue of the worked examples.
var (
	monthlyTiers = Tiers{{3, 1500}, {10, 1200}, {0, 900}}
	yearlyTiers  = Tiers{{3, 15000}, {10, 12000}, {0, 9000}}
	vat          = TaxRate{ID: 1, Code: StandardTax, Rate: 810, From: NewDate(2024, 1, 1)}
)

func catalogue() Catalogue {
	return Catalogue{
		Prices: []Price{
			{ID: 1, Plan: DefaultPlan, Interval: Monthly, From: NewDate(2024, 1, 1), FreeSMS: 25, Tiers: monthlyTiers},
			{ID: 2, Plan: DefaultPlan, Interval: Yearly, From: NewDate(2024, 1, 1), FreeSMS: 25, Tiers: yearlyTiers},
		},
		Taxes: TaxRates{vat},
	}
}

// book is an account kept in memory: it writes down quotes as the service does.
type book struct {
	t     interface{ Fatalf(string, ...any) }
	state State
	spans []Current // all periods, the cut ones as cut
	made  []*Draft  // all documents, in order
	moves []Movement
	next  int64 // ids
}

func newBook(t interface{ Fatalf(string, ...any) }) *book {
	return &book{t: t, state: State{Catalogue: catalogue()}, next: 1}
}

func (b *book) id() int64 { b.next++; return b.next }

// try asks and, without an error, writes down.
func (b *book) try(c Change, on Date) (Quote, error) {
	q, err := Ask(b.state, c, on)
	if err != nil {
		return q, err
	}
	again, err := Ask(b.state, c, on)
	if err != nil || again.Due != q.Due || len(again.Credits) != len(q.Credits) {
		b.t.Fatalf("asked twice: %+v then %+v, %v", q, again, err)
	}
	b.write(q)
	return q, nil
}

func (b *book) do(c Change, on Date) Quote {
	q, err := b.try(c, on)
	if err != nil {
		b.t.Fatalf("%+v on %s: %v", c, on, err)
	}
	return q
}

func (b *book) write(q Quote) {
	s := &b.state
	s.Sub = q.After
	if q.Step != nil {
		s.Current.Steps = append(slices.Clone(s.Current.Steps), *q.Step)
	}
	if q.Cut != 0 {
		s.Current.Span.To = q.Cut
		b.spans[len(b.spans)-1].Span.To = q.Cut
	}
	for _, d := range q.Credits {
		b.made = append(b.made, d)
		b.credit(d)
	}
	if q.Begin != nil {
		c := *q.Begin
		s.Current = &c
		b.spans = append(b.spans, c)
	}
	if q.Invoice != nil {
		b.made = append(b.made, q.Invoice)
		b.invoice(q.Invoice)
	}
	s.Credit = q.CreditAfter
	if q.Movement != nil {
		b.moves = append(b.moves, *q.Movement)
		s.Earned = s.Earned || q.Movement.After > 0
	}
	if !q.After.Status.Live() {
		s.Had = true
		s.Current = nil
	}
}

func (b *book) invoice(d *Draft) {
	v := Billed{Invoice: b.id(), Round: d.Rounding != 0 || b.state.Round}
	for _, t := range d.Taxes {
		v.Sums = append(v.Sums, BilledSum{TaxSum: t})
	}
	for _, l := range d.Lines {
		v.Lines = append(v.Lines, BilledLine{ID: b.id(), Line: l})
	}
	b.state.Billed = append(b.state.Billed, v)
}

func (b *book) credit(d *Draft) {
	for i := range b.state.Billed {
		v := &b.state.Billed[i]
		if v.Invoice != d.Of {
			continue
		}
		v.Credited += d.Rounding
		for _, t := range d.Taxes {
			for j := range v.Sums {
				if v.Sums[j].Rate.ID == t.Rate.ID {
					v.Sums[j].CreditedNet += t.Net
					v.Sums[j].CreditedTax += t.Tax
				}
			}
		}
		for _, l := range d.Lines {
			for j := range v.Lines {
				if v.Lines[j].ID == l.Credits {
					v.Lines[j].Credited += l.Net
					if l.Seq != NoPeriod {
						v.Lines[j].Prorated += l.Net
					}
				}
			}
		}
	}
}

// sum is what all documents so far ask for, net and tax, credit notes against it.
func (b *book) sum() (net, tax int64) {
	for _, d := range b.made {
		sign := int64(1)
		if d.Kind == CreditNote {
			sign = -1
		}
		net += sign * d.Net
		tax += sign * d.Tax
	}
	return net, tax
}

func day(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// begun is a book with a paid subscription begun on a day.
func begun(t testing.TB, i Interval, quantity int64, on string) *book {
	b := newBook(t)
	b.do(Change{Kind: Start, Interval: i, Quantity: quantity, Paid: true}, day(on))
	return b
}

// docs writes the documents of a quote as "−net tax" and "+net tax".
func docs(q Quote) (out []string) {
	for _, d := range q.Credits {
		out = append(out, "-"+CHF(d.Net)+" "+CHF(d.Tax))
	}
	if q.Invoice != nil {
		out = append(out, "+"+CHF(q.Invoice.Net)+" "+CHF(q.Invoice.Tax))
	}
	return out
}
