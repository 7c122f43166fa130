package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"rappel/calendars"
)

func (s *Server) connectionRelist(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.Connector.Relist(r.Context(), calendars.ConnectionRef{AccountID: r.Account.ID, ID: id}); err != nil {
		return s.connectFailed(w, r, err)
	}
	return r.see(w, "/calendars", "calendars.relisted")
}

func (s *Server) connectionDisconnect(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Connector.Disconnect(r.Context(), calendars.ConnectionRef{AccountID: r.Account.ID, ID: id})
	if errors.Is(err, calendars.ErrNotRevoked) {
		r.flash("warn", "calendars.disconnected_only_here")
		return r.see(w, "/calendars", "")
	}
	if err != nil {
		return err
	}
	return r.see(w, "/calendars", "calendars.disconnected")
}

// connect sends the browser to the provider's consent page.
func (s *Server) connect(w http.ResponseWriter, r *request) error {
	provider := r.PathValue("provider")
	if !slices.Contains(s.Providers, provider) {
		return errNoPage
	}
	reconnect, err := strconv.ParseInt(r.URL.Query().Get("reconnect"), 10, 64)
	if err != nil {
		reconnect = 0 // a new connection
	}
	to, err := s.Connector.Begin(r.Context(), r.Account.ID, r.binding(), provider, reconnect)
	if err != nil {
		return err
	}
	http.Redirect(w, r.Request, to, http.StatusSeeOther)
	return nil
}

// connected is where the provider sends the browser back to.
func (s *Server) connected(w http.ResponseWriter, r *request) error {
	provider := r.PathValue("provider")
	if !slices.Contains(s.Providers, provider) {
		return errNoPage
	}
	done, err := s.Connector.Finish(r.Context(), r.Account.ID, r.binding(), provider, r.URL.Query())
	if err != nil {
		return s.connectFailed(w, r, err)
	}
	switch done.Outcome {
	case calendars.Renewed:
		return r.see(w, "/calendars", "connect.renewed", "Label", done.Connection.Label)
	case calendars.OtherAccount:
		r.flash("warn", "connect.other_account", "Label", done.Connection.Label, "Other", done.OtherLabel)
		return r.see(w, "/calendars", "")
	}
	return r.see(w, "/calendars", "connect.connected", "Label", done.Connection.Label)
}

// connectFailed says in plain words why a sign-in or a reading of the list failed.
func (s *Server) connectFailed(w http.ResponseWriter, r *request, err error) error {
	for kind, key := range map[error]string{
		calendars.ErrConsentDenied: "connect.denied",
		calendars.ErrScopeMissing:  "connect.scope_missing",
		calendars.ErrAdminConsent:  "connect.admin_consent",
		calendars.ErrStateMismatch: "connect.state",
		calendars.ErrCodeUsed:      "connect.state",
		calendars.ErrClientConfig:  "connect.operator",
		calendars.ErrGrantRevoked:  "connect.revoked",
		calendars.ErrUnavailable:   "connect.unavailable",
		calendars.ErrThrottled:     "connect.unavailable",
	} {
		if errors.Is(err, kind) {
			r.flash("bad", key)
			return r.see(w, "/calendars", "")
		}
	}
	return err
}
