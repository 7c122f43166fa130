package accounts_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/dbtest"
	"rappel/web/accounts"
)

// cheap keeps the tests quick; the cost is stored with each hash.
var cheap = accounts.Cost{Memory: 64, Passes: 1, Threads: 1}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newStore(t *testing.T, c *clock) *accounts.Store {
	t.Helper()
	s, err := accounts.NewStore(accounts.Config{DB: dbtest.New(t), Secret: []byte("0123456789abcdef0123456789abcdef"), Cost: cheap, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestCreateAndLogin(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newStore(t, &clock{monday})
	u, err := s.Create(ctx, accounts.NewUser{Business: "Praxis am See", Email: " Anna@Example.com ", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "anna@example.com" || u.Role != "owner" || u.AccountID == 0 {
		t.Errorf("created %+v", u)
	}
	if strings.Contains(u.PasswordHash, "langes") || !strings.HasPrefix(u.PasswordHash, "$argon2id$") {
		t.Errorf("hash %q", u.PasswordHash)
	}
	got, err := s.Login(ctx, "ANNA@example.com", "ein langes Wort", "192.0.2.1")
	if err != nil || got.ID != u.ID {
		t.Errorf("Login = %v, %v", got, err)
	}
	for _, c := range []struct{ email, password string }{
		{"anna@example.com", "ein langes wort"}, {"anna@example.com", ""}, {"nobody@example.com", "ein langes Wort"}, {"", ""},
	} {
		if _, err := s.Login(ctx, c.email, c.password, "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Errorf("Login(%q, %q) = %v, want ErrBadLogin", c.email, c.password, err)
		}
	}
	if _, err := s.Create(ctx, accounts.NewUser{Business: "Andere", Email: "anna@example.com", Password: "noch ein Wort"}); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("second account with the address: %v, want ErrEmailTaken", err)
	}
}

func TestCreateNamesTheField(t *testing.T) {
	t.Parallel()
	s := newStore(t, &clock{monday})
	for _, c := range []struct {
		name  string
		n     accounts.NewUser
		field string
	}{
		{"no @", accounts.NewUser{Business: "P", Email: "anna", Password: "0123456789"}, "email"},
		{"space", accounts.NewUser{Business: "P", Email: "a b@c.ch", Password: "0123456789"}, "email"},
		{"short password", accounts.NewUser{Business: "P", Email: "a@c.ch", Password: "012345678"}, "password"},
		{"no business", accounts.NewUser{Business: "  ", Email: "a@c.ch", Password: "0123456789"}, "business"},
		{"role", accounts.NewUser{Business: "P", Email: "a@c.ch", Password: "0123456789", Role: "king"}, "role"},
	} {
		var fe *accounts.FieldError
		if _, err := s.Create(context.Background(), c.n); !errors.As(err, &fe) || fe.Field != c.field {
			t.Errorf("%s: %v, want a FieldError of %s", c.name, err, c.field)
		}
	}
}

func TestLoginIsLimited(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := &clock{monday}
	s := newStore(t, c)
	if _, err := s.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"}); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if _, err := s.Login(ctx, "a@example.com", "falsch", "192.0.2.7"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Fatal(err)
		}
	}
	var many *accounts.TooManyAttempts
	if _, err := s.Login(ctx, "a@example.com", "ein langes Wort", "198.51.100.9"); !errors.As(err, &many) {
		t.Fatalf("ninth attempt, even with the right password: %v, want TooManyAttempts", err)
	}
	if want := monday.Add(15 * time.Minute); !many.RetryAt.Equal(want) {
		t.Errorf("RetryAt = %v, want %v", many.RetryAt, want)
	}
	c.t = many.RetryAt
	if _, err := s.Login(ctx, "a@example.com", "ein langes Wort", "198.51.100.9"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
	// One client trying many addresses is stopped too.
	for i := range 40 {
		_, err := s.Login(ctx, strings.Repeat("x", i+1)+"@example.com", "falsch", "203.0.113.5")
		if !errors.Is(err, accounts.ErrBadLogin) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	if _, err := s.Login(ctx, "a@example.com", "ein langes Wort", "203.0.113.5"); !errors.As(err, &many) {
		t.Errorf("41st attempt of a client: %v, want TooManyAttempts", err)
	}
}

// Guesses that come all at once are no more than guesses that come one by one.
func TestLoginIsLimitedAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newStore(t, &clock{monday})
	if _, err := s.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var looked atomic.Int64
	for range 60 {
		wg.Go(func() {
			if _, err := s.Login(ctx, "a@example.com", "falsch", "192.0.2.7"); errors.Is(err, accounts.ErrBadLogin) {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	if n := looked.Load(); n != 8 {
		t.Errorf("%d guesses were looked at, want 8", n)
	}
}

// A practice behind one address may log in as often as it likes.
func TestLoginTakesTheAttemptBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newStore(t, &clock{monday})
	if _, err := s.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := s.Login(ctx, "a@example.com", "ein langes Wort", "192.0.2.7"); err != nil {
			t.Fatalf("log-in %d: %v", i+1, err)
		}
	}
}

func TestHashIsRenewedWhenTheCostRises(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	old, dearer := renewing(t, dbtest.New(t))
	before, err := old.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dearer.Login(ctx, "a@example.com", "ein langes Wort", "c"); err != nil {
		t.Fatal(err)
	}
	after, err := dearer.ByEmail(ctx, "a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if after.PasswordHash == before.PasswordHash || !strings.Contains(after.PasswordHash, "m=128,t=2") {
		t.Errorf("hash was not renewed: %q", after.PasswordHash)
	}
	if _, err := dearer.Login(ctx, "a@example.com", "ein langes Wort", "c"); err != nil {
		t.Errorf("log-in with the renewed hash: %v", err)
	}
}

// Bytes beyond those that are looked at don't count, whether the hash is renewed or not.
func TestHashIsRenewed_longPassword(t *testing.T) {
	t.Parallel()
	ctx, long := context.Background(), strings.Repeat("x", 1024)
	old, dearer := renewing(t, dbtest.New(t))
	if _, err := old.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: long}); err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"y", "", "z"} {
		if _, err := dearer.Login(ctx, "a@example.com", long+more, "c"); err != nil {
			t.Errorf("with %q behind it: %v", more, err)
		}
	}
}

// A hash that is stored while a log-in renews the one of before stays: the password has been
// changed, or another log-in was first.
func TestHashIsRenewed_meanwhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, password string // of now
		want           error
	}{
		{"another password", "ein anderes Wort", accounts.ErrBadLogin},
		{"another log-in", "ein langes Wort", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, db := t.Context(), dbtest.New(t)
			old, dearer := renewing(t, db)
			u, err := old.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"})
			if err != nil {
				t.Fatal(err)
			}
			like, err := dearer.Create(ctx, accounts.NewUser{AccountID: u.AccountID, Email: "b@example.com", Password: tt.password})
			if err != nil {
				t.Fatal(err)
			}
			tx := db.MustBegin()
			defer tx.Rollback()
			tx.MustExec(`UPDATE users SET password_hash = $3 WHERE account_id = $1 AND id = $2`, u.AccountID, u.ID, like.PasswordHash)
			type answer struct {
				accounts.User
				err error
			}
			done := make(chan answer, 1)
			go func() {
				got, err := dearer.Login(ctx, "a@example.com", "ein langes Wort", "c")
				done <- answer{got, err}
			}()
			waiting(t, db)
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if got := <-done; !errors.Is(got.err, tt.want) || got.err == nil && got.PasswordHash != like.PasswordHash {
				t.Errorf("logged in as %+v, %v", got.User, got.err)
			}
			if now, err := old.ByEmail(ctx, "a@example.com"); err != nil || now.PasswordHash != like.PasswordHash {
				t.Errorf("the hash of now is gone, %v", err)
			}
		})
	}
}

// renewing are two stores of a database, the second with a higher cost.
func renewing(t *testing.T, db *sqlx.DB) (old, dearer *accounts.Store) {
	t.Helper()
	var stores [2]*accounts.Store
	for i, cost := range []accounts.Cost{cheap, {Memory: 128, Passes: 2, Threads: 1}} {
		var err error
		if stores[i], err = accounts.NewStore(accounts.Config{DB: db, Secret: []byte("k"), Cost: cost, Now: func() time.Time { return monday }}); err != nil {
			t.Fatal(err)
		}
	}
	return stores[0], stores[1]
}

// waiting returns once somebody waits for a row of the database.
func waiting(t *testing.T, db *sqlx.DB) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
		var n int
		if err := db.Get(&n, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nobody waits for a row")
}
