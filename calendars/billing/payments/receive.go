package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/qrbill"
	"rappel/migrations"
)

// Target is what money is for.
type Target struct {
	Account int64
	Invoice int64 // 0 = none
	Order   int64 // 0 = none
}

// FindTx tells what a reference stands for; ok is false when nothing does. Spaces and
// small letters don't matter.
func (d *Desk) FindTx(ctx context.Context, tx *sqlx.Tx, ref string) (t Target, ok bool, err error) {
	ref = qrbill.NormalReference(ref)
	body, ours := qrbill.BodyOf(ref)
	if !ours {
		return Target{}, false, nil
	}
	err = tx.GetContext(ctx, &t, `SELECT CAST($1 AS bigint) AS account,
		COALESCE((SELECT o.invoice_id FROM orders o WHERE o.account_id = $1 AND o.qr_reference = $2),
		    (SELECT min(i.id) FROM invoices i WHERE i.account_id = $1 AND i.qr_reference = $2 AND i.kind = 'invoice' AND i.status <> 'draft'), 0) AS invoice,
		COALESCE((SELECT o.id FROM orders o WHERE o.account_id = $1 AND o.qr_reference = $2), 0) AS "order"`, body.Account, ref)
	if err != nil {
		return Target{}, false, fmt.Errorf("look a reference up: %w", err)
	}
	return t, t.Invoice != 0 || t.Order != 0, nil
}

// Receipt is money that arrived.
type Receipt struct {
	Target
	Provider string // bank, stripe
	Ref      string // the provider's name for it; the same counts once
	Rappen   int64
	At       time.Time // when it arrived
}

// Receive is [Desk.ReceiveTx] in a transaction of its own.
func (d *Desk) Receive(ctx context.Context, r Receipt) error {
	return migrations.InTx(ctx, d.c.DB, func(tx *sqlx.Tx) error { return d.ReceiveTx(ctx, tx, r) })
}

// ReceiveTx books money to what it is for. A receipt for an order hands it over once all
// that came for it reaches its total; one for an invoice pays that; anything else is the account's credit. The same receipt
// again changes nothing.
func (d *Desk) ReceiveTx(ctx context.Context, tx *sqlx.Tx, r Receipt) error {
	if r.Account <= 0 || r.Provider == "" || r.Ref == "" || r.Rappen <= 0 {
		return ErrReceipt
	}
	pay := billing.Payment{Account: r.Account, Invoice: r.Invoice, Provider: r.Provider, ProviderRef: r.Ref, Amount: r.Rappen, At: r.At}
	if r.Order == 0 {
		if _, err := d.c.Billing.RecordPaymentTx(ctx, tx, pay); err != nil {
			return err
		}
		return d.settleOf(ctx, tx, r.Target)
	}
	ref := Ref{r.Account, r.Order}
	o, err := lock(ctx, tx, ref)
	if err != nil {
		return err
	}
	now := d.c.Now()
	pay.Invoice = 0
	switch {
	case o.Invoice != 0: // handed over: its invoice is what is paid
		pay.Invoice = o.Invoice
	case o.Status == Paid: // waits for another try
	default:
		before, err := came(ctx, tx, ref, r.Ref)
		if err != nil {
			return err
		}
		if before+r.Rappen < o.Total {
			break // a part
		}
		if pay.Invoice, err = d.tryHandOver(ctx, tx, o, r.Rappen, now); err != nil {
			return err
		}
	}
	if _, err := d.c.Billing.RecordPaymentTx(ctx, tx, pay); err != nil {
		return err
	}
	return d.settle(ctx, tx, ref, now)
}

// Came is what came by transfer under an order's reference and didn't go back, in Rappen:
// below its total, and as long as nothing was handed over, it is paid in part.
func (d *Desk) Came(ctx context.Context, r Ref) (int64, error) {
	return came(ctx, d.c.DB, r, "")
}

// came is Came without the receipt named but.
func came(ctx context.Context, q sqlx.QueryerContext, r Ref, but string) (rappen int64, err error) {
	if err := sqlx.GetContext(ctx, q, &rappen, `SELECT CAST(COALESCE(sum(CASE WHEN e.incoming THEN e.rappen ELSE -e.rappen END), 0) AS bigint) FROM bank_entries e
		WHERE e.for_account = $1 AND e.for_order = $2 AND e.reverses IS NULL AND e.state IN ('matched', 'assigned') AND 'entry/' || e.id <> $3
		AND NOT EXISTS (SELECT 1 FROM bank_entries b WHERE b.reverses = e.id AND b.state IN ('matched', 'assigned'))`, r.Account, r.Order, but); err != nil {
		return 0, fmt.Errorf("read what came for order %d: %w", r.Order, err)
	}
	return rappen, nil
}

// tryHandOver hands an order over for which paid Rappen came. When that fails the order is marked paid with the
// reason, and the answer is 0: the money must be booked all the same.
func (d *Desk) tryHandOver(ctx context.Context, tx *sqlx.Tx, o Order, paid int64, now time.Time) (invoice int64, err error) {
	if _, err := tx.ExecContext(ctx, `SAVEPOINT hand_over`); err != nil {
		return 0, fmt.Errorf("hand over order %d: %w", o.ID, err)
	}
	invoice, failed := d.handOver(ctx, tx, o, paid, now)
	if failed == nil {
		_, err := tx.ExecContext(ctx, `UPDATE orders SET status = 'fulfilled', paid_at = $3, fulfilled_at = $3, invoice_id = $4 WHERE account_id = $1 AND id = $2`,
			o.Account, o.ID, now, invoice)
		if err != nil {
			return 0, fmt.Errorf("hand over order %d: %w", o.ID, err)
		}
		d.c.Log.InfoContext(ctx, "order paid and handed over", slog.Int64("account_id", o.Account), slog.Int64("order_id", o.ID), slog.Int64("invoice_id", invoice))
		return invoice, nil
	}
	if ctx.Err() != nil {
		return 0, failed
	}
	if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT hand_over`); err != nil {
		return 0, errors.Join(failed, fmt.Errorf("undo handing over order %d: %w", o.ID, err))
	}
	if _, err := tx.ExecContext(ctx, `UPDATE orders SET status = 'paid', paid_at = $3, problem = $4 WHERE account_id = $1 AND id = $2`, o.Account, o.ID, now, failed.Error()); err != nil {
		return 0, errors.Join(failed, fmt.Errorf("mark order %d paid: %w", o.ID, err))
	}
	d.c.Log.ErrorContext(ctx, "a paid order can't be handed over", slog.Int64("account_id", o.Account), slog.Int64("order_id", o.ID), slog.Any("err", failed))
	return 0, nil
}

// settleOf moves the order on that an invoice belongs to, if there is one.
func (d *Desk) settleOf(ctx context.Context, tx *sqlx.Tx, t Target) error {
	if t.Invoice == 0 {
		return nil
	}
	var order int64
	err := tx.GetContext(ctx, &order, `SELECT o.id FROM orders o WHERE o.account_id = $1 AND o.invoice_id = $2`, t.Account, t.Invoice)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the order of invoice %d: %w", t.Invoice, err)
	}
	return d.settle(ctx, tx, Ref{t.Account, order}, d.c.Now())
}

// TakeBackTx books money that went back: what it paid is open again. The same again
// changes nothing.
func (d *Desk) TakeBackTx(ctx context.Context, tx *sqlx.Tx, t TakenBack) error {
	if t.Account <= 0 || t.Provider == "" || t.Ref == "" || t.Of == "" {
		return ErrReceipt
	}
	_, err := d.c.Billing.ReversePaymentTx(ctx, tx, billing.Reversal{Account: t.Account, Provider: t.Provider, Of: t.Of, ProviderRef: t.Ref, Amount: t.Rappen, AtMost: t.AtMost, At: t.At})
	return err
}
