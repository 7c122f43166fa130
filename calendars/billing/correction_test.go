package billing

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
