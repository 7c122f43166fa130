package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/due"
	"rappel/notify/segment"
)

// HoldsConfig is what Holds works with.
type HoldsConfig struct {
	DB       *sqlx.DB // the owner's pool
	Policy   *Policy
	Observer Observer // nil: nobody listens
	// Count is as in Config, with no carrier.
	Count func(carrier string, to Status, n int)
	Now   func() time.Time
	Log   *slog.Logger
}

// Holds lets messages go that were held back, or ends them: on a reviewer's, an operator's
// or the credits' word, and by itself when they expire. Any number of them may work over
// one database.
type Holds struct {
	cfg  HoldsConfig
	book *book
}

// NewHolds fails with ErrConfig.
func NewHolds(cfg HoldsConfig) (*Holds, error) {
	if cfg.DB == nil || cfg.Policy == nil {
		return nil, fmt.Errorf("%w: holds need a database and a policy", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Holds{cfg: cfg, book: &book{observer: cfg.Observer, log: cfg.Log, count: cfg.Count}}, nil
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

// ReleaseTx lets go what s selects as far as that reason goes: what nothing else holds is
// queued. released counts those, and more says that there may be others to release. It
// needs the owner's pool. Credit is asked for again, so what isn't covered stays.
func (h *Holds) ReleaseTx(ctx context.Context, tx *sqlx.Tx, s Held, now time.Time) (released int, more bool, err error) {
	if !s.Reason.Holds() {
		return 0, false, fmt.Errorf("release: %w: reason %q", ErrRequest, s.Reason)
	}
	rows, _, full, err := h.lockTx(ctx, tx, s, `AND h.expires_at > $6`, now)
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	if released, err = h.release(ctx, tx, s, rows, now); err != nil {
		return 0, false, err
	}
	// A batch of which nothing is covered would be asked for again and again.
	return released, full && (released > 0 || s.Reason != ReasonCredit), nil
}

func (h *Holds) release(ctx context.Context, tx *sqlx.Tx, s Held, rows []heldRow, now time.Time) (int, error) {
	ids := idsOf(rows)
	var others []heldRow
	if err := tx.SelectContext(ctx, &others, `SELECT h.account_id AS accountid, h.message_id AS id, h.reason FROM held h
		WHERE h.account_id = $1 AND h.message_id = ANY (CAST($2 AS bigint[])) AND h.reason <> $3`, s.AccountID, pq.Array(ids), s.Reason); err != nil {
		return 0, fmt.Errorf("look for what else holds: %w", err)
	}
	next := map[int64]Reason{}
	for _, o := range others {
		if o.Reason.before(next[o.ID]) {
			next[o.ID] = o.Reason
		}
	}
	free, err := h.freeTx(ctx, tx, s.AccountID, slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return next[id] != "" }), now)
	if err != nil {
		return 0, err
	}
	var charges []Charge
	for _, r := range rows { // in their order, since it says who gets what there is
		if i := slices.IndexFunc(free, func(f freed) bool { return f.ID == r.ID }); i >= 0 {
			charges = append(charges, free[i].charge)
		}
	}
	uncovered, err := h.cfg.Policy.chargeTx(ctx, tx, s.AccountID, charges)
	if err != nil {
		return 0, err
	}
	var gone []int64
	var poor []heldRow
	var standings []standing
	var told []happening
	for _, r := range rows {
		id := r.ID
		if uncovered[id] {
			next[id] = ReasonCredit
			if s.Reason == ReasonCredit {
				continue // as before
			}
			poor = append(poor, heldRow{r.MessageRef, ReasonCredit, r.Country, r.Sender, now, r.ExpiresAt})
		}
		gone = append(gone, id)
		standings = append(standings, standing{MessageRef: r.MessageRef, reason: next[id], at: now})
		told = append(told, happening{MessageRef: r.MessageRef, at: now, what: WhatReleased, code: string(s.Reason)})
		if next[id] != "" {
			told = append(told, happening{MessageRef: r.MessageRef, at: now, what: WhatHeld, code: string(next[id])})
		}
	}
	var into []queueing
	for _, f := range free {
		if !uncovered[f.ID] {
			into = append(into, f.queueing)
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM held WHERE account_id = $1 AND reason = $2 AND message_id = ANY (CAST($3 AS bigint[]))`,
		s.AccountID, s.Reason, pq.Array(gone)); err != nil {
		return 0, fmt.Errorf("release %d messages: %w", len(gone), err)
	}
	if err := holdTx(ctx, tx, poor, now); err != nil {
		return 0, err
	}
	if _, err := h.book.writeTx(ctx, tx, standings); err != nil {
		return 0, err
	}
	if err := h.book.tellTx(ctx, tx, told); err != nil {
		return 0, err
	}
	return len(into), queueTx(ctx, tx, into)
}

// freed is a message that nothing holds any more but perhaps credit.
type freed struct {
	queueing
	charge Charge
}

// freeTx reads what is needed to queue messages, with marketing at the next open hour.
func (h *Holds) freeTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64, now time.Time) ([]freed, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []struct {
		ID        int64            `db:"id"`
		Kind      Kind             `db:"kind"`
		Origin    Origin           `db:"origin"`
		Recipient string           `db:"recipient"`
		Encoding  segment.Encoding `db:"encoding"`
		Segments  int              `db:"segments"`
		Units     int              `db:"units"`
		SendAt    time.Time        `db:"send_at"`
		TariffID  int64            `db:"tariff_id"`
		Credits   int              `db:"credits"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT m.id, m.kind, m.origin, m.recipient, m.encoding, m.segments, m.units, m.send_at,
		COALESCE(m.tariff_id, 0) AS tariff_id, COALESCE(m.credits, 0) AS credits FROM messages m
		WHERE m.account_id = $1 AND m.id = ANY (CAST($2 AS bigint[])) ORDER BY m.id`, account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read held messages: %w", err)
	}
	v, err := h.cfg.Policy.view(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	out := make([]freed, len(rows))
	for i, r := range rows {
		country, at := Country(r.Recipient), r.SendAt
		if r.Kind == Marketing {
			from := later(at, now)
			rules := v.rulesFor(country, now)
			// Nothing open is for the dispatcher to find when it is time.
			if open, ok := NextOpen(rules.Hours, v.accounts[account].place(r.Recipient, rules), from); ok && open.After(from) {
				at = open
			}
		}
		out[i] = freed{queueing{MessageRef{account, r.ID}, r.Kind, at}, Charge{MessageID: r.ID, Kind: r.Kind, Origin: r.Origin, Country: country, Encoding: r.Encoding,
			Segments: r.Segments, Units: r.Units, Owed: r.Origin == OriginOptOut, Price: Price{r.TariffID, r.Credits}}}
	}
	return out, nil
}

// RejectTx ends what s selects: NOT_ALLOWED what a review turned down, INVALID_SENDER
// where a registration was rejected. rejected counts them, and more says that there may be
// others. It needs the owner's pool.
func (h *Holds) RejectTx(ctx context.Context, tx *sqlx.Tx, s Held, now time.Time) (rejected int, more bool, err error) {
	status, why := NotAllowed, ReasonTurnedDown
	switch s.Reason {
	case ReasonReview:
	case ReasonRegistration:
		status, why = InvalidSender, ReasonSenderRejected
	default:
		return 0, false, fmt.Errorf("turn down: %w: reason %q", ErrRequest, s.Reason)
	}
	rows, were, full, err := h.lockTx(ctx, tx, s, "")
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	return len(rows), full, h.end(ctx, tx, s.AccountID, rows, were, status, why, WhatRejected, now)
}

// end gives held messages a final status.
func (h *Holds) end(ctx context.Context, tx *sqlx.Tx, account int64, rows []heldRow, were map[int64]*current, status Status, why Reason, what What, now time.Time) error {
	ids := idsOf(rows)
	var standings []standing
	var told []happening
	var changes []StatusChange
	for _, id := range ids {
		c, ref := were[id], MessageRef{account, id}
		standings = append(standings, standing{MessageRef: ref, status: status, reason: why, code: string(c.Reason), at: now})
		told = append(told, happening{MessageRef: ref, at: now, what: what, status: status, code: string(c.Reason)})
		changes = append(changes, StatusChange{AccountID: account, MessageID: id, Kind: c.Kind, Origin: c.Origin, OriginID: c.OriginID,
			From: NotSent, To: status, Reason: why, Code: string(c.Reason), At: now})
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM held WHERE account_id = $1 AND message_id = ANY (CAST($2 AS bigint[]))`, account, pq.Array(ids)); err != nil {
		return fmt.Errorf("end %d held messages: %w", len(ids), err)
	}
	if _, err := h.book.writeTx(ctx, tx, standings); err != nil {
		return err
	}
	if err := h.book.tellTx(ctx, tx, told); err != nil {
		return err
	}
	h.book.tally("", status, len(ids))
	return h.book.observeTx(ctx, tx, changes)
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

// ReviewTx settles the review of account's first marketing: released, everything held for
// it goes and nothing more is held; turned down, it ends, and what comes next is held
// again. It needs the owner's pool.
func (h *Holds) ReviewTx(ctx context.Context, tx *sqlx.Tx, account int64, release bool, now time.Time) error {
	if release {
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET review = 'cleared' WHERE account_id = $1 AND review = 'first'`, account); err != nil {
			return fmt.Errorf("clear account %d: %w", account, err)
		}
		h.cfg.Policy.Forget(account)
	}
	return h.allTx(ctx, tx, Held{AccountID: account, Reason: ReasonReview}, release, now)
}

// RegisterTx writes down how far a registration is, and does with what it held as it
// says. It needs the owner's pool. Fails with ErrRequest or ErrSender.
func (h *Holds) RegisterTx(ctx context.Context, tx *sqlx.Tx, r Registration, now time.Time) error {
	if err := registerTx(ctx, tx, r, now); err != nil {
		return err
	}
	h.cfg.Policy.Forget(r.AccountID)
	if r.State == RegistrationPending {
		return nil
	}
	return h.allTx(ctx, tx, Held{AccountID: r.AccountID, Reason: ReasonRegistration, Country: r.Country, Sender: r.Sender},
		r.State == RegistrationApproved, now)
}

// allTx releases or turns down everything s selects, batch by batch.
func (h *Holds) allTx(ctx context.Context, tx *sqlx.Tx, s Held, release bool, now time.Time) error {
	for {
		do := h.RejectTx
		if release {
			do = h.ReleaseTx
		}
		n, more, err := do(ctx, tx, s, now)
		if err != nil {
			return err
		}
		if n > 0 {
			h.cfg.Log.InfoContext(ctx, "held messages settled", "account_id", s.AccountID, "reason", string(s.Reason), "released", release, "messages", n)
		}
		if !more {
			return nil
		}
	}
}

// settleTx ends what expired and lets go or ends what needn't be held any more, for
// whatever reason nobody did so. next is when to look again, zero if nothing is held.
func (h *Holds) settleTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (worked int, next time.Time, err error) {
	for {
		rows, were, _, err := h.lockTx(ctx, tx, Held{AccountID: account}, `AND h.expires_at <= $6`, now)
		if err != nil {
			return worked, next, err
		}
		if len(rows) == 0 {
			break
		}
		if err := h.end(ctx, tx, account, rows, were, Expired, ReasonTooLate, WhatExpired, now); err != nil {
			return worked, next, err
		}
		worked += len(rows)
	}
	var groups []struct {
		Reason  Reason `db:"reason"`
		Country string `db:"country"`
		Sender  string `db:"sender"`
	}
	if err := tx.SelectContext(ctx, &groups, `SELECT DISTINCT h.reason, CASE WHEN h.reason = 'registration' THEN h.country ELSE '' END AS country,
		CASE WHEN h.reason = 'registration' THEN lower(h.sender) ELSE '' END AS sender
		FROM held h WHERE h.account_id = $1 ORDER BY 1, 2, 3`, account); err != nil {
		return worked, next, fmt.Errorf("look what is held: %w", err)
	}
	if len(groups) == 0 {
		return worked, time.Time{}, nil
	}
	h.cfg.Policy.Forget(account)
	v, err := h.cfg.Policy.view(ctx, tx, account)
	if err != nil {
		return worked, next, err
	}
	a := v.accounts[account]
	for _, g := range groups {
		s := Held{AccountID: account, Reason: g.Reason, Country: g.Country, Sender: g.Sender}
		state := a.registrations[registrationOf(g.Country, g.Sender)]
		switch {
		case g.Reason == ReasonReview && a.review != ReviewFirst, g.Reason == ReasonCredit,
			g.Reason == ReasonRegistration && state == RegistrationApproved:
			err = h.allTx(ctx, tx, s, true, now)
		case g.Reason == ReasonRegistration && state != RegistrationPending:
			err = h.allTx(ctx, tx, s, false, now)
		}
		if err != nil {
			return worked, next, err
		}
	}
	var expires *time.Time
	if err := tx.GetContext(ctx, &expires, `SELECT min(h.expires_at) FROM held h WHERE h.account_id = $1`, account); err != nil {
		return worked, next, fmt.Errorf("look what is still held: %w", err)
	}
	switch {
	case expires == nil:
	case expires.Before(now.Add(recheck)):
		next = *expires
	default:
		next = now.Add(recheck)
	}
	return worked, next, nil
}

// leaseHeld is how long an account is leased for settling what it holds.
const leaseHeld = time.Minute

// Tick settles all accounts whose turn it is. worked counts the accounts.
func (h *Holds) Tick(ctx context.Context) (worked int, err error) {
	owner := due.NewOwner()
	for ctx.Err() == nil {
		accounts, e := due.Lease(ctx, h.cfg.DB, DueHeld, owner, h.cfg.Now(), 1, leaseHeld)
		if e != nil || len(accounts) == 0 {
			if err == nil {
				err = e
			}
			return worked, err
		}
		if e := h.settle(ctx, owner, accounts[0]); e != nil && err == nil {
			err = e
		}
		worked++
	}
	return worked, err
}

// settle settles one account and gives it back.
func (h *Holds) settle(ctx context.Context, owner string, account int64) error {
	now := h.cfg.Now()
	var next time.Time
	err := migrations.InAccount(ctx, h.cfg.DB, account, func(tx *sqlx.Tx) (err error) {
		_, next, err = h.settleTx(ctx, tx, account, now)
		return err
	})
	if err != nil {
		next = now.Add(recheck)
		err = fmt.Errorf("settle what account %d holds: %w", account, err)
	}
	if e := due.Release(context.WithoutCancel(ctx), h.cfg.DB, DueHeld, owner, account, next); e != nil && err == nil {
		err = e
	}
	return err
}

// Run settles until ctx ends.
func (h *Holds) Run(ctx context.Context) error {
	for {
		if _, err := h.Tick(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.ErrorContext(ctx, "settle held messages", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(holdsPoll):
		}
	}
}

// holdsPoll is the pause between looks. It is real time: nothing is decided by it.
const holdsPoll = 5 * time.Second
