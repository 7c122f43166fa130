package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Where an opt-out came from.
const (
	SourceReply   = "reply"   // the person wrote STOP
	SourcePage    = "page"    // the person used the unsubscribe page
	SourceStaff   = "staff"   // the clinic entered it
	SourceCarrier = "carrier" // the carrier refused: it keeps a list of its own
)

// OptOutTx stops all texts of account to recipient: none is submitted from here on, and
// those queued end as NOT_ALLOWED at once. It returns how many those were. An opt-out that
// stands already keeps its source. It works on either pool.
func OptOutTx(ctx context.Context, tx *sqlx.Tx, account int64, recipient, source string, now time.Time) (withdrawn int, err error) {
	return optOutTx(ctx, tx, &book{}, account, recipient, source, now)
}

func optOutTx(ctx context.Context, tx *sqlx.Tx, b *book, account int64, recipient, source string, now time.Time) (int, error) {
	if _, err := tx.ExecContext(ctx, `INSERT INTO opt_outs (account_id, recipient, source, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, recipient) DO NOTHING`, account, recipient, source, now); err != nil {
		return 0, fmt.Errorf("opt out: %w", err)
	}
	// A dispatcher that holds one of these rows is waited for by the DELETE and has then
	// either left it or taken it; what it takes after this commits, it checks.
	var queued []int64
	if err := tx.SelectContext(ctx, &queued, `SELECT q.message_id FROM queue q JOIN messages m ON m.account_id = $1 AND m.id = q.message_id
		WHERE q.account_id = $1 AND m.recipient = $2 ORDER BY q.message_id`, account, recipient); err != nil {
		return 0, fmt.Errorf("look for queued messages: %w", err)
	}
	if len(queued) == 0 {
		return 0, nil
	}
	gone, err := withdrawQueuedTx(ctx, tx, account, queued, NotAllowed, ReasonOptedOut, source, now)
	if err != nil || b.observer == nil || len(gone) == 0 {
		return len(gone), err
	}
	standings, err := b.lockTx(ctx, tx, account, gone)
	if err != nil {
		return 0, err
	}
	changes := make([]StatusChange, 0, len(gone))
	for _, id := range gone {
		if c := standings[id]; c != nil {
			changes = append(changes, StatusChange{AccountID: account, MessageID: id, Kind: c.Kind, Origin: c.Origin, OriginID: c.OriginID,
				From: NotSent, To: NotAllowed, Reason: ReasonOptedOut, At: now})
		}
	}
	return len(gone), b.observeTx(ctx, tx, changes)
}

// OptInTx lifts an opt-out, if there is one. Only the person may ask for that. What was
// withdrawn stays withdrawn. It works on either pool.
func OptInTx(ctx context.Context, tx *sqlx.Tx, account int64, recipient string) (was bool, err error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM opt_outs WHERE account_id = $1 AND recipient = $2`, account, recipient)
	if err != nil {
		return false, fmt.Errorf("opt in: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("opt in: %w", err)
	}
	return n > 0, nil
}
