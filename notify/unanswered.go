package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// doubt is a message of which nobody knows whether the carrier accepted it.
type doubt struct {
	Carrier     string     `db:"carrier"`
	Since       time.Time  `db:"since"`
	Attempts    int        `db:"tries"`
	Reason      Reason     `db:"reason"`
	Resent      bool       `db:"resent"`
	Origin      Origin     `db:"origin"`
	OriginID    int64      `db:"origin_id"`
	FreshUntil  *time.Time `db:"fresh_until"`
	Withdrawing bool       `db:"withdrawing"`
	Message
}

func (m doubt) ref() MessageRef { return MessageRef{m.AccountID, m.ID} }

// policy decides what becomes of a message whose carrier stayed silent. A reminder that
// didn't arrive is worse than one that arrives twice, once; an advertisement is not.
func policy(m doubt, now time.Time, spare time.Duration) What {
	if m.Kind != Notification || m.Resent || m.Withdrawing || !now.Add(spare).Before(m.Expires) {
		return WhatGaveUp
	}
	return WhatResent
}

const takeDoubts = `
WITH c AS MATERIALIZED (
    SELECT message_id FROM unanswered WHERE account_id = $1 AND decide_at <= $2
    ORDER BY decide_at, message_id LIMIT $3 FOR UPDATE SKIP LOCKED),
mine AS (
    UPDATE unanswered u SET decide_at = $4 FROM c WHERE u.account_id = $1 AND u.message_id = c.message_id
    RETURNING u.message_id, u.carrier, u.since)
SELECT x.carrier, x.since, ` + messageColumns + `,
    COALESCE(s.attempts, 0) AS tries, COALESCE(s.reason, '') AS reason, COALESCE(s.reason = 'withdrawing', false) AS withdrawing,
    EXISTS (SELECT 1 FROM message_events e WHERE e.account_id = $1 AND e.message_id = m.id AND e.what = 'resent') AS resent
FROM mine x JOIN messages m ON m.account_id = $1 AND m.id = x.message_id
LEFT JOIN sent s ON s.account_id = $1 AND s.message_id = x.message_id
ORDER BY x.since, m.id`

// decideAccount decides what is due among account's unanswered messages. Taking them moves
// their time on, which is the lease on them: a crash in here decides them later.
func (d *Dispatcher) decideAccount(ctx context.Context, account int64) (worked int, err error) {
	now := d.cfg.Now()
	var doubts []doubt
	err = migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &doubts, takeDoubts, account, now, settleBatch, now.Add(d.cfg.ClaimLease))
	})
	if err != nil {
		return 0, fmt.Errorf("take unanswered messages of account %d: %w", account, err)
	}
	var first error
	for _, m := range doubts {
		if err := d.decide(ctx, m); err != nil && first == nil {
			first = err
		}
	}
	return len(doubts), first
}

// decide asks the carrier where it can be asked, then looks for evidence, then follows
// the policy.
func (d *Dispatcher) decide(ctx context.Context, m doubt) error {
	var got asked
	if l := d.laneNamed(m.Carrier); l != nil {
		if finder, ok := l.carrier.(Finder); ok {
			hits, err := find(ctx, d.cfg.SendTimeout, finder, m.Message, m.Since)
			if err != nil && len(hits) == 0 && d.cfg.Now().Before(m.Expires) {
				// Asked again when its time comes round. There is no hurry that would
				// justify a guess while the carrier may still tell.
				d.warnUnsaid(ctx, m, err)
				return nil
			}
			got = asked{hits: hits, all: err == nil}
		}
	}
	now := d.cfg.Now()
	err := migrations.InAccount(ctx, d.cfg.DB, m.AccountID, func(tx *sqlx.Tx) error {
		return d.decideTx(ctx, tx, m, got, now)
	})
	if err != nil {
		return fmt.Errorf("decide message %d of account %d: %w", m.ID, m.AccountID, err)
	}
	return nil
}

func (d *Dispatcher) warnUnsaid(ctx context.Context, m doubt, err error) {
	d.cfg.Log.WarnContext(ctx, "carrier could not say whether it has a message", "account_id", m.AccountID,
		"message_id", m.ID, "carrier", m.Carrier, "error", err)
}

func (d *Dispatcher) decideTx(ctx context.Context, tx *sqlx.Tx, m doubt, got asked, now time.Time) error {
	var found *Submission
	if len(got.hits) > 0 {
		var err error
		found, err = d.book.chooseTx(ctx, tx, m, got.hits)
		switch {
		case errors.Is(err, errBusy), err == nil && found == nil && !got.all:
			if now.Before(m.Expires) {
				d.warnUnsaid(ctx, m, cmp.Or(err, errMore))
				return nil // asked again when its time comes round
			}
			got.all = false
		case err != nil:
			return err
		}
	}
	certainlyNot := found == nil && got.all
	if found == nil && !certainlyNot {
		wait, err := d.book.evidenceTx(ctx, tx, trail{m.Carrier, m.Recipient, m.Sender}, now, d.cfg.ReceiptWait)
		if err != nil || wait {
			return err // its time comes round again
		}
	}
	// Only the doubt that was looked into: another process may have decided it meanwhile and
	// sent the message again, and of that attempt nothing is known here.
	res, err := tx.ExecContext(ctx, `DELETE FROM unanswered WHERE account_id = $1 AND message_id = $2 AND carrier = $3 AND since = $4`,
		m.AccountID, m.ID, m.Carrier, m.Since)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // evidence came meanwhile, or it was decided
	}
	if found != nil {
		return d.book.resolveTx(ctx, tx, m, found.IDs, now, d.cfg.ReceiptWait)
	}
	// Asked again under the lock that withdrawals take: the carrier's answer took its time.
	var over bool
	if over, m.Withdrawing, err = d.standsTx(ctx, tx, m.AccountID, m.ID); over || err != nil {
		return err // over: another attempt's result is known, and this one's matters no more
	}
	if !certainlyNot {
		fragment, err := d.book.fragmentTx(ctx, tx, m)
		if err != nil {
			return err
		}
		if fragment {
			m.Reason = ReasonPartial
			if err := d.book.tellTx(ctx, tx, []happening{{m.ref(), now, WhatPartial, NotSent, ""}}); err != nil {
				return err
			}
		}
	}
	what := policy(m, now, d.cfg.SpareTime)
	if certainlyNot && !m.Withdrawing && now.Before(m.Expires) {
		what = WhatNotFound // no second text, it is the first: no matter how often, and for any kind
	}
	st := standing{MessageRef: m.ref(), carrier: m.Carrier, attempts: m.Attempts, at: now}
	switch what {
	case WhatGaveUp:
		st.status, st.reason = NetworkError, ReasonUnanswered
		if m.Reason == ReasonPartial {
			st.reason = ReasonPartial
		}
		if certainlyNot { // then it is known, only too late or withdrawn
			st.status, st.reason, st.carrier = Expired, ReasonTooLate, ""
			if m.Withdrawing {
				st.status, st.reason = NotSent, ReasonWithdrawn
			}
		}
	default:
		st.carrier, st.reason = "", ReasonResending
		if what == WhatNotFound {
			st.reason = ReasonInterrupted
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO queue (account_id, message_id, priority, send_at, attempts)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, message_id) DO NOTHING`,
			m.AccountID, m.ID, m.Kind.priority(), now, m.Attempts); err != nil {
			return err
		}
		if err := due.Raise(ctx, tx, dueKindOf(m.Kind), m.AccountID, now); err != nil {
			return err
		}
	}
	written, err := d.book.writeTx(ctx, tx, []standing{st})
	if err != nil {
		return err
	}
	if err := d.book.tellTx(ctx, tx, []happening{{m.ref(), now, what, st.status, ""}}); err != nil {
		return err
	}
	if !written.has(m.ref()) {
		return nil
	}
	if st.status != NotSent {
		d.book.tally(m.Carrier, st.status, 1)
	}
	if over, captured := ends(st.status, st.reason); over {
		if err := d.book.settleTx(ctx, tx, []Settlement{{m.ref(), captured, now}}); err != nil {
			return err
		}
	}
	d.cfg.Log.WarnContext(ctx, "unanswered message decided", "account_id", m.AccountID, "message_id", m.ID, "carrier", m.Carrier, "what", string(what))
	return d.book.observeTx(ctx, tx, []StatusChange{m.change(NotSent, st)})
}

// standsTx reports whether a message has a result, and whether it was withdrawn while nobody
// knew whether the carrier has it, and keeps others from changing that until tx ends.
func (d *Dispatcher) standsTx(ctx context.Context, tx *sqlx.Tx, account, id int64) (over, withdrawing bool, err error) {
	var rows []struct {
		Status Status
		Reason Reason
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT status, reason FROM sent WHERE account_id = $1 AND message_id = $2 FOR UPDATE`,
		account, id); err != nil {
		return false, false, fmt.Errorf("look for a withdrawal: %w", err)
	}
	if len(rows) == 0 {
		return false, false, nil
	}
	return rows[0].Status != NotSent, rows[0].Reason == ReasonWithdrawing, nil
}

func (m doubt) change(from Status, st standing) StatusChange {
	return StatusChange{AccountID: m.AccountID, MessageID: m.ID, Kind: m.Kind, Origin: m.Origin, OriginID: m.OriginID,
		From: from, To: st.status, Reason: st.reason, Code: st.code, Carrier: st.carrier, At: st.at}
}

// resolveTx records that m was accepted after all, with the carrier ids known.
func (b *book) resolveTx(ctx context.Context, tx *sqlx.Tx, m doubt, ids []string, now time.Time, receiptWait time.Duration) error {
	ids = distinct(ids)
	since := m.Since
	st := standing{MessageRef: m.ref(), status: Sent, carrier: m.Carrier, parts: len(ids), attempts: max(m.Attempts, 1), accepted: &since, at: now}
	refs := make([]carrierID, len(ids))
	for i, id := range ids {
		refs[i] = carrierID{id: id, message: m.ref(), status: Sent, whole: len(ids) == 1 && m.Segments == 1}
	}
	if err := b.referTx(ctx, tx, m.Carrier, refs); err != nil {
		return err
	}
	written, err := b.writeTx(ctx, tx, []standing{st})
	if err != nil {
		return err
	}
	if err := b.tellTx(ctx, tx, []happening{{m.ref(), now, WhatResolved, Sent, ""}}); err != nil {
		return err
	}
	if written.has(m.ref()) {
		b.tally(m.Carrier, Sent, 1)
		if err := b.settleTx(ctx, tx, []Settlement{{m.ref(), true, now}}); err != nil {
			return err
		}
		if err := b.observeTx(ctx, tx, []StatusChange{m.change(NotSent, st)}); err != nil {
			return err
		}
	}
	known := make([]string, len(refs))
	for i, r := range refs {
		known[i] = r.id
	}
	if err := b.takeEarlyTx(ctx, tx, m.Carrier, known); err != nil {
		return err
	}
	return due.Raise(ctx, tx, receiptsKind, m.AccountID, now.Add(receiptWait))
}
