package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rappel/web/accounts"
)

// visitor is a browser somebody is logged in with.
type visitor struct {
	name   string
	roles  access
	client *http.Client
}

// logIn is a browser with the log-in of an address.
func (s *site) logIn(email string) *http.Client {
	s.t.Helper()
	c := s.stranger()
	if a := s.do(c, "POST", "/login", url.Values{"email": {email}, "password": {password}}, nil); a.status != http.StatusSeeOther {
		s.t.Fatalf("log-in of %s: %d\n%s", email, a.status, a.body)
	}
	return c
}

// user adds somebody to a clinic and logs in.
func (c *clinic) user(email, role string) *http.Client {
	c.t.Helper()
	if _, err := c.server.Accounts.Create(context.Background(), accounts.NewUser{AccountID: c.ID, Email: email, Password: password, Role: role, Language: "de"}); err != nil {
		c.t.Fatal(err)
	}
	return c.logIn(email)
}

// operator adds one of the operator's people, logs in, and has the second factor set up.
func (s *site) operator(role string) *http.Client {
	s.t.Helper()
	email := role + "@rappel.test"
	if _, err := s.server.Accounts.AddOperator(context.Background(), accounts.NewOperator{Email: email, Name: "Olga " + role, Role: role, Password: password, Language: "de"}); err != nil {
		s.t.Fatal(err)
	}
	c := s.logIn(email)
	s.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = $1`, email)
	return c
}

// consent lets support into a clinic for a day.
func (c *clinic) consent() {
	c.t.Helper()
	if a := c.post("/settings/support", url.Values{"hours": {"24"}}); a.status != http.StatusSeeOther {
		c.t.Fatalf("consent: %d", a.status)
	}
}

// belongings are one of each thing a clinic has, by what the path before its id begins with.
func (d *demo) belongings() map[string]int64 {
	d.t.Helper()
	u, err := d.server.Accounts.Create(context.Background(), accounts.NewUser{AccountID: d.ID, Email: "vroni@example.com", Password: password, Role: "staff"})
	if err != nil {
		d.t.Fatal(err)
	}
	owner, err := d.server.Accounts.ByEmail(context.Background(), "praxis.am.see@example.com")
	if err != nil {
		d.t.Fatal(err)
	}
	sub, err := d.server.Accounts.CreateSub(context.Background(), d.ID, "Praxis am Berg")
	if err != nil {
		d.t.Fatal(err)
	}
	d.credits[d.ID], d.credits[sub] = 100, 100
	d.cases = []ReviewCase{{AccountID: d.ID, Business: "Praxis am See", Reason: "review", Country: "CH", Sender: "PraxisSee", Count: 2, Since: monday, Until: monday.Add(time.Hour),
		Texts: []ReviewText{{"+41791112277", "Herbstaktion: 20 % auf alles. STOP rpl.ch/u/x-"}}},
		{AccountID: d.ID, Business: "Praxis am See", Reason: "registration", Country: "IT", Sender: "PraxisSee", Count: 1, Since: monday, Until: monday.Add(time.Hour)}}
	paid := d.pays()
	all := d.payerOf(d.t).things()
	maps.Copy(all, map[string]int64{
		"/billing/invoices/": paid.Invoice, "/billing/orders/": paid.Order, "/billing/methods/": paid.Method,
		"/templates/": d.Template, "/messages/": 1, "/connections/": d.Google, "/calendars/": d.Keller.ID, "/rules/": d.Rule, "/appointments/": d.Huber,
		"/notices/": d.notice("reminders_missed", "calendar", d.Keller.ID), "/users/": u.ID, "/accounts/": sub,
		"/invitations/": d.insert(`INSERT INTO invitations (account_id, email, role, invited_by, language, created_at, expires_at) VALUES ($1, 'neu@example.com', 'staff', 'Anna', 'de', $2, $3) RETURNING id`, d.ID, monday, monday.AddDate(0, 0, 7)),
		"/tokens/":      d.insert(`INSERT INTO api_tokens (account_id, name, prefix, token_hash, scopes, created_by, created_at) VALUES ($1, 'Agenda', 'rpl_1_abcd', '\x01', '{messages.read}', 'Anna', $2) RETURNING id`, d.ID, monday),
		"/profile/passkeys/": d.insert(`INSERT INTO passkeys (account_id, user_id, credential_id, credential, name, created_at) VALUES ($1, $2, '\x01', '{}', 'Empfang', $3) RETURNING id`,
			d.ID, owner.ID, monday),
		"/profile/sessions/": d.insert(`INSERT INTO user_sessions (account_id, user_id, method, created_at, seen_at) VALUES ($1, $2, 'password', $3, $3) RETURNING id`, d.ID, owner.ID, monday),
		"/admin/review/":     d.ID, "/admin/support/": d.ID,
		"/admin/mails/": d.insert(`INSERT INTO mails (account_id, key, kind, language, recipient, status, next_at, problem, created_at, done_at) VALUES ($1, 'x', 'known', 'de', 'anna@example.com', 'failed', $2, '550 no', $2, $2) RETURNING id`, d.ID, monday),
	})
	return all
}

// filledWith puts a clinic's ids into a route's pattern; what it has none for is "x".
func filledWith(t *testing.T, rt route, things map[string]int64) (method, path string) {
	t.Helper()
	_, pattern, _ := strings.Cut(rt.pattern, " ")
	before, _, _ := strings.Cut(pattern, "{id}")
	return filled(t, rt.pattern, func(_, name string) string {
		switch {
		case name == "provider":
			return "google"
		case things[name] != 0:
			return fmt.Sprint(things[name])
		case name != "id":
			return "x"
		case things[before] == 0:
			t.Errorf("%s: this test has nothing of a clinic for it; give it one in belongings", rt.pattern)
		}
		return fmt.Sprint(things[before])
	})
}

// plausible is a form that would do something on many pages.
var plausible = url.Values{"name": {"Neu"}, "text_de": {"Neu {business}"}, "business": {"Neu"}, "role": {"billing"}, "email": {"eve@example.com"}, "hours": {"1"}, "decision": {"release"},
	"state": {"approved"}, "country": {"IT"}, "sender": {"Neu"}, "credits": {"5"}, "direction": {"give"}, "reason": {"darum"}, "scopes": {"messages.read"}, "messages": {"30"}, "replies": {"30"},
	"kind": {"days_before"}, "amount": {"1"}, "at_time": {"09:00"}, "late": {"skip"}, "cron": {"*/5 * * * *"}, "region": {"CH-ZH"}, "language": {"de"}}

// TestAccess walks every route there is as every role, as nobody, and as the owner of
// another clinic with the ids of the first: what isn't for them is refused and changes
// nothing. The list is the router's own, so a new route can't be forgotten; one that names
// no role fails.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	things := d.belongings()
	other := demoOf(s.clinic("Andere Praxis"))
	d.consent()
	acting := s.operator(accounts.Support)
	if a := s.do(acting, "POST", fmt.Sprintf("/admin/support/%d/enter", d.ID), url.Values{}, nil); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Fatalf("enter: %d to %q", a.status, a.header.Get("Location"))
	}
	visitors := []visitor{
		{"owner", roleOwner, d.client}, {"staff", roleStaff, d.user("staff@example.com", "staff")}, {"billing contact", roleBilling, d.user("money@example.com", "billing")},
		{"billing admin", roleBillingAdmin, s.operator(accounts.BillingAdmin)}, {"reviewer", roleReviewer, s.operator(accounts.Reviewer)},
		{"support in the clinic", roleSupport | roleActing, acting},
	}
	for _, n := range []accounts.NewOperator{{Email: "outside@rappel.test", Role: accounts.Support}, {Email: "bare@rappel.test", Role: accounts.BillingAdmin}} {
		n.Password, n.Language = password, "de"
		if _, err := s.server.Accounts.AddOperator(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	visitors = append(visitors, visitor{"support", roleSupport, s.logIn("outside@rappel.test")}, visitor{"operator without a second factor", roleBare, s.logIn("bare@rappel.test")})
	s.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = 'outside@rappel.test'`)

	// Everything of the clinic but what is written down about support's visits.
	rows := func() string {
		var kept []string
		for _, line := range strings.Split(s.rows(d.ID), "\n") {
			if !strings.HasPrefix(line, "audit:") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n") + fmt.Sprint(s.settled, s.credits)
	}
	before := rows()
	refused := func(who string, rt route, method, path string, client *http.Client) {
		t.Helper()
		var form url.Values
		if method == "POST" {
			form = plausible
		}
		a := s.do(client, method, path, form, nil)
		front := rt.pattern == "GET /{$}" && a.status == http.StatusSeeOther && a.header.Get("Location") != "/"
		if a.status != http.StatusForbidden && a.status != http.StatusNotFound && !front {
			t.Errorf("%s as %s: %d to %q, want 403 or 404", rt.pattern, who, a.status, a.header.Get("Location"))
		}
		if strings.Contains(a.body, "Huber") || strings.Contains(a.body, "79 444") || strings.Contains(a.body, "+4179") {
			t.Errorf("%s as %s shows a patient", rt.pattern, who)
		}
	}
	walked := 0
	for _, rt := range s.server.routes() {
		if rt.access == 0 {
			t.Errorf("%s is for nobody: name its roles", rt.pattern)
		}
		if rt.access&anybody != 0 {
			continue
		}
		walked++
		method, path := filledWith(t, rt, things)
		for _, v := range visitors {
			if rt.access&v.roles == 0 {
				refused(v.name, rt, method, path, v.client)
			}
		}
		if strings.Contains(rt.pattern, "{id}") {
			refused("another clinic's owner", rt, method, path, other.client)
			if method == "GET" && rt.access&roleOwner != 0 {
				d.page(path) // it is there for them
			}
			for _, bad := range []string{"0", "x", "9223372036854775808"} {
				_, path := filled(t, rt.pattern, func(string, string) string { return bad })
				refused("another clinic's owner, with id "+bad, rt, method, path, other.client)
			}
		}
	}
	if walked < 75 {
		t.Errorf("only %d routes: has the list changed its shape?", walked)
	}
	if after := rows(); after != before {
		t.Errorf("something changed:\nbefore %s\nafter %s", before, after)
	}

	// What is for them opens.
	for _, rt := range s.server.routes() {
		if rt.access&anybody != 0 {
			continue
		}
		method, path := filledWith(t, rt, things)
		if method != "GET" || strings.HasPrefix(path, "/connect/") {
			continue
		}
		for _, v := range visitors {
			if rt.access&v.roles == 0 {
				continue
			}
			if a := s.do(v.client, method, path, nil, nil); a.status != http.StatusOK {
				t.Errorf("%s as %s: %d to %q, want 200\n%s", rt.pattern, v.name, a.status, a.header.Get("Location"), a.body)
			}
		}
	}
}

// TestAccess_Operators: no page of the operator's people shows a patient, and what they
// see of a clinic's log has no values.
func TestAccess_Operators(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	things := d.belongings()
	if a := d.post("/settings", url.Values{"business": {"Praxis am See"}, "zone": {"Europe/Zurich"}, "region": {"CH"}, "language": {"de"}, "sender": {"Geheim"}, "callback": {"044 123 45 67"},
		"min_lead_minutes": {"30"}, "several_numbers": {"first"}, "field_order": {"location"}}); a.status != http.StatusSeeOther {
		t.Fatalf("settings: %d\n%s", a.status, a.body)
	}
	if body := d.page("/audit"); !strings.Contains(body, "Geheim") {
		t.Error("the owner doesn't see what changed")
	}
	for _, role := range accounts.OperatorRoles {
		c := s.operator(role)
		for _, rt := range s.server.routes() {
			if rt.access&operatorRoles[role] == 0 || !strings.HasPrefix(rt.pattern, "GET ") {
				continue
			}
			_, path := filledWith(t, rt, things)
			if strings.Contains(path, "audit") {
				path += fmt.Sprintf("?account=%d", d.ID)
			}
			a := s.do(c, "GET", path, nil, nil)
			for _, never := range []string{"Huber", "Rossi", "79 111 22 77", "+41791112277", "79 123", "Geheim", "Terminerinnerung: "} {
				if strings.Contains(strings.ReplaceAll(a.body, "\u00a0", " "), never) {
					t.Errorf("%s as %s shows %q", path, role, never)
				}
			}
		}
	}
}
