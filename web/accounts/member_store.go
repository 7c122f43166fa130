package accounts

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Invitation is an open one.
type Invitation struct {
	AccountID int64     `db:"account_id"`
	ID        int64     `db:"id"`
	Email     string    `db:"email"`
	Name      string    `db:"name"`
	Role      string    `db:"role"`
	Language  string    `db:"language"`
	InvitedBy string    `db:"invited_by"`
	CreatedAt time.Time `db:"created_at"`
	ExpiresAt time.Time `db:"expires_at"`
	Business  string    `db:"business"` // the clinic's name
}

const invitationColumns = `i.account_id, i.id, i.email, i.name, i.role, i.language, i.invited_by, i.created_at, i.expires_at, a.business`

// MembersTx lists who works at an account, by name, and who is invited.
func MembersTx(ctx context.Context, tx *sqlx.Tx, account int64) (users []User, invited []Invitation, err error) {
	if err := tx.SelectContext(ctx, &users, `SELECT `+userColumns+` FROM users u WHERE u.account_id = $1 ORDER BY lower(u.name), u.email`, account); err != nil {
		return nil, nil, fmt.Errorf("list users: %w", err)
	}
	if err := tx.SelectContext(ctx, &invited, `SELECT `+invitationColumns+` FROM invitations i JOIN accounts a ON a.account_id = i.account_id
		WHERE i.account_id = $1 AND a.account_id = $1 ORDER BY i.created_at DESC, i.id DESC`, account); err != nil {
		return nil, nil, fmt.Errorf("list invitations: %w", err)
	}
	return users, invited, nil
}

// NewInvitation asks somebody to join an account.
type NewInvitation struct {
	AccountID int64
	Email     string
	Name      string
	Role      string
	Language  string
	By        User
}

// Invite mails an invitation; one that is open for the address is replaced. Whether the
// address is used elsewhere isn't told: who follows the link learns it.
func (s *Store) Invite(ctx context.Context, n NewInvitation, client string) error {
	n.Email, n.Name = normalEmail(n.Email), strings.Join(strings.Fields(n.Name), " ")
	switch {
	case !isEmail(n.Email):
		return &FieldError{"email", "invalid"}
	case !slices.Contains(Roles, n.Role):
		return &FieldError{"role", "invalid"}
	case len([]rune(n.Name)) > 200:
		return &FieldError{"name", "too_long"}
	}
	if err := s.countMail(ctx, n.Email, client); err != nil {
		return err
	}
	return migrations.InAccount(ctx, s.db, n.AccountID, func(tx *sqlx.Tx) error {
		var here bool
		if err := tx.GetContext(ctx, &here, `SELECT EXISTS (SELECT 1 FROM users WHERE account_id = $1 AND email = $2)`, n.AccountID, n.Email); err != nil {
			return fmt.Errorf("look for the address: %w", err)
		}
		if here {
			return &FieldError{"email", "member"}
		}
		now := s.now()
		if _, err := tx.ExecContext(ctx, `DELETE FROM invitations WHERE account_id = $1 AND email = $2`, n.AccountID, n.Email); err != nil {
			return fmt.Errorf("replace invitation: %w", err)
		}
		var id int64
		if err := tx.GetContext(ctx, &id,
			`INSERT INTO invitations (account_id, email, name, role, language, invited_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			n.AccountID, n.Email, n.Name, n.Role, n.Language, n.By.Called(), now, now.Add(inviteFor)); err != nil {
			return fmt.Errorf("invite: %w", err)
		}
		return s.mailInvitationTx(ctx, tx, n.AccountID, id, now)
	})
}

// mailInvitationTx mails a new link; older ones are worth nothing.
func (s *Store) mailInvitationTx(ctx context.Context, tx *sqlx.Tx, account, id int64, now time.Time) error {
	var i Invitation
	if err := tx.GetContext(ctx, &i, `UPDATE invitations AS i SET expires_at = $3 FROM accounts a WHERE i.account_id = $1 AND i.id = $2 AND a.account_id = $1 RETURNING `+invitationColumns,
		account, id, now.Add(inviteFor)); err != nil {
		if errors.Is(linkErr(err), ErrLink) {
			return ErrNotFound
		}
		return fmt.Errorf("renew invitation: %w", err)
	}
	token, err := putLinkTx(ctx, tx, link{Purpose: "invite", AccountID: account, Ref: id}, now, inviteFor)
	if err != nil {
		return err
	}
	return s.cfg.Mailer.QueueTx(ctx, tx, Letter{Account: account, To: i.Email, Language: i.Language, Kind: "invite", Key: "invite/" + hex.EncodeToString(hashToken(token)),
		Data: map[string]string{"Name": i.Name, "By": i.InvitedBy, "Business": i.Business, "Link": "/invite/" + token}})
}

// Resend mails an invitation once more.
func (s *Store) Resend(ctx context.Context, account, id int64, client string) error {
	if err := s.countMail(ctx, fmt.Sprintf("invitation/%d/%d", account, id), client); err != nil {
		return err
	}
	return migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error { return s.mailInvitationTx(ctx, tx, account, id, s.now()) })
}

// Revoke takes an invitation back; its link is worth nothing any more.
func (s *Store) Revoke(ctx context.Context, account, id int64) error {
	return migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM link_tokens WHERE account_id = $1 AND purpose = 'invite' AND ref = $2`, account, id); err != nil {
			return fmt.Errorf("forget link: %w", err)
		}
		return changed(tx.ExecContext(ctx, `DELETE FROM invitations WHERE account_id = $1 AND id = $2`, account, id))
	})
}

// FindInvitation tells what an invitation's link is for, and changes nothing. ErrLink if
// there is none any more.
func (s *Store) FindInvitation(ctx context.Context, token string) (i Invitation, err error) {
	l, err := s.findLink(ctx, "invite", token)
	if err != nil {
		return i, err
	}
	err = s.db.GetContext(ctx, &i, `SELECT `+invitationColumns+` FROM invitations i JOIN accounts a ON a.account_id = i.account_id
		WHERE i.account_id = $1 AND i.id = $2 AND a.account_id = $1`, l.AccountID, l.Ref)
	return i, linkErr(err)
}

// Accept makes the invited person a user. ErrLink if the link is used or too old,
// ErrEmailTaken if the address logs in elsewhere, a *FieldError of the password.
func (s *Store) Accept(ctx context.Context, token, name, password, language string) (User, error) {
	if code := passwordFault(password); code != "" {
		return User{}, &FieldError{"password", code}
	}
	if name = strings.Join(strings.Fields(name), " "); name == "" || len([]rune(name)) > 200 {
		return User{}, &FieldError{"name", "required"}
	}
	i, err := s.FindInvitation(ctx, token)
	if err != nil {
		return User{}, err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	u := User{AccountID: i.AccountID, Email: i.Email, Name: name, PasswordHash: hash, Role: i.Role, Language: language, CreatedAt: s.now()}
	ctx = migrations.WithActor(ctx, migrations.Actor{Kind: "user", Name: i.Email, Role: i.Role, At: s.now()})
	err = migrations.InAccount(ctx, s.db, i.AccountID, func(tx *sqlx.Tx) error {
		if _, err := s.takeLinkTx(ctx, tx, "invite", token); err != nil {
			return err
		}
		if err := changed(tx.ExecContext(ctx, `DELETE FROM invitations WHERE account_id = $1 AND id = $2`, i.AccountID, i.ID)); err != nil {
			return err
		}
		return addUserTx(ctx, tx, &u, true)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// lastOwnerTx holds the account, so that two owners can't leave at once, and tells whether u
// is its last one. Who owns the account above looks after a sub-account, so that one may be
// without an owner of its own. What refers to the account, such as its log, isn't held up:
// whoever holds the user's row may be about to write there.
func lastOwnerTx(ctx context.Context, tx *sqlx.Tx, u User) (last bool, err error) {
	var root bool
	if err := tx.GetContext(ctx, &root, `SELECT parent_id IS NULL FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE`, u.AccountID); err != nil {
		return false, fmt.Errorf("lock account: %w", err)
	}
	if err := tx.GetContext(ctx, &last, `SELECT $3 AND count(*) = 1 AND bool_and(id = $2) FROM users WHERE account_id = $1 AND role = 'owner'`, u.AccountID, u.ID, root); err != nil {
		return false, fmt.Errorf("count owners: %w", err)
	}
	return last, nil
}

// SetRole gives a user of the account another role, and ends their sessions. ErrLastOwner
// if nobody would stay owner, ErrNotFound if there is no such user.
func (s *Store) SetRole(ctx context.Context, account, user int64, role string) error {
	if !slices.Contains(Roles, role) {
		return &FieldError{"role", "invalid"}
	}
	u := User{AccountID: account, ID: user}
	return migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		last, err := lastOwnerTx(ctx, tx, u)
		if err != nil {
			return err
		}
		if last && role != Owner {
			return ErrLastOwner
		}
		if err := changed(tx.ExecContext(ctx, `UPDATE users SET role = $3 WHERE account_id = $1 AND id = $2`, account, user, role)); err != nil {
			return err
		}
		return endOthersTx(ctx, tx, u, 0)
	})
}

// Remove takes a user out of the account; their sessions end. ErrLastOwner if nobody would
// stay owner, ErrNotFound if there is no such user.
func (s *Store) Remove(ctx context.Context, account, user int64) error {
	u := User{AccountID: account, ID: user}
	return migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		last, err := lastOwnerTx(ctx, tx, u)
		if err != nil {
			return err
		}
		if last {
			return ErrLastOwner
		}
		if _, err := holdTx(ctx, tx, account, user); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM logins WHERE account_id = $1 AND user_id = $2`, account, user); err != nil {
			return fmt.Errorf("forget login: %w", err)
		}
		if err := forgetLinksTx(ctx, tx, u); err != nil {
			return err
		}
		return changed(tx.ExecContext(ctx, `DELETE FROM users WHERE account_id = $1 AND id = $2`, account, user))
	})
}
