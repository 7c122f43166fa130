package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// filled puts values for the names in a route's pattern; "{$}" goes.
func filled(t *testing.T, pattern string, value func(first, name string) string) (method, path string) {
	t.Helper()
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		t.Fatalf("route %q has no method", pattern)
	}
	first := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 2)[0]
	path = regexp.MustCompile(`\{([^}]*)\}`).ReplaceAllStringFunc(path, func(name string) string {
		name = strings.Trim(name, "{}")
		if name == "$" {
			return ""
		}
		return value(first, name)
	})
	return method, path
}

// TestRoutes_LogIn: without a session every route of a member leads to the log-in and
// changes nothing; a fragment is refused plainly.
func TestRoutes_LogIn(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	members := 0
	for _, rt := range d.server.routes() {
		if rt.access&anybody != 0 {
			continue
		}
		members++
		method, path := filled(t, rt.pattern, func(_, name string) string {
			if name == "provider" {
				return "google"
			}
			return "1"
		})
		var form url.Values
		if method == "POST" {
			form = url.Values{}
		}
		a := d.site.do(d.stranger(), method, path, form, nil)
		want := "/login"
		if method == "GET" && path != "/" {
			want += "?next=" + url.QueryEscape(path)
		}
		if a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want 303 to %q", rt.pattern, a.status, a.header.Get("Location"), want)
		}
		if a := d.site.do(d.stranger(), method, path, form, map[string]string{"X-Fragment": "1"}); a.status != http.StatusUnauthorized {
			t.Errorf("%s as a fragment: %d, want 401", rt.pattern, a.status)
		}
	}
	if members < 20 {
		t.Errorf("only %d routes for members: has the list changed its shape?", members)
	}
}

// TestRoutes_CrossSite: a form on somebody else's page reaches nothing.
func TestRoutes_CrossSite(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, rt := range d.server.routes() {
		method, path := filled(t, rt.pattern, func(_, name string) string { return "1" })
		if method == "GET" {
			continue
		}
		for _, header := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}} {
			if a := d.do(method, path, url.Values{"name": {"x"}}, header); a.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d, want 403", rt.pattern, header, a.status)
			}
		}
	}
}

// rows is everything an account owns, to see that nothing of it changed.
func (s *site) rows(account int64) string {
	s.t.Helper()
	var tables []string
	if err := s.owner.Select(&tables, `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY 1`); err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		var text []string
		if err := s.owner.Select(&text, fmt.Sprintf(`SELECT CAST(x AS text) FROM %s AS x WHERE x.account_id = $1 ORDER BY 1`, table), account); err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s: %q\n", table, text)
	}
	return all.String()
}

// TestRoutes_OtherAccount: ids also travel in forms and queries; those of another clinic
// lead nowhere there either. Ids in paths are tried by TestAccess.
func TestRoutes_OtherAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	theirs := demoOf(s.clinic("Praxis am See"))
	mine := s.clinic("Andere Praxis")
	before := s.rows(theirs.ID)
	google := mine.connection("google", "andere@example.com")
	cal := mine.calendar(google, "Mein Kalender")
	own := mine.template("Meine Vorlage")
	rule := url.Values{"kind": {"days_before"}, "amount": {"1"}, "at_time": {"09:00"}, "late": {"skip"}, "enabled": {"1"}}
	with := func(more ...string) url.Values {
		v := url.Values{}
		for k := range rule {
			v[k] = rule[k]
		}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	for what, a := range map[string]answer{
		"their template in my rule": mine.post(fmt.Sprintf("/calendars/%d/rules", cal.ID), with("template", fmt.Sprint(theirs.Template))),
		"their rule in my calendar": mine.post(fmt.Sprintf("/calendars/%d/rules", cal.ID), with("template", fmt.Sprint(own), "rule", fmt.Sprint(theirs.Rule))),
		"their template saved":      mine.post("/templates", url.Values{"id": {fmt.Sprint(theirs.Template)}, "name": {"Meins"}, "text_de": {"{business}"}}),
	} {
		if a.status != http.StatusNotFound && a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d to %q", what, a.status, a.header.Get("Location"))
		}
	}
	for _, path := range []string{"/messages?reminder=1", fmt.Sprintf("/appointments?calendar=%d", theirs.Keller.ID), "/messages?q=Terminerinnerung", "/appointments/export.csv", "/messages/export.csv"} {
		if body := mine.page(path); strings.Contains(body, "Huber") || strings.Contains(body, "79 444") || strings.Contains(body, "+4179") || strings.Contains(body, "Dr. Keller") {
			t.Errorf("%s shows something of another account", path)
		}
	}
	if a := mine.post(fmt.Sprintf("/connections/%d/pick", google), url.Values{"watch": {fmt.Sprint(theirs.Keller.ID)}}); a.status != http.StatusSeeOther {
		t.Errorf("pick with a stranger's calendar: %d", a.status)
	}
	if after := s.rows(theirs.ID); after != before {
		t.Errorf("something of theirs changed:\nbefore %s\nafter %s", before, after)
	}
}

// TestRoutes_Unknown: what does not exist says so in words, with every method.
func TestRoutes_Unknown(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/nowhere", 404}, {"GET", "/appointments/", 404}, {"GET", "/connect/yahoo", 404}, {"GET", "/connect/yahoo/callback", 404},
		{"POST", "/nowhere", 404}, {"GET", "/static/app.css", 404},
	} {
		var form url.Values
		if c.method == "POST" {
			form = url.Values{}
		}
		a := d.do(c.method, c.path, form, nil)
		if a.status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, a.status, c.status)
		}
		if a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: no policy", c.method, c.path)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.clinic("Praxis am See")
	who := url.Values{"email": {"praxis.am.see@example.com"}, "password": {password}}
	for next, want := range map[string]string{"/appointments?show=none": "/appointments?show=none", "https://evil.example/": "/", "//evil.example": "/", "/\\evil.example": "/", "": "/"} {
		form := url.Values{"next": {next}}
		for k, v := range who {
			form[k] = v
		}
		if a := s.do(s.stranger(), "POST", "/login", form, nil); a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("next %q: %d to %q, want %q", next, a.status, a.header.Get("Location"), want)
		}
	}
	a := s.do(s.stranger(), "POST", "/login", url.Values{"email": {"praxis.am.see@example.com"}, "password": {"falsch"}}, map[string]string{"Accept-Language": "fr-CH"})
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `value="praxis.am.see@example.com"`) || !strings.Contains(a.body, `role="alert"`) || strings.Contains(a.body, "falsch") {
		t.Errorf("wrong password: %d\n%s", a.status, a.body)
	}
	if !strings.Contains(a.body, `<html lang="fr">`) {
		t.Error("not in the browser's language")
	}
	// A session planted before the log-in is worth nothing after it, and a log-out ends it.
	c := s.clinic("Dritte Praxis")
	if a := c.post("/logout", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("log-out: %d", a.status)
	}
	if a := c.get("/"); a.header.Get("Location") != "/login" {
		t.Errorf("after the log-out: %d to %q", a.status, a.header.Get("Location"))
	}
}
