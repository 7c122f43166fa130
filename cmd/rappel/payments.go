package main

import (
	"log/slog"
	"net/http"
	"path/filepath"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	paystandin "rappel/calendars/billing/standin"
	"rappel/calendars/billing/stripe"
)

// money is how payments come in: orders, the bank, and Stripe where it is set up.
type money struct {
	desk   *payments.Desk
	bank   *bank.Importer
	stripe *stripe.Client // nil without RAPPEL_STRIPE_KEY
}

// newMoney wires the ways money takes over the books. Its jobs run with role remind, as
// those of billing do; the web takes Stripe's events.
//
// Where Stripe is set up it charges finalised invoices; elsewhere clinics pay by the slip.
func (a *app) newMoney(granter billing.Granter, log *slog.Logger) (m money, err error) {
	m.desk = payments.NewDesk(payments.Config{DB: a.pools.owner, Billing: a.billing, Granter: granter, Now: a.now, Log: log})
	m.bank = bank.New(bank.Config{DB: a.pools.owner, Desk: m.desk, Now: a.now, Log: log})
	if a.cfg.StripeKey == "" {
		return m, nil
	}
	m.stripe, err = stripe.New(stripe.Config{DB: a.pools.owner, Desk: m.desk, Key: a.cfg.StripeKey, Secret: a.cfg.StripeWebhookSecret, APIURL: a.cfg.StripeAPIURL,
		BaseURL: a.cfg.BaseURL, Now: a.now, Log: log})
	if err != nil {
		return m, err
	}
	a.billing.Couriers[billing.JobCharge] = m.stripe
	return m, nil
}

// hook takes Stripe's events; nil where Stripe isn't set up.
func (m money) hook() http.Handler {
	if m.stripe == nil {
		return nil
	}
	return m.stripe
}

// services are the jobs of payments.
func (m money) services() []service {
	if m.stripe == nil {
		return nil
	}
	return []service{{"stripe", m.stripe.Run}}
}

// devStripe is the stand-in for Stripe of `rappel dev`, and what it asks of cfg. It is
// served at base, its pages below /stripe; its events go to the product.
func devStripe(c devCmd, cfg *Config, dir, base string, log *slog.Logger) (*paystandin.World, error) {
	cfg.StripeKey, cfg.StripeWebhookSecret, cfg.StripeAPIURL = "sk_test_rappel_dev", "whsec_rappel_dev", base
	return paystandin.New(paystandin.Options{Now: c.now, Key: cfg.StripeKey, Secret: cfg.StripeWebhookSecret, Base: base + "/stripe",
		Webhook: "http://" + cfg.Listen + "/hooks/stripe", StateFile: filepath.Join(dir, "stripe.json"), Log: log})
}
