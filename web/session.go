package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"rappel/migrations"
	"rappel/web/accounts"

	"github.com/jmoiron/sqlx"
)

// sessionRoutes lead in and out.
//
// Ids for browser tests: #email, #password, #login, #passkey-login, #register, #forgot on
// the log-in page; #code, #check after it.
func (s *Server) sessionRoutes() []route {
	return []route{
		{"GET /login", anybody, s.loginPage},
		{"POST /login", anybody, s.login},
		{"GET /login/code", anybody, s.codePage},
		{"POST /login/code", anybody, s.codeCheck},
		{"POST /login/passkey/begin", anybody, s.passkeyLoginBegin},
		{"POST /login/passkey", anybody, s.passkeyLogin},
		{"POST /logout", anybody, s.logout},
		{"POST /language", anybody, s.setLanguage},
	}
}

type loginData struct{ Email, Next, Trouble string }

func (s *Server) loginPage(w http.ResponseWriter, r *request) error {
	next := local(r.FormValue("next"))
	if r.role != 0 {
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
		return s.render(w, r, http.StatusTooManyRequests, "login.html", "", loginData{email, next, r.tooMany(many)})
	case err != nil:
		return err
	}
	if u.HasTOTP {
		if err := s.sessions.RenewToken(r.Context()); err != nil {
			return err
		}
		s.forget(r)
		s.sessions.SetDeadline(r.Context(), time.Now().Add(halfFor).UTC())
		s.sessions.Put(r.Context(), "half_account", u.AccountID)
		s.sessions.Put(r.Context(), "half_email", u.Email)
		s.sessions.Put(r.Context(), "half_mark", u.PasswordMark())
		s.sessions.Put(r.Context(), "half_at", s.Now().Unix())
		s.sessions.Put(r.Context(), "half_next", next)
		http.Redirect(w, r.Request, "/login/code", http.StatusSeeOther)
		return nil
	}
	return s.enter(w, r, u, "password", next)
}

// tooMany words when one may try again, by the reader's clock.
func (r *request) tooMany(many *accounts.TooManyAttempts) string {
	return r.say("login.too_many", "Time", many.RetryAt.In(r.Loc).Format("15:04"))
}

// halfFor is how long a right password waits for the second factor, and how long a browser's
// session lasts that is nobody's yet.
const halfFor = 10 * time.Minute

// brief lets the session end soon while nobody is logged in with it; whoever logs in gets a
// new token and the whole time. The end is reckoned by the system's clock, as the sessions'
// library and the browser do with every other.
func (r *request) brief() {
	if r.User.ID == 0 {
		r.s.sessions.SetDeadline(r.Context(), time.Now().Add(halfFor).UTC())
	}
}

// half is who has shown the password and not yet the second factor. With another password
// since then it is nobody.
func (s *Server) half(r *request) (u accounts.User, next string, err error) {
	ctx := r.Context()
	email, at := s.sessions.GetString(ctx, "half_email"), time.Unix(s.sessions.GetInt64(ctx, "half_at"), 0)
	if email == "" || s.Now().Sub(at) > halfFor {
		return u, "", errLogIn
	}
	if u, err = s.Accounts.ByEmail(ctx, email); errors.Is(err, accounts.ErrNotFound) || err == nil && (!u.HasTOTP || !bytes.Equal(u.PasswordMark(), s.sessions.GetBytes(ctx, "half_mark"))) {
		return u, "", errLogIn
	}
	return u, s.sessions.GetString(ctx, "half_next"), err
}

func (s *Server) codePage(w http.ResponseWriter, r *request) error {
	if _, _, err := s.half(r); err != nil {
		return err
	}
	return r.page(w, "code.html", "", "")
}

func (s *Server) codeCheck(w http.ResponseWriter, r *request) error {
	u, next, err := s.half(r)
	if err != nil {
		return err
	}
	method, err := s.Accounts.CheckSecond(r.Context(), u, r.PostFormValue("code"))
	var many *accounts.TooManyAttempts
	switch {
	case errors.Is(err, accounts.ErrBadCode):
		return s.render(w, r, http.StatusUnprocessableEntity, "code.html", "", r.say("code.wrong"))
	case errors.As(err, &many):
		return s.render(w, r, http.StatusTooManyRequests, "code.html", "", r.tooMany(many))
	case err != nil:
		return err
	}
	if method == "recovery" {
		r.flash("warn", "code.recovery_used", "Count", u.RecoveryLeft-1)
	}
	return s.enter(w, r, u, method, next)
}

// forget drops what the browser's session said about who it is.
func (s *Server) forget(r *request) {
	for _, key := range []string{"account", "user", "sid", "within", "half_account", "half_email", "half_mark", "half_at", "half_next", "totp", "passkey", "binding"} {
		s.sessions.Remove(r.Context(), key)
	}
}

// enter logs u in and shows the next page.
func (s *Server) enter(w http.ResponseWriter, r *request, u accounts.User, method, next string) error {
	if err := s.admit(r, u, method); err != nil {
		return err
	}
	http.Redirect(w, r.Request, next, http.StatusSeeOther)
	return nil
}

// admit logs u in. The browser gets a new token: one planted before is worth nothing now.
func (s *Server) admit(r *request, u accounts.User, method string) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	if old := s.sessions.GetInt64(ctx, "sid"); old != 0 && r.User.ID != 0 {
		if err := s.Accounts.End(ctx, r.User, old); err != nil && !errors.Is(err, accounts.ErrNotFound) {
			return err
		}
	}
	s.forget(r)
	sid, err := s.Accounts.Begin(ctx, u, accounts.Session{Method: method, Agent: agentOf(r.UserAgent()), Place: placeOf(r.client())})
	if err != nil {
		return err
	}
	s.sessions.Put(ctx, "account", u.AccountID)
	s.sessions.Put(ctx, "user", u.ID)
	s.sessions.Put(ctx, "sid", sid)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *request) error {
	if sid := s.sessions.GetInt64(r.Context(), "sid"); sid != 0 && r.User.ID != 0 {
		if err := s.Accounts.End(r.Context(), r.User, sid); err != nil && !errors.Is(err, accounts.ErrNotFound) {
			return err
		}
	}
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
	var err error
	switch {
	case r.User.Operator():
		err = s.Accounts.SetOperatorLanguage(r.Context(), r.User, lang)
	case r.User.ID != 0:
		err = migrations.InAccount(r.Context(), s.DB, r.User.AccountID, func(tx *sqlx.Tx) error {
			return accounts.SetLanguageTx(r.Context(), tx, r.User.AccountID, r.User.ID, lang)
		})
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: "rappel_language", Value: lang, Path: "/", MaxAge: 365 * 24 * 3600,
		SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: s.Secure})
	http.Redirect(w, r.Request, local(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// identify reads who the browser's session belongs to. A session whose user is gone, or
// that was ended elsewhere, is ended, not an error.
func (r *request) identify() error {
	ctx, s := r.Context(), r.s
	who := accounts.Whose{Account: s.sessions.GetInt64(ctx, "account"), User: s.sessions.GetInt64(ctx, "user"), Session: s.sessions.GetInt64(ctx, "sid")}
	if who.User == 0 || who.Session == 0 {
		return nil
	}
	var err error
	if who.Account == 0 {
		r.User, err = s.Accounts.Operator(ctx, who)
	} else {
		err = migrations.InAccount(ctx, s.DB, who.Account, func(tx *sqlx.Tx) (err error) {
			r.Account, r.User, err = accounts.GetTx(ctx, tx, who, s.Now())
			return err
		})
	}
	if errors.Is(err, accounts.ErrNotFound) {
		r.Account, r.User = accounts.Account{}, accounts.User{}
		return s.sessions.Destroy(ctx)
	}
	if err != nil {
		return err
	}
	r.session, r.home = who.Session, r.Account
	kind := "user"
	if r.User.Operator() {
		kind, r.role = "operator", operatorRoles[r.User.Role]
		if !r.User.HasTOTP && s.Dev == nil {
			r.role = roleBare
		}
	} else {
		r.role = userRoles[r.User.Role]
	}
	if err := r.within(); err != nil {
		return err
	}
	r.Request = r.Request.WithContext(migrations.WithActor(r.Context(), migrations.Actor{Kind: kind, ID: r.User.ID, Name: r.User.Called(), Role: r.User.Role, At: s.Now()}))
	r.Lang = s.words.language(r.Request, r.User.Language)
	if r.Account.ID != 0 {
		r.Loc = r.Account.Location()
	}
	return nil
}

// what is asked for, as it may be written down: one-time tokens are left out.
func (r *request) what() string {
	if r.PathValue("token") != "" {
		return r.Pattern
	}
	return r.Method + " " + r.URL.Path
}

// within takes an owner to the sub-account they went into, and support to the clinic that
// let it in. Where that is no longer so, they are back where they came from.
func (r *request) within() error {
	ctx, s := r.Context(), r.s
	id := s.sessions.GetInt64(ctx, "within")
	if id == 0 {
		return nil
	}
	var a accounts.Account
	err := error(accounts.ErrNotFound)
	switch r.role {
	case roleOwner:
		a, err = s.Accounts.Below(ctx, r.User.AccountID, id)
	case roleSupport:
		if a, err = s.Accounts.Enter(ctx, r.User, id, "support.request", r.what()); err == nil {
			r.role |= roleActing
		}
	}
	if errors.Is(err, accounts.ErrNotFound) || errors.Is(err, accounts.ErrNoConsent) {
		s.sessions.Remove(ctx, "within")
		if r.role == roleSupport {
			r.flash("warn", "support.ended")
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.Account = a
	return nil
}

// move goes into an account, or with 0 back out. What one may do changes with it, so the
// browser gets a new token.
func (s *Server) move(ctx context.Context, to int64) error {
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Remove(ctx, "binding") // an OAuth dance begun elsewhere must not end here
	if to == 0 {
		s.sessions.Remove(ctx, "within")
	} else {
		s.sessions.Put(ctx, "within", to)
	}
	return nil
}
