package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

// memberRoutes are who works at a clinic, and as what.
//
// Ids for browser tests: #invite-email, #invite-name, #invite-role, #invite-language,
// #invite; form[data-user] with role and .role-save, .user-remove; form[data-invitation].
func (s *Server) memberRoutes() []route {
	return []route{
		{"GET /users", owners, s.memberList},
		{"POST /users/invite", owners, s.memberInvite},
		{"POST /users/{id}/role", owners, s.memberRole},
		{"POST /users/{id}/remove", owners, s.memberRemove},
		{"POST /invitations/{id}/resend", owners, s.invitationResend},
		{"POST /invitations/{id}/revoke", owners, s.invitationRevoke},
	}
}

type membersPage struct {
	Users       []accounts.User
	Invitations []accounts.Invitation
	Roles       []string
	New         accounts.NewInvitation
	Errors      map[string]string
}

func (s *Server) memberList(w http.ResponseWriter, r *request) error {
	return s.members(w, r, http.StatusOK, accounts.NewInvitation{Role: accounts.Staff, Language: r.Account.Language}, nil)
}

func (s *Server) members(w http.ResponseWriter, r *request, status int, n accounts.NewInvitation, words map[string]string) error {
	p := membersPage{Roles: accounts.Roles, New: n, Errors: words}
	if p.Errors == nil {
		p.Errors = map[string]string{}
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		p.Users, p.Invitations, err = accounts.MembersTx(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	return s.render(w, r, status, "users.html", "users", p)
}

func (s *Server) memberInvite(w http.ResponseWriter, r *request) error {
	n := accounts.NewInvitation{AccountID: r.Account.ID, Email: r.PostFormValue("email"), Name: r.PostFormValue("name"), Role: r.PostFormValue("role"), By: r.User, Language: r.PostFormValue("language")}
	if s.words.byLang[n.Language] == nil {
		n.Language = r.Account.Language
	}
	err := s.Accounts.Invite(r.Context(), n, r.client())
	var bad *accounts.FieldError
	var many *accounts.TooManyAttempts
	switch {
	case errors.As(err, &bad):
		return s.members(w, r, http.StatusUnprocessableEntity, n, r.accountErrors(err))
	case errors.As(err, &many):
		return s.members(w, r, http.StatusTooManyRequests, n, map[string]string{"email": r.tooMany(many)})
	case err != nil:
		return err
	}
	return r.see(w, "/users", "users.invited", "Email", n.Email)
}

// lastOwner answers that somebody must stay owner, as words atop the list.
func (r *request) lastOwner(w http.ResponseWriter, err error) error {
	if !errors.Is(err, accounts.ErrLastOwner) {
		return err
	}
	r.flash("bad", "users.last_owner")
	http.Redirect(w, r.Request, "/users", http.StatusSeeOther)
	return nil
}

func (s *Server) memberRole(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Accounts.SetRole(r.Context(), r.Account.ID, id, r.PostFormValue("role"))
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return errNoPage // no such role is offered
	}
	if err != nil {
		return r.lastOwner(w, err)
	}
	return r.see(w, "/users", "users.role_saved")
}

func (s *Server) memberRemove(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.Accounts.Remove(r.Context(), r.Account.ID, id); err != nil {
		return r.lastOwner(w, err)
	}
	return r.see(w, "/users", "users.removed")
}

func (s *Server) invitationResend(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Accounts.Resend(r.Context(), r.Account.ID, id, r.client())
	var many *accounts.TooManyAttempts
	if errors.As(err, &many) {
		r.flash("warn", "login.too_many", "Time", many.RetryAt.In(r.Loc).Format("15:04"))
		return r.see(w, "/users", "")
	}
	if err != nil {
		return err
	}
	return r.see(w, "/users", "users.resent")
}

func (s *Server) invitationRevoke(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.Accounts.Revoke(r.Context(), r.Account.ID, id); err != nil {
		return err
	}
	return r.see(w, "/users", "users.revoked")
}
