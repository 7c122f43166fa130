package private

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// hold takes the lock of the folder for as long as the file stays open, in the end
// until this process is gone, whichever way it goes. The server doesn't inherit it.
func (f folder) hold() (*os.File, error) {
	file, err := os.OpenFile(f.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		who := "another process"
		if text, e := os.ReadFile(f.lock()); e == nil && len(text) > 0 {
			who = "process " + strings.TrimSpace(string(text))
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: lock %s: %w", ErrFolder, f.lock(), err)
		} else {
			err = fmt.Errorf("%w: %s is held by %s; stop that one first, or choose another folder", ErrInUse, f.home, who)
		}
		return nil, errors.Join(err, file.Close())
	}
	write := func() error {
		if err := file.Truncate(0); err != nil {
			return err
		}
		_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return err
	}
	if err := errors.Join(write(), f.user.own(f.lock())); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: write %s: %w", ErrFolder, f.lock(), err), letGo(file))
	}
	return file, nil
}

// letGo gives the lock back. Closing alone would leave it to a child process that is
// just being started, until that one closes its copy of the file.
func letGo(file *os.File) error {
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}
