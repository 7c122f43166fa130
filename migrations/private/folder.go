package private

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// elsewhere is where root's servers live when their folder is out of reach.
const elsewhere = "/var/lib/rappel"

// folder is the place of one server; see doc.go.
type folder struct {
	home string // absolute, symbolic links resolved
	user account
}

func (f folder) data() string     { return filepath.Join(f.home, "data") }
func (f folder) draft() string    { return filepath.Join(f.home, "data.new") }
func (f folder) lock() string     { return filepath.Join(f.home, "lock") }
func (f folder) log() string      { return filepath.Join(f.home, "postgres.log") }
func (f folder) password() string { return filepath.Join(f.home, "password") }

// openFolder makes sure dir exists, belongs to the server user and can be reached
// by it. What is there already keeps its content.
func openFolder(dir, elsewhere string) (folder, error) {
	if dir == "" {
		return folder{}, fmt.Errorf("%w: no folder given", ErrFolder)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	u, err := serverUser(dir)
	if err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	mode := fs.FileMode(0o700)
	if u.other {
		mode = 0o755 // the server user has to pass
	}
	if err := os.MkdirAll(filepath.Dir(dir), mode); err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	home, err := reachable(dir, elsewhere, u)
	if err != nil {
		return folder{}, err
	}
	info, err := os.Stat(home)
	if err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	f := folder{home: home, user: u}
	st := info.Sys().(*syscall.Stat_t)
	switch {
	case st.Uid == u.uid:
	case st.Uid == 0 && u.other:
		// Ours to give, unless something else lives there.
		if err := f.holdsOnlyOurs(); err != nil {
			return folder{}, err
		}
		if err := u.own(home); err != nil {
			return folder{}, fmt.Errorf("%w: %w", ErrFolder, err)
		}
	default:
		return folder{}, fmt.Errorf("%w: %s belongs to user %s, the server would run as %s", ErrFolder, home, userName(st.Uid), u.name)
	}
	return f, nil
}

// reachable makes dir, or, if the server user can't get there, a folder in
// elsewhere to which dir becomes a symbolic link.
func reachable(dir, elsewhere string, u account) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	home, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	wall, err := u.barrier(home)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if wall == "" {
		return home, nil
	}
	sum := sha256.Sum256([]byte(dir))
	other := filepath.Join(elsewhere, hex.EncodeToString(sum[:6]))
	unreachable := fmt.Errorf("%w: user %s, whom the server runs as, may not enter %s on the way to %s; choose a folder outside, such as %s",
		ErrFolder, u.name, wall, dir, other)
	if b, err := u.barrier(other); err != nil || b != "" {
		return "", unreachable
	}
	if err := os.MkdirAll(other, 0o755); err != nil {
		return "", errors.Join(unreachable, err)
	}
	if err := os.Chmod(other, 0o700); err != nil {
		return "", errors.Join(unreachable, err)
	}
	// Remove takes an empty folder only, so nobody's data can go.
	if err := os.Remove(dir); err != nil {
		return "", unreachable
	}
	if err := os.Symlink(other, dir); err != nil {
		return "", errors.Join(unreachable, err)
	}
	return other, nil
}

// holdsOnlyOurs refuses a folder with files that aren't of this package: changing
// its owner would take it away from whoever uses it.
func (f folder) holdsOnlyOurs() error {
	entries, err := os.ReadDir(f.home)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "data", "data.new", "lock", "password", "postgres.log", "postgres.log.1", "run":
		default:
			return fmt.Errorf("%w: %s holds %s, which is not the server's; give the server a folder of its own", ErrFolder, f.home, e.Name())
		}
	}
	return nil
}

// major reads which version wrote the data; 0 means there are none yet.
func (f folder) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(f.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(f.data())
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
			return 0, nil
		case err != nil:
			return 0, fmt.Errorf("%w: %w", ErrFolder, err)
		}
		return 0, fmt.Errorf("%w: %s is neither empty nor a PostgreSQL data folder", ErrFolder, f.data())
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%w: %s has no readable PG_VERSION", ErrFolder, f.data())
	}
	return major, nil
}

// secret returns the server's password, making one for a folder without data.
func (f folder) secret(fresh bool) (string, error) {
	if !fresh {
		text, err := os.ReadFile(f.password())
		if err != nil {
			return "", fmt.Errorf("%w: read the server's password: %w", ErrFolder, err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	word := rand.Text()
	if err := os.Remove(f.password()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := os.WriteFile(f.password(), []byte(word+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("%w: keep the server's password: %w", ErrFolder, err)
	}
	return word, f.user.own(f.password())
}
