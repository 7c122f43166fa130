package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
)

// What a handler may return beside failures of the rooms.
var (
	errNoPage = errors.New("web: no such page")
	errLogIn  = errors.New("web: log in first")
	// errElsewhere sends somebody who may not see the first page to theirs.
	errElsewhere = errors.New("web: begins on another page")
)

// problem is an error already worded for a page of its own.
type problem struct {
	status int
	key    string // words "problem.<key>" and "problem.<key>.do"
	err    error
}

func (p *problem) Error() string {
	if p.err != nil {
		return "web: " + p.key + ": " + p.err.Error()
	}
	return "web: " + p.key
}

func (p *problem) Unwrap() error { return p.err }

// fail turns an error into a status and words. This is the only place that does.
func (s *Server) fail(w http.ResponseWriter, r *request, err error) {
	ctx := r.Context()
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errLogIn):
		if r.fragment() {
			plain(w, http.StatusUnauthorized, "401 Unauthorized")
			return
		}
		to := "/login"
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			to += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r.Request, to, http.StatusSeeOther)
		return
	case errors.Is(err, errElsewhere):
		http.Redirect(w, r.Request, r.landing(), http.StatusSeeOther)
		return
	case errors.Is(err, errNoPage), isMissing(err):
		p = &problem{http.StatusNotFound, "not_found", err}
	case errors.As(err, &tooLarge):
		p = &problem{http.StatusRequestEntityTooLarge, "too_large", err}
	case errors.As(err, &p):
	case ctx.Err() != nil:
		return // the browser has left; nobody reads an answer
	default:
		s.Log.ErrorContext(ctx, "page failed", slog.String("route", r.Pattern), slog.Int64("account_id", r.Account.ID), slog.Any("err", err))
		p = &problem{http.StatusInternalServerError, "internal", err}
	}
	if r.fragment() {
		plain(w, p.status, http.StatusText(p.status))
		return
	}
	if e := s.render(w, r, p.status, "problem.html", "", p.key); e != nil {
		s.Log.ErrorContext(ctx, "problem page failed", slog.Any("err", e))
		plain(w, p.status, http.StatusText(p.status))
	}
}

// randomText is 32 random bytes in URL-safe base64.
func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}
