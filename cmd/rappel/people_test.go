package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify/credits"
	"rappel/web"
)

// TestTransferer_oncePerKey: whoever clicks twice moves credits once, and both logs say so
// once.
func TestTransferer_oncePerKey(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	now := func() time.Time { return monday }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.Exec(`INSERT INTO accounts (account_id, business, billing, parent_id, created_at) VALUES (1, 'Praxis', 'metered', NULL, $1), (2, 'Filiale', 'metered', 1, $1)`, monday)
	must(err)
	c, err := credits.New(credits.Config{DB: db, Now: now})
	must(err)
	must(migrations.InAccount(t.Context(), db, 1, func(tx *sqlx.Tx) error {
		return c.GrantTx(t.Context(), tx, credits.Grant{Account: 1, Key: "gift", Source: credits.Gift, Credits: 100})
	}))
	tr := transferer{db, c, now}
	there := web.Transfer{From: 1, To: 2, Credits: 30, Key: "1/click"}
	for range 2 {
		must(tr.Transfer(t.Context(), there))
	}
	must(tr.Transfer(t.Context(), web.Transfer{From: 2, To: 1, Credits: 5, Key: "1/click"})) // back is another one
	must(tr.Transfer(t.Context(), web.Transfer{From: 1, To: 2, Credits: 30, Key: "1/other"}))
	for account, want := range map[int64]int64{1: 45, 2: 55} {
		got, err := tr.Available(t.Context(), account)
		if err != nil || got != want {
			t.Errorf("account %d has %d, %v; want %d", account, got, err, want)
		}
		var audited []string
		must(db.Select(&audited, `SELECT after ->> 'from' || '>' || (after ->> 'to') || ' ' || (after ->> 'credits') FROM audit WHERE account_id = $1 AND action = 'credits.transferred' ORDER BY id`, account))
		if diff := cmp.Diff([]string{"1>2 30", "2>1 5", "1>2 30"}, audited); diff != "" {
			t.Errorf("the log of account %d (-want +got):\n%s", account, diff)
		}
	}
}
