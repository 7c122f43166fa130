package accounts_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

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

	if err := h.ChangePassword(ctx, u, 0, "ein neues langes Wort", anna.Password, "192.0.2.1"); err != nil {
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

// Two changes of how somebody logs in never wait for each other: each holds the user's row
// before it touches links, log-ins or what a log of the account refers to.
func TestChanges_userFirst(t *testing.T) {
	t.Parallel()
	type person struct {
		*house
		accounts.User
		reset, email string // tokens of their links
	}
	for name, change := range map[string]func(context.Context, person) error{
		"new address": func(ctx context.Context, p person) error { return p.ConfirmEmail(ctx, p.email) },
		"reset":       func(ctx context.Context, p person) error { return p.Reset(ctx, p.reset, "ein neues langes Wort") },
		"new password": func(ctx context.Context, p person) error {
			return p.ChangePassword(ctx, p.User, 0, "ein langes Wort", "ein neues langes Wort", "192.0.2.1")
		},
		"removal": func(ctx context.Context, p person) error { return p.Remove(ctx, p.AccountID, p.User.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, ctx := newHouse(t), t.Context()
			p := person{house: h, User: h.add(h.signedUp(), "bea@example.com", accounts.Staff)}
			if err := h.Forgot(ctx, p.Email, "de", "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
			_, p.reset = h.last("reset")
			if err := h.ChangeEmail(ctx, p.User, "neu@example.com", "ein langes Wort", "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
			_, p.email = h.last("email")

			tx := h.db.MustBegin()
			defer tx.Rollback()
			tx.MustExec(`SELECT 1 FROM users WHERE account_id = $1 AND id = $2 FOR UPDATE`, p.AccountID, p.User.ID)
			done := make(chan error, 1)
			go func() { done <- change(ctx, p) }()
			waiting(t, h.db)
			for _, look := range []string{`SELECT 1 FROM link_tokens WHERE account_id = $1 FOR UPDATE NOWAIT`, `SELECT 1 FROM logins WHERE account_id = $1 FOR UPDATE NOWAIT`,
				`SELECT 1 FROM accounts WHERE account_id = $1 FOR KEY SHARE NOWAIT`} {
				if _, err := tx.Exec(look, p.AccountID); err != nil {
					t.Errorf("while it waits for the user's row, %s: %v", look, err)
					break
				}
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A reset by mail leaves passkeys, and says which; a lost phone's are removed by whoever
// runs the program.
func TestReset_passkeys(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	reset := func() {
		t.Helper()
		if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		_, token := h.last("reset")
		if err := h.Reset(ctx, token, "ein neues langes Wort"); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	if l, _ := h.last("reset_done"); l.To != u.Email {
		t.Errorf("letter %+v", l)
	}
	for i, name := range []string{"Empfang", "Telefon"} {
		if _, err := h.db.Exec(`INSERT INTO passkeys (account_id, user_id, credential_id, credential, name, created_at) VALUES ($1, $2, $3, '{}', $4, $5)`,
			u.AccountID, u.ID, []byte{byte(i)}, name, monday); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	if l, _ := h.last("reset_keys"); l.Data["Passkeys"] != "Empfang, Telefon" || l.Data["Link"] != "/profile/security" {
		t.Errorf("letter %+v", l)
	}

	if _, err := h.db.Exec(`UPDATE users SET sealed_totp = '\x00', recovery_hashes = '{"\\x01"}' WHERE account_id = $1 AND id = $2`, u.AccountID, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Begin(ctx, u, accounts.Session{Method: "passkey"}); err != nil {
		t.Fatal(err)
	}
	if n, err := h.ResetFactor(ctx, "Anna@example.com"); err != nil || n != 2 {
		t.Fatalf("ResetFactor = %d, %v", n, err)
	}
	keys, err := h.Passkeys(ctx, u)
	if err != nil || len(keys) != 0 {
		t.Errorf("passkeys %+v, %v", keys, err)
	}
	if open, err := h.Sessions(ctx, u); err != nil || len(open) != 0 {
		t.Errorf("sessions %+v, %v", open, err)
	}
	if got, err := h.Login(ctx, u.Email, "ein neues langes Wort", "192.0.2.1"); err != nil || got.HasTOTP || got.RecoveryLeft != 0 {
		t.Errorf("afterwards %+v, %v", got, err)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM audit WHERE account_id = $1 AND action = 'users.factor_reset' AND actor = 'rappel user'`, u.AccountID) != nil || n != 1 {
		t.Errorf("written down %d times", n)
	}
	if _, err := h.ResetFactor(ctx, "nobody@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("nobody's: %v", err)
	}
	if _, err := h.AddOperator(ctx, accounts.NewOperator{Email: "olga@example.com", Role: accounts.Support, Password: "ein langes Wort"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ResetFactor(ctx, "olga@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("an operator's: %v", err)
	}
}

// Guesses at the log-in page don't keep somebody logged in from their own settings, and
// guesses there don't lock the log-in page.
func TestCheckPassword_countsApart(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	var many *accounts.TooManyAttempts
	for i := range 9 {
		if _, err := h.Login(ctx, u.Email, "geraten und falsch", "203.0.113.1"); (i < 8) != errors.Is(err, accounts.ErrBadLogin) || (i == 8) != errors.As(err, &many) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if err := h.CheckPassword(ctx, u, anna.Password, "192.0.2.1"); err != nil {
		t.Errorf("somebody logged in, meanwhile: %v", err)
	}
	h.clock.t = h.clock.t.Add(15 * time.Minute)
	for i := range 9 {
		if err := h.CheckPassword(ctx, u, "geraten und falsch", "192.0.2.1"); (i < 8) != errors.Is(err, accounts.ErrBadLogin) || (i == 8) != errors.As(err, &many) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if _, err := h.Login(ctx, u.Email, anna.Password, "192.0.2.1"); err != nil {
		t.Errorf("the log-in page, meanwhile: %v", err)
	}
	if err := h.CheckPassword(ctx, u, anna.Password, "192.0.2.1"); !errors.As(err, &many) {
		t.Errorf("the right one after nine: %v", err)
	}
}

// What the operator's people change about themselves is written down, and their name isn't
// theirs to change.
func TestOperators_ownChanges(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "olga@example.com", Name: "Olga", Role: accounts.Support, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	k, err := accounts.NewTOTP(op.Email)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(k.Secret(), h.clock.t)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.EnableTOTP(ctx, op, k.Secret(), code); err != nil {
		t.Fatal(err)
	}
	if _, err := h.RenewRecovery(ctx, op); err != nil {
		t.Fatal(err)
	}
	if err := h.ChangePassword(ctx, op, 0, "ein langes Wort", "ein neues langes Wort", "c"); err != nil {
		t.Fatal(err)
	}
	if err := h.DisableTOTP(ctx, op); err != nil {
		t.Fatal(err)
	}
	if err := h.SetName(ctx, op, "Anna Muster"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("another name: %v", err)
	}
	var got []string
	if err := h.db.Select(&got, `SELECT concat_ws(' ', action, actor, role) FROM operator_audit WHERE operator_id = $1 AND subject = 'operators:' || $1 ORDER BY id`, op.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"operators.totp_on Olga support", "operators.recovery_renewed Olga support", "operators.password Olga support", "operators.totp_off Olga support"}, got); diff != "" {
		t.Error(diff)
	}
}

// A challenge is good for five minutes, and a client gets only so many.
func TestPasskeyLogin_limits(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	_, state, err := h.BeginPasskeyLogin(ctx, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	for after, tooLate := range map[time.Duration]bool{5*time.Minute - 1: false, 5 * time.Minute: true} {
		h.clock.t = monday.Add(after)
		_, err := h.PasskeyLogin(ctx, state, httptest.NewRequest("POST", "/", strings.NewReader("{}")), "192.0.2.1")
		if !errors.Is(err, accounts.ErrPasskey) || strings.Contains(err.Error(), "too long ago") != tooLate {
			t.Errorf("after %v: %v", after, err)
		}
	}
	h.clock.t = monday
	for range 39 {
		if _, _, err := h.BeginPasskeyLogin(ctx, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	var many *accounts.TooManyAttempts
	if _, _, err := h.BeginPasskeyLogin(ctx, "192.0.2.1"); !errors.As(err, &many) {
		t.Errorf("the 41st: %v", err)
	}
	if _, _, err := h.BeginPasskeyLogin(ctx, "198.51.100.7"); err != nil {
		t.Errorf("another client: %v", err)
	}
}
