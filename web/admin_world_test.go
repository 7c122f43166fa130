package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
	"rappel/web/accounts"
)

// deskGranter gives what subscriptions and packages bring, as cmd/rappel does.
type deskGranter struct{ *credits.Credits }

func (g deskGranter) GrantTx(ctx context.Context, tx *sqlx.Tx, what billing.Grant) error {
	grant := credits.Grant{Account: what.Account, Key: what.Key, Source: credits.Source(what.Source), Credits: what.Credits}
	if what.ExpiresOn != 0 {
		grant.ExpiresOn = what.ExpiresOn.Start(time.UTC)
	}
	return g.Credits.GrantTx(ctx, tx, grant)
}

// openDesk gives a site the rooms of the billing admin.
func (s *site) openDesk() {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.logs, nil))
	purse, err := credits.New(credits.Config{DB: s.owner, Now: s.clock.now, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	b := billing.New(billing.Config{DB: s.owner, Granter: deskGranter{purse}, Now: s.clock.now})
	till := payments.NewDesk(payments.Config{DB: s.owner, Billing: b, Granter: deskGranter{purse}, Now: s.clock.now, Log: log})
	s.server.Books = &Books{Billing: b, Desk: till, Bank: bank.New(bank.Config{DB: s.owner, Desk: till, Now: s.clock.now, Log: log}), Credits: purse}
}

// payer is a clinic that pays, with one of each thing that has to do with money.
type payer struct {
	*site
	t     testing.TB
	ID    int64
	Paid  int64 // an invoice that is paid
	Open  int64 // one that is overdue
	Order int64
	Job   int64
	Entry int64 // of the bank, in suspense
	admin *http.Client
}

// payerOf makes one: a subscription for four calendars since 1 April, whose first invoice
// is paid.
func (s *site) payerOf(t testing.TB) *payer {
	t.Helper()
	p := &payer{site: s, t: t}
	p.exec(`UPDATE seller SET name = 'Rappel AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012'`)
	u, err := s.server.Accounts.Create(context.Background(), accounts.NewUser{Business: "Praxis Kasse", Email: "kasse@example.com", Password: password, Language: "de"})
	if err != nil {
		t.Fatal(err)
	}
	p.ID = u.AccountID
	p.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, p.ID)
	p.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Gasse', '1', '8001', 'Zürich')`, p.ID)
	now := s.clock.t
	s.set(time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC))
	done, err := s.server.Books.Billing.Do(context.Background(), billing.Command{Account: p.ID, Key: "start", Actor: billing.System,
		Change: billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: 4, Paid: true}})
	if err != nil {
		t.Fatal(err)
	}
	p.Paid = done.Documents[0]
	if err := s.server.Books.Desk.Receive(context.Background(), payments.Receipt{Target: payments.Target{Account: p.ID, Invoice: p.Paid}, Provider: "manual", Ref: "1", Rappen: done.Due, At: s.clock.now()}); err != nil {
		t.Fatal(err)
	}
	s.set(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC))
	if _, err := s.server.Books.Billing.Preview(context.Background(), p.ID, billing.Change{Kind: billing.UndoPending}); err != nil { // catches up: May is billed
		t.Fatal(err)
	}
	p.Open = p.one(`SELECT max(id) FROM invoices WHERE account_id = $1 AND kind = 'invoice'`, p.ID)
	s.set(now)
	if _, err := s.server.Books.Billing.Preview(context.Background(), p.ID, billing.Change{Kind: billing.UndoPending}); err != nil { // June, too
		t.Fatal(err)
	}
	order, err := s.server.Books.Desk.Offer(context.Background(), payments.Wish{Account: p.ID, Key: "o", Package: p.one(`SELECT id FROM packages WHERE sms = 500`), Method: payments.Bank, By: "user:1"})
	if err != nil {
		t.Fatal(err)
	}
	p.Order, p.Job = order.ID, p.one(`SELECT min(id) FROM billing_jobs WHERE account_id = $1`, p.ID)
	if err := s.server.Books.Desk.Attach(context.Background(), payments.Upload{Ref: order.Ref(), Name: "schein.pdf", Content: []byte("%PDF-1.4 unterschrieben"), By: "user:1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.server.Books.Bank.Import(context.Background(), bank.File{Name: "mai.xml", Content: camtFile("A", camtEntry{"", 1000, "Danke"}), By: "operator:1"}); err != nil {
		t.Fatal(err)
	}
	p.Entry = p.one(`SELECT max(id) FROM bank_entries`)
	return p
}

func (s *site) set(t time.Time) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.t = t
}

func (s *site) one(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.owner.Get(&n, query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (s *site) text(query string, args ...any) (v string) {
	s.t.Helper()
	if err := s.owner.Get(&v, query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// things are what belongs to it, as filledWith takes them.
func (p *payer) things() map[string]int64 {
	return map[string]int64{"/admin/billing/clinics/": p.ID, "document": p.Open, "order": p.Order, "job": p.Job, "entry": p.Entry, "file": 1}
}

// camtEntry is a payment of a file; what is below nothing came back.
type camtEntry struct {
	ref    string
	rappen int64
	text   string
}

// camtFile is a statement with some payments.
func camtFile(id string, entries ...camtEntry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>%s</MsgId></GrpHdr><Stmt><Acct><Id><IBAN>CH9300762011623852957</IBAN></Id></Acct>`, id)
	for i, e := range entries {
		ref := ""
		if e.ref != "" {
			ref = `<Strd><CdtrRefInf><Ref>` + e.ref + `</Ref></CdtrRefInf></Strd>`
		}
		direction, returned := "CRDT", ""
		if e.rappen < 0 {
			direction, returned, e.rappen = "DBIT", `<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>`, -e.rappen
		}
		fmt.Fprintf(&b, `<Ntry><Amt Ccy="CHF">%s</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-06-01</Dt></BookgDt><AcctSvcrRef>%s%d</AcctSvcrRef><NtryDtls><TxDtls><Refs><AcctSvcrRef>%s%d-1</AcctSvcrRef></Refs><Amt Ccy="CHF">%s</Amt><RmtInf>%s<Ustrd>%s</Ustrd></RmtInf>%s</TxDtls></NtryDtls></Ntry>`,
			billing.CHF(e.rappen), direction, id, i, id, i, billing.CHF(e.rappen), ref, e.text, returned)
	}
	b.WriteString(`</Stmt></BkToCstmrStmt></Document>`)
	return []byte(b.String())
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	chosenOne   = regexp.MustCompile(`<select id="([^"]+)"[^>]*>.*?<option value="([^"]*)" selected>`)
	anyField    = regexp.MustCompile(`<input id="([^"]+)" name="[^"]+"[^>]*? value="([^"]*)"`)
)

// asked is the preview of an order: the form is fetched, filled and sent.
func (p *payer) asked(client *http.Client, path string, values url.Values) answer {
	p.t.Helper()
	a := p.do(client, "GET", path, nil, nil)
	if a.status != http.StatusOK {
		p.t.Fatalf("GET %s: %d\n%s", path, a.status, a.body)
	}
	form := url.Values{"step": {"preview"}, "reason": {"Anruf vom Montag"}}
	for _, m := range slices.Concat(hiddenField.FindAllStringSubmatch(a.body, -1), anyField.FindAllStringSubmatch(a.body, -1), chosenOne.FindAllStringSubmatch(a.body, -1)) {
		if m[1] != "reason" {
			form.Set(m[1], m[2])
		}
	}
	for name, v := range values {
		form[name] = v
	}
	return p.do(client, "POST", strings.Split(path, "?")[0], form, nil)
}

// confirmation is the form of a preview.
func (p *payer) confirmation(a answer) url.Values {
	p.t.Helper()
	if a.status != http.StatusOK || !strings.Contains(a.body, "data-preview") {
		p.t.Fatalf("no preview: %d\n%s", a.status, a.body)
	}
	form := url.Values{"step": {"do"}}
	for _, m := range hiddenField.FindAllStringSubmatch(a.body, -1) {
		form.Set(m[1], strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#39;", "'").Replace(m[2]))
	}
	return form
}

// ordered is an order that is previewed and confirmed.
func (p *payer) ordered(path string, values url.Values) (preview string) {
	p.t.Helper()
	a := p.asked(p.admin, path, values)
	if b := p.do(p.admin, "POST", path, p.confirmation(a), nil); b.status != http.StatusSeeOther {
		p.t.Fatalf("POST %s: %d\n%s", path, b.status, b.body)
	}
	return a.body
}
