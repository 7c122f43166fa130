package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Attempt runs fn within a savepoint of tx. When fn fails, what it did is undone, tx can
// go on, and failed is why. err is for a transaction that can't go on: its connection or
// ctx has ended, and the caller must return it.
func Attempt(ctx context.Context, tx *sqlx.Tx, fn func() error) (failed, err error) {
	if _, err := tx.ExecContext(ctx, `SAVEPOINT attempt`); err != nil {
		return nil, fmt.Errorf("begin an attempt: %w", err)
	}
	if failed = fn(); failed == nil {
		if _, err := tx.ExecContext(ctx, `RELEASE SAVEPOINT attempt`); err != nil {
			return nil, fmt.Errorf("end an attempt: %w", err)
		}
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, failed
	}
	if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt`); err != nil {
		return nil, errors.Join(failed, fmt.Errorf("undo an attempt: %w", err))
	}
	return failed, nil
}
