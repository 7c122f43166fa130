package private

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a process gets to follow each request to end.
const (
	fastPatience      = 15 * time.Second // a shutdown checkpoint
	immediatePatience = 5 * time.Second
	lookAgain         = 20 * time.Millisecond
)

// clearAway ends what a former life of the program left running on the data and
// removes a pid file that stands for nothing. The caller holds the folder's lock,
// so no live program of ours is meant.
func (f folder) clearAway(ctx context.Context, log *slog.Logger) error {
	pidFile := filepath.Join(f.data(), "postmaster.pid")
	pid, err := readPid(pidFile)
	if err != nil {
		return err
	}
	if pid != 0 && serves(pid, f.data()) {
		log.InfoContext(ctx, "ending a PostgreSQL left over from before", slog.Int("pid", pid))
		if err := end(ctx, pid, f.data()); err != nil {
			return err
		}
	}
	// Backends outlive a killed postmaster until they notice, which during a long
	// statement is at its end; until then they hold the shared memory.
	for _, pid := range leftovers(f.data()) {
		log.InfoContext(ctx, "ending a PostgreSQL backend left over from before", slog.Int("pid", pid))
		if err := end(ctx, pid, f.data()); err != nil {
			return err
		}
	}
	// The server removes its file when it ends in order. One that is still here
	// names a dead process, or by now a stranger or a zombie, on which the server
	// would refuse to start.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: remove a stale pid file: %w", ErrFolder, err)
	}
	return nil
}

// readPid reads the process number on the first line of a postmaster.pid; 0 means
// there is no file or no number in it.
func readPid(path string) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return parsePid(string(text)), nil
}

func parsePid(text string) int {
	first, _, _ := strings.Cut(text, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// end stops a process of the data folder: fast, then immediate, then by force.
func end(ctx context.Context, pid int, data string) error {
	steps := []struct {
		signal   syscall.Signal
		patience time.Duration
	}{
		{syscall.SIGINT, fastPatience},
		{syscall.SIGQUIT, immediatePatience},
		{syscall.SIGKILL, immediatePatience},
	}
	for _, step := range steps {
		if !serves(pid, data) {
			return nil
		}
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("%w: end process %d, a PostgreSQL left over from before: %w", ErrInUse, pid, err)
		}
		deadline := time.Now().Add(step.patience)
		for time.Now().Before(deadline) {
			if !serves(pid, data) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for process %d to end: %w", pid, ctx.Err())
			case <-time.After(lookAgain):
			}
		}
	}
	return fmt.Errorf("%w: process %d, a PostgreSQL left over from before, does not end", ErrInUse, pid)
}
