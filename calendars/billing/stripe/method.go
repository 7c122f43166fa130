package stripe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/migrations"
)

// Method is a stored means of payment.
type Method struct {
	ID       int64  `db:"id"`
	Name     string `db:"method"`   // Stripe's
	Kind     string `db:"kind"`     // card, paypal …
	Label    string `db:"label"`    // Visa •••• 4242
	Expires  string `db:"expires"`  // 2027-08, "" = never
	Standard bool   `db:"standard"` // invoices are charged to it
}

// Methods lists what an account has stored, the standard one first. q is a pool or
// transaction that sees the account.
func Methods(ctx context.Context, q sqlx.QueryerContext, account int64) (all []Method, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT m.id, m.method, m.kind, m.label, m.expires, m.standard FROM payment_methods m
		WHERE m.account_id = $1 AND m.removed_at IS NULL ORDER BY m.standard DESC, m.id`, account); err != nil {
		return nil, fmt.Errorf("list the means of payment of account %d: %w", account, err)
	}
	return all, nil
}

// standard is the method invoices are charged to. It fails with [ErrNoMethod].
func standard(ctx context.Context, q sqlx.QueryerContext, account int64) (m Method, err error) {
	err = sqlx.GetContext(ctx, q, &m, `SELECT m.id, m.method, m.kind, m.label, m.expires, m.standard FROM payment_methods m
		WHERE m.account_id = $1 AND m.standard AND m.removed_at IS NULL`, account)
	if errors.Is(err, sql.ErrNoRows) {
		return m, ErrNoMethod
	}
	return m, wrap("read the means of payment", err)
}

// SetStandard has invoices charged to a stored method from now on. It fails with
// [ErrNoMethod] when the account has no such method.
func (c *Client) SetStandard(ctx context.Context, account, method int64) error {
	return migrations.InAccount(ctx, c.c.DB, account, func(tx *sqlx.Tx) error { // by whom is written down
		if err := lockMethods(ctx, tx, account); err != nil {
			return err
		}
		var there bool
		if err := tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT 1 FROM payment_methods m WHERE m.account_id = $1 AND m.id = $2 AND m.removed_at IS NULL)`, account, method); err != nil {
			return fmt.Errorf("look for a means of payment: %w", err)
		}
		if !there {
			return ErrNoMethod
		}
		return makeStandard(ctx, tx, account, method)
	})
}

// makeStandard goes in two steps, as at most one may be it at any moment.
func makeStandard(ctx context.Context, tx *sqlx.Tx, account, method int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE payment_methods SET standard = false WHERE account_id = $1 AND standard AND id <> $2`, account, method); err != nil {
		return fmt.Errorf("change the standard: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE payment_methods SET standard = true WHERE account_id = $1 AND id = $2 AND NOT standard`, account, method); err != nil {
		return fmt.Errorf("change the standard: %w", err)
	}
	return nil
}

// lockMethods lets one at a time change an account's methods.
func lockMethods(ctx context.Context, tx *sqlx.Tx, account int64) error {
	var customer string
	err := tx.GetContext(ctx, &customer, `SELECT p.customer FROM provider_customers p WHERE p.account_id = $1 AND p.provider = 'stripe' FOR UPDATE`, account)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoMethod
	}
	return wrap("lock the customer", err)
}

// Remove takes a method away, at Stripe first.
func (c *Client) Remove(ctx context.Context, account, method int64) error {
	all, err := Methods(ctx, c.c.DB, account)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.ID != method {
			continue
		}
		if _, err := c.api.V1PaymentMethods.Detach(ctx, m.Name, nil); err != nil {
			var e *sdk.Error
			if !errors.As(err, &e) || e.HTTPStatusCode < 400 || e.HTTPStatusCode >= 500 {
				return failure("remove a method", err)
			} // it is gone there already
		}
		return c.sync(ctx, account)
	}
	return ErrNoMethod
}

// sync makes our list of an account's methods the same as Stripe's. The first one becomes
// the standard, and when the standard goes the oldest left takes its place. What follows
// from an event, which names nobody, is written down as Stripe's.
func (c *Client) sync(ctx context.Context, account int64) error {
	customer, err := c.customer(ctx, account)
	if err != nil {
		return err
	}
	var there []*sdk.PaymentMethod
	params := &sdk.CustomerListPaymentMethodsParams{Customer: sdk.String(customer)}
	params.Limit = sdk.Int64(100)
	for m, err := range c.api.V1Customers.ListPaymentMethods(ctx, params).All(ctx) {
		if err != nil {
			return failure("list methods", err)
		}
		there = append(there, m)
	}
	now := c.c.Now()
	if _, known := migrations.ActorOf(ctx); !known {
		ctx = migrations.WithActor(ctx, migrations.Actor{Kind: "system", Name: "Stripe", At: now})
	}
	return migrations.InAccount(ctx, c.c.DB, account, func(tx *sqlx.Tx) error { // by whom is written down
		if err := lockMethods(ctx, tx, account); err != nil {
			return err
		}
		names := []string{}
		for _, m := range there {
			names = append(names, m.ID)
			if _, err := tx.ExecContext(ctx, `INSERT INTO payment_methods AS p (account_id, provider, method, kind, label, expires, standard, created_at)
				VALUES ($1, 'stripe', $2, $3, $4, $5, false, $6)
				ON CONFLICT (account_id, provider, method) DO UPDATE SET label = EXCLUDED.label, expires = EXCLUDED.expires, removed_at = NULL`,
				account, m.ID, string(m.Type), label(m), expires(m), time.Unix(m.Created, 0).UTC()); err != nil {
				return fmt.Errorf("keep a means of payment of account %d: %w", account, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE payment_methods SET removed_at = $3, standard = false WHERE account_id = $1 AND provider = 'stripe' AND removed_at IS NULL AND NOT method = ANY ($2)`,
			account, pq.Array(names), now); err != nil {
			return fmt.Errorf("take means of payment away: %w", err)
		}
		var heir int64
		err := tx.GetContext(ctx, &heir, `SELECT m.id FROM payment_methods m WHERE m.account_id = $1 AND m.removed_at IS NULL ORDER BY m.standard DESC, m.created_at, m.id LIMIT 1`, account)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return fmt.Errorf("choose the standard: %w", err)
		}
		return makeStandard(ctx, tx, account, heir)
	})
}

func label(m *sdk.PaymentMethod) string {
	switch {
	case m.Card != nil:
		brand := string(m.Card.Brand)
		if brand != "" {
			brand = strings.ToUpper(brand[:1]) + brand[1:]
		}
		return strings.TrimSpace(brand + " •••• " + m.Card.Last4)
	case m.Paypal != nil:
		return "PayPal"
	}
	return string(m.Type)
}

func expires(m *sdk.PaymentMethod) string {
	if m.Card == nil || m.Card.ExpYear < 2000 || m.Card.ExpYear > 9999 || m.Card.ExpMonth < 1 || m.Card.ExpMonth > 12 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d", m.Card.ExpYear, m.Card.ExpMonth)
}
