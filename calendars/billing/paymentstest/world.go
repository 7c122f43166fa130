package paymentstest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/migrations/dbtest"
)

// Clock is a time that tests set.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Add moves the time on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// World is a database with a seller, the books over it, and a clock.
type World struct {
	testing.TB
	DSN     string
	DB      *sqlx.DB
	Clock   *Clock
	Granter *Granter
	Billing *billing.Service
	Desk    *payments.Desk
}

// Granter notes grants within the transaction, as the real one does.
type Granter struct {
	mu   sync.Mutex
	fail error
}

// Fail has grants fail from now on, with nil no more.
func (g *Granter) Fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = err
}

// GrantTx implements billing.Granter.
func (g *Granter) GrantTx(ctx context.Context, tx *sqlx.Tx, grant billing.Grant) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		return g.fail
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO granted (account_id, key, source, credits) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, grant.Account, grant.Key, grant.Source, grant.Credits)
	return err
}

// New makes a world on the morning of 1 March 2027 in Zurich, with clinics 1 and 2.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{TB: t, DSN: dbtest.NewDSN(t), Clock: &Clock{at: time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)}, Granter: &Granter{}}
	w.DB = dbtest.Open(t, w.DSN)
	w.Exec(`CREATE TABLE granted (account_id bigint, key text, source text, credits bigint, PRIMARY KEY (account_id, key))`)
	w.Exec(`UPDATE seller SET name = 'Rappel AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012'`)
	w.Clinic(1)
	w.Clinic(2)
	w.Billing, w.Desk = w.On(w.DB)
	return w
}

// On puts the books on another pool of the same database.
func (w *World) On(db *sqlx.DB) (*billing.Service, *payments.Desk) {
	b := billing.New(billing.Config{DB: db, Granter: w.Granter, Now: w.Clock.Now})
	return b, payments.NewDesk(payments.Config{DB: db, Billing: b, Granter: w.Granter, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
}

// OK fails the test on an error.
func (w *World) OK(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Exec runs a statement as the owner.
func (w *World) Exec(query string, args ...any) {
	w.Helper()
	if _, err := w.DB.Exec(query, args...); err != nil {
		w.Fatal(err)
	}
}

// Text is a query's only value, as text.
func (w *World) Text(query string, args ...any) (s string) {
	w.Helper()
	if err := w.DB.Get(&s, query, args...); err != nil {
		w.Fatal(err)
	}
	return s
}

// Invoice makes an invoice of net Rappen for account and returns its id and reference.
func (w *World) Invoice(account, net int64) (id int64, reference string) {
	w.Helper()
	tx, err := w.DB.Beginx()
	w.OK(err)
	id, err = w.Billing.BillTx(context.Background(), tx, billing.Bill{Account: account, Key: fmt.Sprintf("test/%d/%d", net, w.Clock.Now().UnixNano()),
		Lines: []billing.BillLine{{Kind: billing.LineManual, Text: "Probe", Quantity: 1, Net: net}}})
	w.OK(err)
	w.OK(tx.Commit())
	doc, err := billing.DocumentTx(context.Background(), w.DB, billing.DocumentRef{Account: account, Document: id})
	w.OK(err)
	w.Clock.Add(time.Second) // the next one has another key
	return id, doc.Reference
}

// Open is what is still to be paid of an invoice, in Rappen.
func (w *World) Open(account, invoice int64) int64 {
	w.Helper()
	open, _, err := w.Desk.OpenOf(context.Background(), account, invoice)
	w.OK(err)
	return open
}

// Credit is what an account has to its credit, in Rappen.
func (w *World) Credit(account int64) int64 {
	w.Helper()
	n, err := billing.CreditTx(context.Background(), w.DB, account)
	w.OK(err)
	return n
}

// Clinic adds one more metered account.
func (w *World) Clinic(id int64) {
	w.Helper()
	w.Exec(`INSERT INTO accounts (account_id, business, billing, created_at) VALUES ($1, 'Praxis ' || CAST($1 AS bigint), 'metered', $2)`, id, w.Clock.Now())
	w.Exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Bahnhofstrasse', '1', '8001', 'Zürich')`, id)
}

// Money is all that payments have come to for an account: what came, what it paid, the
// books' balances, orders, credits granted, entries of the bank. Ids, numbers and times
// are left out, so that a run that was broken off and one that wasn't can be compared.
func (w *World) Money(account int64) []string {
	w.Helper()
	var all []string
	for _, query := range []string{
		`SELECT 'payment ' || concat_ws(' ', p.kind, p.provider, p.amount) FROM payments p WHERE p.account_id = $1`,
		`SELECT 'paid ' || concat_ws(' ', a.amount, i.total, i.status) FROM payment_allocations a LEFT JOIN invoices i ON i.account_id = a.account_id AND i.id = a.invoice_id WHERE a.account_id = $1`,
		`SELECT 'balance ' || concat_ws(' ', unit, name, sum(balance)) FROM ledger_balances WHERE account_id = $1 GROUP BY unit, name HAVING sum(balance) <> 0`,
		`SELECT 'invoice ' || concat_ws(' ', kind, status, total) FROM invoices WHERE account_id = $1`,
		`SELECT 'order ' || concat_ws(' ', status, net, total, signed_at IS NOT NULL, paid_at IS NOT NULL, fulfilled_at IS NOT NULL, problem) FROM orders WHERE account_id = $1`,
		`SELECT 'granted ' || concat_ws(' ', source, credits) FROM granted WHERE account_id = $1`,
		`SELECT 'entry ' || concat_ws(' ', rappen, incoming, state, why) FROM bank_entries WHERE for_account = $1`,
		`SELECT 'charge ' || concat_ws(' ', attempt, amount, status, code) FROM charges WHERE account_id = $1`,
		`SELECT 'method ' || concat_ws(' ', label, standard, removed_at IS NOT NULL) FROM payment_methods WHERE account_id = $1`,
	} {
		var rows []string
		w.OK(w.DB.Select(&rows, `SELECT x.line FROM (`+query+`) x (line) ORDER BY x.line`, account))
		all = append(all, rows...)
	}
	return all
}

// Check holds the books to what must always be true: no balance without entries, and
// open = total − what was paid, never below nothing.
func (w *World) Check() {
	w.Helper()
	var wrong []string
	w.OK(w.DB.Select(&wrong, `SELECT concat_ws(' ', 'invoice', i.account_id, i.id, 'of', i.total, 'is open by', b.balance, 'and was paid', p.paid)
		FROM invoices i
		CROSS JOIN LATERAL (SELECT COALESCE(sum(l.balance), 0) AS balance FROM ledger_balances l WHERE l.account_id = i.account_id AND l.unit = 'CHF' AND l.name = 'receivable' AND l.item = i.id) b
		CROSS JOIN LATERAL (SELECT COALESCE(sum(a.amount), 0) AS paid FROM payment_allocations a WHERE a.account_id = i.account_id AND a.invoice_id = i.id) p
		WHERE i.kind = 'invoice' AND (b.balance <> i.total - p.paid OR b.balance < 0 OR (b.balance = 0) <> (i.status = 'paid'))`))
	var sums []string
	w.OK(w.DB.Select(&sums, `SELECT concat_ws(' ', account_id, unit, sum(balance)) FROM ledger_balances GROUP BY account_id, unit HAVING sum(balance) <> 0`))
	var gaps []string
	w.OK(w.DB.Select(&gaps, `SELECT concat_ws(' ', n.series, n.year, n.last, 'numbers,', (SELECT count(*) FROM invoices i WHERE i.series = n.series AND i.year = n.year), 'documents')
		FROM number_series n WHERE n.last <> (SELECT count(*) FROM invoices i WHERE i.series = n.series AND i.year = n.year)`))
	for _, s := range append(append(wrong, sums...), gaps...) {
		w.Errorf("the books are wrong: %s", s)
	}
}
