package web

import (
	"net"
	"net/http"
	"regexp"
	"strings"

	"rappel/web/mail"
)

// devMailRoutes show what was mailed, on this machine alone: the pages are there only
// where mails are kept, which is in `rappel dev`.
//
// Ids for browser tests: a[data-mail]; on a mail a#link.
func (s *Server) devMailRoutes() []route {
	return []route{
		{"GET /dev/mail", anybody, s.devMails},
		{"GET /dev/mail/{id}", anybody, s.devMail},
	}
}

// mailsHere refuses whoever reaches this machine by another name, such as a tunnel's:
// mails hold links that log in.
func (s *Server) mailsHere(r *request) error {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if s.Mails == nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errNoPage
	}
	return nil
}

func (s *Server) devMails(w http.ResponseWriter, r *request) error {
	if err := s.mailsHere(r); err != nil {
		return err
	}
	all, err := s.Mails.Latest(r.Context(), 100)
	if err != nil {
		return err
	}
	stranger(w, r)
	return r.page(w, "dev_mails.html", "", all)
}

var firstLink = regexp.MustCompile(`https?://\S+`)

type devMailData struct {
	mail.Kept
	Link string // the first in the text, "" = none
}

func (s *Server) devMail(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.mailsHere(r); err != nil {
		return err
	}
	m, err := s.Mails.Get(r.Context(), id)
	if err != nil {
		return err
	}
	stranger(w, r)
	return r.page(w, "dev_mail.html", "", devMailData{m, firstLink.FindString(m.Mail.Text)})
}
