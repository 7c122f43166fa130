package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Outbox takes messages in and takes them back. It works on either pool, and always
// inside the caller's transaction, so that the intent to send stands or falls with
// whatever it belongs to.
type Outbox struct {
	now    func() time.Time
	policy *Policy
}

// NewOutbox returns an Outbox with the clock now, nil meaning time.Now, that knows no
// rules: what is asked for is queued as it is.
func NewOutbox(now func() time.Time) *Outbox { return NewPolicyOutbox(now, nil) }

// NewPolicyOutbox returns an Outbox that follows policy.
func NewPolicyOutbox(now func() time.Time, policy *Policy) *Outbox {
	if now == nil {
		now = time.Now
	}
	return &Outbox{now: now, policy: policy}
}

// EnqueueTx queues m within tx. The same (account, reference) again returns the first
// message's id with Duplicate true and adds nothing; all else is then told of the text
// given now. Fails with ErrRequest, ErrRecipient, ErrSender or ErrBody.
//
// What the rules hold back or refuse isn't an error: it becomes a message with a status
// and a reason, for everybody to see, and Enqueued tells them.
func (o *Outbox) EnqueueTx(ctx context.Context, tx *sqlx.Tx, m NewMessage) (Enqueued, error) {
	all, err := o.EnqueueAllTx(ctx, tx, []NewMessage{m})
	if err != nil {
		return Enqueued{}, err
	}
	return all[0], nil
}

// EnqueueAllTx is EnqueueTx for several messages, in one statement. On the owner's pool
// they may be of several accounts. The answers are in the order given. One bad message
// refuses them all.
func (o *Outbox) EnqueueAllTx(ctx context.Context, tx *sqlx.Tx, ms []NewMessage) ([]Enqueued, error) {
	for i := range ms {
		if err := ms[i].check(); err != nil {
			return nil, fmt.Errorf("enqueue message %d of %d: %w", i+1, len(ms), err)
		}
	}
	return o.enqueueAllTx(ctx, tx, ms)
}

// WithdrawTx takes a message back that hasn't been claimed for submission, queued or held: its status
// stays NOT_SENT with reason withdrawn, for good, and withdrawn is true (again so when
// asked again). why is a short code of the caller's for the history.
//
// Otherwise withdrawn is false and the message goes its way. If it is with a carrier
// right now and the carrier turns out not to have taken it, it isn't tried again.
//
// The row in sent is written before the queue is looked at: it is what a withdrawal and
// a dispatcher that puts a message back wait for each other at, so that whoever comes
// second sees the first.
func (o *Outbox) WithdrawTx(ctx context.Context, tx *sqlx.Tx, ref MessageRef, why string, now time.Time) (withdrawn bool, err error) {
	var reason Reason
	rows := []Reason{}
	err = tx.SelectContext(ctx, &rows, `
		INSERT INTO sent AS s (account_id, message_id, status, reason, code, status_at)
		SELECT m.account_id, m.id, 0, $3, $4, $5 FROM messages m WHERE m.account_id = $1 AND m.id = $2
		ON CONFLICT (account_id, message_id) DO UPDATE
		SET reason = CASE WHEN s.reason IN ('withdrawn', 'stale') THEN s.reason ELSE EXCLUDED.reason END
		WHERE s.status = 0
		RETURNING s.reason`, ref.AccountID, ref.ID, ReasonWithdrawing, why, now)
	if err != nil {
		return false, fmt.Errorf("withdraw message %d: %w", ref.ID, err)
	}
	if len(rows) == 0 {
		return false, o.exists(ctx, tx, ref)
	}
	if reason = rows[0]; reason == ReasonWithdrawn || reason == ReasonStale {
		return true, nil
	}
	done, err := o.book().withdrawQueuedTx(ctx, tx, ref.AccountID, []int64{ref.ID}, NotSent, ReasonWithdrawn, why, now)
	if err != nil {
		return false, err
	}
	return len(done) == 1, nil
}

// exists tells a message that can't be withdrawn any more from one that never was.
func (o *Outbox) exists(ctx context.Context, tx *sqlx.Tx, ref MessageRef) error {
	var there bool
	if err := tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT 1 FROM messages WHERE account_id = $1 AND id = $2)`, ref.AccountID, ref.ID); err != nil {
		return fmt.Errorf("withdraw message %d: %w", ref.ID, err)
	}
	if !there {
		return fmt.Errorf("withdraw message %d: %w", ref.ID, ErrNotFound)
	}
	return nil
}

const withdrawQueued = `
WITH queued AS (
    DELETE FROM queue q WHERE q.account_id = $1 AND q.message_id = ANY(CAST($2 AS bigint[]))
    RETURNING q.message_id),
kept AS (
    DELETE FROM held h WHERE h.account_id = $1 AND h.message_id = ANY(CAST($2 AS bigint[]))
    RETURNING h.message_id),
gone AS (
    SELECT message_id FROM queued UNION SELECT message_id FROM kept),
marked AS (
    INSERT INTO sent AS s (account_id, message_id, status, reason, code, status_at)
    SELECT $1, g.message_id, $3, $4, $5, $6 FROM gone g
    ON CONFLICT (account_id, message_id) DO UPDATE
    SET status = EXCLUDED.status, reason = EXCLUDED.reason, code = EXCLUDED.code, status_at = EXCLUDED.status_at
    WHERE s.status = 0
    RETURNING s.message_id),
told AS (
    INSERT INTO message_events AS e (account_id, message_id, at, what, status, code)
    SELECT $1, k.message_id, $6, $7, $3, $5 FROM marked k
    RETURNING e.message_id)
SELECT message_id FROM told`

// book is what the outbox writes with.
func (o *Outbox) book() *book { return &book{meter: o.meter()} }

// withdrawQueuedTx takes those of ids that still are in the queue, or held back from it, out
// of it, gives them status and reason and their credit back, and returns them.
func (b *book) withdrawQueuedTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64, status Status, reason Reason, why string, now time.Time) ([]int64, error) {
	var gone []int64
	err := tx.SelectContext(ctx, &gone, withdrawQueued, account, pq.Array(ids), status, reason, why, now, WhatWithdrawn)
	if err != nil {
		return nil, fmt.Errorf("withdraw %d messages: %w", len(ids), err)
	}
	back := make([]Settlement, len(gone))
	for i, id := range gone {
		back[i] = Settlement{MessageRef: MessageRef{account, id}, At: now}
	}
	return gone, b.settleTx(ctx, tx, back)
}
