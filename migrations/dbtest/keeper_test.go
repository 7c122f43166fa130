package dbtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// ownBase is a base apart from the one this test run uses.
func ownBase(t *testing.T) base {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // as root the server is another user
			t.Fatal(err)
		}
	}
	return base(dir)
}

func holdUsers(t *testing.T, b base) *os.File {
	t.Helper()
	file, err := lock(b.users(), syscall.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // most have closed it by then
	return file
}

// connected joins a base as a test process does.
func connected(t *testing.T, b base) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := b.connect(ctx)
	if err == nil {
		err = c.prepare(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.admin.Close() }) // its server may be dead
	return c
}

func parentOf(t *testing.T, c *cluster) int {
	t.Helper()
	var file string
	if err := c.admin.Get(&file, `SELECT pg_read_file('postmaster.pid')`); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(file, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// A killed keeper, a killed server, both: whoever comes next has a server again, and
// without what the killed one may have left half written.
func TestKeeper_killed(t *testing.T) {
	t.Parallel()
	b := ownBase(t)
	holdUsers(t, b)
	for _, what := range []string{"keeper", "server", "both"} {
		c := connected(t, b)
		if _, err := c.admin.Exec(`CREATE DATABASE t_left`); err != nil {
			t.Fatal(err)
		}
		keeper, server := keeperOf(t, b), parentOf(t, c)
		pids := map[string][]int{"keeper": {keeper}, "server": {server}, "both": {keeper, server}}[what]
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		for c.admin.Ping() == nil {
			time.Sleep(time.Millisecond) // for another process; nothing is timed by it
		}
		c = connected(t, b)
		var left bool
		if err := c.admin.Get(&left, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 't_left')`); err != nil {
			t.Fatal(err)
		}
		if left {
			t.Errorf("%s killed: a database of the former life is there", what)
		}
	}
	retire(t, b)
}

// keeperOf reads who holds the server's folder.
func keeperOf(t *testing.T, b base) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.server(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// retire asks the keeper to stop and waits until it has.
func retire(t *testing.T, b base) {
	t.Helper()
	if err := syscall.Kill(keeperOf(t, b), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	file, err := lock(filepath.Join(b.server(), "lock"), syscall.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.dsn()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the way to a stopped server is still there: %v", err)
	}
}

// Stopped in order, the next run finds the template and no leftovers.
func TestKeeper_keepsTheTemplate(t *testing.T) {
	t.Parallel()
	b := ownBase(t)
	holdUsers(t, b)
	c := connected(t, b)
	made := func(c *cluster) (oid int) {
		t.Helper()
		if err := c.admin.Get(&oid, `SELECT oid FROM pg_database WHERE datname = $1`, c.template); err != nil {
			t.Fatal(err)
		}
		return oid
	}
	first := made(c)
	if _, err := c.admin.Exec(`CREATE DATABASE t_left`); err != nil {
		t.Fatal(err)
	}
	retire(t, b)
	c = connected(t, b)
	if again := made(c); again != first {
		t.Errorf("the template was made anew: %d, then %d", first, again)
	}
	var left bool
	if err := c.admin.Get(&left, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 't_left')`); err != nil {
		t.Fatal(err)
	}
	if left {
		t.Error("a killed test's database is there")
	}
	// Half a template, as after a failed migration, is replaced.
	if _, err := c.admin.Exec(`ALTER DATABASE ` + c.template + ` ALLOW_CONNECTIONS true`); err != nil {
		t.Fatal(err)
	}
	if err := c.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := made(c); again == first {
		t.Error("half a template was kept")
	}
	retire(t, b)
}

func TestWaitUntilUnused(t *testing.T) {
	t.Parallel()
	b := base(t.TempDir())
	ticks := make(chan time.Time)
	answer := make(chan *os.File)
	go func() { answer <- b.waitUntilUnused(t.Context(), nil, ticks) }()
	enough := int(grace / look)
	// When a tick is taken, the look of the one before is over; its own may still be
	// under way. Hence two ticks where one would do.
	ticked := func(n int) {
		t.Helper()
		for range n {
			select {
			case ticks <- time.Time{}:
			case <-answer:
				t.Fatal("the keeper left too early")
			}
		}
	}
	user := holdUsers(t, b)
	ticked(3 * enough)
	if err := unlock(user); err != nil {
		t.Fatal(err)
	}
	ticked(enough - 2)
	user = holdUsers(t, b) // a newcomer in the last moment starts the count again
	ticked(2)
	if err := unlock(user); err != nil {
		t.Fatal(err)
	}
	ticked(enough - 2)
	var file *os.File
	for n := 0; file == nil; n++ {
		if n > 3 {
			t.Fatal("the keeper stays although nobody is there")
		}
		select {
		case ticks <- time.Time{}:
		case file = <-answer:
		}
	}
	if _, err := lock(b.users(), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		t.Error("somebody could join a server that is about to stop")
	}
	if err := unlock(file); err != nil {
		t.Fatal(err)
	}
	died := make(chan struct{})
	close(died)
	if b.waitUntilUnused(t.Context(), died, nil) != nil {
		t.Error("a dead server's keeper took the lock")
	}
}

func TestSchemaHash(t *testing.T) {
	t.Parallel()
	hash := func(files map[string]string) string {
		t.Helper()
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		h, err := schemaHash(fsys)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	same := hash(map[string]string{"1.sql": "a", "2.sql": "b"})
	for name, files := range map[string]map[string]string{
		"changed": {"1.sql": "a", "2.sql": "c"},
		"renamed": {"1.sql": "a", "3.sql": "b"},
		"added":   {"1.sql": "a", "2.sql": "b", "3.sql": ""},
		"shifted": {"1.sql": "ab", "2.sql": ""},
	} {
		if hash(files) == same {
			t.Errorf("%s files have the hash of the others", name)
		}
	}
	if hash(map[string]string{"2.sql": "b", "1.sql": "a", "x.go": "x"}) != same {
		t.Error("order or other files change the hash")
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	parent := t.TempDir()
	make := func(name string, age time.Duration) base {
		t.Helper()
		b := base(filepath.Join(parent, prefix()+name))
		if err := os.Mkdir(string(b), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.users(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(b.users(), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	mine, old, used, young := make("mine", 10*idle), make("old", 2*idle), make("used", 2*idle), make("young", idle/2)
	holdUsers(t, used)
	if err := mine.sweep(now); err != nil {
		t.Fatal(err)
	}
	for b, want := range map[base]bool{mine: true, old: false, used: true, young: true} {
		if _, err := os.Stat(string(b)); (err == nil) != want {
			t.Errorf("%s there: %v, want %t", b, err, want)
		}
	}
}
