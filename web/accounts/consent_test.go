package accounts_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/web/accounts"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "olga@example.com", Name: "Olga", Role: accounts.Support, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	enter := func() error { _, err := h.Enter(ctx, op, u.AccountID, "support.entered", ""); return err }
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("without a word: %v", err)
	}
	if err := h.Ask(ctx, op, u.AccountID, "Kalender liest nicht"); err != nil {
		t.Fatal(err)
	}
	if l, _ := h.last("support"); l.To != u.Email || l.Data["Reason"] != "Kalender liest nicht" {
		t.Errorf("letter %+v", l)
	}
	grant := func(long time.Duration) error {
		return migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error {
			return accounts.GrantTx(ctx, tx, u, u.AccountID, h.clock.t, long)
		})
	}
	var fe *accounts.FieldError
	for _, long := range []time.Duration{0, -time.Hour, 169 * time.Hour} {
		if err := grant(long); !errors.As(err, &fe) {
			t.Errorf("for %v: %v", long, err)
		}
	}
	if err := grant(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := enter(); err != nil {
		t.Errorf("let in: %v", err)
	}
	h.clock.t = h.clock.t.Add(time.Hour)
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("when it has run out: %v", err)
	}
	if err := grant(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error { return accounts.RevokeTx(ctx, tx, u.AccountID, h.clock.t) }); err != nil {
		t.Fatal(err)
	}
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("when it was taken back: %v", err)
	}
	var actions []string
	if err := h.db.Select(&actions, `SELECT action FROM audit WHERE account_id = $1 AND actor_kind = 'operator' ORDER BY id`, u.AccountID); err != nil || strings.Join(actions, " ") != "support.asked support.entered" {
		t.Errorf("written down: %v, %v", actions, err)
	}
}
