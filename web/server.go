package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
	"rappel/web/mail"
)

// Config is what a Server needs. Fields without a remark must be set.
type Config struct {
	DB       *sqlx.DB // pool of the web role: row-level security applies
	Operator *sqlx.DB // pool of the operator role, for the pages below /admin
	Sessions scs.Store
	Accounts *accounts.Store
	Now      func() time.Time
	Log      *slog.Logger
	BaseURL  string                          // public URL without trailing slash
	Secure   bool                            // cookies only over HTTPS; false on loopback
	Ready    func(ctx context.Context) error // nil = always ready
	Metrics  http.Handler                    // nil = no /metrics
	Mails    *mail.Box                       // shown at /dev/mail; nil: there is no such page
	Dev      *DevLinks                       // rappel dev: what to show beside the product; nil otherwise
	Own      OwnPages
	Rooms
}

// DevLinks leads from the pages of `rappel dev` to its stand-ins.
type DevLinks struct {
	Calendars string // page where appointments are added, moved and cancelled
	Phone     string // page of the sandbox phone; "" = there is none
	Email     string // log-in offered on the log-in page
	Password  string

	Operators []string // further log-ins with the same password
}

// Server answers every HTTP request of the product.
type Server struct {
	Config
	*looks
	sessions *scs.SessionManager
	entrance map[string]access // by path, see roles.go
	handler  http.Handler
}

// New builds a Server; it fails when a page or a word file is broken.
func New(c Config) (*Server, error) {
	s := &Server{Config: c}
	var err error
	if s.looks, err = loadLooks(); err != nil {
		return nil, err
	}
	s.sessions = scs.New()
	s.sessions.Store = c.Sessions
	s.sessions.HashTokenInStore = true // who reads the table can't log in with what it holds
	s.sessions.Lifetime = accounts.SessionLife
	s.sessions.IdleTimeout = accounts.SessionIdle
	s.sessions.Cookie.Name = "rappel_session"
	s.sessions.Cookie.HttpOnly = true
	s.sessions.Cookie.SameSite = http.SameSiteLaxMode
	s.sessions.Cookie.Secure = c.Secure
	s.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		s.Log.ErrorContext(r.Context(), "session store failed", slog.Any("err", err))
		http.Error(w, "503 Service Unavailable", http.StatusServiceUnavailable)
	}
	s.entrance = s.entrances()
	s.handler = s.mux()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
