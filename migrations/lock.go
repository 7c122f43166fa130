package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// lockKey names the advisory lock of the runner, one per database.
	lockKey = 0x7261_7070_656c // "rappel"
	// lockRetry is how long a process waits before it asks again.
	lockRetry = 100 * time.Millisecond
)

// A locker lets one process at a time migrate a database, and refuses databases
// newer than the program while it holds the lock, so that nothing can change
// between the look and the work.
type locker struct{ newest int64 }

// SessionLock waits until it holds the lock on conn or ctx ends.
func (l *locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&got); err != nil {
			return fmt.Errorf("lock the database for migration: %w", err)
		}
		if got {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another migration: %w", ctx.Err())
		case <-time.After(lockRetry):
		}
	}
	if err := l.refuseNewer(ctx, conn); err != nil {
		// The connection goes back to the pool, so the lock must not stay on it.
		if unlock := l.SessionUnlock(context.WithoutCancel(ctx), conn); unlock != nil {
			return fmt.Errorf("%w (and %v)", err, unlock)
		}
		return err
	}
	return nil
}

// SessionUnlock gives the lock back.
func (l *locker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	var held bool
	if err := conn.QueryRowContext(ctx, `SELECT pg_advisory_unlock($1)`, int64(lockKey)).Scan(&held); err != nil {
		return fmt.Errorf("unlock the database after migration: %w", err)
	}
	if !held {
		return fmt.Errorf("unlock the database after migration: the lock was not held")
	}
	return nil
}

func (l *locker) refuseNewer(ctx context.Context, db queryer) error {
	at, err := appliedSteps(ctx, db)
	if err != nil {
		return err
	}
	for version := range at {
		if version > l.newest {
			return newer(version)
		}
	}
	return nil
}
