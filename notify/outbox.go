package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/due"
	"rappel/notify/segment"
)

// dueKind is the kind of due work the dispatcher leases.
const dueKind = "dispatch"

// Outbox takes messages in and takes them back. It works on either pool, and always
// inside the caller's transaction, so that the intent to send stands or falls with
// whatever it belongs to.
type Outbox struct {
	now func() time.Time
}

// NewOutbox returns an Outbox with the clock now; nil means time.Now.
func NewOutbox(now func() time.Time) *Outbox {
	if now == nil {
		now = time.Now
	}
	return &Outbox{now: now}
}

// EnqueueTx queues m within tx. The same (account, reference) again returns the first
// message's id with Duplicate true and adds nothing; the counts are then those of the
// text given now. Fails with ErrRequest, ErrRecipient, ErrSender or ErrBody.
func (o *Outbox) EnqueueTx(ctx context.Context, tx *sqlx.Tx, m NewMessage) (Enqueued, error) {
	all, err := o.EnqueueAllTx(ctx, tx, []NewMessage{m})
	if err != nil {
		return Enqueued{}, err
	}
	return all[0], nil
}

// Law 8: an INSERT ... SELECT of unnest ends in RETURNING or ON CONFLICT.
const enqueue = `
WITH added AS (
    INSERT INTO messages AS m (account_id, kind, reference, origin, origin_id, recipient, sender, body,
        encoding, segments, units, send_at, expires_at, fresh_until, created_at)
    SELECT $1, u.kind, u.reference, u.origin, u.origin_id, u.recipient, u.sender, u.body,
        u.encoding, u.segments, u.units, u.send_at, u.expires_at, u.fresh_until, $15
    FROM unnest(CAST($2 AS smallint[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS bigint[]), CAST($6 AS text[]),
        CAST($7 AS text[]), CAST($8 AS text[]), CAST($9 AS smallint[]), CAST($10 AS smallint[]), CAST($11 AS int[]),
        CAST($12 AS timestamptz[]), CAST($13 AS timestamptz[]), CAST($14 AS timestamptz[]))
        AS u (kind, reference, origin, origin_id, recipient, sender, body, encoding, segments, units, send_at, expires_at, fresh_until)
    ON CONFLICT (account_id, reference) DO NOTHING
    RETURNING m.id, m.reference, m.kind, m.send_at),
queued AS (
    INSERT INTO queue AS q (account_id, message_id, priority, send_at)
    SELECT $1, a.id, CASE WHEN a.kind = 2 THEN 5 ELSE 1 END, a.send_at FROM added a
    RETURNING q.message_id)
SELECT id, reference FROM added`

// EnqueueAllTx is EnqueueTx for several messages of one account, in one statement.
// The answers are in the order given. One bad message refuses them all.
func (o *Outbox) EnqueueAllTx(ctx context.Context, tx *sqlx.Tx, ms []NewMessage) ([]Enqueued, error) {
	if len(ms) == 0 {
		return nil, nil
	}
	now, account := o.now(), ms[0].AccountID
	var cols struct {
		kind, encoding, segments                   []int64
		reference, origin, recipient, sender, body []string
		originID                                   []int64
		units                                      []int64
		sendAt, expires                            []time.Time
		fresh                                      []*time.Time
	}
	out := make([]Enqueued, len(ms))
	earliest := map[string]time.Time{} // by kind of due work
	for i := range ms {
		m := &ms[i]
		if m.AccountID != account {
			return nil, fmt.Errorf("enqueue %d messages: %w: of several accounts", len(ms), ErrRequest)
		}
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("enqueue message %d of %d: %w", i+1, len(ms), err)
		}
		body := m.Body
		if m.Smart {
			body, _ = segment.Smart(body, segment.Typographic) // the list of changes is for editors
		}
		r := segment.Measure(body)
		if r.Segments > MaxSegments {
			return nil, fmt.Errorf("enqueue message %d of %d: %w: %d segments", i+1, len(ms), ErrBody, r.Segments)
		}
		out[i] = Enqueued{Segments: r.Segments, Encoding: r.Encoding, Units: r.Units, Body: body}
		sendAt := m.SendAt
		if sendAt.IsZero() {
			sendAt = now
		}
		if first, ok := earliest[dueKindOf(m.Kind)]; !ok || sendAt.Before(first) {
			earliest[dueKindOf(m.Kind)] = sendAt
		}
		var fresh *time.Time
		if !m.FreshUntil.IsZero() {
			fresh = &m.FreshUntil
		}
		cols.kind = append(cols.kind, int64(m.Kind))
		cols.reference = append(cols.reference, m.Reference)
		cols.origin = append(cols.origin, string(m.Origin))
		cols.originID = append(cols.originID, m.OriginID)
		cols.recipient = append(cols.recipient, m.Recipient)
		cols.sender = append(cols.sender, m.Sender)
		cols.body = append(cols.body, body)
		cols.encoding = append(cols.encoding, int64(r.Encoding))
		cols.segments = append(cols.segments, int64(r.Segments))
		cols.units = append(cols.units, int64(r.Units))
		cols.sendAt = append(cols.sendAt, sendAt)
		cols.expires = append(cols.expires, m.Expires)
		cols.fresh = append(cols.fresh, fresh)
	}
	type row struct {
		ID        int64
		Reference string
	}
	var added []row
	if err := tx.SelectContext(ctx, &added, enqueue, account, pq.Array(cols.kind), pq.Array(cols.reference), pq.Array(cols.origin),
		pq.Array(cols.originID), pq.Array(cols.recipient), pq.Array(cols.sender), pq.Array(cols.body), pq.Array(cols.encoding),
		pq.Array(cols.segments), pq.Array(cols.units), timestamps(cols.sendAt), timestamps(cols.expires), optionalTimestamps(cols.fresh), now); err != nil {
		return nil, fmt.Errorf("enqueue %d messages: %w", len(ms), err)
	}
	ids := make(map[string]int64, len(ms))
	for _, r := range added {
		ids[r.Reference] = r.ID
	}
	if len(added) < len(ms) {
		// A statement of its own sees what a concurrent transaction committed while
		// ours waited for it at the constraint.
		var known []row
		if err := tx.SelectContext(ctx, &known, `SELECT id, reference FROM messages WHERE account_id = $1 AND reference = ANY($2)`,
			account, pq.Array(cols.reference)); err != nil {
			return nil, fmt.Errorf("look up known references: %w", err)
		}
		fresh := make(map[string]bool, len(added))
		for _, r := range added {
			fresh[r.Reference] = true
		}
		for _, r := range known {
			ids[r.Reference] = r.ID
		}
		for i := range ms {
			out[i].Duplicate = !fresh[ms[i].Reference]
			fresh[ms[i].Reference] = false // the second of two in one call is a duplicate too
		}
	}
	for i := range ms {
		if out[i].ID = ids[ms[i].Reference]; out[i].ID == 0 {
			return nil, fmt.Errorf("enqueue message %d of %d: neither added nor known", i+1, len(ms))
		}
	}
	if len(added) > 0 {
		for _, kind := range slices.Sorted(maps.Keys(earliest)) {
			if err := due.Raise(ctx, tx, kind, account, earliest[kind]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// WithdrawTx takes a message back that hasn't been claimed for submission: its status
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
	done, err := withdrawQueuedTx(ctx, tx, ref.AccountID, []int64{ref.ID}, NotSent, ReasonWithdrawn, why, now)
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
WITH gone AS (
    DELETE FROM queue q WHERE q.account_id = $1 AND q.message_id = ANY(CAST($2 AS bigint[]))
    RETURNING q.message_id),
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

// withdrawQueuedTx takes those of ids out of the queue that still are in it, gives them
// status and reason, and returns them.
func withdrawQueuedTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64, status Status, reason Reason, why string, now time.Time) ([]int64, error) {
	var gone []int64
	err := tx.SelectContext(ctx, &gone, withdrawQueued, account, pq.Array(ids), status, reason, why, now, WhatWithdrawn)
	if err != nil {
		return nil, fmt.Errorf("withdraw %d messages: %w", len(ids), err)
	}
	return gone, nil
}
