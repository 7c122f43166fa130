package private

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attempts is how often a start is tried that fails for a reason that passes: a
// port taken meanwhile, shared memory not yet given back.
const attempts = 5

// Start runs a server on the folder o.Dir and returns when it answers. An empty
// folder gets a new cluster; whatever a crash left behind is put right, see doc.go.
// ctx bounds the start alone, not the life of the server.
//
// The server lives as long as the program: on Linux it ends with it even on a kill
// -9, elsewhere the next Start ends it. As root, the files belong to the
// unprivileged user the server runs as, and a folder that user can't reach becomes a
// symbolic link to one it can ([Server.Dir]).
//
// Errors: [ErrInUse], [ErrVersion], [ErrNoPostgres], [ErrFolder], [ErrStart].
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := openFolder(o.Dir, cmp.Or(o.elsewhere, elsewhere))
	if err != nil {
		return nil, err
	}
	// Looked at before the lock is even written: data of another version must stay
	// exactly as they are.
	if major, err := f.major(); err != nil {
		return nil, err
	} else if major != 0 {
		if _, err := o.choose(ctx, major); err != nil {
			return nil, fmt.Errorf("%s: %w", f.data(), err)
		}
	}
	lock, err := f.hold()
	if err != nil {
		return nil, err
	}
	s, err := o.start(ctx, f)
	if err != nil {
		return nil, errors.Join(err, letGo(lock))
	}
	s.lock = lock
	return s, nil
}

// start does the work of [Start] under the folder's lock.
func (o Options) start(ctx context.Context, f folder) (*Server, error) {
	major, err := f.major()
	if err != nil {
		return nil, err
	}
	b, err := o.choose(ctx, major)
	if err != nil {
		return nil, err
	}
	password, err := f.secret(major == 0)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		o.Log.InfoContext(ctx, "making a new PostgreSQL data folder", slog.Int("major", b.major))
		if err := f.initialise(ctx, b, o.Unsafe); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		if err := f.clearAway(ctx, o.Log); err != nil {
			return nil, err
		}
		s, err := o.launch(ctx, f, b, password)
		if err == nil {
			o.Log.InfoContext(ctx, "PostgreSQL runs", slog.Int("pid", s.Pid()), slog.Int("major", b.major), slog.Bool("socket", s.socket != ""))
			return s, nil
		}
		if try == attempts || !passing(err) || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}

// passing tells failures worth another try. The words are the server's own, in the
// English of LC_MESSAGES=C; there is no code to go by before it answers.
func passing(err error) bool {
	if !errors.Is(err, ErrStart) {
		return false
	}
	for _, words := range []string{"pre-existing shared memory block", "already exists", "Address already in use", "could not bind"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// launch starts the process and waits until it answers.
func (o Options) launch(ctx context.Context, f folder, b binaries, password string) (*Server, error) {
	s := &Server{folder: f, log: o.Log, password: password, done: make(chan struct{})}
	settings := o.settings()
	var why error
	if !o.TCP {
		s.socket, why = f.socketDir()
	}
	if s.socket != "" {
		s.port = socketPort
		settings["listen_addresses"] = ""
		settings["unix_socket_directories"] = s.socket
		settings["unix_socket_permissions"] = "0700"
	} else {
		if why != nil {
			o.Log.WarnContext(ctx, "no Unix socket possible, using a loopback port", slog.Any("error", why))
		}
		port, err := freePort()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStart, err)
		}
		s.port = port
		settings["listen_addresses"] = "127.0.0.1"
		settings["unix_socket_directories"] = ""
	}
	settings["port"] = strconv.Itoa(s.port)
	args := []string{"-D", f.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	out, from, err := f.openLog()
	if err != nil {
		return nil, err
	}
	s.out, s.logFrom = out, from
	// SIGINT is the fast shutdown: should we die, it still ends in order.
	s.cmd = f.command(b.dir+"/postgres", syscall.SIGINT, out, args...)
	err = runPinned(s.cmd, func(err error) {
		s.exit = err
		close(s.done)
		if err := s.Err(); err != nil && s.hasAnswered() {
			o.Log.Error("PostgreSQL ended unexpectedly", slog.Any("error", err))
		}
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrStart, err), out.Close())
	}
	if err := s.ready(ctx); err != nil {
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		// It may have ended by itself, and then there is nobody to signal.
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.done
		return nil, errors.Join(err, out.Close())
	}
	s.mu.Lock()
	s.up = true
	s.mu.Unlock()
	return s, nil
}

func (s *Server) hasAnswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

// settings are those of every server, the callers' last.
func (o Options) settings() map[string]string {
	m := map[string]string{
		"max_connections":         strconv.Itoa(cmp.Or(o.MaxConnections, 100)),
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"lc_messages":             "C",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_min_messages":        "log", // the server's own doings, not the errors of statements: see doc.go
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
	}
	if o.Unsafe {
		m["fsync"], m["synchronous_commit"], m["full_page_writes"] = "off", "off", "off"
	}
	maps.Copy(m, o.Settings)
	return m
}

// ready waits until the server answers; after a crash it first replays its log.
func (s *Server) ready(ctx context.Context) (err error) {
	db, err := sql.Open("postgres", s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStart, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var last error
	for {
		if last = db.PingContext(ctx); last == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%w: it ended with %v; %s", ErrStart, s.exit, s.folder.tail(s.logFrom))
		case <-ctx.Done():
			return fmt.Errorf("%w in time: %w, last answer: %v; %s", ErrStart, ctx.Err(), last, s.folder.tail(s.logFrom))
		case <-time.After(lookAgain):
		}
	}
}
