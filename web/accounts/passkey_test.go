package accounts_test

import (
	"errors"
	"testing"

	"rappel/web/accounts"
)

// Removing a passkey asks for the password, and is told by mail.
func TestRemovePasskey(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	u := h.signedUp()
	bea := h.add(u, "bea@example.com", accounts.Staff)
	if _, err := h.db.Exec(`INSERT INTO passkeys (account_id, id, user_id, credential_id, credential, name, created_at) VALUES ($1, 7, $2, '\x01', '{}', 'Empfang', $3)`, u.AccountID, u.ID, monday); err != nil {
		t.Fatal(err)
	}
	told := len(h.letters)
	for name, c := range map[string]struct {
		who      accounts.User
		password string
		want     error
	}{
		"wrong password": {u, "geraten und falsch", accounts.ErrBadLogin},
		"no password":    {u, "", accounts.ErrBadLogin},
		"somebody else":  {bea, "ein langes Wort", accounts.ErrNotFound},
	} {
		if err := h.RemovePasskey(ctx, c.who, 7, c.password, "192.0.2.1"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if keys, err := h.Passkeys(ctx, u); err != nil || len(keys) != 1 || len(h.letters) != told {
		t.Errorf("refused, and yet %d passkeys, %d letters, %v", len(keys), len(h.letters)-told, err)
	}
	if err := h.RemovePasskey(ctx, u, 7, anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if keys, err := h.Passkeys(ctx, u); err != nil || len(keys) != 0 {
		t.Errorf("passkeys %+v, %v", keys, err)
	}
	if l, _ := h.last("passkey_removed"); l.To != u.Email || l.Data["Passkey"] != "Empfang" || l.Data["Link"] != "/profile/security" {
		t.Errorf("letter %+v", l)
	}
}
