package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
	"rappel/migrations/ledger"
)

// Reversal is a payment that was taken back, or a part of it: a chargeback, a returned
// transfer, a refund somebody made where the money lies.
type Reversal struct {
	Account     int64
	Payment     int64  // id of the payment; 0 = found by Provider and Of
	Provider    string // of the payment
	Of          string // the provider's reference of the payment
	ProviderRef string // the provider's reference of the reversal: counts once
	Amount      int64  // Rappen; 0 = all that didn't go back so far
	AtMost      bool   // where less than Amount is left of the payment, that is what goes back
	At          time.Time
	Note        string
}

// ReversePaymentTx takes a payment back, or a part of it. What of it had paid nothing goes
// first, then what it paid is open again, the latest first, and other credit may pay that.
// It is idempotent by the provider's reference.
//
// ErrUnknown without such a payment, ErrState when all of it went back already, ErrAmount
// when less is left of it than goes back, as its money was refunded meanwhile, ErrKeyReused
// when the reference is known as something else.
func (s *Service) ReversePaymentTx(ctx context.Context, tx *sqlx.Tx, v Reversal) (id int64, err error) {
	payer, err := lockPayer(ctx, tx, v.Account)
	if err != nil {
		return 0, err
	}
	p, err := reversible(ctx, tx, v)
	if err != nil {
		return 0, err
	}
	if id, err := reversed(ctx, tx, v, p); err != nil || id != 0 {
		return id, err
	}
	amount := v.Amount
	switch left := p.Amount - p.Back - p.Refunded; {
	case amount < 0:
		return 0, errAmount("a payment can't go back by %s", CHF(amount))
	case p.Back == p.Amount:
		return 0, fmt.Errorf("%w: payment %d went back already", ErrState, p.ID)
	case amount == 0:
		amount = p.Amount - p.Back
	case v.AtMost && left > 0:
		amount = min(amount, left)
	}
	from := source{account: v.Account, payment: p.ID}
	now := s.Now()
	unused, err := from.left(ctx, tx)
	if err != nil {
		return 0, err
	}
	if err := s.release(ctx, tx, from, amount-unused, now); err != nil {
		return 0, err
	}
	id, err = s.payOut(ctx, tx, payer, Payment{Account: v.Account, Provider: p.Provider, ProviderRef: v.ProviderRef, Amount: amount, At: v.At, Note: v.Note}, "reversal", &from)
	if err != nil {
		return 0, err
	}
	if err := settleTx(ctx, tx, v.Account, now); err != nil {
		return 0, err
	}
	return id, due.Raise(ctx, tx, DueKind, v.Account, now)
}

// received is a payment and what of it went back so far, in Rappen.
type received struct {
	ID       int64  `db:"id"`
	Provider string `db:"provider"`
	Amount   int64  `db:"amount"`
	Back     int64  `db:"back"`     // by reversals
	Refunded int64  `db:"refunded"` // by refunds of credit that drew on it
}

// reversible finds the payment a reversal is of.
func reversible(ctx context.Context, tx *sqlx.Tx, v Reversal) (p received, err error) {
	var rows []received
	if err := tx.SelectContext(ctx, &rows, `SELECT p.id, p.provider, p.amount, CAST(COALESCE(o.back, 0) AS bigint) AS back, CAST(COALESCE(o.refunded, 0) AS bigint) AS refunded
		FROM payments p LEFT JOIN LATERAL (SELECT sum(a.amount) FILTER (WHERE x.kind = 'reversal') AS back, sum(a.amount) FILTER (WHERE x.kind <> 'reversal') AS refunded
		    FROM payment_allocations a JOIN payments x ON x.account_id = a.account_id AND x.id = a.out_id WHERE a.account_id = p.account_id AND a.payment_id = p.id) o ON true
		WHERE p.account_id = $1 AND p.kind = 'payment' AND (p.id = $2 OR $2 = 0 AND p.provider = $3 AND p.provider_ref = $4)`, v.Account, v.Payment, v.Provider, v.Of); err != nil {
		return p, fmt.Errorf("read a payment: %w", err)
	}
	if len(rows) != 1 {
		return p, fmt.Errorf("%w: no such payment of account %d", ErrUnknown, v.Account)
	}
	return rows[0], nil
}

// reversed is the reversal that was booked under the reference of v before, 0 if none was.
func reversed(ctx context.Context, tx *sqlx.Tx, v Reversal, p received) (int64, error) {
	var rows []struct {
		ID     int64  `db:"id"`
		Kind   string `db:"kind"`
		Amount int64  `db:"amount"`
		Of     int64  `db:"reverses"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT p.id, p.kind, p.amount, COALESCE(p.reverses_id, 0) AS reverses FROM payments p
		WHERE p.account_id = $1 AND p.provider = $2 AND p.provider_ref = $3`, v.Account, p.Provider, v.ProviderRef); err != nil {
		return 0, fmt.Errorf("look up a reversal: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	had := rows[0]
	if had.Kind != "reversal" || had.Of != p.ID || v.Amount != 0 && !v.AtMost && v.Amount != had.Amount {
		return 0, fmt.Errorf("%w: payment %d is a %s of %s", ErrKeyReused, had.ID, had.Kind, CHF(had.Amount))
	}
	return had.ID, nil
}

// release takes back amount of what a source paid, the latest first: those invoices are
// open again. Where it paid less, all of it.
func (s *Service) release(ctx context.Context, tx *sqlx.Tx, from source, amount int64, now time.Time) error {
	if amount <= 0 {
		return nil
	}
	var paid []struct {
		Invoice int64 `db:"invoice_id"`
		Amount  int64 `db:"amount"`
	}
	if err := tx.SelectContext(ctx, &paid, `SELECT a.invoice_id, CAST(sum(a.amount) AS bigint) AS amount FROM payment_allocations a
		WHERE a.account_id = $1 AND a.payment_id = $2 AND a.invoice_id IS NOT NULL GROUP BY a.invoice_id HAVING sum(a.amount) > 0 ORDER BY max(a.id) DESC`, from.account, from.payment); err != nil {
		return fmt.Errorf("read what a payment paid: %w", err)
	}
	for _, p := range paid {
		n := min(p.Amount, amount)
		if n == 0 {
			return nil
		}
		amount -= n
		if err := allocate(ctx, tx, from, allocation{invoice: p.Invoice, amount: -n}, now, ledger.Move(n, place("customer_credit", 0), place("receivable", p.Invoice))); err != nil {
			return err
		}
		if err := reopen(ctx, tx, DocumentRef{from.account, p.Invoice}, n, now); err != nil {
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
