package billing

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	if err := d.reverse(a, Reversal{Of: "other", ProviderRef: "other/back"}); !errors.Is(err, ErrAmount) {
		t.Errorf("it went back before: %v", err)
	}
	d.ok(d.reverse(a, Reversal{Of: "older", ProviderRef: "older/back"}))
	if d.credit(a) != 0 {
		t.Errorf("credit %s", CHF(d.credit(a)))
	}
	d.audit()
}

// What was written off was never paid: crediting it gives nobody money.
func TestCredit_writtenOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 2).Documents[0] // 32.43
	d.pay(a, inv, 1000, "a part")
	_, err := d.service.WriteOff(d.ctx, why(a, "lost"), inv)
	d.ok(err)
	_, err = d.service.Credit(d.ctx, why(a, "credit"), inv, nil)
	d.ok(err)
	if got := d.doc(a, inv); got.Status != InvoicePaid || d.credit(a) != 1000 {
		t.Errorf("%s, credit %s", got.Status, CHF(d.credit(a)))
	}
	d.audit()

	// Also where a change credits it, as previewed.
	b := d.clinic(2)
	inv = d.begin(b, Monthly, 2).Documents[0]
	_, err = d.service.WriteOff(d.ctx, why(b, "lost"), inv)
	d.ok(err)
	d.day("2027-03-05")
	q, err := d.service.Preview(d.ctx, b, Change{Kind: SetInterval, Interval: Yearly})
	d.ok(err)
	done := d.do(b, Change{Kind: SetInterval, Interval: Yearly})
	if q.FromCredit != 0 || q.CreditAfter != 0 || done.Due != q.Due || d.credit(b) != 0 {
		t.Errorf("previewed %s to pay, %s of credit used, %s left; billed %s, credit %s", CHF(q.Due), CHF(q.FromCredit), CHF(q.CreditAfter), CHF(done.Due), CHF(d.credit(b)))
	}
	d.audit()
}

// suspended is a clinic that dunning has suspended, and the invoice it did so for.
func suspended(d *desk) (account, invoice int64) {
	d.Helper()
	a := d.clinic(1)
	inv := d.begin(a, Monthly, 1).Documents[0]
	d.until("2027-03-26")
	if s := d.sub(a); s.Status != Suspended || s.SuspendedBy != System {
		d.Fatalf("%+v", s)
	}
	return a, inv
}

// Giving up a debt resumes nothing and bills nothing; the payment after all does.
func TestWriteOff_resumesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a, inv := suspended(d)
	d.until("2027-05-02")
	_, err := d.service.WriteOff(d.ctx, why(a, "lost"), inv)
	d.ok(err)
	d.until("2027-05-04")
	if n := many[int](d, `SELECT count(*) FROM invoices`)[0]; d.sub(a).Status != Suspended || n != 1 {
		t.Errorf("%s, %d invoices", d.sub(a).Status, n)
	}
	d.pay(a, inv, 1622, "after all")
	if s := d.sub(a).Status; s != Active {
		t.Errorf("paid after all: %s", s)
	}
	d.audit()
}

// What an admin suspends stays so, whatever is paid; what an admin resumes does, too, as
// long as the reminders rest.
func TestSuspend_byAnAdmin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.pay(a, d.begin(a, Monthly, 1).Documents[0], 1622, "p")
	admin := func(account int64, key string, k ChangeKind) error {
		_, err := d.service.Do(d.ctx, Command{Account: account, Key: key, Actor: "operator:1", Reason: "abuse", Change: Change{Kind: k}})
		return err
	}
	d.ok(admin(a, "stop", Suspend))
	d.until("2027-03-04")
	d.pay(a, 0, 100, "more")
	d.until("2027-03-05")
	if s := d.sub(a); s.Status != Suspended || s.SuspendedBy != "operator:1" {
		t.Errorf("%+v", s)
	}
	d.ok(admin(a, "go on", Resume))
	if s := d.sub(a); s.Status != Active || s.SuspendedBy != "" {
		t.Errorf("%+v", s)
	}
}

func TestResume_whileOverdue(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a, _ := suspended(d)
	resume := func(key string) error {
		_, err := d.service.Do(d.ctx, Command{Account: a, Key: key, Actor: "operator:1", Reason: "they pay on Friday", Change: Change{Kind: Resume}})
		return err
	}
	if err := resume("at once"); !errors.Is(err, ErrState) {
		t.Errorf("it would be undone: %v", err)
	}
	if _, err := d.service.Preview(d.ctx, a, Change{Kind: Resume}); !errors.Is(err, ErrState) {
		t.Errorf("previewed: %v", err)
	}
	_, err := d.service.PauseDunning(d.ctx, why(a, "pause"), day("2027-03-30"))
	d.ok(err)
	d.ok(resume("in the pause"))
	d.until("2027-03-29")
	if s := d.sub(a).Status; s != PastDue {
		t.Errorf("%s in the pause", s)
	}
	d.until("2027-03-30")
	if s := d.sub(a).Status; s != Suspended {
		t.Errorf("%s after it", s)
	}
}

// Who paid and whose payment went back is reminded anew before anything stops.
func TestDunning_anew(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	inv := d.begin(a, Yearly, 1).Documents[0]
	d.until("2027-03-24") // the warning is out
	d.pay(a, inv, d.doc(a, inv).Open, "p")
	d.until("2027-04-10")
	d.ok(d.reverse(a, Reversal{Of: "p", ProviderRef: "back"}))
	before := len(d.jobs.done)
	d.until("2027-04-20") // reminders on 11 and 18 April, the warning on 19 April
	var letters []string
	for _, j := range d.jobs.done[before:] {
		if j.Kind == JobDunning {
			letters = append(letters, j.Key)
		}
	}
	want := []string{"document/1/dunning/1/round/1", "document/1/dunning/2/round/1", "document/1/dunning/3/round/1"}
	if diff := cmp.Diff(want, letters); diff != "" || d.sub(a).Status != PastDue {
		t.Errorf("%s (-want +got):\n%s", d.sub(a).Status, diff)
	}
	d.until("2027-04-22")
	if s := d.sub(a).Status; s != Suspended {
		t.Errorf("%s in the end", s)
	}
}

// Who orders fewer calendars and who picks one more wait for each other.
func TestDo_locksTheCalendars(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	for _, change := range []Change{{Kind: Start, Interval: Monthly, Quantity: 3, Paid: true}, quantity(2)} {
		d.ok(d.inAccount(a, func(tx txT) error {
			_, err := d.service.DoTx(d.ctx, tx, Command{Account: a, Key: string(change.Kind), Actor: "user:1", Change: change})
			if free := many[bool](d, `SELECT pg_try_advisory_xact_lock($1, CAST($2 AS int))`, watchLock, a)[0]; free {
				t.Errorf("%s: a calendar could be picked meanwhile", change.Kind)
			}
			return err
		}))
	}
}
