package accounts_test

import (
	"context"
	"errors"
	"testing"

	"rappel/web/accounts"
)

func TestSubAccounts(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	id, err := h.CreateSub(ctx, u.AccountID, "  Praxis  am Berg ")
	if err != nil {
		t.Fatal(err)
	}
	if h.welcomed[1] != (accounts.Newcomer{Account: id, Parent: u.AccountID}) {
		t.Errorf("welcomed %+v", h.welcomed)
	}
	if a, err := h.Below(ctx, u.AccountID, id); err != nil || a.Business != "Praxis am Berg" || a.Language != "fr" {
		t.Errorf("Below = %+v, %v", a, err)
	}
	if _, err := h.CreateSub(ctx, id, "Noch tiefer"); !errors.Is(err, accounts.ErrNested) {
		t.Errorf("below a sub-account: %v", err)
	}
	other, err := h.Create(ctx, accounts.NewUser{Business: "Andere", Email: "o@example.com", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Below(ctx, other.AccountID, id); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("another clinic's: %v", err)
	}
	var billing string
	if err := h.db.Get(&billing, `SELECT billing FROM accounts WHERE account_id = $1`, id); err != nil || billing != "metered" {
		t.Errorf("billing %q, %v", billing, err)
	}
}
