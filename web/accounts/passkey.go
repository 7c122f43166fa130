package accounts

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/jmoiron/sqlx"
)

// A challenge is good for challengeFor, and one client may ask for maxChallenges of them in
// failureWindow without being logged in: each is a row that is kept.
const (
	challengeFor  = 5 * time.Minute
	maxChallenges = 40
)

// ceremony is what lies in the browser's session between the two halves of a ceremony.
type ceremony struct {
	webauthn.SessionData
	Until time.Time
}

// ceremonyState writes down what was begun.
func (s *Store) ceremonyState(d *webauthn.SessionData) ([]byte, error) {
	state, err := json.Marshal(ceremony{*d, s.now().Add(challengeFor)})
	if err != nil {
		return nil, fmt.Errorf("keep challenge: %w", err)
	}
	return state, nil
}

// begun reads what ceremonyState wrote; ErrPasskey if there is nothing, or it is too old.
func (s *Store) begun(state []byte) (webauthn.SessionData, error) {
	var c ceremony
	if err := json.Unmarshal(state, &c); err != nil {
		return c.SessionData, fmt.Errorf("%w: nothing was begun", ErrPasskey)
	}
	if !s.now().Before(c.Until) {
		return c.SessionData, fmt.Errorf("%w: it was begun too long ago", ErrPasskey)
	}
	return c.SessionData, nil
}

// newKeys makes the relying party passkeys are bound to: the host of the web. An address
// in numbers is none; on this machine the same pages are reached as localhost. Elsewhere
// there are no passkeys then, which is nil.
func newKeys(base string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	host, origin := u.Hostname(), base
	if ip := net.ParseIP(host); ip != nil {
		if !ip.IsLoopback() {
			return nil, nil
		}
		host, origin = "localhost", u.Scheme+"://localhost:"+u.Port()
	}
	k, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "Rappel", RPOrigins: []string{origin},
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return k, nil
}

// errNoHost refuses passkeys where the web has no name they could be bound to.
var errNoHost = fmt.Errorf("%w: the public URL has no host name", ErrPasskey)

// Passkey is a key on a device or in a password manager that logs its user in.
type Passkey struct {
	ID         int64      `db:"id"`
	Name       string     `db:"name"`
	Credential []byte     `db:"credential"`
	CreatedAt  time.Time  `db:"created_at"`
	UsedAt     *time.Time `db:"used_at"`
}

// holder is a user as the ceremonies of WebAuthn see one.
type holder struct {
	User
	keys []webauthn.Credential
}

// WebAuthnID is the user handle: numbers that name nobody, enough to find the user by.
func (h holder) WebAuthnID() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(h.AccountID)), uint64(h.ID))
}

func (h holder) WebAuthnName() string                       { return h.Email }
func (h holder) WebAuthnDisplayName() string                { return h.Called() }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// handleOf reads a user handle; ok is false if it is none of ours.
func handleOf(handle []byte) (account, user int64, ok bool) {
	if len(handle) != 16 {
		return 0, 0, false
	}
	account, user = int64(binary.BigEndian.Uint64(handle)), int64(binary.BigEndian.Uint64(handle[8:]))
	return account, user, account > 0 && user > 0
}

// Passkeys lists the user's, the newest first.
func (s *Store) Passkeys(ctx context.Context, u User) (all []Passkey, err error) {
	if err := s.db.SelectContext(ctx, &all, `SELECT id, name, credential, created_at, used_at FROM passkeys WHERE account_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC`,
		u.AccountID, u.ID); err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return all, nil
}

func (s *Store) holder(ctx context.Context, u User) (holder, error) {
	all, err := s.Passkeys(ctx, u)
	if err != nil {
		return holder{}, err
	}
	h := holder{User: u}
	for _, p := range all {
		var c webauthn.Credential
		if err := json.Unmarshal(p.Credential, &c); err != nil {
			return holder{}, fmt.Errorf("passkey %d: %w", p.ID, err)
		}
		h.keys = append(h.keys, c)
	}
	return h, nil
}

// BeginPasskey starts making a passkey: options are for the browser, state for the
// session, to be given back to AddPasskey.
func (s *Store) BeginPasskey(ctx context.Context, u User) (options any, state []byte, err error) {
	if s.keys == nil {
		return nil, nil, errNoHost
	}
	h, err := s.holder(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	creation, session, err := s.keys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("begin passkey: %w", err)
	}
	state, err = s.ceremonyState(session)
	return creation, state, err
}

// AddPasskey keeps the passkey that the browser's answer r holds. ErrPasskey if the answer
// doesn't fit.
func (s *Store) AddPasskey(ctx context.Context, u User, name string, state []byte, r *http.Request) error {
	if s.keys == nil {
		return errNoHost
	}
	h, err := s.holder(ctx, u)
	if err != nil {
		return err
	}
	session, err := s.begun(state)
	if err != nil {
		return err
	}
	c, err := s.keys.FinishRegistration(h, session, r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO passkeys (account_id, user_id, credential_id, credential, name, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (account_id, credential_id) DO NOTHING`, u.AccountID, u.ID, c.ID, string(data), name, s.now())
		if err := changed(res, err); err != nil {
			return err
		}
		return s.tellTx(ctx, tx, u, "passkey_added", map[string]string{"Passkey": name})
	})
}

// RemovePasskey removes one of somebody who knows the password. ErrNotFound if it is none of
// theirs, else ErrBadLogin or a *TooManyAttempts.
func (s *Store) RemovePasskey(ctx context.Context, u User, id int64, password, client string) error {
	all, err := s.Passkeys(ctx, u)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(p Passkey) bool { return p.ID == id })
	if i < 0 {
		return ErrNotFound
	}
	if err := s.CheckPassword(ctx, u, password, client); err != nil {
		return err
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := changed(tx.ExecContext(ctx, `DELETE FROM passkeys WHERE account_id = $1 AND user_id = $2 AND id = $3`, u.AccountID, u.ID, id)); err != nil {
			return err
		}
		return s.tellTx(ctx, tx, u, "passkey_removed", map[string]string{"Passkey": all[i].Name})
	})
}

// BeginPasskeyLogin starts a log-in by passkey, of whoever it will turn out to be. A client
// that begins too many gets a *TooManyAttempts.
func (s *Store) BeginPasskeyLogin(ctx context.Context, client string) (options any, state []byte, err error) {
	if s.keys == nil {
		return nil, nil, errNoHost
	}
	if err := s.countAttempt(ctx, s.bucket("challenge", client), maxChallenges, s.now()); err != nil {
		return nil, nil, err
	}
	assertion, session, err := s.keys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, nil, fmt.Errorf("begin passkey log-in: %w", err)
	}
	state, err = s.ceremonyState(session)
	return assertion, state, err
}

// PasskeyLogin returns the user whose passkey signed the browser's answer r. It stands for
// password and second factor: the device has asked who holds it. ErrPasskey otherwise.
func (s *Store) PasskeyLogin(ctx context.Context, state []byte, r *http.Request, client string) (User, error) {
	if s.keys == nil {
		return User{}, errNoHost
	}
	if err := s.countAttempt(ctx, s.bucket("client", client), maxFailuresPerClient, s.now()); err != nil {
		return User{}, err
	}
	session, err := s.begun(state)
	if err != nil {
		return User{}, err
	}
	var found holder
	_, c, err := s.keys.FinishPasskeyLogin(func(rawID, handle []byte) (webauthn.User, error) {
		account, user, ok := handleOf(handle)
		if !ok {
			return nil, ErrPasskey
		}
		var u User
		if err := s.db.GetContext(ctx, &u, `SELECT `+userColumns+` FROM users u WHERE u.account_id = $1 AND u.id = $2`, account, user); err != nil {
			return nil, ErrPasskey
		}
		var err error
		found, err = s.holder(ctx, u)
		return found, err
	}, session, r)
	if err != nil {
		return User{}, fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	if c.Authenticator.CloneWarning {
		return User{}, fmt.Errorf("%w: its counter went back, as a copy's does", ErrPasskey)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return User{}, fmt.Errorf("keep passkey: %w", err)
	}
	if err := changed(s.db.ExecContext(ctx, `UPDATE passkeys SET credential = $4, used_at = $5 WHERE account_id = $1 AND user_id = $2 AND credential_id = $3`,
		found.AccountID, found.ID, c.ID, string(data), s.now())); err != nil {
		return User{}, err
	}
	if _, err := s.db.ExecContext(ctx, `UPDATE login_attempts SET failures = failures - 1 WHERE bucket = $1 AND failures > 0`, s.bucket("client", client)); err != nil {
		return User{}, fmt.Errorf("take attempt back: %w", err)
	}
	return found.User, nil
}
