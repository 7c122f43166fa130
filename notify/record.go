package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/due"
)

// receiptsKind is the kind of due work that looks for receipts that never came.
const receiptsKind = "receipts"

// recordPauses are the waits before each further try to record results. What the carrier
// answered is worth waiting for: unrecorded, it becomes "may have been accepted".
var recordPauses = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second, 4 * time.Second}

// record writes results down, leaving keep in the claim, and returns the claim for the
// next carrier with the messages that failed over, or nil.
//
// It tries until it succeeds or the claim's lease would be over anyway. The last try does
// without the Observer: better it misses a change than a text goes out twice.
func (d *Dispatcher) record(ctx context.Context, c *claim, outs []outcome, keep []*item) (*claim, error) {
	ctx = context.WithoutCancel(ctx) // a graceful stop finishes what is in hand
	for try := 0; ; try++ {
		last := try == len(d.recordPauses)
		var next *claim
		err := migrations.InAccount(ctx, d.cfg.DB, c.account, func(tx *sqlx.Tx) (err error) {
			next, err = d.recordTx(ctx, tx, c, outs, keep, !last)
			return err
		})
		if err == nil {
			return next, nil
		}
		if last {
			return nil, fmt.Errorf("record %d results of account %d: %w", len(outs), c.account, err)
		}
		d.cfg.Log.WarnContext(ctx, "results could not be recorded yet", "account_id", c.account, "results", len(outs), "try", try+1, "error", err)
		time.Sleep(d.recordPauses[try])
	}
}

func (d *Dispatcher) recordTx(ctx context.Context, tx *sqlx.Tx, c *claim, outs []outcome, keep []*item, observe bool) (*claim, error) {
	held, err := d.shrinkClaimTx(ctx, tx, c, keep)
	if err != nil {
		return nil, err
	}
	if !held {
		if outs, err = d.lateTx(ctx, tx, c, outs); err != nil {
			return nil, err
		}
	}
	now := d.cfg.Now()
	name := c.carrier.Name()
	var (
		standings []standing
		told      []happening
		refs      []carrierID
		known     []string // ids whose receipts may have come already
		back      []outcome
		unknown   []outcome
		onward    []outcome
		optedOut  []string
		sent      bool
	)
	to := d.next(c, now)
	for _, o := range outs {
		// A message no other carrier can take now is refused, or waits for its carrier.
		if o.verdict == vFailover && to == nil {
			o = d.withoutFailover(o, c, now)
		}
		st := standing{id: o.it.ID, reason: o.reason, code: clean(o.code), carrier: name, attempts: int(o.tries()), at: o.at}
		for _, id := range o.void {
			refs = append(refs, carrierID{id: clean(id), message: o.it.ID, void: true})
		}
		switch o.verdict {
		case vAccepted:
			at := o.at
			st.status, st.parts, st.accepted = Sent, len(o.ids), &at
			for _, id := range o.ids {
				refs = append(refs, carrierID{id: clean(id), message: o.it.ID})
				known = append(known, clean(id))
			}
			sent = true
			if o.it.Attempts > 0 || !held { // otherwise by the book
				told = append(told, happening{o.it.ID, o.at, WhatAccepted, Sent, name})
			}
		case vFinal:
			st.status = o.status
			what := WhatFailed
			switch o.reason {
			case ReasonTooLate:
				what, st.carrier = WhatExpired, ""
			case ReasonStale:
				what, st.carrier = WhatWithdrawn, ""
			case ReasonOptedOut:
				if o.counted { // the carrier knows better than we did
					optedOut = append(optedOut, o.it.Recipient)
				} else {
					st.carrier = ""
				}
			}
			told = append(told, happening{o.it.ID, o.at, what, o.status, st.code})
		case vRetry:
			st.carrier = ""
			back = append(back, o)
		case vUnanswered:
			unknown = append(unknown, o)
			what := WhatUnanswered
			if o.reason == ReasonPartial {
				what = WhatPartial
			}
			told = append(told, happening{o.it.ID, o.at, what, NotSent, st.code})
		case vFailover:
			onward = append(onward, o)
			told = append(told, happening{o.it.ID, o.at, WhatFailover, NotSent, name})
			continue // its standing comes from the next carrier
		}
		standings = append(standings, st)
	}
	// The directories come before the tenant's rows (law 11).
	if err := d.book.referTx(ctx, tx, c.account, name, refs); err != nil {
		return nil, err
	}
	written, err := d.book.writeTx(ctx, tx, c.account, standings)
	if err != nil {
		return nil, err
	}
	more, gone, err := d.requeueTx(ctx, tx, c, back, written, now)
	if err != nil {
		return nil, err
	}
	told = append(told, more...)
	if err := d.holdUnansweredTx(ctx, tx, c, unknown, now); err != nil {
		return nil, err
	}
	if err := d.suppressTx(ctx, tx, c.account, optedOut, now); err != nil {
		return nil, err
	}
	if err := d.book.tellTx(ctx, tx, c.account, told); err != nil {
		return nil, err
	}
	if observe {
		if err := d.book.observeTx(ctx, tx, d.changes(c, outs, standings, written, gone, now)); err != nil {
			return nil, err
		}
	}
	if err := d.book.takeEarlyTx(ctx, tx, name, known); err != nil {
		return nil, err
	}
	next, err := d.passOnTx(ctx, tx, c, to, onward, now)
	if err == nil && sent {
		err = due.Raise(ctx, tx, receiptsKind, c.account, now.Add(d.cfg.ReceiptWait))
	}
	return next, err
}

// next is the lane behind c's that isn't paused; nil when there is none.
func (d *Dispatcher) next(c *claim, now time.Time) *lane {
	l := d.laneNamed(c.carrier.Name())
	if l == nil {
		return nil
	}
	to, _ := d.laneFrom(l.index+1, now)
	return to
}

// withoutFailover is what a message comes to that should go on to the next carrier when
// there is none. A missing route is final only when no carrier is left that might have one.
func (d *Dispatcher) withoutFailover(o outcome, c *claim, now time.Time) outcome {
	_, wake := d.laneFrom(d.indexOf(c)+1, now)
	if o.reason == ReasonMisconfigured {
		if l := d.laneNamed(c.carrier.Name()); l != nil && (wake.IsZero() || l.pausedUntil().Before(wake)) {
			wake = l.pausedUntil()
		}
	} else if wake.IsZero() {
		o.verdict = vFinal
		return o
	}
	o.verdict, o.retryAt = vRetry, wake
	if o.reason != ReasonMisconfigured {
		o.reason = ReasonTemporary
	}
	if !o.retryAt.Before(o.it.Expires) {
		o.verdict = vFinal
	}
	return o
}

func (d *Dispatcher) indexOf(c *claim) int {
	if l := d.laneNamed(c.carrier.Name()); l != nil {
		return l.index
	}
	return len(d.lanes) - 1
}

// lateTx reduces the results of a claim that was taken from us, because we were too slow,
// to what they still are good for: knowledge. An acceptance is one in any case; a final
// failure only while nothing else was decided. Messages to retry are the other's affair.
func (d *Dispatcher) lateTx(ctx context.Context, tx *sqlx.Tx, c *claim, outs []outcome) ([]outcome, error) {
	d.cfg.Log.WarnContext(ctx, "claim was taken over while it was worked on", "account_id", c.account, "claim_id", c.id, "results", len(outs))
	ids := make([]int64, 0, len(outs))
	for _, o := range outs {
		if o.verdict == vAccepted || o.verdict == vFinal {
			ids = append(ids, o.it.ID)
		}
	}
	var awaited []int64
	if err := tx.SelectContext(ctx, &awaited, `DELETE FROM unanswered WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[])) RETURNING message_id`,
		c.account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("late results: %w", err)
	}
	was := make(map[int64]bool, len(awaited))
	for _, id := range awaited {
		was[id] = true
	}
	var good []outcome
	accepted := []int64{}
	for _, o := range outs {
		switch {
		case o.verdict == vAccepted:
			accepted = append(accepted, o.it.ID)
			good = append(good, o)
		case o.verdict == vFinal && was[o.it.ID]:
			good = append(good, o)
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM queue WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[]))`,
		c.account, pq.Array(accepted)); err != nil {
		return nil, fmt.Errorf("late results: %w", err)
	}
	return good, nil
}

// requeueTx puts messages back that certainly weren't accepted, unless they were
// withdrawn meanwhile: those are returned in gone. told is for the history.
func (d *Dispatcher) requeueTx(ctx context.Context, tx *sqlx.Tx, c *claim, back []outcome, written map[int64]bool, now time.Time) (told []happening, gone map[int64]bool, err error) {
	if len(back) == 0 {
		return nil, nil, nil
	}
	var ids, attempts, priority, withdrawn []int64
	var at []time.Time
	earliest := time.Time{}
	for _, o := range back {
		if !written[o.it.ID] {
			withdrawn = append(withdrawn, o.it.ID)
			continue
		}
		ids = append(ids, o.it.ID)
		attempts = append(attempts, o.tries())
		priority = append(priority, int64(o.it.Kind.priority()))
		at = append(at, o.retryAt)
		if earliest.IsZero() || o.retryAt.Before(earliest) {
			earliest = o.retryAt
		}
		if o.counted {
			told = append(told, happening{o.it.ID, o.at, WhatRetry, NotSent, clean(o.code)})
		}
	}
	if len(withdrawn) > 0 {
		var in []int64
		if err := tx.SelectContext(ctx, &in, `UPDATE sent AS s SET reason = 'withdrawn', status_at = $3
			WHERE s.account_id = $1 AND s.message_id = ANY(CAST($2 AS bigint[])) AND s.status = 0 AND s.reason = 'withdrawing'
			RETURNING s.message_id`, c.account, pq.Array(withdrawn), now); err != nil {
			return nil, nil, fmt.Errorf("withdraw instead of retrying: %w", err)
		}
		gone = make(map[int64]bool, len(in))
		for _, id := range in {
			gone[id] = true
			told = append(told, happening{id, now, WhatWithdrawn, NotSent, ""})
		}
	}
	if len(ids) == 0 {
		return told, gone, nil
	}
	var queued []int64
	if err := tx.SelectContext(ctx, &queued, `
		INSERT INTO queue AS q (account_id, message_id, priority, send_at, attempts)
		SELECT $1, u.message_id, u.priority, u.send_at, u.attempts
		FROM unnest(CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS timestamptz[]), CAST($5 AS smallint[]))
		    AS u (message_id, priority, send_at, attempts)
		ON CONFLICT (account_id, message_id) DO NOTHING
		RETURNING q.message_id`, c.account, pq.Array(ids), pq.Array(priority), timestamps(at), pq.Array(attempts)); err != nil {
		return nil, nil, fmt.Errorf("put %d messages back: %w", len(ids), err)
	}
	return told, gone, due.Raise(ctx, tx, dueKind, c.account, earliest)
}

// holdUnansweredTx keeps the messages whose fate is unknown until they are decided. A
// carrier that can be asked is asked soon, others get UnansweredWait for their receipts.
func (d *Dispatcher) holdUnansweredTx(ctx context.Context, tx *sqlx.Tx, c *claim, all []outcome, now time.Time) error {
	_, asks := c.carrier.(Finder)
	for _, o := range all {
		wait := d.cfg.UnansweredWait
		switch {
		case o.reason == ReasonPartial:
			wait = 0 // nothing more will be heard
		case asks:
			wait = min(wait, d.cfg.SendTimeout) // the request may still be on its way in
		}
		if err := d.holdTx(ctx, tx, c.account, o.it.ID, c.carrier.Name(), o.it, c.at, now.Add(wait)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) holdTx(ctx context.Context, tx *sqlx.Tx, account, id int64, carrier string, it *item, since, decideAt time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO unanswered AS u (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account_id, message_id) DO NOTHING`,
		account, id, carrier, it.Recipient, it.Sender, it.Attempts+1, since, decideAt)
	if err != nil {
		return fmt.Errorf("hold message %d: %w", id, err)
	}
	return nil
}

// suppressTx notes the numbers a carrier says opted out.
func (d *Dispatcher) suppressTx(ctx context.Context, tx *sqlx.Tx, account int64, numbers []string, now time.Time) error {
	for _, number := range numbers {
		if _, err := optOutTx(ctx, tx, d.book, account, number, SourceCarrier, now); err != nil {
			return err
		}
	}
	return nil
}

// passOnTx claims messages for the next carrier. Which carrier may have a message must be
// durable before it is submitted there.
func (d *Dispatcher) passOnTx(ctx context.Context, tx *sqlx.Tx, c *claim, to *lane, all []outcome, now time.Time) (*claim, error) {
	if len(all) == 0 {
		return nil, nil
	}
	next := &claim{account: c.account, carrier: to.carrier, at: now}
	ids, attempts := make([]int64, len(all)), make([]int64, len(all))
	for i, o := range all {
		it := *o.it
		it.Attempts++
		next.items = append(next.items, &it)
		ids[i], attempts[i] = it.ID, int64(it.Attempts)
	}
	if err := tx.GetContext(ctx, &next.id, `
		INSERT INTO claims AS c (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
		VALUES ($1, $2, $3, CAST($4 AS bigint[]), CAST($5 AS smallint[]), $6, $7) RETURNING c.id`,
		c.account, to.carrier.Name(), d.cfg.Owner, pq.Array(ids), pq.Array(attempts), now, now.Add(d.cfg.ClaimLease)); err != nil {
		return nil, fmt.Errorf("claim for the next carrier: %w", err)
	}
	return next, nil
}

// changes lists what the Observer should hear. gone are the messages whose withdrawal
// came too late to stop the attempt, but in time, since the carrier didn't take them.
func (d *Dispatcher) changes(c *claim, outs []outcome, standings []standing, written, gone map[int64]bool, now time.Time) []StatusChange {
	if d.book.observer == nil {
		return nil
	}
	byID := make(map[int64]*item, len(outs))
	for _, o := range outs {
		byID[o.it.ID] = o.it
	}
	var out []StatusChange
	for _, s := range standings {
		it := byID[s.id]
		if it != nil && gone[s.id] {
			s = standing{id: s.id, reason: ReasonWithdrawn, at: now}
		}
		if it != nil && (written[s.id] || gone[s.id]) {
			out = append(out, StatusChange{AccountID: c.account, MessageID: s.id, Kind: it.Kind, Origin: it.Origin, OriginID: it.OriginID,
				From: NotSent, To: s.status, Reason: s.reason, Code: s.code, Carrier: s.carrier, At: s.at})
		}
	}
	return out
}

// logOutcomes writes one line per message, with ids only.
func (d *Dispatcher) logOutcomes(ctx context.Context, c *claim, outs []outcome) {
	for _, o := range outs {
		level, msg := slog.LevelDebug, "message accepted"
		switch o.verdict {
		case vFinal:
			level, msg = slog.LevelInfo, "message not sent"
		case vRetry:
			level, msg = slog.LevelInfo, "message will be tried again"
		case vFailover:
			level, msg = slog.LevelWarn, "message goes to the next carrier"
		case vUnanswered:
			level, msg = slog.LevelWarn, "message may have been accepted"
		}
		if !d.cfg.Log.Enabled(ctx, level) {
			continue
		}
		attrs := []slog.Attr{slog.Int64("account_id", c.account), slog.Int64("message_id", o.it.ID), slog.String("carrier", c.carrier.Name()),
			slog.String("reason", string(o.reason)), slog.String("code", o.code)}
		if o.err != nil {
			attrs = append(attrs, slog.Any("error", o.err))
		}
		d.cfg.Log.LogAttrs(ctx, level, msg, attrs...)
	}
}
