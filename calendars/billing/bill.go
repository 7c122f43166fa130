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
	today := payer.Today(now)
	var lines []Line
	for _, l := range b.Lines {
		if l.Net < 0 || l.Text == "" || l.Kind != LinePackage && l.Kind != LineManual {
			return 0, errAmount("a line needs a text, a kind and an amount that is not negative")
		}
		if l.Service.Empty() {
			l.Service = Period{today, today + 1}
		}
		code := l.Tax
		if code == "" {
			code = StandardTax
		}
		rate, err := sc.Catalogue.Taxes.At(code, l.Service.From)
		if err != nil {
			return 0, err
		}
		lines = append(lines, Line{Kind: l.Kind, Key: "bill/" + b.Key, Part: len(lines) + 1, Text: l.Text, Quantity: l.Quantity, Service: l.Service, Seq: NoPeriod, Net: l.Net, Tax: rate})
	}
	ids, err := s.pressPaid(ctx, tx, sc, []*Draft{newInvoice(lines, sc.Round)}, b.DueOn, b.Paid, now)
	if err != nil {
		return 0, err
	}
	return ids[0], due.Raise(ctx, tx, DueKind, b.Account, now)
}

// Quote is what a bill will come to, without making it.
func (b Bill) Quote(c Catalogue, round bool, today Date) (*Draft, error) {
	var lines []Line
	for _, l := range b.Lines {
		code, from := l.Tax, l.Service.From
		if code == "" {
			code = StandardTax
		}
		if l.Service.Empty() {
			from = today
		}
		rate, err := c.Taxes.At(code, from)
		if err != nil {
			return nil, err
		}
		lines = append(lines, Line{Kind: l.Kind, Text: l.Text, Quantity: l.Quantity, Seq: NoPeriod, Net: l.Net, Tax: rate})
	}
	return newInvoice(lines, round), nil
}

// Invoice makes a bill an admin entered by hand.
func (s *Service) Invoice(ctx context.Context, c Correction, lines []BillLine) (Corrected, error) {
	return s.correct(ctx, c, "invoice", lines, func(tx *sqlx.Tx, _ Payer, _ time.Time) (r Corrected, err error) {
		r.Document, err = s.BillTx(ctx, tx, Bill{Account: c.Account, Key: "command/" + c.Key, Lines: lines})
		return r, err
	})
}
