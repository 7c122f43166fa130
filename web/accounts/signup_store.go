package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Limits of what makes mail leave: by address so that nobody's post box is flooded, by
// client so that nobody tries many.
const (
	maxMailsPerEmail  = 3
	maxMailsPerClient = 20
)

// countMail counts a request that makes a mail leave, or refuses it. Known and unknown
// addresses count alike.
func (s *Store) countMail(ctx context.Context, email, client string) error {
	now := s.now()
	if err := s.countAttempt(ctx, s.bucket("mail-client", client), maxMailsPerClient, now); err != nil {
		return err
	}
	return s.countAttempt(ctx, s.bucket("mail", normalEmail(email)), maxMailsPerEmail, now)
}

// SignUp keeps what somebody told and mails a link that shows the address is theirs; only
// following it makes the account. An address that is known gets a hint instead, and the
// answer is the same. Mistakes are an *Invalid; too many requests a *TooManyAttempts.
func (s *Store) SignUp(ctx context.Context, n SignUp, client string) error {
	n, err := n.checked()
	if err != nil {
		return err
	}
	if err := s.countMail(ctx, n.Email, client); err != nil {
		return err
	}
	// Hashed in any case: an address that is known must not be answered sooner.
	hash, err := s.hash(ctx, n.Password)
	if err != nil {
		return err
	}
	token, tokenHash := newToken()
	now := s.now()
	return migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		known, err := s.hintTx(ctx, tx, n.Email, n.Language, tokenHash)
		if known || err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			`INSERT INTO signups (token_hash, email, password_hash, first_name, last_name, organisation, business, phone, language, terms_version, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			tokenHash, n.Email, hash, n.FirstName, n.LastName, n.Organisation, n.Business, n.Phone, n.Language, cmp.Or(s.cfg.Terms, Terms), now, now.Add(signUpFor)); err != nil {
			return fmt.Errorf("keep sign-up: %w", err)
		}
		return s.cfg.Mailer.QueueTx(ctx, tx, Letter{To: n.Email, Language: n.Language, Kind: "confirm", Key: "confirm/" + hex.EncodeToString(tokenHash),
			Data: map[string]string{"Name": n.FirstName + " " + n.LastName, "Business": n.Business, "Link": "/confirm/" + token}})
	})
}

// hintTx mails to an address that is known already that somebody wants to use it again.
func (s *Store) hintTx(ctx context.Context, tx *sqlx.Tx, email, language string, tokenHash []byte) (known bool, err error) {
	if err := tx.GetContext(ctx, &known,
		`SELECT EXISTS (SELECT 1 FROM logins WHERE email = $1) OR EXISTS (SELECT 1 FROM operators WHERE email = $1)`, email); err != nil {
		return false, fmt.Errorf("look up address: %w", err)
	}
	if !known {
		return false, nil
	}
	return true, s.cfg.Mailer.QueueTx(ctx, tx, Letter{To: email, Language: language, Kind: "known", Key: "known/" + hex.EncodeToString(tokenHash),
		Data: map[string]string{"Link": "/forgot"}})
}

// PendingSignUp is what the page behind a confirmation link shows.
type PendingSignUp struct {
	Email    string `db:"email"`
	Business string `db:"business"`
	Language string `db:"language"`
}

// FindSignUp tells what a confirmation link is for, and changes nothing: programs open
// links in mails before people do. ErrLink if there is no such link any more.
func (s *Store) FindSignUp(ctx context.Context, token string) (PendingSignUp, error) {
	var p PendingSignUp
	err := s.db.GetContext(ctx, &p, `SELECT email, business, language FROM signups WHERE token_hash = $1 AND expires_at > $2`, hashToken(token), s.now())
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrLink
	}
	if err != nil {
		return p, fmt.Errorf("find sign-up: %w", err)
	}
	return p, nil
}

// Confirm makes the account of a sign-up and returns its owner. password is the one chosen
// at that sign-up: the post box shows whose the address is, the password who signed up, and
// an account is for who has both. ErrBadLogin if it is another, or a *TooManyAttempts. A
// link works once; ErrLink if it is used or too old, or the address has got an account
// meanwhile.
func (s *Store) Confirm(ctx context.Context, token, password, client string) (User, error) {
	var hash string
	if err := s.db.GetContext(ctx, &hash, `SELECT password_hash FROM signups WHERE token_hash = $1 AND expires_at > $2`, hashToken(token), s.now()); err != nil {
		return User{}, linkErr(err)
	}
	right, err := s.attempt(ctx, s.bucket("confirm", hex.EncodeToString(hashToken(token))), client)
	if err != nil {
		return User{}, err
	}
	ok, _, err := s.matches(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !ok {
		return User{}, ErrBadLogin
	}
	if err := right(); err != nil {
		return User{}, err
	}
	var u User
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		now := s.now()
		var n struct {
			PendingSignUp
			PasswordHash string    `db:"password_hash"`
			FirstName    string    `db:"first_name"`
			LastName     string    `db:"last_name"`
			Organisation string    `db:"organisation"`
			Phone        string    `db:"phone"`
			Terms        string    `db:"terms_version"`
			CreatedAt    time.Time `db:"created_at"`
		}
		err := tx.GetContext(ctx, &n, `DELETE FROM signups WHERE token_hash = $1 AND expires_at > $2
			RETURNING email, business, language, password_hash, first_name, last_name, organisation, phone, terms_version, created_at`, hashToken(token), now)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLink
		}
		if err != nil {
			return fmt.Errorf("take sign-up: %w", err)
		}
		u = User{Email: n.Email, Name: n.FirstName + " " + n.LastName, PasswordHash: n.PasswordHash, Role: Owner, Language: n.Language, CreatedAt: now}
		if err := tx.GetContext(ctx, &u.AccountID,
			`INSERT INTO accounts (business, organisation, phone, contact_first, contact_last, language, terms_version, terms_at, billing, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'metered', $9) RETURNING account_id`,
			n.Business, n.Organisation, n.Phone, n.FirstName, n.LastName, n.Language, n.Terms, n.CreatedAt, now); err != nil {
			return fmt.Errorf("insert account: %w", err)
		}
		if err := addUserTx(ctx, tx, &u, true); err != nil {
			if errors.Is(err, ErrEmailTaken) {
				return ErrLink
			}
			return err
		}
		// Whoever else signed up with the address did so before it was shown to be this one's.
		if _, err := tx.ExecContext(ctx, `DELETE FROM signups WHERE email = $1`, n.Email); err != nil {
			return fmt.Errorf("forget other sign-ups: %w", err)
		}
		if err := RecordTx(ctx, tx, Entry{AccountID: u.AccountID, Actor: migrations.Actor{Kind: "user", ID: u.ID, Name: u.Called(), Role: u.Role, At: now}, Action: "accounts.signed_up"}); err != nil {
			return err
		}
		return s.cfg.Welcome.WelcomeTx(ctx, tx, Newcomer{Account: u.AccountID})
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}
