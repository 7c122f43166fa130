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
)

// DueHeld is the kind of due work Holds leases: something held may have to end, or to go.
// Whoever adds credit raises it.
const DueHeld = "held"

// recheck is how soon held messages are looked at again though nobody said that anything
// changed: a process that decided by what it read seconds before may have held one just
// after it was released.
const recheck = time.Minute

// heldRow is a message that waits, for one reason.
type heldRow struct {
	MessageRef
	Reason    Reason    `db:"reason"`
	Country   string    `db:"country"`
	Sender    string    `db:"sender"`
	Since     time.Time `db:"since"`
	ExpiresAt time.Time `db:"expires_at"`
}

// holdTx keeps messages out of the queue.
func holdTx(ctx context.Context, tx *sqlx.Tx, rows []heldRow, now time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	accounts, ids := make([]int64, n), make([]int64, n)
	reasons, countries, senders := make([]string, n), make([]string, n), make([]string, n)
	since, expires := make([]time.Time, n), make([]time.Time, n)
	of := map[int64]bool{}
	next := now.Add(recheck)
	for i, r := range rows {
		accounts[i], ids[i], of[r.AccountID] = r.AccountID, r.ID, true
		reasons[i], countries[i], senders[i], since[i], expires[i] = string(r.Reason), r.Country, r.Sender, r.Since, r.ExpiresAt
		if r.ExpiresAt.Before(next) {
			next = r.ExpiresAt
		}
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO held (account_id, message_id, reason, country, sender, since, expires_at)
		SELECT u.account_id, u.message_id, u.reason, u.country, u.sender, u.since, u.expires_at
		FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS timestamptz[]), CAST($7 AS timestamptz[]))
		    AS u (account_id, message_id, reason, country, sender, since, expires_at)
		ON CONFLICT (account_id, message_id, reason) DO NOTHING`,
		pq.Array(accounts), pq.Array(ids), pq.Array(reasons), pq.Array(countries), pq.Array(senders), timestamps(since), timestamps(expires)); err != nil {
		return fmt.Errorf("hold %d messages: %w", n, err)
	}
	return due.RaiseAll(ctx, tx, DueHeld, slices.Collect(maps.Keys(of)), next)
}

// queueing is a message on its way into the queue.
type queueing struct {
	MessageRef
	kind   Kind
	sendAt time.Time
}

// queueTx puts messages into the queue and says that there is work.
func queueTx(ctx context.Context, tx *sqlx.Tx, all []queueing) error {
	if len(all) == 0 {
		return nil
	}
	accounts, ids, priorities, sendAt := make([]int64, len(all)), make([]int64, len(all)), make([]int64, len(all)), make([]time.Time, len(all))
	for i, q := range all {
		accounts[i], ids[i], priorities[i], sendAt[i] = q.AccountID, q.ID, int64(q.kind.priority()), q.sendAt
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO queue (account_id, message_id, priority, send_at)
		SELECT u.account_id, u.message_id, u.priority, u.send_at
		FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS timestamptz[])) AS u (account_id, message_id, priority, send_at)
		ON CONFLICT (account_id, message_id) DO NOTHING`, pq.Array(accounts), pq.Array(ids), pq.Array(priorities), timestamps(sendAt)); err != nil {
		return fmt.Errorf("queue %d messages: %w", len(all), err)
	}
	return raiseTx(ctx, tx, all)
}

// raiseTx says that the accounts of queued messages have work, from the earliest on.
func raiseTx(ctx context.Context, tx *sqlx.Tx, all []queueing) error {
	type work struct {
		accounts map[int64]bool
		from     time.Time
	}
	byKind := map[string]*work{}
	for _, q := range all {
		kind := dueKindOf(q.kind)
		w := byKind[kind]
		if w == nil {
			w = &work{map[int64]bool{}, q.sendAt}
			byKind[kind] = w
		}
		w.accounts[q.AccountID] = true
		if q.sendAt.Before(w.from) {
			w.from = q.sendAt
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		if err := due.RaiseAll(ctx, tx, kind, slices.Collect(maps.Keys(byKind[kind].accounts)), byKind[kind].from); err != nil {
			return err
		}
	}
	return nil
}

// placeTx gives messages that were added, but not queued, their place: ended by the rules,
// held back, or queued if there is credit.
func (o *Outbox) placeTx(ctx context.Context, tx *sqlx.Tx, drafts []*draft, now time.Time) error {
	var rows []heldRow
	var standings []standing
	var told []happening
	hold := func(d *draft, reasons ...Reason) {
		for _, why := range reasons {
			rows = append(rows, heldRow{d.ref(), why, d.country, d.out.Sender, now, d.Expires})
		}
		standings = append(standings, standing{MessageRef: d.ref(), reason: reasons[0], at: now})
		told = append(told, happening{MessageRef: d.ref(), at: now, what: WhatHeld, code: string(reasons[0])})
	}
	free := map[int64][]*draft{} // by account
	for _, d := range drafts {
		switch {
		case d.out.ID == 0: // known already
		case d.end != NotSent:
			standings = append(standings, standing{MessageRef: d.ref(), status: d.end, reason: d.why, at: now})
			told = append(told, happening{MessageRef: d.ref(), at: now, what: WhatFailed, status: d.end})
		case len(d.holds) > 0:
			hold(d, d.holds...)
		default:
			free[d.AccountID] = append(free[d.AccountID], d)
		}
	}
	var paid []queueing
	for _, account := range slices.Sorted(maps.Keys(free)) {
		charges := make([]Charge, len(free[account]))
		for i, d := range free[account] {
			charges[i] = d.charge()
		}
		uncovered, err := o.policy.chargeTx(ctx, tx, account, charges)
		if err != nil {
			return err
		}
		for _, d := range free[account] {
			if uncovered[d.out.ID] {
				d.out.Reason = ReasonCredit
				hold(d, ReasonCredit)
			} else {
				paid = append(paid, d.queueing())
			}
		}
	}
	b := &book{}
	if _, err := b.writeTx(ctx, tx, standings); err != nil {
		return err
	}
	if err := b.tellTx(ctx, tx, told); err != nil {
		return err
	}
	if err := holdTx(ctx, tx, rows, now); err != nil {
		return err
	}
	return queueTx(ctx, tx, paid)
}

// chargeTx asks the Meter, if there is one, what isn't covered.
func (p *Policy) chargeTx(ctx context.Context, tx *sqlx.Tx, account int64, charges []Charge) (map[int64]bool, error) {
	if p == nil || p.cfg.Meter == nil || len(charges) == 0 {
		return nil, nil
	}
	ids, err := p.cfg.Meter.HoldTx(ctx, tx, account, charges)
	if err != nil {
		return nil, fmt.Errorf("set credit aside for %d messages: %w", len(charges), err)
	}
	uncovered := make(map[int64]bool, len(ids))
	for _, id := range ids {
		uncovered[id] = true
	}
	return uncovered, nil
}

// Held selects messages of an account that are held for a reason.
type Held struct {
	AccountID int64
	Reason    Reason // ReasonReview, ReasonRegistration or ReasonCredit
	Country   string // of the recipients; "" = all
	Sender    string // in any case; "" = all
	Limit     int    // 0 = 1000
}

const heldBatch = 1000

// lockTx locks what s selects and returns it: the longest held first, or of what waits for
// credit what expires first, as the soonest appointment does. A message that
// somebody is withdrawing isn't among it: its row in sent is what withdrawals, releases
// and turn-downs wait for each other at.
//
// full says that there may be more of them.
func (h *Holds) lockTx(ctx context.Context, tx *sqlx.Tx, s Held, where string, args ...any) (rows []heldRow, were map[int64]*current, full bool, err error) {
	limit := s.Limit
	if limit <= 0 {
		limit = heldBatch
	}
	args = append([]any{s.AccountID, s.Reason, s.Country, s.Sender, limit}, args...)
	if err := tx.SelectContext(ctx, &rows, `SELECT h.account_id AS accountid, h.message_id AS id, h.reason, h.country, h.sender, h.since, h.expires_at FROM held h
		WHERE h.account_id = $1 AND ($2 = '' OR h.reason = $2) AND ($3 = '' OR h.country = $3) AND ($4 = '' OR lower(h.sender) = lower($4)) `+where+`
		ORDER BY CASE WHEN $2 = 'credit' THEN h.expires_at END, h.since, h.message_id LIMIT $5`, args...); err != nil {
		return nil, nil, false, fmt.Errorf("look for held messages: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil, false, nil
	}
	full = len(rows) >= limit
	if were, err = h.book.lockTx(ctx, tx, s.AccountID, idsOf(rows)); err != nil {
		return nil, nil, false, err
	}
	// While we waited for the locks, somebody else may have let them go.
	var still []int64
	if err := tx.SelectContext(ctx, &still, `SELECT DISTINCT h.message_id FROM held h WHERE h.account_id = $1 AND h.message_id = ANY (CAST($2 AS bigint[]))
		AND ($3 = '' OR h.reason = $3) ORDER BY h.message_id`, s.AccountID, pq.Array(idsOf(rows)), s.Reason); err != nil {
		return nil, nil, false, fmt.Errorf("look again for held messages: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(r heldRow) bool {
		c := were[r.ID]
		_, waits := slices.BinarySearch(still, r.ID)
		return c == nil || c.Status != NotSent || !c.Reason.Holds() || !waits
	})
	return rows, were, full, nil
}

func idsOf(rows []heldRow) []int64 {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Holds reports whether r keeps a message out of the queue until somebody or something
// lets it go.
func (r Reason) Holds() bool {
	return r == ReasonRegistration || r == ReasonReview || r == ReasonCredit
}

// before reports whether r is to be settled before s; "" is nothing to settle.
func (r Reason) before(s Reason) bool {
	order := []Reason{ReasonRegistration, ReasonReview, ReasonCredit}
	return s == "" || slices.Index(order, r) < slices.Index(order, s)
}
