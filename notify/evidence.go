package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// trail is what a receipt without a known carrier id shares with the message it is for.
type trail struct{ carrier, recipient, sender string }

// evidenceTx matches receipts of unknown carrier ids with unanswered messages on the same
// trail: carrier, recipient and, where the receipt names it, sender. wait says that this
// can't be done yet.
//
// While a message on the trail is still in a claim, the receipt may be for that one, whose
// id isn't recorded yet; taking it for another's would make a lost text look delivered.
// So nothing is matched then, neither the message nor the receipt runs away.
//
// Among several unanswered messages the one submitted first gets the first receipt: a
// connection that breaks cuts off the end of what was under way, not its beginning. But a
// message found accepted before whose segments haven't all shown up comes first of all.
func (b *book) evidenceTx(ctx context.Context, tx *sqlx.Tx, t trail, now time.Time, receiptWait time.Duration) (wait bool, err error) {
	// The order matters: a message is in a claim until its id is in the directory, so
	// whoever isn't seen here has its id there when the next statement looks.
	if err := tx.GetContext(ctx, &wait, `
		SELECT EXISTS (SELECT 1 FROM claims c CROSS JOIN LATERAL unnest(c.message_ids) AS x (id)
		JOIN messages m ON m.account_id = c.account_id AND m.id = x.id
		WHERE c.carrier = $1 AND m.recipient = $2 AND m.sender = $3)`, t.carrier, t.recipient, t.sender); err != nil {
		return false, fmt.Errorf("look for evidence: %w", err)
	}
	if wait {
		return true, nil
	}
	var receipts []struct {
		earlyReceipt
		Received time.Time `db:"received_at"`
	}
	if err := tx.SelectContext(ctx, &receipts, `
		SELECT e.carrier, e.carrier_message_id, e.status, e.code, e.recipient, e.sender, e.at, e.received_at FROM early_receipts e
		WHERE e.carrier = $1 AND e.recipient = $2 AND e.sender IN ('', $3)
		    AND NOT EXISTS (SELECT 1 FROM carrier_refs r WHERE r.carrier = e.carrier AND r.carrier_message_id = e.carrier_message_id)
		ORDER BY e.received_at, e.carrier_message_id`, t.carrier, t.recipient, t.sender); err != nil {
		return false, fmt.Errorf("look for evidence: %w", err)
	}
	for _, r := range receipts {
		if err := b.matchTx(ctx, tx, t, r.ID, r.Received, now, receiptWait); err != nil {
			return false, err
		}
	}
	return false, nil
}

// matchTx finds the message a receipt of carrier id is evidence for, if there is one.
func (b *book) matchTx(ctx context.Context, tx *sqlx.Tx, t trail, id string, received, now time.Time, receiptWait time.Duration) error {
	var open []struct {
		AccountID int64 `db:"account_id"`
		MessageID int64 `db:"message_id"`
	}
	if err := tx.SelectContext(ctx, &open, `SELECT account_id, message_id FROM unanswered
		WHERE carrier = $1 AND recipient = $2 AND sender = $3 AND since <= $4 ORDER BY since, message_id`,
		t.carrier, t.recipient, t.sender, received); err != nil {
		return fmt.Errorf("look for unanswered messages: %w", err)
	}
	for _, o := range open {
		var incomplete []int64
		if err := tx.SelectContext(ctx, &incomplete, `
			UPDATE sent AS s SET parts = s.parts + 1 FROM messages m
			WHERE s.account_id = $1 AND m.account_id = $1 AND m.id = s.message_id AND m.recipient = $2 AND m.sender = $3
			    AND s.carrier = $4 AND s.parts BETWEEN 1 AND m.segments - 1
			    AND EXISTS (SELECT 1 FROM message_events e WHERE e.account_id = $1 AND e.message_id = m.id AND e.what = 'resolved')
			RETURNING s.message_id`, o.AccountID, t.recipient, t.sender, t.carrier); err != nil {
			return fmt.Errorf("look for incomplete messages: %w", err)
		}
		if len(incomplete) > 0 {
			if err := b.referTx(ctx, tx, t.carrier, []carrierID{{id: id, message: MessageRef{o.AccountID, incomplete[0]}, status: Sent}}); err != nil {
				return err
			}
			return b.takeEarlyTx(ctx, tx, t.carrier, []string{id})
		}
		var m []doubt
		if err := tx.SelectContext(ctx, &m, `
			WITH x AS MATERIALIZED (DELETE FROM unanswered u WHERE u.account_id = $1 AND u.message_id = $2 RETURNING u.message_id, u.carrier, u.since)
			SELECT x.carrier, x.since, `+messageColumns+`, COALESCE(s.attempts, 0) AS tries FROM x
			JOIN messages m ON m.account_id = $1 AND m.id = x.message_id
			LEFT JOIN sent s ON s.account_id = $1 AND s.message_id = x.message_id`, o.AccountID, o.MessageID); err != nil {
			return fmt.Errorf("settle message %d: %w", o.MessageID, err)
		}
		if len(m) == 1 { // else decided by another process just now
			return b.resolveTx(ctx, tx, m[0], []string{id}, now, receiptWait)
		}
	}
	return nil
}
