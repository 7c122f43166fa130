package migrations_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

func TestInAccount(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), dbtest.NewDSN(t)
	owner, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
	if _, err := owner.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'A', $1), (2, 'B', $1)`,
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	rename := func(tx *sqlx.Tx) {
		t.Helper()
		if _, err := tx.Exec(`UPDATE accounts SET business = business || '!' WHERE account_id = 1`); err != nil {
			t.Fatal(err)
		}
	}
	names := func(db sqlx.Queryer) (names []string) {
		t.Helper()
		if err := sqlx.Select(db, &names, `SELECT business FROM accounts ORDER BY account_id`); err != nil {
			t.Fatal(err)
		}
		return names
	}
	is := func(got []string, want ...string) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("names = %v, want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("names = %v, want %v", got, want)
			}
		}
	}
	oops := errors.New("oops")

	if err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error { rename(tx); is(names(tx), "A!"); return nil }); err != nil {
		t.Fatal(err)
	}
	is(names(owner), "A!", "B")
	if err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error { rename(tx); return oops }); !errors.Is(err, oops) {
		t.Fatalf("InAccount = %v, want oops", err)
	}
	is(names(owner), "A!", "B")
	func() {
		defer func() {
			if p := recover(); p != oops {
				t.Errorf("recovered %v, want oops", p)
			}
		}()
		// The answer never comes: the panic goes through.
		_ = migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error { rename(tx); panic(oops) })
	}()
	is(names(owner), "A!", "B")

	// The same connection, afterwards: nothing of the account may stick to it.
	web.SetMaxOpenConns(1)
	is(names(web))
	if err := migrations.InAccount(ctx, web, 2, func(tx *sqlx.Tx) error { is(names(tx), "B"); return nil }); err != nil {
		t.Fatal(err)
	}
	is(names(web))
	if open := web.Stats().InUse; open != 0 {
		t.Errorf("%d transactions left open", open)
	}

	for _, account := range []int64{0, -1} {
		err := migrations.InAccount(ctx, web, account, func(*sqlx.Tx) error { t.Error("ran"); return nil })
		if !errors.Is(err, migrations.ErrNoAccount) {
			t.Errorf("account %d: %v, want ErrNoAccount", account, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := migrations.InTx(gone, owner, func(*sqlx.Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("InTx after the end = %v", err)
	}
}
