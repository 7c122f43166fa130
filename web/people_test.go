package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"rappel/web/accounts"
)

// linkOf is the path of the newest mail's link.
func (s *site) linkOf(kind string) string {
	s.t.Helper()
	all, err := s.box.Latest(context.Background(), 1)
	if err != nil || len(all) != 1 || all[0].Kind != kind {
		s.t.Fatalf("no mail %q: %+v, %v", kind, all, err)
	}
	return strings.TrimPrefix(firstLink.FindString(all[0].Mail.Text), "http://rappel.test")
}

// person is a user as the store knows them.
func (s *site) person(email string) accounts.User {
	s.t.Helper()
	u, err := s.server.Accounts.ByEmail(context.Background(), email)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

var signUp = url.Values{"first_name": {"Anna"}, "last_name": {"Muster"}, "organisation": {"dental"}, "business": {"Zähne & Co"}, "phone": {"044 668 18 00"}, "email": {"anna@example.com"},
	"password": {"ein langes Wort"}, "terms": {"1"}}

// TestSignUp_pages: the same answer whether an address is known or not; the link asks
// first, works once, and logs in with a session that was not there before.
func TestSignUp_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.stranger()
	first := s.do(c, "POST", "/register", signUp, map[string]string{"Accept-Language": "it"})
	if first.status != http.StatusOK {
		t.Fatalf("%d\n%s", first.status, first.body)
	}
	all, err := s.box.Latest(context.Background(), 1)
	if err != nil || all[0].Mail.Language != "it" || !strings.Contains(all[0].Mail.HTML, "Zähne &amp; Co") || !strings.Contains(all[0].Mail.Text, "Zähne & Co") {
		t.Errorf("the mail: %+v, %v", all[0].Mail, err)
	}
	link := s.linkOf("confirm")
	for range 2 {
		if a := s.do(c, "GET", link, nil, nil); a.status != http.StatusOK || a.header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(a.body, "Zähne &amp; Co") {
			t.Fatalf("the link: %d %v", a.status, a.header)
		}
	}
	u, err := url.Parse(s.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.do(s.stranger(), "POST", link, url.Values{"password": {"ein anderes Wort"}}, nil); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `aria-invalid="true"`) {
		t.Errorf("confirmed by somebody without the password: %d", a.status)
	}
	planted := fmt.Sprint(c.Jar.Cookies(u))
	if a := s.do(c, "POST", link, url.Values{"password": signUp["password"]}, nil); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Fatalf("confirm: %d to %q\n%s", a.status, a.header.Get("Location"), a.body)
	}
	if got := fmt.Sprint(c.Jar.Cookies(u)); got == planted {
		t.Error("the session kept its token at log-in")
	}
	if a := s.do(c, "GET", "/", nil, nil); a.status != http.StatusOK || !strings.Contains(a.body, "Benvenuti in Rappel") {
		t.Errorf("the first page: %d", a.status)
	}
	if a := s.do(s.stranger(), "POST", link, url.Values{"password": signUp["password"]}, nil); a.status != http.StatusNotFound {
		t.Errorf("the link again: %d", a.status)
	}
	second := s.do(s.stranger(), "POST", "/register", signUp, map[string]string{"Accept-Language": "it"})
	if second.status != first.status || second.body != first.body {
		t.Errorf("a known address is answered otherwise: %d and %d", first.status, second.status)
	}
	if s.linkOf("known") != "/forgot" {
		t.Error("the owner of the address isn't told")
	}
	bad := s.do(s.stranger(), "POST", "/register", url.Values{"email": {"x"}, "password": {"kurz und geheim"}}, nil)
	if bad.status != http.StatusUnprocessableEntity || strings.Contains(bad.body, "geheim") || !strings.Contains(bad.body, `value="x"`) {
		t.Errorf("mistakes: %d", bad.status)
	}
}

// TestSecondFactor_pages: after the password nothing is open but the question for the
// code, and not for long.
func TestSecondFactor_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.clinic("Praxis am See")
	other := s.logIn("praxis.am.see@example.com")
	for _, wrong := range []string{"", "falsch"} {
		if a := c.post("/profile/totp/start", url.Values{"password": {wrong}}); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, `id="secret"`) {
			t.Errorf("begun with password %q: %d", wrong, a.status)
		}
		if a := c.post("/profile/passkeys/begin", url.Values{"password": {wrong}}); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, "challenge") {
			t.Errorf("a passkey begun with password %q: %d %s", wrong, a.status, a.body)
		}
	}
	start := c.post("/profile/totp/start", url.Values{"password": {password}})
	_, rest, _ := strings.Cut(start.body, `id="secret">`)
	shown, _, _ := strings.Cut(rest, "<")
	secret := strings.ReplaceAll(shown, " ", "")
	code := func() string {
		t.Helper()
		v, err := totp.GenerateCode(secret, s.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	later := func(d time.Duration) {
		s.clock.mu.Lock()
		s.clock.t = s.clock.t.Add(d)
		s.clock.mu.Unlock()
	}
	if !strings.Contains(start.body, `src="data:image/png;base64,`) || len(secret) != 32 {
		t.Fatalf("start: %d, secret %q", start.status, secret)
	}
	if a := c.post("/profile/totp", url.Values{"code": {"000000"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, shown) {
		t.Errorf("a wrong code: %d", a.status)
	}
	on := c.post("/profile/totp", url.Values{"code": {code()}})
	_, rest, _ = strings.Cut(on.body, `id="recovery"><li>`)
	recovery, _, _ := strings.Cut(rest, "<")
	if on.status != http.StatusOK || len(recovery) != 19 {
		t.Fatalf("on: %d, recovery %q", on.status, recovery)
	}
	if s.linkOf("totp_on") != "/profile/security" {
		t.Error("nobody is told that it is on")
	}
	if a := s.do(other, "GET", "/", nil, nil); a.header.Get("Location") != "/login" {
		t.Errorf("another session after it was turned on: %d to %q", a.status, a.header.Get("Location"))
	}

	who := url.Values{"email": {"praxis.am.see@example.com"}, "password": {password}, "next": {"/messages"}}
	b := s.stranger()
	if a := s.do(b, "GET", "/login/code", nil, nil); a.header.Get("Location") == "" {
		t.Errorf("the code's page without a password: %d", a.status)
	}
	if a := s.do(b, "POST", "/login", who, nil); a.header.Get("Location") != "/login/code" {
		t.Fatalf("the password: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := s.do(b, "GET", "/messages", nil, nil); !strings.HasPrefix(a.header.Get("Location"), "/login") {
		t.Errorf("half a log-in opens a page: %d", a.status)
	}
	later(31 * time.Second)
	if a := s.do(b, "POST", "/login/code", url.Values{"code": {code()}}, nil); a.header.Get("Location") != "/messages" {
		t.Errorf("the code: %d to %q", a.status, a.header.Get("Location"))
	}
	d := s.stranger()
	s.do(d, "POST", "/login", who, nil)
	later(11 * time.Minute)
	if a := s.do(d, "POST", "/login/code", url.Values{"code": {code()}}, nil); !strings.HasPrefix(a.header.Get("Location"), "/login") {
		t.Errorf("eleven minutes after the password: %d to %q", a.status, a.header.Get("Location"))
	}
	e := s.stranger()
	s.do(e, "POST", "/login", who, nil)
	if a := c.post("/profile/password", url.Values{"old": {password}, "password": {"ein anderes Wort"}}); a.status != http.StatusSeeOther {
		t.Fatalf("another password: %d", a.status)
	}
	if a := s.do(e, "POST", "/login/code", url.Values{"code": {code()}}, nil); !strings.HasPrefix(a.header.Get("Location"), "/login") {
		t.Errorf("half a log-in with the password of before: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := c.post("/profile/password", url.Values{"old": {"ein anderes Wort"}, "password": {password}}); a.status != http.StatusSeeOther {
		t.Fatalf("the password of before: %d", a.status)
	}
	s.do(d, "POST", "/login", who, nil)
	if a := s.do(d, "POST", "/login/code", url.Values{"code": {recovery}}, nil); a.header.Get("Location") != "/messages" {
		t.Errorf("a recovery code: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := c.post("/profile/totp/off", url.Values{"password": {"falsch"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("turned off with a wrong password: %d", a.status)
	}
}

// TestPasskeys_removal: a passkey goes only with the password, and its owner is told.
func TestPasskeys_removal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.clinic("Praxis am See")
	id := s.one(`INSERT INTO passkeys (account_id, user_id, credential_id, credential, name, created_at) SELECT account_id, id, '\x01', '{}', 'Empfang', now() FROM users RETURNING id`)
	path := fmt.Sprintf("/profile/passkeys/%d/remove", id)
	for _, wrong := range []string{"", "falsch"} {
		a := c.post(path, url.Values{"password": {wrong}})
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, fmt.Sprintf(`data-passkey-id="%d" open`, id)) || !strings.Contains(a.body, fmt.Sprintf(`id="passkey-%d-password-error"`, id)) {
			t.Errorf("with password %q: %d\n%s", wrong, a.status, a.body)
		}
	}
	if a := c.post(path, url.Values{"password": {password}}); a.status != http.StatusSeeOther {
		t.Errorf("with the password: %d", a.status)
	}
	if s.linkOf("passkey_removed") != "/profile/security" {
		t.Error("nobody is told that it is gone")
	}
	if a := c.post(path, url.Values{"password": {password}}); a.status != http.StatusNotFound {
		t.Errorf("removed twice: %d", a.status)
	}
}

// TestSessions_nobodys: what lies in a session before anybody is logged in with it is gone
// after ten minutes; once somebody is, it stays.
func TestSessions_nobodys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.clinic("Praxis am See") // whose session stays
	lasting := func() string {
		t.Helper()
		var spans []string
		if err := s.owner.Select(&spans, `SELECT CASE WHEN expiry < now() + interval '11 minutes' THEN 'minutes' ELSE 'days' END FROM sessions ORDER BY 1 DESC`); err != nil {
			t.Fatal(err)
		}
		return strings.Join(spans, " ")
	}
	c := s.stranger()
	s.exec(`UPDATE users SET sealed_totp = '\x00'`)
	if a := s.do(c, "POST", "/login", url.Values{"email": {"praxis.am.see@example.com"}, "password": {password}}, nil); a.header.Get("Location") != "/login/code" {
		t.Fatalf("the password: %d to %q", a.status, a.header.Get("Location"))
	}
	if got := lasting(); got != "minutes days" {
		t.Errorf("half a log-in beside a whole one: %s", got)
	}
	s.exec(`UPDATE users SET sealed_totp = NULL`)
	if a := s.do(c, "POST", "/login", url.Values{"email": {"praxis.am.see@example.com"}, "password": {password}}, nil); a.header.Get("Location") != "/" {
		t.Fatalf("log-in: %d to %q", a.status, a.header.Get("Location"))
	}
	if got := lasting(); got != "days days" {
		t.Errorf("two whole ones: %s", got)
	}
	for i := range 41 {
		a := s.do(s.stranger(), "POST", "/login/passkey/begin", url.Values{}, nil)
		if want := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[i < 40]; a.status != want {
			t.Fatalf("challenge %d: %d\n%s", i, a.status, a.body)
		}
	}
	if got := lasting(); strings.Count(got, "minutes") != 40 {
		t.Errorf("of forty challenges: %s", got)
	}
}

// TestSessions_pages: what is ended elsewhere is over at the next request.
func TestSessions_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.clinic("Praxis am See")
	phone := s.logIn("praxis.am.see@example.com")
	if a := s.do(phone, "GET", "/", nil, nil); a.status != http.StatusOK {
		t.Fatalf("the phone: %d", a.status)
	}
	if a := c.post("/profile/sessions/end", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatalf("end: %d", a.status)
	}
	if a := s.do(phone, "GET", "/", nil, nil); a.header.Get("Location") != "/login" {
		t.Errorf("the phone afterwards: %d", a.status)
	}
	if a := c.get("/"); a.status != http.StatusOK {
		t.Errorf("the one who ended it: %d", a.status)
	}
	phone = s.logIn("praxis.am.see@example.com")
	if a := c.post("/profile/password", url.Values{"old": {password}, "password": {"ein neues langes Wort"}}); a.status != http.StatusSeeOther {
		t.Fatalf("password: %d\n%s", a.status, a.body)
	}
	if a := s.do(phone, "GET", "/", nil, nil); a.header.Get("Location") != "/login" {
		t.Errorf("the phone after a new password: %d", a.status)
	}
}

// TestSubAccounts_pages: an owner goes into a sub-account and out; what they see there is
// its own, and credits go back and forth.
func TestSubAccounts_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	sub := d.belongings()["/accounts/"]
	path := fmt.Sprintf("/accounts/%d", sub)
	if a := d.post(path+"/transfer", url.Values{"credits": {"40"}, "direction": {"give"}}); a.status != http.StatusSeeOther || s.credits[sub] != 140 {
		t.Errorf("give: %d, %v", a.status, s.credits)
	}
	if a := d.post(path+"/transfer", url.Values{"credits": {"20"}, "direction": {"back"}}); a.status != http.StatusSeeOther || s.credits[d.ID] != 80 {
		t.Errorf("back: %d, %v", a.status, s.credits)
	}
	for _, wrong := range []string{"", "0", "-3", "x", "1000"} {
		if a := d.post(path+"/transfer", url.Values{"credits": {wrong}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("%q credits: %d", wrong, a.status)
		}
	}
	if a := d.post(path+"/enter", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatalf("enter: %d", a.status)
	}
	page := d.page("/appointments")
	if !strings.Contains(page, "Praxis am Berg") || strings.Contains(page, "Huber") {
		t.Error("the sub-account's page isn't its own")
	}
	if a := d.get(fmt.Sprintf("/appointments/%d", d.Huber)); a.status != http.StatusNotFound {
		t.Errorf("the account above, from below: %d", a.status)
	}
	if a := d.post("/accounts/leave", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	if !strings.Contains(d.page("/appointments"), "Huber") {
		t.Error("not back in the own account")
	}
}

// TestSupport_pages: support is in a clinic while its owner says so, each request is
// written down, and what it changes is put down to it.
func TestSupport_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	c := s.operator(accounts.Support)
	enter := fmt.Sprintf("/admin/support/%d/enter", d.ID)
	if a := s.do(c, "POST", enter, url.Values{}, nil); a.status != http.StatusNotFound {
		t.Errorf("without a word: %d", a.status)
	}
	if a := s.do(c, "POST", fmt.Sprintf("/admin/support/%d/ask", d.ID), url.Values{"reason": {"Kalender liest nicht"}}, nil); a.status != http.StatusSeeOther || s.linkOf("support") != "/settings/support" {
		t.Errorf("ask: %d", a.status)
	}
	if !strings.Contains(d.page("/settings/support"), "Kalender liest nicht") {
		t.Error("the owner doesn't see why")
	}
	d.consent()
	if a := s.do(c, "POST", enter, url.Values{}, nil); a.header.Get("Location") != "/" {
		t.Fatalf("let in: %d", a.status)
	}
	if a := s.do(c, "GET", "/appointments", nil, nil); a.status != http.StatusOK || !strings.Contains(a.body, "Huber") || !strings.Contains(a.body, "Sie sind als Support bei Praxis am See") {
		t.Errorf("inside: %d", a.status)
	}
	if a := s.do(c, "POST", fmt.Sprintf("/templates/%d/delete", d.Template), url.Values{}, nil); a.status == http.StatusForbidden {
		t.Errorf("a template: %d", a.status)
	}
	if a := s.do(c, "POST", "/templates", url.Values{"name": {"Vom Support"}, "text_de": {"Termin {date} {time}, {business}"}}, nil); a.status != http.StatusSeeOther {
		t.Errorf("a new template: %d\n%s", a.status, a.body)
	}
	audit := d.page("/audit")
	for _, want := range []string{"GET /appointments", "POST /templates", "Olga support", "Vom Support", "Betrieb, Nr. " + fmt.Sprint(s.person("support@rappel.test").ID)} {
		if !strings.Contains(audit, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	s.do(c, "GET", "/confirm/geheimgeheim", nil, nil)
	if audit := d.page("/audit"); strings.Contains(audit, "geheimgeheim") || !strings.Contains(audit, "GET /confirm/{token}") {
		t.Error("a link's token lies in the log")
	}
	if a := d.post("/settings/support/revoke", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	if a := s.do(c, "GET", "/appointments", nil, nil); a.status != http.StatusForbidden {
		t.Errorf("after the word was taken back: %d", a.status)
	}
}

// TestOperators_pages: what operators do is put down to them also where it belongs to no
// clinic, and they don't choose how they are called there.
func TestOperators_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.operator(accounts.Support)
	id := s.insert(`INSERT INTO mails (account_id, key, kind, language, recipient, status, next_at, created_at, done_at) VALUES (0, 'x', 'known', 'de', 'anna@example.com', 'failed', $1, $1, $1) RETURNING id`, monday)
	if a := s.do(c, "POST", fmt.Sprintf("/admin/mails/%d/retry", id), url.Values{}, nil); a.status != http.StatusSeeOther {
		t.Fatalf("retry: %d\n%s", a.status, a.body)
	}
	if n := s.insert(`SELECT count(*) FROM operator_audit WHERE operator_id = $1 AND action = 'mails.retried' AND subject = $2`, s.person("support@rappel.test").ID, fmt.Sprintf("mails:%d", id)); n != 1 {
		t.Errorf("written down %d times", n)
	}
	if a := s.do(c, "POST", "/profile", url.Values{"name": {"Anna Muster"}}, nil); a.status != http.StatusForbidden {
		t.Errorf("another name: %d", a.status)
	}
	if a := s.do(c, "GET", "/profile", nil, nil); a.status != http.StatusOK || strings.Contains(a.body, "save-name") {
		t.Errorf("the profile: %d, or it offers another name", a.status)
	}
}

// TestOperatorAudit: the billing admin reads what the operator's people did that belongs to
// no clinic, on the page and in both files; the others don't, and a clinic's log isn't in it.
func TestOperatorAudit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := s.clinic("Praxis am See")
	s.exec(`INSERT INTO operator_audit (at, operator_id, actor, role, action, subject, before, after, reason) VALUES ($1, 7, 'Otto', 'billing_admin', 'billing.tax', 'tax_rates', '{"rate":"8.1"}', '{"rate":"8.2"}', '=neues Gesetz')`, monday.Add(-time.Hour))
	admin, support := s.operator(accounts.BillingAdmin), s.operator(accounts.Support)
	if a := s.do(support, "POST", fmt.Sprintf("/admin/support/%d/ask", d.ID), url.Values{"reason": {"Anruf"}}, nil); a.status != http.StatusSeeOther {
		t.Fatalf("ask: %d", a.status)
	}
	page := s.do(admin, "GET", "/admin/audit/operators", nil, nil).body
	for _, want := range []string{"Person des Betriebs hinzugefügt", "Angemeldet", "Olga support", "Betrieb, Nr. " + fmt.Sprint(s.person("support@rappel.test").ID), "Neuer Steuersatz", "=neues Gesetz", "8.2", `id="csv"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Support bittet") || !strings.Contains(s.do(admin, "GET", "/admin/audit", nil, nil).body, "Support bittet") {
		t.Error("what belongs to a clinic is not in the log of the clinics, or in the other")
	}
	file := s.do(admin, "GET", "/admin/audit/operators/export.csv", nil, nil).body
	if n := strings.Count(file, "\r\n"); n != 1+5 { // the tax rate, two who were added and logged in
		t.Errorf("%d lines\n%s", n, file)
	}
	if !strings.Contains(file, "Betrieb: Abrechnung,Abrechnung: Neuer Steuersatz,tax_rates,,'=neues Gesetz,rate: 8.1 → 8.2") {
		t.Errorf("the file:\n%s", file)
	}
	if file := s.do(support, "GET", fmt.Sprintf("/admin/audit/export.csv?account=%d", d.ID), nil, nil).body; !strings.Contains(file, "Support bittet um Zugang") || strings.Contains(file, "Angemeldet") {
		t.Errorf("the clinics' file:\n%s", file)
	}
	if a := s.do(support, "GET", "/admin/audit", nil, nil); strings.Contains(a.body, "/admin/audit/operators") {
		t.Error("support is led where it may not go")
	}
	// Longer than a page: the older ones follow, and the file has all of them.
	s.exec(`INSERT INTO operator_audit (at, operator_id, actor, role, action) SELECT CAST($1 AS timestamptz) - n * interval '1 minute', 7, 'Otto', 'billing_admin', 'operators.logged_in' FROM generate_series(100, 220) AS n`, monday)
	if m := regexp.MustCompile(`href="(/admin/audit/operators\?before=\d+)"`).FindStringSubmatch(s.do(admin, "GET", "/admin/audit/operators", nil, nil).body); m == nil || strings.Contains(s.do(admin, "GET", m[1], nil, nil).body, "Neuer Steuersatz") {
		t.Errorf("older: %v", m)
	}
	if n := strings.Count(s.do(admin, "GET", "/admin/audit/operators/export.csv", nil, nil).body, "\r\n"); n != 1+5+121 {
		t.Errorf("%d lines of a long log", n)
	}
}

// TestReview_pages: the reviewer sees the text and the sender, and of the recipient no more
// than needed.
func TestReview_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	d.belongings()
	c := s.operator(accounts.Reviewer)
	a := s.do(c, "GET", "/admin/review", nil, nil)
	if a.status != http.StatusOK || !strings.Contains(a.body, "Herbstaktion") || !strings.Contains(a.body, "PraxisSee") || strings.Contains(a.body, "112 77") || !strings.Contains(a.body, "•") {
		t.Errorf("%d\n%s", a.status, a.body)
	}
	for _, form := range []url.Values{{"decision": {"release"}}, {"decision": {"reject"}}} {
		if a := s.do(c, "POST", fmt.Sprintf("/admin/review/%d", d.ID), form, nil); a.status != http.StatusSeeOther {
			t.Errorf("%v: %d", form, a.status)
		}
	}
	if a := s.do(c, "POST", fmt.Sprintf("/admin/review/%d/sender", d.ID), url.Values{"country": {"IT"}, "sender": {"PraxisSee"}, "state": {"approved"}}, nil); a.status != http.StatusSeeOther {
		t.Errorf("sender: %d", a.status)
	}
	if got, want := fmt.Sprint(s.settled), fmt.Sprintf("[%d true %d false %d PraxisSee approved]", d.ID, d.ID, d.ID); got != want {
		t.Errorf("settled %s, want %s", got, want)
	}
	if a := s.do(c, "POST", "/admin/review/99", url.Values{"decision": {"release"}}, nil); a.status != http.StatusNotFound {
		t.Errorf("nothing held: %d", a.status)
	}
}

// TestStaff_pages: staff see calendars and can't change them; the billing contact begins
// elsewhere.
func TestStaff_pages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	c := d.user("bea@example.com", "staff")
	for _, path := range []string{"/calendars", fmt.Sprintf("/calendars/%d", d.Keller.ID)} {
		a := s.do(c, "GET", path, nil, nil)
		for _, never := range []string{"/disconnect\"", "pick-save", "/connect/google", "rules.delete", "rule-new", "Trennen"} {
			if strings.Contains(a.body, never) {
				t.Errorf("%s offers %q to staff", path, never)
			}
		}
		if a.status != http.StatusOK || strings.Contains(a.body, `href="/settings"`) {
			t.Errorf("%s: %d, or the settings are offered", path, a.status)
		}
	}
	m := d.user("money@example.com", "billing")
	if a := s.do(m, "GET", "/", nil, nil); a.status != http.StatusSeeOther || a.header.Get("Location") == "/" {
		t.Errorf("the billing contact's first page: %d to %q", a.status, a.header.Get("Location"))
	}
}

func TestAgentOf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0":           "Edge, Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1": "Safari, iPhone",
		"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0":                                                                  "Firefox, Linux",
		"curl/8": "", "": "",
	} {
		if got := agentOf(header); got != want {
			t.Errorf("agentOf(%q) = %q, want %q", header, got, want)
		}
	}
	for client, want := range map[string]string{"192.0.2.77": "192.0.2.*", "2001:db8:1:2::9": "2001:db8:1::*", "::ffff:192.0.2.77": "192.0.2.*", "x": "", "": ""} {
		if got := placeOf(client); got != want {
			t.Errorf("placeOf(%q) = %q, want %q", client, got, want)
		}
	}
}

func FuzzPlaceOf(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, client string) {
		got := placeOf(client)
		if got != "" && (!strings.HasSuffix(got, "*") || len(got) > 45) {
			t.Fatalf("placeOf(%q) = %q", client, got)
		}
	})
}
