package private

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// socketPort names the socket file; nothing listens on such a port.
const socketPort = 5432

// maxSocketPath is how long the path of a socket may be, in bytes: macOS has 104
// with the closing zero, Linux 108.
const maxSocketPath = 103

// socketDir returns a folder only the server user can enter, short enough for a
// socket: run in the server's folder, else one in the system's temporary folder.
// An error means that sockets can't be used here.
func (f folder) socketDir() (string, error) {
	sum := sha256.Sum256([]byte(f.home))
	short := "rappel-" + hex.EncodeToString(sum[:6])
	var errs []error
	for _, dir := range []string{filepath.Join(f.home, "run"), filepath.Join(os.TempDir(), short), filepath.Join("/tmp", short)} {
		err := f.trySocket(dir)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

func (f folder) trySocket(dir string) error {
	if len(filepath.Join(dir, ".s.PGSQL.5432.lock")) > maxSocketPath {
		return fmt.Errorf("%s is too long for a socket", dir)
	}
	if wall, err := f.user.barrier(dir); err != nil || wall != "" {
		return fmt.Errorf("%s is out of reach (%s): %w", dir, wall, err)
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := f.user.own(dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the socket's folder: %w", err)
	}
	// In a temporary folder somebody else may have been there first.
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the socket's folder: %w", err)
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || st.Uid != f.user.uid {
		return fmt.Errorf("%s is not a folder of user %s alone", dir, f.user.name)
	}
	probe := filepath.Join(dir, "probe")
	if err := os.Remove(probe); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("try a socket: %w", err)
	}
	l, err := net.Listen("unix", probe)
	if err != nil {
		return fmt.Errorf("try a socket: %w", err)
	}
	return l.Close() // removes the probe
}
