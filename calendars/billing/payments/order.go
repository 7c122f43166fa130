package payments

import (
	"fmt"
	"time"

	"rappel/calendars/billing/qrbill"
)

// Status of an order.
type Status string

// Statuses of orders.
const (
	Offered   Status = "offered"
	Signed    Status = "signed"    // handed over, its invoice is open
	Paid      Status = "paid"      // in full, but couldn't be handed over yet
	Fulfilled Status = "fulfilled" // handed over and paid
	Expired   Status = "expired"
)

// Method is how an order is to be paid.
type Method string

// Methods of payment.
const (
	Bank   Method = "bank"
	Stripe Method = "stripe"
)

// Order is a package somebody asked for.
type Order struct {
	Account     int64      `db:"account_id"`
	ID          int64      `db:"id"`
	Key         string     `db:"key"`
	Package     int64      `db:"package_id"`
	SMS         int64      `db:"sms"`
	Net         int64      `db:"net"`   // Rappen, before tax
	Total       int64      `db:"total"` // with tax, as of the day it was offered
	Method      Method     `db:"method"`
	Status      Status     `db:"status"`
	Reference   string     `db:"qr_reference"` // "" where the seller has no account yet
	OfferedOn   time.Time  `db:"offered_on"`   // a day, midnight UTC
	ValidTo     time.Time  `db:"valid_to"`     // the last day, midnight UTC
	Checkout    string     `db:"checkout"`     // the provider's page, "" = none yet
	Invoice     int64      `db:"invoice_id"`   // 0 = none yet
	Problem     string     `db:"problem"`
	OrderedBy   string     `db:"ordered_by"`
	OrderedAt   time.Time  `db:"ordered_at"`
	SignedAt    *time.Time `db:"signed_at"`
	PaidAt      *time.Time `db:"paid_at"`
	FulfilledAt *time.Time `db:"fulfilled_at"`
}

// Ref names an order.
type Ref struct{ Account, Order int64 }

// Ref is the order's name.
func (o Order) Ref() Ref { return Ref{o.Account, o.ID} }

// Number is the order's as printed, such as B-17.
func (o Order) Number() string { return fmt.Sprintf("B-%d", o.ID) }

// Booked is the key the order's credit and invoice are booked under.
func (r Ref) Booked() string { return fmt.Sprintf("order/%d", r.Order) }

// firstDocument is where the documents of orders begin in references; those of invoices
// are below.
const firstDocument = 900_000_000_000

// reference is what money for an order comes under, "" where the seller has no account.
func reference(r Ref, p parties) (string, error) {
	if p.seller.IBAN == "" {
		return "", nil
	}
	bank, err := p.bank()
	if err != nil {
		return "", err
	}
	return qrbill.Body{Bank: bank, Account: r.Account, Document: firstDocument + r.Order}.For(p.seller.IBAN)
}

const orderColumns = `o.account_id, o.id, o.key, o.package_id, o.sms, o.net, o.total, o.method, o.status, o.qr_reference, o.offered_on, o.valid_to,
	o.checkout, COALESCE(o.invoice_id, 0) AS invoice_id, o.problem, o.ordered_by, o.ordered_at, o.signed_at, o.paid_at, o.fulfilled_at`
