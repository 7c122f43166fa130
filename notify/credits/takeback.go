package credits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/ledger"
)

// TakeBack is a grant whose unused credits go back to the house, such as a package whose
// money went back.
type TakeBack struct {
	Account int64
	Key     string // of the grant
	Note    string // the reason a person gave, "" = none
}

// Left is what a grant brought, its gift included, and what of it is unused.
type Left struct {
	Granted int64 `db:"granted"`
	Unused  int64 `db:"unused"`
}

// lotsOf are the lots $1's grant $2 brought: its own and the gift of a first package, $3,
// which is added right after the package that brings it.
const lotsOf = `SELECT l.id FROM credit_lots g JOIN credit_lots l ON l.account_id = g.account_id
	AND (l.id = g.id OR l.grant_key = $3 AND l.id > g.id AND NOT EXISTS (SELECT 1 FROM credit_lots o WHERE o.account_id = $1 AND o.id > g.id AND o.id < l.id))
	WHERE g.account_id = $1 AND l.account_id = $1 AND g.grant_key = $2`

// LeftTx returns what TakeBack would take; the zero value for a grant that never was. It
// works on any role's pool. As with BalanceTx, what was given back within the last second
// may not be in it yet.
func LeftTx(ctx context.Context, q sqlx.QueryerContext, account int64, key string) (l Left, err error) {
	if err := sqlx.GetContext(ctx, q, &l, `
		SELECT CAST(COALESCE(-sum(b.balance) FILTER (WHERE b.name = 'granted'), 0) AS bigint) AS granted,
		    CAST(COALESCE(sum(b.balance) FILTER (WHERE b.name = 'available'), 0) AS bigint) AS unused
		FROM ledger_balances b WHERE b.account_id = $1 AND b.unit = 'SMS' AND b.name IN ('granted', 'available') AND b.item IN (`+lotsOf+`)`,
		account, key, keyFirstPackage); err != nil {
		return Left{}, fmt.Errorf("what is left of a grant to account %d: %w", account, err)
	}
	return l, nil
}

// TakeBack takes what is unused of a grant and of the gift it brought, and ends their lots.
// What messages hold stays theirs: consumed, it was sent; released, it expires. A second
// time finds nothing. It returns the credits taken.
//
// It fails with ErrRequest if there was no such grant.
func (c *Credits) TakeBack(ctx context.Context, t TakeBack) (taken int64, err error) {
	err = migrations.InTx(ctx, c.cfg.DB, func(tx *sqlx.Tx) (err error) {
		taken, err = c.TakeBackTx(ctx, tx, t)
		return err
	})
	return taken, err
}

// TakeBackTx is [Credits.TakeBack] within the caller's transaction, of the owner's pool.
func (c *Credits) TakeBackTx(ctx context.Context, tx *sqlx.Tx, t TakeBack) (taken int64, err error) {
	now := c.cfg.Now()
	p, err := c.lockTx(ctx, tx, t.Account, now)
	if err != nil {
		return 0, err
	}
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, lotsOf, t.Account, t.Key, keyFirstPackage); err != nil {
		return 0, fmt.Errorf("look up the lots of a grant to account %d: %w", t.Account, err)
	}
	if len(ids) == 0 {
		return 0, fmt.Errorf("take back from account %d: %w: there was no grant %q", t.Account, ErrRequest, t.Key)
	}
	// What came back of them and isn't booked yet is unused, too.
	for more := true; more; {
		if more, err = c.settledTx(ctx, tx, p, now); err != nil {
			return 0, err
		}
	}
	if taken, err = p.takeBackTx(ctx, tx, t, ids, now); err != nil {
		return 0, err
	}
	return taken, p.setTx(ctx, tx, p.fallen(), p.lastSMS)
}

// takeBackTx ends the lots of ids before their day. What has nothing needs no end, and one
// whose day has come is left to it.
func (p *purse) takeBackTx(ctx context.Context, tx *sqlx.Tx, t TakeBack, ids []int64, now time.Time) (taken int64, err error) {
	var entries []ledger.Entry
	var over []int64 // those with nothing but holds, too: what these release must not come back
	p.lots = slices.DeleteFunc(p.lots, func(l Lot) bool {
		if !slices.Contains(ids, l.ID) {
			return false
		}
		over = append(over, l.ID)
		if l.Available > 0 {
			entries = append(entries, ledger.Move(l.Available, sms("available", l.ID), sms("expired", l.ID))...)
			taken += l.Available
		}
		return true
	})
	if len(over) == 0 {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE credit_lots SET ended_on = CAST($3 AS date) WHERE account_id = $1 AND id = ANY (CAST($2 AS bigint[])) AND ended_on IS NULL`,
		p.account, pq.Array(over), p.today); err != nil {
		return 0, fmt.Errorf("end %d lots of account %d: %w", len(over), p.account, err)
	}
	return taken, p.bookTx(ctx, tx, "takeback/"+t.Key, "takeback", t.Note, entries, now)
}
