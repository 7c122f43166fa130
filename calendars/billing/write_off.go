package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/ledger"
)

// WriteOff gives up what is open of an invoice. It resumes nothing: who was suspended for
// it stays so until it is paid or an admin says otherwise. A payment that comes all the
// same brings it back.
func (s *Service) WriteOff(ctx context.Context, c Correction, invoice int64) (Corrected, error) {
	return s.once(ctx, c, "write_off", map[string]any{"invoice": invoice}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		ref := DocumentRef{c.Account, invoice}
		d, err := DocumentTx(ctx, tx, ref)
		if err != nil {
			return r, err
		}
		if d.Status != InvoiceOpen || d.Open == 0 {
			return r, fmt.Errorf("%w: invoice %d is %s", ErrState, invoice, d.Status)
		}
		if err := allocate(ctx, tx, source{account: c.Account}, allocation{invoice: invoice, amount: d.Open}, now,
			ledger.Move(d.Open, place("receivable", invoice), place("loss", 0))); err != nil {
			return r, err
		}
		return Corrected{Document: invoice}, setStatus(ctx, tx, ref, InvoiceUncollectible)
	})
}

// Void takes an invoice back of which nothing was paid or credited. Its lines stay: what
// they stand for is not billed again by itself.
func (s *Service) Void(ctx context.Context, c Correction, invoice int64) (Corrected, error) {
	return s.correct(ctx, c, "void", map[string]any{"invoice": invoice}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		ref := DocumentRef{c.Account, invoice}
		d, err := DocumentTx(ctx, tx, ref)
		if err != nil {
			return r, err
		}
		var credited bool
		if err := tx.GetContext(ctx, &credited, `SELECT EXISTS (SELECT 1 FROM invoices n WHERE n.account_id = $1 AND n.credits_invoice_id = $2)`, c.Account, invoice); err != nil {
			return r, fmt.Errorf("look for credit notes: %w", err)
		}
		if d.Kind != Invoice || d.Status != InvoiceOpen || d.Open != d.Total || credited {
			return r, fmt.Errorf("%w: invoice %d is %s and %s of %s is open; credit it instead", ErrState, invoice, d.Status, CHF(d.Open), CHF(d.Total))
		}
		var booked int64
		if err := tx.GetContext(ctx, &booked, `SELECT id FROM ledger_tx WHERE account_id = $1 AND key = $2`, c.Account, fmt.Sprintf("document/%d", invoice)); err != nil {
			return r, fmt.Errorf("find how invoice %d was booked: %w", invoice, err)
		}
		if _, _, err := ledger.ReverseTx(ctx, tx, ledger.Reversal{Account: c.Account, TxID: booked, Key: fmt.Sprintf("void/%d", invoice), Kind: "void", Note: c.Reason, At: now}); err != nil {
			return r, err
		}
		return Corrected{Document: invoice}, setStatus(ctx, tx, ref, InvoiceVoid)
	})
}
