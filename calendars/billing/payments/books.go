package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/paper"
)

// parties are seller and buyer as they stand on documents now.
type parties struct {
	seller billing.Seller
	payer  billing.Payer
}

// partiesTx reads them. It fails with [ErrPayer] for an account somebody else pays for,
// and as billing does while the seller or the address is incomplete.
func partiesTx(ctx context.Context, tx *sqlx.Tx, account int64) (p parties, err error) {
	if p.seller, err = billing.SellerOf(ctx, tx); err != nil {
		return p, err
	}
	if err := p.seller.Check(); err != nil {
		return p, err
	}
	// Who orders may never have been billed anything.
	err = tx.GetContext(ctx, &p.payer, `SELECT a.account_id, a.business, a.zone, a.language, a.billing = 'metered' AS metered, a.parent_id,
		COALESCE(b.name, '') AS name, COALESCE(b.extra, '') AS extra, COALESCE(b.street, '') AS street, COALESCE(b.house_no, '') AS house_no, COALESCE(b.zip, '') AS zip,
		COALESCE(b.town, '') AS town, COALESCE(b.country, 'CH') AS country, COALESCE(b.vat_uid, '') AS vat_uid, COALESCE(b.email, '') AS email
		FROM accounts a LEFT JOIN billing_accounts b ON b.account_id = a.account_id AND b.account_id = $1 WHERE a.account_id = $1`, account)
	if errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("%w: account %d", billing.ErrUnknown, account)
	} else if err != nil {
		return p, fmt.Errorf("read who pays for account %d: %w", account, err)
	}
	if p.payer.Parent != nil {
		return p, ErrPayer
	}
	return p, p.payer.Check()
}

// bank is the seller's id at its bank.
func (p parties) bank() (int64, error) {
	if p.seller.BankID == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.seller.BankID, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: bank id: %w", billing.ErrSeller, err)
	}
	return n, nil
}

// bill is a package as it goes on an invoice: for the total it was offered for, where
// there is one yet.
func bill(o Order, language string) billing.Bill {
	return billing.Bill{Account: o.Account, Key: o.Ref().Booked(), Total: o.Total,
		Lines: []billing.BillLine{{Kind: billing.LinePackage, Text: paper.PackageText(language, o.SMS), Quantity: 1, Net: o.Net}}}
}

// price is what an order comes to with tax today, in Rappen.
func price(ctx context.Context, tx *sqlx.Tx, o Order, p parties, today billing.Date) (int64, error) {
	catalogue, err := billing.CatalogueOf(ctx, tx)
	if err != nil {
		return 0, err
	}
	draft, err := bill(o, p.payer.Language).Quote(catalogue, p.seller.FiveRappen, today)
	if err != nil {
		return 0, err
	}
	return draft.Total, nil
}

// TakenBack is money that went back: a chargeback, a refund of a payment or of a part, a
// booking the bank undid.
type TakenBack struct {
	Account  int64
	Provider string
	Of       string // the provider's name of the payment
	Ref      string // of this; the same counts once
	Rappen   int64  // 0 = all that didn't go back so far
	AtMost   bool   // where less than Rappen is left of the payment, that goes back
	At       time.Time
}

// OpenOf is what is still to be paid of an invoice, in Rappen, and its number as
// printed.
func (d *Desk) OpenOf(ctx context.Context, account, invoice int64) (rappen int64, number string, err error) {
	doc, err := d.c.Billing.InvoiceForPayment(ctx, billing.DocumentRef{Account: account, Document: invoice})
	if err != nil {
		return 0, "", err
	}
	if doc.Kind != billing.Invoice || doc.Status != billing.InvoiceOpen {
		return 0, doc.Name(), nil
	}
	return doc.Open, doc.Name(), nil
}
