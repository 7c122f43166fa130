package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// MaxConsent is the longest a clinic can let support in at a time.
const MaxConsent = 7 * 24 * time.Hour

// Consent is a clinic's word that support may work there for a while.
type Consent struct {
	ID        int64      `db:"id"`
	GrantedBy string     `db:"granted_by"`
	GrantedAt time.Time  `db:"granted_at"`
	ExpiresAt time.Time  `db:"expires_at"`
	RevokedAt *time.Time `db:"revoked_at"`
}

// SupportRequest is support asking to be let in.
type SupportRequest struct {
	ID        int64     `db:"id"`
	Operator  string    `db:"operator"`
	Reason    string    `db:"reason"`
	CreatedAt time.Time `db:"created_at"`
}

// SupportTx reads the consent in force, nil if there is none, and what support asked.
func SupportTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (open *Consent, asked []SupportRequest, err error) {
	var c Consent
	err = tx.GetContext(ctx, &c, `SELECT id, granted_by, granted_at, expires_at, revoked_at FROM support_consents
		WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY expires_at DESC LIMIT 1`, account, now)
	if err == nil {
		open = &c
	} else if !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, fmt.Errorf("read consent: %w", err)
	}
	if err := tx.SelectContext(ctx, &asked, `SELECT id, operator, reason, created_at FROM support_requests
		WHERE account_id = $1 AND answered_at IS NULL AND created_at > $2 ORDER BY created_at DESC LIMIT 10`, account, now.Add(-MaxConsent)); err != nil {
		return nil, nil, fmt.Errorf("read requests: %w", err)
	}
	return open, asked, nil
}

// GrantTx lets support in for a while; a consent that is open ends with it.
func GrantTx(ctx context.Context, tx *sqlx.Tx, u User, account int64, now time.Time, long time.Duration) error {
	if long <= 0 || long > MaxConsent {
		return &FieldError{"hours", "invalid"}
	}
	if err := RevokeTx(ctx, tx, account, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO support_consents (account_id, granted_by, granted_at, expires_at) VALUES ($1, $2, $3, $4)`,
		account, u.Called(), now, now.Add(long)); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE support_requests SET answered_at = $2 WHERE account_id = $1 AND answered_at IS NULL`, account, now); err != nil {
		return fmt.Errorf("answer requests: %w", err)
	}
	return nil
}

// RevokeTx ends every open consent at once.
func RevokeTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE support_consents SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2`, account, now); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

// Clinic is an account as support finds it.
type Clinic struct {
	ID       int64      `db:"account_id"`
	Business string     `db:"business"`
	Phone    string     `db:"phone"`
	Contact  string     `db:"contact"`
	Until    *time.Time `db:"until"` // consent's end; nil = none
	Asked    bool       `db:"asked"` // and not yet answered
}

// Clinics finds accounts by name or number, those that let support in first.
func (s *Store) Clinics(ctx context.Context, search string) (all []Clinic, err error) {
	now := s.now()
	if err := s.cfg.Operator.SelectContext(ctx, &all,
		`SELECT a.account_id, a.business, a.phone, trim(a.contact_first || ' ' || a.contact_last) AS contact,
			(SELECT max(c.expires_at) FROM support_consents c WHERE c.account_id = a.account_id AND c.revoked_at IS NULL AND c.expires_at > $2) AS until,
			EXISTS (SELECT 1 FROM support_requests r WHERE r.account_id = a.account_id AND r.answered_at IS NULL AND r.created_at > $3) AS asked
		FROM accounts a WHERE a.status = 'active' AND ($1 = '' OR position(lower($1) IN lower(a.business)) > 0 OR CAST(a.account_id AS text) = $1)
		ORDER BY until NULLS LAST, lower(a.business), a.account_id LIMIT 50`, search, now, now.Add(-MaxConsent)); err != nil {
		return nil, fmt.Errorf("find clinics: %w", err)
	}
	return all, nil
}

// Ask asks a clinic to let support in: its owner sees it and gets a mail.
func (s *Store) Ask(ctx context.Context, operator User, account int64, reason string) error {
	if reason == "" || len([]rune(reason)) > 500 {
		return &FieldError{"reason", "required"}
	}
	now := s.now()
	return migrations.InTx(ctx, s.cfg.Operator, func(tx *sqlx.Tx) error {
		var owners []struct{ Email, Language, Name string }
		if err := tx.SelectContext(ctx, &owners, `SELECT email, language, name FROM users WHERE account_id = $1 AND role = 'owner' ORDER BY id LIMIT 20`, account); err != nil {
			return fmt.Errorf("look for owners: %w", err)
		}
		if len(owners) == 0 {
			return ErrNotFound
		}
		var id int64
		if err := tx.GetContext(ctx, &id, `INSERT INTO support_requests (account_id, operator, reason, created_at) VALUES ($1, $2, $3, $4) RETURNING id`,
			account, operator.Called(), reason, now); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		if err := RecordTx(ctx, tx, Entry{AccountID: account, Actor: operatorActor(operator, now), Action: "support.asked", Reason: reason}); err != nil {
			return err
		}
		for i, o := range owners {
			if err := s.cfg.Mailer.QueueTx(ctx, tx, Letter{Account: account, To: o.Email, Language: o.Language, Kind: "support", Key: fmt.Sprintf("support/%d/%d", id, i),
				Data: map[string]string{"By": operator.Called(), "Reason": reason, "Link": "/settings/support"}}); err != nil {
				return err
			}
		}
		return nil
	})
}

func operatorActor(u User, now time.Time) migrations.Actor {
	return migrations.Actor{Kind: "operator", ID: u.ID, Name: u.Called(), Role: u.Role, At: now}
}

// Enter reads the account support is at work in and writes the request down, before it is
// served: what isn't written down doesn't happen. ErrNoConsent once the clinic has taken
// its word back, or it ran out.
func (s *Store) Enter(ctx context.Context, operator User, account int64, action, request string) (a Account, err error) {
	now := s.now()
	err = migrations.InTx(ctx, s.cfg.Operator, func(tx *sqlx.Tx) error {
		var open bool
		if err := tx.GetContext(ctx, &open, `SELECT EXISTS (SELECT 1 FROM support_consents WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2)`, account, now); err != nil {
			return fmt.Errorf("look for consent: %w", err)
		}
		if !open {
			return ErrNoConsent
		}
		if err := tx.GetContext(ctx, &a, `SELECT `+accountColumns+` FROM accounts a WHERE a.account_id = $1 AND a.status = 'active'`, account); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return ErrNoConsent
			}
			return fmt.Errorf("read account: %w", err)
		}
		return RecordTx(ctx, tx, Entry{AccountID: account, Actor: operatorActor(operator, now), Action: action, Subject: request})
	})
	return a, err
}
