package web

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// route is one row of the table everything is served from.
type route struct {
	pattern string // as net/http's mux takes it, method included
	access  access // the roles it is for
	handle  func(w http.ResponseWriter, r *request) error
}

// routes lists every page and action. Tests walk it.
func (s *Server) routes() []route {
	var all []route
	for _, part := range [][]route{
		s.sessionRoutes(), s.dashboardRoutes(), s.appointmentRoutes(), s.noticeRoutes(), s.templateRoutes(), s.messageRoutes(), s.settingsRoutes(), s.retentionRoutes(), s.sendingRoutes(), s.unsubscribeRoutes(), s.calendarRoutes(), s.billingRoutes(),
		s.signupRoutes(), s.termsRoutes(), s.profileRoutes(), s.securityRoutes(), s.memberRoutes(), s.subAccountRoutes(), s.tokenRoutes(), s.auditRoutes(), s.consentRoutes(),
		s.adminRoutes(), s.deskRoutes(), s.reviewRoutes(), s.devMailRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// mux builds the handler: operation and gateways first, which know no browser's session,
// then the pages inside sessions and cross-origin protection.
func (s *Server) mux() http.Handler {
	pages := http.NewServeMux()
	for _, rt := range s.routes() {
		pages.HandleFunc(rt.pattern, s.serve(rt))
	}
	pages.HandleFunc("/", s.serve(route{access: anybody, handle: func(http.ResponseWriter, *request) error { return errNoPage }}))

	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "403 Forbidden: this form was sent from another site", http.StatusForbidden)
	}))

	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { plain(w, http.StatusOK, "ok") })
	m.HandleFunc("GET /readyz", s.readyz)
	if s.Metrics != nil {
		m.Handle("GET /metrics", s.Metrics)
	}
	m.Handle("GET /static/", s.static)
	m.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.static.url("icon.svg"), http.StatusFound)
	})
	s.hookRoutes(m)
	m.Handle("/", guard.Handler(s.sessions.LoadAndSave(pages)))
	return s.secure(m)
}

// secure sets the headers every answer carries.
func (s *Server) secure(next http.Handler) http.Handler {
	forms := "'self'"
	if s.Cashier != nil {
		forms += " " + s.Cashier.Origin() // a form that orders ends on the page to pay on
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.TrimSpace(text) + "\n")) // a client that left needs no answer
}
