package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
	"rappel/migrations/ledger"
)

// Reversal is a payment that was taken back: a chargeback, a returned transfer.
type Reversal struct {
	Account     int64
	Payment     int64  // id of the payment; 0 = found by Provider and Of
	Provider    string // of the payment
	Of          string // the provider's reference of the payment
	ProviderRef string // the provider's reference of the reversal: counts once
	At          time.Time
	Note        string
}

// ReversePaymentTx takes a payment back as a whole: what it paid is open again. It is
// idempotent by the provider's reference. ErrUnknown without such a payment, ErrState when
// it went back already, ErrAmount when its money was refunded meanwhile.
func (s *Service) ReversePaymentTx(ctx context.Context, tx *sqlx.Tx, v Reversal) (id int64, err error) {
	payer, err := lockPayer(ctx, tx, v.Account)
	if err != nil {
		return 0, err
	}
	var rows []struct {
		ID       int64  `db:"id"`
		Provider string `db:"provider"`
		Amount   int64  `db:"amount"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT p.id, p.provider, p.amount FROM payments p WHERE p.account_id = $1 AND p.kind = 'payment'
		AND (p.id = $2 OR $2 = 0 AND p.provider = $3 AND p.provider_ref = $4)`, v.Account, v.Payment, v.Provider, v.Of); err != nil {
		return 0, fmt.Errorf("read a payment: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("%w: no such payment of account %d", ErrUnknown, v.Account)
	}
	from := source{account: v.Account, payment: rows[0].ID}
	now := s.Now()
	var known []int64
	if err := tx.SelectContext(ctx, &known, `SELECT p.id FROM payments p WHERE p.account_id = $1 AND p.provider = $2 AND p.provider_ref = $3`, v.Account, rows[0].Provider, v.ProviderRef); err != nil {
		return 0, fmt.Errorf("look up a reversal: %w", err)
	}
	if len(known) == 0 {
		if err := s.release(ctx, tx, from, now); err != nil {
			return 0, err
		}
	}
	id, err = s.payOut(ctx, tx, payer, Payment{Account: v.Account, Provider: rows[0].Provider, ProviderRef: v.ProviderRef, Amount: rows[0].Amount, At: v.At, Note: v.Note}, "reversal", &from)
	if err != nil {
		return 0, err
	}
	if err := settleTx(ctx, tx, v.Account, now); err != nil {
		return 0, err
	}
	return id, due.Raise(ctx, tx, DueKind, v.Account, now)
}

// release takes back all a source paid: those invoices are open again.
func (s *Service) release(ctx context.Context, tx *sqlx.Tx, from source, now time.Time) error {
	var paid []struct {
		Invoice int64 `db:"invoice_id"`
		Amount  int64 `db:"amount"`
	}
	if err := tx.SelectContext(ctx, &paid, `SELECT a.invoice_id, CAST(sum(a.amount) AS bigint) AS amount FROM payment_allocations a
		WHERE a.account_id = $1 AND a.payment_id = $2 AND a.invoice_id IS NOT NULL GROUP BY a.invoice_id HAVING sum(a.amount) <> 0 ORDER BY 1`, from.account, from.payment); err != nil {
		return fmt.Errorf("read what a payment paid: %w", err)
	}
	for _, p := range paid {
		if err := allocate(ctx, tx, from, allocation{invoice: p.Invoice, amount: -p.Amount}, now, ledger.Move(p.Amount, place("customer_credit", 0), place("receivable", p.Invoice))); err != nil {
			return err
		}
		if err := reopen(ctx, tx, DocumentRef{from.account, p.Invoice}, p.Amount, now); err != nil {
			return err
		}
	}
	return nil
}

// reopen has an invoice open again of which amount is no longer paid. What is written off
// stays so, with that amount more.
func reopen(ctx context.Context, tx *sqlx.Tx, ref DocumentRef, amount int64, now time.Time) error {
	var status InvoiceStatus
	if err := tx.GetContext(ctx, &status, `SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, ref.Account, ref.Document); err != nil {
		return fmt.Errorf("read invoice %d: %w", ref.Document, err)
	}
	switch status {
	case InvoicePaid:
		return setStatus(ctx, tx, ref, InvoiceOpen)
	case InvoiceUncollectible:
		return allocate(ctx, tx, source{account: ref.Account}, allocation{invoice: ref.Document, amount: amount}, now,
			ledger.Move(amount, place("receivable", ref.Document), place("loss", 0)))
	}
	return nil
}
