package web

import (
	"net/http"
	"strings"

	"rappel/web/accounts"
)

func (s *Server) unsubscribeRoutes() []route {
	return []route{
		{"GET /u/{token}", anybody, s.unsubscribePage},
		{"POST /u/{token}", anybody, s.unsubscribe},
	}
}

// unsubscribeData is the page behind the link in a marketing text.
type unsubscribeData struct {
	Business string
	Number   string // not the whole of it: links are passed on
	Stopped  bool
}

// unsubscribePage asks. It changes nothing, since programs open links in texts before
// people do.
func (s *Server) unsubscribePage(w http.ResponseWriter, r *request) error {
	if s.Unsubscriber == nil {
		return errNoPage
	}
	sub, err := s.Unsubscriber.Find(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	stranger(w, r)
	return r.page(w, "unsubscribe.html", "", unsubscribeData{Business: sub.Business, Number: maskedPhone(sub.Recipient), Stopped: sub.Stopped})
}

// unsubscribe opts out, once or again.
func (s *Server) unsubscribe(w http.ResponseWriter, r *request) error {
	if s.Unsubscriber == nil {
		return errNoPage
	}
	if err := s.Unsubscriber.Stop(r.Context(), r.PathValue("token")); err != nil {
		return err
	}
	stranger(w, r)
	http.Redirect(w, r.Request, r.URL.Path, http.StatusSeeOther)
	return nil
}

// stranger makes the page look the same whoever is logged in here, and keeps its address
// to itself: who knows it can opt somebody out.
func stranger(w http.ResponseWriter, r *request) {
	r.User, r.Account, r.role = accounts.User{}, accounts.Account{}, 0
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
}

// maskedPhone shows of a number its country and its end: enough for whose it is.
func maskedPhone(e164 string) string {
	shown := []rune(displayPhone(e164))
	country := strings.IndexByte(string(shown), ' ')
	for i := range shown {
		if i > country && i < len(shown)-2 && shown[i] >= '0' && shown[i] <= '9' {
			shown[i] = '•'
		}
	}
	return strings.ReplaceAll(string(shown), " ", "\u00a0") // on one line
}
