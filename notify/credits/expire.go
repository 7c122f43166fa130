package credits

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

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
	var entries []ledger.Entry
	first := int64(0)
	for _, l := range p.ended {
		entries = append(entries, ledger.Move(l.Available, sms("available", l.ID), sms("expired", l.ID))...)
		if first == 0 || l.ID < first {
			first = l.ID
		}
	}
	// What a lot has left expires once, so the lowest of them names it.
	if err := p.bookTx(ctx, tx, fmt.Sprintf("expire/%d", first), "expire", "", entries, now); err != nil {
		return time.Time{}, err
	}
	p.ended = nil
	return p.nextEnd(), p.setTx(ctx, tx, p.fallen(), p.lastSMS)
}
