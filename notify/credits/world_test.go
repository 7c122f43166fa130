package credits_test

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
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/segment"
)

// epoch is a morning in Zürich.
var epoch = time.Date(2027, 3, 10, 8, 0, 0, 0, time.UTC)

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// clock stands still until told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	c.t = t
	c.mu.Unlock()
}

// letters is a Mailer that remembers.
type letters struct {
	mu  sync.Mutex
	all []credits.Mail
}

func (l *letters) QueueTx(_ context.Context, _ *sqlx.Tx, m credits.Mail) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, m)
	return nil
}

func (l *letters) count(o credits.Occasion) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m.Occasion == o {
			n++
		}
	}
	return n
}

// bench is a database with the metered account 1, and credits.
type bench struct {
	fataler
	dsn     string
	db      *sqlx.DB
	clock   *clock
	letters *letters
	credits *credits.Credits
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{fataler: t, dsn: dbtest.NewDSN(t), clock: &clock{t: epoch}, letters: &letters{}}
	b.db = dbtest.Open(t, b.dsn)
	b.credits = b.over(b.db)
	b.account(1, 0)
	return b
}

// over makes Credits of another pool.
func (b *bench) over(db *sqlx.DB) *credits.Credits {
	b.Helper()
	c, err := credits.New(credits.Config{DB: db, Mailer: b.letters, Now: b.clock.now})
	b.ok(err)
	return c
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%v", err)
	}
}

// account adds a metered account; parent 0: it pays for itself.
func (b *bench) account(id, parent int64) {
	b.Helper()
	b.exec(`INSERT INTO accounts (account_id, business, billing, parent_id, created_at) VALUES ($1, 'Practice', 'metered', NULLIF($2, 0), $3)`, id, parent, epoch)
}

func (b *bench) exec(query string, args ...any) {
	b.Helper()
	_, err := b.db.Exec(query, args...)
	b.ok(err)
}

func (b *bench) tx(account int64, do func(ctx context.Context, tx *sqlx.Tx) error) error {
	ctx := context.Background()
	return migrations.InAccount(ctx, b.db, account, func(tx *sqlx.Tx) error { return do(ctx, tx) })
}

func (b *bench) grant(g credits.Grant) error {
	if g.Account == 0 {
		g.Account = 1
	}
	return b.tx(g.Account, func(ctx context.Context, tx *sqlx.Tx) error { return b.credits.GrantTx(ctx, tx, g) })
}

// charge is a reminder of one part to Switzerland.
func charge(message int64, n int) notify.Charge {
	return notify.Charge{MessageID: message, Kind: notify.Notification, Origin: notify.OriginReminder, Country: "CH", Encoding: segment.GSM7,
		Segments: n, Units: 100, Price: notify.Price{TariffID: 1, Credits: n}}
}

// hold asks for messages of one account and returns those that aren't covered.
func (b *bench) hold(account int64, charges ...notify.Charge) (uncovered []int64, err error) {
	err = b.tx(account, func(ctx context.Context, tx *sqlx.Tx) (err error) {
		uncovered, err = b.credits.HoldTx(ctx, tx, account, charges)
		return err
	})
	return uncovered, err
}

func (b *bench) settle(account, message int64, captured bool) error {
	return b.tx(account, func(ctx context.Context, tx *sqlx.Tx) error {
		return b.credits.SettleTx(ctx, tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: account, ID: message}, Captured: captured, At: b.clock.now()}})
	})
}

func (b *bench) book(account int64) error {
	return b.tx(account, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := b.credits.BookTx(ctx, tx, account, b.clock.now())
		return err
	})
}

func (b *bench) transfer(t credits.Transfer) error {
	_, err := b.moved(t)
	return err
}

// moved transfers, and reports whether that was new.
func (b *bench) moved(t credits.Transfer) (moved bool, err error) {
	err = migrations.InTx(context.Background(), b.db, func(tx *sqlx.Tx) (err error) {
		moved, err = b.credits.TransferTx(context.Background(), tx, t)
		return err
	})
	return moved, err
}

func (b *bench) tick() {
	b.Helper()
	_, err := b.credits.Tick(context.Background())
	b.ok(err)
}

func (b *bench) balance(account int64) credits.Balance {
	b.Helper()
	bal, err := credits.BalanceTx(context.Background(), b.db, account)
	b.ok(err)
	return bal
}

// total is what an account of the chart has.
func (b *bench) total(account int64, name string) int64 {
	b.Helper()
	n, err := ledger.TotalTx(context.Background(), b.db, account, ledger.SMS, name)
	b.ok(err)
	return n
}

// totals are what all accounts of the chart have, but those with nothing.
func (b *bench) totals(account int64) map[string]int64 {
	b.Helper()
	var rows []struct {
		Name  string `db:"name"`
		Total int64  `db:"total"`
	}
	b.ok(b.db.Select(&rows, `SELECT name, sum(balance) AS total FROM ledger_balances WHERE account_id = $1 AND unit = 'SMS' GROUP BY name HAVING sum(balance) <> 0`, account))
	all := map[string]int64{}
	for _, r := range rows {
		all[r.Name] = r.Total
	}
	return all
}

// check proves the books, and P9: what was granted is somewhere.
func (b *bench) check(accounts ...int64) {
	b.Helper()
	var gone int64
	for _, a := range accounts {
		b.ok(credits.CheckTx(context.Background(), b.db, a))
		var there int64
		totals := b.totals(a)
		for _, name := range []string{"available", "held", "consumed", "expired", "owed", "transferred"} {
			there += totals[name]
		}
		if granted := -totals["granted"]; there != granted {
			b.Fatalf("account %d was granted %d and has had %d", a, granted, there)
		}
		gone += totals["transferred"]
	}
	if gone != 0 {
		b.Fatalf("%d got lost between the accounts", gone)
	}
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func keyOf(prefix string, n int) string { return fmt.Sprintf("%s-%d", prefix, n) }
