package accounts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rappel/web/accounts"
)

// A new password makes worthless what whoever knew the old one has set going.
func TestPassword_endsLinks(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	pending := func() (reset, email string) {
		t.Helper()
		if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		_, reset = h.last("reset")
		if err := h.ChangeEmail(ctx, u, "eve@example.com", anna.Password, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		_, email = h.last("email")
		if l := h.letters[len(h.letters)-2]; l.Kind != "email_asked" || l.To != u.Email || l.Data["Email"] != "eve@example.com" {
			t.Errorf("the address of now is told %+v", l)
		}
		return reset, email
	}
	reset, email := pending()
	if err := h.ChangePassword(ctx, u, 0, anna.Password, "ein neues langes Wort", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if err := h.CanReset(ctx, reset); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a reset link after a new password: %v", err)
	}
	if err := h.ConfirmEmail(ctx, email); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a new address after a new password: %v", err)
	}

	if err := h.SetPassword(ctx, u, anna.Password); err != nil {
		t.Fatal(err)
	}
	h.clock.t = h.clock.t.Add(15 * time.Minute)
	reset, email = pending()
	if err := h.ConfirmEmail(ctx, email); err != nil {
		t.Fatal(err)
	}
	if err := h.CanReset(ctx, reset); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a reset link of the old post box: %v", err)
	}

	h.clock.t = h.clock.t.Add(15 * time.Minute)
	u.Email = "eve@example.com"
	if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, reset = h.last("reset")
	if err := h.ChangeEmail(ctx, u, "mallory@example.com", anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, email = h.last("email")
	if err := h.Reset(ctx, reset, "ein neues langes Wort"); err != nil {
		t.Fatal(err)
	}
	if err := h.ConfirmEmail(ctx, email); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a new address after a reset: %v", err)
	}
}
