package web

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"rappel/web/accounts"
)

// billingAdmin logs a tab in as a billing admin.
func (b *tab) billingAdmin(p *payer) {
	b.t.Helper()
	if _, err := p.server.Accounts.AddOperator(b.t.Context(), accounts.NewOperator{Email: "browser@rappel.test", Name: "Bea Browser", Role: accounts.BillingAdmin, Password: password, Language: "de"}); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Navigate(p.http.URL + "/login"))
	b.submit(map[string]string{"email": "browser@rappel.test", "password": password})
	p.exec(`UPDATE operators SET sealed_totp = '\x00' WHERE email = 'browser@rappel.test'`)
}

// TestDesk_monthEndInTheBrowser: a billing admin imports a file of the bank, the invoice
// is paid, and the month's zip holds a journal that adds up.
func TestDesk_monthEndInTheBrowser(t *testing.T) {
	t.Parallel()
	p := newPayer(t)
	b := newTab(t)
	b.billingAdmin(p)
	reference := p.text(`SELECT qr_reference FROM invoices WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	file := filepath.Join(t.TempDir(), "juni.xml")
	if err := os.WriteFile(file, camtFile("B", camtEntry{reference, p.open(p.Open), ""}), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(p.http.URL+"/admin/billing/bank"), chromedp.SetUploadFiles("#file", []string{file}), chromedp.Click("#import"), chromedp.WaitVisible("#report"))
	if n := js[string](b, `document.querySelector("#report [data-figure=matched] b").textContent`); n != "1" {
		t.Errorf("%s payments matched, want 1", n)
	}
	number := p.text(`SELECT `+numberOfDoc+` FROM invoices i WHERE account_id = $1 AND id = $2`, p.ID, p.Open)
	b.do(chromedp.Navigate(p.http.URL + "/admin/billing/invoices?state=paid&q=" + number))
	if rows := js[int](b, `document.querySelectorAll("table.desk tbody tr").length`); rows != 1 {
		t.Errorf("%d invoices called %s are paid, want 1", rows, number)
	}
	b.do(chromedp.Navigate(p.http.URL+"/admin/billing/months?month=2026-06"), chromedp.WaitVisible("#agrees"))
	data := js[string](b, `fetch(document.querySelector("[data-month] .zip").href).then(r => r.arrayBuffer()).then(a => btoa(Array.from(new Uint8Array(a), c => String.fromCharCode(c)).join("")))`)
	content, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	sums := 0
	for _, f := range archive.File {
		if !strings.HasPrefix(f.Name, "journal-") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		sum, rows := journalSum(t, text)
		if sum != 0 || rows < 4 {
			t.Errorf("the journal of %d rows sums to %s", rows, chf(sum))
		}
		sums++
	}
	if sums != 1 {
		t.Errorf("%d journals in the zip", sums)
	}
}

// TestAccessibility_Desk has axe-core look at the billing admin's pages, as
// TestAccessibility does at a clinic's.
func TestAccessibility_Desk(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	p := newPayer(t)
	p.ordered(p.path("/quantity"), map[string][]string{"quantity": {"6"}, "when": {"now"}})
	p.ordered(p.path("/credit-chf"), map[string][]string{"amount": {"600"}})
	waiting := p.text(`SELECT key FROM admin_actions WHERE status = 'waiting'`)
	sha := p.text(`SELECT encode(sha256, 'hex') FROM bank_files`)
	b := newTab(t)
	b.billingAdmin(p)
	type state struct {
		name, path string
		form       map[string]string
	}
	states := []state{
		{"home", "/admin/billing", nil}, {"catalogue", "/admin/billing/catalogue", nil}, {"months", "/admin/billing/months", nil}, {"bank", "/admin/billing/bank?file=" + sha, nil},
		{"clinic", p.path(""), nil}, {"invoice", p.path("/invoices/%d", p.Open), nil}, {"order", p.path("/orders/%d", p.Order), nil}, {"job", p.path("/jobs/%d", p.Job), nil}, {"entry", fmt.Sprintf("/admin/billing/entries/%d", p.Entry), nil},
		{"approval", "/admin/billing/action?item=" + waiting, nil}, {"no_approval", "/admin/billing/action", nil}, {"no_event", "/admin/billing/webhook", nil},
		{"order_form", p.path("/quantity"), nil}, {"order_wrong", p.path("/quantity"), map[string]string{"quantity": "x", "reason": ""}}, {"order_preview", p.path("/quantity"), map[string]string{"quantity": "9", "when": "now", "reason": "Anruf"}},
		{"order_credit_note", p.path("/invoices/%d/credit-note", p.Open), map[string]string{"reason": "Kulanz"}}, {"order_four_eyes", p.path("/credit-sms"), map[string]string{"sms": "6000", "reason": "Kulanz"}},
		{"seller", "/admin/billing/catalogue/seller", nil}, {"price", "/admin/billing/catalogue/price", map[string]string{"reason": "Teuerung", "unit_1": "18"}}, {"list_empty", "/admin/billing/invoices?q=nirgends", nil}, {"list_clinic", fmt.Sprintf("/admin/billing/ledger?account=%d", p.ID), nil},
	}
	for _, l := range deskLists {
		states = append(states, state{"list_" + l.name, "/admin/billing/" + l.name, nil})
	}
	for _, s := range states {
		b.do(chromedp.Navigate(p.http.URL + s.path))
		if s.form != nil {
			b.submit(s.form)
		}
		b.do(chromedp.Evaluate[chromedp.Void](script), chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(e => e.open = true)`))
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 360} {
				b.look(scheme, width)
				where := fmt.Sprintf("%s at %d px, %s", s.name, width, scheme)
				for _, v := range js[[]violation](b, axeRun) {
					t.Errorf("%s: %s (%s): %s\n\t%s\n\t%s", where, v.Rule, v.Impact, v.Help, v.At, strings.ReplaceAll(v.Why, "\n", "\n\t"))
				}
				if over := js[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s is %d px wider than the screen", where, over)
				}
				if b.dir != "" {
					b.shot(fmt.Sprintf("%s-%d-%s", s.name, width, scheme))
				}
			}
		}
	}
}
