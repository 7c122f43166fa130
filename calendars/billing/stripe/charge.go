package stripe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// attempt is a charge as stored.
type attempt struct {
	N      int    `db:"attempt"`
	Method string `db:"method"`
	Amount int64  `db:"amount"`
	Status string `db:"status"`
	Code   string `db:"code"`
}

// Charge is what became of an attempt.
type Charge struct {
	Attempt int    `db:"attempt"`
	Amount  int64  `db:"amount"` // Rappen
	Status  string `db:"status"` // asked, succeeded, processing, needs_action, declined
	Code    string `db:"code"`   // Stripe's reason, such as insufficient_funds
}

// Charges lists the attempts to charge an invoice, in their order. q is a pool or
// transaction that sees the account.
func Charges(ctx context.Context, q sqlx.QueryerContext, t payments.Target) (all []Charge, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT c.attempt, c.amount, c.status, c.code FROM charges c WHERE c.account_id = $1 AND c.invoice_id = $2 ORDER BY c.attempt`,
		t.Account, t.Invoice); err != nil {
		return nil, fmt.Errorf("list the charges of invoice %d: %w", t.Invoice, err)
	}
	return all, nil
}

// ChargeInvoice charges what is open of an invoice to the account's standard method. An
// attempt whose answer a crash lost is asked for again, by the same key: it charges once.
//
// nil means paid, or nothing to pay, or that Stripe is still at it. It fails with
// [ErrNoMethod], [ErrDeclined] or [ErrAction], which another try by itself won't change, or
// with [ErrProvider], which it may.
func (c *Client) ChargeInvoice(ctx context.Context, t payments.Target) error {
	open, _, err := c.c.Desk.OpenOf(ctx, t.Account, t.Invoice)
	if err != nil {
		return err
	}
	if open <= 0 {
		return nil
	}
	a, fresh, err := c.begin(ctx, t, open)
	if err != nil {
		return err
	}
	if !fresh && a.Status == "processing" {
		return nil
	}
	customer, err := c.customer(ctx, t.Account)
	if err != nil {
		return err
	}
	target := payments.Target{Account: t.Account, Invoice: t.Invoice}
	m := meta(target)
	m[metaAttempt] = strconv.Itoa(a.N)
	params := &sdk.PaymentIntentCreateParams{Amount: sdk.Int64(a.Amount), Currency: sdk.String("chf"), Customer: sdk.String(customer), PaymentMethod: sdk.String(a.Method),
		PaymentMethodTypes: sdk.StringSlice(slicesWithout(c.c.Methods, "twint")), OffSession: sdk.Bool(true), Confirm: sdk.Bool(true), Metadata: m}
	params.SetIdempotencyKey(fmt.Sprintf("inv/%d/charge/%d", t.Invoice, a.N))
	intent, err := c.api.V1PaymentIntents.Create(ctx, params)
	if err != nil {
		var e *sdk.Error
		switch {
		case !errors.As(err, &e):
			return failure("charge", err)
		case e.Type != sdk.ErrorTypeCard && refused(e):
			return errors.Join(fmt.Errorf("%w: %w", ErrDeclined, failure("charge", err)), c.answer(ctx, target, a.N, "", "declined", string(e.Code)))
		case e.Type != sdk.ErrorTypeCard:
			return failure("charge", err)
		}
		code := string(e.DeclineCode)
		if code == "" {
			code = string(e.Code)
		}
		if e.PaymentIntent != nil {
			intent = e.PaymentIntent
		} else {
			intent = &sdk.PaymentIntent{}
		}
		if e.Code == sdk.ErrorCodeAuthenticationRequired {
			return errors.Join(ErrAction, c.answer(ctx, target, a.N, intent.ID, "needs_action", code))
		}
		return errors.Join(fmt.Errorf("%w: %s", ErrDeclined, code), c.answer(ctx, target, a.N, intent.ID, "declined", code))
	}
	return c.outcome(ctx, intent)
}

// refused reports whether Stripe will never make the charge e is about: asking again by the
// same key gets the same answer, so another try must be a new attempt. Keys of ours that
// are wrong (401, 403), one that is in use (409) or too many requests (429) are no answer.
//
// Source: https://docs.stripe.com/api/errors and /api/idempotent_requests.
func refused(e *sdk.Error) bool {
	switch e.HTTPStatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return e.HTTPStatusCode >= 400 && e.HTTPStatusCode < 500 && e.Type != sdk.ErrorTypeIdempotency
}

// Deliver charges the invoice of a job; it is package billing's courier for them.
func (c *Client) Deliver(ctx context.Context, j billing.Job) error {
	if j.Invoice == nil {
		return fmt.Errorf("%w: job %d is about no invoice", billing.ErrUndeliverable, j.ID)
	}
	err := c.ChargeInvoice(ctx, payments.Target{Account: j.Account, Invoice: *j.Invoice})
	if errors.Is(err, ErrNoMethod) || errors.Is(err, ErrDeclined) || errors.Is(err, ErrAction) {
		return fmt.Errorf("%w: %w", billing.ErrUndeliverable, err)
	}
	return err
}

var _ billing.Courier = (*Client)(nil)

func slicesWithout(all []string, one string) (rest []string) {
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// begin writes the attempt down before it is made: a new one, or the last if its answer
// never came.
func (c *Client) begin(ctx context.Context, t payments.Target, open int64) (a attempt, fresh bool, err error) {
	err = migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error {
		if err := lockMethods(ctx, tx, t.Account); err != nil {
			return err
		}
		err := tx.GetContext(ctx, &a, `SELECT c.attempt, c.method, c.amount, c.status, c.code FROM charges c WHERE c.account_id = $1 AND c.invoice_id = $2 ORDER BY c.attempt DESC LIMIT 1`, t.Account, t.Invoice)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read the charges of invoice %d: %w", t.Invoice, err)
		}
		if a.Status == "asked" || a.Status == "processing" {
			return nil
		}
		m, err := standard(ctx, tx, t.Account)
		if err != nil {
			return err
		}
		a, fresh = attempt{N: a.N + 1, Method: m.Name, Amount: open, Status: "asked"}, true
		_, err = tx.ExecContext(ctx, `INSERT INTO charges (account_id, invoice_id, attempt, provider, method, amount, status, asked_at) VALUES ($1, $2, $3, 'stripe', $4, $5, 'asked', $6)`,
			t.Account, t.Invoice, a.N, a.Method, a.Amount, c.c.Now())
		return wrap("note a charge", err)
	})
	return a, fresh, err
}

// answer notes what became of an attempt.
func (c *Client) answer(ctx context.Context, t payments.Target, n int, intent, status, code string) error {
	_, err := c.c.DB.ExecContext(ctx, answerSQL, t.Account, t.Invoice, n, intent, status, code, c.c.Now())
	return wrap("note the answer to a charge", err)
}

// A success is never undone by an answer that comes late.
const answerSQL = `UPDATE charges SET intent = COALESCE(NULLIF($4, ''), intent), status = $5, code = $6, told_at = $7
	WHERE account_id = $1 AND invoice_id = $2 AND attempt = $3 AND status <> 'succeeded'`

// outcome books what an intent says now: the payment if it succeeded, the state of its
// attempt if it was a charge.
func (c *Client) outcome(ctx context.Context, intent *sdk.PaymentIntent) error {
	t := about(intent.Metadata)
	if t.Account == 0 {
		return nil // not ours
	}
	n, err := strconv.Atoi(intent.Metadata[metaAttempt])
	if err != nil {
		n = 0 // a page, not a charge
	}
	switch intent.Status {
	case sdk.PaymentIntentStatusSucceeded:
		if intent.Currency != sdk.CurrencyCHF || intent.AmountReceived <= 0 {
			return ErrForeign
		}
		return migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error {
			if n > 0 {
				if _, err := tx.ExecContext(ctx, answerSQL, t.Account, t.Invoice, n, intent.ID, "succeeded", "", c.c.Now()); err != nil {
					return fmt.Errorf("note the answer to a charge: %w", err)
				}
			}
			return c.c.Desk.ReceiveTx(ctx, tx, payments.Receipt{Target: t, Provider: provider, Ref: intent.ID, Rappen: intent.AmountReceived, At: c.c.Now()})
		})
	case sdk.PaymentIntentStatusProcessing:
		if n > 0 {
			return c.answer(ctx, t, n, intent.ID, "processing", "")
		}
	case sdk.PaymentIntentStatusRequiresAction:
		if n > 0 {
			return errors.Join(ErrAction, c.answer(ctx, t, n, intent.ID, "needs_action", ""))
		}
	case sdk.PaymentIntentStatusRequiresPaymentMethod, sdk.PaymentIntentStatusCanceled:
		if n > 0 {
			code := string(intent.CancellationReason)
			if intent.LastPaymentError != nil {
				if code = string(intent.LastPaymentError.DeclineCode); code == "" {
					code = string(intent.LastPaymentError.Code)
				}
			}
			return errors.Join(fmt.Errorf("%w: %s", ErrDeclined, code), c.answer(ctx, t, n, intent.ID, "declined", code))
		}
	}
	return nil
}
