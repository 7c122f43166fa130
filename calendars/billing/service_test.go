package billing

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestService_firstInvoice(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	done := d.begin(a, Monthly, 2)
	if len(done.Documents) != 1 || done.Due != 3243 || done.Subscription.Status != Active {
		t.Fatalf("%+v", done)
	}
	inv := d.doc(a, done.Documents[0])
	if inv.Name() != "R-2027-000001" || inv.Open != 3243 || inv.Status != InvoiceOpen || inv.DueOn != day("2027-03-11") {
		t.Errorf("%+v", inv)
	}
	p, err := inv.Paper()
	d.ok(err)
	if p.Number != "R-2027-000001" || p.Lines[0].Text != "Abonnement für 2 Kalender" || p.Due != 3243 || len(p.Reference) != 27 {
		t.Errorf("%+v", p)
	}
	if _, err := p.PDF(); err != nil {
		t.Errorf("print: %v", err)
	}
	if diff := cmp.Diff([]string{"free/2027-03-01"}, many[string](d, `SELECT key FROM granted`)); diff != "" {
		t.Error(diff)
	}
	found, err := DocumentByReference(d.ctx, d.db, p.Reference)
	if err != nil || found != (DocumentRef{a, inv.ID}) {
		t.Errorf("by reference: %v, %v", found, err)
	}
	d.look()
	if len(d.jobs.done) != 1 || d.jobs.done[0].Kind != JobMail {
		t.Errorf("jobs %+v", d.jobs.done)
	}
	d.audit()
}

// Case 42: the job was down from the end of March until 2 May, then runs twice.
func TestTick_case42(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Monthly, 1)
	d.day("2027-05-02")
	d.look()
	d.ok(d.service.raise(d.ctx, a))
	d.look()
	got := many[string](d, `SELECT p.seq || ' ' || p.starts_on || ' ' || l.net_rappen || ' ' || i.series || i.number FROM subscription_periods p
		JOIN invoice_lines l ON l.account_id = p.account_id AND l.subscription_id = p.subscription_id AND l.period_seq = p.seq
		JOIN invoices i ON i.account_id = l.account_id AND i.id = l.invoice_id ORDER BY p.seq`)
	if diff := cmp.Diff([]string{"0 2027-03-01 1500 R1", "1 2027-04-01 1500 R2", "2 2027-05-01 1500 R3"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"free/2027-03-01", "free/2027-05-01"}, many[string](d, `SELECT key FROM granted ORDER BY 1`)); diff != "" {
		t.Error(diff)
	}
	d.audit()
}

// The free SMS of a yearly subscription come each month.
func TestGrants_yearly(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-01-31")
	a := d.clinic(1)
	inv := d.begin(a, Yearly, 1).Documents[0]
	d.pay(a, inv, 16215, "p")
	d.until("2027-05-01")
	got := many[string](d, `SELECT key || ' ' || expires_on FROM granted ORDER BY 1`)
	want := []string{"free/2027-01-31 2027-02-28", "free/2027-02-28 2027-03-31", "free/2027-03-31 2027-04-30", "free/2027-04-30 2027-05-31"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// No day brings free SMS twice, and none is left out: a new anchor or a new beginning goes
// on where the days end for which they came.
func TestGrants_stretches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(d *desk, a int64)
		want []string // from, until, credits
	}{
		"yearly within the month": {func(d *desk, a int64) {
			d.begin(a, Monthly, 1)
			d.until("2027-03-26")
			d.do(a, Change{Kind: SetInterval, Interval: Yearly})
		}, []string{"2027-03-01 2027-04-01 25", "2027-04-01 2027-04-26 20", "2027-04-26 2027-05-26 25"}}, // 25 of 31 days
		"five beginnings in a day": {func(d *desk, a int64) {
			for range 5 {
				d.begin(a, Monthly, 1)
				d.do(a, Change{Kind: Cancel, When: Now})
			}
		}, []string{"2027-03-01 2027-04-01 25"}},
		"a beginning each day": {func(d *desk, a int64) {
			for range 40 {
				d.begin(a, Monthly, 1)
				d.do(a, Change{Kind: Cancel, When: Now})
				d.until((DateIn(d.clock.now(), zurich(d)) + 1).String())
			}
			d.begin(a, Monthly, 1) // 10 April
		}, []string{"2027-03-01 2027-04-01 25", "2027-04-01 2027-05-01 25", "2027-05-01 2027-05-10 8"}}, // 9 of 30 days
		"back after weeks": {func(d *desk, a int64) {
			d.begin(a, Monthly, 1)
			d.do(a, Change{Kind: Cancel})
			d.until("2027-04-20")
			d.begin(a, Monthly, 1)
		}, []string{"2027-03-01 2027-04-01 25", "2027-04-20 2027-05-20 25"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, "2027-03-01")
			a := d.clinic(1)
			d.pay(a, 0, 100_000, "in advance")
			c.do(d, a)
			d.until("2027-05-09")
			got := many[string](d, `SELECT substr(key, 6) || ' ' || expires_on || ' ' || credits FROM granted ORDER BY 1`)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			d.audit()
		})
	}
}

// A trial, extended, becomes a subscription on the new day; the end of a subscription ends
// the service of all accounts its payer has, and coming back brings them back.
func TestService_trialAndFamily(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-02-17")
	a := d.clinic(1)
	d.exec(`INSERT INTO accounts (account_id, business, billing, parent_id, created_at) VALUES (2, 'Filiale', 'metered', 1, now()), (3, 'Andere', 'free', NULL, now())`)
	services := func() []string { return many[string](d, `SELECT service FROM accounts ORDER BY account_id`) }
	want := func(state ...string) {
		t.Helper()
		if diff := cmp.Diff(state, services()); diff != "" {
			t.Errorf("service (-want +got):\n%s", diff)
		}
	}
	d.do(a, Change{Kind: Start, Interval: Monthly, Quantity: 1, TrialDays: 14})
	d.do(a, quantity(2))
	d.do(a, Change{Kind: ExtendTrial, Until: day("2027-03-10")})
	d.until("2027-03-09")
	if n := many[int](d, `SELECT count(*) FROM invoices`)[0]; n != 0 {
		t.Errorf("%d invoices in the trial", n)
	}
	next, err := d.service.Next(d.ctx, a)
	if err != nil || CHF(next.Due) != "32.43" || next.Effective != day("2027-03-10") {
		t.Errorf("next: %s on %s, %v", CHF(next.Due), next.Effective, err)
	}
	d.until("2027-03-10")
	sub := d.sub(a)
	if sub.Status != Active || sub.Anchor != day("2027-03-10") || sub.NextOn != day("2027-04-10") {
		t.Errorf("%+v", sub)
	}
	inv := many[int64](d, `SELECT id FROM invoices`)[0]
	d.pay(a, inv, 3243, "p")
	d.do(a, Change{Kind: Cancel})
	d.until("2027-04-09")
	want("on", "on", "on")
	d.until("2027-04-10")
	want("ended", "ended", "on")
	if _, err := d.service.Do(d.ctx, Command{Account: a, Key: "again", Actor: "user:1", Change: Change{Kind: Start, Interval: Monthly, Quantity: 1, TrialDays: 14}}); !errors.Is(err, ErrState) {
		t.Errorf("a second trial: %v", err)
	}
	d.do(a, Change{Kind: Start, Interval: Monthly, Quantity: 1, Paid: true})
	want("on", "on", "on")
	if kinds := many[string](d, `SELECT kind FROM mrr_movements ORDER BY id`); !cmp.Equal(kinds, []string{"new", "churn", "reactivation"}) {
		t.Errorf("revenue moved %v", kinds)
	}
	d.audit()
}

func TestAddPriceTx(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.pay(a, d.begin(a, Monthly, 1).Documents[0], 1622, "p")
	add := func(tiers Tiers, from string) error {
		tx, err := d.operator().Beginx()
		d.ok(err)
		_, err = AddPriceTx(d.ctx, tx, Price{Plan: DefaultPlan, Interval: Monthly, From: day(from), Tiers: tiers})
		if err != nil {
			d.ok(tx.Rollback())
			return err
		}
		return tx.Commit()
	}
	d.ok(add(Tiers{{0, 1800}}, "2027-03-15"))
	if err := add(Tiers{{0, 1900}}, "2027-03-15"); !errors.Is(err, ErrCatalogue) {
		t.Errorf("two from one day: %v", err)
	}
	if err := add(Tiers{{3, 1900}}, "2027-03-16"); !errors.Is(err, ErrCatalogue) {
		t.Errorf("not open: %v", err)
	}
	d.until("2027-04-01") // case 43
	if got := many[string](d, `SELECT CAST(total AS text) FROM invoices ORDER BY id`); !cmp.Equal(got, []string{"1622", "1946"}) {
		t.Errorf("billed %v", got)
	}
}
