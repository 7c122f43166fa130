package dbtest_test

import (
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// What failed before left nothing, what failed after is there; the caller hears of either,
// and the pool goes on.
func TestFaulty(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	if _, err := db.Exec(`CREATE TABLE marks (step int)`); err != nil {
		t.Fatal(err)
	}
	fail := errors.New("gone")
	for name, c := range map[string]struct {
		at     dbtest.Step
		before bool
		left   int
	}{
		"a statement not carried out":  {dbtest.Statement, true, 0},
		"a statement without answer":   {dbtest.Statement, false, 0}, // its transaction is rolled back
		"no transaction":               {dbtest.Begin, true, 0},
		"a transaction without answer": {dbtest.Begin, false, 0},
		"a commit not carried out":     {dbtest.Commit, true, 0},
		"a commit without answer":      {dbtest.Commit, false, 1},
	} {
		armed := true
		faulty := dbtest.Faulty(t, dsn, func(s dbtest.Step) (before, after error) {
			switch {
			case !armed || s != c.at:
				return nil, nil
			case c.before:
				return fail, nil
			}
			return nil, fail
		})
		do := func() error {
			return migrations.InTx(t.Context(), faulty, func(tx *sqlx.Tx) error {
				_, err := tx.ExecContext(t.Context(), `INSERT INTO marks VALUES (1)`)
				return err
			})
		}
		if err := do(); !errors.Is(err, fail) {
			t.Errorf("%s: %v", name, err)
		}
		armed = false
		if err := do(); err != nil {
			t.Errorf("%s, afterwards: %v", name, err)
		}
		var n int
		if err := db.Get(&n, `WITH gone AS (DELETE FROM marks RETURNING 1) SELECT count(*) FROM gone`); err != nil {
			t.Fatal(err)
		}
		if n != c.left+1 {
			t.Errorf("%s: %d marks, want %d", name, n, c.left+1)
		}
	}
}
