package web

import (
	"errors"
	"net/http"
	"strings"

	"rappel/web/accounts"
)

// profileRoutes are what people decide for themselves.
//
// Ids for browser tests: #name, #save-name; #email, #email-password, #save-email;
// #old, #password, #save-password; a#security.
func (s *Server) profileRoutes() []route {
	return []route{
		{"GET /profile", everybody, s.profilePage},
		{"POST /profile", members, s.profileSave},
		{"POST /profile/email", members, s.profileEmail},
		{"POST /profile/password", everybody | roleBare, s.profilePassword},
	}
}

type profileForm struct {
	Name, Email string
	Least       int
	Errors      map[string]string // by the input's id
}

func (s *Server) profileForm(w http.ResponseWriter, r *request, status int, f profileForm) error {
	f.Least = accounts.MinPassword
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	return s.render(w, r, status, "profile.html", "profile", f)
}

func (s *Server) profilePage(w http.ResponseWriter, r *request) error {
	return s.profileForm(w, r, http.StatusOK, profileForm{Name: r.User.Name})
}

func (s *Server) profileSave(w http.ResponseWriter, r *request) error {
	name := strings.Join(strings.Fields(r.PostFormValue("name")), " ")
	err := s.Accounts.SetName(r.Context(), r.User, name)
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return s.profileForm(w, r, http.StatusUnprocessableEntity, profileForm{Name: name, Errors: r.accountErrors(err)})
	}
	if err != nil {
		return err
	}
	return r.see(w, "/profile", "profile.saved")
}

func (s *Server) profileEmail(w http.ResponseWriter, r *request) error {
	f := profileForm{Name: r.User.Name, Email: r.PostFormValue("email")}
	err := s.Accounts.ChangeEmail(r.Context(), r.User, f.Email, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "email-password"); words != nil {
		f.Errors = words
		return s.profileForm(w, r, status, f)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/profile", "profile.email.sent", "Email", f.Email)
}

func (s *Server) profilePassword(w http.ResponseWriter, r *request) error {
	err := s.Accounts.ChangePassword(r.Context(), r.User, r.session, r.PostFormValue("old"), r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "old"); words != nil {
		return s.profileForm(w, r, status, profileForm{Name: r.User.Name, Errors: words})
	}
	if err != nil {
		return err
	}
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	return r.see(w, "/profile", "profile.password.changed")
}

// passwordTrouble words what keeps somebody from a change that asks for the password; nil
// if it is none of that.
func (r *request) passwordTrouble(err error, field string) (words map[string]string, status int) {
	var many *accounts.TooManyAttempts
	var bad *accounts.FieldError
	switch {
	case errors.Is(err, accounts.ErrBadLogin):
		return map[string]string{field: r.say("profile.password.wrong")}, http.StatusUnprocessableEntity
	case errors.As(err, &many):
		return map[string]string{field: r.tooMany(many)}, http.StatusTooManyRequests
	case errors.As(err, &bad):
		return r.accountErrors(err), http.StatusUnprocessableEntity
	}
	return nil, 0
}
