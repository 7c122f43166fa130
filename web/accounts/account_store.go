package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Limits of failed log-ins. One address is locked sooner than one client, behind
// which a whole practice may sit.
const (
	maxFailuresPerEmail  = 8
	maxFailuresPerClient = 40
	failureWindow        = 15 * time.Minute
)

// hashesAtOnce bounds how many passwords are hashed at a time: each takes 64 MiB, and
// anybody may ask for one.
const hashesAtOnce = 4

// Config is what a Store needs. Every field but Cost must be set.
type Config struct {
	DB     *sqlx.DB // the owner's pool: log-in happens before an account is known
	Secret []byte   // keys the hashes of login_attempts
	Cost   Cost     // zero = DefaultCost
	Now    func() time.Time
}

// Store keeps accounts, users and the directory of log-ins.
type Store struct {
	db     *sqlx.DB
	secret []byte
	cost   Cost
	now    func() time.Time
	decoy  string // a hash nobody's password matches, to spend equal time on unknown addresses
	slots  chan struct{}
}

// NewStore returns a Store; it fails only if the system has no randomness.
func NewStore(c Config) (*Store, error) {
	if c.Cost == (Cost{}) {
		c.Cost = DefaultCost
	}
	decoy, err := decoyHash(c.Cost)
	if err != nil {
		return nil, err
	}
	return &Store{db: c.DB, secret: c.Secret, cost: c.Cost, now: c.Now, decoy: decoy, slots: make(chan struct{}, hashesAtOnce)}, nil
}

// hashing waits for its turn to hash; leave ends it.
func (s *Store) hashing(ctx context.Context) (leave func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn to hash: %w", ctx.Err())
	}
}

// hash hashes a new password.
func (s *Store) hash(ctx context.Context, password string) (string, error) {
	leave, err := s.hashing(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return hashPassword(password, s.cost)
}

// matches reports whether password is that of a hash, and the cost it was made with.
func (s *Store) matches(ctx context.Context, hash, password string) (bool, Cost, error) {
	leave, err := s.hashing(ctx)
	if err != nil {
		return false, Cost{}, err
	}
	defer leave()
	return checkPassword(hash, password)
}

// Create adds a user, and with AccountID 0 the account around it. A value that
// can't be is a *FieldError; an address in use is ErrEmailTaken.
func (s *Store) Create(ctx context.Context, n NewUser) (User, error) {
	if err := n.validate(); err != nil {
		return User{}, err
	}
	hash, err := s.hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	u := User{AccountID: n.AccountID, Email: normalEmail(n.Email), Name: strings.TrimSpace(n.Name), PasswordHash: hash,
		Role: n.Role, Language: n.Language, CreatedAt: s.now()}
	if u.Role == "" {
		u.Role = "owner"
	}
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		if u.AccountID == 0 {
			if err := tx.GetContext(ctx, &u.AccountID,
				`INSERT INTO accounts (business, created_at) VALUES ($1, $2) RETURNING account_id`,
				strings.TrimSpace(n.Business), u.CreatedAt); err != nil {
				return fmt.Errorf("insert account: %w", err)
			}
		}
		if err := tx.GetContext(ctx, &u.ID,
			`INSERT INTO users (account_id, email, name, password_hash, role, language, created_at)
			 VALUES ($1, $2, $3, $4, $5, $6, $7)
			 ON CONFLICT (account_id, email) DO NOTHING RETURNING id`,
			u.AccountID, u.Email, u.Name, u.PasswordHash, u.Role, u.Language, u.CreatedAt); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return ErrEmailTaken
			}
			return fmt.Errorf("insert user: %w", err)
		}
		res, err := tx.ExecContext(ctx,
			`INSERT INTO logins (email, account_id, user_id) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING`,
			u.Email, u.AccountID, u.ID)
		if err != nil {
			return fmt.Errorf("insert login: %w", err)
		}
		if rows, err := res.RowsAffected(); err != nil || rows == 0 {
			return errors.Join(ErrEmailTaken, err)
		}
		return nil
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// Login checks an address and password. client is what the limit counts beside
// the address, usually the remote IP. The error is ErrBadLogin, a *TooManyAttempts,
// or a failure of the store.
//
// An attempt counts as failed from its beginning, and is taken back when it succeeds:
// else a thousand at the same time would all find that none has failed yet.
func (s *Store) Login(ctx context.Context, email, password, client string) (User, error) {
	email = normalEmail(email)
	now := s.now()
	byClient, byEmail := s.bucket("client", client), s.bucket("email", email)
	if err := s.countAttempt(ctx, byClient, maxFailuresPerClient, now); err != nil {
		return User{}, err
	}
	if err := s.countAttempt(ctx, byEmail, maxFailuresPerEmail, now); err != nil {
		return User{}, err
	}
	var u User
	err := s.db.GetContext(ctx, &u,
		`SELECT `+userColumns+` FROM logins l JOIN users u ON u.account_id = l.account_id AND u.id = l.user_id WHERE l.email = $1`, email)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return User{}, fmt.Errorf("look up login: %w", err)
	}
	hash := s.decoy
	if known {
		hash = u.PasswordHash
	}
	if len(password) > maxPassword {
		password = password[:maxPassword]
	}
	ok, cost, err := s.matches(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !known || !ok {
		return User{}, ErrBadLogin
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM login_attempts WHERE bucket = $1`, byEmail); err != nil {
		return User{}, fmt.Errorf("forget failures: %w", err)
	}
	if _, err := s.db.ExecContext(ctx, `UPDATE login_attempts SET failures = failures - 1 WHERE bucket = $1 AND failures > 0`, byClient); err != nil {
		return User{}, fmt.Errorf("take attempt back: %w", err)
	}
	if cost != s.cost {
		if err := s.SetPassword(ctx, u, password); err != nil {
			return User{}, fmt.Errorf("renew password hash: %w", err)
		}
	}
	return u, nil
}

// SetPassword replaces the password of u.
func (s *Store) SetPassword(ctx context.Context, u User, password string) error {
	if err := (NewUser{AccountID: u.AccountID, Email: u.Email, Password: password}).validate(); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	res, err := s.db.ExecContext(ctx, `UPDATE users SET password_hash = $3 WHERE account_id = $1 AND id = $2`, u.AccountID, u.ID, hash)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if rows, err := res.RowsAffected(); err != nil || rows == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// bucket names a counter without naming the person.
func (s *Store) bucket(kind, value string) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(kind + "\x00" + value))
	return kind + ":" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// countAttempt counts one more attempt, or refuses it when there were too many.
func (s *Store) countAttempt(ctx context.Context, bucket string, limit int, now time.Time) error {
	var row struct {
		Failures int       `db:"failures"`
		Since    time.Time `db:"since"`
	}
	// Beyond the limit the count stands still, or it would overflow one day.
	err := s.db.GetContext(ctx, &row,
		`INSERT INTO login_attempts AS a (bucket, failures, since) VALUES ($1, 1, $2)
		 ON CONFLICT (bucket) DO UPDATE SET
		   failures = CASE WHEN a.since <= $3 THEN 1 ELSE LEAST(a.failures, $4) + 1 END,
		   since = CASE WHEN a.since <= $3 THEN EXCLUDED.since ELSE a.since END
		 RETURNING a.failures, a.since`,
		bucket, now, now.Add(-failureWindow), limit)
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if row.Failures > limit {
		return &TooManyAttempts{RetryAt: row.Since.Add(failureWindow)}
	}
	return nil
}

// Sweep removes counters that no longer count. Call it now and then.
func (s *Store) Sweep(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM login_attempts WHERE since < $1`, s.now().Add(-failureWindow))
	if err != nil {
		return fmt.Errorf("sweep login attempts: %w", err)
	}
	return nil
}

// ByEmail finds the user an address belongs to; ErrNotFound if none does.
func (s *Store) ByEmail(ctx context.Context, email string) (User, error) {
	var u User
	err := s.db.GetContext(ctx, &u,
		`SELECT `+userColumns+` FROM logins l JOIN users u ON u.account_id = l.account_id AND u.id = l.user_id WHERE l.email = $1`, normalEmail(email))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, ErrNotFound
	}
	if err != nil {
		return User{}, fmt.Errorf("look up user: %w", err)
	}
	return u, nil
}

// GetTx reads the account and user a session belongs to, as the web role.
// ErrNotFound when either is gone.
func GetTx(ctx context.Context, tx *sqlx.Tx, account, user int64) (a Account, u User, err error) {
	if err = tx.GetContext(ctx, &a, `SELECT `+accountColumns+` FROM accounts a WHERE a.account_id = $1`, account); err == nil {
		err = tx.GetContext(ctx, &u, `SELECT `+userColumns+` FROM users u WHERE u.account_id = $1 AND u.id = $2`, account, user)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return a, u, ErrNotFound
	}
	if err != nil {
		return a, u, fmt.Errorf("read account and user: %w", err)
	}
	return a, u, nil
}

// SetLanguageTx remembers the language a user reads; "" = as the browser asks.
func SetLanguageTx(ctx context.Context, tx *sqlx.Tx, account, user int64, language string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET language = $3 WHERE account_id = $1 AND id = $2`, account, user, language)
	if err != nil {
		return fmt.Errorf("set language: %w", err)
	}
	return nil
}
