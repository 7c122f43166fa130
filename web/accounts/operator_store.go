package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// OperatorRoles are those of the operator's own people.
var OperatorRoles = []string{BillingAdmin, Reviewer, Support}

// NewOperator is what it takes to add one of the operator's people.
type NewOperator struct {
	Email    string
	Name     string
	Role     string
	Password string
	Language string
}

// AddOperator adds one of the operator's people. An address that logs in to a clinic is
// ErrEmailTaken; a value that can't be a *FieldError.
func (s *Store) AddOperator(ctx context.Context, n NewOperator) (User, error) {
	switch {
	case !isEmail(n.Email):
		return User{}, &FieldError{"email", "invalid"}
	case passwordFault(n.Password) != "":
		return User{}, &FieldError{"password", passwordFault(n.Password)}
	case !slices.Contains(OperatorRoles, n.Role):
		return User{}, &FieldError{"role", "invalid"}
	}
	hash, err := s.hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	u := User{Email: normalEmail(n.Email), Name: strings.TrimSpace(n.Name), PasswordHash: hash, Role: n.Role, Language: n.Language, CreatedAt: s.now()}
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		var taken bool
		if err := tx.GetContext(ctx, &taken, `SELECT EXISTS (SELECT 1 FROM logins WHERE email = $1)`, u.Email); err != nil {
			return fmt.Errorf("look up address: %w", err)
		}
		if taken {
			return ErrEmailTaken
		}
		err := tx.GetContext(ctx, &u.ID, `INSERT INTO operators (email, name, role, password_hash, language, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (email) DO NOTHING RETURNING id`, u.Email, u.Name, u.Role, u.PasswordHash, u.Language, u.CreatedAt)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrEmailTaken
		}
		if err != nil {
			return fmt.Errorf("insert operator: %w", err)
		}
		return s.operatorAuditTx(ctx, tx, "operators.added", u)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// RecordOperatorTx writes down what one of the operator's people did that belongs to no
// account, in the transaction of what it tells about. AccountID is not used.
func RecordOperatorTx(ctx context.Context, tx *sqlx.Tx, e Entry) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO operator_audit (at, operator_id, actor, role, action, subject, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.Actor.At, e.Actor.ID, e.Actor.Name, e.Actor.Role, e.Action, e.Subject, e.Reason); err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// ownTx writes down what u changed about themselves, if they are one of the operator's
// people: what a clinic's user changes, the schema writes down.
func (s *Store) ownTx(ctx context.Context, tx *sqlx.Tx, u User, action string) error {
	if !u.Operator() {
		return nil
	}
	return RecordOperatorTx(ctx, tx, Entry{Actor: operatorActor(u, s.now()), Action: action, Subject: fmt.Sprintf("operators:%d", u.ID)})
}

// operatorAuditTx writes down what was done to one of the operator's people, at the
// command line.
func (s *Store) operatorAuditTx(ctx context.Context, tx *sqlx.Tx, action string, u User) error {
	return RecordOperatorTx(ctx, tx, Entry{Actor: migrations.Actor{Name: "rappel operator", At: s.now()}, Action: action, Subject: fmt.Sprintf("operators:%d %s", u.ID, u.Role)})
}

// Operators lists the operator's people.
func (s *Store) Operators(ctx context.Context) (all []User, err error) {
	if err := s.db.SelectContext(ctx, &all, `SELECT `+operatorColumns+` FROM operators o ORDER BY o.email`); err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	return all, nil
}

// RemoveOperator removes one; their sessions end. ErrNotFound if there is none.
func (s *Store) RemoveOperator(ctx context.Context, email string) error {
	return migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		var u User
		err := tx.GetContext(ctx, &u, `DELETE FROM operators o WHERE o.email = $1 RETURNING `+operatorColumns, normalEmail(email))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("remove operator: %w", err)
		}
		return s.operatorAuditTx(ctx, tx, "operators.removed", u)
	})
}

// ResetOperator gives one a new password, turns the second factor off and ends their
// sessions: for somebody who has lost the phone. ErrNotFound if there is none.
func (s *Store) ResetOperator(ctx context.Context, email, password string) error {
	if code := passwordFault(password); code != "" {
		return &FieldError{"password", code}
	}
	u, err := s.ByEmail(ctx, email)
	if err != nil {
		return err
	}
	if !u.Operator() {
		return ErrNotFound
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		if err := changed(tx.ExecContext(ctx, `UPDATE operators SET password_hash = $2, sealed_totp = NULL, totp_step = 0, recovery_hashes = '{}' WHERE id = $1`, u.ID, hash)); err != nil {
			return err
		}
		if err := endOthersTx(ctx, tx, u, 0); err != nil {
			return err
		}
		return s.operatorAuditTx(ctx, tx, "operators.reset", u)
	})
}

// SetOperatorLanguage remembers the language one reads; "" = as the browser asks.
func (s *Store) SetOperatorLanguage(ctx context.Context, u User, language string) error {
	return changed(s.db.ExecContext(ctx, `UPDATE operators SET language = $2 WHERE id = $1`, u.ID, language))
}
