package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rappel/web/accounts"
)

// TestTerms: what whoever signs up agrees to is there in every language, with the seller
// as soon as there is one, and linked where it is asked about.
func TestTerms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.stranger()
	page := func(path, lang string) string {
		t.Helper()
		a := s.do(c, "GET", path, nil, map[string]string{"Accept-Language": lang})
		if a.status != http.StatusOK {
			t.Fatalf("%s in %s: %d", path, lang, a.status)
		}
		return strings.ReplaceAll(a.body, "&#39;", "'")
	}
	unworded := regexp.MustCompile(`(terms|register)\.[a-z]+|<no value>|\{\{|&lt;`)
	for _, tag := range accounts.Languages {
		lang := tag.String()
		for path, sections := range map[string]int{"/terms": len(termSections), "/privacy": len(privacySections)} {
			body := page(path, lang)
			if n := strings.Count(body, "<section"); n != sections {
				t.Errorf("%s in %s has %d sections, want %d", path, lang, n, sections)
			}
			text := regexp.MustCompile(`(?s)<main.*</main>`).FindString(body)
			if bad := unworded.FindString(regexp.MustCompile(`(?:href|src)="[^"]*"`).ReplaceAllString(text, "")); bad != "" {
				t.Errorf("%s in %s shows %q", path, lang, bad)
			}
			for _, want := range []string{accounts.Terms, "90", "180"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s in %s lacks %q", path, lang, want)
				}
			}
		}
		for _, link := range []string{`<a href="/terms" target="_blank" rel="noopener">`, `<a href="/privacy" target="_blank" rel="noopener">`} {
			if body := page("/register", lang); !strings.Contains(body, link) || unworded.MatchString(regexp.MustCompile(`(?s)<label class="check">.*?</label>`).FindString(body)) {
				t.Errorf("the label in %s lacks %s, or its words", lang, link)
			}
		}
		if !strings.Contains(page("/login", lang), `<a id="terms" href="/terms">`) {
			t.Errorf("the log-in page in %s doesn't lead to the terms", lang)
		}
	}
	s.exec(`UPDATE seller SET name = 'Rappel & Co. AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', email = 'hallo@rappel.example', due_days = 21, grace_days = 33`)
	for _, want := range []string{"Rappel &amp; Co. AG, Seeweg 4, 8008 Zürich, ", ", hallo@rappel.example. Der Vertrag", "Gerichtsstand ist Zürich", "innert 21 Tagen", "nach 33 Tagen"} {
		if !strings.Contains(page("/terms", "de"), want) {
			t.Errorf("the terms lack %q", want)
		}
	}
	// Who is logged in reads the same.
	d := s.clinic("Praxis am See")
	if body := d.page("/terms"); strings.Count(body, "<section") != len(termSections) || strings.Contains(body, `href="/register"`) {
		t.Error("the terms are other ones for those who are logged in")
	}
	if a := s.do(c, "POST", "/register", url.Values{}, nil); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `href="/terms"`) {
		t.Errorf("a form with mistakes: %d, or without the link", a.status)
	}
}

// TestTerms_own: the operator's pages stand in for ours, each by itself.
func TestTerms_own(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.stranger()
	get := func(path string) answer { t.Helper(); return s.do(c, "GET", path, nil, nil) }
	s.server.Own = OwnPages{Privacy: "https://firma.example/daten?a=1&b=2"}
	if a := get("/privacy"); a.status != http.StatusSeeOther || a.header.Get("Location") != "https://firma.example/daten?a=1&b=2" {
		t.Errorf("privacy: %d to %q", a.status, a.header.Get("Location"))
	}
	a := get("/terms")
	if a.status != http.StatusOK || !strings.Contains(a.body, `<a href="https://firma.example/daten?a=1&amp;b=2">`) || strings.Contains(a.body, `id="kept"`) || strings.Contains(a.body, `id="others"`) {
		t.Errorf("our terms with the operator's privacy notice: %d\n%s", a.status, a.body)
	}
	s.server.Own = OwnPages{Terms: "https://firma.example/agb"}
	if a := get("/terms"); a.status != http.StatusSeeOther || a.header.Get("Location") != "https://firma.example/agb" {
		t.Errorf("terms: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := get("/privacy"); a.status != http.StatusOK || !strings.Contains(a.body, `id="kept"`) {
		t.Errorf("our privacy notice beside the operator's terms: %d", a.status)
	}
}
