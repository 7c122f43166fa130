package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// item is a claimed message and what is known about it.
type item struct {
	ClaimID    int64      `db:"claim_id"`
	Attempts   int16      `db:"attempts"` // submissions before this claim
	Origin     Origin     `db:"origin"`
	OriginID   int64      `db:"origin_id"`
	FreshUntil *time.Time `db:"fresh_until"`
	OptedOut   bool       `db:"opted_out"`
	Message
}

// claim is a batch taken out of the queue: until its row in claims is gone, every
// message in it may have reached the carrier.
type claim struct {
	account int64
	id      int64
	carrier Carrier
	items   []*item
	at      time.Time
}

const messageColumns = `m.account_id AS accountid, m.id, m.kind, m.recipient, m.sender, m.body, m.encoding, m.segments,
	m.expires_at AS expires, m.origin, m.origin_id, m.fresh_until`

// One statement takes the batch out of the queue, writes the claims row and reads the
// messages, so that a crash leaves each message either queued or claimed. Reading opt-outs
// here, in the snapshot that took the rows, is the last look before submission.
//
// Each priority is asked for by itself: then the index gives exactly the rows that are
// due, in order, and a million texts scheduled for next week are not walked through.
const takeBatch = `
WITH first AS MATERIALIZED (
    SELECT q.message_id, q.attempts FROM queue q
    WHERE q.account_id = $1 AND q.priority = 1 AND q.send_at <= $2
    ORDER BY q.send_at LIMIT $3 FOR UPDATE SKIP LOCKED),
later AS MATERIALIZED (
    SELECT q.message_id, q.attempts FROM queue q
    WHERE q.account_id = $1 AND q.priority = 5 AND q.send_at <= $2
    ORDER BY q.send_at LIMIT (SELECT $3 - count(*) FROM first) FOR UPDATE SKIP LOCKED),
due AS (
    SELECT message_id, attempts FROM first UNION ALL SELECT message_id, attempts FROM later),
gone AS (
    DELETE FROM queue q USING due b WHERE q.account_id = $1 AND q.message_id = b.message_id
    RETURNING q.message_id, q.attempts),
held AS (
    INSERT INTO claims AS c (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
    SELECT $1, $4, $5, array_agg(g.message_id), array_agg(g.attempts), $2, $6 FROM gone g HAVING count(*) > 0
    RETURNING c.id)
SELECT held.id AS claim_id, g.attempts, ` + messageColumns + `,
    EXISTS (SELECT 1 FROM opt_outs o WHERE o.account_id = $1 AND o.recipient = m.recipient) AS opted_out
FROM held CROSS JOIN gone g JOIN messages m ON m.account_id = $1 AND m.id = g.message_id`

// take claims up to limit due messages of account for carrier; nil when there are none.
func (d *Dispatcher) take(ctx context.Context, account int64, carrier Carrier, limit int) (*claim, error) {
	now := d.cfg.Now()
	c := &claim{account: account, carrier: carrier, at: now}
	err := migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &c.items, takeBatch, account, now, limit, carrier.Name(), d.cfg.Owner, now.Add(d.cfg.ClaimLease))
	})
	if err != nil {
		return nil, fmt.Errorf("claim for account %d: %w", account, err)
	}
	if len(c.items) == 0 {
		return nil, nil
	}
	c.id = c.items[0].ClaimID
	return c, nil
}

// nextDue is when account's queue has work again; zero when it is empty.
func (d *Dispatcher) nextDue(ctx context.Context, account int64) (time.Time, error) {
	var next *time.Time
	err := migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &next, `SELECT LEAST(
			(SELECT min(q.send_at) FROM queue q WHERE q.account_id = $1 AND q.priority = 1),
			(SELECT min(q.send_at) FROM queue q WHERE q.account_id = $1 AND q.priority = 5))`, account)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("look into the queue of account %d: %w", account, err)
	}
	if next == nil {
		return time.Time{}, nil
	}
	return *next, nil
}

// renew shows that the claim is still worked on. held false means another process took
// it over, or it is recorded in full.
func (d *Dispatcher) renew(ctx context.Context, c *claim, until time.Time) (held bool, err error) {
	err = migrations.InAccount(ctx, d.cfg.DB, c.account, func(tx *sqlx.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE claims SET lease_until = $4 WHERE account_id = $1 AND id = $2 AND owner = $3`,
			c.account, c.id, d.cfg.Owner, until)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		held = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("renew claim %d: %w", c.id, err)
	}
	return held, nil
}

// shrinkClaimTx leaves only keep in the claim, or removes it when keep is empty. held
// false means that the claim is another's or gone, and nothing was changed.
func (d *Dispatcher) shrinkClaimTx(ctx context.Context, tx *sqlx.Tx, c *claim, keep []*item) (held bool, err error) {
	query, args := `DELETE FROM claims WHERE account_id = $1 AND id = $2 AND owner = $3`, []any{c.account, c.id, d.cfg.Owner}
	if len(keep) > 0 {
		query = `UPDATE claims SET message_ids = CAST($4 AS bigint[]), attempts = CAST($5 AS smallint[])
			WHERE account_id = $1 AND id = $2 AND owner = $3`
		ids, attempts := make([]int64, len(keep)), make([]int64, len(keep))
		for i, it := range keep {
			ids[i], attempts[i] = it.ID, int64(it.Attempts)
		}
		args = append(args, pq.Array(ids), pq.Array(attempts))
	}
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("shorten claim %d: %w", c.id, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("shorten claim %d: %w", c.id, err)
	}
	return n == 1, nil
}
