package credits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/ledger"
)

// ExpireTx ends the lots of account whose day has come, and returns when the next one's
// comes, zero if there is none. What messages hold of them stays held: consumed, it was in
// time; released, it expires then.
func (c *Credits) ExpireTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (next time.Time, err error) {
	p, err := c.lockTx(ctx, tx, account, now)
	if err != nil {
		return time.Time{}, err
	}
	// A text that isn't booked yet may keep a lot alive.
	for more := true; more; {
		if more, err = c.settledTx(ctx, tx, p, now); err != nil {
			return time.Time{}, err
		}
	}
	if err := p.endTx(ctx, tx, p.today, now); err != nil {
		return time.Time{}, err
	}
	return p.nextEnd(), p.setTx(ctx, tx, p.fallen(), p.lastSMS)
}

// endTx marks the lots as ended whose end is that day or before, and has what is available
// of them expire.
func (p *purse) endTx(ctx context.Context, tx *sqlx.Tx, day, now time.Time) error {
	var entries []ledger.Entry
	var ids []int64
	var stay []Lot
	for _, l := range slices.Concat(p.lots, p.ended) {
		if l.EndsOn(p.lastSMS).After(day) {
			stay = append(stay, l)
			continue
		}
		ids = append(ids, l.ID)
		if l.Available > 0 {
			entries = append(entries, ledger.Move(l.Available, sms("available", l.ID), sms("expired", l.ID))...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE credit_lots SET ended_on = CAST($3 AS date) WHERE account_id = $1 AND id = ANY (CAST($2 AS bigint[])) AND ended_on IS NULL`,
		p.account, pq.Array(ids), day); err != nil {
		return fmt.Errorf("end %d lots of account %d: %w", len(ids), p.account, err)
	}
	p.sort(stay)
	// A lot ends once, so any of them names what expires with it.
	return p.bookTx(ctx, tx, fmt.Sprintf("expire/%d", slices.Min(ids)), "expire", "", entries, now)
}
