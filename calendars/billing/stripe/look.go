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
			return c.lookIntent(ctx, e.Object.PaymentIntent)
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

// lookRefund books money that went back. One that was made here is in the books already,
// under the key it was made with.
func (c *Client) lookRefund(ctx context.Context, id string) error {
	r, err := c.api.V1Refunds.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read a refund", err)
	}
	if r.PaymentIntent == nil || r.Status != sdk.RefundStatusSucceeded || r.Metadata[metaRefund] != "" {
		return nil
	}
	return c.takeBack(ctx, r.PaymentIntent.ID, r.ID, r.Amount)
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
	if err := c.takeBack(ctx, d.PaymentIntent.ID, d.ID, d.Amount); err != nil || !back {
		return err
	}
	intent, err := c.api.V1PaymentIntents.Retrieve(ctx, d.PaymentIntent.ID, nil)
	if err != nil {
		return failure("read an intent", err)
	}
	t := about(intent.Metadata)
	if t.Account == 0 {
		return nil
	}
	return c.c.Desk.Receive(ctx, payments.Receipt{Target: t, Provider: provider, Ref: d.ID + "/won", Rappen: d.Amount, At: c.c.Now()})
}

// takeBack undoes the payment an intent made. The payment is booked first: the word of
// it may come later than that of its end.
func (c *Client) takeBack(ctx context.Context, intentID, ref string, rappen int64) error {
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
	if rappen != intent.AmountReceived {
		return ErrPartial
	}
	return migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error {
		return c.c.Desk.TakeBackTx(ctx, tx, payments.TakenBack{Account: t.Account, Provider: provider, Of: intentID, Ref: ref, At: c.c.Now()})
	})
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
