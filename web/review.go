package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// ReviewDesk decides about messages that are held until somebody has looked: an account's
// first marketing, and senders whose registration in a country is under way.
type ReviewDesk interface {
	// Waiting lists what is held, those that are soon of no use first.
	Waiting(ctx context.Context) ([]ReviewCase, error)
	// Settle releases an account's first marketing, or turns it down.
	Settle(ctx context.Context, account int64, release bool) error
	// Register writes down how far a sender's registration is. ErrReview for what can't be.
	Register(ctx context.Context, reg SenderRegistration) error
}

// ErrReview is a ReviewDesk's answer that there is nothing to decide.
var ErrReview = errors.New("web: nothing is held there")

// ReviewCase is what is held of one account for one reason.
type ReviewCase struct {
	AccountID int64
	Business  string
	Reason    string // review, registration
	Country   string // of the recipients
	Sender    string
	Count     int
	Since     time.Time
	Until     time.Time // the first is of no use after
	Texts     []ReviewText
}

// ReviewText is a text as it would leave. Recipient is not the whole number.
type ReviewText struct{ Recipient, Body string }

// SenderRegistration is how far the registration of a sender in a country is.
type SenderRegistration struct {
	AccountID       int64
	Country, Sender string
	State           string // pending, approved, rejected
	Note            string
}

// reviewRoutes are the compliance reviewer's.
//
// Ids for browser tests: [data-case], its .release, .reject; form[data-sender].
func (s *Server) reviewRoutes() []route {
	return []route{
		{"GET /admin/review", roleReviewer, s.reviewPage},
		{"POST /admin/review/{id}", roleReviewer, s.reviewSettle},
		{"POST /admin/review/{id}/sender", roleReviewer, s.reviewSender},
	}
}

func (s *Server) reviewPage(w http.ResponseWriter, r *request) error {
	if s.Review == nil {
		return errNoPage
	}
	cases, err := s.Review.Waiting(r.Context())
	if err != nil {
		return err
	}
	for i := range cases {
		for j := range cases[i].Texts {
			t := &cases[i].Texts[j]
			t.Recipient = maskedPhone(t.Recipient)
		}
	}
	return r.page(w, "review.html", "admin-review", cases)
}

func (s *Server) reviewSettle(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	decision := r.PostFormValue("decision")
	if s.Review == nil || decision != "release" && decision != "reject" {
		return errNoPage
	}
	err = s.Review.Settle(r.Context(), id, decision == "release")
	if errors.Is(err, ErrReview) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return r.see(w, "/admin/review", "review.done."+decision)
}

func (s *Server) reviewSender(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	reg := SenderRegistration{AccountID: id, Country: r.PostFormValue("country"), Sender: r.PostFormValue("sender"), State: r.PostFormValue("state"),
		Note: strings.Join(strings.Fields(r.PostFormValue("note")), " ")}
	if s.Review == nil || len([]rune(reg.Note)) > 500 {
		return errNoPage
	}
	err = s.Review.Register(r.Context(), reg)
	if errors.Is(err, ErrReview) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return r.see(w, "/admin/review", "review.done.sender")
}
