package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// receiptsKind is the kind of due work that looks for receipts that never came.
const receiptsKind = "receipts"

// recordPauses are the waits before each further try to record results. What the carrier
// answered is worth waiting for: unrecorded, it becomes "may have been accepted".
//
// They add up to a minute, in which a database fails over. Nothing is claimed meanwhile,
// for what waits here holds its tokens of the window.
var recordPauses = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second,
	5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}

// observerTries is how often the Observer may refuse; ten seconds of recordPauses.
const observerTries = 8

// record writes results down, takes them out of their claims, and returns the batches for
// the carriers that messages failed over to.
//
// It tries until it succeeds or the database has been away for long. The Observer is left
// out in the end if it was the Observer that refused again and again: better it misses a
// change than a text goes out twice.
//
// What can't be recorded stays in its claim, which nobody renews once the rest of the batch
// is through: then it is unanswered.
func (d *Dispatcher) record(ctx context.Context, b *batch, outs []outcome) (next []*batch, err error) {
	ctx = context.WithoutCancel(ctx) // a graceful stop finishes what is in hand
	done := map[*claim][]*item{}
	for i := range outs {
		it := outs[i].it
		done[it.claim] = append(done[it.claim], it)
	}
	var byBook []standing
	defer func() { d.cfg.Flights.landed(b.carrier(), outs, byBook) }()
	defer func() {
		if err != nil {
			return
		}
		for c, items := range done {
			c.open -= len(items)
		}
	}()
	refused := 0 // by the Observer
	dare := d.optimism.dare()
	for try := 0; ; try++ {
		last := try == len(d.recordPauses)
		observe := refused < min(observerTries, len(d.recordPauses))
		var first []standing
		err = d.awaitReceipts(ctx, outs)
		if err == nil {
			err = migrations.InTx(ctx, d.cfg.DB, func(tx *sqlx.Tx) (err error) {
				next, first, err = d.recordTx(ctx, tx, b, done, outs, dare, observe)
				return err
			})
		}
		if err == nil {
			byBook = first
			d.matchEarly(ctx, b.carrier(), outs)
			return next, nil
		}
		if dare && conflicts(err) {
			dare = false
			d.optimism.refuted()
			try--
			continue
		}
		if errors.Is(err, errObserver) {
			refused++
		}
		if last {
			return nil, fmt.Errorf("record %d results: %w", len(outs), err)
		}
		d.cfg.Log.WarnContext(ctx, "results could not be recorded yet", "carrier", b.carrier(), "results", len(outs), "try", try+1, "error", err)
		time.Sleep(d.recordPauses[try])
	}
}

// recordTx is one try of record. first are the messages accepted by the book, see
// outcome.first.
func (d *Dispatcher) recordTx(ctx context.Context, tx *sqlx.Tx, b *batch, done map[*claim][]*item, outs []outcome, dare, observe bool) (next []*batch, first []standing, err error) {
	held, err := d.shrinkTx(ctx, tx, done)
	if err != nil {
		return nil, nil, err
	}
	if len(held) < len(done) {
		if outs, err = d.lateTx(ctx, tx, b, held, outs); err != nil {
			return nil, nil, err
		}
	}
	now := d.cfg.Now()
	name := b.carrier()
	var (
		standings = make([]standing, 0, len(outs))
		refs      = make([]carrierID, 0, len(outs))
		told      []happening
		back      []outcome
		unknown   []outcome
		onward    = map[*lane][]outcome{}
		optedOut  []*item
		invalid   []outcome
		some      []Receipt // segments known to be taken, of messages in doubt
	)
	for _, o := range outs {
		for _, id := range o.void {
			if o.verdict == vUnanswered {
				// The others may have been taken too: this one counts as evidence.
				some = append(some, Receipt{Carrier: name, CarrierID: id, Status: Sent, At: o.at, Recipient: o.it.Recipient, Sender: o.it.Sender})
			} else {
				refs = append(refs, carrierID{id: clean(id), message: o.it.ref(), status: voidRef})
			}
		}
		var to *lane
		if o.verdict == vFailover {
			// A message no other carrier can take now is refused, or waits for its carrier.
			if to, o = d.failover(o, b, now); to != nil {
				onward[to] = append(onward[to], o)
			}
		}
		st := standing{MessageRef: o.it.ref(), reason: o.reason, code: clean(o.code), carrier: name, attempts: int(o.tries()), at: o.at, it: o.it}
		switch o.verdict {
		case vAccepted:
			if dare && held[o.it.claim] && o.first() {
				st.status, st.id = Sent, o.ids[0]
				first = append(first, st)
				continue
			}
			at := o.at
			st.status, st.parts, st.accepted = Sent, len(o.ids), &at
			for _, id := range o.ids {
				refs = append(refs, carrierID{id: id, message: o.it.ref(), status: Sent, whole: len(o.ids) == 1})
			}
			if o.it.Attempts > 0 || !held[o.it.claim] { // otherwise by the book
				told = append(told, happening{o.it.ref(), o.at, WhatAccepted, Sent, name})
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
					optedOut = append(optedOut, o.it)
				} else {
					st.carrier = ""
				}
			case ReasonInvalidNumber:
				st.carrier = ""
			}
			if o.counted && o.status == InvalidDestination {
				invalid = append(invalid, o)
			}
			told = append(told, happening{o.it.ref(), o.at, what, o.status, st.code})
		case vRetry:
			st.carrier = ""
			back = append(back, o)
		case vFailover:
			// It waits for the next carrier. Where it stands is where withdrawals are met.
			st.carrier = ""
			if st.reason != ReasonMisconfigured {
				st.reason = ReasonTemporary
			}
		case vUnanswered:
			unknown = append(unknown, o)
			told = append(told, happening{o.it.ref(), o.at, WhatUnanswered, NotSent, st.code})
		}
		standings = append(standings, st)
	}
	// The directories come before the tenants' rows (law 11).
	if err := d.book.referFirstTx(ctx, tx, name, first); err != nil {
		return nil, nil, err
	}
	if err := d.book.referTx(ctx, tx, name, refs); err != nil {
		return nil, nil, err
	}
	if err := d.book.keepTx(ctx, tx, fold(some, now), now); err != nil {
		return nil, nil, err
	}
	if err := d.book.writeFirstTx(ctx, tx, name, first); err != nil {
		return nil, nil, err
	}
	d.book.tally(name, Sent, len(first))
	written, err := d.book.writeTx(ctx, tx, standings)
	if err != nil {
		return nil, nil, err
	}
	settled := make([]Settlement, 0, len(first)+len(standings))
	for _, st := range first {
		settled = append(settled, Settlement{st.MessageRef, true, st.at})
	}
	for _, st := range standings {
		if !written.has(st.MessageRef) {
			continue
		}
		if st.status != NotSent {
			d.book.tally(st.carrier, st.status, 1)
		}
		if over, captured := ends(st.status, st.reason); over {
			settled = append(settled, Settlement{st.MessageRef, captured, st.at})
		}
	}
	for _, l := range d.lanes {
		onward[l] = slices.DeleteFunc(onward[l], func(o outcome) bool {
			if written.has(o.it.ref()) {
				told = append(told, happening{o.it.ref(), o.at, WhatFailover, NotSent, name})
				return false
			}
			back = append(back, o) // unwritten, so it isn't put back: it ends if it was withdrawn
			return true
		})
	}
	more, gone, err := d.requeueTx(ctx, tx, back, written, now)
	if err != nil {
		return nil, nil, err
	}
	told = append(told, more...)
	for _, ref := range slices.SortedFunc(maps.Keys(gone), MessageRef.compare) {
		settled = append(settled, Settlement{MessageRef: ref, At: now})
	}
	if err := d.book.settleTx(ctx, tx, settled); err != nil {
		return nil, nil, err
	}
	if err := d.holdUnansweredTx(ctx, tx, b, unknown, now); err != nil {
		return nil, nil, err
	}
	for _, it := range optedOut { // the numbers a carrier says opted out
		if _, err := optOutTx(ctx, tx, d.book, it.AccountID, it.Recipient, SourceCarrier, now); err != nil {
			return nil, nil, err
		}
	}
	for _, o := range invalid {
		if err := listInvalidTx(ctx, tx, o.it.ref(), clean(o.code), now); err != nil {
			return nil, nil, err
		}
	}
	if err := d.book.tellTx(ctx, tx, told); err != nil {
		return nil, nil, err
	}
	if observe {
		changes := append(d.changes(first, those{all: true}, nil, now), d.changes(standings, written, gone, now)...)
		if err := d.book.observeTx(ctx, tx, changes); err != nil {
			return nil, nil, err
		}
	}
	next, err = d.passOnTx(ctx, tx, b, onward, now)
	return next, first, err
}

// awaitReceipts raises the look for receipts that never come, for the accounts with
// messages accepted now. It does so before the recording and not within it: the row would
// stay locked until the commit, and batches of the same account would wait for each other.
//
// What was raised holds for a while, since an account that was sent something lately isn't
// given up by the sweep, see expire.
func (d *Dispatcher) awaitReceipts(ctx context.Context, outs []outcome) error {
	now := d.cfg.Now()
	var accounts []int64
	d.mu.Lock()
	for _, o := range outs {
		a := o.it.AccountID
		if o.verdict == vAccepted && now.Sub(d.awaited[a]) >= awaitedFor && !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
	}
	d.mu.Unlock()
	if len(accounts) == 0 {
		return nil
	}
	if err := due.RaiseAll(ctx, d.cfg.DB, receiptsKind, accounts, now.Add(d.cfg.ReceiptWait)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.awaited) > 10000 { // no more than a memory; it may be lost
		clear(d.awaited)
	}
	for _, a := range accounts {
		d.awaited[a] = now
	}
	return nil
}

// awaitedFor is how long a raised look for receipts isn't raised again.
const awaitedFor = time.Minute

// lateTx reduces the results of claims that were taken from us, because we were too slow,
// to what they still are good for: knowledge. An acceptance is one in any case; that a
// message wasn't taken only while the doubt about this attempt stands, for then nothing was
// decided.
func (d *Dispatcher) lateTx(ctx context.Context, tx *sqlx.Tx, b *batch, held map[*claim]bool, outs []outcome) ([]outcome, error) {
	var good []outcome
	late := map[int64][]outcome{}
	for _, o := range outs {
		if held[o.it.claim] {
			good = append(good, o)
		} else {
			late[o.it.AccountID] = append(late[o.it.AccountID], o)
		}
	}
	for _, account := range slices.Sorted(maps.Keys(late)) {
		d.cfg.Log.WarnContext(ctx, "claim was taken over while it was worked on", "account_id", account, "carrier", b.carrier(), "results", len(late[account]))
		accepted, refused := []int64{}, []int64{}
		for _, o := range late[account] {
			switch o.verdict {
			case vAccepted:
				accepted = append(accepted, o.it.ID)
			case vUnanswered: // nothing is known
			default:
				refused = append(refused, o.it.ID)
			}
		}
		var doubted []int64
		if err := tx.SelectContext(ctx, &doubted, `DELETE FROM unanswered WHERE account_id = $1
			AND (message_id = ANY(CAST($2 AS bigint[])) OR message_id = ANY(CAST($3 AS bigint[])) AND carrier = $4 AND since = $5) RETURNING message_id`,
			account, integers(accepted), integers(refused), b.carrier(), b.at); err != nil {
			return nil, fmt.Errorf("late results: %w", err)
		}
		for _, o := range late[account] {
			if o.verdict == vAccepted || o.verdict != vUnanswered && slices.Contains(doubted, o.it.ID) {
				good = append(good, o)
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM queue WHERE account_id = $1 AND message_id = ANY(CAST($2 AS bigint[]))`,
			account, integers(accepted)); err != nil {
			return nil, fmt.Errorf("late results: %w", err)
		}
	}
	return good, nil
}

// changes lists what the Observer should hear. gone are the messages whose withdrawal
// came too late to stop the attempt, but in time, since the carrier didn't take them.
func (d *Dispatcher) changes(standings []standing, written those, gone map[MessageRef]bool, now time.Time) []StatusChange {
	if d.book.observer == nil {
		return nil
	}
	var out []StatusChange
	for _, s := range standings {
		it := s.it
		if gone[s.MessageRef] {
			s = standing{MessageRef: s.MessageRef, reason: ReasonWithdrawn, at: now}
		}
		if (written.has(s.MessageRef) || gone[s.MessageRef]) && d.book.hears(s.reason) {
			out = append(out, StatusChange{AccountID: s.AccountID, MessageID: s.ID, Kind: it.Kind, Origin: it.Origin, OriginID: it.OriginID,
				From: NotSent, To: s.status, Reason: s.reason, Code: s.code, Carrier: s.carrier, At: s.at})
		}
	}
	return out
}

// logOutcomes writes one line per message, with ids only.
func (d *Dispatcher) logOutcomes(ctx context.Context, b *batch, outs []outcome) {
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
		attrs := []slog.Attr{slog.Int64("account_id", o.it.AccountID), slog.Int64("message_id", o.it.ID), slog.String("carrier", b.carrier()),
			slog.String("reason", string(o.reason)), slog.String("code", o.code)}
		if o.err != nil {
			attrs = append(attrs, slog.Any("error", o.err))
		}
		d.cfg.Log.LogAttrs(ctx, level, msg, attrs...)
	}
}
