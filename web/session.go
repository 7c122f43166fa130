package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

func (s *Server) sessionRoutes() []route {
	return []route{
		{"GET /login", anybody, s.loginPage},
		{"POST /login", anybody, s.login},
		{"POST /logout", anybody, s.logout},
		{"POST /language", anybody, s.setLanguage},
	}
}

type loginData struct{ Email, Next, Trouble string }

func (s *Server) loginPage(w http.ResponseWriter, r *request) error {
	next := local(r.FormValue("next"))
	if r.User.ID != 0 {
		http.Redirect(w, r.Request, next, http.StatusSeeOther)
		return nil
	}
	return r.page(w, "login.html", "", loginData{Next: next})
}

func (s *Server) login(w http.ResponseWriter, r *request) error {
	email, next := r.PostFormValue("email"), local(r.PostFormValue("next"))
	u, err := s.Accounts.Login(r.Context(), email, r.PostFormValue("password"), r.client())
	var many *accounts.TooManyAttempts
	switch {
	case errors.Is(err, accounts.ErrBadLogin):
		return s.render(w, r, http.StatusUnprocessableEntity, "login.html", "", loginData{email, next, r.say("login.wrong")})
	case errors.As(err, &many):
		return s.render(w, r, http.StatusTooManyRequests, "login.html", "", loginData{email, next, r.say("login.too_many", "Time", many.RetryAt.Local().Format("15:04"))})
	case err != nil:
		return err
	}
	// A new token at log-in: a session planted before it is worth nothing after it.
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	s.sessions.Put(r.Context(), "account", u.AccountID)
	s.sessions.Put(r.Context(), "user", u.ID)
	http.Redirect(w, r.Request, next, http.StatusSeeOther)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/login", http.StatusSeeOther)
	return nil
}

// setLanguage remembers the language: with the user if one is logged in, else in a
// cookie.
func (s *Server) setLanguage(w http.ResponseWriter, r *request) error {
	lang := r.PostFormValue("language")
	if s.words.byLang[lang] == nil {
		return errNoPage
	}
	if r.User.ID != 0 {
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			return accounts.SetLanguageTx(ctx, tx, r.Account.ID, r.User.ID, lang)
		}); err != nil {
			return err
		}
	}
	http.SetCookie(w, &http.Cookie{Name: "rappel_language", Value: lang, Path: "/", MaxAge: 365 * 24 * 3600,
		SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: s.Secure})
	http.Redirect(w, r.Request, local(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}
