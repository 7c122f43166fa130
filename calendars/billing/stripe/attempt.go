package stripe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// abandoned is the code of attempts that were ended before they charged anything.
const abandoned = "abandoned"

// attempt is a charge as stored.
type attempt struct {
	N       int       `db:"attempt"`
	Intent  string    `db:"intent"` // Stripe's name, "" = not known
	Method  string    `db:"method"`
	Amount  int64     `db:"amount"`
	Status  string    `db:"status"`
	AskedAt time.Time `db:"asked_at"`
	fresh   bool      // made by this process, so Stripe hasn't heard of it yet
}

// unsettled reports whether money may still move by it.
func (a attempt) unsettled() bool {
	return a.Status == "asked" || a.Status == "processing" || a.Status == "needs_action" && a.Intent != ""
}

// last is the latest attempt at an invoice, an empty one if there is none.
func last(ctx context.Context, q sqlx.QueryerContext, t payments.Target) (a attempt, err error) {
	err = sqlx.GetContext(ctx, q, &a, `SELECT c.attempt, c.intent, c.method, c.amount, c.status, c.asked_at FROM charges c
		WHERE c.account_id = $1 AND c.invoice_id = $2 ORDER BY c.attempt DESC LIMIT 1`, t.Account, t.Invoice)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("read the charges of invoice %d: %w", t.Invoice, err)
	}
	return a, nil
}

// begin writes an attempt down before it is made. It is empty where another one has begun.
func (c *Client) begin(ctx context.Context, t payments.Target, open int64) (a attempt, err error) {
	err = migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error {
		if err := lockMethods(ctx, tx, t.Account); err != nil {
			return err
		}
		before, err := last(ctx, tx, t)
		if err != nil {
			return err
		}
		if before.Status == "asked" || before.Status == "processing" {
			return nil
		}
		m, err := standard(ctx, tx, t.Account)
		if err != nil {
			return err
		}
		a = attempt{N: before.N + 1, Method: m.Name, Amount: open, Status: "asked", AskedAt: c.c.Now(), fresh: true}
		_, err = tx.ExecContext(ctx, `INSERT INTO charges (account_id, invoice_id, attempt, provider, method, amount, status, asked_at) VALUES ($1, $2, $3, 'stripe', $4, $5, 'asked', $6)`,
			t.Account, t.Invoice, a.N, a.Method, a.Amount, a.AskedAt)
		return wrap("note a charge", err)
	})
	return a, err
}

// keep notes the intent of an attempt. It is false where the attempt was given up, or has
// another one: then this one must never be confirmed.
func (c *Client) keep(ctx context.Context, t payments.Target, a attempt, intent string) (bool, error) {
	res, err := c.c.DB.ExecContext(ctx, `UPDATE charges SET intent = $4 WHERE account_id = $1 AND invoice_id = $2 AND attempt = $3 AND status = 'asked' AND intent IN ('', $4)`,
		t.Account, t.Invoice, a.N, intent)
	if err != nil {
		return false, fmt.Errorf("note the intent of a charge: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, wrap("note the intent of a charge", err)
}

// abandon ends an attempt that charged nothing, and won't: its intent is that one, by ""
// it has none. What an attempt was told before is left as it was.
func (c *Client) abandon(ctx context.Context, t payments.Target, a attempt, intent string) error {
	_, err := c.c.DB.ExecContext(ctx, `UPDATE charges SET status = 'declined', code = $5, told_at = $6
		WHERE account_id = $1 AND invoice_id = $2 AND attempt = $3 AND intent = $4 AND status IN ('asked', 'processing')`, t.Account, t.Invoice, a.N, intent, abandoned, c.c.Now())
	return wrap("give a charge up", err)
}

// answer notes what became of an attempt.
func (c *Client) answer(ctx context.Context, t payments.Target, n int, intent, status, code string) error {
	_, err := c.c.DB.ExecContext(ctx, answerSQL, t.Account, t.Invoice, n, intent, status, code, c.c.Now())
	return wrap("note the answer to a charge", err)
}

// declined notes that the method of an attempt doesn't pay, or not without its holder, and
// says so.
func (c *Client) declined(ctx context.Context, t payments.Target, n int, intent string, e *sdk.Error) error {
	code := string(e.DeclineCode)
	if code == "" {
		code = string(e.Code)
	}
	if e.Code == sdk.ErrorCodeAuthenticationRequired {
		return errors.Join(ErrAction, c.answer(ctx, t, n, intent, "needs_action", code))
	}
	return errors.Join(fmt.Errorf("%w: %s", ErrDeclined, code), c.answer(ctx, t, n, intent, "declined", code))
}

// A success is never undone by an answer that comes late.
const answerSQL = `UPDATE charges SET intent = COALESCE(NULLIF($4, ''), intent), status = $5, code = $6, told_at = $7
	WHERE account_id = $1 AND invoice_id = $2 AND attempt = $3 AND status <> 'succeeded'`
