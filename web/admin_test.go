package web

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/calendars/billing"
	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/web/accounts"
)

// newPayer is a site with a clinic that pays and a billing admin who is logged in.
func newPayer(t *testing.T) *payer {
	t.Helper()
	p := newSite(t).payerOf(t)
	p.admin = p.operator(accounts.BillingAdmin)
	return p
}

func (p *payer) path(rest string, args ...any) string {
	return fmt.Sprintf("/admin/billing/clinics/%d", p.ID) + fmt.Sprintf(rest, args...)
}

// credit is what the clinic has to its credit, open what it owes.
func (p *payer) credit() int64 {
	return p.one(`SELECT CAST(COALESCE(-sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'CHF' AND name = 'customer_credit'`, p.ID)
}

func (p *payer) open(invoice int64) int64 {
	return p.one(`SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'CHF' AND name = 'receivable' AND item = $2`, p.ID, invoice)
}

// A change is shown before it is made, it is what was shown, and a form sent twice makes
// it once.
func TestDesk_previewIsWhatHappens(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	path := p.path("/quantity")
	a := p.asked(p.admin, path, url.Values{"quantity": {"6"}, "when": {"now"}})
	form := p.confirmation(a)
	before := p.one(`SELECT count(*) FROM invoices WHERE account_id = $1`, p.ID)
	for range 2 {
		if b := p.do(p.admin, "POST", path, form, nil); b.status != http.StatusSeeOther {
			t.Fatalf("%d\n%s", b.status, b.body)
		}
	}
	if n := p.one(`SELECT count(*) FROM invoices WHERE account_id = $1`, p.ID); n != before+1 {
		t.Errorf("%d documents more, want one", n-before)
	}
	last := p.one(`SELECT max(id) FROM invoices WHERE account_id = $1`, p.ID)
	total := p.one(`SELECT total FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, last)
	if !strings.Contains(a.body, "CHF "+chf(total)) {
		t.Errorf("the invoice is of %s, the preview said\n%s", chf(total), a.body)
	}
	if q := p.one(`SELECT quantity FROM subscriptions WHERE account_id = $1`, p.ID); q != 6 {
		t.Errorf("quantity %d, want 6", q)
	}
	for what, query := range map[string]string{
		"an order":                     `SELECT count(*) FROM admin_actions WHERE for_account = $1 AND action = 'quantity' AND status = 'done' AND reason = 'Anruf vom Montag'`,
		"an entry of the clinic's log": `SELECT count(*) FROM audit WHERE account_id = $1 AND action = 'billing.quantity' AND reason = 'Anruf vom Montag' AND actor_kind = 'operator'`,
		"a row of the history":         `SELECT count(*) FROM billing_audit WHERE account_id = $1 AND actor LIKE 'operator:%' AND action = 'quantity' AND reason = 'Anruf vom Montag'`,
	} {
		if n := p.one(query, p.ID); n != 1 {
			t.Errorf("%d rows, want %s", n, what)
		}
	}
}

// What has changed since the preview is shown again, and nothing is done.
func TestDesk_changedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	path := p.path("/quantity")
	form := p.confirmation(p.asked(p.admin, path, url.Values{"quantity": {"6"}, "when": {"now"}}))
	p.ordered(p.path("/quantity"), url.Values{"quantity": {"5"}, "when": {"now"}})
	a := p.do(p.admin, "POST", path, form, nil)
	if a.status != http.StatusConflict || !strings.Contains(a.body, "data-preview") {
		t.Fatalf("%d, want 409 and a new preview\n%s", a.status, a.body)
	}
	if q := p.one(`SELECT quantity FROM subscriptions WHERE account_id = $1`, p.ID); q != 5 {
		t.Errorf("quantity %d, want 5", q)
	}
}

func TestDesk_wrongInput(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	credit := p.credit()
	invoice := p.path("/invoices/%d", p.Open)
	for _, c := range []struct {
		path   string
		values url.Values
		field  string // "" = said above the form
	}{
		{p.path("/quantity"), url.Values{"quantity": {"5"}, "reason": {" "}}, "reason"},
		{p.path("/quantity"), url.Values{"quantity": {"viele"}}, "quantity"},
		{p.path("/quantity"), url.Values{"quantity": {"0"}}, ""},
		{p.path("/quantity"), url.Values{"quantity": {"5"}, "when": {"gestern"}}, "when"},
		{p.path("/credit-chf"), url.Values{"amount": {"0"}}, "amount"},
		{p.path("/credit-chf"), url.Values{"amount": {"12.345"}}, "amount"},
		{p.path("/credit-chf"), url.Values{"amount": {"-5"}}, "amount"},
		{p.path("/credit-chf"), url.Values{"amount": {"5000.01"}}, "amount"},
		{p.path("/credit-sms"), url.Values{"sms": {"50001"}}, "sms"},
		{p.path("/credit-sms"), url.Values{"sms": {"10"}, "expires": {"2026-05-01"}}, "expires"},
		{p.path("/refund"), url.Values{"amount": {"1.00"}, "way": {"bank"}}, "amount"},
		{p.path("/pause"), url.Values{"pause_until": {"2026-05-31"}}, "pause_until"},
		{p.path("/undo-cancel"), nil, ""},
		{p.path("/extend-trial"), url.Values{"until": {"2026-07-01"}}, ""},
		{invoice + "/mark-paid", url.Values{"amount": {"x"}}, "amount"},
		{invoice + "/mark-paid", url.Values{"amount": {"10"}, "paid_on": {"2026-06-02"}}, "paid_on"},
		{invoice + "/credit-note", url.Values{"extent": {"part"}}, "extent"},
		{p.path("/invoices/%d/write-off", p.Paid), nil, ""},
		{p.path("/invoices/%d/void", p.Paid), nil, ""},
		{invoice + "/charge", nil, ""},
		{fmt.Sprintf("/admin/billing/entries/%d/assign", p.Entry), url.Values{"account": {"999"}}, "account"},
		{fmt.Sprintf("/admin/billing/entries/%d/assign", p.Entry), url.Values{"account": {fmt.Sprint(p.ID)}, "document": {"R-1999-000001"}}, "document"},
		{"/admin/billing/catalogue/price", url.Values{"valid_from": {"2026-06-01"}}, "valid_from"},
		{"/admin/billing/catalogue/price", url.Values{"up_to_1": {"0"}}, "up_to_1"},
		{"/admin/billing/catalogue/tax", url.Values{"rate": {"101"}, "source": {"x"}}, "rate"},
		{"/admin/billing/catalogue/tariff", url.Values{"country": {"C1"}, "credits": {"2"}, "source": {"x"}}, "country"},
		{"/admin/billing/catalogue/seller", url.Values{"iban": {"CH00"}}, "iban"},
		{"/admin/billing/catalogue/seller", url.Values{"most_rappen": {"1"}}, "most_rappen"},
		{"/admin/billing/catalogue/seller", nil, "seller_name"},
	} {
		a := p.asked(p.admin, c.path, c.values)
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s %v: %d, want 422", c.path, c.values, a.status)
			continue
		}
		want := `id="` + c.field + `-error"`
		if c.field == "" {
			want = `role="alert"`
		}
		if !strings.Contains(a.body, want) {
			t.Errorf("%s %v: lacks %s", c.path, c.values, want)
		}
	}
	if n := p.one(`SELECT count(*) FROM admin_actions`); n != 0 || p.credit() != credit {
		t.Errorf("%d orders, credit %d: nothing was to happen", n, p.credit())
	}
}

// A month has the documents that were booked in it, by the operator's clock: a clinic in
// Tokyo has the first of June while it is May here.
func TestDesk_monthOfAnotherZone(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	u, err := p.server.Accounts.Create(t.Context(), accounts.NewUser{Business: "Praxis Tokio", Email: "tokio@example.com", Password: password, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	p.exec(`UPDATE accounts SET billing = 'metered', zone = 'Asia/Tokyo' WHERE account_id = $1`, u.AccountID)
	p.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Ginza', '1', '104-0061', 'Tokyo')`, u.AccountID)
	now := p.clock.now()
	p.set(time.Date(2026, 5, 31, 16, 0, 0, 0, time.UTC))
	if _, err := p.server.Books.Billing.Do(t.Context(), billing.Command{Account: u.AccountID, Key: "start", Actor: billing.System,
		Change: billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: 1, Paid: true}}); err != nil {
		t.Fatal(err)
	}
	p.set(now)
	if day := p.text(`SELECT CAST(issued_on AS text) FROM invoices WHERE account_id = $1`, u.AccountID); day != "2026-06-01" {
		t.Fatalf("issued on %s", day)
	}
	number := p.text(`SELECT series || '-' || year || '-' || lpad(CAST(number AS text), 6, '0') FROM invoices WHERE account_id = $1`, u.AccountID)
	for month, days := range map[string][2]string{"2026-05": {"2026-05-01", "2026-05-31"}, "2026-06": {"2026-06-01", "2026-06-30"}} {
		if page := p.do(p.admin, "GET", "/admin/billing/months?month="+month, nil, nil); page.status != http.StatusOK || !strings.Contains(page.body, `id="agrees"`) {
			t.Errorf("%s: %d, or the journal doesn't agree with the documents", month, page.status)
		}
		in := month == "2026-05"
		z := p.do(p.admin, "GET", "/admin/billing/months/zip?month="+month, nil, nil)
		archive, err := zip.NewReader(strings.NewReader(z.body), int64(len(z.body)))
		if err != nil {
			t.Fatal(err)
		}
		if has := slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == number+".pdf" }); has != in {
			t.Errorf("%s: %s is among its files: %t", month, number, has)
		}
		list := p.do(p.admin, "GET", "/admin/billing/invoices?from="+days[0]+"&to="+days[1], nil, nil)
		if strings.Contains(list.body, number) != in {
			t.Errorf("%s: the list that the month leads to has another say on %s", month, number)
		}
	}
}

// An invoice whose payment went back is reminded of anew: what was said in the round before
// neither stands as its level nor brings the suspension nearer.
func TestDesk_reopenedIsRemindedAnew(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	for level, day := range []string{"2026-05-14", "2026-05-20", "2026-05-22"} {
		p.exec(`INSERT INTO dunning_steps (account_id, invoice_id, round, level, taken_on, at) VALUES ($1, $2, 0, $3, $4, $5)`, p.ID, p.Open, level+1, day, p.clock.now())
	}
	state := func() (level string, suspend billing.Date) {
		t.Helper()
		list := p.do(p.admin, "GET", "/admin/billing/pastdue.csv", nil, nil)
		if list.status != http.StatusOK {
			t.Fatalf("%d\n%s", list.status, list.body)
		}
		tx := p.owner.MustBegin()
		defer func() { _ = tx.Rollback() }() // it only read
		sub, err := billing.StatusOf(t.Context(), tx, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation("Europe/Zurich")
		if err != nil {
			t.Fatal(err)
		}
		if suspend, err = suspendOnTx(t.Context(), tx, sub, billing.DateIn(p.clock.now(), zone)); err != nil {
			t.Fatal(err)
		}
		return list.body, suspend
	}
	list, before := state()
	if !strings.Contains(list, "2026-05-22") {
		t.Errorf("the last reminder isn't in the list:\n%s", list)
	}
	p.exec(`UPDATE invoices SET status = 'paid' WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	p.exec(`UPDATE invoices SET status = 'open' WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	p.exec(`INSERT INTO dunning_steps (account_id, invoice_id, round, level, taken_on, at) VALUES ($1, $2, 1, 1, '2026-06-01', $3)`, p.ID, p.Open, p.clock.now())
	list, after := state()
	if !strings.Contains(list, "2026-06-01") || strings.Contains(list, "2026-05-22") {
		t.Errorf("the reminder of the round before still stands:\n%s", list)
	}
	if after <= before {
		t.Errorf("the suspension was to come on %s, and on %s now", before, after)
	}
}

// What was written off can be marked as paid, in parts, too: that much is no loss any more.
func TestDesk_paidAfterAll(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	lost := p.open(p.Open)
	page, form := p.path("/invoices/%d", p.Open), p.path("/invoices/%d/mark-paid", p.Open)
	p.ordered(p.path("/invoices/%d/write-off", p.Open), nil)
	loss := func() int64 {
		return p.one(`SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'CHF' AND name = 'loss'`, p.ID)
	}
	if loss() != lost {
		t.Fatalf("%s written off, want %s", chf(loss()), chf(lost))
	}
	if a := p.do(p.admin, "GET", page, nil, nil); !strings.Contains(a.body, form) {
		t.Error("the page of the invoice doesn't lead to it")
	}
	if a := p.do(p.admin, "GET", form, nil, nil); a.status != http.StatusOK || !strings.Contains(a.body, `value="`+billing.CHF(lost)+`"`) {
		t.Errorf("the form: %d\n%s", a.status, a.body)
	}
	if body := p.ordered(form, url.Values{"amount": {"10"}}); !strings.Contains(body, chf(lost-1000)) {
		t.Errorf("the preview doesn't say that %s stays lost", chf(lost-1000))
	}
	state := func() string {
		return p.text(`SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	}
	if loss() != lost-1000 || state() != "uncollectible" {
		t.Errorf("a part paid: %s lost, %s", chf(loss()), state())
	}
	p.ordered(form, nil)
	if loss() != 0 || p.open(p.Open) != 0 || state() != "paid" {
		t.Errorf("paid: %s lost, %s open, %s", chf(loss()), chf(p.open(p.Open)), state())
	}
	if a := p.do(p.admin, "GET", page, nil, nil); strings.Contains(a.body, form) {
		t.Error("what is paid can be paid again")
	}
}

// Once an order's money went back or its invoice is credited, what is unused of its SMS and
// of the gift it brought can be taken back, once; never before, and never what is sent or
// on its way.
func TestDesk_takeBack(t *testing.T) {
	t.Parallel()
	for name, goBack := range map[string]func(p *payer, invoice int64){
		"credited": func(p *payer, invoice int64) {
			p.ordered(p.path("/invoices/%d/credit-note", invoice), url.Values{"extent": {"all"}})
		},
		"returned": func(p *payer, invoice int64) {
			p.ordered(p.path("/invoices/%d/mark-paid", invoice), nil)
			payment := p.one(`SELECT max(id) FROM payments WHERE account_id = $1 AND kind = 'payment'`, p.ID)
			if err := migrations.InTx(t.Context(), p.owner, func(tx *sqlx.Tx) error {
				_, err := p.server.Books.Billing.ReversePaymentTx(t.Context(), tx, billing.Reversal{Account: p.ID, Payment: payment, ProviderRef: "back", At: p.clock.now()})
				return err
			}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPayer(t)
			sms := func(name string) int64 {
				return p.one(`SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'SMS' AND name = $2`, p.ID, name)
			}
			if _, err := p.server.Books.Credits.Tick(t.Context()); err != nil { // what was for earlier months ends
				t.Fatal(err)
			}
			gifts, lapsed := sms("available"), sms("expired")
			p.ordered(p.path("/orders/%d/sign", p.Order), nil)
			invoice := p.one(`SELECT invoice_id FROM orders WHERE account_id = $1 AND id = $2`, p.ID, p.Order)
			form := p.path("/orders/%d/take-back", p.Order)
			pages := []string{p.path("/orders/%d", p.Order), p.path("/invoices/%d", invoice)}
			for _, page := range pages {
				if a := p.do(p.admin, "GET", page, nil, nil); strings.Contains(a.body, form) {
					t.Errorf("%s leads to it before money went back", page)
				}
			}
			if a := p.asked(p.admin, form, nil); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "nur, wenn das Geld") {
				t.Errorf("before money went back: %d\n%s", a.status, a.body)
			}
			if err := migrations.InTx(t.Context(), p.owner, func(tx *sqlx.Tx) error { // the gifts are used first, and 5 of the order
				_, err := p.server.Books.Credits.HoldTx(t.Context(), tx, p.ID, []notify.Charge{{MessageID: 1, Country: "CH", Segments: 1, Price: notify.Price{TariffID: 1, Credits: int(gifts) + 5}}})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			goBack(p, invoice)
			for _, page := range pages {
				if a := p.do(p.admin, "GET", page, nil, nil); !strings.Contains(a.body, form) || !strings.Contains(a.body, "995 SMS") {
					t.Errorf("%s doesn't lead to it\n%s", page, a.body)
				}
			}
			asked := p.asked(p.admin, form, nil)
			if !strings.Contains(asked.body, "995 von 1000 SMS") {
				t.Errorf("the preview: %s", asked.body)
			}
			confirm := p.confirmation(asked)
			for range 2 {
				if a := p.do(p.admin, "POST", form, confirm, nil); a.status != http.StatusSeeOther {
					t.Fatalf("POST: %d\n%s", a.status, a.body)
				}
			}
			if sms("available") != 0 || sms("held") != gifts+5 || sms("expired")-lapsed != 995 {
				t.Errorf("available %d, held %d, expired %d", sms("available"), sms("held"), sms("expired"))
			}
			if n := p.one(`SELECT count(*) FROM audit WHERE account_id = $1 AND action = 'billing.take-back' AND reason = 'Anruf vom Montag'`, p.ID); n != 1 {
				t.Errorf("%d times in the log, want once", n)
			}
			if n := p.one(`SELECT count(*) FROM ledger_tx WHERE account_id = $1 AND kind = 'takeback' AND note = 'Anruf vom Montag'`, p.ID); n != 1 {
				t.Errorf("booked %d times, want once", n)
			}
			if a := p.asked(p.admin, form, nil); strings.Contains(a.body, "data-preview") {
				t.Error("what was taken back can be taken back again")
			}
		})
	}
}

// Orders about money do what they show, each once.
func TestDesk_money(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	owed := p.open(p.Open)
	june := p.one(`SELECT max(id) FROM invoices WHERE account_id = $1`, p.ID)
	sms := func() int64 {
		return p.one(`SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = $1 AND unit = 'SMS' AND name = 'available'`, p.ID)
	}
	body := p.ordered(p.path("/credit-chf"), url.Values{"amount": {"10.00"}})
	if p.open(p.Open) != owed-1000 || !strings.Contains(body, chf(owed-1000)) {
		t.Errorf("open %s after credit of 10.00, was %s", chf(p.open(p.Open)), chf(owed))
	}
	had := sms()
	p.ordered(p.path("/credit-sms"), url.Values{"sms": {"120"}})
	if sms() != had+120 {
		t.Errorf("%d SMS, want %d", sms(), had+120)
	}
	p.ordered(p.path("/invoices/%d/mark-paid", p.Open), nil)
	if p.open(p.Open) != 0 || p.text(`SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open) != "paid" {
		t.Errorf("marked as paid, %s is open", chf(p.open(p.Open)))
	}
	line := p.one(`SELECT id FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2`, p.ID, june)
	was := p.open(june)
	p.ordered(p.path("/invoices/%d/credit-note", june), url.Values{"extent": {"part"}, fmt.Sprintf("line_%d", line): {"10"}})
	if got := was - p.open(june); got != 1081 { // 10.00 and 8.1 %
		t.Errorf("the credit note took %s from what was open, want 10.81", chf(got))
	}
	p.ordered(p.path("/invoices/%d/write-off", june), nil)
	if p.open(june) != 0 || p.text(`SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, june) != "uncollectible" {
		t.Error("not written off")
	}
	p.ordered(p.path("/credit-chf"), url.Values{"amount": {"30"}})
	p.ordered(p.path("/refund"), url.Values{"amount": {"12.50"}, "way": {"bank"}})
	if p.credit() != 1750 {
		t.Errorf("credit %s, want 17.50", chf(p.credit()))
	}
	p.ordered(fmt.Sprintf("/admin/billing/entries/%d/assign", p.Entry), url.Values{"account": {fmt.Sprint(p.ID)}, "document": {""}})
	if p.credit() != 2750 {
		t.Errorf("credit %s after an entry was assigned, want 27.50", chf(p.credit()))
	}
	had = sms()
	p.ordered(p.path("/orders/%d/sign", p.Order), nil)
	if got := sms() - had; got != 1000 { // and the gift of the first package
		t.Errorf("%d SMS of a signed order, want 1000", got)
	}
	jobs := p.one(`SELECT count(*) FROM billing_jobs WHERE account_id = $1`, p.ID)
	p.exec(`UPDATE billing_accounts SET email = 'kasse@example.com' WHERE account_id = $1`, p.ID)
	p.ordered(p.path("/invoices/%d/resend", p.Open), nil)
	if n := p.one(`SELECT count(*) FROM billing_jobs WHERE account_id = $1`, p.ID); n != jobs+1 {
		t.Errorf("%d letters more, want one", n-jobs)
	}
	p.ordered(p.path("/jobs/%d/retry", p.Job), nil)
	p.ordered(p.path("/pause"), url.Values{"pause_until": {"2026-07-01"}})
	p.ordered(p.path("/cancel"), url.Values{"when": {"at_end"}})
	p.ordered(p.path("/undo-cancel"), nil)
	p.ordered(p.path("/interval"), url.Values{"interval": {"yearly"}, "when": {"at_end"}})
	p.ordered(p.path("/undo-pending"), nil)
	p.ordered(p.path("/suspend"), nil)
	p.ordered(p.path("/resume"), nil)
	if n := p.one(`SELECT count(*) FROM admin_actions WHERE status <> 'done'`); n != 0 {
		t.Errorf("%d orders are not done", n)
	}
}

// Above the limit a second admin confirms, who is somebody else; cutting an amount up
// doesn't get around it.
func TestDesk_fourEyes(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	if _, err := p.server.Accounts.AddOperator(t.Context(), accounts.NewOperator{Email: "zwei@rappel.test", Name: "Zora Zweite", Role: accounts.BillingAdmin, Password: password, Language: "de"}); err != nil {
		t.Fatal(err)
	}
	second := p.logIn("zwei@rappel.test")
	p.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = 'zwei@rappel.test'`)
	given := func() int64 {
		return p.one(`SELECT CAST(COALESCE(sum(amount), 0) AS bigint) FROM payments WHERE account_id = $1 AND kind = 'goodwill'`, p.ID)
	}
	p.ordered(p.path("/credit-chf"), url.Values{"amount": {"300"}})
	if given() != 30000 {
		t.Fatalf("given %s, want 300.00", chf(given()))
	}
	p.ordered(p.path("/credit-chf"), url.Values{"amount": {"200.01"}})
	if given() != 30000 {
		t.Fatalf("given %s: 300.00 and 200.01 are above the limit together", chf(given()))
	}
	key := p.text(`SELECT key FROM admin_actions WHERE status = 'waiting'`)
	decide := func(c *http.Client, decision, why string) answer {
		return p.do(c, "POST", "/admin/billing/action", url.Values{"item": {key}, "decision": {decision}, "decision_reason": {why}}, nil)
	}
	if a := decide(p.admin, "confirm", ""); a.status != http.StatusForbidden || given() != 30000 {
		t.Errorf("who asked confirmed: %d, given %s", a.status, chf(given()))
	}
	if a := decide(second, "refuse", ""); a.status != http.StatusUnprocessableEntity {
		t.Errorf("refused without a reason: %d", a.status)
	}
	if a := p.do(second, "GET", "/admin/billing/action?item="+key, nil, nil); a.status != http.StatusOK || !strings.Contains(a.body, "200.01") {
		t.Errorf("the second admin sees %d\n%s", a.status, a.body)
	}
	for range 2 {
		if a := decide(second, "confirm", "geprüft"); a.status != http.StatusSeeOther {
			t.Errorf("confirm: %d\n%s", a.status, a.body)
		}
	}
	if given() != 50001 {
		t.Errorf("given %s, want 500.01", chf(given()))
	}
	p.ordered(p.path("/credit-sms"), url.Values{"sms": {"5001"}})
	key = p.text(`SELECT key FROM admin_actions WHERE status = 'waiting'`)
	if a := decide(second, "refuse", "zu viel"); a.status != http.StatusSeeOther {
		t.Errorf("refuse: %d", a.status)
	}
	if n := p.one(`SELECT count(*) FROM credit_lots WHERE account_id = $1 AND grant_key LIKE 'admin/%'`, p.ID); n != 0 {
		t.Error("refused SMS were given")
	}
	if _, err := p.owner.Exec(`UPDATE admin_actions SET status = 'done', done_at = now() WHERE status = 'refused'`); err == nil {
		t.Error("a refused order could be done")
	}
}

// What two admins agreed on is done, however much one of them could give alone; there is
// one limit, and it is the seller's form that sets it.
func TestDesk_fourEyesLarge(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	if _, err := p.server.Accounts.AddOperator(t.Context(), accounts.NewOperator{Email: "zwei@rappel.test", Name: "Zora Zweite", Role: accounts.BillingAdmin, Password: password, Language: "de"}); err != nil {
		t.Fatal(err)
	}
	second := p.logIn("zwei@rappel.test")
	p.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = 'zwei@rappel.test'`)
	confirm := func() {
		t.Helper()
		key := p.text(`SELECT key FROM admin_actions WHERE status = 'waiting'`)
		if a := p.do(second, "POST", "/admin/billing/action", url.Values{"item": {key}, "decision": {"confirm"}}, nil); a.status != http.StatusSeeOther {
			t.Fatalf("confirm: %d\n%s", a.status, a.body)
		}
		if status := p.text(`SELECT status FROM admin_actions WHERE key = $1`, key); status != "done" {
			t.Fatalf("a confirmed order is %s", status)
		}
	}
	moved := func(kind string) int64 {
		return p.one(`SELECT CAST(COALESCE(sum(amount), 0) AS bigint) FROM payments WHERE account_id = $1 AND kind = $2`, p.ID, kind)
	}
	p.ordered(p.path("/credit-chf"), url.Values{"amount": {"900.00"}})
	if moved("goodwill") != 0 {
		t.Fatal("given by one person")
	}
	confirm()
	if moved("goodwill") != 90000 {
		t.Errorf("given %s, want 900.00", chf(moved("goodwill")))
	}
	p.ordered(p.path("/refund"), url.Values{"amount": {"600.00"}, "way": {"bank"}})
	if moved("refund") != 0 {
		t.Fatal("paid back by one person")
	}
	confirm()
	if moved("refund") != 60000 {
		t.Errorf("paid back %s, want 600.00", chf(moved("refund")))
	}
	if n := p.one(`SELECT count(*) FROM billing_audit WHERE account_id = $1 AND request ->> 'second' = 'operator:' || (SELECT id FROM operators WHERE email = 'zwei@rappel.test')`, p.ID); n != 2 {
		t.Errorf("%d entries of the history name who agreed, want 2", n)
	}
	p.set(monday.AddDate(0, 0, 2)) // what was given counts for a day
	p.ordered("/admin/billing/catalogue/seller", url.Values{"four_eyes_rappen": {"700"}})
	p.ordered(p.path("/credit-chf"), url.Values{"amount": {"600.00"}})
	if moved("goodwill") != 150000 {
		t.Errorf("given %s, want 1500.00: the limit was raised", chf(moved("goodwill")))
	}
}

// A new price, tariff or rate is a new row. What is finalised prints as before.
func TestDesk_catalogue(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	pdf := p.do(p.admin, "GET", p.path("/invoices/%d/pdf", p.Paid), nil, nil)
	body := p.ordered("/admin/billing/catalogue/price", url.Values{"interval": {"monthly"}, "valid_from": {"2026-07-01"}, "unit_1": {"18.00"}})
	if !strings.Contains(body, "18.00") || !strings.Contains(body, "15.00") {
		t.Errorf("the preview lacks old or new price\n%s", body)
	}
	p.ordered("/admin/billing/catalogue/package", url.Values{"sms": {"500"}, "amount": {"55"}})
	p.ordered("/admin/billing/catalogue/package-end", url.Values{"sms": {"5000"}})
	p.ordered("/admin/billing/catalogue/tariff", url.Values{"country": {"de"}, "credits": {"3"}, "source": {"Vertrag 7"}})
	p.ordered("/admin/billing/catalogue/gift", url.Values{"occasion": {"signup"}, "sms": {"20"}})
	p.ordered("/admin/billing/catalogue/tax", url.Values{"code": {"standard"}, "rate": {"8.8"}, "source": {"BBl"}})
	p.ordered("/admin/billing/catalogue/seller", url.Values{"seller_name": {"Rappel Neu AG"}})
	for query, want := range map[string]int64{
		`SELECT tier_rappen[1] FROM prices WHERE billing_interval = 'monthly' AND valid_from = '2026-07-01'`:                      1800,
		`SELECT price_rappen FROM packages WHERE sms = 500 AND valid_to IS NULL`:                                                  5500,
		`SELECT count(*) FROM packages WHERE sms = 500`:                                                                           2,
		`SELECT count(*) FROM packages WHERE sms = 5000 AND valid_to IS NULL`:                                                     0,
		`SELECT credits_per_part FROM sms_tariffs WHERE country = 'DE' ORDER BY valid_from DESC LIMIT 1`:                          3,
		`SELECT credits FROM sms_gifts WHERE occasion = 'signup' ORDER BY valid_from DESC LIMIT 1`:                                20,
		`SELECT rate_bp FROM tax_rates WHERE code = 'standard' AND valid_to IS NULL`:                                              880,
		`SELECT count(*) FROM operator_audit WHERE action LIKE 'billing.%' AND reason = 'Anruf vom Montag' AND after IS NOT NULL`: 7,
	} {
		if n := p.one(query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	if again := p.do(p.admin, "GET", p.path("/invoices/%d/pdf", p.Paid), nil, nil); again.body != pdf.body || len(pdf.body) < 1000 {
		t.Error("an invoice prints otherwise than before")
	}
	p.set(monday.AddDate(0, 1, 0))
	if _, err := p.server.Books.Billing.Preview(t.Context(), p.ID, billing.Change{Kind: billing.UndoPending}); err != nil {
		t.Fatal(err)
	}
	if net := p.one(`SELECT net FROM invoices WHERE account_id = $1 ORDER BY id DESC LIMIT 1`, p.ID); net != 3*1800+1200 {
		t.Errorf("July is billed %s, want 66.00", chf(net))
	}
}

// Every list opens, in every state, searches, and exports what it shows.
func TestDesk_lists(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	p.ordered(p.path("/quantity"), url.Values{"quantity": {"5"}, "when": {"now"}})
	rows := regexp.MustCompile(`<tbody>(?s:.*?)</tbody>`)
	for _, l := range deskLists {
		base := "/admin/billing/" + l.name
		paths := []string{base, base + "?q=Kasse", base + "?q=%25_%27&page=3", fmt.Sprintf("%s?account=%d", base, p.ID), base + "?from=2026-01-01&to=2026-12-31", base + "?from=x&state=nope"}
		for _, st := range l.states {
			paths = append(paths, base+"?state="+st.name)
		}
		for _, path := range paths {
			if a := p.do(p.admin, "GET", path, nil, nil); a.status != http.StatusOK {
				t.Errorf("%s: %d", path, a.status)
			}
		}
		page := p.do(p.admin, "GET", base, nil, nil)
		shown := strings.Count(rows.FindString(page.body), "<tr>")
		file := p.do(p.admin, "GET", base+".csv", nil, nil)
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.body, "\ufeff"))).ReadAll()
		if err != nil || file.status != http.StatusOK {
			t.Errorf("%s.csv: %d, %v", base, file.status, err)
			continue
		}
		if len(records) != shown+1 && shown < deskRows {
			t.Errorf("%s: %d rows shown, %d exported", base, shown, len(records)-1)
		}
		if shown == 0 && l.name != "webhooks" {
			t.Errorf("%s shows nothing", base)
		}
		if x := p.do(p.admin, "GET", base+".xlsx", nil, nil); x.status != http.StatusOK || !strings.HasPrefix(x.body, "PK") {
			t.Errorf("%s.xlsx: %d", base, x.status)
		}
	}
	a := p.do(p.admin, "GET", "/admin/billing/subscriptions", nil, nil)
	if !strings.Contains(a.body, "69.00") { // five calendars: 45 and 24
		t.Errorf("the next bill is not shown\n%s", a.body)
	}
}

// Every figure of the first page leads to its rows: they are as many as it says, or add up
// to it.
func TestDesk_figuresAddUp(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	p.ordered(p.path("/quantity"), url.Values{"quantity": {"6"}, "when": {"now"}})
	p.ordered(p.path("/quantity"), url.Values{"quantity": {"2"}, "when": {"now"}})
	clinic := func(name string) int64 {
		u, err := p.server.Accounts.Create(t.Context(), accounts.NewUser{Business: name, Email: name + "@example.com", Password: password, Language: "de"})
		if err != nil {
			t.Fatal(err)
		}
		p.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, u.AccountID)
		p.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Gasse', '1', '8001', 'Zürich')`, u.AccountID)
		return u.AccountID
	}
	key := 0
	change := func(account int64, c billing.Change) {
		t.Helper()
		key++
		if _, err := p.server.Books.Billing.Do(t.Context(), billing.Command{Account: account, Key: fmt.Sprint("k", key), Actor: billing.System, Reason: "so", Change: c}); err != nil {
			t.Fatal(err)
		}
	}
	start, end := billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: 1, Paid: true}, billing.Change{Kind: billing.Cancel, When: billing.Now}
	now := p.clock.now()
	p.set(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC))
	gone, back, short := clinic("weg"), clinic("zurueck"), clinic("kurz")
	change(gone, start)
	change(back, start)
	p.set(now)
	change(gone, end)
	change(back, end)
	change(back, start) // lost, but not at the month's end
	change(short, start)
	change(short, end)                                                                                 // never there at a month's beginning
	change(clinic("neu"), billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: 2}) // hasn't paid yet
	p.exec(`UPDATE accounts SET parent_id = $1 WHERE account_id = $2`, p.ID, clinic("unter"))
	unter := p.one(`SELECT account_id FROM accounts WHERE business = 'unter'`)
	for _, account := range []int64{p.ID, unter} {
		if err := migrations.InAccount(t.Context(), p.owner, account, func(tx *sqlx.Tx) error {
			return p.server.Books.Credits.GrantTx(t.Context(), tx, credits.Grant{Account: account, Key: "g", Source: credits.Gift, Credits: 70 + account})
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i, status := range []string{"waiting", "begun", "begun"} {
		p.exec(`INSERT INTO admin_actions (key, operator_id, operator, for_account, action, request, digest, reason, status, asked_at) VALUES ($1, 1, 'x', $2, 'credit-chf', '{"ids": {}, "values": {}}', '', 'x', $3, $4)`, fmt.Sprintf("key-of-a-form-%08d", i), p.ID, status, now)
	}
	p.exec(`INSERT INTO mails (account_id, key, kind, language, recipient, status, next_at, created_at) VALUES ($1, 'm1', 'invoice', 'de', 'a@example.com', 'failed', $2, $2), ($1, 'm2', 'invoice', 'de', 'b@example.com', 'queued', $2, $2)`, p.ID, now)

	home := p.do(p.admin, "GET", "/admin/billing", nil, nil)
	csvOf := func(href string) (records [][]string) {
		t.Helper()
		path, query, _ := strings.Cut(strings.ReplaceAll(href, "&amp;", "&"), "?")
		a := p.do(p.admin, "GET", path+".csv?"+query, nil, nil)
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\ufeff"))).ReadAll()
		if err != nil || a.status != http.StatusOK || len(records) == 0 {
			t.Fatalf("%s: %d, %v", href, a.status, err)
		}
		return records
	}
	count := func(href string) int64 { return int64(len(csvOf(href)) - 1) }
	sum := func(href, column string) (sum int64) {
		records := csvOf(href)
		at := slices.Index(records[0], p.server.words.say("de", "desk.column."+column))
		if at < 0 {
			t.Fatalf("%s has no column %s: %v", href, column, records[0])
		}
		for _, r := range records[1:] {
			n, ok := readCHF(strings.TrimPrefix(r[at], "-"))
			if !ok {
				t.Fatalf("%s: %q", href, r[at])
			}
			if strings.HasPrefix(r[at], "-") {
				n = -n
			}
			sum += n
		}
		return sum
	}
	amount := func(s string) int64 {
		n, ok := readCHF(strings.TrimLeft(strings.TrimPrefix(s, "CHF "), "−-"))
		if !ok {
			t.Fatalf("amount %q", s)
		}
		if strings.HasPrefix(s, "−") {
			return -n
		}
		return n
	}
	figures := map[string][2]string{} // value and address
	for _, m := range regexp.MustCompile(`href="(/admin/[^"]+)"[^>]*data-figure="(\w+)"[^>]*>(?:<span>[^<]*</span>)?(?:<strong[^>]*>|<b[^>]*>)([^<]+)<`).FindAllStringSubmatch(home.body, -1) {
		figures[m[2]] = [2]string{m[3], m[1]}
	}
	for _, name := range []string{"live", "suspense", "orders", "stuck", "actions", "webhooks", "jobs"} {
		f := figures[name]
		if n := count(f[1]); fmt.Sprint(n) != f[0] {
			t.Errorf("%s says %s, %s has %d rows", name, f[0], f[1], n)
		}
	}
	for name, want := range map[string]string{"live": "2", "actions": "3", "mails": "1"} {
		if figures[name][0] != want {
			t.Errorf("%s says %s, want %s", name, figures[name][0], want)
		}
	}
	mails := p.do(p.admin, "GET", figures["mails"][1], nil, nil)
	if n := strings.Count(mails.body, "data-mail="); n != 1 || strings.Contains(mails.body, "b@example.com") {
		t.Errorf("mails lead to %d that failed, or to others", n)
	}
	for name, column := range map[string]string{"mrr": "difference", "open": "open"} {
		if f := figures[name]; sum(f[1], column) != amount(f[0]) {
			t.Errorf("%s says %s, its rows add up to %s", name, f[0], chf(sum(f[1], column)))
		}
	}
	if f := figures["sms"]; f[0] != fmt.Sprint(sum(f[1], "sms")/100) || !strings.Contains(home.body, p.server.words.say("de", "desk.figure.sms", "Count", count(f[1]))) {
		t.Errorf("SMS not used: %s of %d accounts, the rows add up to %d", f[0], count(f[1]), sum(f[1], "sms")/100)
	}
	begin := sum("/admin/billing/movements?to=2026-05-31", "difference")
	lost := figures["logo"]
	if lost[0] != percent(billing.MulDiv(count(lost[1]), 10000, 3)) || count(lost[1]) != 1 { // of three that were there on 1 June
		t.Errorf("%s of the clinics were lost, which leads to %d rows", lost[0], count(lost[1]))
	}
	if f := figures["revenue"]; f[0] != percent(billing.MulDiv(-sum(f[1], "difference"), 10000, begin)) {
		t.Errorf("%s of the revenue was lost, its rows add up to %s of %s", f[0], chf(sum(f[1], "difference")), chf(begin))
	}
	bars := regexp.MustCompile(`href="([^"]+)" data-bar="(\w+)">.*?class="value">([^<]+)<`).FindAllStringSubmatch(home.body, -1)
	for _, m := range bars {
		if sum(m[1], "difference") != amount(m[3]) {
			t.Errorf("bar %s says %s, its rows add up to %s", m[2], m[3], chf(sum(m[1], "difference")))
		}
	}
	ages := regexp.MustCompile(`<a href="([^"]+)" data-age><span>[^<]*</span><span class="num">(\d+)</span><b class="num">([^<]+)<`).FindAllStringSubmatch(home.body, -1)
	for _, m := range ages {
		if fmt.Sprint(count(m[1])) != m[2] || sum(m[1], "open") != amount(m[3]) {
			t.Errorf("%s: %s invoices over %s, the rows are %d over %s", m[1], m[2], m[3], count(m[1]), chf(sum(m[1], "open")))
		}
	}
	cells := regexp.MustCompile(`<td class="right num(?: zero)?"[^>]*><a href="([^"]+)">([^<%]+)</a>`).FindAllStringSubmatch(home.body, -1)
	for _, m := range cells {
		if sum(m[1], "difference") != amount(m[2]) {
			t.Errorf("the table says %s, %s adds up to %s", m[2], m[1], chf(sum(m[1], "difference")))
		}
	}
	dots := regexp.MustCompile(`<a href="([^"]+)" aria-label="[^":]+: ([^"]+)"><title>`).FindAllStringSubmatch(home.body, -1)
	for _, m := range dots {
		if strings.HasSuffix(m[2], "%") {
			count(m[1]) // is there
		} else if sum(m[1], "difference") != amount(m[2]) {
			t.Errorf("a dot says %s, %s adds up to %s", m[2], m[1], chf(sum(m[1], "difference")))
		}
	}
	if strings.Count(home.body, "<polyline") != 3 || len(dots) != 3*12 {
		t.Errorf("%d lines with %d dots, want three over twelve months", strings.Count(home.body, "<polyline"), len(dots))
	}
	if len(bars) != 7 || len(ages) != 5 || len(cells) != 12*7 || len(figures) != 13 {
		t.Errorf("%d bars, %d ages, %d cells, %d figures", len(bars), len(ages), len(cells), len(figures))
	}
}

// The database refuses the operator's pool what is about patients: no page has to.
func TestDesk_poolSeesNoPatient(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	for _, query := range []string{`SELECT recipient FROM messages`, `SELECT body FROM messages`, `SELECT * FROM events`, `SELECT * FROM calendars`, `SELECT * FROM reminders`, `SELECT * FROM template_texts`, `SELECT * FROM inbound`,
		`SELECT * FROM opt_outs`, `SELECT * FROM queue`, `SELECT * FROM held`, `SELECT after FROM audit`, `SELECT sealed FROM mails`} {
		if _, err := p.server.Operator.Exec(query); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v, want a refusal", query, err)
		}
	}
	for _, query := range []string{`UPDATE invoices SET total = 0`, `DELETE FROM invoices`, `UPDATE ledger_entries SET amount = 1`, `DELETE FROM ledger_tx`, `UPDATE prices SET valid_from = now()`, `DELETE FROM admin_actions`} {
		if _, err := p.server.Operator.Exec(query); err == nil {
			t.Errorf("%s: done, want a refusal", query)
		}
	}
}

// upload sends a file of the bank.
func (p *payer) upload(name string, content []byte) answer {
	p.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		p.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", p.http.URL+"/admin/billing/bank", &body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := p.admin.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// The month end: a file of the bank pays an invoice; the month's zip has every document
// and a journal that sums to nothing and agrees with the ledger.
func TestDesk_monthEnd(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	reference := p.text(`SELECT qr_reference FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	content := camtFile("JUNI", camtEntry{reference, p.open(p.Open), ""}, camtEntry{"", 4200, "von wem?"})
	a := p.upload("juni.xml", content)
	if a.status != http.StatusSeeOther {
		t.Fatalf("import: %d\n%s", a.status, a.body)
	}
	report := p.do(p.admin, "GET", a.header.Get("Location"), nil, nil)
	if report.status != http.StatusOK || !strings.Contains(report.body, `data-figure="matched"><b>1</b>`) || !strings.Contains(report.body, `data-figure="suspense"><b>1</b>`) {
		t.Errorf("report: %d\n%s", report.status, report.body)
	}
	if p.text(`SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open) != "paid" {
		t.Error("the invoice isn't paid")
	}
	entries := p.one(`SELECT count(*) FROM bank_entries`)
	if a := p.upload("juni.xml", content); a.status != http.StatusSeeOther || p.one(`SELECT count(*) FROM bank_entries`) != entries {
		t.Errorf("imported twice: %d", a.status)
	}
	for name, bad := range map[string][]byte{"leer.xml": nil, "foto.jpg": []byte("\xff\xd8\xff"), "anderes.xml": []byte("<a/>")} {
		if a := p.upload(name, bad); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="file-error"`) {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for _, month := range []string{"2026-04", "2026-05", "2026-06", "2025-01"} {
		page := p.do(p.admin, "GET", "/admin/billing/months?month="+month, nil, nil)
		if page.status != http.StatusOK || !strings.Contains(page.body, `id="agrees"`) {
			t.Errorf("%s: %d, or the journal doesn't agree\n%s", month, page.status, page.body)
		}
		z := p.do(p.admin, "GET", "/admin/billing/months/zip?month="+month, nil, nil)
		archive, err := zip.NewReader(strings.NewReader(z.body), int64(len(z.body)))
		if err != nil {
			t.Fatalf("%s: %v", month, err)
		}
		pdfs := 0
		for _, f := range archive.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasSuffix(f.Name, ".pdf"):
				pdfs++
				if !bytes.HasPrefix(text, []byte("%PDF")) {
					t.Errorf("%s is no PDF", f.Name)
				}
			case f.Name == "journal-"+month+".csv":
				if sum, n := journalSum(t, text); sum != 0 || month != "2025-01" && n == 0 {
					t.Errorf("%s: the journal of %d rows sums to %s", month, n, chf(sum))
				}
			default:
				t.Errorf("%s: unexpected %s", month, f.Name)
			}
		}
		if want := p.one(`SELECT count(*) FROM invoices WHERE to_char(issued_on, 'YYYY-MM') = $1`, month); int64(pdfs) != want {
			t.Errorf("%s: %d documents, want %d", month, pdfs, want)
		}
	}
}

// A part of a payment that the bank sent back is assigned to it: the preview says what is
// open again, and so it is.
func TestDesk_partReturned(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	reference := p.text(`SELECT qr_reference FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	paid := p.open(p.Open)
	content := camtFile("JUNI", camtEntry{reference, paid + 250, ""}, camtEntry{reference, -1250, "Konto aufgehoben"}, camtEntry{"", -paid - 300, "?"})
	if a := p.upload("juni.xml", content); a.status != http.StatusSeeOther {
		t.Fatalf("import: %d\n%s", a.status, a.body)
	}
	june := p.one(`SELECT max(id) FROM invoices WHERE account_id = $1 AND status = 'open'`, p.ID)
	was := p.open(june) // the 2.50 beyond what was open pay a part of it
	var entries []int64
	if err := p.owner.Select(&entries, `SELECT id FROM bank_entries WHERE NOT incoming ORDER BY id`); err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	page := fmt.Sprintf("/admin/billing/entries/%d", entries[0])
	if a := p.do(p.admin, "GET", page, nil, nil); !strings.Contains(a.body, page+"/assign-return") || strings.Contains(a.body, page+`/assign"`) {
		t.Errorf("the entry's page offers something else\n%s", a.body)
	}
	large := fmt.Sprintf("/admin/billing/entries/%d/assign-return", entries[1])
	for _, c := range []struct {
		path   string
		values url.Values
		field  string
	}{
		{page + "/assign-return", url.Values{"account": {"999"}}, "account"},
		{page + "/assign-return", url.Values{"payment": {"R-1999-000001"}}, "payment"},
		{page + "/assign-return", url.Values{"reason": {""}}, "reason"},
		{large, url.Values{"account": {fmt.Sprint(p.ID)}}, "payment"},
	} {
		if a := p.asked(p.admin, c.path, c.values); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+c.field+`-error"`) {
			t.Errorf("%s %v: %d, want 422 beside %s\n%s", c.path, c.values, a.status, c.field, a.body)
		}
	}
	preview := p.ordered(page+"/assign-return", nil) // account and reference are filled in
	if p.open(p.Open)+p.open(june)-was != 1250 || p.credit() != 0 {
		t.Errorf("open %s and %s, before %s and %s", chf(p.open(p.Open)), chf(p.open(june)), chf(0), chf(was))
	}
	for _, want := range []string{chf(-1250), chf(p.open(p.Open)), chf(p.open(june))} {
		if !strings.Contains(preview, want) {
			t.Errorf("the preview doesn't say %s\n%s", want, preview)
		}
	}
	if a := p.asked(p.admin, page+"/assign-return", nil); a.status != http.StatusUnprocessableEntity || p.open(p.Open)+p.open(june)-was != 1250 {
		t.Errorf("twice: %d, open %s", a.status, chf(p.open(p.Open)))
	}
	for what, n := range map[string]int64{
		"the entry": p.one(`SELECT count(*) FROM bank_entries WHERE id = $1 AND state = 'assigned' AND for_account = $2 AND for_invoice = $3`, entries[0], p.ID, p.Open),
		"the log":   p.one(`SELECT count(*) FROM operator_audit WHERE action = 'billing.assign-return' AND subject = $1 AND reason = 'Anruf vom Montag'`, fmt.Sprintf("bank_entries:%d", entries[0])),
	} {
		if n != 1 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// journalSum adds up a journal's amounts, in Rappen.
func journalSum(t *testing.T, text []byte) (sum int64, rows int) {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records[1:] {
		amount, negative := strings.CutPrefix(r[7], "-")
		n, ok := readCHF(amount)
		if !ok {
			t.Fatalf("amount %q", r[7])
		}
		if negative {
			n = -n
		}
		sum, rows = sum+n, rows+1
	}
	return sum, rows
}

func TestReadCHF(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"0": 0, "5": 500, "12.5": 1250, "12.50": 1250, "1'234.50": 123450, "1’234.–": 123400, "CHF 49.00": 4900, "Fr. 7.-": 700, " 3 ": 300, "100000000": mostRappen} {
		if got, ok := readCHF(in); !ok || got != want {
			t.Errorf("%q: %d, %t; want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-1", "+1", "1.234", "1,50", "1.", ".5", "x", "1e3", "100000000.01", "9999999999", "١"} {
		if got, ok := readCHF(in); ok {
			t.Errorf("%q is read as %d", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, mostRappen).Draw(t, "n")
		for _, s := range []string{chf(n), billing.CHF(n)} {
			if got, ok := readCHF(s); !ok || got != n {
				t.Fatalf("%q: %d, want %d", s, got, n)
			}
		}
	})
}

func FuzzReadCHF(f *testing.F) {
	for _, s := range []string{"12.50", "1’234.–", "CHF 5", "-1", "9999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := readCHF(s); ok && (n < 0 || n > mostRappen) {
			t.Fatalf("%q: %d", s, n)
		}
	})
}
