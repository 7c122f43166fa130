package due_test

import (
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/migrations/due"
)

// Whoever touches several accounts does so in the order of their numbers, whatever the
// planner would find cheaper: here an index that has them the other way round. So nobody
// waits in a circle.
func TestReleaseAll_inOrder(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	addAccounts(t, db, 2)
	must(t, due.RaiseAll(ctx, db, kind, []int64{1, 2}, epoch))
	if got, err := due.Lease(ctx, db, kind, "a", epoch, 10, time.Hour); err != nil || len(got) != 2 {
		t.Fatalf("Lease = %v, %v", got, err)
	}
	must(t, due.Extend(ctx, db, kind, "a", 1, epoch.Add(2*time.Hour)))
	other, err := db.Beginx()
	must(t, err)
	defer func() { _ = other.Rollback() }() // when the test failed
	must(t, due.Raise(ctx, other, kind, 1, epoch))

	released := make(chan error, 1)
	go func() {
		released <- migrations.InTx(ctx, db, func(tx *sqlx.Tx) error {
			if _, err := tx.ExecContext(ctx, `SET LOCAL application_name = 'releasing'; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
				SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off; SET LOCAL enable_bitmapscan = off`); err != nil {
				return err
			}
			return due.ReleaseAll(ctx, tx, kind, "a", []due.Next{{Account: 2}, {Account: 1}})
		})
	}()
	for waiting := 0; waiting == 0; {
		must(t, db.Get(&waiting, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'releasing' AND wait_event_type = 'Lock' AND datname = current_database()`))
		select {
		case err := <-released:
			t.Fatalf("ReleaseAll waits for nobody: %v", err)
		default:
		}
	}
	must(t, due.Raise(ctx, other, kind, 2, epoch))
	must(t, other.Commit())
	must(t, <-released)
}
