package dbtest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

func TestNew_givesEachTestItsOwnDatabase(t *testing.T) {
	a, b := dbtest.New(t), dbtest.New(t)
	if _, err := a.Exec(`CREATE TABLE only_here (n int)`); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := b.Get(&there, `SELECT to_regclass('only_here') IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Error("two tests share a database")
	}
}

// Eight at once, each a database that works.
func TestNew_atOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n, err := migrations.Pending(t.Context(), dbtest.New(t).DB)
			if err != nil || n != 0 {
				t.Errorf("pending migrations: %d, %v", n, err)
			}
		})
	}
	wg.Wait()
}

func TestNewDSN_goesWithItsTest(t *testing.T) {
	db := dbtest.New(t)
	var name string
	t.Run("a test", func(t *testing.T) {
		dsn := dbtest.NewDSN(t)
		// A connection left open must not hold the database.
		left, err := sqlx.Connect("postgres", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if err := left.Get(&name, `SELECT current_database()`); err != nil {
			t.Fatal(err)
		}
	})
	var there bool
	if err := db.Get(&there, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`, name); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Errorf("%s is still there", name)
	}
}

func TestWeb_isNotTheOwner(t *testing.T) {
	dsn := dbtest.NewDSN(t)
	owner, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
	if _, err := owner.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'Clinic', $1)`,
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	count := func(db sqlx.Queryer) (n int) {
		t.Helper()
		if err := sqlx.Get(db, &n, `SELECT count(*) FROM accounts`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(owner); got != 1 {
		t.Errorf("the owner sees %d accounts", got)
	}
	if got := count(web); got != 0 {
		t.Errorf("the web sees %d accounts without being told for which", got)
	}
	err := migrations.InAccount(t.Context(), web, 1, func(tx *sqlx.Tx) error {
		if got := count(tx); got != 1 {
			t.Errorf("the web sees %d accounts of its own", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkNew is one test's share: make a database, connect, drop it.
func BenchmarkNew(b *testing.B) {
	dbtest.New(b) // the server's start isn't counted
	for b.Loop() {
		one(b)
	}
}

// BenchmarkNew_eight is eight parallel tests' share.
func BenchmarkNew_eight(b *testing.B) {
	dbtest.New(b)
	for b.Loop() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { one(b) })
		}
		wg.Wait()
	}
}

// one stands for a test: what it cleans up is cleaned up at its end.
func one(b *testing.B) {
	o := &once{TB: b}
	defer o.end()
	if err := dbtest.New(o).Ping(); err != nil {
		b.Error(err)
	}
}

type once struct {
	testing.TB
	cleanups []func()
}

func (o *once) Cleanup(f func()) { o.cleanups = append(o.cleanups, f) }

func (o *once) end() {
	for i := len(o.cleanups) - 1; i >= 0; i-- {
		o.cleanups[i]()
	}
}
