package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
)

// failover finds the carrier a message goes on to, or what it comes to when there is none.
// A missing route is final only when no carrier is left that might have one.
func (d *Dispatcher) failover(o outcome, b *batch, now time.Time) (*lane, outcome) {
	to, wake := open(d.destinationOf(o.it.Recipient).behind(b.lane), now)
	if to != nil {
		return to, o
	}
	if o.reason == ReasonMisconfigured {
		if until := b.lane.pausedUntil(now); wake.IsZero() || until.Before(wake) {
			wake = until
		}
	} else if wake.IsZero() {
		o.verdict = vFinal
		return nil, o
	}
	// At once where its own carrier runs again by now: then there is no instant to wait for.
	o.verdict, o.retryAt = vRetry, later(wake, now)
	if o.reason != ReasonMisconfigured {
		o.reason = ReasonTemporary
	}
	if !o.retryAt.Before(o.it.Expires) {
		o.verdict = vFinal
	}
	return nil, o
}

// requeueTx puts messages back that certainly weren't accepted, unless they were
// withdrawn meanwhile: those are returned in gone. told is for the history.
func (d *Dispatcher) requeueTx(ctx context.Context, tx *sqlx.Tx, back []outcome, written those, now time.Time) (told []happening, gone map[MessageRef]bool, err error) {
	if len(back) == 0 {
		return nil, nil, nil
	}
	var accounts, ids, attempts, priority, backOf, withdrawn []int64
	var at []time.Time
	earliest := map[string]map[int64]time.Time{}
	for _, o := range back {
		if !written.has(o.it.ref()) {
			backOf, withdrawn = append(backOf, o.it.AccountID), append(withdrawn, o.it.ID)
			continue
		}
		accounts, ids = append(accounts, o.it.AccountID), append(ids, o.it.ID)
		attempts = append(attempts, o.tries())
		priority = append(priority, int64(o.it.Kind.priority()))
		at = append(at, o.retryAt)
		kind := dueKindOf(o.it.Kind)
		if earliest[kind] == nil {
			earliest[kind] = map[int64]time.Time{}
		}
		if first, ok := earliest[kind][o.it.AccountID]; !ok || o.retryAt.Before(first) {
			earliest[kind][o.it.AccountID] = o.retryAt
		}
		if o.counted {
			what := WhatRetry
			if len(o.void) > 0 {
				what = WhatPartial
			}
			told = append(told, happening{o.it.ref(), o.at, what, NotSent, clean(o.code)})
		}
	}
	if len(withdrawn) > 0 {
		var in []MessageRef
		if err := tx.SelectContext(ctx, &in, `UPDATE sent AS s SET reason = 'withdrawn', status_at = $3
			FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS u (account_id, message_id)
			WHERE s.account_id = u.account_id AND s.message_id = u.message_id
			    AND s.status = 0 AND s.reason = 'withdrawing'
			RETURNING s.account_id AS accountid, s.message_id AS id`, integers(backOf), integers(withdrawn), now); err != nil {
			return nil, nil, fmt.Errorf("withdraw instead of retrying: %w", err)
		}
		gone = make(map[MessageRef]bool, len(in))
		for _, ref := range in {
			gone[ref] = true
			told = append(told, happening{ref, now, WhatWithdrawn, NotSent, ""})
		}
	}
	if len(ids) == 0 {
		return told, gone, nil
	}
	if err := d.statements.execTx(ctx, tx, `
		INSERT INTO queue AS q (account_id, message_id, priority, send_at, attempts)
		SELECT u.account_id, u.message_id, u.priority, u.send_at, u.attempts
		FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS timestamptz[]), CAST($5 AS smallint[]))
		    AS u (account_id, message_id, priority, send_at, attempts)
		ON CONFLICT (account_id, message_id) DO NOTHING`,
		integers(accounts), integers(ids), integers(priority), timestamps(at), integers(attempts)); err != nil {
		return nil, nil, fmt.Errorf("put %d messages back: %w", len(ids), err)
	}
	for _, kind := range slices.Sorted(maps.Keys(earliest)) {
		for _, account := range slices.Sorted(maps.Keys(earliest[kind])) {
			if err := due.Raise(ctx, tx, kind, account, earliest[kind][account]); err != nil {
				return nil, nil, err
			}
		}
	}
	return told, gone, nil
}

// holdUnansweredTx keeps the messages whose fate is unknown until they are decided. A
// carrier that can be asked is asked soon, others get UnansweredWait for their receipts.
func (d *Dispatcher) holdUnansweredTx(ctx context.Context, tx *sqlx.Tx, b *batch, all []outcome, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	_, asks := b.lane.carrier.(Finder)
	for _, o := range all {
		wait := d.cfg.UnansweredWait
		if asks {
			wait = min(wait, d.cfg.SendTimeout) // the request may still be on its way in
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO unanswered AS u (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account_id, message_id) DO NOTHING`,
			o.it.AccountID, o.it.ID, b.carrier(), o.it.Recipient, o.it.Sender, o.it.Attempts+1, b.at, now.Add(wait)); err != nil {
			return fmt.Errorf("hold message %d: %w", o.it.ID, err)
		}
	}
	return nil
}

// passOnTx claims messages for the next carrier of each. Which carrier may have a message
// must be durable before it is submitted there.
func (d *Dispatcher) passOnTx(ctx context.Context, tx *sqlx.Tx, b *batch, onward map[*lane][]outcome, now time.Time) ([]*batch, error) {
	var all []*batch
	for _, l := range d.lanes {
		byAccount := map[int64][]outcome{}
		for _, o := range onward[l] {
			byAccount[o.it.AccountID] = append(byAccount[o.it.AccountID], o)
		}
		if len(byAccount) == 0 {
			continue
		}
		next := &batch{lane: l, k: b.k, at: now}
		until := now.Add(d.cfg.ClaimLease)
		for _, account := range slices.Sorted(maps.Keys(byAccount)) {
			outs := byAccount[account]
			ids, attempts := make([]int64, len(outs)), make([]int64, len(outs))
			for i, o := range outs {
				ids[i], attempts[i] = o.it.ID, int64(o.it.Attempts)+1
			}
			var id int64
			if err := tx.GetContext(ctx, &id, `
				INSERT INTO claims AS c (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
				VALUES ($1, $2, $3, CAST($4 AS bigint[]), CAST($5 AS smallint[]), $6, $7) RETURNING c.id`,
				account, next.carrier(), d.cfg.Owner, integers(ids), integers(attempts), now, until); err != nil {
				return nil, fmt.Errorf("claim for the next carrier: %w", err)
			}
			for _, o := range outs {
				it := *o.it
				it.Attempts++
				next.add(&it, id, until)
			}
		}
		all = append(all, next)
	}
	return all, nil
}

// readOptOuts looks again who of b's recipients wants no texts, as takeBatch did for the claim
// before: what is passed on may have waited for long.
func (d *Dispatcher) readOptOuts(ctx context.Context, b *batch) error {
	accounts, recipients := make([]int64, len(b.items)), make([]string, len(b.items))
	for i, it := range b.items {
		accounts[i], recipients[i] = it.AccountID, it.Recipient
	}
	type person struct {
		AccountID int64 `db:"account_id"`
		Recipient string
	}
	optedOut := map[person]bool{}
	err := d.statements.query(context.WithoutCancel(ctx), func(rows *sqlx.Rows) error {
		var p person
		if err := rows.StructScan(&p); err != nil {
			return err
		}
		optedOut[p] = true
		return nil
	}, `SELECT o.account_id, o.recipient FROM unnest(CAST($1 AS bigint[]), CAST($2 AS text[])) AS u (account_id, recipient)
		JOIN opt_outs o ON o.account_id = u.account_id AND o.recipient = u.recipient`, integers(accounts), texts(recipients))
	if err != nil {
		return fmt.Errorf("look for opt-outs: %w", err)
	}
	for _, it := range b.items {
		it.OptedOut = it.Origin != OriginOptOut && optedOut[person{it.AccountID, it.Recipient}]
	}
	return nil
}
