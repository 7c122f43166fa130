package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// ended is the condition that a message m, with s of sent, was asked for and left before
// $2 and that nothing more can happen to it. It names what may go rather than what must
// stay: a state nobody thought of here is kept.
const ended = `m.created_at < $2 AND COALESCE(s.accepted_at, m.created_at) < $2
	AND (s.status NOT IN (0, 1) OR s.status = 0 AND s.reason IN ('withdrawn', 'stale'))`

// Keeper is the room that asked for messages and keeps things about them.
type Keeper interface {
	// PurgeTx deletes up to limit of what it keeps about occasions before the instant,
	// and returns how many; less than limit means that none is left.
	PurgeTx(ctx context.Context, tx *sqlx.Tx, account int64, before time.Time, limit int) (int, error)
	// KeepTx returns those of messages that must stay, since without them one could be
	// sent a second time or not be taken back. It is asked after PurgeTx is through.
	KeepTx(ctx context.Context, tx *sqlx.Tx, account int64, messages []int64) ([]int64, error)
}

// Purge looks at up to limit of account's messages that ended before the instant, from
// after on, deletes those that keeper doesn't want (nil wants none), with their standing and history,
// and returns how many, and where to go on: the zero cursor when it is through. It needs
// the owner's pool. Messages queued, held, claimed or unanswered stay, whatever their age.
//
// Small batches keep it from holding up the dispatcher; a message whose receipt is just
// being written is left for the next time. A reference purged is forgotten: the same
// (account, reference) could be enqueued again, so before should lie far behind anything
// a caller may repeat. Carrier ids are cleared by PurgeRefs.
func (s *Store) Purge(ctx context.Context, account int64, before time.Time, after Cursor, limit int, keeper Keeper) (n int, next Cursor, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		n, next, err = purgeMessagesTx(ctx, tx, account, before, after, limit, keeper)
		return err
	})
	if err != nil {
		return 0, after, fmt.Errorf("purge messages: %w", err)
	}
	return n, next, nil
}

func purgeMessagesTx(ctx context.Context, tx *sqlx.Tx, account int64, before time.Time, after Cursor, limit int, keeper Keeper) (n int, next Cursor, err error) {
	var rows []struct {
		ID        int64     `db:"id"`
		CreatedAt time.Time `db:"created_at"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT m.id, m.created_at FROM messages m JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id
		WHERE m.account_id = $1 AND s.account_id = $1 AND (m.created_at, m.id) > ($3, $4) AND `+ended+`
		    AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.account_id = $1 AND q.message_id = m.id)
		    AND NOT EXISTS (SELECT 1 FROM unanswered u WHERE u.account_id = $1 AND u.message_id = m.id)
		    AND NOT EXISTS (SELECT 1 FROM held h WHERE h.account_id = $1 AND h.message_id = m.id)
		    AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.account_id = $1 AND m.id = ANY(c.message_ids))
		ORDER BY m.created_at, m.id LIMIT $5 FOR UPDATE OF s SKIP LOCKED`, account, before, after.CreatedAt, after.ID, limit); err != nil {
		return 0, after, err
	}
	if len(rows) == 0 {
		return 0, Cursor{}, nil
	}
	if len(rows) == limit {
		last := rows[limit-1]
		next = Cursor{last.CreatedAt, last.ID}
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	if keeper != nil {
		keep, err := keeper.KeepTx(ctx, tx, account, ids)
		if err != nil {
			return 0, after, err
		}
		ids = slices.DeleteFunc(ids, func(id int64) bool { return slices.Contains(keep, id) })
	}
	if len(ids) == 0 {
		return 0, next, nil
	}
	for _, query := range []string{
		`DELETE FROM message_events WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[]))`,
		`DELETE FROM sent WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[]))`,
		`DELETE FROM messages WHERE account_id = $1 AND id = ANY(CAST($2 AS bigint[]))`,
	} {
		if _, err := tx.ExecContext(ctx, query, account, pq.Array(ids)); err != nil {
			return 0, after, err
		}
	}
	return len(ids), next, nil
}

// What is purged of an account ($1) by the age of its rows alone: those before an instant
// ($2), some at a time ($3).
const (
	purgeReplies = `
		WITH old AS MATERIALIZED (SELECT id FROM inbound WHERE account_id = $1 AND received_at < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
		DELETE FROM inbound i USING old WHERE i.account_id = $1 AND i.id = old.id`
	// They stop nothing any more.
	purgeInvalid = `
		WITH old AS MATERIALIZED (SELECT recipient FROM invalid_numbers WHERE account_id = $1 AND since < $2 ORDER BY recipient LIMIT $3 FOR UPDATE SKIP LOCKED)
		DELETE FROM invalid_numbers i USING old WHERE i.account_id = $1 AND i.recipient = old.recipient`
	// For people of whom the account has no message left. Who is written to again gets the
	// same link again.
	purgeLinks = `
		WITH old AS MATERIALIZED (SELECT l.token FROM unsubscribe_links l WHERE l.account_id = $1 AND l.created_at < $2
		    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = $1 AND m.recipient = l.recipient)
		    ORDER BY l.created_at, l.token LIMIT $3 FOR UPDATE SKIP LOCKED)
		DELETE FROM unsubscribe_links l USING old WHERE l.account_id = $1 AND l.token = old.token`
)

// purgeTx runs query, one of those above, over what, and returns how many went.
func purgeTx(ctx context.Context, tx *sqlx.Tx, what, query string, account int64, before time.Time, limit int) (int, error) {
	res, err := tx.ExecContext(ctx, query, account, before, limit)
	if err != nil {
		return 0, fmt.Errorf("purge %s: %w", what, err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// RefCursor is how far PurgeRefs has come. The zero value is the beginning.
type RefCursor struct{ Carrier, ID string }

// PurgeRefs looks at limit entries of the directory of carrier ids behind after, deletes
// those whose message was purged, and returns where to continue; the zero cursor when it
// is through. The directory has no index by message, which would cost every message
// sent, so it is gone through now and then instead. It needs the owner's pool.
func (s *Store) PurgeRefs(ctx context.Context, after RefCursor, limit int) (next RefCursor, removed int, err error) {
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		next, removed, err = purgeRefsTx(ctx, tx, after, limit)
		return err
	})
	if err != nil {
		return after, 0, fmt.Errorf("purge carrier ids: %w", err)
	}
	return next, removed, nil
}

func purgeRefsTx(ctx context.Context, tx *sqlx.Tx, after RefCursor, limit int) (next RefCursor, removed int, err error) {
	var rows []struct {
		Carrier string `db:"carrier"`
		ID      string `db:"carrier_message_id"`
		Gone    bool   `db:"gone"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT r.carrier, r.carrier_message_id, NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = r.account_id AND m.id = r.message_id) AS gone
		FROM carrier_refs r WHERE (r.carrier_message_id, r.carrier) > ($2, $1)
		ORDER BY r.carrier_message_id, r.carrier LIMIT $3`, after.Carrier, after.ID, limit); err != nil {
		return after, 0, err
	}
	if len(rows) == limit && limit > 0 {
		last := rows[limit-1]
		next = RefCursor{last.Carrier, last.ID}
	}
	var carriers, ids []string
	for _, r := range rows {
		if r.Gone {
			carriers, ids = append(carriers, r.Carrier), append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return next, 0, nil
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM carrier_refs r USING unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS u (carrier, id)
		WHERE r.carrier = u.carrier AND r.carrier_message_id = u.id`, pq.Array(carriers), pq.Array(ids))
	return next, len(ids), err
}
