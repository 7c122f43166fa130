package payments

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
)

// Sale is a package as it goes on an invoice.
type Sale struct {
	Account int64
	Key     string // invoiced once only, such as order/17
	SMS     int64
	Net     int64 // Rappen
	At      time.Time
}

// Payment is money for an account.
type Payment struct {
	Account  int64
	Invoice  int64  // 0 = to the account's credit
	Provider string // bank, stripe
	Ref      string // the provider's name for it; the same counts once
	Rappen   int64
	At       time.Time
}

// Refund is money that went back: a refund, a chargeback, a booking the bank undid.
type Refund struct {
	Account  int64
	Provider string
	Of       string // Ref of the payment
	Ref      string // name of this taking back; the same counts once
	Rappen   int64  // at most what the payment was
	At       time.Time
}

// Books keep invoices and what is owed. Each method joins the caller's transaction and
// does nothing new when called again with the same key or name.
type Books interface {
	// PriceTx is what net costs with tax on the day of at, in Rappen.
	PriceTx(ctx context.Context, tx *sqlx.Tx, account, net int64, at time.Time) (total int64, err error)
	// InvoiceTx makes the final invoice of a sale. What the account has to its credit
	// may pay it at once.
	InvoiceTx(ctx context.Context, tx *sqlx.Tx, s Sale) (invoice int64, err error)
	// PayTx books a payment to its invoice; what is too much goes to the account's credit.
	PayTx(ctx context.Context, tx *sqlx.Tx, p Payment) error
	// TakeBackTx undoes a payment or a part of it.
	TakeBackTx(ctx context.Context, tx *sqlx.Tx, r Refund) error
	// PartiesTx are seller and buyer as they stand on documents now.
	PartiesTx(ctx context.Context, tx *sqlx.Tx, account int64) (Parties, error)
}

// Parties are who sells and who buys.
type Parties struct {
	Seller, Buyer  paper.Party
	IBAN           string // "" = the seller has none yet
	Bank           int64  // id of the seller at its bank, leads QR references
	Language, Zone string // of the account
}

// Granter gives credits for a package. The same key gives nothing a second time.
type Granter interface {
	GrantPackageTx(ctx context.Context, tx *sqlx.Tx, account int64, key string, sms int64, at time.Time) error
}
