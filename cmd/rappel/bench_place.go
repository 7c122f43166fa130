package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/private"
)

// benchCleanup bounds what is done after the end of ctx.
const benchCleanup = 60 * time.Second

// benchPlace is a PostgreSQL server to measure on: a private one in a temporary folder
// with default settings, or the operator's. Nothing of ours stays in either.
type benchPlace struct {
	dir    string // "": not ours
	server *private.Server
	dsn    string // of a database that is there
	admin  *sqlx.DB

	mu   sync.Mutex
	made []string // databases not dropped yet
}

func openBenchPlace(ctx context.Context, dsn string) (p *benchPlace, err error) {
	p = &benchPlace{dsn: dsn}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(ctx))
		}
	}()
	if dsn == "" {
		if p.dir, err = os.MkdirTemp("", "rappel-bench-"); err != nil {
			return p, fmt.Errorf("make a temporary folder: %w", err)
		}
		if p.server, err = private.Start(ctx, private.Options{Dir: p.dir}); err != nil {
			return p, err
		}
		p.dsn = p.server.DSN("postgres")
	}
	p.admin, err = openPool(ctx, p.dsn, 2)
	return p, err
}

// close drops what was made and ends the server. It works after the end of ctx too.
func (p *benchPlace) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), benchCleanup)
	defer cancel()
	var errs []error
	if p.admin != nil {
		if p.server == nil { // ours goes as a whole
			p.mu.Lock()
			made := p.made
			p.mu.Unlock()
			for _, name := range made {
				errs = append(errs, p.drop(ctx, name))
			}
		}
		errs = append(errs, p.admin.Close())
	}
	if p.server != nil {
		errs = append(errs, p.server.Stop(ctx))
	}
	if p.dir != "" {
		// As root it may have become a link to where the server's user can go.
		home, err := filepath.EvalSymlinks(p.dir)
		if err == nil {
			err = os.RemoveAll(home)
		}
		errs = append(errs, err, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}

// benchDatabases is what the names of this process's databases begin with.
func benchDatabases() string { return fmt.Sprintf("rappel_bench_%d_", os.Getpid()) }

// database makes one and returns its connection string and what drops it again, which
// works after the end of ctx too.
func (p *benchPlace) database(ctx context.Context, what string) (dsn string, drop func(context.Context) error, err error) {
	name := benchDatabases() + what + "_" + strings.ToLower(rand.Text()[:8])
	if _, err := p.admin.ExecContext(ctx, `CREATE DATABASE `+pq.QuoteIdentifier(name)); err != nil {
		return "", nil, fmt.Errorf("create a database to measure in: %w", err)
	}
	p.mu.Lock()
	p.made = append(p.made, name)
	p.mu.Unlock()
	dsn, err = databaseOf(p.dsn, name)
	return dsn, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), benchCleanup)
		defer cancel()
		return p.drop(ctx, name)
	}, err
}

func (p *benchPlace) drop(ctx context.Context, name string) error {
	if _, err := p.admin.ExecContext(ctx, `DROP DATABASE IF EXISTS `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := range p.made {
		if n == name {
			p.made = append(p.made[:i], p.made[i+1:]...)
			break
		}
	}
	return nil
}

// migrated makes a database with the product's schema.
func (p *benchPlace) migrated(ctx context.Context, what string) (dsn string, drop func(context.Context) error, err error) {
	dsn, drop, err = p.database(ctx, what)
	if err != nil {
		return "", nil, err
	}
	db, err := openPool(ctx, dsn, 2)
	if err == nil {
		err = errors.Join(migrations.Up(ctx, db.DB), db.Close())
	}
	if err != nil {
		return "", nil, errors.Join(err, drop(ctx))
	}
	return dsn, drop, nil
}

// checkpoint writes out what earlier rounds left in memory, so that a round doesn't pay
// for them. Who may not do that measures without.
func (p *benchPlace) checkpoint(ctx context.Context) error {
	_, err := p.admin.ExecContext(ctx, `CHECKPOINT`)
	var pe *pq.Error
	if errors.As(err, &pe) && pe.Code == "42501" { // insufficient_privilege
		return nil
	}
	return err
}

// databaseOf is dsn with another database.
func databaseOf(dsn, name string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return strings.TrimSpace(dsn + " dbname=" + name), nil // a later key overrides an earlier one
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("the database's URL can't be read") // the cause would quote a password
	}
	u.Path = "/" + name
	return u.String(), nil
}

// version is the server's, such as "15.20".
func (p *benchPlace) version(ctx context.Context) string {
	var v string
	if err := p.admin.GetContext(ctx, &v, `SHOW server_version`); err != nil {
		return "unknown" // only for people reading the figures
	}
	v, _, _ = strings.Cut(v, " ")
	return cmp.Or(v, "unknown")
}
