package billing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

// What is too small to be charged is not reminded of, and stops nothing; the next money pays
// it. A Rappen more is late as anything else.
func TestDunning_tooSmall(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	small, enough := d.clinic(1), d.clinic(2)
	inv := d.begin(small, Yearly, 1).Documents[0]
	d.pay(small, inv, d.doc(small, inv).Open-49, "but 0.49")
	other := d.begin(enough, Yearly, 1).Documents[0]
	d.pay(enough, other, d.doc(enough, other).Open-50, "but 0.50")
	d.until("2027-04-10")
	if s, letters := d.sub(small).Status, many[int](d, `SELECT count(*) FROM dunning_steps WHERE account_id = 1`)[0]; s != Active || letters != 0 || d.doc(small, inv).Open != 49 {
		t.Errorf("%s, %d reminders", s, letters)
	}
	if s := d.sub(enough).Status; s != Suspended {
		t.Errorf("for 0.50 %s", s)
	}
	d.pay(small, 0, 100, "other money")
	if d.doc(small, inv).Open != 0 || d.credit(small) != 51 {
		t.Errorf("open %s, credit %s", CHF(d.doc(small, inv).Open), CHF(d.credit(small)))
	}
	// What is left to pay of it resumes who was suspended.
	d.pay(enough, 0, 1, "a Rappen")
	if s := d.sub(enough).Status; s != Active {
		t.Errorf("but 0.49: %s", s)
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
