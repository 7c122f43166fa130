package billing

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// MayWatchTx says whether account may have one more calendar read: without a limit for
// the operator's own, else as many as the subscription of its payer covers. Whoever
// asks in tx has the answer for himself until tx ends: others of the same payer wait.
//
// tx may work as the web's role; what it can't see is read by the owner's pool.
func (s *Service) MayWatchTx(ctx context.Context, tx *sqlx.Tx, account int64) (bool, error) {
	var who struct {
		Metered bool  `db:"metered"`
		Root    int64 `db:"root"`
	}
	if err := s.DB.GetContext(ctx, &who, `SELECT COALESCE(r.billing, a.billing) = 'metered' AS metered, COALESCE(a.parent_id, a.account_id) AS root
		FROM accounts a LEFT JOIN accounts r ON r.account_id = a.parent_id WHERE a.account_id = $1`, account); err != nil {
		return false, fmt.Errorf("who pays for account %d: %w", account, err)
	}
	if !who.Metered {
		return true, nil
	}
	if err := lockWatched(ctx, tx, who.Root); err != nil {
		return false, err
	}
	sub, err := subscriptionOf(ctx, s.DB, who.Root)
	if err != nil {
		return false, err
	}
	n, err := watchedTx(ctx, s.DB, who.Root)
	return n < sub.Allowed(), err
}

// Watched is how many calendars are read of account and of those it pays for.
func (s *Service) Watched(ctx context.Context, account int64) (int64, error) {
	return watchedTx(ctx, s.DB, account)
}

// watchLock is the first key of the lock on a payer's calendars.
const watchLock = 0x7261

// lockWatched keeps the number of calendars read for root as it is until tx ends: who picks
// one more and who orders fewer wait for each other.
func lockWatched(ctx context.Context, tx *sqlx.Tx, root int64) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1, CAST($2 AS int))`, watchLock, root%(1<<31)); err != nil {
		return fmt.Errorf("lock the calendars of account %d: %w", root, err)
	}
	return nil
}

// subscriptionOf is the live subscription, the zero one where there is none.
func subscriptionOf(ctx context.Context, q sqlx.QueryerContext, account int64) (sub Subscription, err error) {
	var rows []Subscription
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT `+subscriptionColumns+` FROM subscriptions s
		WHERE s.account_id = $1 AND s.status NOT IN ('canceled', 'expired')`, account); err != nil {
		return sub, fmt.Errorf("read the subscription of account %d: %w", account, err)
	}
	if len(rows) > 0 {
		sub = rows[0]
	}
	return sub, nil
}

// align brings the service of all accounts root pays for to what its subscription says,
// each in a transaction of its own. What is so already stays untouched.
func (s *Service) align(ctx context.Context, root int64) error {
	if s.Steward == nil {
		return nil
	}
	ids, err := family(ctx, s.DB, root)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := migrations.InAccount(ctx, s.DB, id, func(tx *sqlx.Tx) error {
			want, err := serviceOf(ctx, tx, root)
			if err != nil {
				return err
			}
			return s.Steward.SetServiceTx(ctx, tx, id, string(want), s.Now())
		}); err != nil {
			return fmt.Errorf("service of account %d: %w", id, err)
		}
	}
	return nil
}

// serviceOf is what root's subscription entitles it to. Who never had one isn't stopped:
// nothing runs there.
func serviceOf(ctx context.Context, q sqlx.QueryerContext, root int64) (ServiceState, error) {
	var metered, ended bool
	if err := sqlx.GetContext(ctx, q, &metered, `SELECT billing = 'metered' FROM accounts WHERE account_id = $1`, root); err != nil {
		return "", fmt.Errorf("read account %d: %w", root, err)
	}
	if !metered {
		return ServiceOn, nil
	}
	sub, err := subscriptionOf(ctx, q, root)
	if err != nil {
		return "", err
	}
	if err := sqlx.GetContext(ctx, q, &ended, `SELECT EXISTS (SELECT 1 FROM subscriptions s WHERE s.account_id = $1 AND s.status = 'canceled')`, root); err != nil {
		return "", fmt.Errorf("read former subscriptions of account %d: %w", root, err)
	}
	switch {
	case sub.Status == Suspended:
		return ServiceSuspended, nil
	case sub.Status.Serves() || !ended:
		return ServiceOn, nil
	}
	return ServiceEnded, nil
}

// StatusOf is account's subscription as it stands, the zero one where there is none. q
// is any role's pool or transaction that may see the account.
func StatusOf(ctx context.Context, q sqlx.QueryerContext, account int64) (Subscription, error) {
	return subscriptionOf(ctx, q, account)
}
