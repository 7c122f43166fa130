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

// Case 41: part, the rest and more, and the same twice.
func TestRecordPayment_case41(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 2).Documents[0]
	d.pay(a, inv, 2000, "one")
	if got := d.doc(a, inv); got.Open != 1243 || got.Status != InvoiceOpen {
		t.Errorf("open %s, %s", CHF(got.Open), got.Status)
	}
	for i := range 3 {
		if r := d.pay(a, inv, 2000, "two"); r.Fresh != (i == 0) || r.Credit != 757 {
			t.Errorf("paid: %+v", r)
		}
	}
	if got := d.doc(a, inv); got.Open != 0 || got.Status != InvoicePaid {
		t.Errorf("open %s, %s", CHF(got.Open), got.Status)
	}
	if n := d.credit(a); n != 757 {
		t.Errorf("credit %s", CHF(n))
	}
	// Case 40: the next invoice takes it.
	d.until("2027-04-01")
	next := many[int64](d, `SELECT max(id) FROM invoices`)[0]
	if got := d.doc(a, next); got.Open != 3243-757 {
		t.Errorf("April: open %s", CHF(got.Open))
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

// Case 18 through the database: credit note first, and it pays a part of the invoice.
func TestDo_case18(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2028-02-15")
	a := d.clinic(1)
	first := d.begin(a, Monthly, 2)
	d.pay(a, first.Documents[0], first.Due, "first")
	d.day("2028-02-29")
	q, err := d.service.Preview(d.ctx, a, Change{Kind: SetInterval, Interval: Yearly})
	d.ok(err)
	done := d.do(a, Change{Kind: SetInterval, Interval: Yearly})
	if q.Due != 30752 || done.Due != 30752 || len(done.Documents) != 2 {
		t.Fatalf("previewed %s, billed %s", CHF(q.Due), CHF(done.Due))
	}
	note, inv := d.doc(a, done.Documents[0]), d.doc(a, done.Documents[1])
	if note.Kind != CreditNote || note.Name() != "G-2028-000001" || note.Total != 1678 || inv.Total != 32430 || inv.Open != 30752 {
		t.Errorf("%s %s, %s open %s", note.Name(), CHF(note.Total), inv.Name(), CHF(inv.Open))
	}
	p, err := note.Paper()
	d.ok(err)
	if p.Credits != "R-2028-000001" {
		t.Errorf("it credits %s", p.Credits)
	}
	d.audit()
}

// A credit note for an invoice that is still open pays that one.
func TestDo_creditOfAnOpenInvoice(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 2).Documents[0]
	d.day("2027-03-05")
	d.do(a, Change{Kind: Cancel, When: Now})
	got := d.doc(a, inv)
	if want := int64(3243 - 2825); got.Open != want || d.credit(a) != 0 { // 27 of 31 days back
		t.Errorf("open %s, credit %s", CHF(got.Open), CHF(d.credit(a)))
	}
	d.audit()
}

// The same command twice is one, and a key stands for one thing.
func TestDo_once(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Monthly, 1)
	c := Command{Account: a, Key: "more", Actor: "user:1", Change: Change{Kind: SetQuantity, Quantity: 3}, Version: 1}
	first, err := d.service.Do(d.ctx, c)
	d.ok(err)
	again, err := d.service.Do(d.ctx, c)
	d.ok(err)
	if !again.Again || first.Again || !cmp.Equal(first.Documents, again.Documents) || again.Due != first.Due {
		t.Errorf("%+v, then %+v", first, again)
	}
	c.Change.Quantity = 4
	if _, err := d.service.Do(d.ctx, c); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the key for something else: %v", err)
	}
	c.Key = "other"
	if _, err := d.service.Do(d.ctx, c); !errors.Is(err, ErrStale) {
		t.Errorf("on top of another version: %v", err)
	}
	c.Key, c.Actor = "by an operator", "operator:1"
	if _, err := d.service.Do(d.ctx, c); !errors.Is(err, ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	d.audit()
}

// What must be known before an invoice can be made.
func TestDo_refuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	start := Command{Account: a, Key: "k", Actor: "user:1", Change: Change{Kind: Start, Interval: Monthly, Quantity: 1, Paid: true}}
	try := func(want error) {
		t.Helper()
		if _, err := d.service.Do(d.ctx, start); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	d.exec(`UPDATE billing_accounts SET town = ''`)
	try(ErrAddress)
	d.exec(`UPDATE billing_accounts SET town = 'Zürich'`)
	d.exec(`UPDATE seller SET vat_uid = ''`)
	try(ErrSeller)
	d.exec(`UPDATE seller SET vat_uid = 'CHE-1'`)
	d.exec(`UPDATE accounts SET billing = 'free'`)
	try(ErrState)
	d.exec(`INSERT INTO accounts (account_id, business, billing, parent_id, created_at) VALUES (2, 'Filiale', 'metered', 1, now())`)
	start.Account = 2
	try(ErrState)
	if n := many[int64](d, `SELECT count(*) FROM invoices`)[0]; n != 0 {
		t.Errorf("%d documents were left", n)
	}
}

// An incomplete subscription begins with the payment, on that day.
func TestDo_incomplete(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	done := d.do(a, Change{Kind: Start, Interval: Monthly, Quantity: 2})
	if done.Subscription.Status != Incomplete || len(done.Documents) != 0 {
		t.Fatalf("%+v", done)
	}
	d.until("2027-03-04")
	d.pay(a, 0, 1000, "too little")
	if s := d.sub(a).Status; s != Incomplete {
		t.Errorf("%s after too little", s)
	}
	d.pay(a, 0, 2243, "the rest")
	sub := d.sub(a)
	if sub.Status != Active || sub.Anchor != day("2027-03-04") || d.credit(a) != 0 {
		t.Errorf("%+v, credit %s", sub, CHF(d.credit(a)))
	}
	if s := many[string](d, `SELECT status FROM invoices`); !cmp.Equal(s, []string{"paid"}) {
		t.Errorf("invoices %v", s)
	}
	b := d.clinic(2)
	d.do(b, Change{Kind: Start, Interval: Monthly, Quantity: 2})
	d.until("2027-04-03")
	if s := many[string](d, `SELECT status FROM subscriptions WHERE account_id = 2`); !cmp.Equal(s, []string{"expired"}) {
		t.Errorf("never paid: %v", s)
	}
	d.audit()
}

// Dunning: overdue, two reminders, a warning, the suspension not before 14 days; and
// with the payment everything goes on.
func TestDunning(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Yearly, 1).Documents[0] // due 11 March
	type line struct{ on, what string }
	var got []line
	status := Active
	for at := day("2027-03-02"); at <= day("2027-03-28"); at++ {
		before := len(d.jobs.done)
		d.day(at.String())
		d.look()
		if s := d.sub(a).Status; s != status {
			got = append(got, line{at.String(), string(s)})
			status = s
		}
		for _, j := range d.jobs.done[before:] {
			if j.Kind != JobMail {
				got = append(got, line{at.String(), j.Kind + " " + j.What})
			}
		}
	}
	want := []line{{"2027-03-12", "past_due"}, {"2027-03-12", "dunning 1"}, {"2027-03-19", "dunning 2"}, {"2027-03-23", "dunning 3"},
		{"2027-03-26", "suspended"}, {"2027-03-26", "notice suspended"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(line{})); diff != "" {
		t.Error(diff)
	}
	service := func() string { return many[string](d, `SELECT service FROM accounts WHERE account_id = 1`)[0] }
	if service() != "suspended" {
		t.Errorf("service %s", service())
	}
	d.pay(a, inv, d.doc(a, inv).Open, "late")
	if s := d.sub(a); s.Status != Active || s.PastDueSince != 0 {
		t.Errorf("after the payment %+v", s)
	}
	d.look()
	if service() != "on" {
		t.Errorf("service %s", service())
	}
	d.audit()
}

// After an outage of the whole dunning nobody is reminded twice and suspended at once.
func TestDunning_afterAnOutage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Yearly, 1)
	d.look()
	d.day("2027-06-01")
	d.look()
	d.look()
	if s := d.sub(a).Status; s != PastDue {
		t.Errorf("%s at once", s)
	}
	d.until("2027-06-11") // reminders on 1 and 8 June, the warning on 9 June
	if s := d.sub(a).Status; s != PastDue {
		t.Errorf("%s before the warning's days are over", s)
	}
	d.until("2027-06-12")
	if s := d.sub(a).Status; s != Suspended {
		t.Errorf("%s in the end", s)
	}
}

func TestDunning_pause(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Yearly, 1)
	d.until("2027-03-13")
	if _, err := d.service.PauseDunning(d.ctx, Correction{Account: a, Key: "pause", Actor: "operator:1", Reason: "they called"}, day("2027-05-01")); err != nil {
		t.Fatal(err)
	}
	d.until("2027-04-30")
	if n := many[int64](d, `SELECT count(*) FROM dunning_steps`)[0]; n != 1 {
		t.Errorf("%d steps in the pause", n)
	}
	d.until("2027-05-06")
	if s := d.sub(a).Status; s != Suspended {
		t.Errorf("%s after the pause", s)
	}
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 3).Documents[0] // 48.65
	line := many[int64](d, `SELECT id FROM invoice_lines`)[0]
	why := func(key string) Correction {
		return Correction{Account: a, Key: key, Actor: "operator:1", Reason: "was out of order"}
	}

	// Case 36 through the database.
	var taxes []int64
	for _, key := range []string{"a", "b", "b"} {
		r, err := d.service.Credit(d.ctx, why(key), inv, map[int64]int64{line: 1500})
		d.ok(err)
		taxes = append(taxes, d.doc(a, r.Document).Tax)
	}
	if diff := cmp.Diff([]int64{122, 121, 121}, taxes); diff != "" {
		t.Error(diff)
	}
	if _, err := d.service.Credit(d.ctx, why("too much"), inv, map[int64]int64{line: 1501}); !errors.Is(err, ErrAmount) {
		t.Errorf("too much: %v", err)
	}
	if _, err := d.service.Void(d.ctx, why("void"), inv); !errors.Is(err, ErrState) {
		t.Errorf("voided although credited: %v", err)
	}
	// 16.22 are left; 20.00 come, 3.78 are over and go back.
	d.pay(a, inv, 2000, "p")
	if d.credit(a) != 378 {
		t.Errorf("credit %s", CHF(d.credit(a)))
	}
	if _, err := d.service.Refund(d.ctx, why("much"), Payment{Provider: "bank", ProviderRef: "out", Amount: 379}); !errors.Is(err, ErrAmount) {
		t.Errorf("more than there is: %v", err)
	}
	_, err := d.service.Refund(d.ctx, why("back"), Payment{Provider: "bank", ProviderRef: "out", Amount: 378})
	d.ok(err)
	large := why("large")
	for _, second := range []string{"", "operator:1"} {
		large.Second = second
		if _, err := d.service.GiveCredit(d.ctx, large, 50_001); !errors.Is(err, ErrFourEyes) {
			t.Errorf("alone, with %q: %v", second, err)
		}
	}
	_, err = d.service.GiveCredit(d.ctx, why("gift"), 500)
	d.ok(err)
	if d.credit(a) != 500 {
		t.Errorf("credit %s", CHF(d.credit(a)))
	}
	d.audit()

	// A bill by hand, voided; another, written off, and paid all the same.
	r, err := d.service.Invoice(d.ctx, why("bill"), []BillLine{{Kind: LineManual, Text: "Schulung", Quantity: 1, Net: 10000}})
	d.ok(err)
	if got := d.doc(a, r.Document); got.Open != 10810-500 || d.credit(a) != 0 {
		t.Errorf("open %s", CHF(got.Open))
	}
	_, err = d.service.WriteOff(d.ctx, why("lost"), r.Document)
	d.ok(err)
	if got := d.doc(a, r.Document); got.Open != 0 || got.Status != InvoiceUncollectible {
		t.Errorf("written off: %+v", got)
	}
	d.audit()
	d.pay(a, r.Document, 10000, "after all")
	if got := d.doc(a, r.Document); got.Status != InvoiceUncollectible {
		t.Errorf("a part came: %s", got.Status)
	}
	d.pay(a, r.Document, 310, "the rest")
	if got := d.doc(a, r.Document); got.Status != InvoicePaid {
		t.Errorf("all came: %s", got.Status)
	}
	v, err := d.service.Invoice(d.ctx, why("wrong bill"), []BillLine{{Kind: LineManual, Text: "Schulung", Net: 700}})
	d.ok(err)
	_, err = d.service.Void(d.ctx, why("not ours"), v.Document)
	d.ok(err)
	if got := d.doc(a, v.Document); got.Status != InvoiceVoid || got.Open != 0 {
		t.Errorf("void: %+v", got)
	}
	d.audit()
}

// A chargeback opens what was paid, and what was paid with the rest of it.
func TestReversePayment(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	first := d.begin(a, Monthly, 2).Documents[0]
	d.pay(a, first, 6486, "two months")
	d.until("2027-04-01")
	second := many[int64](d, `SELECT max(id) FROM invoices`)[0]
	if d.doc(a, second).Status != InvoicePaid {
		t.Fatal("the second is not paid")
	}
	for range 2 {
		d.ok(d.inAccount(a, func(tx txT) error {
			_, err := d.service.ReversePaymentTx(d.ctx, tx, Reversal{Account: a, Provider: "bank", Of: "two months", ProviderRef: "returned", At: d.clock.now()})
			return err
		}))
		if a, b := d.doc(a, first), d.doc(a, second); a.Open != 3243 || b.Open != 3243 || a.Status != InvoiceOpen || b.Status != InvoiceOpen {
			t.Errorf("open %s and %s", CHF(a.Open), CHF(b.Open))
		}
		d.audit()
	}
	d.look()
	if s := d.sub(a).Status; s != PastDue {
		t.Errorf("%s", s)
	}
}

// One payment of the outside world counts for one account.
func TestRecordPayment_foreign(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a, b := d.clinic(1), d.clinic(2)
	d.pay(a, 0, 100, "x")
	err := d.inAccount(b, func(tx txT) error {
		_, err := d.service.RecordPaymentTx(d.ctx, tx, Payment{Account: b, Provider: "bank", ProviderRef: "x", Amount: 100, At: d.clock.now()})
		return err
	})
	if !errors.Is(err, ErrForeign) {
		t.Errorf("%v", err)
	}
	err = d.inAccount(a, func(tx txT) error {
		_, err := d.service.RecordPaymentTx(d.ctx, tx, Payment{Account: a, Provider: "bank", ProviderRef: "x", Amount: 101, At: d.clock.now()})
		return err
	})
	if !errors.Is(err, ErrKeyReused) {
		t.Errorf("%v", err)
	}
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

// Preview changes nothing, also when a renewal is due: that one is made, for it is due.
func TestPreview(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.begin(a, Monthly, 1)
	d.day("2027-04-16")
	q, err := d.service.Preview(d.ctx, a, quantity(2))
	d.ok(err)
	if diff := cmp.Diff([]string{"+7.50 0.61"}, docs(q)); diff != "" {
		t.Error(diff)
	}
	if n := many[int](d, `SELECT count(*) FROM invoices`)[0]; n != 2 {
		t.Errorf("%d invoices, want March and April", n)
	}
	if s := d.sub(a); s.Quantity != 1 {
		t.Errorf("it was done: %+v", s)
	}
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
