package accounts_test

import (
	"context"
	"errors"
	"testing"

	"rappel/web/accounts"
)

func TestOperators(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "Olga@example.com", Role: accounts.BillingAdmin, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Login(ctx, "olga@example.com", "ein langes Wort", "c")
	if err != nil || !got.Operator() || got.ID != op.ID || got.Role != accounts.BillingAdmin {
		t.Errorf("Login = %+v, %v", got, err)
	}
	if _, err := h.Create(ctx, accounts.NewUser{Business: "Praxis", Email: "olga@example.com", Password: "ein langes Wort"}); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("a clinic with an operator's address: %v", err)
	}
	if err := h.Forgot(ctx, "olga@example.com", "de", "c"); err != nil || len(h.letters) != 0 {
		t.Errorf("an operator gets a link: %v, %+v", err, h.letters)
	}
	if err := h.ResetOperator(ctx, "olga@example.com", "ein neues langes Wort"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Login(ctx, "olga@example.com", "ein neues langes Wort", "c"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := h.RemoveOperator(ctx, "olga@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := h.RemoveOperator(ctx, "olga@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	all, more, err := h.OperatorAudit(ctx, 0)
	if err != nil || more || len(all) != 3 {
		t.Fatalf("%d entries, %t, %v; want added, reset, removed", len(all), more, err)
	}
	for i, want := range []string{"operators.removed", "operators.reset", "operators.added"} {
		if all[i].Action != want || all[i].ActorKind != "system" {
			t.Errorf("entry %d: %s by %s, want %s by the system", i, all[i].Action, all[i].ActorKind, want)
		}
	}
	if older, _, err := h.OperatorAudit(ctx, all[1].ID); err != nil || len(older) != 1 || older[0].ID != all[2].ID {
		t.Errorf("before the second: %v, %v", older, err)
	}
}
