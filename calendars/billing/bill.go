package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
)

// Bill is an invoice for something else than the subscription.
type Bill struct {
	Account int64
	Key     string // makes its lines unique: nothing is billed twice
	Lines   []BillLine
	DueOn   Date // 0 = by the terms
	// Total is what was offered for its one line with tax, in Rappen, and is what the
	// invoice comes to; 0 = by the line's net.
	Total int64
	// Paid is what came for it already, in Rappen, and is recorded in the same transaction
	// after it: the document asks for the rest only.
	Paid int64
}

// BillLine is one thing sold.
type BillLine struct {
	Kind     LineKind // LinePackage or LineManual
	Text     string   // as printed, in the account's language
	Quantity int64
	Net      int64  // Rappen, for all of it
	Service  Period // the zero Period = today
	Tax      string // code of the rate; "" = StandardTax
}

// BillTx invoices b once and returns the invoice's id. What the account has to its
// credit pays it as far as it goes. It works in a transaction of the owner that may be
// bound to the account.
func (s *Service) BillTx(ctx context.Context, tx *sqlx.Tx, b Bill) (invoice int64, err error) {
	if b.Key == "" || len(b.Lines) == 0 {
		return 0, errAmount("an invoice needs a key and a line")
	}
	payer, err := lockPayer(ctx, tx, b.Account)
	if err != nil {
		return 0, err
	}
	var had []int64
	if err := tx.SelectContext(ctx, &had, `SELECT l.invoice_id FROM invoice_lines l WHERE l.account_id = $1 AND l.billing_key = $2 ORDER BY l.id LIMIT 1`, b.Account, "bill/"+b.Key); err != nil {
		return 0, fmt.Errorf("look up bill %s: %w", b.Key, err)
	}
	if len(had) > 0 {
		return had[0], nil
	}
	sc, err := s.read(ctx, tx, payer)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	draft, round, err := b.draft(sc.Catalogue, sc.Round, payer.Today(now))
	if err != nil {
		return 0, err
	}
	sc.Round = round
	ids, err := s.pressPaid(ctx, tx, sc, []*Draft{draft}, b.DueOn, b.Paid, now)
	if err != nil {
		return 0, err
	}
	return ids[0], due.Raise(ctx, tx, DueKind, b.Account, now)
}

// Quote is what a bill will come to, without making it.
func (b Bill) Quote(c Catalogue, round bool, today Date) (*Draft, error) {
	d, _, err := b.draft(c, round, today)
	return d, err
}

// draft reckons the bill. rounded says whether its total is in steps of 5 Rappen: as round
// asks for, but where the total was offered as that was rounded.
func (b Bill) draft(c Catalogue, round bool, today Date) (d *Draft, rounded bool, err error) {
	var lines []Line
	for _, l := range b.Lines {
		if l.Net < 0 || l.Text == "" || l.Kind != LinePackage && l.Kind != LineManual {
			return nil, false, errAmount("a line needs a text, a kind and an amount that is not negative")
		}
		if l.Service.Empty() {
			l.Service = Period{today, today + 1}
		}
		code := l.Tax
		if code == "" {
			code = StandardTax
		}
		rate, err := c.Taxes.At(code, l.Service.From)
		if err != nil {
			return nil, false, err
		}
		lines = append(lines, Line{Kind: l.Kind, Key: "bill/" + b.Key, Part: len(lines) + 1, Text: l.Text, Quantity: l.Quantity, Service: l.Service, Seq: NoPeriod, Net: l.Net, Tax: rate})
	}
	if b.Total == 0 {
		return newInvoice(lines, round), round, nil
	}
	if b.Total < 0 || len(lines) != 1 {
		return nil, false, errAmount("a total can be asked for one line, and is above zero")
	}
	for _, r := range []bool{round, !round} {
		if d := newInvoice(lines, r); d.Total == b.Total {
			return d, r, nil
		}
	}
	// The rate is another one than when it was offered: the tax is what the total contains
	// of it.
	tax := TaxIncluded(b.Total, lines[0].Tax.Rate)
	lines[0].Net = b.Total - tax
	d = newInvoice(lines, false)
	d.Taxes[0].Tax = tax // by the net it can be a Rappen off
	d.sum()
	return d, false, nil
}

// Invoice makes a bill an admin entered by hand.
func (s *Service) Invoice(ctx context.Context, c Correction, lines []BillLine) (Corrected, error) {
	return s.correct(ctx, c, "invoice", lines, func(tx *sqlx.Tx, _ Payer, _ time.Time) (r Corrected, err error) {
		r.Document, err = s.BillTx(ctx, tx, Bill{Account: c.Account, Key: "command/" + c.Key, Lines: lines})
		return r, err
	})
}
