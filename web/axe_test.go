package web

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"rappel/notify"
	"rappel/web/accounts"
)

// axeScript is axe-core, which `make test` keeps in .cache. It is fetched here, too, so
// that `go test ./web` works in a fresh checkout.
func axeScript(t *testing.T) string {
	t.Helper()
	const pattern = "../.cache/axe-core-*.min.js"
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		if out, err := exec.Command("bash", "../.deploy/setup.sh", "axe").CombinedOutput(); err != nil {
			t.Fatalf("axe-core could not be fetched, `make tools-test` says more: %v\n%s", err, out)
		}
		if files, err = filepath.Glob(pattern); err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
	}
	code, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	return string(code)
}

// tab is a page of a real Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context
	dir string // where screenshots go, "" for none
}

func newTab(t *testing.T) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium on this machine; install it: apt-get install chromium (or run `make test`, which does)")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(t.TempDir()))
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil { // with no end of its own: the browser would close with it
		t.Fatalf("start the browser: %v", err)
	}
	t.Cleanup(func() {
		stop()
		stopAlloc()
	})
	b := &tab{t: t, ctx: ctx}
	if dir := os.Getenv("RAPPEL_TEST_ARTEFACTS"); dir != "" {
		b.dir = filepath.Join(dir, t.Name())
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// js returns what a script, or the promise it makes, comes to.
func js[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("script: %v", err)
	}
	return v
}

// logIn logs the tab in as somebody of c.
func (b *tab) logIn(c *clinic, email string) {
	b.t.Helper()
	b.do(chromedp.Navigate(c.http.URL + "/login"))
	b.submit(map[string]string{"email": email, "password": password})
}

// submit fills the fields of the first form in main and sends it.
func (b *tab) submit(fields map[string]string) {
	b.t.Helper()
	data, err := json.Marshal(fields)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => { const f = document.querySelector("main form"); f.noValidate = true;
		for (const [name, value] of Object.entries(%s)) f.elements[name].value = value; f.dataset.sent = "1"; f.submit(); })()`, data)))
	for js[bool](b, `document.readyState !== "complete" || document.querySelector("form[data-sent]") !== null`) {
		time.Sleep(20 * time.Millisecond) // between looks; nothing depends on its length
	}
}

func (b *tab) look(scheme string, width int64) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	}), chromedp.EmulateViewport(width, 900))
}

// violation is something axe-core found, at one element.
type violation struct{ Rule, Impact, Help, At, Why string }

const axeRun = `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => ({Rule: v.id, Impact: v.impact, Help: v.help, At: n.html.slice(0, 300), Why: n.failureSummary}))))`

// pageState is a page, or what it says to a form that was sent there.
type pageState struct {
	name, path string
	form       map[string]string
}

// sweep has axe look at pages, light and dark, wide and narrow.
func (b *tab) sweep(script, base string, states []pageState) {
	b.t.Helper()
	for _, s := range states {
		b.do(chromedp.Navigate(base + s.path))
		if s.form != nil {
			b.submit(s.form)
		}
		b.do(chromedp.Evaluate[chromedp.Void](script), chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(e => e.open = true)`))
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 360} {
				b.look(scheme, width)
				where := fmt.Sprintf("%s at %d px, %s", s.name, width, scheme)
				for _, v := range js[[]violation](b, axeRun) {
					b.t.Errorf("%s: %s (%s): %s\n\t%s\n\t%s", where, v.Rule, v.Impact, v.Help, v.At, strings.ReplaceAll(v.Why, "\n", "\n\t"))
				}
				if over := js[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					b.t.Errorf("%s is %d px wider than the screen", where, over)
				}
				if b.dir != "" {
					b.shot(fmt.Sprintf("%s-%d-%s", s.name, width, scheme))
				}
			}
		}
	}
}

// TestAccessibility has axe-core look at every page in a real browser, light and dark, on
// a wide screen and a small phone, and at what pages say about wrong input. With
// RAPPEL_TEST_ARTEFACTS set, each is kept as a picture.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	d := newDemo(t)
	d.exec(`INSERT INTO inbound (account_id, carrier, carrier_message_id, sender, recipient, body, message_id, action, received_at)
		VALUES ($1, 'sandbox', 'mo-1', '+41794445566', 'PraxisSee', 'STOP', 1, 'opt_out', $2)`, d.ID, at(0, 8, 45))
	unanswered := d.waiting(notify.ReasonUnanswered)
	fresh := d.clinic.site.clinic("Neue Praxis")
	b := newTab(t)

	type state = pageState
	sweep := func(states []state) { b.sweep(script, d.http.URL, states) }
	d.belongings()
	d.consent()
	invitation, err := d.server.Accounts.ByEmail(context.Background(), "praxis.am.see@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.server.Accounts.Invite(context.Background(), accounts.NewInvitation{AccountID: d.ID, Email: "gast@example.com", Role: "staff", Language: "de", By: invitation}, "c"); err != nil {
		t.Fatal(err)
	}
	mails, err := d.box.Latest(context.Background(), 1)
	if err != nil || len(mails) != 1 {
		t.Fatalf("mails %v, %v", mails, err)
	}
	invite := strings.TrimPrefix(firstLink.FindString(mails[0].Mail.Text), "http://rappel.test")
	sweep([]state{{"login", "/login", nil}, {"login_wrong", "/login", map[string]string{"email": "x@example.com", "password": "falsch"}},
		{"register", "/register", nil}, {"register_wrong", "/register", map[string]string{"email": "x"}}, {"terms", "/terms", nil}, {"privacy", "/privacy", nil}, {"forgot", "/forgot", nil}, {"forgot_sent", "/forgot", map[string]string{"email": "x@example.com"}},
		{"invite", invite, nil}, {"invite_wrong", invite, map[string]string{"name": "", "password": "kurz"}}, {"link_used", "/confirm/x", nil},
		{"dev_mails", "/dev/mail", nil}, {"dev_mail", fmt.Sprintf("/dev/mail/%d", mails[0].ID), nil}})
	b.logIn(fresh, "neue.praxis@example.com")
	sweep([]state{{"fresh_dashboard", "/", nil}, {"fresh_messages", "/messages", nil}, {"fresh_replies", "/messages/replies", nil}, {"fresh_calendars", "/calendars", nil}})
	out := func() {
		b.do(chromedp.Navigate(d.http.URL + "/profile"))
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("form[action='/logout']").submit()`))
		for js[string](b, `location.pathname`) != "/login" {
			time.Sleep(20 * time.Millisecond) // between looks; nothing depends on its length
		}
	}
	out()
	for _, o := range []struct {
		role   string
		states []state
	}{
		{accounts.BillingAdmin, []state{{"admin", "/admin", nil}, {"admin_mails", "/admin/mails", nil}, {"admin_audit", fmt.Sprintf("/admin/audit?account=%d", d.ID), nil}, {"operator_profile", "/profile", nil}}},
		{accounts.Reviewer, []state{{"review", "/admin/review", nil}}},
		{accounts.Support, []state{{"support", "/admin/support", nil}}},
	} {
		if _, err := d.server.Accounts.AddOperator(context.Background(), accounts.NewOperator{Email: o.role + "@rappel.test", Name: "Olga", Role: o.role, Password: password, Language: "de"}); err != nil {
			t.Fatal(err)
		}
		b.logIn(d.clinic, o.role+"@rappel.test")
		if o.role == accounts.BillingAdmin {
			sweep([]state{{"bare", "/profile/security", nil}})
		}
		d.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = $1`, o.role+"@rappel.test")
		sweep(o.states)
		out()
	}
	b.logIn(d.clinic, "praxis.am.see@example.com")
	states := []state{
		{"messages_wrong", "/messages?period=range&from=x&to=y&status=NOPE&kind=z&origin=q&recipient=1", nil},
		{"messages_chosen", "/messages?status=DELIVERED&status=NOT_DELIVERED&q=Freitag", nil},
		{"message_unanswered", fmt.Sprintf("/messages/%d", unanswered), nil},
		{"appointments_wrong", "/appointments?from=x&show=alles&calendar=x", nil},
		{"settings_wrong", "/settings", map[string]string{"business": "", "zone": "Mars", "min_lead_minutes": "-1", "quiet_from": "25:00", "region": "ZZ", "sender": "viel zu langer Absender"}},
		{"retention_wrong", "/settings/retention", map[string]string{"messages": "1", "replies": "x"}},
		{"retention_sure", "/settings/retention", map[string]string{"messages": "7", "replies": ""}},
		{"template_wrong", "/templates/new", map[string]string{"name": "", "text_de": "{nichts}"}},
	}
	for _, path := range d.everyPage() {
		states = append(states, state{strings.ReplaceAll("page"+path, "/", "_"), path, nil})
	}
	sweep(states)
}

// shot keeps a picture of the whole page.
func (b *tab) shot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Minute)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatalf("screenshot %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
