package billing

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// operator is a pool that works as the operator's role.
func (d *desk) operator() *sqlx.DB {
	d.Helper()
	dsn, err := migrations.OperatorDSN(d.dsn)
	d.ok(err)
	return dbtest.Open(d, dsn)
}

// Who ended a trial and pays for the first time later is new: nothing is brought back that
// was never there. Neither does what was ordered and never paid make one a former clinic.
func TestMovements_new(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-01-10")
	a, b := d.clinic(1), d.clinic(2)
	d.do(a, Change{Kind: Start, Interval: Monthly, Quantity: 1, TrialDays: 14})
	d.do(a, Change{Kind: Cancel, When: Now})
	d.do(b, Change{Kind: Start, Interval: Monthly, Quantity: 1})
	d.do(b, Change{Kind: Cancel, When: Now})
	for range 2 {
		for _, id := range []int64{a, b} {
			d.begin(id, Monthly, 1)
			d.do(id, Change{Kind: Cancel, When: Now})
		}
	}
	for _, id := range []int64{a, b} {
		got := many[string](d, `SELECT kind FROM mrr_movements WHERE account_id = $1 ORDER BY id`, id)
		if diff := cmp.Diff([]string{"new", "churn", "reactivation", "churn"}, got); diff != "" {
			t.Errorf("account %d (-want +got):\n%s", id, diff)
		}
	}
	d.audit()
}

// Case 47 over a few months, read with the operator's rights.
func TestFigures(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-01-10")
	a, b, c := d.clinic(1), d.clinic(2), d.clinic(3)
	d.begin(a, Monthly, 4) // 57.00
	d.begin(b, Yearly, 1)  // 12.50
	d.begin(c, Yearly, 4)  // 47.50
	first := many[int64](d, `SELECT id FROM invoices ORDER BY id`)
	for i, id := range first {
		d.pay(int64(i+1), id, d.doc(int64(i+1), id).Total, "p"+string(rune('a'+i)))
	}
	d.day("2027-02-10")
	d.do(a, Change{Kind: SetQuantity, Quantity: 3, When: Now}) // 45.00
	d.do(b, Change{Kind: Cancel, When: Now})
	d.day("2027-02-20")
	d.begin(b, Monthly, 1) // back: 15.00
	op := d.operator()
	months, err := RevenueMonths(d.ctx, op, day("2027-01-01"), day("2027-03-01"))
	d.ok(err)
	want := []RevenueMonth{
		{Month: "2027-01", Moves: map[MovementKind]int64{MoveNew: 11700}, End: 11700},
		{Month: "2027-02", Begin: 11700, Moves: map[MovementKind]int64{MoveContraction: -1200, MoveChurn: -1250, MoveReactivation: 1500}, End: 10750, Clinics: 3},
	}
	want[1].LostRate = MulDiv(2450, 10000, 11700)
	if diff := cmp.Diff(want, months); diff != "" {
		t.Error(diff)
	}
	if sum, err := RevenueOn(d.ctx, op, day("2027-01-10")); err != nil || CHF(sum) != "117.00" {
		t.Errorf("case 47: %s, %v", CHF(sum), err)
	}
	d.day("2027-04-20") // February's and March's invoices of a, and b's, by then
	d.look()
	ages, err := Ages(d.ctx, op, day("2027-04-20"))
	d.ok(err)
	open, err := OpenInvoices(d.ctx, op, OpenQuery{})
	d.ok(err)
	var sum, inAges int64
	for _, o := range open {
		sum += o.Open
	}
	for _, a := range ages {
		inAges += a.Open
	}
	if len(open) == 0 || sum != inAges || ages[0].Invoices != 2 || ages[2].Invoices != 1 {
		t.Errorf("%d open: %s, by age %s: %+v", len(open), CHF(sum), CHF(inAges), ages)
	}
	standing, err := Standing(d.ctx, op, "")
	d.ok(err)
	var owed int64
	for _, s := range standing {
		owed += s.Open
	}
	if len(standing) != 3 || owed != sum {
		t.Errorf("%d subscriptions owe %s of %s", len(standing), CHF(owed), CHF(sum))
	}
	journal, err := Journal(d.ctx, op, day("2027-01-01").Start(zurich(t)), day("2028-01-01").Start(zurich(t)))
	d.ok(err)
	perTx := map[int64]int64{}
	for _, r := range journal {
		perTx[r.Tx] += r.Amount
	}
	for tx, n := range perTx {
		if n != 0 {
			t.Errorf("transaction %d sums to %d", tx, n)
		}
	}
	var csv strings.Builder
	d.ok(WriteJournal(&csv, journal, zurich(t)))
	if !strings.Contains(csv.String(), "2027-01-10 09:00:00,1,") || !strings.Contains(csv.String(), ",R-2027-000001,receivable,") {
		t.Errorf("%.400s", csv.String())
	}
	if l, err := Liabilities(d.ctx, op); err != nil || len(l) != 0 {
		t.Errorf("liabilities %v, %v", l, err)
	}
	d.audit()
}

// N pick at the same time where the subscription covers two: exactly two do, also over
// the sub-accounts of one payer, and with the web's rights.
func TestMayWatchTx(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Monthly, 2)
	d.exec(`INSERT INTO accounts (account_id, business, billing, parent_id, created_at) VALUES (2, 'Filiale', 'metered', 1, now()), (3, 'Eigene', 'free', NULL, now()), (4, 'Neu', 'metered', NULL, now())`)
	for id := 1; id <= 4; id++ {
		d.exec(`INSERT INTO connections (account_id, id, provider, subject, label, created_at) VALUES (CAST($1 AS bigint), CAST($1 AS bigint), 'x', 's', 'l', now())`, id)
		d.exec(`INSERT INTO calendars (account_id, id, connection_id, provider_ref, name, created_at) SELECT CAST($1 AS bigint), CAST($1 AS bigint) * 10 + n, CAST($1 AS bigint), 'c' || n, 'c', now() FROM generate_series(1, 4) n`, id)
	}
	web := dbtest.Web(t, d.dsn)
	pick := func(account, calendar int64) bool {
		var may bool
		if err := migrations.InAccount(d.ctx, web, account, func(tx *sqlx.Tx) (err error) {
			if may, err = d.service.MayWatchTx(d.ctx, tx, account); err != nil || !may {
				return err
			}
			_, err = tx.ExecContext(d.ctx, `UPDATE calendars SET watched = true WHERE account_id = $1 AND id = $2`, account, calendar)
			return err
		}); err != nil {
			t.Error(err)
		}
		return may
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for n := int64(1); n <= 4; n++ {
		for account := int64(1); account <= 2; account++ {
			wg.Go(func() {
				if pick(account, account*10+n) {
					mu.Lock()
					got++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if got != 2 {
		t.Errorf("%d were picked of two covered", got)
	}
	// Who may not see calendars sees how many are connected.
	connected := func(want int64) {
		t.Helper()
		rows, err := Standing(d.ctx, d.operator(), "")
		d.ok(err)
		if len(rows) != 1 || rows[0].AccountID != a || rows[0].Quantity != 2 || rows[0].Connected != want {
			t.Errorf("%+v, want %d connected", rows, want)
		}
		n, err := watchedTx(d.ctx, d.db, a)
		d.ok(err)
		if n != want {
			t.Errorf("%d are watched, want %d", n, want)
		}
	}
	connected(2)
	one := many[int64](d, `SELECT id FROM calendars WHERE watched ORDER BY id`)[0]
	d.exec(`UPDATE calendars SET watched = true, failures = 1 WHERE id = $1`, one) // nothing new
	connected(2)
	d.exec(`UPDATE calendars SET watched = false WHERE id = $1`, one)
	connected(1)
	d.exec(`UPDATE calendars SET watched = true WHERE id = $1`, one)
	d.exec(`DELETE FROM calendars WHERE id = $1`, one)
	connected(1)
	d.exec(`INSERT INTO calendars (account_id, id, connection_id, provider_ref, name, watched, created_at) VALUES (1, $1, 1, 'again', 'c', true, now())`, one)
	connected(2)
	if !pick(3, 31) {
		t.Error("the operator's own are limited")
	}
	if pick(4, 41) {
		t.Error("picked without a subscription")
	}
	if _, err := d.service.Do(d.ctx, Command{Account: a, Key: "fewer", Actor: "user:1", Change: quantity(1)}); err == nil {
		t.Error("a decrease below what is read was taken")
	}
}
