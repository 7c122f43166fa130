package accounts

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// link is a one-time link as the directory knows it.
type link struct {
	Purpose   string `db:"purpose"`
	AccountID int64  `db:"account_id"`
	Ref       int64  `db:"ref"`
	Value     string `db:"value"`
}

// putLinkTx makes a one-time link; those made before for the same are worth nothing.
func putLinkTx(ctx context.Context, tx *sqlx.Tx, l link, now time.Time, good time.Duration) (token string, err error) {
	token, hash := newToken()
	if _, err := tx.ExecContext(ctx, `DELETE FROM link_tokens WHERE account_id = $1 AND purpose = $2 AND ref = $3`, l.AccountID, l.Purpose, l.Ref); err != nil {
		return "", fmt.Errorf("forget older links: %w", err)
	}
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO link_tokens (token_hash, purpose, account_id, ref, value, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		hash, l.Purpose, l.AccountID, l.Ref, l.Value, now, now.Add(good)); err != nil {
		return "", fmt.Errorf("keep link: %w", err)
	}
	return token, nil
}

// forgetLinksTx makes a user's links to a new password or address worth nothing. The caller
// holds the user's row, see holdTx.
func forgetLinksTx(ctx context.Context, tx *sqlx.Tx, u User) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM link_tokens WHERE account_id = $1 AND purpose IN ('reset', 'email') AND ref = $2`, u.AccountID, u.ID); err != nil {
		return fmt.Errorf("forget links: %w", err)
	}
	return nil
}

// holdTx reads a clinic's user and holds their row until the transaction ends; ErrNotFound
// if there is none. Whoever changes how somebody logs in takes that row first, and links and
// log-ins after it: in another order two such changes would wait for each other.
func holdTx(ctx context.Context, tx *sqlx.Tx, account, user int64) (u User, err error) {
	err = tx.GetContext(ctx, &u, `SELECT `+userColumns+` FROM users u WHERE u.account_id = $1 AND u.id = $2 FOR UPDATE`, account, user)
	if errors.Is(err, sql.ErrNoRows) {
		return u, ErrNotFound
	}
	if err != nil {
		return u, fmt.Errorf("hold user: %w", err)
	}
	return u, nil
}

// takeUserLinkTx uses a user's link up, and holds their row first. ErrLink if either is gone.
func (s *Store) takeUserLinkTx(ctx context.Context, tx *sqlx.Tx, l link, token string) (u User, err error) {
	u, err = holdTx(ctx, tx, l.AccountID, l.Ref)
	if errors.Is(err, ErrNotFound) {
		return u, ErrLink
	}
	if err == nil {
		_, err = s.takeLinkTx(ctx, tx, l.Purpose, token)
	}
	return u, err
}

// findLink looks a link up without using it. ErrLink if there is none any more.
func (s *Store) findLink(ctx context.Context, purpose, token string) (l link, err error) {
	err = s.db.GetContext(ctx, &l, `SELECT purpose, account_id, ref, value FROM link_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3`,
		hashToken(token), purpose, s.now())
	return l, linkErr(err)
}

// takeLinkTx uses a link up; of two at once, one gets it.
func (s *Store) takeLinkTx(ctx context.Context, tx *sqlx.Tx, purpose, token string) (l link, err error) {
	err = tx.GetContext(ctx, &l, `DELETE FROM link_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING purpose, account_id, ref, value`,
		hashToken(token), purpose, s.now())
	return l, linkErr(err)
}

func linkErr(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLink
	}
	if err != nil {
		return fmt.Errorf("find link: %w", err)
	}
	return nil
}

// Forgot mails a link to set a new password to a user of that address, if there is one;
// the answer is the same in any case. Only too many requests are a *TooManyAttempts.
func (s *Store) Forgot(ctx context.Context, email, language, client string) error {
	email = normalEmail(email)
	if err := s.countMail(ctx, email, client); err != nil {
		return err
	}
	// What takes the most time is done for known and unknown addresses alike.
	if _, _, err := s.matches(ctx, s.decoy, ""); err != nil {
		return err
	}
	u, err := s.ByEmail(ctx, email)
	if errors.Is(err, ErrNotFound) || err == nil && u.Operator() {
		return nil // operators get a new password from whoever runs the program
	}
	if err != nil {
		return err
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		token, err := putLinkTx(ctx, tx, link{Purpose: "reset", AccountID: u.AccountID, Ref: u.ID}, s.now(), resetFor)
		if err != nil {
			return err
		}
		return s.cfg.Mailer.QueueTx(ctx, tx, Letter{Account: u.AccountID, To: u.Email, Language: speaks(u, language), Kind: "reset",
			Key: "reset/" + hex.EncodeToString(hashToken(token)), Data: map[string]string{"Name": u.Called(), "Link": "/reset/" + token}})
	})
}

// speaks is the language to write to u in.
func speaks(u User, otherwise string) string {
	if u.Language != "" {
		return u.Language
	}
	return otherwise
}

// CanReset reports whether a reset link is still good; ErrLink if not.
func (s *Store) CanReset(ctx context.Context, token string) error {
	_, err := s.findLink(ctx, "reset", token)
	return err
}

// Reset sets a new password by a link from Forgot and ends every session of the user. A
// second factor stays on, and passkeys stay; a mail says so, and which there are. ErrLink,
// or a *FieldError of the password.
func (s *Store) Reset(ctx context.Context, token, password string) error {
	if code := passwordFault(password); code != "" {
		return &FieldError{"password", code}
	}
	l, err := s.findLink(ctx, "reset", token)
	if err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		u, err := s.takeUserLinkTx(ctx, tx, l, token)
		if err != nil {
			return err
		}
		if err := setHashTx(ctx, tx, u, hash); err != nil {
			return err
		}
		var keys []string
		if err := tx.SelectContext(ctx, &keys, `SELECT name FROM passkeys WHERE account_id = $1 AND user_id = $2 ORDER BY created_at, id`, u.AccountID, u.ID); err != nil {
			return fmt.Errorf("list passkeys: %w", err)
		}
		kind := "reset_done"
		if len(keys) > 0 {
			kind = "reset_keys"
		}
		if err := s.tellTx(ctx, tx, u, kind, map[string]string{"Passkeys": strings.Join(keys, ", ")}); err != nil {
			return err
		}
		if err := RecordTx(ctx, tx, Entry{AccountID: u.AccountID, Actor: migrations.Actor{Kind: "user", ID: u.ID, Role: "", At: s.now()}, Action: "users.reset", Subject: fmt.Sprintf("users:%d", u.ID)}); err != nil {
			return err
		}
		return endOthersTx(ctx, tx, u, 0)
	})
}

// ChangePassword sets a new password of somebody who knows the old one, and ends their
// other sessions. ErrBadLogin, a *TooManyAttempts, or a *FieldError of the new one.
func (s *Store) ChangePassword(ctx context.Context, u User, session int64, old, password, client string) error {
	if code := passwordFault(password); code != "" {
		return &FieldError{"password", code}
	}
	if err := s.CheckPassword(ctx, u, old, client); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := setHashTx(ctx, tx, u, hash); err != nil {
			return err
		}
		if err := s.ownTx(ctx, tx, u, "operators.password"); err != nil {
			return err
		}
		return endOthersTx(ctx, tx, u, session)
	})
}

// SetName changes what a clinic's user is called. The operator's people keep the name they
// were added with, by which clinics know who was there; for them it is ErrNotFound.
func (s *Store) SetName(ctx context.Context, u User, name string) error {
	if len([]rune(name)) > 200 {
		return &FieldError{"name", "too_long"}
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		return changed(tx.ExecContext(ctx, `UPDATE users SET name = $3 WHERE account_id = $1 AND id = $2`, u.AccountID, u.ID, name))
	})
}

// ChangeEmail mails a link to the new address; only following it changes the address one
// logs in with. An address that is known gets a hint instead, and the answer is the same.
// The address of now is told in either case.
func (s *Store) ChangeEmail(ctx context.Context, u User, email, password, client string) error {
	if email = normalEmail(email); !isEmail(email) || email == u.Email {
		return &FieldError{"email", "invalid"}
	}
	if err := s.CheckPassword(ctx, u, password, client); err != nil {
		return err
	}
	if err := s.countMail(ctx, email, client); err != nil {
		return err
	}
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := s.tellTx(ctx, tx, u, "email_asked", map[string]string{"Email": email, "Link": "/profile"}); err != nil {
			return err
		}
		_, hint := newToken()
		known, err := s.hintTx(ctx, tx, email, speaks(u, "de"), hint)
		if known || err != nil {
			return err
		}
		token, err := putLinkTx(ctx, tx, link{Purpose: "email", AccountID: u.AccountID, Ref: u.ID, Value: email}, s.now(), emailFor)
		if err != nil {
			return err
		}
		return s.cfg.Mailer.QueueTx(ctx, tx, Letter{Account: u.AccountID, To: email, Language: speaks(u, "de"), Kind: "email",
			Key: "email/" + hex.EncodeToString(hashToken(token)), Data: map[string]string{"Name": u.Called(), "Email": email, "Link": "/email/" + token}})
	})
}

// FindEmail tells which new address a link confirms.
func (s *Store) FindEmail(ctx context.Context, token string) (string, error) {
	l, err := s.findLink(ctx, "email", token)
	return l.Value, err
}

// ConfirmEmail makes the new address the one to log in with, and tells the old one. What
// was mailed there to set a password by is worth nothing any more.
func (s *Store) ConfirmEmail(ctx context.Context, token string) error {
	l, err := s.findLink(ctx, "email", token)
	if err != nil {
		return err
	}
	return migrations.InAccount(ctx, s.db, l.AccountID, func(tx *sqlx.Tx) error {
		u, err := s.takeUserLinkTx(ctx, tx, l, token)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM logins WHERE email = $1 AND account_id = $2 AND user_id = $3`, u.Email, u.AccountID, u.ID); err != nil {
			return fmt.Errorf("forget old address: %w", err)
		}
		if err := forgetLinksTx(ctx, tx, u); err != nil {
			return err
		}
		old := u.Email
		u.Email = l.Value
		if err := putLoginTx(ctx, tx, u); err != nil {
			if errors.Is(err, ErrEmailTaken) {
				return ErrLink
			}
			return err
		}
		if err := changed(tx.ExecContext(ctx, `UPDATE users SET email = $3, email_confirmed_at = $4 WHERE account_id = $1 AND id = $2`, u.AccountID, u.ID, u.Email, s.now())); err != nil {
			return err
		}
		if err := RecordTx(ctx, tx, Entry{AccountID: u.AccountID, Actor: migrations.Actor{Kind: "user", ID: u.ID, Name: u.Called(), Role: u.Role, At: s.now()},
			Action: "users.email", Subject: fmt.Sprintf("users:%d", u.ID), Before: map[string]string{"email": old}, After: map[string]string{"email": u.Email}}); err != nil {
			return err
		}
		return s.cfg.Mailer.QueueTx(ctx, tx, Letter{Account: u.AccountID, To: old, Language: speaks(u, "de"), Kind: "email_changed",
			Key: "email_changed/" + hex.EncodeToString(hashToken(token)), Data: map[string]string{"Name": u.Called(), "Email": u.Email}})
	})
}
