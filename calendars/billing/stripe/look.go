package stripe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// look reads the object of an event as it is now, and acts on it.
func (c *Client) look(ctx context.Context, e event) error {
	switch e.Object.Object {
	case "payment_intent":
		return c.lookIntent(ctx, e.Object.ID)
	case "checkout.session":
		return c.lookPage(ctx, e.Object.ID)
	case "charge":
		if e.Object.PaymentIntent != "" {
			return c.lookCharge(ctx, e.Object.PaymentIntent)
		}
	case "refund":
		return c.lookRefund(ctx, e.Object.ID)
	case "dispute":
		return c.lookDispute(ctx, e.Object.ID)
	case "setup_intent", "payment_method", "customer":
		customer := e.Object.Customer
		if e.Object.Object == "customer" {
			customer = e.Object.ID
		}
		return c.lookMethods(ctx, customer, e.Object.ID)
	}
	return nil // of no concern
}

func (c *Client) lookIntent(ctx context.Context, id string) error {
	intent, err := c.api.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read an intent", err)
	}
	return c.outcome(ctx, intent)
}

func (c *Client) lookPage(ctx context.Context, id string) error {
	s, err := c.api.V1CheckoutSessions.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read a page", err)
	}
	account := about(s.Metadata).Account
	switch {
	case account == 0 || s.Status != sdk.CheckoutSessionStatusComplete:
		return nil
	case s.Mode == sdk.CheckoutSessionModeSetup:
		return c.sync(ctx, account)
	case s.PaymentIntent != nil:
		return c.lookIntent(ctx, s.PaymentIntent.ID)
	}
	return nil
}

// lookMethods brings our list of somebody's methods up to date. A removed method has no
// customer any more, so its name is looked for, too.
func (c *Client) lookMethods(ctx context.Context, customer, method string) error {
	var account int64
	err := c.c.DB.GetContext(ctx, &account, `SELECT account_id FROM provider_customers WHERE provider = 'stripe' AND customer = $1
		UNION SELECT account_id FROM payment_methods WHERE provider = 'stripe' AND method = $2 LIMIT 1`, customer, method)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for a customer: %w", err)
	}
	return c.sync(ctx, account)
}

// lookCharge books what an intent says, and its refunds: not everything that speaks as
// Stripe does sends events of refunds.
func (c *Client) lookCharge(ctx context.Context, intentID string) error {
	if err := c.lookIntent(ctx, intentID); err != nil {
		return err
	}
	return c.lookRefunds(ctx, intentID)
}

// lookRefunds books all refunds of an intent.
func (c *Client) lookRefunds(ctx context.Context, intentID string) error {
	params := &sdk.RefundListParams{PaymentIntent: sdk.String(intentID)}
	params.Limit = sdk.Int64(100)
	for r, err := range c.api.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return failure("list refunds", err)
		}
		if r.PaymentIntent == nil || r.PaymentIntent.ID != intentID {
			continue
		}
		if err := c.refunded(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) lookRefund(ctx context.Context, id string) error {
	r, err := c.api.V1Refunds.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read a refund", err)
	}
	if r.PaymentIntent == nil {
		return nil
	}
	return c.refunded(ctx, r)
}

// refunded books money that went back, and that came again as it couldn't be refunded. One
// that was made here is in the books before, under the key it was made with.
func (c *Client) refunded(ctx context.Context, r *sdk.Refund) error {
	key := r.Metadata[metaRefund]
	switch r.Status {
	case sdk.RefundStatusSucceeded:
		if key != "" {
			return nil
		}
		return c.takeBack(ctx, r.PaymentIntent.ID, payments.TakenBack{Ref: r.ID, Rappen: r.Amount})
	case sdk.RefundStatusFailed, sdk.RefundStatusCanceled:
		if key == "" {
			key = r.ID
		}
		return c.cameAgain(ctx, r.PaymentIntent.ID, key, r.ID+"/failed")
	}
	return nil // on its way
}

// lookDispute books money that was taken from us, and that came back when we won.
func (c *Client) lookDispute(ctx context.Context, id string) error {
	d, err := c.api.V1Disputes.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read a dispute", err)
	}
	if d.PaymentIntent == nil {
		return nil
	}
	taken, back := false, false
	for _, b := range d.BalanceTransactions {
		taken, back = taken || b.Amount < 0, back || b.Amount > 0
	}
	if !taken {
		return nil // only asked so far
	}
	// What was refunded before is not the dispute's, whichever word comes first.
	if err := c.lookRefunds(ctx, d.PaymentIntent.ID); err != nil {
		return err
	}
	if err := c.takeBack(ctx, d.PaymentIntent.ID, payments.TakenBack{Ref: d.ID, Rappen: d.Amount, AtMost: true}); err != nil || !back {
		return err
	}
	return c.cameAgain(ctx, d.PaymentIntent.ID, d.ID, d.ID+"/won")
}

// cameAgain books that money is back which had gone out under a reference of ours. What
// isn't in the books never went.
func (c *Client) cameAgain(ctx context.Context, intentID, gone, ref string) error {
	intent, err := c.api.V1PaymentIntents.Retrieve(ctx, intentID, nil)
	if err != nil {
		return failure("read an intent", err)
	}
	t := about(intent.Metadata)
	if t.Account == 0 {
		return nil
	}
	var rappen int64
	err = c.c.DB.GetContext(ctx, &rappen, `SELECT p.amount FROM payments p WHERE p.account_id = $1 AND p.provider = 'stripe' AND p.provider_ref = $2 AND p.kind IN ('refund', 'reversal')`, t.Account, gone)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for money that went back: %w", err)
	}
	return c.c.Desk.Receive(ctx, payments.Receipt{Target: t, Provider: provider, Ref: ref, Rappen: rappen, At: c.c.Now()})
}

// takeBack undoes the payment an intent made, as far as back says. The payment is booked
// first: the word of it may come later than that of its end.
func (c *Client) takeBack(ctx context.Context, intentID string, back payments.TakenBack) error {
	intent, err := c.api.V1PaymentIntents.Retrieve(ctx, intentID, nil)
	if err != nil {
		return failure("read an intent", err)
	}
	t := about(intent.Metadata)
	if t.Account == 0 {
		return nil
	}
	if err := c.outcome(ctx, intent); err != nil {
		return err
	}
	back.Account, back.Provider, back.Of, back.At = t.Account, provider, intentID, c.c.Now()
	return migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error { return c.c.Desk.TakeBackTx(ctx, tx, back) })
}

// Refund sends money of a payment back. key names the refund in our books, where it must
// be entered before: the same key refunds once.
func (c *Client) Refund(ctx context.Context, intent string, rappen int64, key string) error {
	params := &sdk.RefundCreateParams{PaymentIntent: sdk.String(intent), Amount: sdk.Int64(rappen), Metadata: map[string]string{metaRefund: key}}
	params.SetIdempotencyKey("refund/" + key)
	if _, err := c.api.V1Refunds.Create(ctx, params); err != nil {
		return failure("refund", err)
	}
	return nil
}
