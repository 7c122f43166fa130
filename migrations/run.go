package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Files is the embedded schema: the numbered SQL files at its root.
func Files() fs.FS { return files }

// A Step is one numbered migration and whether a database has it.
type Step struct {
	Version   int64
	Name      string    // file name, such as "0001_init.sql"; "" when this program has no such file
	AppliedAt time.Time // zero when pending
}

// Pending reports whether the step still has to be applied.
func (s Step) Pending() bool { return s.AppliedAt.IsZero() }

// Up applies every pending step in order. Steps run in a transaction each, unless
// a file says "-- +goose NO TRANSACTION". Several processes may call it at once
// on one database: all return nil once the database is current.
//
// It fails with [ErrNewer] when the database knows a step this program doesn't,
// and then changes nothing. A step that fails is rolled back and named in the
// error; the ones before it stay applied.
func Up(ctx context.Context, db *sql.DB) error { return up(ctx, db, files) }

// Status lists every step in order of version, those of the program and those the
// database alone knows. It only reads; an empty database has all steps pending.
func Status(ctx context.Context, db *sql.DB) ([]Step, error) { return status(ctx, db, files) }

// Pending counts the steps [Up] would apply. It only reads. It fails with
// [ErrNewer] like Up.
func Pending(ctx context.Context, db *sql.DB) (int, error) { return pending(ctx, db, files) }

func up(ctx context.Context, db *sql.DB, fsys fs.FS) error {
	newest, err := newestOf(fsys)
	if err != nil {
		return err
	}
	l := &locker{newest: newest}
	// Also without the lock: goose doesn't take it when nothing is pending, and with a
	// newer database nothing is.
	if err := l.refuseNewer(ctx, db); err != nil {
		return err
	}
	// The registry of Go migrations is a global of goose; we have none.
	p, err := goose.NewProvider(goose.DialectPostgres, db, fsys,
		goose.WithSessionLocker(l), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	_, err = p.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Failed != nil && partial.Failed.Source != nil {
		return fmt.Errorf("migrate, step %s: %w", partial.Failed.Source.Path, err)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func status(ctx context.Context, db *sql.DB, fsys fs.FS) ([]Step, error) {
	steps, err := stepsOf(fsys)
	if err != nil {
		return nil, err
	}
	at, err := appliedSteps(ctx, db)
	if err != nil {
		return nil, err
	}
	for i := range steps {
		steps[i].AppliedAt = at[steps[i].Version]
		delete(at, steps[i].Version)
	}
	for version, t := range at {
		steps = append(steps, Step{Version: version, AppliedAt: t})
	}
	slices.SortFunc(steps, func(a, b Step) int { return int(a.Version - b.Version) })
	return steps, nil
}

func pending(ctx context.Context, db *sql.DB, fsys fs.FS) (int, error) {
	steps, err := status(ctx, db, fsys)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range steps {
		if s.Name == "" {
			return 0, newer(s.Version)
		}
		if s.Pending() {
			n++
		}
	}
	return n, nil
}

func newer(version int64) error {
	return fmt.Errorf("%w: it has migration %d; use the program version that wrote it, or a later one", ErrNewer, version)
}

// stepsOf reads the names of the steps, in order of version.
func stepsOf(fsys fs.FS) ([]Step, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	steps := make([]Step, 0, len(names))
	for _, name := range names {
		version, err := goose.NumericComponent(path.Base(name))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		steps = append(steps, Step{Version: version, Name: name})
	}
	slices.SortFunc(steps, func(a, b Step) int { return int(a.Version - b.Version) })
	return steps, nil
}

func newestOf(fsys fs.FS) (int64, error) {
	steps, err := stepsOf(fsys)
	if err != nil || len(steps) == 0 {
		return 0, err
	}
	return steps[len(steps)-1].Version, nil
}

// queryer is what both *sql.DB and *sql.Conn can do.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// appliedSteps tells when each version of the database was applied. A database
// without goose's table has none.
func appliedSteps(ctx context.Context, db queryer) (_ map[int64]time.Time, err error) {
	var table sql.NullString
	if err := db.QueryRowContext(ctx, `SELECT CAST(to_regclass('goose_db_version') AS text)`).Scan(&table); err != nil {
		return nil, fmt.Errorf("look for the migration table: %w", err)
	}
	applied := map[int64]time.Time{}
	if !table.Valid {
		return applied, nil
	}
	// goose writes the column as a timestamp without zone in the session's zone;
	// AT TIME ZONE turns it into the instant it was.
	rows, err := db.QueryContext(ctx, `
		SELECT version_id, max(tstamp AT TIME ZONE current_setting('TimeZone'))
		FROM goose_db_version WHERE is_applied AND version_id > 0 GROUP BY version_id`)
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var version int64
		var at time.Time
		if err := rows.Scan(&version, &at); err != nil {
			return nil, fmt.Errorf("read applied migration: %w", err)
		}
		applied[version] = at
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	return applied, nil
}
