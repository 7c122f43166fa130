package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/stripe"
	"rappel/web"
)

// stripeOrigin is where Stripe's own pages are.
const stripeOrigin = "https://checkout.stripe.com"

// cashier leads the web to Stripe's pages. It implements web.Cashier.
type cashier struct {
	stripe *stripe.Client
	db     *sqlx.DB
	origin string
}

// cashier is what the web pays with; nil where Stripe isn't set up. Pages of a stand-in
// are where its API is.
func (m money) cashier(db *sqlx.DB, api string) web.Cashier {
	if m.stripe == nil {
		return nil
	}
	c := cashier{m.stripe, db, stripeOrigin}
	if u, err := url.Parse(api); err == nil && u.Host != "" {
		c.origin = u.Scheme + "://" + u.Host
	}
	return c
}

// Origin implements web.Cashier.
func (c cashier) Origin() string { return c.origin }

// PayOrder implements web.Cashier.
func (c cashier) PayOrder(ctx context.Context, r payments.Ref, back web.Return) (string, error) {
	to, err := c.stripe.PayOrder(ctx, r, stripe.Back(back))
	return to, cashierError(err)
}

// PayInvoice implements web.Cashier.
func (c cashier) PayInvoice(ctx context.Context, t payments.Target, key string, back web.Return) (string, error) {
	to, err := c.stripe.PayInvoice(ctx, t, key, stripe.Back(back))
	return to, cashierError(err)
}

// StoreMethod implements web.Cashier.
func (c cashier) StoreMethod(ctx context.Context, account int64, key string, back web.Return) (string, error) {
	to, err := c.stripe.StoreMethod(ctx, account, key, stripe.Back(back))
	return to, cashierError(err)
}

// Methods implements web.Cashier.
func (c cashier) Methods(ctx context.Context, account int64) (all []web.Means, err error) {
	stored, err := stripe.Methods(ctx, c.db, account)
	if err != nil {
		return nil, err
	}
	for _, m := range stored {
		all = append(all, web.Means{ID: m.ID, Label: m.Label, Expires: m.Expires, Standard: m.Standard})
	}
	return all, nil
}

// SetStandard implements web.Cashier.
func (c cashier) SetStandard(ctx context.Context, account, method int64) error {
	return cashierError(c.stripe.SetStandard(ctx, account, method))
}

// Remove implements web.Cashier.
func (c cashier) Remove(ctx context.Context, account, method int64) error {
	return cashierError(c.stripe.Remove(ctx, account, method))
}

// cashierError says in the web's words what Stripe's client answers.
func cashierError(err error) error {
	for from, to := range map[error]error{stripe.ErrNothing: web.ErrPaid, stripe.ErrTooSmall: web.ErrTooSmall, stripe.ErrNoMethod: web.ErrNoMethod, stripe.ErrProvider: web.ErrCashier} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}
