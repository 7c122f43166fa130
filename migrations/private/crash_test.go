package private

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func ping(dsn string) error { return execute(dsn, `SELECT 1`) }

func execute(dsn, q string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	_, err = db.Exec(q)
	return errors.Join(err, db.Close())
}

// kill ends a process by force and waits until it is no server any more.
func kill(t *testing.T, pid int, data string) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for serves(pid, data) {
		time.Sleep(time.Millisecond) // for another process; nothing is timed by it
	}
}

func TestServer_killed(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := startSafe(t, dir)
	query(t, s.DSN("postgres"), `CREATE TABLE kept AS SELECT 'here' AS word`)
	if err := s.Err(); err != nil {
		t.Fatalf("Err of a running server = %v", err)
	}
	if err := syscall.Kill(s.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); !errors.Is(err, ErrDied) {
		t.Errorf("Err = %v, want ErrDied", err)
	}
	stop(t, s) // gives the folder back
	s = startSafe(t, dir)
	if got := query(t, s.DSN("postgres"), `SELECT word FROM kept`); got != "here" {
		t.Errorf("word %q", got)
	}
}

// The program is killed: its server is found and ended, or has ended by itself.
func TestProgram_killed(t *testing.T) {
	t.Parallel()
	dir := place(t)
	for i := range 3 {
		cmd, r := child(t, dir)
		query(t, r.DSN, fmt.Sprintf(`CREATE TABLE kept%d AS SELECT 'here' AS word`, i))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, and says so
		s := startSafe(t, dir)
		if s.Pid() == r.Pid {
			t.Error("the server is the old one")
		}
		if got := query(t, s.DSN("postgres"), fmt.Sprintf(`SELECT word FROM kept%d`, i)); got != "here" {
			t.Errorf("word %q", got)
		}
		stop(t, s)
	}
}

// Program and server are killed at once, in the middle of a statement whose process
// therefore outlives both.
func TestProgramAndServer_killed(t *testing.T) {
	t.Parallel()
	dir := place(t)
	cmd, r := child(t, dir)
	query(t, r.DSN, `CREATE TABLE kept AS SELECT 'here' AS word`)
	busy, err := sql.Open("postgres", r.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() }) // its server is dead
	over := make(chan struct{})
	go func() {
		defer close(over)
		// Ends with the connection.
		_, _ = busy.Exec(`SELECT count(*) FROM generate_series(1, 1000000000) i WHERE md5(CAST(i AS text)) = 'x'`)
	}()
	for query(t, r.DSN, `SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%md5%' AND state = 'active' AND pid <> pg_backend_pid()`) == "0" {
		time.Sleep(time.Millisecond) // for another process; nothing is timed by it
	}
	data := filepath.Join(dir, "data")
	// Stopped first, so that it can't take its server down in order.
	if err := errors.Join(syscall.Kill(r.Pid, syscall.SIGSTOP), cmd.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, and says so
	kill(t, r.Pid, data)
	s := startSafe(t, dir)
	if got := query(t, s.DSN("postgres"), `SELECT word FROM kept`); got != "here" {
		t.Errorf("word %q", got)
	}
	<-over
}

// A server nobody told of its program's death, as everywhere but on Linux.
func TestStart_endsAnOrphan(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := startSafe(t, dir)
	query(t, s.DSN("postgres"), `CREATE TABLE kept AS SELECT 'here' AS word`)
	stop(t, s)
	log, _, err := s.folder.openLog()
	if err != nil {
		t.Fatal(err)
	}
	orphan := s.folder.command(s.cmd.Path, syscall.SIGINT, log, s.cmd.Args[1:]...)
	ended := make(chan error, 1)
	if err := runPinned(orphan, func(err error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = orphan.Process.Kill() // gone already, if all is well
		_ = log.Close()           // only the server wrote to it
	})
	for ping(s.DSN("postgres")) != nil {
		time.Sleep(time.Millisecond) // for another process; nothing is timed by it
	}
	s = startSafe(t, dir)
	if err := <-ended; err != nil {
		t.Errorf("the orphan did not end in order: %v", err)
	}
	if got := query(t, s.DSN("postgres"), `SELECT word FROM kept`); got != "here" {
		t.Errorf("word %q", got)
	}
}

// The number in a stale pid file belongs to somebody else by now: to us.
func TestStart_stalePidFile(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := startSafe(t, dir)
	stop(t, s)
	for _, text := range []string{fmt.Sprintf("%d\n%s\n1\n5432\n", os.Getpid(), filepath.Join(dir, "data")), "999999999\n", "nonsense", ""} {
		if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		own(t, dir)
		s := startSafe(t, dir)
		if got := query(t, s.DSN("postgres"), `SELECT 'well'`); got != "well" {
			t.Error("no server")
		}
		stop(t, s)
	}
}

// A client that won't let go must not hold up the end.
func TestStop_inAHurry(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s := startSafe(t, dir)
	query(t, s.DSN("postgres"), `CREATE TABLE kept AS SELECT 'here' AS word`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	s = startSafe(t, dir)
	if got := query(t, s.DSN("postgres"), `SELECT word FROM kept`); got != "here" {
		t.Errorf("word %q", got)
	}
}

func FuzzParsePid(f *testing.F) {
	f.Add("123\n/data\n")
	f.Add("-5")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if parsePid(text) < 0 {
			t.Fatal("a negative number would signal a whole group")
		}
	})
}
