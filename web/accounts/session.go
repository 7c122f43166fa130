package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// A session ends by itself after SessionIdle without a visit, and after SessionLife in
// any case.
const (
	SessionIdle = 7 * 24 * time.Hour
	SessionLife = 30 * 24 * time.Hour
	seenEvery   = 5 * time.Minute // how exact the last visit is known
)

// Session is somebody logged in with some browser.
type Session struct {
	ID        int64     `db:"id"`
	Method    string    `db:"method"` // password, totp, recovery, passkey, link
	Agent     string    `db:"agent"`  // browser and system, in a few words
	Place     string    `db:"place"`  // network, without its last part
	CreatedAt time.Time `db:"created_at"`
	SeenAt    time.Time `db:"seen_at"`
}

// sessions names the table of u's sessions, and the column that points to u.
func (u User) sessions() (table, match string) {
	if u.AccountID == 0 {
		return "operator_sessions", "CAST($1 AS bigint) = 0 AND operator_id = $2"
	}
	return "user_sessions", "account_id = $1 AND user_id = $2"
}

// Begin writes down that u is logged in and returns the session's number. That one of the
// operator's people is stands in their log for good: their session's row goes.
func (s *Store) Begin(ctx context.Context, u User, at Session) (id int64, err error) {
	now := s.now()
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		query := `INSERT INTO user_sessions (account_id, user_id, method, agent, place, created_at, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id`
		if u.Operator() {
			query = `INSERT INTO operator_sessions (operator_id, method, agent, place, created_at, seen_at) SELECT $2, $3, $4, $5, $6, $6 WHERE CAST($1 AS bigint) = 0 RETURNING id`
		}
		if err := tx.GetContext(ctx, &id, query, u.AccountID, u.ID, at.Method, at.Agent, at.Place, now); err != nil {
			return fmt.Errorf("begin session: %w", err)
		}
		return s.ownTx(ctx, tx, u, "operators.logged_in")
	})
	return id, err
}

// Whose is what a browser's session says: who is logged in, by which session.
type Whose struct{ Account, User, Session int64 }

// GetTx reads the account and user a session belongs to, as the web role, and notes the
// visit. ErrNotFound when one of the three is gone.
func GetTx(ctx context.Context, tx *sqlx.Tx, who Whose, now time.Time) (a Account, u User, err error) {
	var seen time.Time
	if err = tx.GetContext(ctx, &a, `SELECT `+accountColumns+` FROM accounts a WHERE a.account_id = $1 AND a.status = 'active'`, who.Account); err == nil {
		err = tx.GetContext(ctx, &u, `SELECT `+userColumns+` FROM users u WHERE u.account_id = $1 AND u.id = $2`, who.Account, who.User)
	}
	if err == nil {
		err = tx.GetContext(ctx, &seen, `SELECT seen_at FROM user_sessions WHERE account_id = $1 AND id = $2 AND user_id = $3 AND created_at > $4 AND seen_at > $5`,
			who.Account, who.Session, who.User, now.Add(-SessionLife), now.Add(-SessionIdle))
	}
	if err == nil && now.Sub(seen) > seenEvery {
		_, err = tx.ExecContext(ctx, `UPDATE user_sessions SET seen_at = $3 WHERE account_id = $1 AND id = $2`, who.Account, who.Session, now)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return a, u, ErrNotFound
	}
	if err != nil {
		return a, u, fmt.Errorf("read account and user: %w", err)
	}
	return a, u, nil
}

// Operator reads the operator's person a session belongs to, and notes the visit.
// ErrNotFound when either is gone.
func (s *Store) Operator(ctx context.Context, who Whose) (u User, err error) {
	now := s.now()
	var seen time.Time
	if err = s.db.GetContext(ctx, &u, `SELECT `+operatorColumns+` FROM operators o WHERE o.id = $1`, who.User); err == nil {
		err = s.db.GetContext(ctx, &seen, `SELECT seen_at FROM operator_sessions WHERE id = $1 AND operator_id = $2 AND created_at > $3 AND seen_at > $4`,
			who.Session, who.User, now.Add(-SessionLife), now.Add(-SessionIdle))
	}
	if err == nil && now.Sub(seen) > seenEvery {
		_, err = s.db.ExecContext(ctx, `UPDATE operator_sessions SET seen_at = $2 WHERE id = $1`, who.Session, now)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return u, ErrNotFound
	}
	if err != nil {
		return u, fmt.Errorf("read operator: %w", err)
	}
	return u, nil
}

// Sessions lists where u is logged in, the last visit first.
func (s *Store) Sessions(ctx context.Context, u User) (all []Session, err error) {
	table, match := u.sessions()
	now := s.now()
	if err := s.db.SelectContext(ctx, &all, `SELECT id, method, agent, place, created_at, seen_at FROM `+table+` WHERE `+match+`
		AND created_at > $3 AND seen_at > $4 ORDER BY seen_at DESC, id DESC LIMIT 100`, u.AccountID, u.ID, now.Add(-SessionLife), now.Add(-SessionIdle)); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

// End ends one session of u; ErrNotFound if it is none of theirs.
func (s *Store) End(ctx context.Context, u User, id int64) error {
	table, match := u.sessions()
	return changed(s.db.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+match+` AND id = $3`, u.AccountID, u.ID, id))
}

// EndOthers ends all sessions of u but keep; 0 keeps none.
func (s *Store) EndOthers(ctx context.Context, u User, keep int64) error {
	return s.in(ctx, u, func(tx *sqlx.Tx) error { return endOthersTx(ctx, tx, u, keep) })
}

func endOthersTx(ctx context.Context, tx *sqlx.Tx, u User, keep int64) error {
	table, match := u.sessions()
	if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+match+` AND id <> $3`, u.AccountID, u.ID, keep); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}
