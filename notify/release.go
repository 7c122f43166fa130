package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify/segment"
)

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
