package billing

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
	"rappel/calendars/billing/qrbill"
)

// Seller is the operator as it stands on invoices, and its terms.
type Seller struct {
	Name           string `db:"name"`
	Street         string `db:"street"`
	HouseNo        string `db:"house_no"`
	Zip            string `db:"zip"`
	Town           string `db:"town"`
	Country        string `db:"country"` // ISO 3166-1
	UID            string `db:"vat_uid"` // CHE-123.456.789 MWST
	IBAN           string `db:"iban"`
	BankID         string `db:"bank_id"`
	Email          string `db:"email"`
	Series         string `db:"series"`
	CreditSeries   string `db:"credit_series"`
	FiveRappen     bool   `db:"five_rappen"`
	DueDays        int    `db:"due_days"`
	FirstReminder  int    `db:"first_reminder"`
	SecondReminder int    `db:"second_reminder"`
	GraceDays      int    `db:"grace_days"`
	WarnDays       int    `db:"warn_days"`
	TrialDays      int    `db:"trial_days"`
	FourEyes       int64  `db:"four_eyes_rappen"` // Rappen; giving or paying back more takes two people
}

// SellerOf reads the seller. q is any role's pool or transaction.
func SellerOf(ctx context.Context, q sqlx.QueryerContext) (s Seller, err error) {
	err = sqlx.GetContext(ctx, q, &s, `SELECT name, street, house_no, zip, town, country, vat_uid, iban, bank_id, email, series, credit_series,
		five_rappen, due_days, first_reminder, second_reminder, grace_days, warn_days, trial_days, four_eyes_rappen FROM seller`)
	if err != nil {
		return s, fmt.Errorf("read the seller: %w", err)
	}
	return s, nil
}

// Check answers ErrSeller while no invoice can be made.
//
// Source: MWSTG Art. 26.
func (s Seller) Check() error {
	if s.Name == "" || s.Zip == "" || s.Town == "" || s.UID == "" {
		return fmt.Errorf("%w: name, postcode, town and UID are needed on every invoice", ErrSeller)
	}
	if s.IBAN == "" {
		return nil
	}
	if err := qrbill.CheckIBAN(s.IBAN); err != nil {
		return fmt.Errorf("%w: IBAN: %w", ErrSeller, err)
	}
	return nil
}

// Party is the seller as documents have it.
func (s Seller) Party() paper.Party {
	return paper.Party{Name: s.Name, Street: s.Street, Number: s.HouseNo, Zip: s.Zip, Town: s.Town, Country: s.Country, UID: s.UID, Email: s.Email}
}

// DocumentRef names a document of an account.
type DocumentRef struct{ Account, Document int64 }

// Reference is the payment reference for a document: a QR reference for a QR-IBAN, else
// a creditor reference; "" where there is no account to pay to.
func (s Seller) Reference(d DocumentRef) (string, error) {
	switch {
	case s.IBAN == "":
		return "", nil
	case qrbill.IsQRIBAN(s.IBAN):
		var bank int64
		if s.BankID != "" {
			var err error
			if bank, err = strconv.ParseInt(s.BankID, 10, 64); err != nil {
				return "", fmt.Errorf("%w: bank id: %w", ErrSeller, err)
			}
		}
		return qrbill.Body{Bank: bank, Account: d.Account, Document: d.Document}.QRR()
	}
	return qrbill.SCOR(fmt.Sprintf("K%dD%d", d.Account, d.Document))
}
