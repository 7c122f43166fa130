package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
	"rappel/notify/credits"
)

// till is a Cashier whose pages nobody opens.
type till struct {
	mu    sync.Mutex
	asked []string // what pages were made for
	means map[int64][]Means
	fails error
}

func (c *till) Origin() string { return "https://pay.test" }

func (c *till) page(what string, key string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails != nil {
		return "", c.fails
	}
	c.asked = append(c.asked, what)
	return "https://pay.test/" + key, nil
}

func (c *till) PayOrder(_ context.Context, r payments.Ref, back Return) (string, error) {
	return c.page(fmt.Sprintf("order %d of %d, then %s", r.Order, r.Account, back.Done), fmt.Sprint("order-", r.Order))
}

func (c *till) PayInvoice(_ context.Context, t payments.Target, key string, back Return) (string, error) {
	return c.page(fmt.Sprintf("invoice %d of %d, then %s", t.Invoice, t.Account, back.Done), key)
}

func (c *till) StoreMethod(_ context.Context, account int64, key string, back Return) (string, error) {
	return c.page(fmt.Sprintf("method of %d, then %s", account, back.Done), key)
}

func (c *till) Methods(_ context.Context, account int64) ([]Means, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Means(nil), c.means[account]...), nil
}

func (c *till) change(account, method int64, do func(i int)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.means[account] {
		if m.ID == method {
			do(i)
			return nil
		}
	}
	return ErrNoMethod
}

func (c *till) SetStandard(_ context.Context, account, method int64) error {
	return c.change(account, method, func(at int) {
		for i := range c.means[account] {
			c.means[account][i].Standard = i == at
		}
	})
}

func (c *till) Remove(_ context.Context, account, method int64) error {
	return c.change(account, method, func(i int) { c.means[account] = append(c.means[account][:i:i], c.means[account][i+1:]...) })
}

// purseGranter brings credits as cmd/rappel does.
type purseGranter struct{ purse *credits.Credits }

func (g purseGranter) GrantTx(ctx context.Context, tx *sqlx.Tx, what billing.Grant) error {
	grant := credits.Grant{Account: what.Account, Key: what.Key, Source: credits.Source(what.Source), Credits: what.Credits}
	if !what.ExpiresOn.IsZero() {
		y, m, d := what.ExpiresOn.Civil()
		grant.ExpiresOn = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return g.purse.GrantTx(ctx, tx, grant)
}

// openBooks wires money as cmd/rappel does, with a till in place of a payment service.
func (s *site) openBooks() {
	s.t.Helper()
	var err error
	if s.purse, err = credits.New(credits.Config{DB: s.owner, Now: s.clock.now}); err != nil {
		s.t.Fatal(err)
	}
	s.till = &till{means: map[int64][]Means{}}
	s.books = s.booksAt(s.clock.now)
	s.desk = payments.NewDesk(payments.Config{DB: s.owner, Billing: s.books, Granter: purseGranter{s.purse}, Now: s.clock.now, Log: s.log()})
	s.exec(`UPDATE seller SET name = 'Rappel AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012'`)
}

func (s *site) booksAt(now func() time.Time) *billing.Service {
	return billing.New(billing.Config{DB: s.owner, Granter: purseGranter{s.purse}, Now: now})
}

// tx works as the owner in a transaction of the clinic.
func (c *clinic) tx(do func(ctx context.Context, tx *sqlx.Tx) error) {
	c.t.Helper()
	if err := migrations.InAccount(context.Background(), c.owner, c.ID, func(tx *sqlx.Tx) error { return do(context.Background(), tx) }); err != nil {
		c.t.Fatal(err)
	}
}

// count is a query's only number.
func (s *site) count(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.owner.Get(&n, query, args...); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// metered makes the clinic one that pays, with an address.
func (c *clinic) metered() {
	c.t.Helper()
	c.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, c.ID)
	c.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Bahnhofstrasse', '1', '8001', 'Zürich')`, c.ID)
}

// subscribe begins a plan some days ago, on invoice.
func (c *clinic) subscribe(days int, quantity int64) billing.Done {
	c.t.Helper()
	began := c.clock.now().AddDate(0, 0, -days)
	done, err := c.booksAt(func() time.Time { return began }).Do(context.Background(), billing.Command{Account: c.ID, Key: "test", Actor: billing.System,
		Change: billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: quantity, Paid: true}})
	if err != nil {
		c.t.Fatal(err)
	}
	return done
}

// paid are things of a clinic that pays.
type paid struct{ Invoice, Order, Method, Old int64 }

// pays makes a demo one that pays: a plan with a paid invoice and an open one, credits of
// each kind, usage, an order, a card.
func (d *demo) pays() paid {
	d.t.Helper()
	d.metered()
	ctx := context.Background()
	done := d.subscribe(40, 3)
	p := paid{Old: done.Documents[0], Method: 7}
	d.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := d.books.RecordPaymentTx(ctx, tx, billing.Payment{Account: d.ID, Invoice: p.Old, Provider: "bank", ProviderRef: "E1", Amount: done.Due, At: d.clock.now().AddDate(0, 0, -30)})
		return err
	})
	if _, err := d.books.Account(ctx, d.ID); err != nil {
		d.t.Fatal(err)
	}
	p.Invoice = d.count(`SELECT max(id) FROM invoices WHERE account_id = $1`, d.ID)
	for _, g := range []credits.Grant{{Key: "gift", Source: credits.Gift, Credits: 10}, {Key: "package", Source: credits.Bought, Credits: 500}} {
		g.Account = d.ID
		d.tx(func(ctx context.Context, tx *sqlx.Tx) error { return d.purse.GrantTx(ctx, tx, g) })
	}
	d.exec(`INSERT INTO credit_usage (account_id, month, country, kind, messages, segments, credits) VALUES ($1, '2026-06-01', 'CH', 1, 3, 4, 4), ($1, '2026-05-01', 'CH', 1, 120, 180, 180), ($1, '2026-05-01', 'DE', 1, 2, 2, 4)`, d.ID)
	pack := d.count(`SELECT min(id) FROM packages`)
	o, err := d.desk.Offer(ctx, payments.Wish{Account: d.ID, Key: "test order", Package: pack, Method: payments.Bank, By: "user:1"})
	if err != nil {
		d.t.Fatal(err)
	}
	p.Order = o.ID
	d.till.means[d.ID] = []Means{{ID: p.Method, Label: "Visa •••• 4242", Expires: "2027-08", Standard: true}, {ID: 8, Label: "PayPal"}}
	d.page(fmt.Sprintf("/billing/invoices/%d/document.pdf", p.Invoice)) // notes its hash once
	return p
}

// billingPages are all of them.
func (p paid) pages() []string {
	return []string{"/billing", "/billing/plan", "/billing/plan?do=quantity&quantity=5", "/billing/plan?do=interval", "/billing/plan?do=cancel", "/billing/address", "/billing/invoices", "/billing/invoices?q=nichts",
		fmt.Sprintf("/billing/invoices/%d", p.Invoice), fmt.Sprintf("/billing/invoices/%d", p.Old), "/billing/methods", "/billing/credits", "/billing/credits/history", fmt.Sprintf("/billing/orders/%d", p.Order)}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// form reads the hidden fields of the form that is sent to action.
func form(t testing.TB, page, action string) url.Values {
	t.Helper()
	at := strings.Index(page, `action="`+action+`"`)
	if at < 0 {
		t.Fatalf("no form for %s in\n%s", action, page)
	}
	end := strings.Index(page[at:], "</form>")
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page[at:at+end], -1) {
		v.Add(m[1], unescaped(m[2]))
	}
	return v
}

const planForms = `method="post" action="/billing/plan"`

// confirmForm is the form that confirms what a page of the plan shows.
func (c *clinic) confirmForm(path string) url.Values {
	c.t.Helper()
	page := c.page(path)
	at := strings.Index(page, planForms)
	if at < 0 {
		c.t.Fatalf("%s: nothing to confirm:\n%s", path, page)
	}
	return form(c.t, page[at:], "/billing/plan")
}

// money is all that a clinic was billed, in Rappen.
func (c *clinic) money() int64 {
	c.t.Helper()
	return c.count(`SELECT COALESCE(sum(CASE kind WHEN 'invoice' THEN total ELSE -total END), 0) FROM invoices WHERE account_id = $1`, c.ID)
}

// TestPlan_Change: what is confirmed is what was shown, once, and nothing where it isn't
// what was shown any more.
func TestPlan_Change(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	c.metered()
	c.subscribe(0, 1) // today is the first day of a period: 1.6. to 1.7.
	before := c.money()
	f := c.confirmForm("/billing/plan?do=quantity&quantity=2")
	if page := c.page("/billing/plan?do=quantity&quantity=2"); !strings.Contains(page, "CHF\u00a016.22") || !strings.Contains(page, "Von 1 auf 2 Kalender") {
		t.Errorf("the preview doesn't say what is billed:\n%s", page)
	}
	if c.money() != before {
		t.Error("a preview billed something")
	}
	for n := range 2 {
		a := c.post("/billing/plan", f)
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/billing/invoices/") {
			t.Fatalf("confirm %d: %d to %q\n%s", n, a.status, a.header.Get("Location"), a.body)
		}
	}
	if got := c.money() - before; got != 1622 {
		t.Errorf("billed %d, want 1622 once", got)
	}
	// The same page sent from an older state, under another key.
	f.Set("key", "another-key-0123456789")
	f.Set("quantity", "3")
	if a := c.post("/billing/plan", f); a.status != http.StatusConflict || !strings.Contains(a.body, `id="stale"`) {
		t.Errorf("a stale version: %d", a.status)
	}
	// A digest that isn't that of what would happen.
	f = c.confirmForm("/billing/plan?do=quantity&quantity=4")
	f.Set("quote", "0000")
	if a := c.post("/billing/plan", f); a.status != http.StatusConflict || !strings.Contains(a.body, "Inzwischen hat sich etwas geändert") {
		t.Errorf("another quote: %d", a.status)
	}
	// A day later it costs less.
	f = c.confirmForm("/billing/plan?do=quantity&quantity=4")
	c.clock.t = c.clock.t.AddDate(0, 0, 1)
	if a := c.post("/billing/plan", f); a.status != http.StatusConflict {
		t.Errorf("a day later: %d", a.status)
	}
	if got := c.money() - before; got != 1622 {
		t.Errorf("billed %d after what was refused, want 1622", got)
	}
	for name, wrong := range map[string]url.Values{
		"no key": {"do": {"quantity"}, "quantity": {"5"}, "version": {"2"}}, "no version": {"do": {"quantity"}, "quantity": {"5"}, "key": {"0123456789abcdef"}},
		"no change": {"key": {"0123456789abcdef"}, "version": {"2"}},
	} {
		if a := c.post("/billing/plan", wrong); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, a.status)
		}
	}
	for path, want := range map[string]string{
		"/billing/plan?do=quantity&quantity=0": "ganze Zahl", "/billing/plan?do=quantity&quantity=x": "ganze Zahl", "/billing/plan?do=quantity&quantity=5000": "beim Betreiber",
	} {
		if a := c.get(path); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, want) || strings.Contains(a.body, `id="confirm"`) {
			t.Errorf("%s: %d without %q", path, a.status, want)
		}
	}
	if a := c.get("/billing/plan?do=renew"); a.status != http.StatusNotFound {
		t.Errorf("a change that isn't a clinic's: %d", a.status)
	}
}

// A clinic's log tells what it changed about its plan and its address, once each.
func TestPlan_Audited(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	c.metered()
	c.subscribe(0, 1)
	f := c.confirmForm("/billing/plan?do=quantity&quantity=2")
	for range 2 {
		c.post("/billing/plan", f)
	}
	c.post("/billing/address", url.Values{"street": {"Seeweg"}, "house_no": {"9"}, "zip": {"6300"}, "town": {"Zug"}, "country": {"CH"}, "vat_uid": {"CHE-123.456.789"}, "email": {"kasse@example.com"}})
	if n := c.count(`SELECT count(*) FROM audit WHERE account_id = $1 AND action = 'billing.quantity' AND actor_kind = 'user' AND before = '{"quantity": 1}' AND after = '{"quantity": 2}'`, c.ID); n != 1 {
		t.Errorf("%d entries of the plan, want 1", n)
	}
	page := c.page("/audit")
	for _, want := range []string{"Anzahl Kalender ändern", "CHE-123.456.789", "kasse@example.com", "Zug"} {
		if !strings.Contains(page, want) {
			t.Errorf("the log lacks %q\n%s", want, page)
		}
	}
}

// TestPlan_Life: from no plan to its end and back.
func TestPlan_Life(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	c.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, c.ID)
	if page := c.page("/billing"); !strings.Contains(page, "Noch kein Abo") {
		t.Error("the empty state isn't there")
	}
	if page := c.page("/billing/plan"); !strings.Contains(page, "Zuerst braucht es die Adresse") {
		t.Error("a plan can begin without an address")
	}
	wrong := c.post("/billing/address", url.Values{"zip": {""}, "town": {strings.Repeat("x", 36)}, "country": {"XX"}, "vat_uid": {"CHE-1"}, "email": {"x"}})
	if n := strings.Count(wrong.body, `aria-invalid="true"`); wrong.status != http.StatusUnprocessableEntity || n != 5 {
		t.Errorf("wrong address: %d with %d fields", wrong.status, n)
	}
	a := c.post("/billing/address", url.Values{"zip": {"8001"}, "town": {"Zürich"}, "street": {"Bahnhofstrasse"}, "house_no": {"1"}, "country": {"CH"}, "vat_uid": {"che-123.456.789 mwst"}, "next": {"/billing/plan?do=start"}})
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/billing/plan?do=start" {
		t.Fatalf("address: %d to %q\n%s", a.status, a.header.Get("Location"), a.body)
	}
	f := c.confirmForm("/billing/plan?do=start&interval=yearly&quantity=2")
	f.Set("trial", "365")
	if a := c.post("/billing/plan", f); a.status != http.StatusSeeOther { // the trial a form asks for doesn't matter
		t.Fatalf("start: %d\n%s", a.status, a.body)
	}
	f.Set("trial", "14")
	if a := c.post("/billing/plan", f); a.status != http.StatusSeeOther { // as the browser would send it again
		t.Fatalf("start again: %d\n%s", a.status, a.body)
	}
	if n := c.count(`SELECT count(*) FROM subscriptions WHERE account_id = $1`, c.ID); n != 1 {
		t.Errorf("%d plans", n)
	}
	if n := c.count(`SELECT trial_end - started_on FROM subscriptions WHERE account_id = $1`, c.ID); n != 14 {
		t.Errorf("a trial of %d days", n)
	}
	if page := c.page("/billing"); !strings.Contains(page, `data-status="trialing"`) || !strings.Contains(page, "CHF\u00a0324.30") {
		t.Errorf("the trial and its first invoice aren't shown:\n%s", page)
	}
	c.clock.t = c.clock.t.AddDate(0, 0, 15)
	c.client = c.logIn("praxis.am.see@example.com") // the old log-in has ended meanwhile
	if _, err := c.books.Account(context.Background(), c.ID); err != nil {
		t.Fatal(err)
	}
	do := func(path string) {
		t.Helper()
		if a := c.post("/billing/plan", c.confirmForm(path)); a.status != http.StatusSeeOther {
			t.Fatalf("%s: %d\n%s", path, a.status, a.body)
		}
	}
	do("/billing/plan?do=quantity&quantity=1") // later
	do("/billing/plan?do=undo_pending")
	do("/billing/plan?do=cancel")
	if page := c.page("/billing"); !strings.Contains(page, "gekündigt") {
		t.Error("the end isn't shown")
	}
	do("/billing/plan?do=undo_cancel")
	c.exec(`UPDATE subscriptions SET status = 'canceled', ended_on = '2026-06-16' WHERE account_id = $1`, c.ID)
	if page := c.page("/billing/plan"); !strings.Contains(page, "Bezahlen Sie zuerst") {
		t.Error("a clinic that owes can begin anew")
	}
	c.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := c.books.RecordPaymentTx(ctx, tx, billing.Payment{Account: c.ID, Provider: "bank", ProviderRef: "E2", Amount: 32430, At: c.clock.now()})
		return err
	})
	if page := c.page("/billing/plan?do=start"); strings.Contains(page, "gratis testen") || !strings.Contains(page, "Verbindlich bestellen") {
		t.Error("a second trial")
	}
}

// TestPlan_Picking: a calendar beyond the plan leads to the change that covers it, and is
// read once that was confirmed.
func TestPlan_Picking(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	c.metered()
	google := c.connection("google", "praxis@example.com")
	one := c.calendar(google, "Dr. Keller")
	two, three := c.calendar(google, "Dr. Meier"), c.calendar(google, "Dr. Frei")
	c.exec(`UPDATE calendars SET watched = false, watched_since = NULL WHERE account_id = $1 AND id IN ($2, $3)`, c.ID, two.ID, three.ID)
	c.subscribe(0, 1)
	before := c.money()
	a := c.post(fmt.Sprintf("/connections/%d/pick", google), url.Values{"watch": {fmt.Sprint(one.ID), fmt.Sprint(two.ID), fmt.Sprint(three.ID)}})
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/billing/plan?") || !strings.Contains(to, "quantity=3") {
		t.Fatalf("picking beyond the plan: %d to %q", a.status, to)
	}
	if page := c.page(to); !strings.Contains(page, "Dr. Meier") || !strings.Contains(page, "Dr. Frei") {
		t.Error("the calendars aren't named")
	}
	f := c.confirmForm(to)
	for range 2 {
		if a := c.post("/billing/plan", f); a.status != http.StatusSeeOther || a.header.Get("Location") != "/calendars" {
			t.Fatalf("confirm: %d to %q\n%s", a.status, a.header.Get("Location"), a.body)
		}
	}
	if n := c.count(`SELECT count(*) FROM calendars WHERE account_id = $1 AND watched`, c.ID); n != 3 {
		t.Errorf("%d calendars are read, want 3", n)
	}
	if got := c.money() - before; got != 3243 {
		t.Errorf("billed %d, want 3243", got)
	}
	// Another clinic's calendar isn't named.
	other := c.site.clinic("Andere Praxis")
	other.metered()
	if a := other.get(fmt.Sprintf("/billing/plan?do=start&watch=%d", one.ID)); a.status != http.StatusNotFound {
		t.Errorf("another's calendar: %d", a.status)
	}
	if a := other.get("/billing/plan?do=start&watch=x"); a.status != http.StatusNotFound {
		t.Errorf("no calendar: %d", a.status)
	}
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	p := d.pays()
	list := d.page("/billing/invoices")
	for _, want := range []string{"R-2026-000001", "R-2026-000002", "2 Dokumente"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	for query, want := range map[string]int{"?show=open": 1, "?show=paid": 1, "?show=credit_note": 0, "?q=000002": 1, "?q=r-2026": 2, "?year=2025": 0, "?year=2026": 2, "?show=x&q=%25": 0} {
		if n := strings.Count(d.page("/billing/invoices"+query), "<tr data-invoice"); n != want {
			t.Errorf("%s shows %d, want %d", query, n, want)
		}
		a := d.get("/billing/invoices/export.csv" + query)
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\ufeff"))).ReadAll()
		if err != nil || len(rows) != want+1 {
			t.Errorf("%s exports %d rows, %v; want %d", query, len(rows)-1, err, want)
		}
	}
	if a := d.get("/billing/invoices/export.xlsx"); !strings.HasPrefix(a.body, "PK") {
		t.Error("the workbook is none")
	}
	one, two := d.get(fmt.Sprintf("/billing/invoices/%d/document.pdf", p.Invoice)), d.get(fmt.Sprintf("/billing/invoices/%d/document.pdf", p.Invoice))
	if !strings.HasPrefix(one.body, "%PDF") || one.body != two.body {
		t.Error("the document isn't the same PDF twice")
	}
	page := d.page(fmt.Sprintf("/billing/invoices/%d", p.Invoice))
	f := form(t, page, fmt.Sprintf("/billing/invoices/%d/pay", p.Invoice))
	a := d.post(fmt.Sprintf("/billing/invoices/%d/pay", p.Invoice), f)
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "https://pay.test/web/") {
		t.Errorf("pay: %d to %q", a.status, to)
	}
	if want := fmt.Sprintf("invoice %d of %d, then /billing/invoices/%d?paid=1", p.Invoice, d.ID, p.Invoice); len(d.till.asked) != 1 || d.till.asked[0] != want {
		t.Errorf("asked for %q, want %q", d.till.asked, want)
	}
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "form-action 'self' https://pay.test;") {
		t.Error("the browser wouldn't follow to the payment service")
	}
	if a := d.post(fmt.Sprintf("/billing/invoices/%d/pay", p.Invoice), url.Values{}); a.status != http.StatusBadRequest {
		t.Errorf("without a key: %d", a.status)
	}
	for _, fails := range []error{ErrCashier, ErrPaid} {
		d.till.fails = fails
		if a := d.post(fmt.Sprintf("/billing/invoices/%d/pay", p.Invoice), f); a.status != http.StatusSeeOther || a.header.Get("Location") != fmt.Sprintf("/billing/invoices/%d", p.Invoice) {
			t.Errorf("%v: %d to %q", fails, a.status, a.header.Get("Location"))
		}
	}
}

// TestPlan_OnInvoice: who begins without a trial sees how the first invoice is paid. It is
// open at once, goes out by mail, has a slip to pay by and a page to pay on, and the plan
// runs; when the transfer comes nothing is open any more.
func TestPlan_OnInvoice(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	c.metered()
	c.exec(`UPDATE seller SET trial_days = 0`)
	c.exec(`UPDATE billing_accounts SET due_days = 25 WHERE account_id = $1`, c.ID)
	const path = "/billing/plan?do=start&interval=monthly&quantity=2"
	page := c.page(path)
	for _, want := range []string{"QR-Einzahlungsschein, zahlbar innert 25 Tagen", "Das Abo läuft ab heute", `id="confirm-online"`} {
		if !strings.Contains(page, want) {
			t.Errorf("before ordering the page doesn't say %q", want)
		}
	}
	f := c.confirmForm(path)
	a := c.post("/billing/plan", f)
	invoice := c.count(`SELECT max(id) FROM invoices WHERE account_id = $1`, c.ID)
	here := fmt.Sprintf("/billing/invoices/%d", invoice)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != here {
		t.Fatalf("%d to %q, want %s\n%s", a.status, a.header.Get("Location"), here, a.body)
	}
	if n := c.count(`SELECT count(*) FROM subscriptions s JOIN invoices i ON i.account_id = s.account_id AND i.subscription_id = s.id WHERE s.account_id = $1 AND s.status = 'active'
		AND i.status = 'open' AND i.total = 3243 AND i.due_on = i.issued_on + 25 AND i.qr_reference <> ''`, c.ID); n != 1 {
		t.Errorf("%d open first invoices of a plan that runs, want one", n)
	}
	if n := c.count(`SELECT count(*) FROM billing_jobs WHERE account_id = $1 AND kind = 'mail' AND invoice_id = $2`, c.ID, invoice); n != 1 {
		t.Errorf("%d letters with it, want one", n)
	}
	for _, path := range []string{"/billing", here} {
		page := c.page(path)
		if !strings.Contains(page, fmt.Sprintf(`action="%s/pay"`, here)) || !strings.Contains(page, here+"/document.pdf") || !strings.Contains(page, "CHF\u00a032.43") {
			t.Errorf("%s doesn't offer both ways to pay:\n%s", path, page)
		}
	}
	if pdf := c.get(here + "/document.pdf"); !strings.HasPrefix(pdf.body, "%PDF") {
		t.Error("the slip is no PDF")
	}
	c.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return c.desk.ReceiveTx(ctx, tx, payments.Receipt{Target: payments.Target{Account: c.ID, Invoice: invoice}, Provider: "bank", Ref: "E1", Rappen: 3243, At: c.clock.now()})
	})
	if page := c.page("/billing"); strings.Contains(page, `id="open"`) {
		t.Error("something is open after the transfer")
	}

	// More calendars, paid online at once: the same form leads to the same page.
	f = c.confirmForm("/billing/plan?do=quantity&quantity=3")
	f.Set("pay", "online")
	for range 2 {
		a := c.post("/billing/plan", f)
		if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != "https://pay.test/web/"+f.Get("key") {
			t.Errorf("%d to %q", a.status, to)
		}
	}
	if n := c.count(`SELECT count(*) FROM invoices WHERE account_id = $1`, c.ID); n != 2 {
		t.Errorf("%d invoices, want two", n)
	}
	c.till.fails = ErrCashier
	f = c.confirmForm("/billing/plan?do=quantity&quantity=4")
	f.Set("pay", "online")
	if a := c.post("/billing/plan", f); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/billing/invoices/") {
		t.Errorf("without the payment service: %d to %q", a.status, a.header.Get("Location"))
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	p := d.pays()
	if a := d.post("/billing/methods/8/standard", url.Values{}); a.status != http.StatusSeeOther || !d.till.means[d.ID][1].Standard {
		t.Errorf("standard: %d", a.status)
	}
	if a := d.post("/billing/methods/auto", url.Values{"auto": {"1"}}); a.status != http.StatusSeeOther {
		t.Errorf("auto: %d", a.status)
	}
	if page := d.page("/billing/methods"); !strings.Contains(page, "Das nächste Mal") {
		t.Error("what is charged next isn't told")
	}
	if page := d.page("/billing"); !strings.Contains(page, "Automatisch mit PayPal") {
		t.Error("the plan doesn't say how it is paid")
	}
	for range 2 { // the second finds none
		d.post(fmt.Sprintf("/billing/methods/%d/remove", p.Method), url.Values{})
	}
	if n := len(d.till.means[d.ID]); n != 1 {
		t.Errorf("%d methods left", n)
	}
	if a := d.post("/billing/methods/9/remove", url.Values{}); a.status != http.StatusNotFound {
		t.Errorf("no such method: %d", a.status)
	}
	f := form(t, d.page("/billing/methods"), "/billing/methods")
	if a := d.post("/billing/methods", f); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "https://pay.test/") {
		t.Errorf("add: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := d.post("/billing/methods", url.Values{}); a.status != http.StatusBadRequest {
		t.Errorf("add without a key: %d", a.status)
	}
}

// upload sends a file as a browser does.
func (c *clinic) upload(path, name string, content []byte) answer {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		c.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	res, err := c.client.Post(c.http.URL+path, w.FormDataContentType(), &body)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end below
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.pays()
	page := d.page("/billing/credits")
	f := form(t, page, "/billing/orders")
	f.Set("method", "bank")
	first := d.post("/billing/orders", f).header.Get("Location")
	if second := d.post("/billing/orders", f).header.Get("Location"); !strings.HasPrefix(first, "/billing/orders/") || second != first {
		t.Fatalf("ordered twice: %q and %q", first, second)
	}
	if a := d.get(first + "/form.pdf"); !strings.HasPrefix(a.body, "%PDF") {
		t.Error("the form is no PDF")
	}
	if a := d.upload(first+"/files", "x.pdf", []byte("%PDF-1.4 unterschrieben")); a.status != http.StatusSeeOther {
		t.Errorf("upload: %d\n%s", a.status, a.body)
	}
	if page := d.page(first); !strings.Contains(page, "x.pdf") || !strings.Contains(page, "wird geprüft") {
		t.Error("the file isn't shown")
	}
	// A transfer of less than its total is shown.
	var account, order int64
	if _, err := fmt.Sscanf(first, "/billing/orders/%d", &order); err != nil {
		t.Fatal(err)
	}
	if err := d.owner.Get(&account, `SELECT account_id FROM orders WHERE id = $1`, order); err != nil {
		t.Fatal(err)
	}
	for _, insert := range []string{
		`INSERT INTO bank_files (sha256, name, kind, version, message, bookings, skipped, imported_by, imported_at) VALUES (sha256('x'), 'x', '053', 8, 'x', 1, 0, 'operator:1', '2027-03-01Z')`,
		`INSERT INTO bank_bookings (iban, key, bank_ref, rappen, credit, reversal, booked_on, value_on, payments, info, seen_at) VALUES ('CH93', 'k', 'k', 2000, true, false, '2027-03-01', '2027-03-01', 1, '', '2027-03-01Z')`,
		fmt.Sprintf(`INSERT INTO bank_entries (iban, booking_key, tx_key, file, rappen, incoming, reference, payer, payer_iban, note, booked_on, state, for_account, for_order, decided_at)
			VALUES ('CH93', 'k', '', sha256('x'), 2000, true, '', '', '', '', '2027-03-01', 'matched', %d, %d, '2027-03-01Z')`, account, order)} {
		if _, err := d.owner.Exec(insert); err != nil {
			t.Fatal(err)
		}
	}
	if page := d.page(first); !strings.Contains(page, `id="part"`) || !strings.Contains(page, "20.00") {
		t.Error("the part that came isn't shown")
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{"x.exe": {[]byte("MZ"), "kein PDF"}, "gross.pdf": {append([]byte("%PDF-"), make([]byte, 12<<20)...), "grösser als 10 MB"}} {
		a := d.upload(first+"/files", name, c.content)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d without %q", name, a.status, c.want)
		}
	}
	if a := d.post(first+"/files", url.Values{}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no file: %d", a.status)
	}
	// By card.
	f = form(t, d.page("/billing/credits"), "/billing/orders")
	f.Set("method", "stripe")
	a := d.post("/billing/orders", f)
	if !strings.HasPrefix(a.header.Get("Location"), "https://pay.test/order-") {
		t.Errorf("by card: %d to %q", a.status, a.header.Get("Location"))
	}
	f.Set("method", "bank")
	if a := d.post("/billing/orders", f); a.status != http.StatusBadRequest {
		t.Errorf("the key for something else: %d", a.status)
	}
	for name, wrong := range map[string]url.Values{"no key": {"package": {"1"}, "method": {"bank"}}, "no method": {"package": {"1"}, "key": {"0123456789abcdef"}, "method": {"cash"}}} {
		if a := d.post("/billing/orders", wrong); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := d.post("/billing/orders", url.Values{"package": {"999"}, "key": {"0123456789abcdef"}, "method": {"bank"}}); a.header.Get("Location") != "/billing/credits" {
		t.Errorf("no package: %d to %q", a.status, a.header.Get("Location"))
	}
}

func TestCredits(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.pays()
	page := d.page("/billing/credits")
	for _, want := range []string{"Geschenk", "Gekauftes Paket", "Deutschland", "Alle anderen Länder", "500 SMS", "CHF\u00a052.97"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, wrong := range []string{"", "-1", "x", "99999999999"} {
		if a := d.post("/billing/credits/alert", url.Values{"below": {wrong}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "below-error") {
			t.Errorf("alert %q: %d", wrong, a.status)
		}
	}
	if a := d.post("/billing/credits/alert", url.Values{"below": {"5000"}}); a.status != http.StatusSeeOther {
		t.Errorf("alert: %d", a.status)
	}
	if page := d.page("/"); !strings.Contains(page, `class="purse low"`) {
		t.Error("no page warns of a low balance")
	}
	if page := d.page("/billing/credits/history"); strings.Count(page, "<tr data-entry") < 2 {
		t.Error("the history is short")
	}
	a := d.get("/billing/credits/history/export.csv")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) < 3 {
		t.Errorf("export: %d rows, %v", len(rows), err)
	}
	if a := d.get("/billing/credits/history/export.xlsx"); !strings.HasPrefix(a.body, "PK") {
		t.Error("the workbook is none")
	}
}

// TestAlarm: what must be paid is said on every page, to whoever can see to it and to the
// others.
func TestAlarm(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.pays()
	staff := d.user("staff@example.com", "staff")
	if strings.Contains(d.page("/"), "data-alarm") {
		t.Error("an alarm for nothing")
	}
	for _, c := range []struct{ set, want string }{
		{`UPDATE subscriptions SET status = 'past_due', past_due_since = '2026-05-20' WHERE account_id = $1`, "past_due"},
		{`UPDATE accounts SET service = 'suspended' WHERE account_id = $1`, "suspended"},
		{`UPDATE accounts SET service = 'ended' WHERE account_id = $1`, "ended"},
	} {
		d.exec(c.set, d.ID)
		if page := d.page("/"); !strings.Contains(page, `data-alarm="`+c.want+`"`) || !strings.Contains(page, `<a href="/billing">Zum Abo</a>`) {
			t.Errorf("%s isn't told", c.want)
		}
		if a := d.site.do(staff, "GET", "/", nil, nil); !strings.Contains(a.body, `data-alarm="`+c.want+`"`) || !strings.Contains(a.body, "Sagen Sie es der Person") || strings.Contains(a.body, `href="/billing"`) {
			t.Errorf("%s isn't told to staff", c.want)
		}
	}
	if page := d.page("/billing"); !strings.Contains(page, "überfällig") {
		t.Error("the plan's page doesn't say what is overdue")
	}
}

// TestBilling_MailAgain: an invoice is mailed once more, once a day, whoever clicks.
func TestBilling_MailAgain(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	p := d.pays()
	contact := d.user("money@example.com", "billing")
	here := fmt.Sprintf("/billing/invoices/%d", p.Invoice)
	for i, c := range []struct {
		day    int
		client *http.Client
		jobs   int64
		says   string
	}{{0, d.client, 1, "ist unterwegs"}, {0, d.client, 1, "schon nochmals"}, {0, contact, 1, "schon nochmals"}, {1, contact, 2, "ist unterwegs"}} {
		d.set(monday.AddDate(0, 0, c.day))
		if a := d.site.do(c.client, "POST", here+"/mail", url.Values{}, nil); a.status != http.StatusSeeOther || a.header.Get("Location") != here {
			t.Fatalf("%d: %d to %q\n%s", i, a.status, a.header.Get("Location"), a.body)
		}
		if page := d.site.do(c.client, "GET", here, nil, nil).body; !strings.Contains(page, c.says) {
			t.Errorf("%d: the page doesn't say %q", i, c.says)
		}
		if n := d.count(`SELECT count(*) FROM billing_jobs WHERE account_id = $1 AND kind = 'mail' AND invoice_id = $2 AND key LIKE '%/again/%'`, d.ID, p.Invoice); n != c.jobs {
			t.Errorf("%d: %d letters asked for, want %d", i, n, c.jobs)
		}
	}
	if n := d.count(`SELECT count(*) FROM billing_audit WHERE account_id = $1 AND action = 'resend' AND actor LIKE 'user:%'`, d.ID); n != 2 {
		t.Errorf("written down %d times", n)
	}
}

// TestBilling_Free: where there is nothing to pay, pages say so, and nothing can be ordered.
func TestBilling_Free(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	for _, path := range []string{"/billing", "/billing/plan", "/billing/address", "/billing/methods", "/billing/credits", "/billing/invoices", "/billing/credits/history"} {
		if page := c.page(path); strings.Contains(page, `class="purse`) {
			t.Errorf("%s shows a balance that isn't counted", path)
		}
	}
	for _, path := range []string{"/billing/plan", "/billing/plan/preview", "/billing/address", "/billing/methods", "/billing/methods/auto", "/billing/orders"} {
		if a := c.post(path, url.Values{"key": {"0123456789abcdef"}, "method": {"bank"}, "package": {"1"}}); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
}

// TestBilling_Soundness: in every language each page has words for all it says, no inline
// script or style, no id twice, one h1.
func TestBilling_Soundness(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	p := d.pays()
	for _, lang := range []string{"de", "fr", "it", "en"} {
		d.exec(`UPDATE users SET language = $2 WHERE account_id = $1`, d.ID, lang)
		for _, path := range p.pages() {
			d.sound(lang, path, d.get(path))
		}
	}
}

// sound is what every page is held to.
func (c *clinic) sound(lang, path string, a answer) {
	c.t.Helper()
	if key := rawKey.FindString(tags.ReplaceAllString(a.body, " ")); key != "" {
		c.t.Errorf("%s %s shows the raw key %q", lang, path, key)
	}
	if strings.Contains(a.body, "&lt;no value&gt;") || strings.Contains(a.body, "<no value>") {
		c.t.Errorf("%s %s lacks a value", lang, path)
	}
	if bad := noScript.FindString(a.body); bad != "" {
		c.t.Errorf("%s: inline script or style: %q", path, bad)
	}
	if n := strings.Count(a.body, "<h1"); n != 1 {
		c.t.Errorf("%s has %d h1", path, n)
	}
	seen := map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(a.body, -1) {
		if seen[m[1]] {
			c.t.Errorf("%s has the id %q twice", path, m[1])
		}
		seen[m[1]] = true
	}
}

// TestAccessibility_Billing has axe-core look at all pages about money, as a clinic with a
// bit of everything has them and as one that begins.
func TestAccessibility_Billing(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	d := newDemo(t)
	p := d.pays()
	fresh := d.clinic.site.clinic("Neue Praxis")
	fresh.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, fresh.ID)
	b := newTab(t)
	b.logIn(d.clinic, "praxis.am.see@example.com")
	var states []pageState
	for _, path := range p.pages() {
		states = append(states, pageState{strings.NewReplacer("/", "_", "?", "-", "&", "-", "=", "-").Replace("page" + path), path, nil})
	}
	states = append(states, pageState{"address_wrong", "/billing/address", map[string]string{"zip": "", "vat_uid": "x", "email": "x"}})
	b.sweep(script, d.http.URL, states)
	d.exec(`UPDATE subscriptions SET status = 'past_due', past_due_since = '2026-05-20' WHERE account_id = $1`, d.ID)
	d.exec(`UPDATE credit_accounts SET alert_below = 5000 WHERE account_id = $1`, d.ID)
	b.sweep(script, d.http.URL, []pageState{{"past_due", "/billing", nil}, {"alarm", "/", nil}})
	b.do(chromedp.Navigate(d.http.URL + "/profile"))
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("form[action='/logout']").submit()`))
	for js[string](b, `location.pathname`) != "/login" {
		time.Sleep(20 * time.Millisecond) // between looks; nothing depends on its length
	}
	b.logIn(fresh, "neue.praxis@example.com")
	b.sweep(script, d.http.URL, []pageState{{"fresh_billing", "/billing", nil}, {"fresh_plan", "/billing/plan", nil}, {"fresh_invoices", "/billing/invoices", nil}, {"fresh_credits", "/billing/credits", nil}, {"fresh_history", "/billing/credits/history", nil}})
}
