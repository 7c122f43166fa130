package accounts_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	db := dbtest.New(t)
	now := func() time.Time { return monday }
	old, err := accounts.NewStore(accounts.Config{DB: db, Secret: []byte("k"), Cost: cheap, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	before, err := old.Create(ctx, accounts.NewUser{Business: "P", Email: "a@example.com", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	dearer, err := accounts.NewStore(accounts.Config{DB: db, Secret: []byte("k"), Cost: accounts.Cost{Memory: 128, Passes: 2, Threads: 1}, Now: now})
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
