package stripe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing/payments"
)

// customer returns Stripe's name of an account, made on first use. Two at once get the
// same, by the idempotency key.
func (c *Client) customer(ctx context.Context, account int64) (string, error) {
	var id string
	err := c.c.DB.GetContext(ctx, &id, `SELECT p.customer FROM provider_customers p WHERE p.account_id = $1 AND p.provider = 'stripe'`, account)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return id, wrap("read the customer", err)
	}
	var name string
	if err := c.c.DB.GetContext(ctx, &name, `SELECT a.business FROM accounts a WHERE a.account_id = $1`, account); err != nil {
		return "", fmt.Errorf("read account %d: %w", account, err)
	}
	params := &sdk.CustomerCreateParams{Name: sdk.String(name), Metadata: meta(payments.Target{Account: account})}
	params.SetIdempotencyKey(fmt.Sprintf("customer/%d", account))
	made, err := c.api.V1Customers.Create(ctx, params)
	if err != nil {
		return "", failure("make a customer", err)
	}
	if _, err := c.c.DB.ExecContext(ctx, `INSERT INTO provider_customers (account_id, provider, customer, created_at) VALUES ($1, 'stripe', $2, $3) ON CONFLICT DO NOTHING`,
		account, made.ID, c.c.Now()); err != nil {
		return "", fmt.Errorf("keep the customer of account %d: %w", account, err)
	}
	err = c.c.DB.GetContext(ctx, &id, `SELECT p.customer FROM provider_customers p WHERE p.account_id = $1 AND p.provider = 'stripe'`, account)
	return id, wrap("read the customer", err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
