package web

import (
	"context"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

// Books are what the billing admin's pages change, each by its owner's rights: what they
// show is read as rappel_operator, and the services write. Card is nil without a payment
// service.
type Books struct {
	Billing *billing.Service
	Desk    *payments.Desk
	Bank    *bank.Importer
	Credits *credits.Credits
	Card    CardDesk
}

// CardDesk is the payment service. It fails with ErrCashier where that doesn't answer.
type CardDesk interface {
	// ChargeInvoice charges what is open of an invoice to the account's stored method. It
	// fails with ErrNoMethod and ErrDeclined, too.
	ChargeInvoice(ctx context.Context, t payments.Target) error
	// Refund sends money of a payment back. key names the refund in the books.
	Refund(ctx context.Context, intent string, rappen int64, key string) error
	// Retry has an event that failed worked on again. It fails with ErrNoEvent, too.
	Retry(ctx context.Context, event string) error
}
