package credits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

const (
	// atOnce bounds how many accounts one look takes on.
	atOnce = 200
	// leaseFor is how long an account is leased whose lots end.
	leaseFor = time.Minute
	// poll is the pause between looks. It is real time: nothing is decided by it.
	poll = time.Second
	// again is how soon work that failed is tried again.
	again = time.Minute
)

// Tick books what was settled, ends lots whose day has come, and tells accounts what they
// want to know. Any number of processes may do so. worked counts accounts; the first
// error doesn't keep the others waiting.
func (c *Credits) Tick(ctx context.Context) (worked int, err error) {
	for _, step := range []struct {
		find string
		do   func(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error
	}{
		{`SELECT DISTINCT account_id FROM credit_settlements LIMIT $1`, func(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
			_, err := c.BookTx(ctx, tx, account, now)
			return err
		}},
		{`SELECT account_id FROM credit_accounts WHERE level <> told LIMIT $1`, c.TellTx},
	} {
		var accounts []int64
		if e := c.cfg.DB.SelectContext(ctx, &accounts, step.find, atOnce); e != nil {
			return worked, errors.Join(err, fmt.Errorf("look for credits to book: %w", e))
		}
		for _, account := range accounts {
			e := migrations.InAccount(ctx, c.cfg.DB, account, func(tx *sqlx.Tx) error { return step.do(ctx, tx, account, c.cfg.Now()) })
			if e != nil {
				err = errors.Join(err, fmt.Errorf("credits of account %d: %w", account, e))
			}
			worked++
		}
	}
	owner := due.NewOwner()
	for ctx.Err() == nil {
		accounts, e := due.Lease(ctx, c.cfg.DB, DueKind, owner, c.cfg.Now(), 1, leaseFor)
		if e != nil || len(accounts) == 0 {
			return worked, errors.Join(err, e)
		}
		err = errors.Join(err, c.expire(ctx, owner, accounts[0]))
		worked++
	}
	return worked, err
}

// expire ends the lots of a leased account and gives it back.
func (c *Credits) expire(ctx context.Context, owner string, account int64) error {
	now := c.cfg.Now()
	var next time.Time
	err := migrations.InAccount(ctx, c.cfg.DB, account, func(tx *sqlx.Tx) (err error) {
		next, err = c.ExpireTx(ctx, tx, account, now)
		return err
	})
	if err != nil {
		next = now.Add(again)
		err = fmt.Errorf("end the lots of account %d: %w", account, err)
	}
	return errors.Join(err, due.Release(context.WithoutCancel(ctx), c.cfg.DB, DueKind, owner, account, next))
}

// Run ticks until ctx ends.
func (c *Credits) Run(ctx context.Context) error {
	for {
		if _, err := c.Tick(ctx); err != nil && ctx.Err() == nil {
			c.cfg.Log.ErrorContext(ctx, "book credits", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(poll):
		}
	}
}
