package bank

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/calendars/billing/camt"
)

// whole is the key of an entry that stands for its booking.
const whole = ""

// wholeKey is the key of the entry that stands for b as a whole. A file's second booking
// of the same reference and amount is no repetition of the first but other money.
func wholeKey(b camt.Booking) string {
	if b.Again == 0 {
		return whole
	}
	return "~" + strconv.Itoa(b.Again+1)
}

// isWhole tells the keys of wholeKey from those of details, which name an amount.
func isWhole(key string) bool { return !strings.Contains(key, "/") }

// telling is what one file tells.
type telling struct {
	file  []byte              // its digest
	named map[string][]string // keys of details, by booking
	taken map[int64]bool      // entries of other files it told again by other names
}

func newTelling(file []byte, bookings []camt.Booking) *telling {
	t := &telling{file: file, named: map[string][]string{}, taken: map[int64]bool{}}
	for _, b := range bookings {
		for _, d := range b.Details {
			t.named[b.IBAN+" "+b.Key] = append(t.named[b.IBAN+" "+b.Key], d.Key)
		}
	}
	return t
}

// again reports whether e is what another file told of the same booking by another name.
// Each entry is told again once: a second one like it is other money.
func (t *telling) again(ctx context.Context, tx *sqlx.Tx, e entryRow) (bool, error) {
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT id FROM bank_entries WHERE iban = $1 AND booking_key = $2 AND file <> $3 AND state <> 'detailed' AND tx_key <> '' AND NOT tx_key = ANY ($4)
		AND rappen = $5 AND reference = $6 AND ($6 <> '' OR payer = $7 AND note = $8) ORDER BY id`,
		e.IBAN, e.Booking, t.file, pq.Array(t.named[e.IBAN+" "+e.Booking]), e.Rappen, e.Reference, e.Payer, e.Note); err != nil {
		return false, fmt.Errorf("look for the entry by another name: %w", err)
	}
	for _, id := range ids {
		if !t.taken[id] {
			t.taken[id] = true
			return true, nil
		}
	}
	return false, nil
}

// sameness is what a payment known under another booking says about one told now.
type sameness int

const (
	notThere sameness = iota
	agrees            // it is the same
	differs           // it has the same name but says something else
)

// elsewhere looks for d among the other bookings of its account, where the bank may have
// told it by the same name of the payment. The caller holds the account's lock.
func elsewhere(ctx context.Context, tx *sqlx.Tx, b camt.Booking, d camt.Detail) (sameness, error) {
	details, bookings := b.Elsewhere(d)
	if len(details)+len(bookings) == 0 {
		return notThere, nil
	}
	var agree []bool
	if err := tx.SelectContext(ctx, &agree, `SELECT reference = $7 AND booked_on = CAST($8 AS date) FROM bank_entries
		WHERE iban = $1 AND (tx_key <> '' AND tx_key = ANY ($2) OR booking_key = ANY ($3)) AND booking_key <> $4 AND incoming = $5 AND rappen = $6 AND state <> 'detailed'`,
		b.IBAN, pq.Array(details), pq.Array(bookings), b.Key, b.Credit, d.Rappen, d.Reference, b.BookedOn); err != nil {
		return notThere, fmt.Errorf("look for the entry in other bookings: %w", err)
	}
	found := notThere
	for _, a := range agree {
		if a {
			return agrees, nil
		}
		found = differs
	}
	return found, nil
}

// importLock is the first key of the lock on an account of the operator's.
const importLock = 0x6261

// lockAccount keeps other imports out of an account until tx ends: what is the same money
// may stand under any of its bookings.
func lockAccount(ctx context.Context, tx *sqlx.Tx, iban string) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, importLock, iban); err != nil {
		return fmt.Errorf("lock the bank account: %w", err)
	}
	return nil
}
