package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

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

// ChargeInvoice charges what is open of an invoice to the account's standard method. What
// became of an attempt whose answer was lost is found out first: it is booked, gone on
// with while it is still what is owed, or ended at Stripe before another one begins.
//
// nil means paid, or nothing to pay, or that Stripe is still at it. It fails with
// [ErrNoMethod], [ErrTooSmall], [ErrDeclined] or [ErrAction], which another try by itself won't change, or
// with [ErrProvider], which it may.
func (c *Client) ChargeInvoice(ctx context.Context, t payments.Target) error {
	t = payments.Target{Account: t.Account, Invoice: t.Invoice}
	cleared := 0 // the attempt that is known to be out of the way
	for range mostRounds {
		open, _, err := c.c.Desk.OpenOf(ctx, t.Account, t.Invoice)
		if err != nil {
			return err
		}
		a, err := last(ctx, c.c.DB, t)
		if err != nil {
			return err
		}
		if !a.unsettled() || a.N == cleared {
			if open <= 0 {
				return nil
			}
			if open < billing.SmallestDebt {
				return ErrTooSmall
			}
			if a, err = c.begin(ctx, t, open); err != nil {
				return err
			}
			if a.Status == "" {
				continue // somebody else began one
			}
		}
		ended, err := c.pursue(ctx, t, a, open)
		if ended || err != nil {
			return err
		}
		if a.Status == "needs_action" {
			cleared = a.N // it keeps that status: nothing but its holder would have moved it
		}
	}
	return fmt.Errorf("%w: what is owed of invoice %d changes faster than it can be charged", ErrProvider, t.Invoice)
}

// mostRounds is how many attempts one call finds out about or makes.
const mostRounds = 5

// pursue takes an attempt one step on while open Rappen are owed: to its end, which ended
// says, or out of the way of the next one.
func (c *Client) pursue(ctx context.Context, t payments.Target, a attempt, open int64) (ended bool, err error) {
	intent, err := c.intentOf(ctx, t, a)
	if err != nil {
		return false, err
	}
	still, err := c.stillOwed(ctx, t, a, open)
	if err != nil {
		return false, err
	}
	if intent == nil {
		if !still || a.Intent != "" {
			// Where Stripe knows the intent no more, its key would only name that again.
			return false, c.abandon(ctx, t, a, a.Intent)
		}
		if intent, err = c.prepare(ctx, t, a); err != nil {
			return false, err
		}
		kept, err := c.keep(ctx, t, a, intent.ID)
		if err != nil {
			return false, err
		}
		if !kept {
			return false, c.cancel(ctx, t, a, intent.ID) // given up by somebody else meanwhile
		}
		// Money may have come while Stripe was asked; nothing is charged so far.
		if open, _, err = c.c.Desk.OpenOf(ctx, t.Account, t.Invoice); err != nil {
			return false, err
		}
		if a.Amount != open {
			return false, c.cancel(ctx, t, a, intent.ID)
		}
		return c.confirm(ctx, t, a, intent.ID)
	}
	switch intent.Status {
	case sdk.PaymentIntentStatusSucceeded:
		return false, c.outcome(ctx, intent) // and more, if more is owed by now
	case sdk.PaymentIntentStatusProcessing:
		return true, c.outcome(ctx, intent)
	case sdk.PaymentIntentStatusCanceled:
		return false, c.abandon(ctx, t, a, intent.ID)
	case sdk.PaymentIntentStatusRequiresConfirmation:
		if still && intent.Amount == open && intent.Currency == sdk.CurrencyCHF {
			return c.confirm(ctx, t, a, intent.ID)
		}
	case sdk.PaymentIntentStatusRequiresPaymentMethod:
		if intent.LastPaymentError != nil && a.Status != "needs_action" && open > 0 {
			return true, c.outcome(ctx, intent) // declined; that was the lost answer
		}
	}
	return false, c.cancel(ctx, t, a, intent.ID)
}

// stillOwed reports whether an attempt is what would be tried now, too: nothing is charged
// that isn't owed any more, nor a method that isn't the standard one.
func (c *Client) stillOwed(ctx context.Context, t payments.Target, a attempt, open int64) (bool, error) {
	if a.Status != "asked" || a.Amount != open {
		return false, nil
	}
	m, err := standard(ctx, c.c.DB, t.Account)
	if errors.Is(err, ErrNoMethod) {
		return false, nil
	}
	return err == nil && m.Name == a.Method, err
}

// intentOf reads the intent of an attempt as it is now, nil where there is none. The name
// of one may be lost: then it is looked for among those of the customer.
func (c *Client) intentOf(ctx context.Context, t payments.Target, a attempt) (*sdk.PaymentIntent, error) {
	if a.Intent != "" {
		intent, err := c.api.V1PaymentIntents.Retrieve(ctx, a.Intent, nil)
		var e *sdk.Error
		if errors.As(err, &e) && e.HTTPStatusCode == http.StatusNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, failure("read an intent", err)
		}
		return intent, nil
	}
	if a.fresh {
		return nil, nil
	}
	customer, err := c.customer(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	// By list, not by search: that knows an intent only a while after it was made.
	params := &sdk.PaymentIntentListParams{Customer: sdk.String(customer), CreatedRange: &sdk.RangeQueryParams{GreaterThanOrEqual: a.AskedAt.Add(-time.Hour).Unix()}}
	params.Limit = sdk.Int64(100)
	for intent, err := range c.api.V1PaymentIntents.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, failure("list intents", err)
		}
		if about(intent.Metadata) != t || intent.Metadata[metaAttempt] != strconv.Itoa(a.N) {
			continue
		}
		kept, err := c.keep(ctx, t, a, intent.ID)
		if err != nil {
			return nil, err
		}
		if !kept {
			return nil, fmt.Errorf("%w: attempt %d at invoice %d is somebody else's", ErrProvider, a.N, t.Invoice)
		}
		return intent, nil
	}
	return nil, nil
}

// prepare makes the intent of an attempt, by which nothing is charged yet.
func (c *Client) prepare(ctx context.Context, t payments.Target, a attempt) (*sdk.PaymentIntent, error) {
	customer, err := c.customer(ctx, t.Account)
	if err != nil {
		return nil, err
	}
	m := meta(t)
	m[metaAttempt] = strconv.Itoa(a.N)
	params := &sdk.PaymentIntentCreateParams{Amount: sdk.Int64(a.Amount), Currency: sdk.String("chf"), Customer: sdk.String(customer), PaymentMethod: sdk.String(a.Method),
		PaymentMethodTypes: sdk.StringSlice(slicesWithout(c.c.Methods, "twint")), Metadata: m}
	params.SetIdempotencyKey(fmt.Sprintf("inv/%d/charge/%d/prepare", t.Invoice, a.N))
	intent, err := c.api.V1PaymentIntents.Create(ctx, params)
	var e *sdk.Error
	switch {
	case err == nil:
		return intent, nil
	case errors.As(err, &e) && (refused(e) || e.Type == sdk.ErrorTypeIdempotency && e.HTTPStatusCode == http.StatusBadRequest):
		// Of a key that was used for something else, too: whatever it made charges nothing.
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrDeclined, failure("charge", err)), c.answer(ctx, t, a.N, "", "declined", string(e.Code)))
	}
	return nil, failure("charge", err)
}

// confirm has Stripe charge what an intent says. Two at it charge once: an intent can't be
// confirmed again, nor after it was canceled.
func (c *Client) confirm(ctx context.Context, t payments.Target, a attempt, id string) (ended bool, err error) {
	params := &sdk.PaymentIntentConfirmParams{OffSession: sdk.Bool(true)}
	params.SetIdempotencyKey(fmt.Sprintf("inv/%d/charge/%d/confirm", t.Invoice, a.N))
	intent, err := c.api.V1PaymentIntents.Confirm(ctx, id, params)
	if err == nil {
		return true, c.outcome(ctx, intent)
	}
	var e *sdk.Error
	switch {
	case !errors.As(err, &e):
		return false, failure("charge", err)
	case e.Type == sdk.ErrorTypeCard:
		return true, c.declined(ctx, t, a.N, id, e)
	case e.Code == sdk.ErrorCodePaymentIntentUnexpectedState:
		return false, nil // another process was faster; the next round sees how it stands
	case !refused(e):
		return false, failure("charge", err)
	}
	code := string(e.Code)
	return true, errors.Join(fmt.Errorf("%w: %w", ErrDeclined, failure("charge", err)), c.answer(ctx, t, a.N, id, "declined", code), c.cancel(ctx, t, a, id))
}

// cancel ends an intent that isn't what is owed any more. One that Stripe doesn't end, as
// it was paid meanwhile, is booked.
func (c *Client) cancel(ctx context.Context, t payments.Target, a attempt, id string) error {
	_, err := c.api.V1PaymentIntents.Cancel(ctx, id, &sdk.PaymentIntentCancelParams{CancellationReason: sdk.String(abandoned)})
	var e *sdk.Error
	if errors.As(err, &e) && refused(e) {
		return c.lookIntent(ctx, id)
	}
	if err != nil {
		return failure("cancel a charge", err)
	}
	return c.abandon(ctx, t, a, id)
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
	if errors.Is(err, ErrTooSmall) {
		return nil // it isn't reminded of either, so nothing is to be done
	}
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
	case sdk.PaymentIntentStatusCanceled:
		if n > 0 {
			return c.abandon(ctx, t, attempt{N: n}, intent.ID)
		}
	case sdk.PaymentIntentStatusRequiresPaymentMethod:
		if n > 0 && intent.LastPaymentError != nil {
			return c.declined(ctx, t, n, intent.ID, intent.LastPaymentError)
		}
	}
	return nil
}
