package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

// consentRoutes let support in. The clinic says for how long, and can end it at any time;
// what support does there is written down, request by request.
//
// Ids for browser tests: #hours, #grant, #revoke; on /admin/support #q, form[data-ask]
// with reason, form[data-enter]; #leave in the banner.
func (s *Server) consentRoutes() []route {
	return []route{
		{"GET /settings/support", owners, s.consentPage},
		{"POST /settings/support", owners, s.consentGrant},
		{"POST /settings/support/revoke", owners, s.consentRevoke},
		{"GET /admin/support", roleSupport, s.supportPage},
		{"POST /admin/support/{id}/ask", roleSupport, s.supportAsk},
		{"POST /admin/support/{id}/enter", roleSupport, s.supportEnter},
		{"POST /admin/support/leave", roleSupport, s.supportLeave},
	}
}

// consentHours are the terms offered.
var consentHours = []int{1, 4, 24, 72}

type consentData struct {
	Open  *accounts.Consent
	Asked []accounts.SupportRequest
	Hours []int
}

func (s *Server) consentPage(w http.ResponseWriter, r *request) error {
	d := consentData{Hours: consentHours}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		d.Open, d.Asked, err = accounts.SupportTx(ctx, tx, r.Account.ID, s.Now())
		return err
	}); err != nil {
		return err
	}
	return r.page(w, "consent.html", "settings", d)
}

func (s *Server) consentGrant(w http.ResponseWriter, r *request) error {
	hours, err := strconv.Atoi(r.PostFormValue("hours"))
	if err != nil {
		return errNoPage // no such term is offered
	}
	err = r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return accounts.GrantTx(ctx, tx, r.User, r.Account.ID, s.Now(), time.Duration(hours)*time.Hour)
	})
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return r.see(w, "/settings/support", "consent.granted")
}

func (s *Server) consentRevoke(w http.ResponseWriter, r *request) error {
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return accounts.RevokeTx(ctx, tx, r.Account.ID, s.Now())
	}); err != nil {
		return err
	}
	return r.see(w, "/settings/support", "consent.revoked")
}

type supportData struct {
	Search  string
	Clinics []accounts.Clinic
	Wrong   int64 // account whose form lacks a reason
}

func (s *Server) supportPage(w http.ResponseWriter, r *request) error {
	return s.supportList(w, r, http.StatusOK, 0)
}

func (s *Server) supportList(w http.ResponseWriter, r *request, status int, wrong int64) error {
	d := supportData{Search: strings.TrimSpace(r.FormValue("q")), Wrong: wrong}
	var err error
	if d.Clinics, err = s.Accounts.Clinics(r.Context(), d.Search); err != nil {
		return err
	}
	return s.render(w, r, status, "admin_support.html", "admin-support", d)
}

func (s *Server) supportAsk(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Accounts.Ask(r.Context(), r.User, id, strings.Join(strings.Fields(r.PostFormValue("reason")), " "))
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return s.supportList(w, r, http.StatusUnprocessableEntity, id)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/admin/support", "support.asked")
}

func (s *Server) supportEnter(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	_, err = s.Accounts.Enter(r.Context(), r.User, id, "support.entered", "")
	if errors.Is(err, accounts.ErrNoConsent) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	if err := s.move(r.Context(), id); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) supportLeave(w http.ResponseWriter, r *request) error {
	if err := s.move(r.Context(), 0); err != nil {
		return err
	}
	return r.see(w, "/admin/support", "support.left")
}
