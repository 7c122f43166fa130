package billing

import (
	"errors"
	"testing"
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
