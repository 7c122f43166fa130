package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"rappel/migrations/private"
)

// chaosPostgres is a server that comes and goes.
type chaosPostgres struct {
	options private.Options
	dsn     string
	mu      sync.Mutex
	server  *private.Server
}

func startChaosPostgres(t *testing.T, ctx context.Context) *chaosPostgres {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // as root, the server is somebody else
			t.Fatal(err)
		}
	}
	// What dies here are processes, never the machine: what was written to the operating
	// system is kept without fsync. A commit must be written, though, before it is confirmed.
	p := &chaosPostgres{options: private.Options{Dir: filepath.Join(dir, "pg"), Unsafe: true, Settings: map[string]string{"synchronous_commit": "on"}}}
	var err error
	if p.server, err = private.Start(ctx, p.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := p.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := p.server.CreateDatabase(ctx, "chaos"); err != nil {
		t.Fatal(err)
	}
	p.dsn = p.server.DSN("chaos")
	return p
}

// restart ends the server, in order or by an immediate shutdown, which is as good as a
// crash, and starts it again.
func (p *chaosPostgres) restart(ctx context.Context, crash bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if crash {
		if err := syscall.Kill(p.server.Pid(), syscall.SIGQUIT); err != nil {
			return fmt.Errorf("crash PostgreSQL: %w", err)
		}
		<-p.server.Done()
	}
	if err := p.server.Stop(ctx); err != nil {
		return err
	}
	s, err := private.Start(ctx, p.options)
	if err != nil {
		return err
	}
	p.server = s
	if dsn := s.DSN("chaos"); dsn != p.dsn {
		return fmt.Errorf("PostgreSQL moved from %s to %s", p.dsn, dsn)
	}
	return nil
}
