package due

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ErrLost means the caller doesn't hold the lease: it ran out and another took the
// account, or it was released, or the account is gone. Final for this lease; the
// work isn't lost, its new holder does it.
var ErrLost = errors.New("due: the lease is no longer held")

// NewOwner makes up a name that no other holder has. One per process will do as long
// as that process never works on a lease after its end; safer is one per [Lease].
func NewOwner() string { return rand.Text() }

const raise = `
INSERT INTO due (account_id, kind, due_at) VALUES ($1, $2, $3)
ON CONFLICT (account_id, kind) DO UPDATE SET due_at = EXCLUDED.due_at
WHERE due.due_at > EXCLUDED.due_at`

// Raise says that account has work of kind from at on. An earlier word stands, a later
// one is brought forward. Give it the transaction that makes the work.
func Raise(ctx context.Context, ext sqlx.ExtContext, kind string, account int64, at time.Time) error {
	if _, err := ext.ExecContext(ctx, raise, account, kind, at); err != nil {
		return fmt.Errorf("raise %s of account %d: %w", kind, account, err)
	}
	return nil
}

// The CTEs are MATERIALIZED so that each runs once: a sub-select with LIMIT may be run
// again per row and lease more than limit. Two of them, because each has an index of
// its own; each may lock up to limit rows, and those not taken are free again at the
// end of the statement.
const lease = `
WITH dead AS MATERIALIZED (
    SELECT account_id FROM due
    WHERE kind = $1 AND lease_until <= $2
    ORDER BY lease_until LIMIT $3
    FOR UPDATE SKIP LOCKED),
ready AS MATERIALIZED (
    SELECT account_id FROM due
    WHERE kind = $1 AND due_at <= $2 AND lease_until IS NULL
    ORDER BY due_at LIMIT $3
    FOR UPDATE SKIP LOCKED),
free AS MATERIALIZED (
    SELECT account_id FROM dead UNION ALL SELECT account_id FROM ready LIMIT $3)
UPDATE due d SET due_at = 'infinity', lease_until = $4, leased_by = $5
FROM free
WHERE d.account_id = free.account_id AND d.kind = $1
RETURNING d.account_id`

// leaseTimeout is for a database that doesn't answer.
const leaseTimeout = 10 * time.Second

// Lease takes up to limit accounts with work of kind due at or before now, for
// leaseFor, and returns them in no order. No two live leases of an account and kind
// overlap. It takes a pool and not a transaction: a lease must be visible at once.
//
// owner names the holder, see [NewOwner]. Each account wants a [Release] before the
// lease is over, or an [Extend].
//
// The end of ctx is looked at before and not meanwhile: a lease that was taken and not
// heard of would keep its account from everybody until it is over, at every stop of a
// process. So a caller that stops may get accounts still, to be given back at once.
func Lease(ctx context.Context, db *sqlx.DB, kind, owner string, now time.Time, limit int, leaseFor time.Duration) ([]int64, error) {
	if limit <= 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("lease %s: %w", kind, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	defer cancel()
	var accounts []int64
	if err := db.SelectContext(ctx, &accounts, lease, kind, now, limit, now.Add(leaseFor), owner); err != nil {
		return nil, fmt.Errorf("lease %s: %w", kind, err)
	}
	return accounts, nil
}

// Extend moves the end of a lease to until. A lease that is over but was taken by
// nobody yet comes back to life. Fails with [ErrLost].
func Extend(ctx context.Context, ext sqlx.ExtContext, kind, owner string, account int64, until time.Time) error {
	res, err := ext.ExecContext(ctx,
		`UPDATE due SET lease_until = $4 WHERE account_id = $1 AND kind = $2 AND leased_by = $3`, account, kind, owner, until)
	return held(res, err, "extend", kind, account)
}

// Release gives a leased account back. next is when it has work again as far as the
// holder knows, the zero time if it knows of none; a [Raise] that came during the
// lease counts too, and the earlier wins. Fails with [ErrLost].
func Release(ctx context.Context, ext sqlx.ExtContext, kind, owner string, account int64, next time.Time) error {
	res, err := ext.ExecContext(ctx, `
		UPDATE due SET due_at = LEAST(due_at, CAST($4 AS timestamptz)), lease_until = NULL, leased_by = NULL
		WHERE account_id = $1 AND kind = $2 AND leased_by = $3`,
		account, kind, owner, sql.NullTime{Time: next, Valid: !next.IsZero()})
	return held(res, err, "release", kind, account)
}

// RaiseAll is [Raise] for several accounts at the same instant, in one statement. Give
// it each account once.
func RaiseAll(ctx context.Context, ext sqlx.ExtContext, kind string, accounts []int64, at time.Time) error {
	if len(accounts) == 0 {
		return nil
	}
	// Sorted, so that two of these don't wait for each other in a circle.
	accounts = slices.Sorted(slices.Values(accounts))
	if _, err := ext.ExecContext(ctx, `
		INSERT INTO due (account_id, kind, due_at) SELECT u.account_id, $2, $3 FROM unnest(CAST($1 AS bigint[])) AS u (account_id)
		ON CONFLICT (account_id, kind) DO UPDATE SET due_at = EXCLUDED.due_at WHERE due.due_at > EXCLUDED.due_at`,
		pq.Array(accounts), kind, at); err != nil {
		return fmt.Errorf("raise %s of %d accounts: %w", kind, len(accounts), err)
	}
	return nil
}

// Next is when an account given back has work again; zero: none is known of.
type Next struct {
	Account int64
	At      time.Time
}

// ReleaseAll is [Release] for several accounts, in one statement. Leases lost meanwhile
// are passed over.
func ReleaseAll(ctx context.Context, ext sqlx.ExtContext, kind, owner string, all []Next) error {
	if len(all) == 0 {
		return nil
	}
	accounts, at := make([]int64, len(all)), make([]*string, len(all))
	all = slices.SortedFunc(slices.Values(all), func(a, b Next) int { return cmp.Compare(a.Account, b.Account) })
	for i, n := range all {
		accounts[i] = n.Account
		if !n.At.IsZero() {
			s := string(pq.FormatTimestamp(n.At))
			at[i] = &s
		}
	}
	// Locked before it is written: an update locks in whatever order the planner likes.
	if _, err := ext.ExecContext(ctx, `
		WITH mine AS MATERIALIZED (
		    SELECT d.account_id FROM due d WHERE d.account_id = ANY (CAST($1 AS bigint[])) AND d.kind = $3 AND d.leased_by = $4
		    ORDER BY d.account_id FOR UPDATE)
		UPDATE due d SET due_at = LEAST(d.due_at, u.at), lease_until = NULL, leased_by = NULL
		FROM mine m JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS timestamptz[])) AS u (account_id, at) ON u.account_id = m.account_id
		WHERE d.account_id = m.account_id AND d.kind = $3`,
		pq.Array(accounts), pq.Array(at), kind, owner); err != nil {
		return fmt.Errorf("release %s of %d accounts: %w", kind, len(all), err)
	}
	return nil
}

// held turns an update that met no row into ErrLost.
func held(res sql.Result, err error, what, kind string, account int64) error {
	if err == nil {
		var n int64
		if n, err = res.RowsAffected(); err == nil && n == 0 {
			err = ErrLost
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s of account %d: %w", what, kind, account, err)
	}
	return nil
}
