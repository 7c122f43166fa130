package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// command prepares one of PostgreSQL's programs: as the server user, in a folder
// that user can enter, in a process group of its own, and without the PG…
// variables that are meant for somebody else's server.
func (f folder) command(program string, sig syscall.Signal, out *os.File, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = f.home
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "PG") })
	cmd.Env = append(cmd.Env, "LC_MESSAGES=C", "HOME="+f.home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: f.user.credential()}
	dieWithUs(cmd.SysProcAttr, sig)
	return cmd
}

// runPinned starts cmd and calls done with how it ended. The thread that started it
// is kept for as long as it lives: the kernel takes the end of that thread for the
// death of the parent.
func runPinned(cmd *exec.Cmd, done func(error)) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done(cmd.Wait())
		}
	}()
	return <-started
}

// initialise makes the data folder. A crash on the way leaves only the draft.
func (f folder) initialise(ctx context.Context, b binaries, unsafe bool) error {
	if err := os.RemoveAll(f.draft()); err != nil {
		return fmt.Errorf("%w: remove half an initdb: %w", ErrFolder, err)
	}
	// Upper and lower case of letters beyond ASCII need a real character type; the
	// name of one that sorts by code point differs between systems.
	var errs []error
	for _, locale := range []string{"C.UTF-8", "en_US.UTF-8", "C"} {
		args := []string{"-D", f.draft(), "-U", superuser, "-E", "UTF8", "--locale=" + locale, "--pwfile=" + f.password(),
			"--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"}
		if unsafe {
			args = append(args, "--no-sync")
		}
		err := f.runInitdb(ctx, b, args)
		if err == nil {
			if err := os.Remove(f.data()); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%w: %w", ErrFolder, err)
			}
			if err := os.Rename(f.draft(), f.data()); err != nil {
				return fmt.Errorf("%w: %w", ErrFolder, err)
			}
			return nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		if err := os.RemoveAll(f.draft()); err != nil {
			return fmt.Errorf("%w: remove half an initdb: %w", ErrFolder, err)
		}
	}
	// The first says what is wrong; the others are the same with another locale.
	return fmt.Errorf("%w: initdb: %w", ErrStart, errs[0])
}

func (f folder) runInitdb(ctx context.Context, b binaries, args []string) error {
	log, from, err := f.openLog()
	if err != nil {
		return err
	}
	cmd := f.command(b.dir+"/initdb", syscall.SIGKILL, log, args...)
	ended := make(chan error, 1)
	if err := runPinned(cmd, func(err error) { ended <- err }); err != nil {
		return errors.Join(fmt.Errorf("run initdb: %w", err), log.Close())
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		// A kill that comes too late finds nobody, which is as good.
		_ = cmd.Process.Kill()
		<-ended
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("%w; %s", err, f.tail(from))
	}
	return errors.Join(err, log.Close())
}
