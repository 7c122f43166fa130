package private

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/lib/pq"
)

// childVariable makes this test binary a program that runs a server on that folder
// until it is killed.
const childVariable = "RAPPEL_PRIVATE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		s, err := Start(context.Background(), Options{Dir: dir})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		if err := json.NewEncoder(os.Stdout).Encode(report{s.DSN("postgres"), s.Pid()}); err != nil {
			os.Exit(1)
		}
		<-s.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type report struct {
	DSN string
	Pid int
}

// child runs a program with a server on dir and waits until it reports.
func child(t *testing.T, dir string) (*exec.Cmd, report) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // usually the test has done so
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var r report
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	return cmd, r
}

// place returns a folder for a server that the server user can reach: the testing
// package makes its folders for ourselves alone, and the server may be another.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "pg")
}

// start runs a quick server that is stopped with the test.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Unsafe = true
	return startAsIs(t, o)
}

// startSafe runs a server that keeps what it was given through a crash.
func startSafe(t *testing.T, dir string) *Server {
	t.Helper()
	return startAsIs(t, Options{Dir: dir})
}

func startAsIs(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// query runs a statement and returns its single value.
func query(t *testing.T, dsn, q string) string {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	var s sql.NullString
	err = db.QueryRow(q).Scan(&s)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return s.String
}

// fingerprint hashes names, modes, times and contents of all below dir.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var quiet = slog.New(slog.DiscardHandler)
