package billing

import "fmt"

// TaxRate is a rate of VAT and the days it holds for. The day of the service decides,
// not that of the invoice.
//
// Source: MWSTG Art. 25 and 115; MWST-Praxis-Info on rate changes.
type TaxRate struct {
	ID   int64  `db:"id" json:"id"`
	Code string `db:"code" json:"code"`       // standard, reduced, exempt
	Rate int64  `db:"rate_bp" json:"rate_bp"` // basis points
	From Date   `db:"valid_from" json:"-"`
	To   Date   `db:"valid_to" json:"-"` // half-open; 0 = until further notice
}

// StandardTax is the code of the rate for everything sold here.
const StandardTax = "standard"

// TaxRates are the known rates.
type TaxRates []TaxRate

// At is the rate of code on day. ErrCatalogue when none is known.
func (t TaxRates) At(code string, day Date) (TaxRate, error) {
	for _, r := range t {
		if r.Code == code && r.From <= day && (r.To == 0 || day < r.To) {
			return r, nil
		}
	}
	return TaxRate{}, fmt.Errorf("%w: no tax rate %q for %s; enter one", ErrCatalogue, code, day)
}

// TaxedPart is a part of a period with one tax rate.
type TaxedPart struct {
	Span Period
	Rate TaxRate
}

// Split cuts p where the rate of code changes. An empty p gives nothing.
func (t TaxRates) Split(code string, p Period) (parts []TaxedPart, err error) {
	for from := p.From; from < p.To; {
		r, err := t.At(code, from)
		if err != nil {
			return nil, err
		}
		to := p.To
		if r.To != 0 {
			to = min(to, r.To)
		}
		parts = append(parts, TaxedPart{Period{from, to}, r})
		from = to
	}
	return parts, nil
}
