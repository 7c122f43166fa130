package stripe

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing"
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
	_, err := c.lookRefunds(ctx, intentID)
	return err
}

func (c *Client) lookRefund(ctx context.Context, id string) error {
	r, err := c.api.V1Refunds.Retrieve(ctx, id, nil)
	if err != nil {
		return failure("read a refund", err)
	}
	if r.PaymentIntent == nil {
		return nil
	}
	_, err = c.lookRefunds(ctx, r.PaymentIntent.ID)
	return err
}

// refunds are those of one payment.
type refunds struct {
	gone int64    // what they send back, in Rappen, without those that failed
	from []string // what more goes back is taken of: the payment, then what of it came again
}

// lookRefunds books all refunds of an intent.
func (c *Client) lookRefunds(ctx context.Context, intentID string) (refunds, error) {
	sum := refunds{from: []string{intentID}}
	params := &sdk.RefundListParams{PaymentIntent: sdk.String(intentID)}
	params.Limit = sdk.Int64(100)
	var failed, good []*sdk.Refund
	for r, err := range c.api.V1Refunds.List(ctx, params).All(ctx) {
		switch {
		case err != nil:
			return sum, failure("list refunds", err)
		case r.PaymentIntent == nil || r.PaymentIntent.ID != intentID:
		case r.Status == sdk.RefundStatusFailed || r.Status == sdk.RefundStatusCanceled:
			failed, sum.from = append(failed, r), append(sum.from, r.ID+"/failed")
		default:
			good, sum.gone = append(good, r), sum.gone+r.Amount
		}
	}
	if len(failed)+len(good) == 0 {
		return sum, nil
	}
	t, err := c.booked(ctx, intentID)
	if err != nil || t.Account == 0 {
		return sum, err
	}
	// A refund made here is in the books before, under the key it was made with. What couldn't
	// be refunded comes again before it goes once more.
	var errs []error
	for _, r := range failed {
		errs = append(errs, c.cameAgain(ctx, t, cmp.Or(r.Metadata[metaRefund], r.ID), r.ID+"/failed"))
	}
	for _, r := range good {
		if r.Metadata[metaRefund] == "" && r.Status == sdk.RefundStatusSucceeded {
			errs = append(errs, c.takeBack(ctx, t.Account, takenBack{ref: r.ID, rappen: r.Amount, from: sum.from}))
		}
	}
	return sum, errors.Join(errs...)
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
	t, err := c.booked(ctx, d.PaymentIntent.ID)
	if err != nil || t.Account == 0 {
		return err
	}
	// What was refunded before is not the dispute's, whichever word comes first.
	sum, err := c.lookRefunds(ctx, d.PaymentIntent.ID)
	if err != nil {
		return err
	}
	if err := c.takeBack(ctx, t.Account, takenBack{ref: d.ID, rappen: d.Amount, from: sum.from, short: sum.gone}); err != nil || !back {
		return err
	}
	return c.cameAgain(ctx, t, d.ID, d.ID+"/won")
}

// wentBack is what went out under a reference of ours, in Rappen; 0 where that isn't in the
// books. What was taken of several payments has a reference below that for each.
func wentBack(ctx context.Context, q sqlx.QueryerContext, account int64, ref string) (rappen int64, err error) {
	if err := sqlx.GetContext(ctx, q, &rappen, `SELECT CAST(COALESCE(sum(p.amount), 0) AS bigint) FROM payments p WHERE p.account_id = $1 AND p.provider = 'stripe'
		AND (p.provider_ref = $2 OR starts_with(p.provider_ref, $2 || '/')) AND p.kind IN ('refund', 'reversal')`, account, ref); err != nil {
		return 0, fmt.Errorf("look for money that went back: %w", err)
	}
	return rappen, nil
}

// cameAgain books that money is back which had gone out under a reference of ours. What
// isn't in the books never went.
func (c *Client) cameAgain(ctx context.Context, t payments.Target, gone, ref string) error {
	rappen, err := wentBack(ctx, c.c.DB, t.Account, gone)
	if err != nil || rappen == 0 {
		return err
	}
	return c.c.Desk.Receive(ctx, payments.Receipt{Target: t, Provider: provider, Ref: ref, Rappen: rappen, At: c.c.Now()})
}

// booked books what an intent says and returns what that is for, nothing where it isn't
// ours: the word of a payment may come later than that of its end.
func (c *Client) booked(ctx context.Context, intentID string) (t payments.Target, err error) {
	intent, err := c.api.V1PaymentIntents.Retrieve(ctx, intentID, nil)
	if err != nil {
		return t, failure("read an intent", err)
	}
	return about(intent.Metadata), c.outcome(ctx, intent)
}

// takenBack is money that went back.
type takenBack struct {
	ref    string
	rappen int64
	from   []string // the payments it is taken of, in their order
	short  int64    // less than rappen may be left of them, by so much
}

// takeBack books money that went back, each time the same once. It fails with
// [billing.ErrAmount] where too little is left of what it is taken of, or nothing.
func (c *Client) takeBack(ctx context.Context, account int64, b takenBack) error {
	return migrations.InTx(ctx, c.c.DB, func(tx *sqlx.Tx) error {
		var went int64
		for i, of := range b.from {
			ref := b.ref
			if i > 0 {
				ref += "/" + of
			}
			failed, err := migrations.Attempt(ctx, tx, func() error {
				return c.c.Desk.TakeBackTx(ctx, tx, payments.TakenBack{Account: account, Provider: provider, Of: of, Ref: ref, Rappen: b.rappen - went, AtMost: true, At: c.c.Now()})
			})
			if err != nil {
				return err
			}
			if failed != nil && !errors.Is(failed, billing.ErrState) && !errors.Is(failed, billing.ErrAmount) && !errors.Is(failed, billing.ErrUnknown) {
				return failed // else nothing is left of it
			}
			if went, err = wentBack(ctx, tx, account, b.ref); err != nil || went >= b.rappen {
				return err
			}
		}
		if went == 0 || b.rappen-went > b.short {
			return fmt.Errorf("%w: %s of %s is of no payment", billing.ErrAmount, billing.CHF(b.rappen-went), b.ref)
		}
		return nil
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
