package due_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rappel/migrations/dbtest"
	"rappel/migrations/due"
)

// The clock of these tests stands still; each extension moves the lease's end all the
// same, from a past that the test has written to now+lease.
func TestHold_ExtendsUntilStopped(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.New(t)
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'P', $1)`, now); err != nil {
		t.Fatal(err)
	}
	if err := due.Raise(ctx, db, "sync", 1, now); err != nil {
		t.Fatal(err)
	}
	if got, err := due.Lease(ctx, db, "sync", "me", now, 1, time.Second); err != nil || len(got) != 1 {
		t.Fatalf("Lease = %v, %v", got, err)
	}
	if _, err := db.Exec(`UPDATE due SET lease_until = $1`, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	held, stop := due.Hold(ctx, db, "sync", "me", 1, 30*time.Millisecond, func() time.Time { return now })
	var until time.Time
	for !until.After(now) {
		if err := db.Get(&until, `SELECT lease_until FROM due`); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if !errors.Is(context.Cause(held), context.Canceled) {
		t.Errorf("cause after stop: %v", context.Cause(held))
	}
	if err := due.Release(ctx, db, "sync", "me", 1, time.Time{}); err != nil {
		t.Errorf("Release after stop: %v", err)
	}
}

func TestHold_EndsWhenTheLeaseIsLost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.New(t)
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'P', $1)`, now); err != nil {
		t.Fatal(err)
	}
	if err := due.Raise(ctx, db, "sync", 1, now); err != nil {
		t.Fatal(err)
	}
	if _, err := due.Lease(ctx, db, "sync", "somebody else", now, 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	held, stop := due.Hold(ctx, db, "sync", "me", 1, 30*time.Millisecond, func() time.Time { return now })
	defer stop()
	<-held.Done()
	if !errors.Is(context.Cause(held), due.ErrLost) {
		t.Errorf("cause = %v, want ErrLost", context.Cause(held))
	}
}
