package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rappel/calendars"
	"rappel/notify"
	"rappel/reminders"
	"rappel/web/accounts"
)

func TestPages(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.exec(`INSERT INTO inbound (account_id, carrier, carrier_message_id, sender, recipient, body, message_id, action, received_at)
		VALUES ($1, 'sandbox', 'mo-1', '+41794445566', 'PraxisSee', 'STOP', NULL, 'opt_out', $2)`, d.ID, at(0, 8, 45))
	for _, c := range []struct{ name, path string }{
		{"dashboard", "/"},
		{"appointments", "/appointments"},
		{"appointments_send", "/appointments?when=send&show=planned&from=2026-06-01&to=2026-06-01"},
		{"appointment_planned", fmt.Sprintf("/appointments/%d", d.Huber)},
		{"appointment_landline", fmt.Sprintf("/appointments/%d", d.Landline)},
		{"appointment_sent", fmt.Sprintf("/appointments/%d", d.Sun)},
		{"templates", "/templates"},
		{"template", fmt.Sprintf("/templates/%d", d.Template)},
		{"messages", "/messages"},
		{"message", "/messages/1"},
		{"replies", "/messages/replies"},
		{"statuses", "/messages/statuses"},
		{"settings", "/settings"},
		{"retention", "/settings/retention"},
		{"sending", "/settings/sending"},
		{"calendars", "/calendars"},
		{"calendar", fmt.Sprintf("/calendars/%d", d.Keller.ID)},
	} {
		t.Run(c.name, func(t *testing.T) { golden(t, c.name, d.page(c.path)) })
	}
}

func TestPages_Fresh(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Neue Praxis")
	for name, path := range map[string]string{"fresh_dashboard": "/", "fresh_appointments": "/appointments", "fresh_template": "/templates/new"} {
		t.Run(name, func(t *testing.T) { golden(t, name, c.page(path)) })
	}
}

// everyPage lists the pages of a demo for tests that look at all of them.
func (d *demo) everyPage() []string {
	return []string{"/", "/appointments", fmt.Sprintf("/appointments/%d", d.Huber), fmt.Sprintf("/appointments/%d", d.Landline), fmt.Sprintf("/appointments/%d", d.Gone),
		"/templates", "/templates/new", fmt.Sprintf("/templates/%d", d.Template), "/messages", "/messages/1", "/messages/replies", "/messages/statuses", "/settings", "/settings/retention", "/settings/sending",
		"/calendars", fmt.Sprintf("/calendars/%d", d.Keller.ID),
		"/profile", "/profile/security", "/users", "/accounts", "/tokens", "/audit", "/settings/support", "/nowhere"}
}

var (
	rawKey   = regexp.MustCompile(`\b(?:billing|why|rejected|trouble|reminder|status|reason|what|field|advice|appointments|dashboard|steps|chart|calendars|rules|settings|retention|sending|unsubscribe|kind|origin|optout|templates|messages|problem|nav|event|placeholder|preview|profile|security|passkey|totp|recovery|users|accounts|tokens|scope|audit|consent|support|review|admin|role|register|organisation|account|sent|confirm|forgot|reset|invite|email|code|mail|dev|desk)\.[a-z_]+(?:\.[a-z_]+)*\b`)
	noScript = regexp.MustCompile(`(?i)<[^>]*\s(?:style|on[a-z]+)\s*=|<script[^>]*>\s*[^<\s]|<style`)
	tags     = regexp.MustCompile(`(?s)<head>.*?</head>|<[^>]*>`)
	ids      = regexp.MustCompile(`\sid="([^"]*)"`)
)

// TestPages_Soundness: in every language, every page has words for all it says, no
// inline script or style (the policy would block it), no id twice, one h1.
func TestPages_Soundness(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, lang := range []string{"de", "fr", "it", "en"} {
		d.exec(`UPDATE users SET language = $2 WHERE account_id = $1`, d.ID, lang)
		for _, path := range d.everyPage() {
			a := d.get(path)
			sound(t, lang, path, a)
		}
	}
}

// sound checks a page: its language, words for all it says, no inline script or style, one
// h1, no id twice, the headers.
func sound(t *testing.T, lang, path string, a answer) {
	t.Helper()
	if !strings.Contains(a.body, `<html lang="`+lang+`">`) {
		t.Errorf("%s %s: not in the language of the user", lang, path)
	}
	if key := rawKey.FindString(tags.ReplaceAllString(a.body, " ")); key != "" {
		t.Errorf("%s %s shows the raw key %q", lang, path, key)
	}
	if bad := noScript.FindString(a.body); bad != "" {
		t.Errorf("%s: inline script or style: %q", path, bad)
	}
	if n := strings.Count(a.body, "<h1"); n != 1 {
		t.Errorf("%s has %d h1", path, n)
	}
	seen := map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(a.body, -1) {
		if seen[m[1]] {
			t.Errorf("%s has the id %q twice", path, m[1])
		}
		seen[m[1]] = true
	}
	if got := a.header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'; script-src 'self'; style-src 'self'") {
		t.Errorf("%s: policy %q", path, got)
	}
	if got := a.header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
		t.Errorf("%s: Referrer-Policy is %q", path, got)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", path, name, got, want)
		}
	}
}

var hrefs = regexp.MustCompile(`\s(?:href|src)="(/[^"#]*)[^"]*"`)

// TestPages_EveryRoute opens each page the router knows, as everybody it is for and in every
// language: it is there and sound, and no link on it leads to nothing, or to where one may
// not go.
func TestPages_EveryRoute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	things := d.belongings()
	d.consent()
	acting := s.operator(accounts.Support)
	if a := s.do(acting, "POST", fmt.Sprintf("/admin/support/%d/enter", d.ID), url.Values{}, nil); a.status != http.StatusSeeOther {
		t.Fatalf("enter: %d", a.status)
	}
	if _, err := s.server.Accounts.AddOperator(context.Background(), accounts.NewOperator{Email: "bare@rappel.test", Role: accounts.BillingAdmin, Password: password, Language: "de"}); err != nil {
		t.Fatal(err)
	}
	visitors := []visitor{
		{"owner", roleOwner, d.client}, {"staff", roleStaff, d.user("staff@example.com", "staff")}, {"billing contact", roleBilling, d.user("money@example.com", "billing")},
		{"billing admin", roleBillingAdmin, s.operator(accounts.BillingAdmin)}, {"reviewer", roleReviewer, s.operator(accounts.Reviewer)},
		{"support in the clinic", roleSupport | roleActing, acting}, {"operator without a second factor", roleBare, s.logIn("bare@rappel.test")}, {"nobody", anybody, s.stranger()},
	}
	if a := s.do(s.stranger(), "POST", "/forgot", url.Values{"email": {"praxis.am.see@example.com"}}, nil); a.status >= 400 {
		t.Fatalf("forgot: %d", a.status)
	}
	mails, err := s.box.Latest(context.Background(), 1)
	if err != nil || len(mails) != 1 {
		t.Fatalf("mails %v, %v", mails, err)
	}
	things["/dev/mail/"] = mails[0].ID
	for _, tag := range accounts.Languages {
		lang := tag.String()
		s.exec(`UPDATE users SET language = $1`, lang)
		s.exec(`UPDATE operators SET language = $1`, lang)
		opened := 0
		for _, v := range visitors {
			followed := map[string]bool{}
			for _, rt := range s.server.routes() {
				if !strings.HasPrefix(rt.pattern, "GET ") || rt.access&v.roles == 0 || strings.HasPrefix(rt.pattern, "GET /connect/") {
					continue
				}
				_, path := filledWith(t, rt, things)
				a := s.do(v.client, http.MethodGet, path, nil, map[string]string{"Accept-Language": lang})
				// A link of a letter nobody wrote, and a code nobody was asked for.
				none := strings.Contains(rt.pattern, "{token}") && a.status == http.StatusNotFound || path == "/login/code" && a.status == http.StatusSeeOther
				if a.status != http.StatusOK && !none {
					t.Errorf("%s %s as %s: %d to %q", lang, path, v.name, a.status, a.header.Get("Location"))
					continue
				}
				if path == "/login/code" {
					continue
				}
				opened++
				if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					if len(a.body) == 0 {
						t.Errorf("%s is empty", path)
					}
					continue
				}
				sound(t, lang, path, a)
				if lang != "de" {
					continue // they lead to the same
				}
				for _, m := range hrefs.FindAllStringSubmatch(a.body, -1) {
					to := unescaped(m[1])
					if followed[to] || strings.HasPrefix(to, "/connect/") {
						continue
					}
					followed[to] = true
					if b := s.do(v.client, http.MethodGet, to, nil, nil); b.status != http.StatusOK && b.status != http.StatusSeeOther {
						t.Errorf("%s as %s leads to %s: %d", path, v.name, to, b.status)
					}
				}
			}
		}
		if opened < 150 {
			t.Errorf("%s: only %d pages: has the list of routes changed its shape?", lang, opened)
		}
	}
}

// TestWhy_EveryReason shows each reason a verdict or a reminder can have, in the list
// and on the page of the appointment, in every language.
func TestWhy_EveryReason(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, lang := range []string{"de", "fr", "it", "en"} {
		d.exec(`UPDATE users SET language = $2 WHERE account_id = $1`, d.ID, lang)
		for _, reason := range reminders.Reasons() {
			d.exec(`UPDATE verdicts SET reason = $3, rejected = 'digit_missing' WHERE account_id = $1 AND event_id = $2`, d.ID, d.None, reason)
			d.exec(`UPDATE reminders SET status = 'skipped', reason = $3 WHERE account_id = $1 AND event_id = $2`, d.ID, d.Huber, reason)
			words := d.server.words.say(lang, "why."+string(reason))
			do := d.server.words.say(lang, "why."+string(reason)+".do")
			list := unescaped(d.page("/appointments"))
			if n := strings.Count(list, words); n < 2 {
				t.Errorf("%s: the list has %q %d times, want it for the verdict and for the reminder", lang, words, n)
			}
			for _, id := range []int64{d.None, d.Huber} {
				if page := unescaped(d.page(fmt.Sprintf("/appointments/%d", id))); !strings.Contains(page, words) || !strings.Contains(page, do) {
					t.Errorf("%s %s: the page of appointment %d lacks %q or %q", lang, reason, id, words, do)
				}
			}
		}
	}
}

func unescaped(s string) string {
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&#43;", "+", "&amp;", "&").Replace(s)
}

var (
	tileNumber = regexp.MustCompile(`<a class="tile" id="(tile-[a-z]+)" href="([^"]+)"><b>(\d+)</b>`)
	dayNumber  = regexp.MustCompile(`<li><a href="([^"]+)"><span>[^<]*</span>\s*<b class="num">(\d+) `)
	// A list by sending says how many reminders it shows beside how many appointments.
	sendingTotal = regexp.MustCompile(`id="total">(\d+) Erinnerung`)
	barNumber    = regexp.MustCompile(`<a class="bar" href="([^"]+)" aria-label="[^"]*: (\d+) `)
)

// TestDashboard_NumbersAreTheirRows follows every number to the rows it counts.
func TestDashboard_NumbersAreTheirRows(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	second := d.rule(d.Keller, d.Template)
	d.exec(`UPDATE rules SET kind = 'hours_before', amount = 2, at_time = '' WHERE id = $1`, second)
	d.replan()
	page := d.page("/")
	rows := func(href string) string {
		list := d.page(strings.ReplaceAll(href, "&amp;", "&"))
		if m := sendingTotal.FindStringSubmatch(list); m != nil { // an appointment may have several
			return m[1]
		}
		return fmt.Sprint(strings.Count(list, "data-message=") + strings.Count(list, "data-appointment="))
	}
	tiles := tileNumber.FindAllStringSubmatch(page, -1)
	want := map[string]string{"tile-planned": "6", "tile-today": "1", "tile-delivered": "3", "tile-failed": "1", "tile-number": "3"}
	if len(tiles) != len(want) {
		t.Fatalf("%d tiles, want %d", len(tiles), len(want))
	}
	for _, m := range tiles {
		if m[3] != want[m[1]] {
			t.Errorf("%s says %s, want %s", m[1], m[3], want[m[1]])
		}
		if got := rows(m[2]); got != m[3] {
			t.Errorf("%s says %s, its link %s shows %s", m[1], m[3], m[2], got)
		}
	}
	days := dayNumber.FindAllStringSubmatch(page, -1)
	if len(days) != 2 {
		t.Fatalf("%d days, want today and tomorrow", len(days))
	}
	for _, m := range days {
		if got := rows(m[1]); got != m[2] {
			t.Errorf("a day says %s, its link %s shows %s", m[2], m[1], got)
		}
	}
	bars := barNumber.FindAllStringSubmatch(page, -1)
	if len(bars) != chartDays {
		t.Fatalf("%d bars, want %d", len(bars), chartDays)
	}
	for _, m := range bars {
		if got := rows(m[1]); got != m[2] {
			t.Errorf("a bar says %s, its link %s shows %s", m[2], m[1], got)
		}
	}
}

func TestDashboard_FirstSteps(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Neue Praxis")
	done := func() string {
		page := c.page("/")
		var all []string
		for _, name := range []string{"connect", "pick", "template", "rule"} {
			if strings.Contains(page, `data-step="`+name+`" class="done"`) {
				all = append(all, name)
			}
		}
		return strings.Join(all, " ")
	}
	if got := done(); got != "" {
		t.Errorf("at the beginning %q is done", got)
	}
	google := c.connection("google", "praxis@example.com")
	if got := done(); got != "connect" {
		t.Errorf("connected: %q is done", got)
	}
	cal := c.calendar(google, "Dr. Keller")
	if got := done(); got != "connect pick" {
		t.Errorf("picked: %q is done", got)
	}
	template := c.template("Erinnerung")
	if got := done(); got != "connect pick template" {
		t.Errorf("template written: %q is done", got)
	}
	if page := c.page("/"); !strings.Contains(page, fmt.Sprintf(`href="/calendars/%d">Festlegen`, cal.ID)) {
		t.Error("the rule's step does not lead to the calendar")
	}
	c.rule(cal, template)
	page := c.page("/")
	if strings.Contains(page, `id="steps"`) || !strings.Contains(page, "Alles läuft") {
		t.Error("ready, but the steps are still there or nothing says that all is well")
	}
}

func TestDashboard_Troubles(t *testing.T) {
	t.Parallel()
	problems := regexp.MustCompile(`data-problem="([a-z_]+)"`)
	for _, c := range []struct {
		name string
		do   func(d *demo)
		want string
	}{
		{"the demo's own", func(d *demo) {}, "failed no_number"},
		{"connection lost, with its notice", func(d *demo) {
			d.exec(`UPDATE connections SET status = 'needs_reconnect', problem = 'grant_revoked' WHERE id = $1`, d.Google)
			d.notice("connection_needs_reconnect", "connection", d.Google)
		}, "connection_needs_reconnect failed no_number"},
		{"connection lost, no notice yet", func(d *demo) {
			d.exec(`UPDATE connections SET status = 'needs_reconnect' WHERE id = $1`, d.Google)
		}, "connection_needs_reconnect failed no_number"},
		{"calendar paused", func(d *demo) {
			d.exec(`UPDATE calendars SET status = 'paused', problem = 'forbidden' WHERE id = $1`, d.Keller.ID)
		}, "calendar_paused failed no_number"},
		{"calendar unreachable", func(d *demo) { d.notice("calendar_unreachable", "calendar", d.Keller.ID) }, "calendar_unreachable failed no_number"},
		{"missed reminders", func(d *demo) { d.notice("reminders_missed", "calendar", d.Keller.ID) }, "reminders_missed failed no_number"},
		{"not read for long", func(d *demo) {
			d.exec(`UPDATE calendars SET next_poll_at = $2 WHERE id = $1`, d.Keller.ID, monday.Add(-notReadFor-1e9))
		}, "not_read failed no_number"},
		{"rule off", func(d *demo) { d.exec(`UPDATE rules SET enabled = false WHERE id = $1`, d.Rule) }, "no_rule failed no_number"},
		{"text can't be made", func(d *demo) {
			d.exec(`UPDATE reminders SET reason = 'not_sendable' WHERE account_id = $1 AND event_id = $2`, d.ID, d.Huber)
		}, "not_sendable failed no_number"},
		{"unknown notice is left out", func(d *demo) { d.notice("of_another_version", "calendar", d.Keller.ID) }, "failed no_number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDemo(t)
			c.do(d)
			var got []string
			for _, m := range problems.FindAllStringSubmatch(d.page("/"), -1) {
				got = append(got, m[1])
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("problems %q, want %q", strings.Join(got, " "), c.want)
			}
		})
	}
}

func (c *clinic) notice(kind, what string, id int64) int64 {
	c.t.Helper()
	return c.insert(`INSERT INTO notices (account_id, kind, subject, created_at) VALUES ($1, $2, $3, $4) RETURNING id`, c.ID, kind, fmt.Sprintf("%s:%d", what, id), monday)
}

func TestNotices(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	lost := d.notice("connection_needs_reconnect", "connection", d.Google)
	missed := d.notice("reminders_missed", "calendar", d.Keller.ID)
	for _, path := range d.everyPage() {
		body := d.get(path).body
		if has := strings.Contains(body, fmt.Sprintf(`data-notice="%d"`, lost)); has != (path != "/") {
			t.Errorf("%s: banner of the lost connection shown = %v", path, has)
		}
		if strings.Contains(body, fmt.Sprintf(`data-notice="%d"`, missed)) {
			t.Errorf("%s: what is only to be known is a banner", path)
		}
	}
	if a := d.post(fmt.Sprintf("/notices/%d/dismiss", lost), url.Values{}); a.status != http.StatusNotFound {
		t.Errorf("dismissing what resolves itself: %d", a.status)
	}
	if a := d.post(fmt.Sprintf("/notices/%d/dismiss", missed), url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("dismissing: %d", a.status)
	}
	page := d.page("/")
	if strings.Contains(page, `data-problem="reminders_missed"`) || !strings.Contains(page, "Der Hinweis ist erledigt.") {
		t.Error("dismissed notice is still there, or nothing was said")
	}
	if a := d.post(fmt.Sprintf("/notices/%d/dismiss", missed), url.Values{}); a.status != http.StatusNotFound {
		t.Errorf("dismissing twice: %d", a.status)
	}
}

// TestAppointment_Moved: the piece that refreshes itself shows the new time.
func TestAppointment_Moved(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	piece := map[string]string{"X-Fragment": "1"}
	d.exec(`UPDATE events SET starts_at = $3, ends_at = $4, changed_at = $5 WHERE account_id = $1 AND id = $2`, d.ID, d.Huber, at(3, 13, 15), at(3, 13, 45), monday)
	d.replan()
	a := d.do("GET", "/appointments", nil, piece)
	if a.status != http.StatusOK || strings.Contains(a.body, "<html") || !strings.Contains(a.body, ">13:15</time>") || strings.Contains(a.body, ">09:00</time>–09:30") && !strings.Contains(a.body, "Berger") {
		t.Errorf("list: %d\n%s", a.status, a.body)
	}
	a = d.do("GET", fmt.Sprintf("/appointments/%d", d.Huber), nil, piece)
	if strings.Contains(a.body, "<html") || !strings.Contains(a.body, "13:15–13:45") || !strings.Contains(a.body, "Do 4.6., 13:15") || !strings.Contains(a.body, "Zuletzt im Kalender geändert") {
		t.Errorf("one:\n%s", a.body)
	}
	a = d.do("GET", "/", nil, piece)
	if strings.Contains(a.body, "<html") || !strings.Contains(a.body, "4. Juni, 13:15") {
		t.Errorf("dashboard:\n%s", a.body)
	}
}

// TestAppointment_Announced: who got a text for another time is told so.
func TestAppointment_Announced(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.exec(`UPDATE events SET starts_at = $3, ends_at = $4 WHERE account_id = $1 AND id = $2`, d.ID, d.Sun, at(0, 17, 0), at(0, 17, 30))
	if page := d.page(fmt.Sprintf("/appointments/%d", d.Sun)); !strings.Contains(page, "galt dem Termin Mo., 1. Juni, 15:00") {
		t.Error("nothing says that the text named another time")
	}
	d.exec(`INSERT INTO sent_ledger (account_id, recipient, starts_at, offset_key, reminder_id, message_id, claimed_at) VALUES ($1, '+41791234567', $2, 'P1DT10:00', 99, 1, $3)`,
		d.ID, at(1, 9, 0), monday)
	d.exec(`UPDATE reminders SET status = 'skipped', reason = 'already_sent' WHERE account_id = $1 AND event_id = $2`, d.ID, d.Huber)
	if page := d.page(fmt.Sprintf("/appointments/%d", d.Huber)); !strings.Contains(page, `<a href="/messages/1">Die SMS, die schon hinausging`) {
		t.Error("no link to the text that was sent already")
	}
}

func TestAppointments_Filters(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.message(0, "+41790000000", "x", monday, notify.Delivered, "")
	titles := regexp.MustCompile(`<a href="/appointments/\d+">([^<]*)</a>`)
	for _, c := range []struct{ query, want string }{
		{"", "Sommer Eva 079 444 55 66|Huber Anna 079 123 45 67|Rossi Carla|Frei Beat 044 123 45 99|Ammann (Nummer folgt)|Kontrolle|Abgesagt: Berger 079 222 33 44|Steiner 079 333 44 55|Teamferien|Dubois 06 12 34 56 78"},
		{"?show=planned", "Huber Anna 079 123 45 67|Rossi Carla|Kontrolle"},
		{"?show=number", "Frei Beat 044 123 45 99|Ammann (Nummer folgt)|Dubois 06 12 34 56 78"},
		{"?show=problems", "Frei Beat 044 123 45 99|Ammann (Nummer folgt)|Dubois 06 12 34 56 78"},
		{"?show=none", "Frei Beat 044 123 45 99|Ammann (Nummer folgt)|Abgesagt: Berger 079 222 33 44|Teamferien|Dubois 06 12 34 56 78"},
		{fmt.Sprintf("?calendar=%d", d.Meier.ID), "Kontrolle|Teamferien|Dubois 06 12 34 56 78"},
		{"?from=2026-06-02&to=2026-06-02", "Huber Anna 079 123 45 67|Rossi Carla|Frei Beat 044 123 45 99|Ammann (Nummer folgt)"},
		{"?from=2026-06-04", "Teamferien|Dubois 06 12 34 56 78"},
		{"?when=send&from=2026-06-02&to=2026-06-03", "Kontrolle"},
		{"?q=huber", "Huber Anna 079 123 45 67"},
		{"?q=ZIMMER", "Huber Anna 079 123 45 67"},
		{"?q=076+555", "Rossi Carla"},
		{"?q=%2B41765554433", "Rossi Carla"},
		{"?q=0041+76+555", "Rossi Carla"},
		{"?q=niemand", ""},
		{"?q=%25", ""},
	} {
		var got []string
		for _, m := range titles.FindAllStringSubmatch(d.page("/appointments"+c.query), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, strings.Join(got, "|"), c.want)
		}
	}
}

func TestAppointments_WrongFilters(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for query, field := range map[string]string{
		"?from=gestern": "from", "?to=2026-13-01": "to", "?from=2026-06-05&to=2026-06-01": "to", "?from=2026-01-01&to=2028-01-01": "to",
		"?show=alles": "show", "?calendar=x": "calendar", "?calendar=-1": "calendar",
	} {
		page := d.page("/appointments" + query)
		if !strings.Contains(page, `id="`+field+`-error"`) {
			t.Errorf("%s: nothing beside %s", query, field)
		}
		if !regexp.MustCompile(`id="` + field + `"[^>]*aria-invalid="true" aria-describedby="` + field + `-error"`).MatchString(page) {
			t.Errorf("%s: %s is not marked", query, field)
		}
	}
	for _, query := range []string{"?after=x", "?after=1.2.3", "?after=-1.-1", "?from=%00", "?q=%27%3B--"} {
		if a := d.get("/appointments" + query); a.status != http.StatusOK {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

// TestAppointments_Many walks a window of ten thousand, fifty to a page, many of them
// at the same instant, and exports them.
func TestAppointments_Many(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	const many = 10_000
	d.exec(`INSERT INTO events (account_id, calendar_id, instance_key, uid, starts_at, ends_at, sealed_text, first_seen_at, changed_at)
		SELECT $1, $2, 'many' || n, 'many' || n, CAST($3 AS timestamptz) + (n / 100) * interval '1 hour', CAST($3 AS timestamptz) + (n / 100 + 1) * interval '1 hour', '', $3, $3
		FROM generate_series(1, CAST($4 AS int)) AS n`, d.ID, d.Keller.ID, at(0, 12, 0), many)
	next := regexp.MustCompile(`id="next" href="([^"]+)"`)
	row := regexp.MustCompile(`data-appointment="(\d+)"`)
	seen := map[string]bool{}
	path, pages := "/appointments?from=2026-06-01&to=2026-06-30", 0
	for path != "" && pages < 5 {
		page := d.page(path)
		found := row.FindAllStringSubmatch(page, -1)
		if pages == 0 && !strings.Contains(page, "10010 Termine") {
			t.Error("the total is not said")
		}
		if len(found) != appointmentsPerPage {
			t.Fatalf("page %d has %d rows", pages, len(found))
		}
		for _, m := range found {
			if seen[m[1]] {
				t.Errorf("appointment %s is on two pages", m[1])
			}
			seen[m[1]] = true
		}
		path, pages = "", pages+1
		if m := next.FindStringSubmatch(page); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	a := d.get("/appointments/export.csv?from=2026-06-01&to=2026-06-30")
	if lines := strings.Count(a.body, "\r\n"); lines != many+10+1 {
		t.Errorf("the export has %d lines, want %d", lines, many+10+1)
	}
	// A search opens so many texts and no more at a time, and goes on where it stopped.
	page := d.page("/appointments?from=2026-06-01&to=2026-06-30&q=niemand")
	m := next.FindStringSubmatch(page)
	if m == nil || !strings.Contains(page, "Weiter suchen") {
		t.Fatal("a search over many does not offer to go on")
	}
	page = d.page(strings.ReplaceAll(m[1], "&amp;", "&"))
	m = next.FindStringSubmatch(page)
	if m == nil {
		t.Fatal("the search ended early")
	}
	if page = d.page(strings.ReplaceAll(m[1], "&amp;", "&")); next.MatchString(page) {
		t.Error("the search never ends")
	}
}

// TestCSV_FormulaSafe: nothing that a stranger writes into a calendar runs in the
// clinic's spreadsheet.
func TestCSV_FormulaSafe(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for i, title := range []string{`=HYPERLINK("http://x.example";"klick")`, "+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "\tx", "normal; mit \"Zeichen\"\nund Zeile"} {
		d.event(d.Keller, calendars.Event{Key: fmt.Sprint("f", i), Title: title, Start: at(4, 9, i)})
	}
	d.message(0, "+41790000001", "=1+1", monday, notify.Delivered, "")
	for _, path := range []string{"/appointments/export.csv", "/messages/export.csv"} {
		a := d.get(path)
		if a.status != http.StatusOK || !strings.HasPrefix(a.body, "\xef\xbb\xbf") || a.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("%s: %d %v", path, a.status, a.header)
		}
		for _, cell := range regexp.MustCompile(`[;\n]"*[=@+\t-][^;\n]*`).FindAllString(a.body, -1) {
			if !regexp.MustCompile(`^[;\n]\+\d{7,15}\r?$`).MatchString(cell) {
				t.Errorf("%s: a cell begins a formula: %q", path, cell)
			}
		}
	}
	if a := d.get("/appointments/export.csv"); !strings.Contains(a.body, `"'=HYPERLINK(""http://x.example"";""klick"")"`) {
		t.Errorf("the title is lost:\n%s", a.body)
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"Tel. 079 < 080 & Co", "Tel. 079 < 080 & Co"},
		{"a\r\nb", "a\nb"},
		{"<p>Bitte<br>Mobil: <b>078</b></p><p>Ende</p>", "Bitte\nMobil: 078\nEnde\n"},
		{"<script>alert(1)</script>x<!-- y -->", "x"},
		{"Keller &amp; Söhne &lt;b&gt;", "Keller & Söhne <b>"},
		{`<a href="tel:+41791234567">anrufen</a>`, "anrufen"},
	} {
		if got := plainText(c.in); got != c.want {
			t.Errorf("plainText(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// FuzzAppointmentTexts: whatever a calendar holds, the pieces together are the text
// as shown, and only numbers are marked.
func FuzzAppointmentTexts(f *testing.F) {
	for _, seed := range []string{"", "Huber 079 123 45 67", "<p>078 987 65 43<br>044 123 45 67</p>", "<a href=tel:+41791234567>x</a> 079 123 45 67", "&#48;79 123 45 67", "<", "\xff079\xfe", "079 123 45 67 079 123 45 67"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set := reminders.Settings{Region: "CH"}
		for _, field := range appointmentTexts(calendars.Event{Description: text}, set, reminders.Explanation{Recipient: "+41791234567"}) {
			var joined strings.Builder
			for _, p := range field.Pieces {
				joined.WriteString(p.Text)
				if p.Text == "" {
					t.Errorf("%q: an empty piece", text)
				}
			}
			if want := strings.TrimSpace(plainText(text)); joined.String() != want {
				t.Errorf("%q: pieces %q, want %q", text, joined.String(), want)
			}
		}
	})
}
