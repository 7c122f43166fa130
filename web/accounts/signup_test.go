package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rappel/web/accounts"
)

// Who accepted the operator's own terms isn't noted to have accepted ours.
func TestSignUp_ownTerms(t *testing.T) {
	t.Parallel()
	const own = "https://firma.example/agb-3"
	h, ctx := newHouseOf(t, own), context.Background()
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, token := h.last("confirm")
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := h.db.Get(&got, `SELECT terms_version FROM accounts`); err != nil || got != own {
		t.Errorf("accepted %q, %v", got, err)
	}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM accounts`) != nil || n != 0 {
		t.Error("an account is there before the address is confirmed")
	}
	l, token := h.last("confirm")
	h.secret(token)
	if l.To != "anna@example.com" || l.Language != "fr" || l.Account != 0 {
		t.Errorf("letter %+v", l)
	}
	for range 2 { // a look changes nothing
		if p, err := h.FindSignUp(ctx, token); err != nil || p.Business != "Praxis am See" {
			t.Fatalf("FindSignUp = %+v, %v", p, err)
		}
	}
	if _, err := h.Confirm(ctx, token+"x", anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("another token: %v", err)
	}
	u, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1")
	if err != nil || u.Role != accounts.Owner || u.Name != "Anna Muster" {
		t.Fatalf("Confirm = %+v, %v", u, err)
	}
	if len(h.welcomed) != 1 || h.welcomed[0] != (accounts.Newcomer{Account: u.AccountID}) {
		t.Errorf("welcomed %+v", h.welcomed)
	}
	var row string
	if err := h.db.Get(&row, `SELECT concat_ws(' ', business, organisation, phone, contact_first, contact_last, language, terms_version, terms_at IS NOT NULL, billing, review) FROM accounts`); err != nil ||
		row != "Praxis am See practice +41446681800 Anna Muster fr "+accounts.Terms+" t metered first" {
		t.Errorf("account %q, %v", row, err)
	}
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	if _, err := h.Login(ctx, "anna@example.com", anna.Password, "192.0.2.1"); err != nil {
		t.Errorf("log-in: %v", err)
	}
}

// Whoever asks learns nothing about an address; its owner is told.
func TestSignUp_knownAddress(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	h.signedUp()
	if err := h.SignUp(ctx, anna, "192.0.2.9"); err != nil {
		t.Errorf("a second sign-up: %v, want the same answer as the first", err)
	}
	if l, _ := h.last("known"); l.To != "anna@example.com" {
		t.Errorf("letter %+v", l)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM signups`) != nil || n != 0 {
		t.Error("the second sign-up is kept")
	}
	if _, err := h.AddOperator(ctx, accounts.NewOperator{Email: "anna@example.com", Role: accounts.Support, Password: "ein langes Wort"}); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("an operator with a clinic's address: %v", err)
	}
}

// Two who sign up with one address: the first link that is followed wins, the other's is
// worth nothing, and neither password of the other's opens anything.
func TestSignUp_twice(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	evil := anna
	evil.Password, evil.Business = "ein anderes Wort", "Praxis des Bösen"
	if err := h.SignUp(ctx, evil, "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	_, evilToken := h.last("confirm")
	// Anna has signed up as well, and follows the other's link, or the other hers.
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, token := h.last("confirm")
	for password, token := range map[string]string{anna.Password: evilToken, evil.Password: token} {
		if _, err := h.Confirm(ctx, token, password, "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Errorf("confirmed with the password of the other sign-up: %v", err)
		}
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM accounts`) != nil || n != 0 {
		t.Errorf("%d accounts", n)
	}
	u := h.signedUp()
	if _, err := h.Confirm(ctx, evilToken, evil.Password, "203.0.113.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the other's link: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, evil.Password, "203.0.113.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("the other's password: %v", err)
	}
}

func TestSignUp_limits(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	var many *accounts.TooManyAttempts
	for range 3 {
		if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SignUp(ctx, anna, "198.51.100.7"); !errors.As(err, &many) {
		t.Errorf("a fourth mail to an address: %v", err)
	}
	for i := range 17 {
		n := anna
		n.Email = fmt.Sprintf("a%d@example.com", i)
		if err := h.SignUp(ctx, n, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	n := anna
	n.Email = "last@example.com"
	if err := h.SignUp(ctx, n, "192.0.2.1"); !errors.As(err, &many) {
		t.Errorf("the 21st mail of a client: %v", err)
	}
	_, guessed := h.last("confirm")
	for range 8 {
		if _, err := h.Confirm(ctx, guessed, "ein geratenes Wort", "198.51.100.7"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Fatal(err)
		}
	}
	if _, err := h.Confirm(ctx, guessed, anna.Password, "198.51.100.7"); !errors.As(err, &many) {
		t.Errorf("the ninth guess: %v", err)
	}
	h.clock.t = h.clock.t.Add(48 * time.Hour)
	_, token := h.last("confirm")
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a link of two days ago: %v", err)
	}
	if err := h.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM signups`) != nil || n != 0 {
		t.Errorf("%d old sign-ups are left", n)
	}
}

func TestSignUp_namesTheFields(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for what, c := range map[string]struct {
		change func(*accounts.SignUp)
		want   string
	}{
		"nothing": {func(n *accounts.SignUp) { *n = accounts.SignUp{} }, "first_name:required last_name:required business:required organisation:required phone:invalid email:invalid password:too_short terms:required"},
		"phone":   {func(n *accounts.SignUp) { n.Phone = "12" }, "phone:invalid"},
		"kind":    {func(n *accounts.SignUp) { n.Organisation = "casino" }, "organisation:required"},
		"long":    {func(n *accounts.SignUp) { n.FirstName = strings.Repeat("ä", 101) }, "first_name:too_long"},
		"secret":  {func(n *accounts.SignUp) { n.Password = strings.Repeat("x", 1025) }, "password:too_long"},
	} {
		n := anna
		c.change(&n)
		var bad *accounts.Invalid
		err := h.SignUp(context.Background(), n, "c")
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var got []string
		for _, f := range bad.Fields {
			got = append(got, f.Field+":"+f.Code)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", what, s, c.want)
		}
	}
}
