package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// PostTx books t within tx. fresh is false if its key was booked before: then nothing is
// added and id is that of the transaction there is. It works on any role's pool, in a
// transaction that may see the tenant.
//
// It fails with ErrEntries, ErrKey or, when a balance would get too low, ErrShort; then tx
// must be rolled back.
func PostTx(ctx context.Context, tx *sqlx.Tx, t Tx) (id int64, fresh bool, err error) {
	return post(ctx, tx, t, nil)
}

func post(ctx context.Context, tx *sqlx.Tx, t Tx, reverses *int64) (id int64, fresh bool, err error) {
	if t.Account <= 0 || t.Key == "" || t.Kind == "" || t.At.IsZero() {
		return 0, false, fmt.Errorf("book: %w: it lacks an account, key, kind or instant", ErrKey)
	}
	entries, err := merge(t.Entries)
	if err != nil {
		return 0, false, fmt.Errorf("book %s of account %d: %w", t.Kind, t.Account, err)
	}
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `
		INSERT INTO ledger_tx AS t (account_id, key, kind, note, lines, reverses_id, booked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING t.id`,
		t.Account, t.Key, t.Kind, t.Note, len(entries), reverses, t.At); err != nil {
		return 0, false, fmt.Errorf("book %s of account %d: %w", t.Kind, t.Account, err)
	}
	if len(ids) == 0 {
		id, err = known(ctx, tx, t, entries, reverses)
		return id, false, err
	}
	if err := insert(ctx, tx, t.Account, ids[0], entries); err != nil {
		return 0, false, fmt.Errorf("book %s of account %d: %w", t.Kind, t.Account, err)
	}
	return ids[0], true, nil
}

// known returns the transaction that has t's key, if it is the same thing. A statement of
// its own sees what another transaction committed while ours waited for it.
func known(ctx context.Context, tx *sqlx.Tx, t Tx, entries []Entry, reverses *int64) (int64, error) {
	var row struct {
		ID       int64  `db:"id"`
		Kind     string `db:"kind"`
		Reverses *int64 `db:"reverses_id"`
	}
	err := tx.GetContext(ctx, &row, `SELECT id, kind, reverses_id FROM ledger_tx WHERE account_id = $1 AND key = $2`, t.Account, t.Key)
	if errors.Is(err, sql.ErrNoRows) && reverses != nil { // what it met was the other constraint
		return 0, fmt.Errorf("reverse transaction %d of account %d: %w", *reverses, t.Account, ErrReversed)
	}
	if err != nil {
		return 0, fmt.Errorf("look up what account %d booked: %w", t.Account, err)
	}
	had, err := entriesOf(ctx, tx, t.Account, row.ID)
	if err != nil {
		return 0, err
	}
	same := row.Kind == t.Kind && slices.Equal(had, entries) && (reverses == nil) == (row.Reverses == nil)
	if !same || reverses != nil && *reverses != *row.Reverses {
		return 0, fmt.Errorf("book %s of account %d: %w: transaction %d", t.Kind, t.Account, ErrKey, row.ID)
	}
	return row.ID, nil
}

// entriesOf reads a transaction's entries in the order of merge.
func entriesOf(ctx context.Context, q sqlx.QueryerContext, account, id int64) (all []Entry, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT unit, name, item, amount FROM ledger_entries
		WHERE account_id = $1 AND tx_id = $2 ORDER BY line`, account, id); err != nil {
		return nil, fmt.Errorf("read transaction %d of account %d: %w", id, account, err)
	}
	return all, nil
}

func insert(ctx context.Context, tx *sqlx.Tx, account, id int64, entries []Entry) error {
	n := len(entries)
	lines, items, amounts := make([]int64, n), make([]int64, n), make([]int64, n)
	units, names := make([]string, n), make([]string, n)
	for i, e := range entries {
		lines[i], items[i], amounts[i], units[i], names[i] = int64(i+1), e.Item, e.Amount, string(e.Unit), e.Name
	}
	// The trigger keeps the balances in the order of the rows (see the decisions).
	_, err := tx.ExecContext(ctx, `
		INSERT INTO ledger_entries AS e (account_id, tx_id, line, unit, name, item, amount)
		SELECT $1, $2, u.line, u.unit, u.name, u.item, u.amount
		FROM unnest(CAST($3 AS smallint[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS bigint[]), CAST($7 AS bigint[]))
		    AS u (line, unit, name, item, amount)
		ORDER BY u.line RETURNING e.line`,
		account, id, pq.Array(lines), pq.Array(units), pq.Array(names), pq.Array(items), pq.Array(amounts))
	switch {
	case err == nil:
		return nil
	case pq.As(err, "RP001") != nil:
		return ErrShort
	case pq.As(err, "23503") != nil:
		return fmt.Errorf("%w: the chart has no such account", ErrEntries)
	}
	return err
}

// Reversal names what is to be undone.
type Reversal struct {
	Account int64
	TxID    int64 // the transaction of Account to reverse
	Key     string
	Kind    string
	Note    string
	At      time.Time
}

// ReverseTx books the opposite of a transaction, once. fresh is as in PostTx. It fails with
// ErrNotFound, ErrReversed, ErrKey, or ErrShort where what was booked is used up by now.
func ReverseTx(ctx context.Context, tx *sqlx.Tx, r Reversal) (id int64, fresh bool, err error) {
	entries, err := entriesOf(ctx, tx, r.Account, r.TxID)
	if err != nil {
		return 0, false, err
	}
	if len(entries) == 0 {
		return 0, false, fmt.Errorf("reverse transaction %d of account %d: %w", r.TxID, r.Account, ErrNotFound)
	}
	for i := range entries {
		entries[i].Amount = -entries[i].Amount
	}
	return post(ctx, tx, Tx{Account: r.Account, Key: r.Key, Kind: r.Kind, Note: r.Note, Entries: entries, At: r.At}, &r.TxID)
}
