package billing

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
