package bank

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/calendars/billing"
	"rappel/calendars/billing/camt"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// provider is what payments by way of the bank are called in the books.
const provider = "bank"

// Config is what an Importer stands on. All of it must be set.
type Config struct {
	DB   *sqlx.DB // the owner's pool
	Desk *payments.Desk
	Now  func() time.Time
	Log  *slog.Logger
}

// Importer imports files. It is safe for concurrent use.
type Importer struct{ c Config }

// New returns an Importer.
func New(c Config) *Importer {
	clock := c.Now
	c.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return &Importer{c}
}

// File is what somebody uploads.
type File struct {
	Name    string // as the sender calls it; only shown
	Content []byte
	By      string // operator:3
}

// Result says what an import did.
type Result struct {
	Kind     camt.Kind
	Bookings int // final ones in the file
	Skipped  int // not final yet
	Foreign  int // not in CHF, left out
	Matched  int // entries booked to an invoice or order
	Suspense int // entries people must look at
	Undone   int // payments the bank took back
	Known    int // entries and bookings an earlier file had
	Batches  int // bookings that wait for their details
	Debits   int // money that went, not looked at
}

// Import reads a camt.053 or camt.054 file and books what is new in it. A file imported
// before fails with [ErrImported] and changes nothing; one that broke off is finished.
// A file that can't be read fails with a *camt.ParseError before anything is booked.
func (m *Importer) Import(ctx context.Context, f File) (r Result, err error) {
	parsed, err := camt.Parse(f.Content)
	if err != nil {
		return r, err
	}
	sum := sha256.Sum256(f.Content)
	now := m.c.Now()
	var done bool
	err = migrations.InTx(ctx, m.c.DB, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO bank_files (sha256, name, kind, version, message, bookings, skipped, imported_by, imported_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			sum[:], f.Name, parsed.Kind, parsed.Version, parsed.Message, len(parsed.Bookings), parsed.Skipped, f.By, now); err != nil {
			return fmt.Errorf("note the file: %w", err)
		}
		if err := tx.GetContext(ctx, &done, `SELECT done_at IS NOT NULL FROM bank_files WHERE sha256 = $1`, sum[:]); err != nil {
			return fmt.Errorf("read the file's state: %w", err)
		}
		return nil
	})
	switch {
	case err != nil:
		return r, err
	case done:
		return r, ErrImported
	}
	r = Result{Kind: parsed.Kind, Bookings: len(parsed.Bookings), Skipped: parsed.Skipped, Foreign: parsed.Foreign}
	told := newTelling(sum[:], parsed.Bookings)
	for _, b := range parsed.Bookings {
		if err := m.booking(ctx, b, told, &r); err != nil {
			return r, err
		}
	}
	if _, err := m.c.DB.ExecContext(ctx, `UPDATE bank_files SET done_at = $2 WHERE sha256 = $1 AND done_at IS NULL`, sum[:], m.c.Now()); err != nil {
		return r, fmt.Errorf("finish the file: %w", err)
	}
	m.c.Log.InfoContext(ctx, "bank file imported", slog.String("kind", string(r.Kind)), slog.Int("bookings", r.Bookings), slog.Int("matched", r.Matched),
		slog.Int("suspense", r.Suspense), slog.Int("undone", r.Undone), slog.Int("known", r.Known), slog.Int("batches", r.Batches))
	return r, nil
}

// booking keeps a booking and books its entries, each in a transaction of its own.
func (m *Importer) booking(ctx context.Context, b camt.Booking, told *telling, r *Result) error {
	entries := b.Details
	switch {
	case !b.Credit && !b.Reversal:
		back, err := m.comesBack(ctx, b)
		if err != nil {
			return err
		}
		if entries = back; len(entries) == 0 {
			r.Debits++
		}
	case len(entries) == 0 && b.Reversal && !b.Credit:
		parts, err := m.reversed(ctx, b)
		if err != nil {
			return err
		}
		if entries = parts; len(entries) == 0 {
			entries = []camt.Detail{{Key: wholeKey(b), Rappen: b.Rappen}}
		}
	case len(entries) == 0 && (b.Payments <= 1 || b.Unclear != ""):
		entries = []camt.Detail{{Key: wholeKey(b), Rappen: b.Rappen}}
	case len(entries) == 0:
		r.Batches++
	}
	if len(entries) == 0 {
		return migrations.InTx(ctx, m.c.DB, func(tx *sqlx.Tx) error {
			_, err := m.lockBooking(ctx, tx, b)
			return err
		})
	}
	for _, d := range entries {
		var o outcome
		err := migrations.InTx(ctx, m.c.DB, func(tx *sqlx.Tx) (err error) {
			o, err = m.entry(ctx, tx, b, d, told)
			return err
		})
		if err != nil {
			return err
		}
		switch o {
		case known:
			r.Known++
		case matched:
			r.Matched++
		case undone:
			r.Undone++
		case suspended:
			r.Suspense++
		}
	}
	return nil
}

// lockBooking keeps the booking if it is new, keeps others out until tx ends, and tells
// what of it is counted.
func (m *Importer) lockBooking(ctx context.Context, tx *sqlx.Tx, b camt.Booking) (counted int64, err error) {
	if _, err := tx.ExecContext(ctx, `INSERT INTO bank_bookings (iban, key, bank_ref, rappen, credit, reversal, booked_on, value_on, payments, info, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, CAST($7 AS date), CAST($8 AS date), $9, $10, $11) ON CONFLICT DO NOTHING`,
		b.IBAN, b.Key, b.Ref, b.Rappen, b.Credit, b.Reversal, b.BookedOn, b.ValueOn, b.Payments, b.Info, m.c.Now()); err != nil {
		return 0, fmt.Errorf("keep a booking: %w", err)
	}
	if err := tx.GetContext(ctx, &counted, `SELECT counted FROM bank_bookings WHERE iban = $1 AND key = $2 FOR UPDATE`, b.IBAN, b.Key); err != nil {
		return 0, fmt.Errorf("lock a booking: %w", err)
	}
	return counted, nil
}

// paidAt is when money counts as come: at noon, in whatever zone of ours, on the day of
// value, else that of the booking. Without either, now.
func (m *Importer) paidAt(days ...string) time.Time {
	for _, day := range days {
		if at, err := time.Parse(time.DateOnly, day); err == nil {
			return at.Add(12 * time.Hour)
		}
	}
	return m.c.Now()
}

type outcome int

const (
	known outcome = iota
	matched
	undone
	suspended
)

// entry books one payment unless it was booked before.
func (m *Importer) entry(ctx context.Context, tx *sqlx.Tx, b camt.Booking, d camt.Detail, told *telling) (outcome, error) {
	if err := lockAccount(ctx, tx, b.IBAN); err != nil {
		return 0, err
	}
	counted, err := m.lockBooking(ctx, tx, b)
	if err != nil {
		return 0, err
	}
	var there []struct {
		ID    int64  `db:"id"`
		Key   string `db:"tx_key"`
		State string `db:"state"`
	}
	// What this file itself told as a whole is another booking of the same reference.
	if err := tx.SelectContext(ctx, &there, `SELECT id, tx_key, state FROM bank_entries WHERE iban = $1 AND booking_key = $2 AND (tx_key = $3 OR tx_key = '' AND file <> $4)`,
		b.IBAN, b.Key, d.Key, told.file); err != nil {
		return 0, fmt.Errorf("look for the entry: %w", err)
	}
	decided := false // as a whole
	for _, e := range there {
		switch {
		case e.Key == d.Key:
			return known, nil
		case isWhole(d.Key): // the second of a reference, see wholeKey
		case e.State == "suspense": // the whole gives way to its details
			if _, err := tx.ExecContext(ctx, `UPDATE bank_entries SET state = 'detailed', decided_at = $2 WHERE id = $1`, e.ID, m.c.Now()); err != nil {
				return 0, fmt.Errorf("give way to details: %w", err)
			}
			counted = 0
		case e.State != "detailed":
			decided = true
		}
	}
	e := entryRow{IBAN: b.IBAN, Booking: b.Key, Key: d.Key, File: told.file, Rappen: d.Rappen, Incoming: b.Credit, Reference: d.Reference, Payer: d.Name, PayerIBAN: d.IBAN,
		Note: d.Text, BookedOn: b.BookedOn, At: m.c.Now(), PaidAt: m.paidAt(b.ValueOn, b.BookedOn)}
	other, err := elsewhere(ctx, tx, b, d)
	switch {
	case err != nil:
		return 0, err
	case other == agrees:
		return known, m.count(ctx, tx, b, min(counted+d.Rappen, b.Rappen)) // nothing of it is to come
	case other == differs:
		e.State, e.Why = "suspense", WhyAlike
		_, err := e.insert(ctx, tx)
		return suspended, err
	case counted+d.Rappen > b.Rappen:
		if b.Ref != "" {
			if d.Key == whole || decided && b.Again == 0 {
				return known, nil // the same booking, told less or more closely
			}
			if again, err := told.again(ctx, tx, e); err != nil || again {
				return known, err
			}
		}
		// It may be other money that looks alike, or the same in other words.
		e.State, e.Why = "suspense", WhyAlike
		_, err := e.insert(ctx, tx)
		return suspended, err
	}
	if err := m.count(ctx, tx, b, counted+d.Rappen); err != nil {
		return 0, err
	}
	switch {
	case !b.Credit && !b.Reversal:
		e.State, e.Why, e.Reason = "suspense", WhyReturned, b.Unclear
		_, err := e.insert(ctx, tx)
		return suspended, err
	case !b.Credit:
		return m.takenBack(ctx, tx, b, e)
	}
	return m.came(ctx, tx, b, e)
}

// count notes how much of a booking its entries come to.
func (m *Importer) count(ctx context.Context, tx *sqlx.Tx, b camt.Booking, rappen int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE bank_bookings SET counted = $3 WHERE iban = $1 AND key = $2`, b.IBAN, b.Key, rappen); err != nil {
		return fmt.Errorf("count an entry: %w", err)
	}
	return nil
}

// came books money that arrived.
func (m *Importer) came(ctx context.Context, tx *sqlx.Tx, b camt.Booking, e entryRow) (outcome, error) {
	t, ok, err := m.c.Desk.FindTx(ctx, tx, e.Reference)
	if err != nil {
		return 0, err
	}
	e.State = "suspense"
	switch {
	case b.Reversal:
		e.Why = WhyDebitUndone
	case ok:
		return m.book(ctx, tx, e, matched, func(e entryRow) error {
			e.State, e.Account, e.Invoice, e.Order = "matched", &t.Account, zero(t.Invoice), zero(t.Order)
			id, err := e.insert(ctx, tx)
			if err != nil {
				return err
			}
			return m.c.Desk.ReceiveTx(ctx, tx, payments.Receipt{Target: t, Provider: provider, Ref: name(id), Rappen: e.Rappen, At: e.PaidAt})
		})
	case e.Reference != "":
		e.Why = WhyUnknownReference
	case b.Unclear != "":
		e.Why, e.Reason = WhyUnclear, b.Unclear
	case isWhole(e.Key):
		e.Why = WhyWhole
	default:
		e.Why = WhyNoReference
	}
	_, err = e.insert(ctx, tx)
	return suspended, err
}

// book has do keep and book e, which comes to done. What the books refuse goes to suspense
// with the refusal as its reason: one entry must not hold up those behind it.
func (m *Importer) book(ctx context.Context, tx *sqlx.Tx, e entryRow, done outcome, do func(e entryRow) error) (outcome, error) {
	failed, err := migrations.Attempt(ctx, tx, func() error { return do(e) })
	switch {
	case err != nil:
		return 0, err
	case failed == nil:
		return done, nil
	case !refusal(failed):
		return 0, failed
	}
	m.c.Log.WarnContext(ctx, "a bank entry can't be booked", slog.Bool("incoming", e.Incoming), slog.Any("err", failed))
	e.State, e.Why, e.Reason = "suspense", WhyRefused, failed.Error()
	_, err = e.insert(ctx, tx)
	return suspended, err
}

// refusal reports whether err is the books' answer to an entry, which comes again
// whenever that is tried, and not a database that is out of reach or busy.
func refusal(err error) bool {
	for _, final := range []error{billing.ErrUnknown, billing.ErrState, billing.ErrAmount, billing.ErrAddress, billing.ErrSeller, billing.ErrCatalogue, billing.ErrForeign, billing.ErrKeyReused,
		payments.ErrNoOrder, payments.ErrState, payments.ErrPayer, payments.ErrReceipt} {
		if errors.Is(err, final) {
			return true
		}
	}
	var e *pq.Error
	// Data, constraints, rights and our own triggers; see SQLSTATE.
	return errors.As(err, &e) && slices.Contains([]string{"22", "23", "42", "RP"}, string(e.Code.Class()))
}

// name is what an entry's payment is called in the books.
func name(id int64) string { return fmt.Sprintf("entry/%d", id) }

// takenBack books money the bank took back: it undoes what came under the same
// reference, or under the same reference of the bank, with the same amount.
func (m *Importer) takenBack(ctx context.Context, tx *sqlx.Tx, b camt.Booking, e entryRow) (outcome, error) {
	var origin struct {
		ID      int64  `db:"id"`
		State   string `db:"state"`
		Account *int64 `db:"for_account"`
	}
	err := tx.GetContext(ctx, &origin, `SELECT o.id, o.state, o.for_account FROM bank_entries o JOIN bank_bookings k ON k.iban = o.iban AND k.key = o.booking_key
		WHERE o.iban = $1 AND o.incoming AND o.rappen = $2 AND o.state IN ('matched', 'assigned', 'suspense')
		AND ($3 <> '' AND o.reference = $3 OR $4 <> '' AND k.bank_ref = $4)
		AND NOT EXISTS (SELECT 1 FROM bank_entries r WHERE r.reverses = o.id)
		ORDER BY $3 <> '' AND o.reference = $3 AND $4 <> '' AND k.bank_ref = $4 DESC, o.booked_on DESC, o.id DESC LIMIT 1 FOR UPDATE OF o`, e.IBAN, e.Rappen, e.Reference, b.Ref)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		e.State, e.Why = "suspense", WhyNoPayment
		_, err := e.insert(ctx, tx)
		return suspended, err
	case err != nil:
		return 0, fmt.Errorf("look for what is taken back: %w", err)
	}
	if origin.State == "suspense" {
		if _, err := tx.ExecContext(ctx, `UPDATE bank_entries SET state = 'dismissed', decided_by = 'system', reason = 'taken back by the bank', decided_at = $2 WHERE id = $1`, origin.ID, e.At); err != nil {
			return 0, fmt.Errorf("dismiss what is taken back: %w", err)
		}
		e.State, e.Reverses = "dismissed", &origin.ID
		_, err := e.insert(ctx, tx)
		return undone, err
	}
	return m.book(ctx, tx, e, undone, func(e entryRow) error {
		e.State, e.Account, e.Reverses = "matched", origin.Account, &origin.ID
		id, err := e.insert(ctx, tx)
		if err != nil {
			return err
		}
		return m.c.Desk.TakeBackTx(ctx, tx, payments.TakenBack{Account: *origin.Account, Provider: provider, Of: name(origin.ID), Ref: name(id), Rappen: e.Rappen, At: e.PaidAt})
	})
}

func zero(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}
