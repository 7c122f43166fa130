package accounts_test

import (
	"context"
	"errors"
	"testing"

	"rappel/web/accounts"
)

func TestReset(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	sid, err := h.Begin(ctx, u, accounts.Session{Method: "password"})
	if err != nil {
		t.Fatal(err)
	}
	before := len(h.letters)
	if err := h.Forgot(ctx, "nobody@example.com", "de", "192.0.2.1"); err != nil || len(h.letters) != before {
		t.Errorf("an unknown address: %v, %d letters", err, len(h.letters)-before)
	}
	if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, first := h.last("reset")
	if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	l, token := h.last("reset")
	h.secret(token)
	if l.Language != "fr" {
		t.Errorf("written in %q", l.Language)
	}
	if err := h.CanReset(ctx, first); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the first link after the second: %v", err)
	}
	var bad *accounts.FieldError
	if err := h.Reset(ctx, token, "kurz"); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	if err := h.Reset(ctx, token, "ein ganz neues Wort"); err != nil {
		t.Fatal(err)
	}
	if err := h.Reset(ctx, token, "noch ein neues Wort"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("the old password: %v", err)
	}
	if err := h.End(ctx, u, sid); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("a session of before is still there: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, "ein ganz neues Wort", "192.0.2.1"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestChangeEmail(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	if err := h.ChangeEmail(ctx, u, "neu@example.com", "falsches Wort", "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := h.ChangeEmail(ctx, u, "neu@example.com", anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	l, token := h.last("email")
	h.secret(token)
	if l.To != "neu@example.com" {
		t.Errorf("letter %+v", l)
	}
	if _, err := h.ByEmail(ctx, "neu@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("the address counts before it is confirmed: %v", err)
	}
	if err := h.ConfirmEmail(ctx, token); err != nil {
		t.Fatal(err)
	}
	if l, _ := h.last("email_changed"); l.To != "anna@example.com" {
		t.Errorf("the old address isn't told: %+v", l)
	}
	if got, err := h.ByEmail(ctx, "neu@example.com"); err != nil || got.ID != u.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.ByEmail(ctx, "anna@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("the old address still logs in: %v", err)
	}
	if err := h.ConfirmEmail(ctx, token); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
}
