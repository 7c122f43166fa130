package private

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestStart_stopAndStartAgain(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := start(t, Options{Dir: dir})
	query(t, s.DSN("postgres"), `CREATE TABLE kept AS SELECT 'here' AS word`)
	for range 2 {
		if err := s.CreateDatabase(t.Context(), "rap-pel"); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, s.DSN("rap-pel"), `SELECT current_database()`); got != "rap-pel" {
		t.Errorf("database %q", got)
	}
	if got := query(t, s.DSN("postgres"), `SELECT lower('ÄÉ') || current_setting('server_encoding')`); got != "äéUTF8" {
		t.Errorf("letters beyond ASCII come out as %q", got)
	}
	stop(t, s)
	stop(t, s) // again is no error
	if err := s.Err(); err != nil {
		t.Errorf("Err after Stop = %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pid file after Stop: %v", err)
	}
	s = start(t, Options{Dir: dir})
	if got := query(t, s.DSN("postgres"), `SELECT word FROM kept`); got != "here" {
		t.Errorf("word %q", got)
	}
}

// Neither the process nor a file may be root's, whoever starts.
func TestStart_runsUnprivileged(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: place(t)})
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/"+strconv.Itoa(s.Pid()), &st); err == nil && st.Uid == 0 {
		t.Error("the server runs as root")
	}
	if s.folder.user.uid == 0 {
		t.Error("the server user is root")
	}
	err := filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of the server
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != s.folder.user.uid {
			t.Errorf("%s belongs to %d, the server is %d", path, owner, s.folder.user.uid)
		}
		if info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// For root a folder below one that only root may enter becomes a link to elsewhere; an
// ordinary user's server is that user and needs no such thing.
func TestStart_outOfReach(t *testing.T) {
	t.Parallel()
	parent := place(t)
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, elsewhere := filepath.Join(parent, "below", "pg"), place(t)
	for range 2 { // the second time by the link
		s := start(t, Options{Dir: dir, elsewhere: elsewhere})
		query(t, s.DSN("postgres"), `CREATE TABLE IF NOT EXISTS kept AS SELECT 1`)
		moved := strings.HasPrefix(s.Dir(), elsewhere)
		if moved != (os.Geteuid() == 0) {
			t.Errorf("as user %d the server lives in %s", os.Geteuid(), s.Dir())
		}
		stop(t, s)
	}
	info, err := os.Stat(parent)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the parent's mode was changed to %v, %v", info.Mode(), err)
	}
}

func TestStart_twoOnOneFolder(t *testing.T) {
	t.Parallel()
	dir := place(t)
	cmd, r := child(t, dir)
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d;", cmd.Process.Pid)) {
		t.Fatalf("second Start = %v, want ErrInUse naming process %d", err, cmd.Process.Pid)
	}
	if got := query(t, r.DSN, `SELECT 'well'`); got != "well" {
		t.Error("the first server suffered")
	}
}

func TestStart_otherVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"12", "99"} {
		dir := place(t)
		data := filepath.Join(dir, "data")
		if err := os.MkdirAll(filepath.Join(data, "base"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"PG_VERSION": version + "\n", "base/1": "precious", "postmaster.pid": "1\n"} {
			if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		own(t, dir)
		before := fingerprint(t, dir)
		_, err := Start(t.Context(), Options{Dir: dir})
		if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "postgresql-"+version) {
			t.Errorf("Start on version %s = %v, want ErrVersion with the remedy", version, err)
		}
		if fingerprint(t, dir) != before {
			t.Errorf("the folder of version %s was touched", version)
		}
	}
}

// own gives all below dir to whom the server would run as.
func own(t *testing.T, dir string) {
	t.Helper()
	u, err := serverUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error { return errors.Join(err, u.own(path)) }); err != nil {
		t.Fatal(err)
	}
}

func TestStart_somethingElseLivesThere(t *testing.T) {
	t.Parallel()
	dir := place(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "thesis.txt"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	own(t, dir)
	before := fingerprint(t, dir)
	if _, err := Start(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrFolder) {
		t.Errorf("Start = %v, want ErrFolder", err)
	}
	if fingerprint(t, dir) != before {
		t.Error("the folder was touched")
	}
}

func TestStart_halfAnInitdb(t *testing.T) {
	t.Parallel()
	dir := place(t)
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data.new", "PG_VERSION"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Dir: dir})
	if got := query(t, s.DSN("postgres"), `SELECT 'well'`); got != "well" {
		t.Error("no server")
	}
}

func TestStart_quotesTheLog(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: place(t), Unsafe: true, Settings: map[string]string{"shared_buffers": "much"}})
	if !errors.Is(err, ErrStart) || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("Start = %v, want ErrStart with what the server said", err)
	}
}

func TestStart_endsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := place(t)
	if _, err := Start(ctx, Options{Dir: dir, Unsafe: true}); err == nil {
		t.Fatal("started although the context was over")
	}
	s := start(t, Options{Dir: dir})
	if got := query(t, s.DSN("postgres"), `SELECT 'well'`); got != "well" {
		t.Error("no server afterwards")
	}
}

func TestStart_pathTooLongForASocket(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: filepath.Join(place(t), strings.Repeat("long", 30), "pg")})
	if s.socket == "" || strings.HasPrefix(s.socket, s.Dir()) {
		t.Errorf("socket in %q, want a short path", s.socket)
	}
	if got := query(t, s.DSN("postgres"), `SELECT 'well'`); got != "well" {
		t.Error("no server")
	}
	stop(t, s)
	if _, err := os.Stat(s.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", s.socket, err)
	}
}

func TestStart_overTCP(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := start(t, Options{Dir: dir, TCP: true})
	u, err := url.Parse(s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Hostname() != "127.0.0.1" {
		t.Errorf("listens on %s", u.Hostname())
	}
	if got := query(t, u.String(), `SELECT 'well'`); got != "well" {
		t.Error("no server")
	}
	u.User = url.UserPassword(superuser, "guess")
	if err := ping(u.String()); err == nil {
		t.Error("any password will do")
	}
	if info, err := os.Stat(filepath.Join(dir, "password")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file: %v, %v", info.Mode(), err)
	}
	stop(t, s)
	// The way to connect may change from one start to the next.
	s = start(t, Options{Dir: dir})
	if got := query(t, s.DSN("postgres"), `SELECT 'well'`); got != "well" {
		t.Error("no server over the socket")
	}
}

// The words of patients must not end up in the log.
func TestStart_logsNoStatements(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: place(t)})
	for _, q := range []string{`SELECT CAST('secret-word' AS int)`, `INSERT INTO nowhere VALUES ('secret-word')`} {
		if err := execute(s.DSN("postgres"), q); err == nil {
			t.Fatalf("%s worked", q)
		}
	}
	stop(t, s)
	text, err := os.ReadFile(filepath.Join(s.Dir(), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret-word") {
		t.Errorf("the log holds what was written:\n%s", text)
	}
}
