package due_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
)

// One look of a worker: lease, work, give back. The caller decides when to look again.
func Example() {
	look := func(ctx context.Context, db *sqlx.DB, now time.Time, work func(ctx context.Context, account int64) (next time.Time, err error)) error {
		owner := due.NewOwner()
		accounts, err := due.Lease(ctx, db, "remind", owner, now, 20, time.Minute)
		if err != nil {
			return err
		}
		for _, account := range accounts {
			next, err := work(ctx, account)
			if err != nil {
				slog.ErrorContext(ctx, "reminders failed", slog.Int64("account_id", account), slog.Any("error", err))
				next = now.Add(time.Minute) // again, but not at once
			}
			if err := due.Release(ctx, db, "remind", owner, account, next); err != nil && !errors.Is(err, due.ErrLost) {
				return err
			}
		}
		return nil
	}
	_ = look // needs a database to run
}
