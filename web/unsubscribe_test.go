package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/links"
)

// link makes the unsubscribe page work and returns the path of recipient's.
func (c *clinic) link(recipient string) string {
	c.t.Helper()
	c.server.Unsubscriber = notify.NewUnsubscriber(c.owner, notify.NewOutbox(c.clock.now))
	l, err := links.New("rpl.ch/u", []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		c.t.Fatal(err)
	}
	var made []string
	if err := migrations.InAccount(context.Background(), c.owner, c.ID, func(tx *sqlx.Tx) (err error) {
		made, err = l.KeepTx(context.Background(), tx, []links.Person{{AccountID: c.ID, Recipient: recipient}}, c.clock.now())
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	_, path, _ := strings.Cut(made[0], "/")
	return "/" + path
}

func (c *clinic) optOuts(recipient string) (sources []string) {
	c.t.Helper()
	if err := c.owner.Select(&sources, `SELECT source FROM opt_outs WHERE account_id = $1 AND recipient = $2`, c.ID, recipient); err != nil {
		c.t.Fatal(err)
	}
	return sources
}

// Looking changes nothing, however often programs look; the button does, once or more.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	const number = "+41791234567"
	path, other := c.link(number), c.link("+41791234568")
	somebody := c.stranger()
	do := func(method, path string, header map[string]string) answer {
		t.Helper()
		return c.site.do(somebody, method, path, nil, header)
	}
	for _, method := range []string{"GET", "HEAD", "GET"} {
		if a := do(method, path, nil); a.status != http.StatusOK || a.header.Get("Referrer-Policy") != "no-referrer" ||
			a.header.Get("X-Robots-Tag") != "noindex, nofollow" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v", method, a.status, a.header)
		}
	}
	if got := c.optOuts(number); len(got) != 0 {
		t.Fatalf("a look opted out: %v", got)
	}
	for _, lang := range []string{"de", "fr", "it", "en"} {
		ask := do("GET", path, map[string]string{"Accept-Language": lang}).body
		golden(t, "unsubscribe."+lang, ask)
		if strings.Contains(ask, "123 45 67") || strings.Contains(ask, "1234567") {
			t.Errorf("%s: the page shows the number", lang)
		}
	}
	if a := do("POST", path, map[string]string{"Sec-Fetch-Site": "cross-site"}); a.status != http.StatusForbidden || len(c.optOuts(number)) != 0 {
		t.Errorf("from another site: %d, %v", a.status, c.optOuts(number))
	}
	for range 2 {
		if a := do("POST", path+"-", nil); a.status != http.StatusSeeOther || a.header.Get("Location") != path+"-" {
			t.Errorf("POST: %d to %q", a.status, a.header.Get("Location"))
		}
	}
	if got := c.optOuts(number); len(got) != 1 || got[0] != notify.SourcePage {
		t.Errorf("opted out %v, want once by the page", got)
	}
	golden(t, "unsubscribed", do("GET", path+"-", nil).body)
	if got := c.optOuts("+41791234568"); len(got) != 0 {
		t.Errorf("somebody else was opted out: %v", got)
	}
	// Whoever is logged in sees what a stranger sees.
	if a, b := do("GET", other, map[string]string{"Accept-Language": "de"}).body, c.page(other); a != b {
		t.Error("the page differs for the clinic")
	}
	for _, bad := range []string{"/u/0000000000", "/u/-", "/u/x", "/u/" + strings.Repeat("a", 300), path[:len(path)-1], "/u/%00%ff0000000"} {
		for _, method := range []string{"GET", "POST"} {
			if a := do(method, bad, nil); a.status != http.StatusNotFound {
				t.Errorf("%s %s: %d, want 404", method, bad, a.status)
			}
		}
	}
	c.server.Unsubscriber = nil
	if a := do("GET", path, nil); a.status != http.StatusNotFound {
		t.Errorf("without links: %d, want 404", a.status)
	}
}

func TestMaskedPhone(t *testing.T) {
	for number, want := range map[string]string{
		"+41791234567": "+41 •• ••• •• 67", "+33612345678": "+33 • •• •• •• 78", "+4237912345": "+423 ••• •• 45", "+12125552345": "+1 •••-•••-••45",
	} {
		if got := strings.ReplaceAll(maskedPhone(number), "\u00a0", " "); got != want {
			t.Errorf("maskedPhone = %q, want %q", got, want)
		}
	}
}

// TestUnsubscribe_look has axe-core look at the page as people see it on their phone.
func TestUnsubscribe_look(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	c := newSite(t).clinic("Zahnarztpraxis Dr. Weissenberger")
	path := c.link("+41791234567")
	b := newTab(t)
	for _, name := range []string{"ask", "done"} {
		b.do(chromedp.Navigate(c.http.URL + path))
		if name == "done" {
			b.submit(map[string]string{})
		}
		b.do(chromedp.Evaluate[chromedp.Void](script))
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 360} {
				b.look(scheme, width)
				where := fmt.Sprintf("%s at %d px, %s", name, width, scheme)
				for _, v := range js[[]violation](b, axeRun) {
					t.Errorf("%s: %s (%s): %s\n\t%s", where, v.Rule, v.Impact, v.Help, v.At)
				}
				if over := js[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s is %d px wider than the screen", where, over)
				}
				if b.dir != "" {
					b.shot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
				}
			}
		}
	}
}
