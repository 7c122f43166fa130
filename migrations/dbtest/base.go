package dbtest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"rappel/migrations"
)

// base is the folder the test processes meet in:
//
//	users    locked shared by every test process, exclusively by the keeper when it ends
//	start    locked by the one process that starts a keeper
//	dsn      how to connect; there while the server answers
//	server/  see package private
type base string

func (b base) users() string  { return filepath.Join(string(b), "users") }
func (b base) starts() string { return filepath.Join(string(b), "start") }
func (b base) dsn() string    { return filepath.Join(string(b), "dsn") }
func (b base) server() string { return filepath.Join(string(b), "server") }
func (b base) log() string    { return filepath.Join(string(b), "keeper.log") }

// openBase makes the folder of this user and these migrations.
func openBase() (base, error) {
	hash, err := schemaHash(migrations.Files())
	if err != nil {
		return "", err
	}
	b := base(filepath.Join(os.TempDir(), prefix()+hash))
	// Others may pass through (as root the server is somebody else), not look.
	if err := os.Mkdir(string(b), 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the shared folder: %w", err)
	}
	info, err := os.Lstat(string(b))
	if err != nil {
		return "", fmt.Errorf("look at the shared folder: %w", err)
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s isn't a folder of ours; remove it", b)
	}
	return b, nil
}

func prefix() string { return "rappel-dbtest-" + strconv.Itoa(os.Geteuid()) + "-" }

// schemaHash names a set of migration files by names and contents.
func schemaHash(fsys fs.FS) (string, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return "", fmt.Errorf("list migrations: %w", err)
	}
	h := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return "", fmt.Errorf("read migrations: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// lock opens path and locks it; how is syscall.LOCK_SH or LOCK_EX, with LOCK_NB
// to not wait. It is held until the file is closed or the process ends.
func lock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
	}
}

// unlock gives a lock back. Closing alone would leave it to a child process that is
// just being started, until that one closes its copy of the file.
func unlock(file *os.File) error {
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}

// idle is after how long the folder of another schema is taken for abandoned.
const idle = 24 * time.Hour

// sweep removes folders of schemas nobody has tested for long, so that a hundred
// edits of a migration don't leave a hundred servers' data behind.
func (b base) sweep(now time.Time) error {
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(string(b)), prefix()+"*"))
	if err != nil {
		return fmt.Errorf("list old folders: %w", err)
	}
	var errs []error
	for _, dir := range dirs {
		old := base(dir)
		info, err := os.Stat(old.users())
		if old == b || err != nil || now.Sub(info.ModTime()) < idle {
			continue
		}
		file, err := lock(old.users(), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // somebody uses it after all
		}
		errs = append(errs, os.RemoveAll(dir), unlock(file))
	}
	return errors.Join(errs...)
}
