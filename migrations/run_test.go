package migrations

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	_ "github.com/lib/pq"
)

// emptyDatabase is filled in by main_test.go: dbtest imports this package, so only
// an external test may import it.
var emptyDatabase func(t testing.TB) string

func openEmpty(t *testing.T) (*sql.DB, string) {
	t.Helper()
	dsn := emptyDatabase(t)
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, dsn
}

func step(up string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + ";\n-- +goose Down\nSELECT 1;\n")}
}

var (
	one = fstest.MapFS{"0001_a.sql": step(`CREATE TABLE a (n int)`)}
	two = fstest.MapFS{"0001_a.sql": one["0001_a.sql"], "0002_b.sql": step(`CREATE TABLE b (n int)`)}
	bad = fstest.MapFS{"0001_a.sql": one["0001_a.sql"], "0002_b.sql": step(`CREATE TABLE b (n int); SELECT 1/0`)}
)

func TestUp_stepByStep(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, _ := openEmpty(t)
	left := func(fsys fs.FS, want int) {
		t.Helper()
		if got, err := pending(ctx, db, fsys); err != nil || got != want {
			t.Fatalf("pending = %d, %v; want %d", got, err, want)
		}
	}
	left(two, 2)
	if err := up(ctx, db, one); err != nil {
		t.Fatal(err)
	}
	left(one, 0)
	left(two, 1)
	if err := up(ctx, db, bad); err == nil || !strings.Contains(err.Error(), "0002_b.sql") {
		t.Fatalf("a failing step: %v, want its name", err)
	}
	left(two, 1) // the failed one left nothing
	for range 2 {
		if err := up(ctx, db, two); err != nil {
			t.Fatal(err)
		}
	}
	left(two, 0)

	// Now the binary is rolled back to one step.
	for name, got := range map[string]error{
		"up":      up(ctx, db, one),
		"pending": second(pending(ctx, db, one)),
	} {
		if !errors.Is(got, ErrNewer) || !strings.Contains(got.Error(), "migration 2") {
			t.Errorf("%s with an older program = %v, want ErrNewer", name, got)
		}
	}
	steps, err := status(ctx, db, one)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, s.Name)
		if s.Pending() {
			t.Errorf("step %d is pending", s.Version)
		}
	}
	if diff := cmp.Diff([]string{"0001_a.sql", ""}, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	// The refusal must not keep the lock: the newer program goes on.
	if err := up(ctx, db, two); err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestStatus_onlyReads(t *testing.T) {
	t.Parallel()
	db, _ := openEmpty(t)
	if _, err := Status(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := db.QueryRow(`SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Error("Status made a table")
	}
}

// Several processes start at once; CREATE INDEX CONCURRENTLY waits for all other
// snapshots, so a runner that waits inside a statement would never end.
func TestUp_severalAtOnce(t *testing.T) {
	t.Parallel()
	_, dsn := openEmpty(t)
	fsys := fstest.MapFS{
		"0001_a.sql": step(`CREATE TABLE a (n int)`),
		"0002_b.sql": &fstest.MapFile{Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_n ON a (n);\n-- +goose Down\nSELECT 1;\n")},
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := sql.Open("postgres", dsn) // a pool each, as processes have
			if err != nil {
				t.Error(err)
				return
			}
			db.SetMaxOpenConns(1) // one connection must do
			if err := errors.Join(up(t.Context(), db, fsys), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestUp_givesUpWithItsContext(t *testing.T) {
	t.Parallel()
	db, _ := openEmpty(t)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l := &locker{newest: 1}
	if err := l.SessionLock(ctx, conn); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- up(ctx, db, one) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("up = %v, want context.Canceled", err)
	}
	if err := errors.Join(l.SessionUnlock(t.Context(), conn), conn.Close()); err != nil {
		t.Fatal(err)
	}
	if err := up(t.Context(), db, one); err != nil {
		t.Fatal(err)
	}
}

func TestFiles_areNumberedWithoutGapsOrDoubles(t *testing.T) {
	steps, err := stepsOf(Files())
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range steps {
		if s.Version != int64(i+1) {
			t.Errorf("%s stands at place %d", s.Name, i+1)
		}
	}
}

// Down and Up again must lead to the same place, or nobody can try a migration out.
func TestFiles_upAndDown(t *testing.T) {
	t.Parallel()
	db, _ := openEmpty(t)
	if err := Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if n, err := Pending(t.Context(), db); err != nil || n != 0 {
		t.Fatalf("Pending = %d, %v", n, err)
	}
	if err := downAll(t.Context(), db, files); err != nil {
		t.Fatal(err)
	}
	var tables []string
	rows, err := db.Query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND relname NOT LIKE 'goose%'`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, s)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	if len(tables) > 0 {
		t.Errorf("after Down there is still %v", tables)
	}
	if err := Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}
