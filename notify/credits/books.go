package credits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/ledger"
	"rappel/notify"
)

// settlement is word of holds that ended.
type settlement struct {
	ID       int64       `db:"id"`
	Lot      int64       `db:"lot_id"`
	Captured bool        `db:"captured"`
	Kind     notify.Kind `db:"kind"`
	Country  string      `db:"country"`
	Messages int64       `db:"messages"`
	Segments int64       `db:"segments"`
	Credits  int64       `db:"credits"`
	At       time.Time   `db:"at"`
}

// settlementsAtOnce bounds one transaction; whatever is left is booked by the next.
const settlementsAtOnce = 5000

// BookTx books the holds of account that ended since the last time, and returns whether
// there may be more. What comes back to a lot that has ended meanwhile expires at once.
func (c *Credits) BookTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (more bool, err error) {
	p, err := c.lockTx(ctx, tx, account, now)
	if err != nil {
		return false, err
	}
	return c.settledTx(ctx, tx, p, now)
}

// settledTx is BookTx for an account that is locked. The lock is why no two take the same.
func (c *Credits) settledTx(ctx context.Context, tx *sqlx.Tx, p *purse, now time.Time) (more bool, err error) {
	var rows []settlement
	if err := tx.SelectContext(ctx, &rows, `
		WITH old AS MATERIALIZED (SELECT id FROM credit_settlements WHERE account_id = $1 ORDER BY id LIMIT $2)
		DELETE FROM credit_settlements s USING old WHERE s.account_id = $1 AND s.id = old.id
		RETURNING s.id, s.lot_id, s.captured, s.kind, s.country, s.messages, s.segments, s.credits, s.at`, p.account, settlementsAtOnce); err != nil {
		return false, fmt.Errorf("take what account %d settled: %w", p.account, err)
	}
	if len(rows) == 0 {
		return false, nil
	}
	if err := p.useTx(ctx, tx, rows); err != nil {
		return false, err
	}
	var days []time.Time
	last := int64(0)
	for _, r := range rows {
		last = max(last, r.ID)
		if day := dateIn(r.At, p.zone); r.Captured && day.After(p.lastSMS) {
			days = append(days, day)
		}
	}
	// First of all, since a text just sent keeps the lot alive to which another returns. Day
	// by day, since it doesn't revive what had ended by then.
	slices.SortFunc(days, time.Time.Compare)
	for _, day := range slices.CompactFunc(days, time.Time.Equal) {
		if err := p.endTx(ctx, tx, day, now); err != nil {
			return false, err
		}
		if err := p.setTx(ctx, tx, p.level, day); err != nil {
			return false, err
		}
		p.sort(slices.Concat(p.lots, p.ended))
	}
	entries, freed, err := p.settleTx(ctx, tx, rows)
	if err != nil {
		return false, err
	}
	if err := p.bookTx(ctx, tx, fmt.Sprintf("settle/%d", last), "settle", "", entries, now); err != nil {
		return false, err
	}
	if err := p.repayTx(ctx, tx, fmt.Sprintf("settle/%d", last), now); err != nil {
		return false, err
	}
	if freed {
		if err := p.raiseTx(ctx, tx, map[string]time.Time{DueKind: p.nextEnd(), notify.DueHeld: now}); err != nil {
			return false, err
		}
	}
	return len(rows) == settlementsAtOnce, nil
}

// settleTx makes the entries of settlements. freed says that something is available again.
func (p *purse) settleTx(ctx context.Context, tx *sqlx.Tx, rows []settlement) (entries []ledger.Entry, freed bool, err error) {
	lots, err := p.lotsTx(ctx, tx, rows)
	if err != nil {
		return nil, false, err
	}
	for _, r := range rows {
		to := "consumed"
		switch l, known := lots[r.Lot]; {
		case r.Lot == noLot:
			continue
		case r.Captured:
		case r.Lot == owedLot:
			to = "owed"
		case known && l.EndsOn(p.lastSMS).After(p.today):
			to, freed = "available", true
			p.put(l, r.Credits)
		default:
			to = "expired"
		}
		entries = append(entries, ledger.Move(r.Credits, sms("held", r.Lot), sms(to, r.Lot))...)
	}
	return entries, freed, nil
}

// lotsTx reads the lots that released credits go back to.
func (p *purse) lotsTx(ctx context.Context, tx *sqlx.Tx, rows []settlement) (map[int64]Lot, error) {
	var ids []int64
	for _, r := range rows {
		if !r.Captured && r.Lot > 0 {
			ids = append(ids, r.Lot)
		}
	}
	lots := make(map[int64]Lot, len(ids))
	if len(ids) == 0 {
		return lots, nil
	}
	var all []Lot
	if err := tx.SelectContext(ctx, &all, `SELECT `+lotColumns+` FROM credit_lots l WHERE l.account_id = $1 AND l.id = ANY (CAST($2 AS bigint[]))`,
		p.account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read the lots of account %d: %w", p.account, err)
	}
	for _, l := range all {
		l.clean()
		lots[l.ID] = l
	}
	return lots, nil
}

// repayTx pays what was used beyond the balance from what is available now. Only what a
// carrier took is owed; what still is on its way may come back.
func (p *purse) repayTx(ctx context.Context, tx *sqlx.Tx, key string, now time.Time) error {
	if len(p.lots) == 0 {
		return nil
	}
	var debt int64
	if err := tx.GetContext(ctx, &debt, `SELECT CAST(-COALESCE(sum(b.balance), 0) AS bigint) FROM ledger_balances b
		WHERE b.account_id = $1 AND b.unit = 'SMS' AND b.name IN ('owed', 'held') AND b.item = $2`, p.account, owedLot); err != nil {
		return fmt.Errorf("look what account %d owes: %w", p.account, err)
	}
	if debt <= 0 {
		return nil
	}
	var entries []ledger.Entry
	for _, t := range takeUpTo(p.lots, debt) {
		entries = append(entries, ledger.Move(t.credits, sms("available", t.lot), sms("owed", owedLot))...)
	}
	return p.bookTx(ctx, tx, "repay/"+key, "repay", "", entries, now)
}

// useTx counts captured messages as usage of their month.
func (p *purse) useTx(ctx context.Context, tx *sqlx.Tx, rows []settlement) error {
	type bucket struct {
		month   time.Time
		country string
		kind    notify.Kind
	}
	sums := map[bucket]*settlement{}
	var keys []bucket
	for _, r := range rows {
		if !r.Captured {
			continue
		}
		day := dateIn(r.At, p.zone)
		b := bucket{time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC), r.Country, r.Kind}
		if sums[b] == nil {
			sums[b], keys = &settlement{}, append(keys, b)
		}
		sums[b].Messages, sums[b].Segments, sums[b].Credits = sums[b].Messages+r.Messages, sums[b].Segments+r.Segments, sums[b].Credits+r.Credits
	}
	for _, b := range keys {
		s := sums[b]
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO credit_usage AS u (account_id, month, country, kind, messages, segments, credits)
			VALUES ($1, CAST($2 AS date), $3, $4, $5, $6, $7)
			ON CONFLICT (account_id, month, country, kind) DO UPDATE
			SET messages = u.messages + EXCLUDED.messages, segments = u.segments + EXCLUDED.segments, credits = u.credits + EXCLUDED.credits`,
			p.account, b.month, b.country, b.kind, s.Messages, s.Segments, s.Credits); err != nil {
			return fmt.Errorf("count the usage of account %d: %w", p.account, err)
		}
	}
	return nil
}
