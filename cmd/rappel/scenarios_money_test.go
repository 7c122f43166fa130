package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
	"rappel/reminders"
	"rappel/web/accounts"
)

// TestScenarioMoney: what a clinic's money does to its patients' texts, from the bank's
// file to the phone.
func TestScenarioMoney(t *testing.T) {
	play(t, "suspended for an invoice, and on again with its payment", func(s *stage) {
		s.subscribe()
		s.gift()
		invoice := s.invoice()
		if invoice.DueOn != "2026-06-11" {
			s.t.Fatalf("the invoice is due on %s; this scenario counts from 11 June", invoice.DueOn)
		}
		s.add("Anna "+anna, "2026-06-16 14:30") // its reminder falls into the days of grace
		s.live("2026-06-11 23:00")
		s.wantStanding(billing.Active, "on")
		s.live("2026-06-12 09:00")
		s.wantStanding(billing.PastDue, "on")
		s.live("2026-06-17 12:00")
		s.wantTexts(annaPhone, "2026-06-16 14:30")

		// One falls into the suspension and is over before it ends, one is still ahead then.
		lost := s.add("Berta "+berta, "2026-06-27 08:00")
		ahead := s.add("Anna "+anna, "2026-06-29 14:30")
		s.live("2026-06-25 23:00")
		s.wantStanding(billing.PastDue, "on")
		s.wantLetters(map[string]int{"billing_mail": 1, "billing_dunning": 3}) // two reminders and the warning
		s.wantReminders("queued Tue 14:30", "planned Sat 08:00", "planned Mon 14:30")

		s.live("2026-06-26 01:00")
		s.wantStanding(billing.Suspended, "suspended")
		s.wantLetters(map[string]int{"billing_mail": 1, "billing_dunning": 3, "billing_notice": 1})
		fresh := s.add("Carla "+carla, "2026-06-29 16:00")
		s.must(s.app.syncer.Ring(s.t.Context(), s.app.pools.owner, s.ref(s.a()))) // the provider's push changes nothing
		s.live("2026-06-27 09:30")
		s.wantUnread()
		for _, id := range []string{lost.ID, ahead.ID} {
			s.wantVerdict(id, reminders.NoSubscription)
		}
		s.wantPage("/appointments/"+s.eventID(ahead.ID), "Das Abonnement ist gesperrt oder beendet.", "Mit der Zahlung geht es von selbst weiter.")
		s.wantTexts(annaPhone, "2026-06-16 14:30")
		s.wantGift()

		s.transfer(invoice.Reference, invoice.Total)
		s.see()
		s.wantStanding(billing.Active, "on")
		s.wantVerdict(fresh.ID, "") // read by now
		s.live("2026-06-30 12:00")
		s.wantTexts(annaPhone, "2026-06-16 14:30", "2026-06-29 14:30")
		s.wantTexts(bertaPhone)
		s.wantTexts(carlaPhone, "2026-06-29 16:00")
		s.wantGift()
	})
	play(t, "without credit: waits in sight, and goes out once a package is paid", func(s *stage) {
		s.exec(`INSERT INTO prices (plan_code, billing_interval, free_sms_per_month, valid_from, tier_up_to, tier_rappen)
			SELECT plan_code, billing_interval, 0, '2026-01-01', tier_up_to, tier_rappen FROM prices WHERE billing_interval = 'monthly'`)
		s.subscribe()
		s.add("Berta "+berta, "Thu 08:00") // over before the money comes
		s.add("Anna "+anna, "Thu 14:30")
		s.live("Wed 15:00")
		s.wantMessages("NOT_SENT credit", "NOT_SENT credit")
		s.wantTexts(annaPhone)
		s.wantNotices("credit_out")
		s.wantPage("/messages/"+s.messageTo(annaPhone), "Das Guthaben reicht nicht.", "danach geht sie von selbst hinaus")

		order, err := s.app.money.desk.Offer(s.t.Context(), payments.Wish{Account: s.account, Key: "order", Package: 1, Method: payments.Bank, By: "user:1"})
		s.must(err)
		s.live("Thu 09:00")
		s.wantMessages("EXPIRED too_late", "NOT_SENT credit")
		s.transfer(order.Reference, order.Total)
		s.see()
		got, err := payments.ByRef(s.t.Context(), s.app.pools.owner, order.Ref())
		s.must(err)
		if got.Status != payments.Fulfilled {
			s.t.Errorf("the order is %s (%s)", got.Status, got.Problem)
		}
		s.live("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantTexts(bertaPhone)
		s.wantMessages("EXPIRED too_late", "DELIVERED")
		s.wantNotices()
		// 500, as many again with the first package, less the one that went.
		if n := s.credit(); n != 999 {
			s.t.Errorf("%d credits are left, want 999", n)
		}
	})
}

const ownerPassword = "ein langes Wort"

// subscribe makes the clinic one that pays: for both its calendars, from today on, with
// somebody who owns it and gets its letters.
func (c *clinic) subscribe() {
	s := c.stage
	s.t.Helper()
	ctx := s.t.Context()
	s.exec(`UPDATE seller SET name = 'Rappel AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012'`)
	s.exec(`UPDATE accounts SET billing = 'metered' WHERE account_id = $1`, c.account)
	s.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Bahnhofstrasse', '1', '8001', 'Zürich')`, c.account)
	_, err := s.app.accounts.Create(ctx, accounts.NewUser{AccountID: c.account, Email: "owner@clinic-one.example", Password: ownerPassword, Role: "owner", Language: "de"})
	s.must(err)
	_, err = s.app.billing.Do(ctx, billing.Command{Account: c.account, Key: "begin", Actor: "user:1",
		Change: billing.Change{Kind: billing.Start, Interval: billing.Monthly, Quantity: 2, Paid: true}})
	s.must(err)
	s.see()
	s.wantStanding(billing.Active, "on")
}

// gifts are the SMS a clinic begins with.
const gifts = 10

func (c *clinic) gift() {
	s := c.stage
	s.t.Helper()
	s.must(migrations.InAccount(s.t.Context(), s.app.pools.owner, c.account, func(tx *sqlx.Tx) error {
		return s.app.credits.SignUpTx(s.t.Context(), tx, c.account)
	}))
	c.wantGift()
}

// credit is what lasts longer than a month.
func (c *clinic) credit() int64 {
	s := c.stage
	s.t.Helper()
	n, err := transferer{s.app.pools.owner, s.app.credits, s.clock.now}.Available(s.t.Context(), c.account)
	s.must(err)
	return n
}

func (c *clinic) wantGift() {
	c.stage.t.Helper()
	if n := c.credit(); n != gifts {
		c.stage.t.Errorf("%d credits, want the %d it was given: texts use the month's free ones first", n, gifts)
	}
}

// see lets everybody who minds money work at this very moment, and then all others.
func (s *stage) see() {
	s.t.Helper()
	ctx := s.t.Context()
	for range 20 {
		n := 0
		for _, tick := range []func() (int, error){
			func() (int, error) { return s.app.billing.Tick(ctx) }, func() (int, error) { return s.app.credits.Tick(ctx) }, func() (int, error) { return s.app.holds.Tick(ctx) },
		} {
			worked, err := tick()
			s.must(err)
			n += worked
		}
		s.settle()
		if n == 0 {
			return
		}
	}
	s.t.Fatal("work about money without end at one moment")
}

// live lets time pass until when, and money be seen to each midnight, each noon and then.
func (s *stage) live(when string) {
	s.t.Helper()
	end := s.when(when)
	for {
		local := s.now().In(zurich)
		next := time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, 0, zurich)
		if !next.After(local) {
			next = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 1, 0, 0, zurich)
		}
		if next.After(end) {
			next = end
		}
		s.walkTo(next)
		s.see()
		if next.Equal(end) {
			return
		}
	}
}

func (s *stage) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.app.pools.owner.ExecContext(s.t.Context(), query, args...)
	s.must(err)
}

// one reads a value as the owner.
func one[T any](s *stage, query string, args ...any) (v T) {
	s.t.Helper()
	s.must(s.app.pools.owner.GetContext(s.t.Context(), &v, query, args...))
	return v
}

// owed is an invoice as its payer's bank sees it.
type owed struct {
	DueOn     string `db:"due_on"`
	Reference string `db:"qr_reference"`
	Total     int64  `db:"total"` // Rappen
}

func (c *clinic) invoice() owed {
	c.stage.t.Helper()
	return one[owed](c.stage, `SELECT CAST(due_on AS text) AS due_on, qr_reference, total FROM invoices WHERE account_id = $1 AND kind = 'invoice' AND status = 'open'`, c.account)
}

// transfer has the bank report money that came today.
func (s *stage) transfer(reference string, rappen int64) {
	s.t.Helper()
	amount := fmt.Sprintf(`<Amt Ccy="CHF">%d.%02d</Amt>`, rappen/100, rappen%100)
	file := fmt.Sprintf(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>%[1]s</MsgId></GrpHdr>
		<Ntfctn><Acct><Id><IBAN>CH4431999123000889012</IBAN></Id></Acct><Ntry>%[2]s<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>%[3]s</Dt></BookgDt>
		<AcctSvcrRef>E-%[1]s</AcctSvcrRef><NtryDtls><TxDtls><Refs><AcctSvcrRef>T-%[1]s</AcctSvcrRef></Refs>%[2]s<RmtInf><Strd><CdtrRefInf><Ref>%[1]s</Ref></CdtrRefInf></Strd></RmtInf>
		</TxDtls></NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>`, reference, amount, s.now().In(zurich).Format(time.DateOnly))
	got, err := s.app.money.bank.Import(s.t.Context(), bank.File{Name: "bank.xml", Content: []byte(file), By: "operator:1"})
	s.must(err)
	if diff := cmp.Diff(bank.Result{Kind: "054", Bookings: 1, Matched: 1}, got); diff != "" {
		s.t.Errorf("the bank's file (-want +got):\n%s", diff)
	}
}

// wantStanding compares the clinic's subscription and service.
func (c *clinic) wantStanding(status billing.Status, service string) {
	s := c.stage
	s.t.Helper()
	sub, err := billing.StatusOf(s.t.Context(), s.app.pools.owner, c.account)
	s.must(err)
	if got := one[string](s, `SELECT service FROM accounts WHERE account_id = $1`, c.account); sub.Status != status || got != service {
		s.t.Errorf("at %s the subscription is %s and the service %s, want %s and %s", s.now().In(zurich).Format("2 Jan 15:04"), sub.Status, got, status, service)
	}
}

// wantLetters compares how many letters about money the clinic has got, by kind.
func (c *clinic) wantLetters(want map[string]int) {
	s := c.stage
	s.t.Helper()
	var rows []struct {
		Kind string
		N    int
	}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &rows, `SELECT kind, count(*) AS n FROM mails WHERE account_id = $1 AND starts_with(kind, 'billing_') GROUP BY kind`, c.account))
	got := map[string]int{}
	for _, r := range rows {
		got[r.Kind] = r.N
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("letters (-want +got):\n%s", diff)
	}
}

// wantUnread fails if a calendar was read since the service stopped, which forgets when
// that was last.
func (c *clinic) wantUnread() {
	c.stage.t.Helper()
	if n := one[int](c.stage, `SELECT count(polled_at) FROM calendars WHERE account_id = $1`, c.account); n != 0 {
		c.stage.t.Errorf("%d calendars were read while the service was stopped", n)
	}
}

func (c *clinic) eventID(id string) string {
	c.stage.t.Helper()
	return one[string](c.stage, `SELECT CAST(id AS text) FROM events WHERE account_id = $1 AND instance_key = $2 AND gone_at IS NULL`, c.account, c.stage.key(id))
}

func (c *clinic) messageTo(phone string) string {
	c.stage.t.Helper()
	return one[string](c.stage, `SELECT CAST(id AS text) FROM messages WHERE account_id = $1 AND recipient = $2`, c.account, phone)
}

// wantPage opens a page as the clinic's owner and looks for words on it.
func (c *clinic) wantPage(path string, words ...string) {
	s := c.stage
	s.t.Helper()
	server := httptest.NewServer(s.app.web)
	defer server.Close()
	jar, err := cookiejar.New(nil)
	s.must(err)
	client := &http.Client{Jar: jar}
	defer client.CloseIdleConnections()
	read := func(res *http.Response, err error) string {
		s.t.Helper()
		s.must(err)
		body, err := io.ReadAll(res.Body)
		s.must(err)
		s.must(res.Body.Close())
		if res.StatusCode != http.StatusOK {
			s.t.Fatalf("%s answers %d", res.Request.URL.Path, res.StatusCode)
		}
		return string(body)
	}
	read(client.PostForm(server.URL+"/login", url.Values{"email": {"owner@clinic-one.example"}, "password": {ownerPassword}}))
	body := read(client.Get(server.URL + path))
	for _, w := range words {
		if !strings.Contains(body, w) {
			s.t.Errorf("%s doesn't say %q", path, w)
		}
	}
}
