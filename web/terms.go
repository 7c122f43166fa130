package web

import (
	"net/http"
	"strings"

	"rappel/calendars/billing"
	"rappel/notify"
	"rappel/web/accounts"
)

// OwnPages are addresses of the operator's own pages, which stand in for ours; "" = ours.
type OwnPages struct {
	Terms   string // read before signing up
	Privacy string // what happens to data
}

// EventDays is how long an appointment is kept after its end: long enough to answer why
// somebody got no text, no longer.
const EventDays = 90

func (s *Server) termsRoutes() []route {
	return []route{
		{"GET /terms", anybody, s.termsPage},
		{"GET /privacy", anybody, s.privacyPage},
	}
}

// termSections are the paragraphs of the terms in their order, privacySections those about
// data. Each has words terms.<section>.title and terms.<section>.text.
var (
	termSections    = []string{"who", "what", "duties", "data", "kept", "others", "prices", "credits", "end", "running", "liability", "law"}
	privacySections = []string{"data", "kept", "others"}
)

// term is one paragraph with its heading.
type term struct{ ID, Title, Text string }

type termsData struct {
	Kind    string // terms, privacy
	Version string
	Terms   []term
	Own     string // in the terms: where the operator says what happens to data, "" = here
}

// termsPage is what whoever signs up agrees to.
func (s *Server) termsPage(w http.ResponseWriter, r *request) error {
	return s.legal(w, r, s.Own.Terms, termsData{Kind: "terms", Own: s.Own.Privacy}, termSections)
}

// privacyPage is the part of the terms about data.
func (s *Server) privacyPage(w http.ResponseWriter, r *request) error {
	return s.legal(w, r, s.Own.Privacy, termsData{Kind: "privacy"}, privacySections)
}

// legal leads to the operator's own page, or shows ours.
func (s *Server) legal(w http.ResponseWriter, r *request, own string, d termsData, sections []string) error {
	if own != "" {
		http.Redirect(w, r.Request, own, http.StatusSeeOther)
		return nil
	}
	seller, err := billing.SellerOf(r.Context(), s.DB)
	if err != nil {
		return err
	}
	keep := notify.DefaultRetention
	d.Version = accounts.Terms
	for _, section := range sections {
		title, text := "terms."+section+".title", "terms."+section+".text"
		switch {
		case section == "who" && seller.Name == "":
			text = "terms.who.unnamed"
		case section == "law" && seller.Town == "":
			text = "terms.law.unnamed"
		case d.Own != "" && section == "data":
			text = "terms.data.own"
		case d.Own != "" && (section == "kept" || section == "others"):
			continue
		}
		d.Terms = append(d.Terms, term{section, r.say(title), r.say(text, "Seller", sellerLine(seller), "Town", seller.Town, "Version", d.Version,
			"MessageDays", keep.Messages, "ReplyDays", keep.Replies, "EventDays", EventDays, "Shortest", notify.ShortestRetention, "Longest", notify.LongestRetention,
			"DueDays", seller.DueDays, "GraceDays", seller.GraceDays)})
	}
	return r.page(w, "terms.html", "", d)
}

// sellerLine is who offers the service, on one line.
func sellerLine(s billing.Seller) string {
	var parts []string
	for _, part := range []string{s.Name, s.Street + " " + s.HouseNo, s.Zip + " " + s.Town, s.UID, s.Email} {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
