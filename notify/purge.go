package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// Purge deletes up to limit of account's messages created before the instant, with their
// history, and returns how many there were; zero means that none is left. It needs the
// owner's pool. Messages still queued, held, claimed or unanswered stay.
//
// Small batches keep it from holding up the dispatcher. A reference purged is forgotten:
// the same (account, reference) could be enqueued again, so before should lie far behind
// anything a caller may repeat. Carrier ids are cleared by PurgeRefs.
func (s *Store) Purge(ctx context.Context, account int64, before time.Time, limit int) (n int, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		var ids []int64
		if err := tx.SelectContext(ctx, &ids, `
			SELECT m.id FROM messages m WHERE m.account_id = $1 AND m.created_at < $2
			    AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.account_id = $1 AND q.message_id = m.id)
			    AND NOT EXISTS (SELECT 1 FROM held h WHERE h.account_id = $1 AND h.message_id = m.id)
			    AND NOT EXISTS (SELECT 1 FROM unanswered u WHERE u.account_id = $1 AND u.message_id = m.id)
			    AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.account_id = $1 AND m.id = ANY(c.message_ids))
			ORDER BY m.created_at, m.id LIMIT $3`, account, before, limit); err != nil {
			return err
		}
		if n = len(ids); n == 0 {
			return nil
		}
		for _, query := range []string{
			`DELETE FROM message_events WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[]))`,
			`DELETE FROM messages WHERE account_id = $1 AND id = ANY(CAST($2 AS bigint[]))`, // takes sent along
		} {
			if _, err := tx.ExecContext(ctx, query, account, pq.Array(ids)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purge messages: %w", err)
	}
	return n, nil
}

// RefCursor is how far PurgeRefs has come. The zero value is the beginning.
type RefCursor struct{ Carrier, ID string }

// PurgeRefs looks at limit entries of the directory of carrier ids behind after, deletes
// those whose message was purged, and returns where to continue; the zero cursor when it
// is through. The directory has no index by message, which would cost every message
// sent, so it is gone through now and then instead. It needs the owner's pool.
func (s *Store) PurgeRefs(ctx context.Context, after RefCursor, limit int) (next RefCursor, removed int, err error) {
	var rows []struct {
		Carrier string `db:"carrier"`
		ID      string `db:"carrier_message_id"`
		Gone    bool   `db:"gone"`
	}
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		if err := tx.SelectContext(ctx, &rows, `
			SELECT r.carrier, r.carrier_message_id, NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = r.account_id AND m.id = r.message_id) AS gone
			FROM carrier_refs r WHERE (r.carrier, r.carrier_message_id) > ($1, $2)
			ORDER BY r.carrier, r.carrier_message_id LIMIT $3`, after.Carrier, after.ID, limit); err != nil {
			return err
		}
		var carriers, ids []string
		for _, r := range rows {
			if r.Gone {
				carriers, ids = append(carriers, r.Carrier), append(ids, r.ID)
			}
		}
		if removed = len(ids); removed == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM carrier_refs r USING unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS u (carrier, id)
			WHERE r.carrier = u.carrier AND r.carrier_message_id = u.id`, pq.Array(carriers), pq.Array(ids))
		return err
	})
	if err != nil {
		return after, 0, fmt.Errorf("purge carrier ids: %w", err)
	}
	if len(rows) == limit && limit > 0 {
		last := rows[limit-1]
		next = RefCursor{last.Carrier, last.ID}
	}
	return next, removed, nil
}
