package billing

import (
	"errors"
	"testing"
)

func why(account int64, key string) Correction {
	return Correction{Account: account, Key: key, Actor: "operator:1", Reason: "as agreed"}
}

// Money counts also while no invoice can be made of it; that follows as soon as it can.
func TestRecordPayment_beforeAnInvoiceCanBeMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.do(a, Change{Kind: Start, Interval: Monthly, Quantity: 1})
	d.exec(`UPDATE billing_accounts SET town = ''`)
	if r := d.pay(a, 0, 2000, "p"); !r.Fresh || r.Credit != 2000 {
		t.Errorf("%+v", r)
	}
	if _, err := d.service.GiveCredit(d.ctx, why(a, "gift"), 100); err != nil {
		t.Error(err)
	}
	if _, err := d.service.Tick(d.ctx); !errors.Is(err, ErrAddress) {
		t.Errorf("nobody hears of it: %v", err)
	}
	if s := d.sub(a).Status; s != Incomplete {
		t.Errorf("%s without an address", s)
	}
	d.exec(`UPDATE billing_accounts SET town = 'Zürich'`)
	d.until("2027-03-02")
	if s := d.sub(a); s.Status != Active || d.credit(a) != 2100-1622 {
		t.Errorf("%s, credit %s", s.Status, CHF(d.credit(a)))
	}
	d.audit()
}

// A refund takes from the payment it gives back, so that another one can still be taken
// back as a whole.
func TestRefund_ofAPayment(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.pay(a, 0, 1000, "older")
	d.pay(a, 0, 500, "other")
	if _, err := d.service.Refund(d.ctx, why(a, "none"), Payment{Provider: "bank", ProviderRef: "x", Amount: 1, Of: "nothing"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("of a payment there isn't: %v", err)
	}
	_, err := d.service.Refund(d.ctx, why(a, "back"), Payment{Provider: "bank", ProviderRef: "out", Amount: 500, Of: "other"})
	d.ok(err)
	reverse := func(of string) error {
		return d.inAccount(a, func(tx txT) error {
			_, err := d.service.ReversePaymentTx(d.ctx, tx, Reversal{Account: a, Provider: "bank", Of: of, ProviderRef: of + "/back", At: d.clock.now()})
			return err
		})
	}
	if err := reverse("other"); !errors.Is(err, ErrAmount) {
		t.Errorf("it went back before: %v", err)
	}
	d.ok(reverse("older"))
	if d.credit(a) != 0 {
		t.Errorf("credit %s", CHF(d.credit(a)))
	}
	d.audit()
}
