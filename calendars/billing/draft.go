package billing

import (
	"cmp"
	"slices"
)

// Kind says what a document is.
type Kind string

// The kinds of documents.
const (
	Invoice    Kind = "invoice"
	CreditNote Kind = "credit_note"
)

// LineKind says what a line charges or credits.
type LineKind string

// The kinds of lines.
const (
	LineRecurring LineKind = "recurring" // a period as it begins
	LineProration LineKind = "proration" // a change within a period
	LinePackage   LineKind = "package"   // SMS bought
	LineManual    LineKind = "manual"    // entered by an admin, with a reason
)

// Line is one line of a document. Amounts of credit notes are positive, too: the
// document says which way they go.
type Line struct {
	Kind     LineKind `json:"kind"`
	Key      string   `json:"key"` // what makes it unique in its account, so that nothing is charged twice
	Quantity int64    `json:"quantity"`
	Interval Interval `json:"interval"`
	Before   int64    `json:"before"`   // of a proration: the quantity it comes from
	Text     string   `json:"text"`     // of a manual line or package; else worded by the document
	Service  Period   `json:"service"`  // days the service is for
	Seq      int      `json:"seq"`      // of its period, -1 for none
	Part     int      `json:"part"`     // of those with one key: 1, 2 … by tax rate
	Net      int64    `json:"net"`      // Rappen
	Tax      TaxRate  `json:"tax_rate"` // its rate
	Credits  int64    `json:"credits"`  // of a credit note: id of the line it takes back
}

// NoPeriod is the Seq of lines that belong to none.
const NoPeriod = -1

// TaxSum is a document's sum at one rate. Tax is exact to the Rappen, rounded once per
// rate over the whole document and never per line.
type TaxSum struct {
	Rate TaxRate `json:"rate"`
	Net  int64   `json:"net"`
	Tax  int64   `json:"tax"`
}

// Draft is a document before it has a number. Amounts are Rappen.
type Draft struct {
	Kind     Kind     `json:"kind"`
	Of       int64    `json:"of"` // of a credit note: the invoice it takes back from
	Lines    []Line   `json:"lines"`
	Taxes    []TaxSum `json:"taxes"`
	Net      int64    `json:"net"`
	Tax      int64    `json:"tax"`
	Rounding int64    `json:"rounding"` // to 5 Rappen, outside the tax base
	Total    int64    `json:"total"`
}

// newInvoice sums lines up. round asks for a total in steps of 5 Rappen.
func newInvoice(lines []Line, round bool) *Draft {
	d := &Draft{Kind: Invoice, Lines: lines}
	for _, sum := range sumByRate(lines) {
		sum.Tax = Tax(sum.Net, sum.Rate.Rate)
		d.Taxes = append(d.Taxes, sum)
	}
	d.sum()
	if round {
		d.Rounding = FiveRappen(d.Total)
		d.Total += d.Rounding
	}
	return d
}

func (d *Draft) sum() {
	d.Net, d.Tax = 0, 0
	for _, t := range d.Taxes {
		d.Net += t.Net
		d.Tax += t.Tax
	}
	d.Total = d.Net + d.Tax + d.Rounding
}

// sumByRate adds lines up per rate, in the order of the rates.
func sumByRate(lines []Line) []TaxSum {
	var sums []TaxSum
	for _, l := range lines {
		i := slices.IndexFunc(sums, func(s TaxSum) bool { return s.Rate.ID == l.Tax.ID })
		if i < 0 {
			sums = append(sums, TaxSum{Rate: l.Tax})
			i = len(sums) - 1
		}
		sums[i].Net += l.Net
	}
	slices.SortFunc(sums, func(a, b TaxSum) int { return cmp.Compare(a.Rate.ID, b.Rate.ID) })
	return sums
}

// Billed is a finalised invoice with what was credited of it since.
type Billed struct {
	Invoice  int64
	Closed   bool // void: nothing can be taken back from it
	Round    bool // its total was rounded to 5 Rappen
	Rounding int64
	Credited int64 // rounding taken back so far
	Lost     int64 // written off: what is credited brings that back before it is anybody's credit
	Sums     []BilledSum
	Lines    []BilledLine // in the order of the document
}

// BilledSum is an invoice's sum at one rate, and what credit notes took back of it.
type BilledSum struct {
	TaxSum
	CreditedNet, CreditedTax int64
}

// BilledLine is a line of an invoice, and what credit notes took back of it.
type BilledLine struct {
	ID       int64
	Line     Line
	Credited int64 // net, by whatever credit note
	Prorated int64 // of that, by changes within its period
}

// Left is what of the line can still be credited.
func (l BilledLine) Left() int64 { return l.Line.Net - l.Credited }

// taken is net credited from one line by the credit note being made.
type taken struct {
	line BilledLine
	net  int64
	as   Line
}

// creditNote makes the document that takes back what was picked, and notes it in b, so
// that a next one continues from there. The tax telescopes: over all credit notes of an
// invoice it is the tax of what was credited, rounded once, and with the last Rappen of
// net the last of tax is gone, too.
func (b *Billed) creditNote(picked []taken) *Draft {
	d := &Draft{Kind: CreditNote, Of: b.Invoice}
	for _, p := range picked {
		l := p.as
		l.Net, l.Tax, l.Credits = p.net, p.line.Line.Tax, p.line.ID
		d.Lines = append(d.Lines, l)
		for i := range b.Lines {
			if b.Lines[i].ID == p.line.ID {
				b.Lines[i].Credited += p.net
				if l.Seq != NoPeriod {
					b.Lines[i].Prorated += p.net
				}
			}
		}
	}
	for _, sum := range sumByRate(d.Lines) {
		for i := range b.Sums {
			s := &b.Sums[i]
			if s.Rate.ID != sum.Rate.ID {
				continue
			}
			s.CreditedNet += sum.Net
			so := MulDiv(s.Tax, s.CreditedNet, max(s.Net, 1))
			sum.Tax = so - s.CreditedTax
			s.CreditedTax = so
		}
		d.Taxes = append(d.Taxes, sum)
	}
	d.sum()
	if b.Round {
		var gross int64
		for _, s := range b.Sums {
			gross += s.CreditedNet + s.CreditedTax
		}
		d.Rounding = FiveRappen(gross) - b.Credited
		b.Credited += d.Rounding
		d.Total += d.Rounding
	}
	return d
}

// CreditLines makes the credit note for net amounts of an invoice's lines, by the
// lines' ids. b is updated. ErrAmount when a line has not that much left.
func (b *Billed) CreditLines(net map[int64]int64, text string) (*Draft, error) {
	var picked []taken
	for _, l := range b.Lines {
		n, ok := net[l.ID]
		if !ok || n == 0 {
			continue
		}
		if n < 0 || n > l.Left() || b.Closed {
			return nil, errAmount("line %d has %s left to credit", l.ID, CHF(l.Left()))
		}
		as := l.Line
		as.Kind, as.Key, as.Text, as.Seq, as.Part = LineManual, "", text, NoPeriod, 1
		picked = append(picked, taken{l, n, as})
	}
	if len(picked) == 0 {
		return nil, errAmount("nothing is to be credited")
	}
	return b.creditNote(picked), nil
}

// CreditAll makes the credit note for all that is left of an invoice.
func (b *Billed) CreditAll(text string) (*Draft, error) {
	left := map[int64]int64{}
	for _, l := range b.Lines {
		left[l.ID] = l.Left()
	}
	return b.CreditLines(left, text)
}
