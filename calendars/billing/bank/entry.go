package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// entryRow is an entry about to be kept.
type entryRow struct {
	IBAN, Booking, Key                string
	File                              []byte
	Rappen                            int64
	Incoming                          bool
	Reference, Payer, PayerIBAN, Note string
	BookedOn                          string
	State, Why, Reason                string
	Account, Invoice, Order, Reverses *int64
	At, PaidAt                        time.Time
}

func (e entryRow) insert(ctx context.Context, tx *sqlx.Tx) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `INSERT INTO bank_entries (iban, booking_key, tx_key, file, rappen, incoming, reference, payer, payer_iban, note, booked_on,
		state, why, reason, for_account, for_invoice, for_order, reverses, decided_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CAST($11 AS date), $12, $13, $14, $15, $16, $17, $18, $19) RETURNING id`,
		e.IBAN, e.Booking, e.Key, e.File, e.Rappen, e.Incoming, e.Reference, e.Payer, e.PayerIBAN, e.Note, e.BookedOn,
		e.State, e.Why, e.Reason, e.Account, e.Invoice, e.Order, e.Reverses, e.At)
	if err != nil {
		return 0, fmt.Errorf("keep an entry: %w", err)
	}
	return id, nil
}

// Entry is one payment as the lists show it.
type Entry struct {
	ID        int64     `db:"id"`
	IBAN      string    `db:"iban"`
	Rappen    int64     `db:"rappen"`
	Incoming  bool      `db:"incoming"`
	Reference string    `db:"reference"`
	Payer     string    `db:"payer"`
	PayerIBAN string    `db:"payer_iban"`
	Note      string    `db:"note"`
	BookedOn  time.Time `db:"booked_on"` // a day, midnight UTC
	State     string    `db:"state"`
	Why       string    `db:"why"`
	Account   *int64    `db:"for_account"`
	Invoice   *int64    `db:"for_invoice"`
	Order     *int64    `db:"for_order"`
	DecidedBy string    `db:"decided_by"`
	Reason    string    `db:"reason"` // of who decided, or why it was refused
	DecidedAt time.Time `db:"decided_at"`
}

// Why an entry waits in suspense.
const (
	WhyNoReference      = "no_reference"      // it names nothing
	WhyUnknownReference = "unknown_reference" // nothing here has that one
	WhyWhole            = "whole"             // a sum of several, without its parts
	WhyUnclear          = "unclear"           // its parts don't add up to it; Reason says how
	WhyDebitUndone      = "debit_undone"      // the bank gives back what it had taken
	WhyReturned         = "returned"          // money that went, under a reference of ours or as a return
	WhyNoPayment        = "no_payment"        // the bank takes back what never came
	WhyAlike            = "alike"             // more than its booking holds: perhaps another that looks the same
	WhyRefused          = "refused"           // the books don't take it; Reason says why
)

const entryColumns = `e.id, e.iban, e.rappen, e.incoming, e.reference, e.payer, e.payer_iban, e.note, e.booked_on, e.state, e.why,
	e.for_account, e.for_invoice, e.for_order, e.decided_by, e.reason, e.decided_at`

// Page is a part of a list: up to Limit rows after row After, 0 = from the beginning.
type Page struct {
	After int64
	Limit int
}

// Suspense lists the entries nobody has decided about, in the order they were kept.
func Suspense(ctx context.Context, q sqlx.QueryerContext, p Page) (all []Entry, err error) {
	return list(ctx, q, `e.state = 'suspense'`, p)
}

// Entries lists all entries, in the order they were kept.
func Entries(ctx context.Context, q sqlx.QueryerContext, p Page) (all []Entry, err error) {
	return list(ctx, q, `true`, p)
}

func list(ctx context.Context, q sqlx.QueryerContext, where string, p Page) (all []Entry, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT `+entryColumns+` FROM bank_entries e WHERE `+where+` AND e.id > $1 ORDER BY e.id LIMIT $2`, p.After, p.Limit); err != nil {
		return nil, fmt.Errorf("list bank entries: %w", err)
	}
	return all, nil
}

// Batch is a booking whose payments no file has told yet.
type Batch struct {
	IBAN     string    `db:"iban"`
	Ref      string    `db:"bank_ref"`
	Rappen   int64     `db:"rappen"`
	Counted  int64     `db:"counted"`
	Payments int       `db:"payments"`
	BookedOn time.Time `db:"booked_on"`
	Info     string    `db:"info"`
}

// Batches lists bookings of which something is not counted yet, latest first: camt.054
// with their details must still come.
func Batches(ctx context.Context, q sqlx.QueryerContext, limit int) (all []Batch, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT iban, bank_ref, rappen, counted, payments, booked_on, info FROM bank_bookings
		WHERE credit AND counted < rappen ORDER BY booked_on DESC, iban, key LIMIT $1`, limit); err != nil {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	return all, nil
}

// FileInfo is a file that was imported.
type FileInfo struct {
	Name       string     `db:"name"`
	Kind       string     `db:"kind"`
	Bookings   int        `db:"bookings"`
	Skipped    int        `db:"skipped"`
	ImportedBy string     `db:"imported_by"`
	ImportedAt time.Time  `db:"imported_at"`
	DoneAt     *time.Time `db:"done_at"` // nil = broken off; import it again
}

// Files lists the files imported last.
func Files(ctx context.Context, q sqlx.QueryerContext, limit int) (all []FileInfo, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT name, kind, bookings, skipped, imported_by, imported_at, done_at FROM bank_files ORDER BY imported_at DESC LIMIT $1`, limit); err != nil {
		return nil, fmt.Errorf("list bank files: %w", err)
	}
	return all, nil
}

// Decision is what somebody says about an entry in suspense.
type Decision struct {
	Entry  int64
	By     string // operator:3
	Reason string
}

// Assign books money that came and is in suspense to an account, and there to an invoice or order if
// one is named, else to the account's credit. It fails with [ErrNoEntry], [ErrDecided],
// [ErrReason] or [ErrTarget]. The same decision a second time fails with ErrDecided and
// changes nothing.
func (m *Importer) Assign(ctx context.Context, d Decision, t payments.Target) error {
	if t.Account <= 0 {
		return ErrTarget
	}
	return m.decide(ctx, d, func(tx *sqlx.Tx, e Entry) error {
		if !e.Incoming {
			return fmt.Errorf("%w: it is money taken back", ErrTarget)
		}
		at, err := m.assign(ctx, tx, d, t, nil)
		if err != nil {
			return err
		}
		return m.c.Desk.ReceiveTx(ctx, tx, payments.Receipt{Target: t, Provider: provider, Ref: name(e.ID), Rappen: e.Rappen, At: at})
	})
}

// assign notes what an entry is for, and that it takes back the whole of another one where
// reverses isn't nil. It returns when the money counts as come or gone.
func (m *Importer) assign(ctx context.Context, tx *sqlx.Tx, d Decision, t payments.Target, reverses *int64) (at time.Time, err error) {
	if _, err := tx.ExecContext(ctx, `UPDATE bank_entries SET state = 'assigned', for_account = $2, for_invoice = $3, for_order = $4, reverses = $5, decided_by = $6, reason = $7, decided_at = $8 WHERE id = $1`,
		d.Entry, t.Account, zero(t.Invoice), zero(t.Order), reverses, d.By, d.Reason, m.c.Now()); err != nil {
		return at, fmt.Errorf("assign entry %d: %w", d.Entry, err)
	}
	var valued time.Time
	if err := tx.GetContext(ctx, &valued, `SELECT b.value_on FROM bank_entries e JOIN bank_bookings b ON b.iban = e.iban AND b.key = e.booking_key WHERE e.id = $1`, d.Entry); err != nil {
		return at, fmt.Errorf("read the day of entry %d: %w", d.Entry, err)
	}
	return m.paidAt(valued.Format(time.DateOnly)), nil
}

// Dismiss takes an entry off the list without booking it. It fails as Assign does.
func (m *Importer) Dismiss(ctx context.Context, d Decision) error {
	return m.decide(ctx, d, func(tx *sqlx.Tx, e Entry) error {
		if _, err := tx.ExecContext(ctx, `UPDATE bank_entries SET state = 'dismissed', decided_by = $2, reason = $3, decided_at = $4 WHERE id = $1`, e.ID, d.By, d.Reason, m.c.Now()); err != nil {
			return fmt.Errorf("dismiss entry %d: %w", e.ID, err)
		}
		return nil
	})
}

func (m *Importer) decide(ctx context.Context, d Decision, do func(tx *sqlx.Tx, e Entry) error) error {
	if strings.TrimSpace(d.Reason) == "" || d.By == "" {
		return ErrReason
	}
	return migrations.InTx(ctx, m.c.DB, func(tx *sqlx.Tx) error {
		var e Entry
		err := tx.GetContext(ctx, &e, `SELECT `+entryColumns+` FROM bank_entries e WHERE e.id = $1 FOR UPDATE`, d.Entry)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNoEntry
		case err != nil:
			return fmt.Errorf("read entry %d: %w", d.Entry, err)
		case e.State != "suspense":
			return ErrDecided
		}
		return do(tx, e)
	})
}
