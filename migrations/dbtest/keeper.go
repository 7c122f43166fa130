package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/private"
)

const (
	// keeperVariable, when set, makes a test binary the keeper of that base.
	keeperVariable = "RAPPEL_DBTEST_KEEPER"
	// keeperWord is the file descriptor the keeper answers on.
	keeperWord = 3

	// grace is how long the server stays without users: the time between two packages
	// of one run, or between two runs of somebody at work.
	grace = 5 * time.Second
	// look is how often the keeper looks for users.
	look = 250 * time.Millisecond
)

func init() {
	dir := os.Getenv(keeperVariable)
	if dir == "" {
		return
	}
	// Whatever starts from here must not become a keeper too.
	if err := os.Unsetenv(keeperVariable); err != nil {
		panic(err)
	}
	if err := keep(base(dir)); err != nil {
		slog.Error("the keeper of the test server failed", slog.Any("error", err))
		os.Exit(1)
	}
	os.Exit(0)
}

// keep runs the server until nobody has used it for a while.
func keep(b base) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	word := os.NewFile(keeperWord, "word")
	s, err := b.start(ctx)
	if err != nil {
		_, e := word.WriteString("error: " + err.Error() + "\x00")
		return errors.Join(err, e, word.Close())
	}
	if err := os.WriteFile(b.dsn(), []byte(s.DSN("postgres")), 0o600); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	// Should the one who started us be dead by now, others may still come.
	_, e := word.WriteString(s.DSN("postgres") + "\x00")
	if err := errors.Join(e, word.Close()); err != nil {
		slog.Warn("nobody waits for the test server", slog.Any("error", err))
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := b.waitUntilUnused(ctx, s.Done(), tick.C)
	// Newcomers wait for the lock in last, and then find no server and start one.
	err = errors.Join(os.Remove(b.dsn()), s.Stop(context.WithoutCancel(ctx)))
	if last != nil {
		err = errors.Join(err, unlock(last))
	}
	return err
}

// start runs the server on the data of the last run. Data that weren't closed in order
// are not trusted, since without fsync nothing vouches for them.
func (b base) start(ctx context.Context) (*private.Server, error) {
	if err := b.sweep(time.Now()); err != nil {
		return nil, err
	}
	o := private.Options{Dir: b.server(), Unsafe: true, MaxConnections: maxConnections, Log: slog.Default(),
		// A vacuum worker inside the template would hold up its copying.
		// Copies are files copied, not pages logged, and need no log for anybody else.
		Settings: map[string]string{"autovacuum": "off", "shared_buffers": "64MB",
			"wal_level": "minimal", "max_wal_senders": "0", "wal_init_zero": "off", "max_wal_size": "256MB"}}
	if b.unclean() {
		// Starting ends what may still run there; only then may the files go.
		if s, err := private.Start(ctx, o); err == nil {
			if err := s.Stop(ctx); err != nil {
				return nil, err
			}
		} else if errors.Is(err, private.ErrInUse) || ctx.Err() != nil {
			return nil, err
		}
		if err := os.RemoveAll(b.server()); err != nil {
			return nil, fmt.Errorf("remove the data of a killed run: %w", err)
		}
	}
	s, err := private.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := dropLeftovers(ctx, s); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	return s, nil
}

func (b base) unclean() bool {
	for _, sign := range []string{b.dsn(), filepath.Join(b.server(), "data", "postmaster.pid")} {
		if _, err := os.Lstat(sign); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// dropLeftovers drops the databases of tests that were killed.
func dropLeftovers(ctx context.Context, s *private.Server) (err error) {
	db, err := sqlx.Open("postgres", s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var names []string
	if err := db.SelectContext(ctx, &names, `SELECT datname FROM pg_database WHERE datname LIKE 't\_%'`); err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	for _, name := range names {
		if _, err := db.ExecContext(ctx, `DROP DATABASE `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("drop a left database: %w", err)
		}
	}
	return nil
}

// waitUntilUnused returns when no test process has held the users lock for [grace],
// with that lock, so that nobody can join any more. It looks at every tick, which
// comes each [look]. It also returns, without the lock, when ctx or the server ends.
func (b base) waitUntilUnused(ctx context.Context, died <-chan struct{}, ticks <-chan time.Time) *os.File {
	var unused time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-died:
			return nil
		case <-ticks:
		}
		file, err := lock(b.users(), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			unused = 0
			continue
		}
		if unused += look; unused >= grace {
			return file
		}
		if err := unlock(file); err != nil {
			slog.Warn("give the lock back", slog.Any("error", err))
		}
	}
}
