package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rappel/notify"
)

// retentionRoutes are how long a clinic keeps what was sent and received.
//
// Ids for browser tests: inputs messages and replies, #save; #preview; when something
// would be kept for less long, #confirm.
func (s *Server) retentionRoutes() []route {
	return []route{
		{"GET /settings/retention", managers, s.retentionPage},
		{"POST /settings/retention", managers, s.retentionSave},
	}
}

type retentionForm struct {
	Messages, Replies string // days, as typed; "" = the default
	Default           notify.Retention
	Shortest, Longest int
	Doomed            notify.Doomed
	Effective         notify.Retention // what the preview is about, without zeros
	Confirm           string           // what is to be confirmed; "" = nothing
	Errors            map[string]string
}

func (s *Server) retentionPage(w http.ResponseWriter, r *request) error {
	now, err := s.Messages.Retention(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	f := retentionForm{Messages: days(now.Messages), Replies: days(now.Replies)}
	return s.retentionRender(w, r, http.StatusOK, f, now)
}

// retentionRender shows the form with what r would delete.
func (s *Server) retentionRender(w http.ResponseWriter, r *request, status int, f retentionForm, about notify.Retention) (err error) {
	f.Default, f.Shortest, f.Longest, f.Effective = notify.DefaultRetention, notify.ShortestRetention, notify.LongestRetention, about.OrDefault()
	if f.Doomed, err = s.Messages.Doomed(r.Context(), r.Account.ID, about, s.Now()); err != nil {
		return err
	}
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	return s.render(w, r, status, "retention.html", "settings", f)
}

// retentionSave stores the terms. A shorter one deletes for good, so it is shown first
// what goes, and asked; the answer counts only for the terms it was asked about.
func (s *Server) retentionSave(w http.ResponseWriter, r *request) error {
	f := retentionForm{Messages: strings.TrimSpace(r.PostFormValue("messages")), Replies: strings.TrimSpace(r.PostFormValue("replies")), Errors: map[string]string{}}
	read := func(field, value string) int {
		if value == "" {
			return 0
		}
		n, err := strconv.Atoi(value)
		if err != nil || n == 0 || !notify.ValidRetention(n) {
			f.Errors[field] = r.say("retention.bounds", "Shortest", notify.ShortestRetention, "Longest", notify.LongestRetention)
		}
		return n
	}
	next := notify.Retention{Messages: read("messages", f.Messages), Replies: read("replies", f.Replies)}
	now, err := s.Messages.Retention(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	if len(f.Errors) > 0 {
		return s.retentionRender(w, r, http.StatusUnprocessableEntity, f, now)
	}
	sure := fmt.Sprintf("%d-%d", next.Messages, next.Replies)
	if next.Shorter(now) && r.PostFormValue("confirm") != sure {
		f.Confirm = sure
		return s.retentionRender(w, r, http.StatusOK, f, next)
	}
	if err := s.Messages.SetRetention(r.Context(), r.Account.ID, next); err != nil {
		return err
	}
	return r.see(w, "/settings/retention", "retention.saved")
}

// days writes a term into its field; the default is an empty one.
func days(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
