package private

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/lib/pq"
)

// superuser is the login of the private server. It owns all that Rappel makes.
const superuser = "rappel"

// Options says where and how to run. Dir is required, the rest has defaults.
type Options struct {
	Dir string       // the folder of the server and of nothing else; made if absent
	Log *slog.Logger // nil: silent
	// Unsafe trades the data for speed: a crash of the machine may leave rubbish.
	// For tests.
	Unsafe         bool
	MaxConnections int               // 0: 100
	Settings       map[string]string // further settings of the server, such as "work_mem": "64MB"
	TCP            bool              // listen on 127.0.0.1 even where sockets work
	Bin            string            // folder with postgres and initdb; "": found
	Cache          string            // where fetched binaries are kept; "": the user's cache folder, as root /var/cache/rappel

	elsewhere  string   // for tests, instead of /var/lib/rappel
	places     []string // for tests, instead of the usual places
	repository string   // for tests, instead of Maven Central
}

// A Server is a running PostgreSQL of our own. Its methods are safe for concurrent
// use.
type Server struct {
	folder   folder
	log      *slog.Logger
	lock     *os.File
	out      *os.File
	cmd      *exec.Cmd
	socket   string // folder of the socket; "": TCP
	port     int
	password string
	logFrom  int64

	done chan struct{} // closed when the process has ended
	exit error         // how; valid once done is closed

	mu      sync.Mutex
	up      bool // it has answered, so its end is news
	stopped bool // Stop was called
}

// DSN is the connection string, a postgres:// URL, of a database on the server.
func (s *Server) DSN(dbname string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + dbname}
	q := url.Values{"sslmode": {"disable"}}
	if s.socket != "" {
		q.Set("host", s.socket)
		q.Set("port", strconv.Itoa(s.port))
	} else {
		u.User = url.UserPassword(superuser, s.password)
		u.Host = "127.0.0.1:" + strconv.Itoa(s.port)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Pid is the number of the server's process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Dir is the folder the server really lives in; see [Start].
func (s *Server) Dir() string { return s.folder.home }

// Done is closed when the server has ended, asked or not.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is nil while the server runs and after [Server.Stop], else [ErrDied] with the end
// of its log.
func (s *Server) Err() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	return fmt.Errorf("%w (%v); %s", ErrDied, s.exit, s.folder.tail(s.logFrom))
}

// CreateDatabase makes the database unless it is there.
func (s *Server) CreateDatabase(ctx context.Context, name string) (err error) {
	db, err := sql.Open("postgres", s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name))
	var pe *pq.Error
	if errors.As(err, &pe) && (pe.Code == "42P04" || pe.Code == "23505") {
		return nil // there already, or just being made by another process
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Stop ends the server in order: it disconnects the clients and writes everything
// out. When ctx ends first it stops at once, leaving the repair to the next start;
// nothing committed is lost either way. It returns when the process is gone.
// Stopping again, or a server that died, is no error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	s.mu.Unlock()
	if !first {
		<-s.done
		return nil
	}
	// Signalling a process that just ended fails, and done tells us about it.
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-s.done:
	case <-ctx.Done():
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.done // PostgreSQL itself kills what does not end within five seconds
	}
	return s.release()
}

// release gives the folder free for the next program.
func (s *Server) release() error {
	var err error
	if s.socket != "" && !strings.HasPrefix(s.socket, s.folder.home) {
		// Left by a kill: only an empty folder goes, the rest is for the next start.
		if e := os.Remove(s.socket); e != nil && !errors.Is(e, os.ErrNotExist) && !errors.Is(e, syscall.ENOTEMPTY) {
			err = e
		}
	}
	if err := errors.Join(err, s.out.Close(), letGo(s.lock)); err != nil {
		return fmt.Errorf("release the data folder: %w", err)
	}
	return nil
}
