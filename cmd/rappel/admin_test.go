package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"rappel/calendars/billing"
	"rappel/calendars/billing/stripe"
)

// desk is the billing admin of a running product, in a browser without pictures.
type desk struct {
	*testing.T
	run     *devRun
	client  *http.Client
	account int64 // the demo clinic
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, run: startDev(t, devCmd{now: time.Now})}
	jar, err := cookiejar.New(nil)
	d.ok(err)
	d.client = &http.Client{Jar: jar}
	d.send("/login", url.Values{"email": {demoOperators[0]}, "password": {demoPassword}}, http.StatusOK)
	d.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = $1`, demoOperators[0]) // else the first page is that of the second factor
	d.account = d.one(`SELECT account_id FROM logins WHERE email = $1`, demoEmail)
	return d
}

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) exec(query string, args ...any) {
	d.Helper()
	_, err := d.run.App.pools.owner.Exec(query, args...)
	d.ok(err)
}

func (d *desk) one(query string, args ...any) (n int64) {
	d.Helper()
	d.ok(d.run.App.pools.owner.Get(&n, query, args...))
	return n
}

// until waits for what a worker of the running product does; nothing depends on how long.
func (d *desk) until(query string, args ...any) {
	d.Helper()
	for d.one(query, args...) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *desk) read(res *http.Response, err error) (status int, body string) {
	d.Helper()
	d.ok(err)
	text, err := io.ReadAll(res.Body)
	d.ok(err)
	d.ok(res.Body.Close())
	return res.StatusCode, string(text)
}

// send sends a form and follows where it leads.
func (d *desk) send(path string, form url.Values, want int) (body string) {
	d.Helper()
	status, body := d.read(d.client.PostForm(d.run.BaseURL+path, form))
	if status != want {
		d.Fatalf("POST %s: %d, want %d\n%s", path, status, want, body)
	}
	return body
}

var deskHidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

func deskFields(page string) url.Values {
	form := url.Values{}
	for _, m := range deskHidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// order opens an action, fills it in, sees that the preview says all of says, and confirms
// it twice: the second time changes nothing. It returns the page of the first.
func (d *desk) order(path string, values url.Values, want int, says ...string) string {
	d.Helper()
	status, page := d.read(d.client.Get(d.run.BaseURL + path))
	if status != http.StatusOK {
		d.Fatalf("GET %s: %d\n%s", path, status, page)
	}
	path, _, _ = strings.Cut(path, "?")
	form := deskFields(page)
	for name, v := range values {
		form[name] = v
	}
	form.Set("step", "preview")
	if nothing := d.send(path, form, http.StatusUnprocessableEntity); strings.Contains(nothing, "data-preview") {
		d.Errorf("%s is shown without a reason", path)
	}
	form.Set("reason", "Anruf vom Montag")
	preview := d.send(path, form, http.StatusOK)
	for _, s := range append(says, "data-preview", "Anruf vom Montag") {
		if !strings.Contains(preview, s) {
			d.Errorf("the preview of %s doesn't say %q:\n%s", path, s, preview)
		}
	}
	form = deskFields(preview)
	form.Set("step", "do")
	done := d.send(path, form, want)
	d.send(path, form, http.StatusOK)
	return done
}

// card has the clinic leave a card that behaves so, as the one invoices are charged to.
func (d *desk) card(behaves string) {
	d.Helper()
	had := d.one(`SELECT count(*) FROM payment_methods WHERE account_id = $1`, d.account)
	page, err := d.run.App.money.stripe.StoreMethod(context.Background(), d.account, behaves, stripe.Back{Done: "/healthz", Cancel: "/healthz"})
	d.ok(err)
	if status, _ := d.read(http.PostForm(page, url.Values{"with": {"card:" + behaves}})); status != http.StatusOK {
		d.Fatalf("the page leads to %d", status)
	}
	d.until(`SELECT CAST(count(*) > $2 AS int) FROM payment_methods WHERE account_id = $1`, d.account, had)
	d.ok(d.run.App.money.stripe.SetStandard(context.Background(), d.account, d.one(`SELECT max(id) FROM payment_methods WHERE account_id = $1`, d.account)))
}

// wantAudit looks for an order, and for it in the log it belongs in.
func (d *desk) wantAudit(action, status string, count int64) {
	d.Helper()
	if n := d.one(`SELECT count(*) FROM admin_actions WHERE action = $1 AND status = $2 AND reason = 'Anruf vom Montag'`, action, status); n != count {
		d.Errorf("%d orders to %s are %s, want %d", n, action, status, count)
	}
	if status != "done" {
		count = 0
	}
	if n := d.one(`SELECT (SELECT count(*) FROM audit WHERE account_id = $1 AND action = $2 AND reason = 'Anruf vom Montag' AND actor_kind = 'operator')
		+ (SELECT count(*) FROM operator_audit WHERE action = $2 AND reason = 'Anruf vom Montag')`, d.account, "billing."+action); n != count {
		d.Errorf("%d rows in the logs about %s, want %d", n, action, count)
	}
}

// What the billing admin does with cards, in the running product: a charge that is
// declined and one that isn't, a refund to the card, an event that is worked on again.
// Each is shown before, has a reason, happens once and is in the log.
func TestAdmin_cards(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	ctx := context.Background()
	if open := d.one(`SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'CHF' AND name = 'receivable'`, d.account); open > 0 {
		_, err := d.run.App.billing.GiveCredit(ctx, billing.Correction{Account: d.account, Key: "clear", Actor: "operator:1", Reason: "Probe"}, open) // else what is credited below pays that
		d.ok(err)
	}
	made, err := d.run.App.billing.Invoice(ctx, billing.Correction{Account: d.account, Key: "test", Actor: "operator:1", Reason: "Probe"},
		[]billing.BillLine{{Kind: billing.LineManual, Text: "Schulung", Quantity: 1, Net: 3000}})
	d.ok(err)
	clinic := fmt.Sprintf("/admin/billing/clinics/%d", d.account)
	invoice := fmt.Sprintf("%s/invoices/%d", clinic, made.Document)
	paid := func() int64 {
		t.Helper()
		return d.one(`SELECT count(*) FROM payments WHERE account_id = $1 AND provider = 'stripe' AND kind = 'payment' AND amount = 3243`, d.account)
	}

	d.card("declines")
	if page := d.order(invoice+"/charge", nil, http.StatusUnprocessableEntity, "Visa •••• 0341", "32.43"); !strings.Contains(page, "abgelehnt") {
		t.Errorf("a declined charge says\n%s", page)
	}
	d.wantAudit("charge", "refused", 1)
	if paid() != 0 {
		t.Error("it was paid all the same")
	}

	d.card("succeeds")
	if page := d.order(invoice+"/charge", nil, http.StatusOK, "Visa •••• 4242", "32.43"); !strings.Contains(page, "insufficient_funds") {
		t.Errorf("the invoice doesn't say why its first charge failed\n%s", page)
	}
	d.wantAudit("charge", "done", 1)
	if paid() != 1 {
		t.Errorf("%d payments, want one", paid())
	}

	_, err = d.run.App.billing.Credit(ctx, billing.Correction{Account: d.account, Key: "credit", Actor: "operator:1", Reason: "Probe"}, made.Document, nil)
	d.ok(err)
	d.order(clinic+"/refund", url.Values{"amount": {"20.00"}, "way": {"original"}}, http.StatusOK, "20.00", "12.43")
	d.wantAudit("refund", "done", 1)
	if n := d.one(`SELECT count(*) FROM payments WHERE account_id = $1 AND provider = 'stripe' AND kind = 'refund' AND amount = 2000`, d.account); n != 1 {
		t.Errorf("%d refunds in the books, want one", n)
	}
	d.until(`SELECT count(*) FROM webhook_events WHERE kind = 'refund.created' AND processed_at IS NOT NULL`) // so it went to the card

	intent := new(string)
	d.ok(d.run.App.pools.owner.Get(intent, `SELECT provider_ref FROM payments WHERE account_id = $1 AND provider = 'stripe' AND kind = 'payment' AND amount = 3243`, d.account))
	d.exec(`INSERT INTO webhook_events (provider, webhook_id, kind, object_id, payload, received_at, attempts, error) VALUES ('stripe', 'evt_stuck', 'payment_intent.succeeded', CAST($1 AS text),
		CAST(format('{"id":"evt_stuck","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"%s","object":"payment_intent"}}}', CAST($1 AS text)) AS jsonb), now(), 10, 'no answer')`, *intent)
	d.order("/admin/billing/webhook/retry-event?item=evt_stuck", nil, http.StatusOK, "evt_stuck")
	d.wantAudit("retry-event", "done", 1)
	d.until(`SELECT count(*) FROM webhook_events WHERE webhook_id = 'evt_stuck' AND processed_at IS NOT NULL`)
	if n := d.one(`SELECT count(*) FROM webhook_events WHERE error <> ''`); n != 0 || paid() != 1 {
		t.Errorf("%d events fail, %d payments", n, paid())
	}
}
