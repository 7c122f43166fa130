package migrations_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// What somebody changes is written down in the same transaction, by whom and how it was;
// secrets and what programs keep for themselves aren't, nor is the system's work.
func TestAudit_writesWhatPeopleChange(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), dbtest.NewDSN(t)
	db, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'Praxis', $1)`, at); err != nil {
		t.Fatal(err)
	}
	anna := migrations.WithActor(ctx, migrations.Actor{Kind: "user", ID: 7, Name: "anna o'hara", Role: "owner", At: at, Reason: "so"})
	do := func(query string, args ...any) {
		t.Helper()
		if err := migrations.InAccount(anna, web, 1, func(tx *sqlx.Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	do(`UPDATE accounts SET business = 'Praxis am See' WHERE account_id = 1`)
	do(`UPDATE accounts SET business = business WHERE account_id = 1`)
	do(`INSERT INTO users (account_id, id, email, password_hash, created_at) VALUES (1, 3, 'a@example.com', 'geheim', $1)`, at)
	do(`UPDATE users SET totp_step = 5 WHERE account_id = 1`)
	do(`UPDATE users SET password_hash = 'anders', role = 'staff' WHERE account_id = 1`)
	do(`DELETE FROM users WHERE account_id = 1`)
	if err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error {
		_, err := tx.Exec(`UPDATE accounts SET business = 'vom System' WHERE account_id = 1`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := db.Select(&got, `SELECT concat_ws('|', actor_kind, actor_id, actor, role, action, subject, before ->> 'business', after ->> 'business', before ->> 'role', after ->> 'role',
		before ->> 'password_hash', after ->> 'password_hash', reason, to_char(at AT TIME ZONE 'UTC', 'HH24:MI')) FROM audit ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"user|7|anna o'hara|owner|accounts.update|accounts:1|Praxis|Praxis am See|so|08:00",
		"user|7|anna o'hara|owner|users.insert|users:3|owner|•|so|08:00",
		"user|7|anna o'hara|owner|users.update|users:3|owner|staff|•|•|so|08:00",
		"user|7|anna o'hara|owner|users.delete|users:3|staff|•|so|08:00",
	}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if err := migrations.InAccount(anna, web, 1, func(tx *sqlx.Tx) error { _, err := tx.Exec(`DELETE FROM audit WHERE account_id = 1`); return err }); !denied(err) {
		t.Errorf("the web deletes what was audited: %v", err)
	}
}

// What people set about the clinic's money is written down, too; rows that a lock opens, and
// what programs change, are not.
func TestAudit_money(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'Praxis', $1), (2, 'Andere', $1)`, at); err != nil {
		t.Fatal(err)
	}
	do := func(ctx context.Context, account int64, query string, args ...any) {
		t.Helper()
		if err := migrations.InAccount(ctx, db, account, func(tx *sqlx.Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	anna := migrations.WithActor(ctx, migrations.Actor{Kind: "user", ID: 7, Name: "anna", Role: "billing", At: at})
	do(anna, 1, `INSERT INTO billing_accounts (account_id) VALUES (1)`)
	do(anna, 1, `UPDATE billing_accounts SET zip = '8001' WHERE account_id = 1`)
	do(anna, 2, `INSERT INTO billing_accounts (account_id, auto_charge) VALUES (2, true)`)
	do(anna, 1, `INSERT INTO credit_accounts (account_id) VALUES (1)`)
	do(anna, 1, `UPDATE credit_accounts SET level = 0, told = 0 WHERE account_id = 1`)
	do(anna, 1, `UPDATE credit_accounts SET alert_below = 80 WHERE account_id = 1`)
	do(ctx, 1, `UPDATE credit_accounts SET alert_below = 90 WHERE account_id = 1`)
	do(anna, 1, `INSERT INTO payment_methods (account_id, id, provider, method, kind, label, standard, created_at) VALUES (1, 4, 'stripe', 'pm_1', 'card', 'Visa', false, $1)`, at)
	do(anna, 1, `UPDATE payment_methods SET label = 'Visa 4242' WHERE account_id = 1`)
	do(anna, 1, `UPDATE payment_methods SET standard = true WHERE account_id = 1`)
	var got []string
	if err := db.Select(&got, `SELECT concat_ws('|', account_id, action, subject, before ->> 'zip', after ->> 'zip', after ->> 'auto_charge', before ->> 'alert_below', after ->> 'alert_below', after ->> 'standard', after ->> 'level') FROM audit ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1|billing_accounts.update|billing_accounts:1||8001", "2|billing_accounts.insert|billing_accounts:2||true", "1|credit_accounts.update|credit_accounts:1|50|80", "1|payment_methods.insert|payment_methods:4|false", "1|payment_methods.update|payment_methods:4|true"}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
