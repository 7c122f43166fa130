package dbtest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// join makes this process a user of the shared server, starting it if need be, and
// makes sure of the template.
func join(ctx context.Context) (*cluster, error) {
	b, err := openBase()
	if err != nil {
		return nil, err
	}
	// From here on the keeper stays. If one is just leaving, this waits for it.
	use, err := lock(b.users(), syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if err := os.Chtimes(b.users(), now, now); err != nil { // for sweep
		return nil, fmt.Errorf("mark the folder used: %w", err)
	}
	// One at a time looks whether there is a server, and starts it if not.
	starting, err := lock(b.starts(), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	c, err := b.connect(ctx)
	if err != nil {
		return nil, errors.Join(err, unlock(starting))
	}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.admin.Close(), unlock(starting))
	}
	c.use = use
	return c, unlock(starting)
}

// connect finds the running server or starts a keeper for one.
func (b base) connect(ctx context.Context) (*cluster, error) {
	dsn, err := os.ReadFile(b.dsn())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the server: %w", err)
	}
	if err == nil {
		if c, err := open(ctx, string(dsn)); err == nil {
			return c, nil
		}
		// Its keeper was killed; a new one clears up.
	}
	started, err := b.startKeeper(ctx)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL for the tests: %w", err)
	}
	return open(ctx, started)
}

func open(ctx context.Context, dsn string) (*cluster, error) {
	hash, err := schemaHash(migrations.Files())
	if err != nil {
		return nil, err
	}
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(5 * time.Second)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), db.Close())
	}
	return &cluster{admin: db, base: dsn, template: "template_" + hash}, nil
}

// startKeeper runs this very test binary as the keeper and waits for its word.
func (b base) startKeeper(ctx context.Context) (dsn string, err error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the test binary: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	// go test waits for everybody who holds its output, hence a log of its own.
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", errors.Join(fmt.Errorf("open the keeper's log: %w", err), w.Close())
	}
	cmd := exec.Command(exe)
	cmd.Dir = string(b)
	cmd.Env = append(os.Environ(), keeperVariable+"="+string(b))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w} // becomes keeperWord
	// A session of its own: neither Ctrl-C nor the end of the terminal is for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err := errors.Join(err, w.Close(), log.Close()); err != nil {
		return "", fmt.Errorf("start the keeper: %w", err)
	}
	// It outlives us; whoever comes after init reaps it.
	go func() { _ = cmd.Wait() }()

	type line struct {
		text string
		err  error
	}
	word := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(r).ReadString('\x00')
		word <- line{strings.TrimSuffix(text, "\x00"), err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the keeper: %w; see %s", ctx.Err(), b.log())
	case l := <-word:
		if l.err != nil {
			text, _ := os.ReadFile(b.log()) // more detail if there is any
			return "", fmt.Errorf("the keeper ended: %w: %s", l.err, text)
		}
		if reason, failed := strings.CutPrefix(l.text, "error: "); failed {
			return "", errors.New(reason)
		}
		return l.text, nil
	}
}

// prepare makes the template unless it is there. The caller holds the start lock.
func (c *cluster) prepare(ctx context.Context) (err error) {
	var ready bool
	// The mark of a finished template is that nobody may connect to it.
	err = c.admin.GetContext(ctx, &ready, `SELECT NOT datallowconn FROM pg_database WHERE datname = $1`, c.template)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("look for the template: %w", err)
	case ready:
		return nil
	default: // a migration that failed, or was killed
		if _, err := c.admin.ExecContext(ctx, `DROP DATABASE `+c.template+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("drop a half-made template: %w", err)
		}
	}
	if _, err := c.admin.ExecContext(ctx, `CREATE DATABASE `+c.template); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if err := c.migrate(ctx); err != nil {
		return err
	}
	if _, err := c.admin.ExecContext(ctx, `ALTER DATABASE `+c.template+` WITH ALLOW_CONNECTIONS false`); err != nil {
		return fmt.Errorf("close the template: %w", err)
	}
	return nil
}

func (c *cluster) migrate(ctx context.Context) (err error) {
	db, err := sql.Open("postgres", c.dsn(c.template))
	if err != nil {
		return fmt.Errorf("open the template: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migrations.Up(ctx, db); err != nil {
		return fmt.Errorf("the template: %w", err)
	}
	// Each copy starts out with these, instead of the guesses for unknown tables.
	if _, err := db.ExecContext(ctx, `ANALYZE`); err != nil {
		return fmt.Errorf("analyze the template: %w", err)
	}
	return nil
}
