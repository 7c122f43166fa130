package billing

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/migrations/ledger"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// desk is a database with a seller, a service and a clock, at nine in the morning.
type desk struct {
	testing.TB
	ctx     context.Context
	dsn     string
	db      *sqlx.DB
	clock   *clock
	service *Service
	jobs    *jobs
	n       int
}

// granter and steward write into the transaction, as the real ones do.
type granter struct{}

func (granter) GrantTx(ctx context.Context, tx *sqlx.Tx, g Grant) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO granted (account_id, key, credits, expires_on) VALUES ($1, $2, $3, $4)`, g.Account, g.Key, g.Credits, g.ExpiresOn)
	return err
}

type steward struct{}

func (steward) SetServiceTx(ctx context.Context, tx *sqlx.Tx, account int64, state string, _ time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE accounts SET service = $2 WHERE account_id = $1 AND service <> $2`, account, state)
	return err
}

// jobs is a courier that remembers.
type jobs struct {
	mu   sync.Mutex
	done []Job
	fail func(Job) error
}

func (c *jobs) Deliver(_ context.Context, j Job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		if err := c.fail(j); err != nil {
			return err
		}
	}
	c.done = append(c.done, j)
	return nil
}

func newDesk(t testing.TB, on string) *desk {
	t.Helper()
	d := &desk{TB: t, ctx: t.Context(), dsn: dbtest.NewDSN(t), clock: &clock{}, jobs: &jobs{}}
	d.db = dbtest.Open(t, d.dsn)
	d.exec(`CREATE TABLE granted (account_id bigint, key text, credits bigint, expires_on date, PRIMARY KEY (account_id, key))`)
	d.exec(`UPDATE seller SET name = 'Rappel AG', street = 'Seeweg', house_no = '4', zip = '8008', town = 'Zürich', vat_uid = 'CHE-123.456.789 MWST', iban = 'CH4431999123000889012'`)
	d.day(on)
	d.service = d.serviceOn(d.db)
	return d
}

func (d *desk) serviceOn(db *sqlx.DB) *Service {
	return New(Config{DB: db, Granter: granter{}, Steward: steward{}, Now: d.clock.now,
		Couriers: map[string]Courier{JobMail: d.jobs, JobDunning: d.jobs, JobNotice: d.jobs, JobCharge: d.jobs}})
}

// day sets the clock to nine in the morning at the clinic's.
func (d *desk) day(on string) { d.clock.set(day(on).Start(zurich(d)).Add(9 * time.Hour)) }

func (d *desk) exec(query string, args ...any) {
	d.Helper()
	if _, err := d.db.Exec(query, args...); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// clinic adds a metered account with an address.
func (d *desk) clinic(id int64) int64 {
	d.Helper()
	d.exec(`INSERT INTO accounts (account_id, business, billing, created_at) VALUES ($1, 'Praxis ' || CAST($1 AS bigint), 'metered', $2)`, id, d.clock.now())
	d.exec(`INSERT INTO billing_accounts (account_id, street, house_no, zip, town) VALUES ($1, 'Bahnhofstrasse', '1', '8001', 'Zürich')`, id)
	return id
}

func (d *desk) do(account int64, c Change) Done {
	d.Helper()
	d.n++
	done, err := d.service.Do(d.ctx, Command{Account: account, Key: fmt.Sprintf("test %d", d.n), Actor: "user:1", Change: c})
	d.ok(err)
	return done
}

// begin subscribes an account, paid.
func (d *desk) begin(account int64, i Interval, quantity int64) Done {
	d.Helper()
	return d.do(account, Change{Kind: Start, Interval: i, Quantity: quantity, Paid: true})
}

// look does all that is due.
func (d *desk) look() {
	d.Helper()
	_, err := d.service.Tick(d.ctx)
	d.ok(err)
}

// until goes through the days, looking each morning.
func (d *desk) until(on string) {
	d.Helper()
	for at := DateIn(d.clock.now(), zurich(d)) + 1; at <= day(on); at++ {
		d.day(at.String())
		d.look()
	}
}

func (d *desk) pay(account, invoice, amount int64, ref string) Recorded {
	d.Helper()
	var r Recorded
	d.ok(migrations.InAccount(d.ctx, d.db, account, func(tx *sqlx.Tx) (err error) {
		r, err = d.service.RecordPaymentTx(d.ctx, tx, Payment{Account: account, Invoice: invoice, Provider: "bank", ProviderRef: ref, Amount: amount, At: d.clock.now()})
		return err
	}))
	return r
}

// reverse takes a payment by the bank back within its account, or a part of it.
func (d *desk) reverse(account int64, v Reversal) error {
	v.Account, v.Provider, v.At = account, "bank", d.clock.now()
	return d.inAccount(account, func(tx txT) error {
		_, err := d.service.ReversePaymentTx(d.ctx, tx, v)
		return err
	})
}

func (d *desk) doc(account, id int64) Document {
	d.Helper()
	got, err := DocumentTx(d.ctx, d.db, DocumentRef{account, id})
	d.ok(err)
	return got
}

func (d *desk) sub(account int64) Subscription {
	d.Helper()
	got, err := StatusOf(d.ctx, d.db, account)
	d.ok(err)
	return got
}

func (d *desk) credit(account int64) int64 {
	d.Helper()
	n, err := CreditTx(d.ctx, d.db, account)
	d.ok(err)
	return n
}

func many[T any](d *desk, query string, args ...any) (all []T) {
	d.Helper()
	d.ok(d.db.Select(&all, query, args...))
	return all
}

// audit proves what must always hold, over the whole database.
func (d *desk) audit() {
	d.Helper()
	for _, w := range d.wrong(0) {
		d.Error(w)
	}
	if gaps := many[string](d, `SELECT n.series FROM number_series n WHERE n.last <> (SELECT count(*) FROM invoices i WHERE i.series = n.series AND i.year = n.year)
		OR n.last <> (SELECT count(*) FROM invoice_numbers i WHERE i.series = n.series AND i.year = n.year)`); len(gaps) > 0 {
		d.Errorf("gaps in the numbers of %v", gaps)
	}
	for _, account := range many[int64](d, `SELECT account_id FROM billing_accounts`) {
		d.ok(ledger.CheckTx(d.ctx, d.db, account))
	}
}

// wrong lists what must not be in an account; 0 stands for all.
func (d *desk) wrong(account int64) (all []string) {
	d.Helper()
	for what, query := range map[string]string{
		"P13: open amounts": `SELECT i.id FROM invoices i LEFT JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id
			WHERE i.kind = 'invoice' AND i.status <> 'void' AND (COALESCE(b.balance, 0) < 0 OR COALESCE(b.balance, 0)
			    <> i.total - COALESCE((SELECT sum(a.amount) FROM payment_allocations a WHERE a.account_id = i.account_id AND a.invoice_id = i.id), 0)) AND ($1 = 0 OR i.account_id = $1)`,
		"status follows what is open": `SELECT i.id FROM invoices i LEFT JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id
			WHERE (i.kind = 'invoice' AND (i.status = 'open') <> (COALESCE(b.balance, 0) > 0) OR i.status = 'draft') AND ($1 = 0 OR i.account_id = $1)`,
		"credit and debts at once": `SELECT b.account_id FROM ledger_balances b WHERE b.unit = 'CHF' AND b.name = 'customer_credit' AND b.balance < 0 AND ($1 = 0 OR b.account_id = $1)
			AND EXISTS (SELECT 1 FROM ledger_balances r JOIN invoices i ON i.account_id = r.account_id AND i.id = r.item
			    WHERE r.account_id = b.account_id AND r.unit = 'CHF' AND r.name = 'receivable' AND r.balance > 0 AND i.status = 'open')`,
		"credit is what sources have left": `SELECT a.account_id FROM billing_accounts a WHERE ($1 = 0 OR a.account_id = $1) AND
			COALESCE((SELECT sum(p.amount) FROM payments p WHERE p.account_id = a.account_id AND p.kind IN ('payment', 'goodwill')), 0)
			+ COALESCE((SELECT sum(n.total) FROM invoices n WHERE n.account_id = a.account_id AND n.kind = 'credit_note'), 0)
			- COALESCE((SELECT sum(x.amount) FROM payment_allocations x WHERE x.account_id = a.account_id AND num_nonnulls(x.payment_id, x.credit_note_id) = 1), 0)
			<> -COALESCE((SELECT b.balance FROM ledger_balances b WHERE b.account_id = a.account_id AND b.unit = 'CHF' AND b.name = 'customer_credit'), 0)`,
		"free SMS twice for a day": `SELECT g.account_id FROM granted g JOIN granted h ON h.account_id = g.account_id AND h.key > g.key
			WHERE CAST(substr(h.key, 6) AS date) < g.expires_on AND ($1 = 0 OR g.account_id = $1)`,
		"P8: credit notes stay within": `SELECT i.id FROM invoices i JOIN invoices n ON n.account_id = i.account_id AND n.credits_invoice_id = i.id
			WHERE ($1 = 0 OR i.account_id = $1) GROUP BY i.account_id, i.id, i.total HAVING sum(n.total) > i.total`,
	} {
		if ids := many[int64](d, query, account); len(ids) > 0 {
			all = append(all, fmt.Sprintf("%s: %v", what, ids))
		}
	}
	return all
}

type txT = *sqlx.Tx

func (d *desk) inAccount(account int64, fn func(tx txT) error) error {
	return migrations.InAccount(d.ctx, d.db, account, fn)
}
