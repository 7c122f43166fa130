package stripe

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing"
	"rappel/calendars/billing/paper"
	"rappel/calendars/billing/payments"
)

// maxTwint is the most TWINT takes at once, in Rappen.
const maxTwint = 500_000

// Back is where a page of Stripe's leads to when it is done with: paths of the product,
// such as /billing/credits.
type Back struct{ Done, Cancel string }

// PayOrder returns the address of the page on which an order is paid. While that page is
// open it is the same one. It fails with [payments.ErrNoOrder], [payments.ErrState] when
// the order isn't to be paid like this any more, or [ErrProvider].
func (c *Client) PayOrder(ctx context.Context, r payments.Ref, back Back) (address string, err error) {
	o, err := payments.ByRef(ctx, c.c.DB, r)
	if err != nil {
		return "", err
	}
	if o.Status != payments.Offered || o.Method != payments.Stripe {
		return "", payments.ErrState
	}
	after := "first"
	if o.Checkout != "" {
		s, err := c.api.V1CheckoutSessions.Retrieve(ctx, o.Checkout, nil)
		if err != nil {
			return "", failure("read a page", err)
		}
		if s.Status == sdk.CheckoutSessionStatusOpen {
			return s.URL, nil
		}
		if s.Status == sdk.CheckoutSessionStatusComplete {
			return "", payments.ErrState // paid; its event is on the way
		}
		after = o.Checkout
	}
	var language string
	if err := c.c.DB.GetContext(ctx, &language, `SELECT a.language FROM accounts a WHERE a.account_id = $1`, r.Account); err != nil {
		return "", fmt.Errorf("read account %d: %w", r.Account, err)
	}
	s, err := c.page(ctx, pageFor{target: payments.Target{Account: o.Account, Order: o.ID}, what: paper.PackageText(language, o.SMS), rappen: o.Total, language: language,
		reference: fmt.Sprintf("order/%d/%d", o.Account, o.ID), key: fmt.Sprintf("order/%d/%d/after/%s", o.Account, o.ID, after), back: back})
	if err != nil {
		return "", err
	}
	if _, err := c.c.DB.ExecContext(ctx, `UPDATE orders SET checkout = $3 WHERE account_id = $1 AND id = $2`, r.Account, r.Order, s.ID); err != nil {
		return "", fmt.Errorf("keep the page of order %d: %w", r.Order, err)
	}
	return s.URL, nil
}

// PayInvoice returns the address of a page on which what is open of an invoice is paid.
// key is the caller's, such as that of the form: the same key leads to the same page for a
// day. It fails with [ErrNothing] when nothing is open, [ErrTooSmall] when too little is, or [ErrProvider].
func (c *Client) PayInvoice(ctx context.Context, t payments.Target, key string, back Back) (address string, err error) {
	open, number, err := c.c.Desk.OpenOf(ctx, t.Account, t.Invoice)
	if err != nil {
		return "", err
	}
	if open <= 0 {
		return "", ErrNothing
	}
	if open < billing.SmallestDebt {
		return "", ErrTooSmall
	}
	var language string
	if err := c.c.DB.GetContext(ctx, &language, `SELECT a.language FROM accounts a WHERE a.account_id = $1`, t.Account); err != nil {
		return "", fmt.Errorf("read account %d: %w", t.Account, err)
	}
	s, err := c.page(ctx, pageFor{target: payments.Target{Account: t.Account, Invoice: t.Invoice}, what: "Rappel " + number, rappen: open, language: language,
		reference: fmt.Sprintf("inv/%d/%d", t.Account, t.Invoice), key: fmt.Sprintf("inv/%d/page/%d/%s", t.Invoice, open, key), back: back})
	if err != nil {
		return "", err
	}
	return s.URL, nil
}

type pageFor struct {
	target                         payments.Target
	what, language, reference, key string
	rappen                         int64
	back                           Back
}

// page makes a checkout that takes money.
func (c *Client) page(ctx context.Context, p pageFor) (*sdk.CheckoutSession, error) {
	customer, err := c.customer(ctx, p.target.Account)
	if err != nil {
		return nil, err
	}
	methods := slices.Clone(c.c.Methods)
	if p.rappen > maxTwint {
		methods = slices.DeleteFunc(methods, func(m string) bool { return m == "twint" })
	}
	params := &sdk.CheckoutSessionCreateParams{
		Mode: sdk.String("payment"), Customer: sdk.String(customer), ClientReferenceID: sdk.String(p.reference), Metadata: meta(p.target),
		SuccessURL: sdk.String(c.c.BaseURL + p.back.Done), CancelURL: sdk.String(c.c.BaseURL + p.back.Cancel), Locale: sdk.String(locale(p.language)),
		PaymentMethodTypes: sdk.StringSlice(methods),
		LineItems: []*sdk.CheckoutSessionCreateLineItemParams{{Quantity: sdk.Int64(1), PriceData: &sdk.CheckoutSessionCreateLineItemPriceDataParams{
			Currency: sdk.String("chf"), UnitAmount: sdk.Int64(p.rappen),
			ProductData: &sdk.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: sdk.String(p.what)}}}},
		PaymentIntentData: &sdk.CheckoutSessionCreatePaymentIntentDataParams{Metadata: meta(p.target), Description: sdk.String(p.what)},
	}
	params.SetIdempotencyKey(p.key)
	s, err := c.api.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return nil, failure("make a page", err)
	}
	return s, nil
}

// StoreMethod returns the address of a page on which somebody leaves a means of payment.
// key is the caller's, as in PayInvoice.
func (c *Client) StoreMethod(ctx context.Context, account int64, key string, back Back) (address string, err error) {
	customer, err := c.customer(ctx, account)
	if err != nil {
		return "", err
	}
	// TWINT can't be charged again without its holder.
	methods := slices.DeleteFunc(slices.Clone(c.c.Methods), func(m string) bool { return m == "twint" })
	m := meta(payments.Target{Account: account})
	params := &sdk.CheckoutSessionCreateParams{
		Mode: sdk.String("setup"), Currency: sdk.String("chf"), Customer: sdk.String(customer), ClientReferenceID: sdk.String("account/" + strconv.FormatInt(account, 10)), Metadata: m,
		SuccessURL: sdk.String(c.c.BaseURL + back.Done), CancelURL: sdk.String(c.c.BaseURL + back.Cancel), PaymentMethodTypes: sdk.StringSlice(methods),
		SetupIntentData: &sdk.CheckoutSessionCreateSetupIntentDataParams{Metadata: m},
	}
	params.SetIdempotencyKey(fmt.Sprintf("setup/%d/%s", account, key))
	s, err := c.api.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return "", failure("make a page", err)
	}
	return s.URL, nil
}

// Portal returns the address of the page on which cards are replaced and removed.
func (c *Client) Portal(ctx context.Context, account int64, back Back) (address string, err error) {
	customer, err := c.customer(ctx, account)
	if err != nil {
		return "", err
	}
	s, err := c.api.V1BillingPortalSessions.Create(ctx, &sdk.BillingPortalSessionCreateParams{Customer: sdk.String(customer), ReturnURL: sdk.String(c.c.BaseURL + back.Done),
		FlowData: &sdk.BillingPortalSessionCreateFlowDataParams{Type: sdk.String("payment_method_update")}})
	if err != nil {
		return "", failure("make a portal", err)
	}
	return s.URL, nil
}

func locale(language string) string {
	if slices.Contains([]string{"de", "fr", "it", "en"}, language) {
		return language
	}
	return "auto"
}
