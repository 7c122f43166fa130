package notify

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/due"
)

// settleBatch bounds how many accounts, claims or messages one statement takes on.
const settleBatch = 100

// settle brings to an end what was left open: claims of the dead, messages unanswered,
// receipts that crossed with their message's acceptance.
func (d *Dispatcher) settle(ctx context.Context) (worked int, err error) {
	for _, step := range []struct {
		find string
		do   func(context.Context, int64) (int, error)
	}{
		{`SELECT DISTINCT account_id FROM claims WHERE lease_until <= $1 LIMIT $2`, d.takeOver},
		{`SELECT DISTINCT account_id FROM unanswered WHERE decide_at <= $1 LIMIT $2`, d.decideAccount},
	} {
		var accounts []int64
		if e := d.cfg.DB.SelectContext(ctx, &accounts, step.find, d.cfg.Now(), settleBatch); e != nil {
			return worked, fmt.Errorf("look for open messages: %w", e)
		}
		for _, account := range accounts {
			n, e := d.guarded(ctx, account, step.do)
			worked += n
			if err == nil {
				err = e
			}
		}
	}
	if e := d.matchCrossed(ctx); err == nil {
		err = e
	}
	return worked, err
}

// guarded keeps a panic in one account's work from stopping the others.
func (d *Dispatcher) guarded(ctx context.Context, account int64, do func(context.Context, int64) (int, error)) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.ErrorContext(ctx, "panic while settling", "account_id", account, "stack", string(debug.Stack()))
			err = fmt.Errorf("account %d: panic while settling", account)
		}
	}()
	return do(ctx, account)
}

// takeOver turns the claims of account whose lease is over into unanswered messages. A
// claim is locked while it is recorded, so its owner, should it live after all, either has
// removed a result from it before, or finds it gone.
func (d *Dispatcher) takeOver(ctx context.Context, account int64) (worked int, err error) {
	now := d.cfg.Now()
	err = migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
		var dead []struct {
			ID      int64         `db:"id"`
			Carrier string        `db:"carrier"`
			IDs     pq.Int64Array `db:"message_ids"`
			Claimed time.Time     `db:"claimed_at"`
		}
		if err := tx.SelectContext(ctx, &dead, `
			WITH c AS MATERIALIZED (
			    SELECT id FROM claims WHERE account_id = $1 AND lease_until <= $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
			DELETE FROM claims k USING c WHERE k.account_id = $1 AND k.id = c.id
			RETURNING k.id, k.carrier, k.message_ids, k.claimed_at`, account, now, settleBatch); err != nil {
			return err
		}
		for _, c := range dead {
			wait := d.cfg.UnansweredWait
			if l := d.laneNamed(c.Carrier); l != nil {
				if _, asks := l.carrier.(Finder); asks {
					// Its owner may live, and have begun to submit right before the lease was over.
					wait = min(wait, d.cfg.SendTimeout)
				}
			}
			held, err := d.holdClaimTx(ctx, tx, account, c.Carrier, c.IDs, c.Claimed, now, now.Add(wait))
			if err != nil {
				return err
			}
			worked += held
			d.cfg.Log.WarnContext(ctx, "claim of a dead process taken over", "account_id", account, "claim_id", c.ID,
				"carrier", c.Carrier, "messages", held)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("take over claims of account %d: %w", account, err)
	}
	return worked, nil
}

// holdClaim makes those of a claim's messages unanswered of which nothing final is known.
const holdClaim = `
WITH held AS (
    INSERT INTO unanswered AS u (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at)
    SELECT $1, m.id, $3, m.recipient, m.sender, 1, $4, $6 FROM messages m
    WHERE m.account_id = $1 AND m.id = ANY(CAST($2 AS bigint[]))
        AND NOT EXISTS (SELECT 1 FROM sent s WHERE s.account_id = $1 AND s.message_id = m.id AND s.status <> 0)
    ON CONFLICT (account_id, message_id) DO NOTHING
    RETURNING u.message_id),
marked AS (
    INSERT INTO sent AS s (account_id, message_id, status, reason, carrier, attempts, status_at)
    SELECT $1, h.message_id, 0, 'unanswered', $3, 1, $5 FROM held h
    ON CONFLICT (account_id, message_id) DO UPDATE
    SET reason = EXCLUDED.reason, carrier = EXCLUDED.carrier, attempts = s.attempts + 1, status_at = EXCLUDED.status_at
    WHERE s.status = 0 AND s.reason <> 'withdrawing'
    RETURNING s.message_id),
told AS (
    INSERT INTO message_events AS e (account_id, message_id, at, what, status, code)
    SELECT $1, h.message_id, $5, 'unanswered', 0, '' FROM held h
    RETURNING e.message_id)
SELECT count(*) FROM told`

func (d *Dispatcher) holdClaimTx(ctx context.Context, tx *sqlx.Tx, account int64, carrier string, ids []int64, since, now, decideAt time.Time) (held int, err error) {
	err = tx.GetContext(ctx, &held, holdClaim, account, pq.Array(ids), carrier, since, now, decideAt)
	if err != nil {
		return 0, fmt.Errorf("hold %d messages: %w", len(ids), err)
	}
	return held, nil
}

// matchEarly applies the receipts for outs that came before their carrier ids were recorded.
// It runs after the commit: together with what the Desk does after its own, see matchLate,
// each receipt is seen by one of them at least.
func (d *Dispatcher) matchEarly(ctx context.Context, carrier string, outs []outcome) {
	ids := make([]string, 0, len(outs))
	for _, o := range outs {
		if o.verdict == vAccepted {
			ids = append(ids, o.ids...)
		}
	}
	if err := d.book.match(ctx, d.cfg.DB, carrier, ids); err != nil {
		d.cfg.Log.WarnContext(ctx, "early receipts are matched later", "carrier", carrier, "error", err)
	}
}

// matchCrossed applies receipts that lie there as unknown though their message's acceptance
// is recorded: of a process that died in between.
func (d *Dispatcher) matchCrossed(ctx context.Context) error {
	var rows []struct {
		Carrier string `db:"carrier"`
		ID      string `db:"carrier_message_id"`
	}
	if err := d.cfg.DB.SelectContext(ctx, &rows, `SELECT e.carrier, e.carrier_message_id FROM early_receipts e
		JOIN carrier_refs k ON k.carrier = e.carrier AND k.carrier_message_id = e.carrier_message_id`+earlyMessage+`
		WHERE `+earlyConcerns+` ORDER BY 1, 2 LIMIT 1000`); err != nil {
		return fmt.Errorf("match receipts: %w", err)
	}
	for len(rows) > 0 {
		carrier, ids := rows[0].Carrier, []string{}
		for len(rows) > 0 && rows[0].Carrier == carrier {
			ids, rows = append(ids, rows[0].ID), rows[1:]
		}
		if err := d.book.match(ctx, d.cfg.DB, carrier, ids); err != nil {
			return err
		}
	}
	return nil
}

// housekeep ends the wait for receipts that never came and drops receipts and replies that
// nobody asked for.
func (d *Dispatcher) housekeep(ctx context.Context) error {
	if _, err := d.cfg.DB.ExecContext(ctx, `DELETE FROM stray_inbound WHERE kept_at < $1`, d.cfg.Now().Add(-strayKept)); err != nil {
		return fmt.Errorf("drop old stray replies: %w", err)
	}
	if _, err := d.cfg.DB.ExecContext(ctx, `DELETE FROM early_receipts WHERE received_at < $1`, d.cfg.Now().Add(-d.cfg.KeepEarly)); err != nil {
		return fmt.Errorf("drop old receipts: %w", err)
	}
	for {
		accounts, err := due.Lease(ctx, d.cfg.DB, receiptsKind, d.cfg.Owner, d.cfg.Now(), settleBatch, d.leaseFor())
		if err != nil {
			return err
		}
		if len(accounts) == 0 {
			return nil
		}
		var first error
		for _, account := range accounts {
			var next time.Time
			_, err := d.guarded(ctx, account, func(ctx context.Context, account int64) (n int, err error) {
				next, err = d.expire(ctx, account)
				return 0, err
			})
			if err != nil {
				next = d.cfg.Now().Add(time.Hour)
			}
			if e := due.Release(context.WithoutCancel(ctx), d.cfg.DB, receiptsKind, d.cfg.Owner, account, next); err == nil {
				err = e
			}
			if first == nil {
				first = err
			}
		}
		if first != nil {
			return first
		}
	}
}

// sweepPause is the least time between two looks at an account for overdue receipts: each
// reads the account's rows in sent, which has no index for it (one would cost every
// message, and this is for the few).
const sweepPause = time.Hour

// expire ends the wait for account's messages accepted ReceiptWait ago, and says when to
// look again; zero when no receipt is outstanding.
func (d *Dispatcher) expire(ctx context.Context, account int64) (next time.Time, err error) {
	now := d.cfg.Now()
	for {
		n := 0
		err := migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
			var ids []int64
			if err := tx.SelectContext(ctx, &ids, `SELECT s.message_id FROM sent s WHERE s.account_id = $1 AND s.status = 1 AND s.accepted_at <= $2
				LIMIT 1000`, account, now.Add(-d.cfg.ReceiptWait)); err != nil {
				return err
			}
			if n = len(ids); n == 0 {
				return nil
			}
			standings, err := d.book.lockTx(ctx, tx, account, ids)
			if err != nil {
				return err
			}
			var changed []*current
			var told []happening
			var changes []StatusChange
			for _, c := range standings {
				if c.Status != Sent {
					continue // its receipt came just now
				}
				c.status, c.reason, c.at = Expired, ReasonNoReceipt, now
				changed = append(changed, c)
				d.book.tally(c.Carrier, Expired, 1)
				told = append(told, happening{c.MessageRef, now, WhatExpired, Expired, ""})
				changes = append(changes, StatusChange{AccountID: account, MessageID: c.ID, Kind: c.Kind, Origin: c.Origin, OriginID: c.OriginID,
					From: Sent, To: Expired, Reason: c.reason, Code: c.code, Carrier: c.Carrier, At: now})
			}
			if err := d.book.updateTx(ctx, tx, account, changed); err != nil {
				return err
			}
			if err := d.book.tellTx(ctx, tx, told); err != nil {
				return err
			}
			return d.book.observeTx(ctx, tx, changes)
		})
		if err != nil {
			return time.Time{}, fmt.Errorf("expire messages of account %d: %w", account, err)
		}
		if n == 0 {
			break
		}
	}
	// While something was accepted lately the look is kept up, found or not: processes don't
	// raise it for every message, see awaitReceipts.
	var oldest, latest *time.Time
	err = migrations.InAccount(ctx, d.cfg.DB, account, func(tx *sqlx.Tx) error {
		return tx.QueryRowxContext(ctx, `SELECT min(s.accepted_at) FILTER (WHERE s.status = 1), max(s.accepted_at) FROM sent s WHERE s.account_id = $1`,
			account).Scan(&oldest, &latest)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("expire messages of account %d: %w", account, err)
	}
	switch {
	case oldest != nil:
		next = oldest.Add(d.cfg.ReceiptWait)
	case latest != nil && now.Sub(*latest) < 10*awaitedFor:
		next = now.Add(d.cfg.ReceiptWait)
	default:
		return time.Time{}, nil
	}
	if soonest := now.Add(sweepPause); next.Before(soonest) {
		next = soonest
	}
	return next, nil
}
