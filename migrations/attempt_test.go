package migrations_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// What fails is undone, also within another attempt; the rest commits.
func TestAttempt(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	ctx := t.Context()
	if _, err := db.Exec(`CREATE TABLE tried (n int)`); err != nil {
		t.Fatal(err)
	}
	add := func(tx *sqlx.Tx, n int) error {
		_, err := tx.Exec(`INSERT INTO tried VALUES ($1)`, n)
		return err
	}
	wrong := errors.New("wrong")
	err := migrations.InTx(ctx, db, func(tx *sqlx.Tx) error {
		failed, err := migrations.Attempt(ctx, tx, func() error {
			inner, err := migrations.Attempt(ctx, tx, func() error { return errors.Join(add(tx, 1), wrong) })
			if !errors.Is(inner, wrong) {
				t.Errorf("inner: %v", inner)
			}
			return errors.Join(err, add(tx, 2))
		})
		if failed != nil || err != nil {
			return errors.Join(failed, err)
		}
		failed, err = migrations.Attempt(ctx, tx, func() error {
			_, err := tx.Exec(`INSERT INTO tried VALUES ('x')`)
			return errors.Join(add(tx, 3), err)
		})
		if failed == nil {
			t.Error("a statement failed, and the attempt didn't")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	if err := db.Select(&got, `SELECT n FROM tried ORDER BY n`); err != nil || len(got) != 1 || got[0] != 2 {
		t.Errorf("%v, %v, want 2 alone", got, err)
	}
	ended, cancel := context.WithCancel(ctx)
	err = migrations.InTx(ctx, db, func(tx *sqlx.Tx) error {
		_, err := migrations.Attempt(ended, tx, func() error { cancel(); return wrong })
		return err
	})
	if !errors.Is(err, wrong) {
		t.Errorf("after the end of its context: %v", err)
	}
}
