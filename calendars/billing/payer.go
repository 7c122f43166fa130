package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
)

// Payer is an account as invoices need it.
type Payer struct {
	Account    int64  `db:"account_id"`
	Business   string `db:"business"`
	Zone       string `db:"zone"`
	Language   string `db:"language"`
	Metered    bool   `db:"metered"` // else the operator's own: nothing is billed
	Parent     *int64 `db:"parent_id"`
	Name       string `db:"name"` // '' = Business
	Extra      string `db:"extra"`
	Street     string `db:"street"`
	HouseNo    string `db:"house_no"`
	Zip        string `db:"zip"`
	Town       string `db:"town"`
	Country    string `db:"country"`
	UID        string `db:"vat_uid"`
	Email      string `db:"email"`
	AutoCharge bool   `db:"auto_charge"`
	DueDays    *int   `db:"due_days"`
}

const selectPayer = `SELECT a.account_id, a.business, a.zone, a.language, a.billing = 'metered' AS metered, a.parent_id,
	b.name, b.extra, b.street, b.house_no, b.zip, b.town, b.country, b.vat_uid, b.email, b.auto_charge, b.due_days
	FROM accounts a JOIN billing_accounts b ON b.account_id = a.account_id AND b.account_id = $1 WHERE a.account_id = $1`

// lockPayer is the first step of whatever changes an account's subscription or money:
// it lets one at a time through. The row is made where there is none.
func lockPayer(ctx context.Context, tx *sqlx.Tx, account int64) (p Payer, err error) {
	if _, err := tx.ExecContext(ctx, `INSERT INTO billing_accounts (account_id) VALUES ($1) ON CONFLICT DO NOTHING`, account); err != nil {
		return p, fmt.Errorf("open the billing of account %d: %w", account, err)
	}
	var id int64
	if err := tx.GetContext(ctx, &id, `SELECT account_id FROM billing_accounts WHERE account_id = $1 FOR UPDATE`, account); err != nil {
		return p, fmt.Errorf("lock the billing of account %d: %w", account, err)
	}
	return payerOf(ctx, tx, account)
}

// LockTx lets one at a time change account's subscription or money until tx ends. Who
// locks anything else of the account that a renewal locks too, such as its credits, calls
// it first. The functions of this package do so themselves.
func LockTx(ctx context.Context, tx *sqlx.Tx, account int64) error {
	_, err := lockPayer(ctx, tx, account)
	return err
}

func payerOf(ctx context.Context, q sqlx.QueryerContext, account int64) (p Payer, err error) {
	if err := sqlx.GetContext(ctx, q, &p, selectPayer, account); errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("%w: account %d pays for nothing yet", ErrUnknown, account)
	} else if err != nil {
		return p, fmt.Errorf("read who pays for account %d: %w", account, err)
	}
	return p, nil
}

// Location is where the payer's days begin and end. UTC when the zone is not known.
func (p Payer) Location() *time.Location {
	if l, err := time.LoadLocation(p.Zone); err == nil && p.Zone != "" {
		return l
	}
	return time.UTC
}

// Today is the date at the payer's.
func (p Payer) Today(now time.Time) Date { return DateIn(now, p.Location()) }

// Check answers ErrAddress while no invoice can be addressed to p.
//
// Source: MWSTG Art. 26.
func (p Payer) Check() error {
	if p.Zip == "" || p.Town == "" {
		return fmt.Errorf("%w: postcode and town are needed on every invoice", ErrAddress)
	}
	return nil
}

// Party is the payer as documents have it.
func (p Payer) Party() paper.Party {
	party := paper.Party{Name: p.Name, Street: p.Street, Number: p.HouseNo, Zip: p.Zip, Town: p.Town, Country: p.Country, UID: p.UID, Email: p.Email}
	if party.Name == "" {
		party.Name = p.Business
	}
	if p.Extra != "" {
		party.Extra = []string{p.Extra}
	}
	return party
}
