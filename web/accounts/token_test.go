package accounts_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/web/accounts"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	var secret string
	if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) (err error) {
		secret, err = accounts.CreateTokenTx(ctx, tx, accounts.NewToken{AccountID: u.AccountID, Name: "Agenda", Scopes: []string{"messages.read"}, By: u}, monday)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var row string
	if err := h.db.Get(&row, `SELECT CAST(t AS text) FROM api_tokens t`); err != nil || strings.Contains(row, secret) || !strings.Contains(row, secret[:len(secret)-39]) {
		t.Errorf("kept as %s, %v", row, err)
	}
	var fe *accounts.FieldError
	for _, n := range []accounts.NewToken{{AccountID: u.AccountID, Scopes: []string{"messages.read"}}, {AccountID: u.AccountID, Name: "x"}, {AccountID: u.AccountID, Name: "x", Scopes: []string{"everything"}}} {
		if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error {
			_, err := accounts.CreateTokenTx(ctx, tx, n, monday)
			return err
		}); !errors.As(err, &fe) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
