package reminders

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// Archive is what stays here of appointments that are over: reminders, promises and the
// numbers found. notify's Purger clears it together with the messages.
type Archive struct{}

var _ notify.Keeper = Archive{}

// PurgeTx deletes the reminders and promises of account for starts before the instant, and
// the numbers found in appointments that ended before it, up to limit rows together. What
// is planned stays. It needs the owner's pool.
//
// A promise keeps its text from going out twice, so it must outlive its appointment:
// before lies in the past, and nothing is planned for a start that is over.
func (Archive) PurgeTx(ctx context.Context, tx *sqlx.Tx, account int64, before time.Time, limit int) (n int, err error) {
	for _, step := range []struct{ what, query string }{
		{"reminders", `
			WITH old AS MATERIALIZED (
			    SELECT id FROM reminders WHERE account_id = $1 AND starts_at < $2 AND status <> 'planned' ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
			DELETE FROM reminders r USING old WHERE r.account_id = $1 AND r.id = old.id`},
		{"promises", `
			WITH old AS MATERIALIZED (
			    SELECT recipient, starts_at, offset_key FROM sent_ledger WHERE account_id = $1 AND starts_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)
			DELETE FROM sent_ledger l USING old
			WHERE l.account_id = $1 AND l.recipient = old.recipient AND l.starts_at = old.starts_at AND l.offset_key = old.offset_key`},
		{"numbers found", `
			WITH old AS MATERIALIZED (
			    SELECT v.event_id FROM verdicts v JOIN events e ON e.account_id = v.account_id AND e.id = v.event_id
			    WHERE v.account_id = $1 AND e.account_id = $1 AND e.ends_at < $2 AND v.recipient <> '' LIMIT $3 FOR UPDATE OF v SKIP LOCKED)
			UPDATE verdicts v SET recipient = '' FROM old WHERE v.account_id = $1 AND v.event_id = old.event_id`},
	} {
		res, err := tx.ExecContext(ctx, step.query, account, before, limit-n)
		if err != nil {
			return n, fmt.Errorf("purge %s: %w", step.what, err)
		}
		done, err := res.RowsAffected()
		if err != nil {
			return n, fmt.Errorf("purge %s: %w", step.what, err)
		}
		if n += int(done); n >= limit {
			break
		}
	}
	return n, nil
}

// KeepTx returns those of messages that a promise stands for: their appointment may move
// yet, and then they are looked at again.
func (Archive) KeepTx(ctx context.Context, tx *sqlx.Tx, account int64, messages []int64) ([]int64, error) {
	var keep []int64
	if err := tx.SelectContext(ctx, &keep, `SELECT message_id FROM sent_ledger WHERE account_id = $1 AND message_id = ANY($2)`,
		account, pq.Array(messages)); err != nil {
		return nil, fmt.Errorf("look for promises of messages: %w", err)
	}
	return keep, nil
}
