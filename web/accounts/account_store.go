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

	"github.com/go-webauthn/webauthn/webauthn"
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

// Sealer seals what must not be read from a stolen database.
type Sealer interface {
	Seal(plain []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Letter is a mail to be written. Kind chooses the words, Data fills them; Key makes a
// second queueing of the same letter do nothing.
type Letter struct {
	Account  int64 // 0 = of no account
	To       string
	Language string // "" = German
	Kind     string
	Key      string
	Data     map[string]string
}

// Mailer queues letters in the transaction that gives the reason for them.
type Mailer interface {
	QueueTx(ctx context.Context, tx *sqlx.Tx, l Letter) error
}

// Newcomer is an account that was just made.
type Newcomer struct {
	Account int64
	Parent  int64 // the account above, 0 = none: somebody has signed up
}

// Welcome gives a new account what it begins with, such as a first template and, to
// those who have signed up, SMS to try. It runs in the transaction that makes the account.
type Welcome interface {
	WelcomeTx(ctx context.Context, tx *sqlx.Tx, n Newcomer) error
}

// Config is what a Store needs. A program that only adds users needs DB and Now.
type Config struct {
	DB     *sqlx.DB // the owner's pool: log-in happens before an account is known
	Secret []byte   // keys the hashes of login_attempts
	Cost   Cost     // zero = DefaultCost
	Now    func() time.Time

	Web      *sqlx.DB // the web role's pool, for what row-level security can guard
	Operator *sqlx.DB // the operator role's pool
	Sealer   Sealer   // seals second factors
	Mailer   Mailer
	Welcome  Welcome
	BaseURL  string // what passkeys are bound to, without trailing slash
	Terms    string // what is kept as the terms somebody accepted; "" = the constant Terms
}

// Store keeps accounts, users and the directory of log-ins.
type Store struct {
	db     *sqlx.DB
	secret []byte
	cost   Cost
	now    func() time.Time
	decoy  string // a hash nobody's password matches, to spend equal time on unknown addresses
	slots  chan struct{}
	cfg    Config
	keys   *webauthn.WebAuthn // nil without a BaseURL
}

// NewStore returns a Store; it fails if the system has no randomness or BaseURL is none.
func NewStore(c Config) (*Store, error) {
	if c.Cost == (Cost{}) {
		c.Cost = DefaultCost
	}
	decoy, err := decoyHash(c.Cost)
	if err != nil {
		return nil, err
	}
	s := &Store{db: c.DB, secret: c.Secret, cost: c.Cost, now: c.Now, decoy: decoy, slots: make(chan struct{}, hashesAtOnce), cfg: c}
	if c.BaseURL != "" {
		if s.keys, err = newKeys(c.BaseURL); err != nil {
			return nil, err
		}
	}
	return s, nil
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

// hashed is the part of a password that is looked at.
func hashed(password string) string { return password[:min(len(password), maxPassword)] }

// matches reports whether password is that of a hash, and the cost it was made with.
func (s *Store) matches(ctx context.Context, hash, password string) (bool, Cost, error) {
	leave, err := s.hashing(ctx)
	if err != nil {
		return false, Cost{}, err
	}
	defer leave()
	return checkPassword(hash, hashed(password))
}

// attempt counts a try at a password, by what it is tried on and by client, or refuses it
// with a *TooManyAttempts. It counts as failed from its beginning; right takes it back:
// else a thousand at the same time would all find that none has failed yet.
func (s *Store) attempt(ctx context.Context, own, client string) (right func() error, err error) {
	byClient, now := s.bucket("client", client), s.now()
	if err := s.countAttempt(ctx, byClient, maxFailuresPerClient, now); err != nil {
		return nil, err
	}
	if err := s.countAttempt(ctx, own, maxFailuresPerEmail, now); err != nil {
		return nil, err
	}
	return func() error {
		if _, err := s.db.ExecContext(ctx, `DELETE FROM login_attempts WHERE bucket = $1`, own); err != nil {
			return fmt.Errorf("forget failures: %w", err)
		}
		if _, err := s.db.ExecContext(ctx, `UPDATE login_attempts SET failures = failures - 1 WHERE bucket = $1 AND failures > 0`, byClient); err != nil {
			return fmt.Errorf("take attempt back: %w", err)
		}
		return nil
	}, nil
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
				`INSERT INTO accounts (business, billing, created_at) VALUES ($1, CASE WHEN $2 THEN 'metered' ELSE 'free' END, $3) RETURNING account_id`,
				strings.TrimSpace(n.Business), n.Metered, u.CreatedAt); err != nil {
				return fmt.Errorf("insert account: %w", err)
			}
		}
		return addUserTx(ctx, tx, &u, false)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// addUserTx adds u and its directory entry, and sets u.ID. It fails with ErrEmailTaken.
func addUserTx(ctx context.Context, tx *sqlx.Tx, u *User, confirmed bool) error {
	var at *time.Time
	if confirmed {
		at = &u.CreatedAt
	}
	taken := false
	if err := tx.GetContext(ctx, &taken, `SELECT EXISTS (SELECT 1 FROM operators WHERE email = $1)`, u.Email); err != nil {
		return fmt.Errorf("look for an operator: %w", err)
	}
	if taken {
		return ErrEmailTaken
	}
	if err := tx.GetContext(ctx, &u.ID,
		`INSERT INTO users (account_id, email, name, password_hash, role, language, created_at, email_confirmed_at)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		 ON CONFLICT (account_id, email) DO NOTHING RETURNING id`,
		u.AccountID, u.Email, u.Name, u.PasswordHash, u.Role, u.Language, u.CreatedAt, at); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return ErrEmailTaken
		}
		return fmt.Errorf("insert user: %w", err)
	}
	return putLoginTx(ctx, tx, *u)
}

// putLoginTx makes u.Email lead to u. It fails with ErrEmailTaken.
func putLoginTx(ctx context.Context, tx *sqlx.Tx, u User) error {
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
}

// Login checks an address and password. client is what the limit counts beside
// the address, usually the remote IP. The error is ErrBadLogin, a *TooManyAttempts,
// or a failure of the store.
func (s *Store) Login(ctx context.Context, email, password, client string) (User, error) {
	email = normalEmail(email)
	right, err := s.attempt(ctx, s.bucket("email", email), client)
	if err != nil {
		return User{}, err
	}
	u, err := s.ByEmail(ctx, email)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	hash := s.decoy
	if known {
		hash = u.PasswordHash
	}
	ok, cost, err := s.matches(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !known || !ok {
		return User{}, ErrBadLogin
	}
	if err := right(); err != nil {
		return User{}, err
	}
	if cost != s.cost {
		return s.renewHash(ctx, u, password)
	}
	return u, nil
}

// renewHash stores the password that was right for u at the cost of now. Where another
// password was set meanwhile that one stays, and the answer is ErrBadLogin.
func (s *Store) renewHash(ctx context.Context, u User, password string) (User, error) {
	hash, err := s.hash(ctx, hashed(password))
	if err != nil {
		return User{}, err
	}
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		return changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET password_hash = $3 WHERE `+u.match()+` AND password_hash = $4`, u.AccountID, u.ID, hash, u.PasswordHash))
	})
	if err == nil {
		u.PasswordHash = hash
		return u, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return User{}, fmt.Errorf("renew password hash: %w", err)
	}
	// Either it is another password, or another log-in has renewed the hash of this one.
	if u, err = s.ByEmail(ctx, u.Email); errors.Is(err, ErrNotFound) {
		return User{}, ErrBadLogin
	} else if err != nil {
		return User{}, err
	}
	if ok, _, err := s.matches(ctx, u.PasswordHash, password); err != nil {
		return User{}, err
	} else if !ok {
		return User{}, ErrBadLogin
	}
	return u, nil
}

// setHashTx stores the hash of a new password. Links on their way that could take it back,
// or the account with it, are worth nothing from now on.
func setHashTx(ctx context.Context, tx *sqlx.Tx, u User, hash string) error {
	if err := changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET password_hash = $3 WHERE `+u.match(), u.AccountID, u.ID, hash)); err != nil {
		return err
	}
	return forgetLinksTx(ctx, tx, u)
}

// table and match find the row of a user, or of one of the operator's people: $1 is the
// account and $2 the id in both.
func (u User) table() string {
	if u.AccountID == 0 {
		return "operators"
	}
	return "users"
}

func (u User) match() string {
	if u.AccountID == 0 {
		return "CAST($1 AS bigint) = 0 AND id = $2"
	}
	return "account_id = $1 AND id = $2"
}

// in runs fn in a transaction of the owner's pool, bound to the user's account if there
// is one, so that what somebody changes is audited.
func (s *Store) in(ctx context.Context, u User, fn func(tx *sqlx.Tx) error) error {
	if u.AccountID == 0 {
		return migrations.InTx(ctx, s.db, fn)
	}
	return migrations.InAccount(ctx, s.db, u.AccountID, fn)
}

// changed tells a statement that changed a row from one that found none, ErrNotFound.
func changed(res sql.Result, err error) error {
	if err != nil {
		return fmt.Errorf("change user: %w", err)
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

// Sweep removes what no longer counts: counters, links that were never followed,
// sessions nobody came back to. Call it now and then.
func (s *Store) Sweep(ctx context.Context) error {
	now := s.now()
	for _, sweep := range []struct {
		what, query string
		before      time.Time
	}{
		{"login attempts", `DELETE FROM login_attempts WHERE since < $1`, now.Add(-failureWindow)},
		{"sign-ups", `DELETE FROM signups WHERE expires_at <= $1`, now},
		{"links", `DELETE FROM link_tokens WHERE expires_at <= $1`, now},
		{"sessions", `DELETE FROM user_sessions WHERE seen_at < $1`, now.Add(-SessionIdle)},
		{"operators' sessions", `DELETE FROM operator_sessions WHERE seen_at < $1`, now.Add(-SessionIdle)},
	} {
		if _, err := s.db.ExecContext(ctx, sweep.query, sweep.before); err != nil {
			return fmt.Errorf("sweep %s: %w", sweep.what, err)
		}
	}
	return nil
}

// ByEmail finds the user an address belongs to, a clinic's or the operator's;
// ErrNotFound if none does.
func (s *Store) ByEmail(ctx context.Context, email string) (User, error) {
	var u User
	err := s.db.GetContext(ctx, &u,
		`SELECT `+userColumns+` FROM logins l JOIN users u ON u.account_id = l.account_id AND u.id = l.user_id WHERE l.email = $1
		UNION ALL SELECT `+operatorColumns+` FROM operators o WHERE o.email = $1 LIMIT 1`, normalEmail(email))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, ErrNotFound
	}
	if err != nil {
		return User{}, fmt.Errorf("look up user: %w", err)
	}
	return u, nil
}

// SetLanguageTx remembers the language a user reads; "" = as the browser asks.
func SetLanguageTx(ctx context.Context, tx *sqlx.Tx, account, user int64, language string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET language = $3 WHERE account_id = $1 AND id = $2`, account, user, language)
	if err != nil {
		return fmt.Errorf("set language: %w", err)
	}
	return nil
}
