package web

import (
	"errors"
	"net/http"

	"rappel/web/accounts"
)

// signupRoutes are the ways in for those who have no log-in yet, or can't use it. The
// links in mails only ask: programs open them before people do.
//
// Ids for browser tests: on /register first_name, last_name, organisation, business,
// phone, email, password, terms, #signup; #password, #confirm behind the mail's link; #email, #send
// on /forgot; #password, #save behind its link; #name, #password, #accept behind an
// invitation's.
func (s *Server) signupRoutes() []route {
	return []route{
		{"GET /register", anybody, s.registerPage},
		{"POST /register", anybody, s.register},
		{"GET /confirm/{token}", anybody, s.confirmPage},
		{"POST /confirm/{token}", anybody, s.confirm},
		{"GET /forgot", anybody, s.forgotPage},
		{"POST /forgot", anybody, s.forgot},
		{"GET /reset/{token}", anybody, s.resetPage},
		{"POST /reset/{token}", anybody, s.reset},
		{"GET /invite/{token}", anybody, s.invitePage},
		{"POST /invite/{token}", anybody, s.inviteAccept},
		{"GET /email/{token}", anybody, s.emailPage},
		{"POST /email/{token}", anybody, s.emailConfirm},
	}
}

// accountErrors words mistakes in a form of this package by field.
func (r *request) accountErrors(err error) map[string]string {
	var bad *accounts.Invalid
	var one *accounts.FieldError
	words := map[string]string{}
	switch {
	case errors.As(err, &bad):
		for _, f := range bad.Fields {
			words[f.Field] = r.say("account.wrong." + f.Field + "." + f.Code)
		}
	case errors.As(err, &one):
		words[one.Field] = r.say("account.wrong." + one.Field + "." + one.Code)
	}
	return words
}

// oneTime keeps a page whose address is a secret out of caches, logs and others' hands.
func oneTime(w http.ResponseWriter) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
}

type registerForm struct {
	accounts.SignUp
	Organisations []string
	Errors        map[string]string
	Trouble       string
}

func (s *Server) registerForm(w http.ResponseWriter, r *request, status int, f registerForm) error {
	f.Organisations = accounts.Organisations
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	return s.render(w, r, status, "register.html", "", f)
}

func (s *Server) registerPage(w http.ResponseWriter, r *request) error {
	if r.role != 0 {
		http.Redirect(w, r.Request, r.landing(), http.StatusSeeOther)
		return nil
	}
	return s.registerForm(w, r, http.StatusOK, registerForm{})
}

func (s *Server) register(w http.ResponseWriter, r *request) error {
	f := registerForm{SignUp: accounts.SignUp{FirstName: r.PostFormValue("first_name"), LastName: r.PostFormValue("last_name"),
		Organisation: r.PostFormValue("organisation"), Business: r.PostFormValue("business"), Phone: r.PostFormValue("phone"),
		Email: r.PostFormValue("email"), Password: r.PostFormValue("password"), Language: r.Lang, Terms: r.PostFormValue("terms") != ""}}
	err := s.Accounts.SignUp(r.Context(), f.SignUp, r.client())
	f.Password = "" // never sent back
	var many *accounts.TooManyAttempts
	var bad *accounts.Invalid
	switch {
	case errors.As(err, &bad):
		f.Errors = r.accountErrors(err)
		return s.registerForm(w, r, http.StatusUnprocessableEntity, f)
	case errors.As(err, &many):
		f.Trouble = r.tooMany(many)
		return s.registerForm(w, r, http.StatusTooManyRequests, f)
	case err != nil:
		return err
	}
	return r.page(w, "sent.html", "", sentData{Kind: "confirm", Email: f.Email})
}

// sentData is the page that says: look into your post box.
type sentData struct{ Kind, Email string }

// linkProblem is the page behind a link that leads nowhere any more.
func linkProblem(err error) error {
	if errors.Is(err, accounts.ErrLink) {
		return &problem{http.StatusNotFound, "link", err}
	}
	return err
}

func (s *Server) confirmPage(w http.ResponseWriter, r *request) error {
	oneTime(w)
	p, err := s.Accounts.FindSignUp(r.Context(), r.PathValue("token"))
	if err != nil {
		return linkProblem(err)
	}
	return r.page(w, "confirm.html", "", confirmData{p, map[string]string{}})
}

type confirmData struct {
	accounts.PendingSignUp
	Errors map[string]string
}

func (s *Server) confirm(w http.ResponseWriter, r *request) error {
	oneTime(w)
	token := r.PathValue("token")
	u, err := s.Accounts.Confirm(r.Context(), token, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "password"); words != nil {
		p, err := s.Accounts.FindSignUp(r.Context(), token)
		if err != nil {
			return linkProblem(err)
		}
		return s.render(w, r, status, "confirm.html", "", confirmData{p, words})
	}
	if err != nil {
		return linkProblem(err)
	}
	r.Lang = s.words.language(r.Request, u.Language)
	r.flash("good", "confirm.welcome")
	return s.enter(w, r, u, "link", "/")
}

type forgotData struct{ Email, Trouble string }

func (s *Server) forgotPage(w http.ResponseWriter, r *request) error {
	return r.page(w, "forgot.html", "", forgotData{})
}

func (s *Server) forgot(w http.ResponseWriter, r *request) error {
	email := r.PostFormValue("email")
	err := s.Accounts.Forgot(r.Context(), email, r.Lang, r.client())
	var many *accounts.TooManyAttempts
	if errors.As(err, &many) {
		return s.render(w, r, http.StatusTooManyRequests, "forgot.html", "", forgotData{email, r.tooMany(many)})
	}
	if err != nil {
		return err
	}
	return r.page(w, "sent.html", "", sentData{Kind: "reset", Email: email})
}

type resetData struct {
	Least  int
	Errors map[string]string
}

func (s *Server) resetPage(w http.ResponseWriter, r *request) error {
	oneTime(w)
	if err := s.Accounts.CanReset(r.Context(), r.PathValue("token")); err != nil {
		return linkProblem(err)
	}
	return r.page(w, "reset.html", "", resetData{accounts.MinPassword, map[string]string{}})
}

func (s *Server) reset(w http.ResponseWriter, r *request) error {
	oneTime(w)
	err := s.Accounts.Reset(r.Context(), r.PathValue("token"), r.PostFormValue("password"))
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return s.render(w, r, http.StatusUnprocessableEntity, "reset.html", "", resetData{accounts.MinPassword, r.accountErrors(err)})
	}
	if err != nil {
		return linkProblem(err)
	}
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	s.forget(r)
	return r.see(w, "/login", "reset.done")
}

type inviteForm struct {
	accounts.Invitation
	Name   string
	Least  int
	Errors map[string]string
}

func (s *Server) invitePage(w http.ResponseWriter, r *request) error {
	oneTime(w)
	i, err := s.Accounts.FindInvitation(r.Context(), r.PathValue("token"))
	if err != nil {
		return linkProblem(err)
	}
	return r.page(w, "invite.html", "", inviteForm{i, i.Name, accounts.MinPassword, map[string]string{}})
}

func (s *Server) inviteAccept(w http.ResponseWriter, r *request) error {
	oneTime(w)
	token, name := r.PathValue("token"), r.PostFormValue("name")
	u, err := s.Accounts.Accept(r.Context(), token, name, r.PostFormValue("password"), r.Lang)
	var bad *accounts.FieldError
	taken := errors.Is(err, accounts.ErrEmailTaken)
	if taken || errors.As(err, &bad) {
		i, e := s.Accounts.FindInvitation(r.Context(), token)
		if e != nil {
			return linkProblem(e)
		}
		words := r.accountErrors(err)
		if taken {
			words["name"] = r.say("account.wrong.email.taken")
		}
		return s.render(w, r, http.StatusUnprocessableEntity, "invite.html", "", inviteForm{i, name, accounts.MinPassword, words})
	}
	if err != nil {
		return linkProblem(err)
	}
	return s.enter(w, r, u, "link", "/")
}

func (s *Server) emailPage(w http.ResponseWriter, r *request) error {
	oneTime(w)
	email, err := s.Accounts.FindEmail(r.Context(), r.PathValue("token"))
	if err != nil {
		return linkProblem(err)
	}
	return r.page(w, "email.html", "", email)
}

func (s *Server) emailConfirm(w http.ResponseWriter, r *request) error {
	oneTime(w)
	if err := s.Accounts.ConfirmEmail(r.Context(), r.PathValue("token")); err != nil {
		return linkProblem(err)
	}
	to := "/login"
	if r.role != 0 {
		to = "/profile"
	}
	return r.see(w, to, "profile.email.changed")
}
