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

// optOutTx stops all texts of account to recipient, and confirms nothing.
func optOutTx(ctx context.Context, tx *sqlx.Tx, b *book, account int64, recipient, source string, now time.Time) (withdrawn int, err error) {
	withdrawn, _, err = optOutOnceTx(ctx, tx, b, account, recipient, source, now)
	return withdrawn, err
}

// optOutOnceTx is optOutTx; first is false if the opt-out stood already.
func optOutOnceTx(ctx context.Context, tx *sqlx.Tx, b *book, account int64, recipient, source string, now time.Time) (withdrawn int, first bool, err error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO opt_outs (account_id, recipient, source, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, recipient) DO NOTHING`, account, recipient, source, now)
	if err != nil {
		return 0, false, fmt.Errorf("opt out: %w", err)
	}
	added, err := res.RowsAffected()
	if err != nil {
		return 0, false, fmt.Errorf("opt out: %w", err)
	}
	withdrawn, err = withdrawAllTx(ctx, tx, b, account, recipient, source, now)
	return withdrawn, added > 0, err
}

// withdrawAllTx ends what is queued or held for recipient. What confirms an opt-out goes
// all the same.
func withdrawAllTx(ctx context.Context, tx *sqlx.Tx, b *book, account int64, recipient, source string, now time.Time) (int, error) {
	// A dispatcher that holds one of these rows is waited for by the DELETE and has then
	// either left it or taken it; what it takes after this commits, it checks.
	var queued []int64
	if err := tx.SelectContext(ctx, &queued, `
		SELECT q.message_id FROM queue q JOIN messages m ON m.account_id = $1 AND m.id = q.message_id
		WHERE q.account_id = $1 AND m.recipient = $2 AND m.origin <> $3
		UNION
		SELECT h.message_id FROM held h JOIN messages m ON m.account_id = $1 AND m.id = h.message_id
		WHERE h.account_id = $1 AND m.recipient = $2 AND m.origin <> $3
		ORDER BY 1`, account, recipient, OriginOptOut); err != nil {
		return 0, fmt.Errorf("look for queued messages: %w", err)
	}
	if len(queued) == 0 {
		return 0, nil
	}
	// What is held has a row in sent, which whoever releases it locks first; so do we.
	if _, err := b.lockTx(ctx, tx, account, queued); err != nil {
		return 0, err
	}
	gone, err := b.withdrawQueuedTx(ctx, tx, account, queued, NotAllowed, ReasonOptedOut, source, now)
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

// OptOut is somebody's wish for no more texts.
type OptOut struct {
	AccountID int64
	Recipient string // E.164
	Source    string // SourceReply, SourcePage, SourceStaff or SourceCarrier
	To        string // reply: our number they wrote to
}

// OptOutTx stops all texts of an account to a recipient: none is submitted from here on, and
// those queued or held end as NOT_ALLOWED at once. It returns how many those were. An
// opt-out that stands already keeps its source. It works on either pool.
//
// It confirms the opt-out by a last text where the rules of the person's country want that:
// once for each opt-out, and only to those who told us themselves.
func (o *Outbox) OptOutTx(ctx context.Context, tx *sqlx.Tx, out OptOut, now time.Time) (withdrawn int, err error) {
	withdrawn, first, err := optOutOnceTx(ctx, tx, o.book(), out.AccountID, out.Recipient, out.Source, now)
	if err != nil || !first {
		return withdrawn, err
	}
	return withdrawn, o.confirmTx(ctx, tx, out, now)
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
