package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/migrations"
)

// newBilling wires subscriptions and invoices. It runs with role remind: it stops and
// starts the service of an account, as that role's clerk is the one to obey.
func (a *app) newBilling(log *slog.Logger) *billing.Service {
	s := billing.New(billing.Config{DB: a.pools.owner, Granter: granter{a.credits}, Steward: a.syncer, Couriers: map[string]billing.Courier{}, Now: a.now, Log: log, Lease: a.cfg.LeaseFor})
	post := billing.NewPost(s, billingMailer{a.postman})
	for _, kind := range []string{billing.JobMail, billing.JobDunning, billing.JobNotice} {
		s.Couriers[kind] = post
	}
	return s
}

const (
	demoCalendars = 10                  // the demo clinic's subscription covers
	demoSince     = 40 * 24 * time.Hour // so that one period is over and the next is billed
)

// seedBilling gives the demo clinic a subscription with a paid invoice, and the product a
// seller. Its reminders of payment rest for good: nothing in dev stops for lack of money.
func seedBilling(ctx context.Context, db *sqlx.DB, account int64, now time.Time) error {
	began := now.Add(-demoSince)
	if err := migrations.InAccount(ctx, db, account, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, account); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Seefeldstrasse', '12', '8008', 'Zürich')`, account); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE seller SET name = 'Rappel Demo AG', street = 'Musterweg', house_no = '1', zip = '8000', town = 'Zürich',
			vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012', email = 'rechnung@rappel.example', updated_at = $1 WHERE name = ''`, began)
		return err
	}); err != nil {
		return fmt.Errorf("demo clinic: %w", err)
	}
	s := billing.New(billing.Config{DB: db, Now: func() time.Time { return began }})
	done, err := s.Do(ctx, billing.Command{Account: account, Key: "demo", Actor: billing.System,
		Change: billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: demoCalendars, Paid: true}})
	if err != nil {
		return fmt.Errorf("demo subscription: %w", err)
	}
	if err := migrations.InAccount(ctx, db, account, func(tx *sqlx.Tx) error {
		_, err := s.RecordPaymentTx(ctx, tx, billing.Payment{Account: account, Invoice: done.Documents[0], Provider: "manual", ProviderRef: fmt.Sprintf("demo/%d", account), Amount: done.Due, At: began.Add(time.Hour)})
		return err
	}); err != nil {
		return fmt.Errorf("demo payment: %w", err)
	}
	_, err = s.PauseDunning(ctx, billing.Correction{Account: account, Key: "demo pause", Actor: billing.System, Reason: "the demo never stops"}, billing.NewDate(9999, time.December, 31))
	if err != nil {
		return fmt.Errorf("demo subscription: %w", err)
	}
	return nil
}
