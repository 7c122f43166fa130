package main

import (
	"context"
	"errors"
	"fmt"

	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/stripe"
	"rappel/web"
)

// books are what the billing admin's pages change.
func (a *app) books() *web.Books {
	b := &web.Books{Billing: a.billing, Desk: a.money.desk, Bank: a.money.bank, Credits: a.credits}
	if a.money.stripe != nil {
		b.Card = cardDesk{a.money.stripe}
	}
	return b
}

// cardDesk says in the web's words what Stripe's client answers. It implements
// web.CardDesk.
type cardDesk struct{ stripe *stripe.Client }

// ChargeInvoice implements web.CardDesk.
func (d cardDesk) ChargeInvoice(ctx context.Context, t payments.Target) error {
	return deskError(d.stripe.ChargeInvoice(ctx, t))
}

// Refund implements web.CardDesk.
func (d cardDesk) Refund(ctx context.Context, intent string, rappen int64, key string) error {
	return deskError(d.stripe.Refund(ctx, intent, rappen, key))
}

// Retry implements web.CardDesk.
func (d cardDesk) Retry(ctx context.Context, event string) error {
	return deskError(d.stripe.Retry(ctx, event))
}

// deskError is cashierError with what only an operator meets. A decline is one whatever
// else Stripe said with it, so it is looked for first.
func deskError(err error) error {
	for from, to := range map[error]error{stripe.ErrDeclined: web.ErrDeclined, stripe.ErrAction: web.ErrDeclined, stripe.ErrNoEvent: web.ErrNoEvent} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return cashierError(err)
}
