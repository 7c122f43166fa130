package due

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
)

// Hold keeps a lease alive while its work goes on, so that leases can be short: a dead
// process's work is taken over within leaseFor, however long work may take. Every
// third of leaseFor it moves the lease's end to leaseFor from now(). The context it
// returns ends with ctx, when stop is called, and, with [ErrLost] as its cause, once
// the lease belongs to somebody else or could not be extended for a whole leaseFor.
//
// stop waits for the last extension, so that none can follow a [Release].
func Hold(ctx context.Context, db *sqlx.DB, kind, owner string, account int64, leaseFor time.Duration, now func() time.Time) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		beat := time.NewTicker(max(leaseFor/3, time.Millisecond))
		defer beat.Stop()
		missed := 0
		for {
			select {
			case <-held.Done():
				return
			case <-beat.C:
			}
			err := Extend(held, db, kind, owner, account, now().Add(leaseFor))
			switch {
			case err == nil:
				missed = 0
			case held.Err() != nil:
				return
			case errors.Is(err, ErrLost):
				cancel(ErrLost)
				return
			default: // the database may be back at the next beat
				if missed++; missed >= 3 {
					cancel(ErrLost)
					return
				}
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}
