package billing

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

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
		d.ok(d.reverse(a, Reversal{Of: "two months", ProviderRef: "returned"}))
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

// A payment goes back in parts, each once by its own reference, and never more than it was:
// what paid nothing goes first, then the latest it paid is open again.
func TestReversePayment_parts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	first := d.begin(a, Monthly, 2).Documents[0]
	d.pay(a, first, 6486+500, "two months")
	d.until("2027-04-01")
	second := many[int64](d, `SELECT max(id) FROM invoices`)[0]
	for _, step := range []struct {
		v                           Reversal
		err                         error
		openFirst, openSecond, left int64
	}{
		{Reversal{ProviderRef: "r1", Amount: 200}, nil, 0, 0, 300},
		{Reversal{ProviderRef: "r2", Amount: 1300}, nil, 0, 1000, 0},
		{Reversal{ProviderRef: "r1", Amount: 200}, nil, 0, 1000, 0},
		{Reversal{ProviderRef: "r2", Amount: 1301}, ErrKeyReused, 0, 1000, 0},
		{Reversal{ProviderRef: "two months", Amount: 1}, ErrKeyReused, 0, 1000, 0},
		{Reversal{ProviderRef: "r3", Amount: 3000}, nil, 757, 3243, 0},
		{Reversal{ProviderRef: "r4", Amount: -1}, ErrAmount, 757, 3243, 0},
		{Reversal{ProviderRef: "r4", Amount: 2487}, ErrAmount, 757, 3243, 0},
		{Reversal{ProviderRef: "r4", Amount: 6986, AtMost: true}, nil, 3243, 3243, 0},
		{Reversal{ProviderRef: "r4", Amount: 6986, AtMost: true}, nil, 3243, 3243, 0},
		{Reversal{ProviderRef: "r5"}, ErrState, 3243, 3243, 0},
	} {
		step.v.Of = "two months"
		if err := d.reverse(a, step.v); !errors.Is(err, step.err) {
			t.Fatalf("%+v: %v", step.v, err)
		}
		if one, two := d.doc(a, first), d.doc(a, second); one.Open != step.openFirst || two.Open != step.openSecond || d.credit(a) != step.left {
			t.Errorf("%+v: open %s and %s, credit %s", step.v, CHF(one.Open), CHF(two.Open), CHF(d.credit(a)))
		}
		d.audit()
	}
}

// A part of a payment that went back is paid from other credit, if there is some; and what
// was refunded of it can't be taken back again.
func TestReversePayment_besideCredit(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 2).Documents[0]
	d.pay(a, inv, 3243, "one")
	d.pay(a, 0, 400, "two")
	d.ok(d.reverse(a, Reversal{Of: "one", ProviderRef: "r1", Amount: 300}))
	if d.doc(a, inv).Open != 0 || d.credit(a) != 100 {
		t.Errorf("open %s, credit %s", CHF(d.doc(a, inv).Open), CHF(d.credit(a)))
	}
	_, err := d.service.Refund(d.ctx, why(a, "back"), Payment{Provider: "bank", ProviderRef: "out", Amount: 100, Of: "two"})
	d.ok(err)
	if err := d.reverse(a, Reversal{Of: "two", ProviderRef: "r2"}); !errors.Is(err, ErrAmount) {
		t.Errorf("all of it: %v", err)
	}
	d.ok(d.reverse(a, Reversal{Of: "two", ProviderRef: "r2", Amount: 400, AtMost: true}))
	if d.doc(a, inv).Open != 300 || d.credit(a) != 0 {
		t.Errorf("open %s, credit %s", CHF(d.doc(a, inv).Open), CHF(d.credit(a)))
	}
	if err := d.reverse(a, Reversal{Of: "two", ProviderRef: "r3", Amount: 400, AtMost: true}); !errors.Is(err, ErrAmount) {
		t.Errorf("of nothing: %v", err)
	}
	d.audit()
}

// P13: whatever is paid, credited and taken back in parts: what is open is what is owed, and
// nothing counts twice.
func TestReversePayment_P13(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	account := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		account++
		a := d.clinic(account)
		inv := d.begin(a, rapid.SampledFrom([]Interval{Monthly, Yearly}).Draw(rt, "interval"), rapid.Int64Range(1, 4).Draw(rt, "quantity")).Documents[0]
		total := d.doc(a, inv).Total
		amounts, back := map[string]int64{}, map[string]int64{}
		var refs []string
		var said []Reversal
		var in, out, credited int64
		for i := range rapid.IntRange(1, 10).Draw(rt, "deeds") {
			switch rapid.SampledFrom([]string{"pay", "pay", "part", "part", "part", "again", "credit"}).Draw(rt, "deed") {
			case "pay":
				ref := fmt.Sprintf("%d-%d", a, i)
				n := rapid.Int64Range(1, total).Draw(rt, "amount")
				d.pay(a, inv, n, ref)
				amounts[ref], refs, in = n, append(refs, ref), in+n
			case "part":
				if len(refs) == 0 {
					continue
				}
				of := rapid.SampledFrom(refs).Draw(rt, "of")
				v := Reversal{Of: of, ProviderRef: fmt.Sprintf("%s/back/%d", of, i), Amount: rapid.Int64Range(1, amounts[of]+1).Draw(rt, "part")}
				left := amounts[of] - back[of]
				err := d.reverse(a, v)
				if v.Amount > left {
					if !errors.Is(err, ErrAmount) && !errors.Is(err, ErrState) {
						rt.Fatalf("%s of %s left: %v", CHF(v.Amount), CHF(left), err)
					}
					continue
				}
				d.ok(err)
				back[of], out, said = back[of]+v.Amount, out+v.Amount, append(said, v)
			case "again":
				if len(said) > 0 {
					d.ok(d.reverse(a, rapid.SampledFrom(said).Draw(rt, "again")))
				}
			case "credit":
				if credited == 0 {
					_, err := d.service.Credit(d.ctx, why(a, "credit"), inv, nil)
					d.ok(err)
					credited = total
				}
			}
			owed := total - credited - in + out
			if open, credit := d.doc(a, inv).Open, d.credit(a); open != max(0, owed) || credit != max(0, -owed) {
				rt.Fatalf("owed %s, open %s, credit %s", CHF(owed), CHF(open), CHF(credit))
			}
			if wrong := d.wrong(a); len(wrong) > 0 {
				rt.Fatal(wrong)
			}
		}
	})
	d.audit()
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
