package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Credit makes a credit note for net amounts, in Rappen, of an invoice's lines, by the
// lines' ids; with none, for all that is left of it. ErrAmount when a line has not that
// much left.
func (s *Service) Credit(ctx context.Context, c Correction, invoice int64, net map[int64]int64) (Corrected, error) {
	return s.correct(ctx, c, "credit_note", map[string]any{"invoice": invoice, "net": net}, func(tx *sqlx.Tx, payer Payer, now time.Time) (r Corrected, err error) {
		sc, err := s.read(ctx, tx, payer)
		if err != nil {
			return r, err
		}
		list, err := billedTx(ctx, tx, c.Account, []int64{invoice}, sc.Catalogue.Taxes)
		if err != nil {
			return r, err
		}
		if len(list) == 0 {
			return r, fmt.Errorf("%w: invoice %d", ErrUnknown, invoice)
		}
		var d *Draft
		if len(net) == 0 {
			d, err = list[0].CreditAll(c.Reason)
		} else {
			d, err = list[0].CreditLines(net, c.Reason)
		}
		if err != nil {
			return r, err
		}
		for i := range d.Lines {
			d.Lines[i].Key, d.Lines[i].Part = "command/"+c.Key, i+1
		}
		ids, err := s.press(ctx, tx, sc, []*Draft{d}, 0, now)
		if err != nil {
			return r, err
		}
		return Corrected{Document: ids[0]}, nil
	})
}

// GiveCredit gives amount Rappen without an invoice. It pays open invoices first.
// ErrFourEyes above the seller's limit without a second person.
func (s *Service) GiveCredit(ctx context.Context, c Correction, amount int64) (Corrected, error) {
	return s.correct(ctx, c, "goodwill", map[string]any{"amount": amount, "second": c.Second}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		if err := c.agreed(ctx, tx, amount); err != nil {
			return r, err
		}
		got, err := s.receive(ctx, tx, Payment{Account: c.Account, Provider: "goodwill", ProviderRef: fmt.Sprintf("%d/%s", c.Account, c.Key), Amount: amount, At: now, Note: c.Reason}, "goodwill", "goodwill")
		return Corrected{Payment: got.ID}, err
	})
}
