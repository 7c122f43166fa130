package stripe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/paymentstest"
	"rappel/calendars/billing/standin"
	"rappel/calendars/billing/stripe"
	"rappel/migrations"
)

const (
	key    = "sk_test_standin"
	secret = "whsec_standin"
)

var back = stripe.Back{Done: "/billing?done", Cancel: "/billing"}

// world is a paymentstest.World with a stand-in for Stripe and a client of it.
type world struct {
	*paymentstest.World
	ctx    context.Context
	stripe *standin.World
	api    string
	client *stripe.Client
	hook   http.Handler // what the webhook is served by
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: paymentstest.New(t), ctx: context.Background()}
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.hook.ServeHTTP(rw, r) }))
	t.Cleanup(hook.Close)
	var handler http.Handler
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(api.Close)
	w.api = api.URL
	var err error
	w.stripe, err = standin.New(standin.Options{Now: w.Clock.Now, Key: key, Secret: secret, Base: api.URL, Webhook: hook.URL})
	w.OK(err)
	handler = w.stripe.Handler()
	w.client = w.on(w.DB, w.Desk, nil)
	w.hook = w.client
	return w
}

// on is a client on a database, whose line to Stripe is http's own where none is given.
func (w *world) on(db *sqlx.DB, d *payments.Desk, line http.RoundTripper) *stripe.Client {
	w.Helper()
	c, err := stripe.New(stripe.Config{DB: db, Desk: d, Key: key, Secret: secret, APIURL: w.api, BaseURL: "https://rappel.example", Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		HTTP: &http.Client{Transport: line}})
	w.OK(err)
	return c
}

// deliver sends the events that came since the one numbered from, and works on them.
func (w *world) deliver(from int) (to int) {
	w.Helper()
	all := w.stripe.Events()
	for _, e := range all[from:] {
		status, err := w.stripe.Deliver(w.ctx, e.ID)
		if err != nil || status != 200 {
			w.Fatalf("event %s: %d, %v", e.Type, status, err)
		}
	}
	w.work()
	return len(all)
}

func (w *world) work() {
	w.Helper()
	for {
		n, err := w.client.Work(w.ctx)
		w.OK(err)
		if n == 0 {
			return
		}
	}
}

// page is the id in a page's address.
func page(address string) string { return address[strings.LastIndex(address, "/")+1:] }

func (w *world) order(account int64, key string) payments.Order {
	w.Helper()
	o, err := w.Desk.Offer(w.ctx, payments.Wish{Account: account, Key: key, Package: 1, Method: payments.Stripe, By: "user:1"})
	w.OK(err)
	return o
}

// leave has a clinic leave a card that behaves so.
func (w *world) leave(account int64, b standin.Behaviour) {
	w.Helper()
	address, err := w.client.StoreMethod(w.ctx, account, fmt.Sprint(w.Clock.Now().UnixNano()), back)
	w.OK(err)
	from := len(w.stripe.Events())
	w.OK(w.stripe.Pay(page(address), "card", b))
	w.deliver(from)
	w.Clock.Add(time.Second)
}

// Check holds the books to what must always be true, and no event may have failed.
func (w *world) Check() {
	w.Helper()
	w.World.Check()
	failed, err := stripe.Failures(w.ctx, w.DB, 100)
	w.OK(err)
	for _, f := range failed {
		w.Errorf("%s failed: %s", f.Kind, f.Error)
	}
}

// paid is an invoice of 32.43 that clinic 1 paid with its card, and the intent of that.
func (w *world) paid() (invoice int64, intent string) {
	w.Helper()
	invoice, _ = w.Invoice(1, 3000)
	w.OK(w.client.ChargeInvoice(w.ctx, payments.Target{Account: 1, Invoice: invoice}))
	return invoice, w.Text(`SELECT intent FROM charges WHERE account_id = 1 AND invoice_id = $1`, invoice)
}

// anyOrder delivers each of the events least to two times and more once more, in any
// order, and works on them in between.
func (w *world) anyOrder(rt *rapid.T, events []standin.Event, least int, more ...standin.Event) {
	w.Helper()
	var order []string
	for _, e := range more {
		order = append(order, e.ID)
	}
	for _, e := range events {
		order = append(order, slices.Repeat([]string{e.ID}, rapid.IntRange(least, 2).Draw(rt, "times"))...)
	}
	for _, id := range rapid.Permutation(order).Draw(rt, "order") {
		if _, err := w.stripe.Deliver(w.ctx, id); err != nil {
			rt.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "work") {
			w.work()
		}
	}
	w.work()
}

// An order is paid on its page; a declined card leaves it open, the same page again.
func TestPayOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.order(1, "k")
	first, err := w.client.PayOrder(w.ctx, o.Ref(), back)
	w.OK(err)
	w.OK(w.stripe.Pay(page(first), "card", standin.Declines))
	again, err := w.client.PayOrder(w.ctx, o.Ref(), back)
	w.OK(err)
	if again != first {
		t.Errorf("%s, then %s", first, again)
	}
	w.OK(w.stripe.Pay(page(first), "twint", standin.Succeeds))
	if _, err := w.client.PayOrder(w.ctx, o.Ref(), back); !errors.Is(err, payments.ErrState) {
		t.Errorf("paid, before its event came: %v", err)
	}
	w.deliver(0)
	got, err := payments.ByRef(w.ctx, w.DB, o.Ref())
	w.OK(err)
	if got.Status != payments.Fulfilled || w.Credit(1) != 0 {
		t.Errorf("%+v, credit %d", got, w.Credit(1))
	}
	if _, err := w.client.PayOrder(w.ctx, o.Ref(), back); !errors.Is(err, payments.ErrState) {
		t.Errorf("paid: %v", err)
	}
	w.Check()
}

// P6: events may come late, twice, in any order, some never, as long as one comes of what
// moved money: each payment counts once.
func TestEvents_anyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		o := w.order(1, fmt.Sprint(n))
		address, err := w.client.PayOrder(w.ctx, o.Ref(), back)
		w.OK(err)
		from := len(w.stripe.Events())
		for range rapid.IntRange(0, 2).Draw(rt, "declined") {
			w.OK(w.stripe.Pay(page(address), "card", standin.Declines))
		}
		w.OK(w.stripe.Pay(page(address), "card", standin.Succeeds))
		events := w.stripe.Events()[from:]
		telling := slices.IndexFunc(events, func(e standin.Event) bool { return e.Type == "payment_intent.succeeded" })
		w.anyOrder(rt, events, 0, events[telling])
		var paid int
		w.OK(w.DB.Get(&paid, `SELECT count(*) FROM payments WHERE account_id = 1 AND amount = $1`, o.Total))
		if paid != n || w.Credit(1) != 0 {
			rt.Fatalf("%d payments for %d orders, credit %d", paid, n, w.Credit(1))
		}
	})
	w.Check()
}

func TestCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	charges := func(invoice int64) (all []string) {
		t.Helper()
		rows, err := stripe.Charges(w.ctx, w.DB, payments.Target{Account: 1, Invoice: invoice})
		w.OK(err)
		for _, c := range rows {
			all = append(all, fmt.Sprint(c.Attempt, " ", c.Amount, " ", c.Status, " ", c.Code))
		}
		return all
	}
	invoice, _ := w.Invoice(1, 3000)
	charge := func(want error) {
		t.Helper()
		if err := w.client.ChargeInvoice(w.ctx, payments.Target{Account: 1, Invoice: invoice}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	charge(stripe.ErrNoMethod)
	if err := w.client.Deliver(w.ctx, billing.Job{Account: 1, Invoice: &invoice}); !errors.Is(err, billing.ErrUndeliverable) {
		t.Errorf("%v, want it given up", err)
	}
	w.leave(1, standin.Declines)
	charge(stripe.ErrDeclined)
	w.deliver(0) // events of the declined charge change nothing
	if got := w.Open(1, invoice); got != 3243 {
		t.Errorf("open %d", got)
	}
	// Another card: the first stays the standard until somebody says otherwise.
	w.leave(1, standin.WantsOwner)
	all, err := stripe.Methods(w.ctx, w.DB, 1)
	w.OK(err)
	if len(all) != 2 || !all[0].Standard || all[0].Label != "Visa •••• 0341" || all[0].Expires != "2031-08" {
		t.Fatalf("%+v", all)
	}
	anna := migrations.WithActor(w.ctx, migrations.Actor{Kind: "user", ID: 1, Name: "Anna", Role: "owner", At: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)})
	w.OK(w.client.SetStandard(anna, 1, all[1].ID))
	var logged int
	w.OK(w.DB.Get(&logged, `SELECT count(*) FROM audit WHERE account_id = 1 AND actor = 'Anna' AND action = 'payment_methods.update'`))
	if logged != 2 {
		t.Errorf("%d entries of the log, want one of each method", logged)
	}
	charge(stripe.ErrAction)
	w.leave(1, standin.TakesTime)
	w.OK(w.client.Remove(w.ctx, 1, all[0].ID))
	w.OK(w.client.Remove(w.ctx, 1, all[1].ID)) // the standard goes, the one left takes its place
	if err := w.client.Remove(w.ctx, 1, all[1].ID); !errors.Is(err, stripe.ErrNoMethod) {
		t.Errorf("removed twice: %v", err)
	}
	charge(nil)
	charge(nil) // still at it: no second one
	if diff := cmp.Diff([]string{"1 3243 declined insufficient_funds", "2 3243 needs_action authentication_required", "3 3243 processing "}, charges(invoice)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	from := len(w.stripe.Events())
	var intent string
	w.OK(w.DB.Get(&intent, `SELECT intent FROM charges WHERE attempt = 3`))
	w.OK(w.stripe.Finish(intent, true))
	w.deliver(from)
	w.deliver(0) // all of them once more
	if got := charges(invoice)[2]; got != "3 3243 succeeded " || w.Open(1, invoice) != 0 {
		t.Errorf("%s, open %d", got, w.Open(1, invoice))
	}
	charge(nil) // nothing to pay
	if n, rappen := w.stripe.Intents(); n != 1 || rappen != 3243 {
		t.Errorf("%d payments at Stripe, %d Rappen", n, rappen)
	}
	w.Check()
}

// What is too small isn't asked for, and holds nothing up: with more open, it is charged.
func TestCharge_tooSmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	invoice, _ := w.Invoice(1, 3000)
	target := payments.Target{Account: 1, Invoice: invoice}
	w.OK(w.Desk.Receive(w.ctx, payments.Receipt{Target: target, Provider: "bank", Ref: "most of it", Rappen: 3194, At: w.Clock.Now()}))
	if err := w.client.ChargeInvoice(w.ctx, target); !errors.Is(err, stripe.ErrTooSmall) {
		t.Errorf("0.49 charged: %v", err)
	}
	if _, err := w.client.PayInvoice(w.ctx, target, "k", back); !errors.Is(err, stripe.ErrTooSmall) {
		t.Errorf("0.49 on a page: %v", err)
	}
	w.OK(w.client.Deliver(w.ctx, billing.Job{Account: 1, Invoice: &invoice, Kind: billing.JobCharge}))
	takeBack := func(ref string, rappen int64) {
		t.Helper()
		w.OK(migrations.InTx(w.ctx, w.DB, func(tx *sqlx.Tx) error {
			return w.Desk.TakeBackTx(w.ctx, tx, payments.TakenBack{Account: 1, Provider: "bank", Of: "most of it", Ref: ref, Rappen: rappen, At: w.Clock.Now()})
		}))
	}
	takeBack("a Rappen", 1)
	w.OK(w.client.ChargeInvoice(w.ctx, target))
	takeBack("the rest", 0)
	w.OK(w.client.ChargeInvoice(w.ctx, target))
	all, err := stripe.Charges(w.ctx, w.DB, target)
	w.OK(err)
	want := []stripe.Charge{{Attempt: 1, Amount: 50, Status: "succeeded"}, {Attempt: 2, Amount: 3193, Status: "succeeded"}}
	if diff := cmp.Diff(want, all); diff != "" || w.Open(1, invoice) != 0 {
		t.Errorf("open %d (-want +got):\n%s", w.Open(1, invoice), diff)
	}
	w.Check()
}

// What Stripe refuses for good doesn't hold up the next attempt.
func TestCharge_refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	invoice, _ := w.Invoice(1, 3000)
	target := payments.Target{Account: 1, Invoice: invoice}
	w.Exec(`UPDATE payment_methods SET method = method || '_gone'`)
	if err := w.client.ChargeInvoice(w.ctx, target); !errors.Is(err, stripe.ErrDeclined) {
		t.Errorf("%v, want it declined", err)
	}
	w.Exec(`UPDATE payment_methods SET method = replace(method, '_gone', '')`)
	w.chargesAnew(target, "resource_missing")
}

// chargesAnew charges an invoice of 32.43 whose first attempt is over, with code.
func (w *world) chargesAnew(target payments.Target, code string) {
	w.Helper()
	w.OK(w.client.ChargeInvoice(w.ctx, target))
	all, err := stripe.Charges(w.ctx, w.DB, target)
	w.OK(err)
	want := []stripe.Charge{{Attempt: 1, Amount: 3243, Status: "declined", Code: code}, {Attempt: 2, Amount: 3243, Status: "succeeded"}}
	if diff := cmp.Diff(want, all); diff != "" || w.Open(target.Account, target.Invoice) != 0 {
		w.Errorf("open %d (-want +got):\n%s", w.Open(target.Account, target.Invoice), diff)
	}
	w.Check()
}

// An attempt whose intent Stripe doesn't know gives way to another one.
func TestCharge_gone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	invoice, _ := w.Invoice(1, 3000)
	target := payments.Target{Account: 1, Invoice: invoice}
	w.Exec(`INSERT INTO charges (account_id, invoice_id, attempt, provider, intent, method, amount, status, asked_at)
		SELECT 1, $1, 1, 'stripe', 'pi_gone', method, 3243, 'asked', $2 FROM payment_methods`, invoice, w.Clock.Now())
	w.chargesAnew(target, "abandoned")
}

func TestMoneyGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	refunded, a := w.paid()
	from := len(w.stripe.Events())
	w.OK(w.stripe.RefundOutside(a, 3243))
	w.deliver(from)
	if got := w.Open(1, refunded); got != 3243 {
		t.Errorf("refunded, open %d", got)
	}
	w.deliver(0)
	if got := w.Open(1, refunded); got != 3243 {
		t.Errorf("told again, open %d", got)
	}
	disputed, b := w.paid()
	from = len(w.stripe.Events())
	d, err := w.stripe.Dispute(b)
	w.OK(err)
	from = w.deliver(from)
	if got := w.Open(1, disputed); got != 3243 {
		t.Errorf("disputed, open %d", got)
	}
	w.OK(w.stripe.Win(d))
	w.deliver(from)
	if got := w.Open(1, disputed); got != 0 {
		t.Errorf("won, open %d", got)
	}
	// Parts that were refunded elsewhere count each by itself; a dispute takes what is left.
	part, c := w.paid()
	from = len(w.stripe.Events())
	w.OK(w.stripe.RefundOutside(c, 1000))
	from = w.deliver(from)
	if got := w.Open(1, part); got != 1000 {
		t.Errorf("a part refunded, open %d", got)
	}
	d, err = w.stripe.Dispute(c)
	w.OK(err)
	from = w.deliver(from)
	if got := w.Open(1, part); got != 3243 {
		t.Errorf("the rest disputed, open %d", got)
	}
	w.OK(w.stripe.Win(d))
	w.deliver(from)
	if got := w.Open(1, part); got != 1000 {
		t.Errorf("the rest won, open %d", got)
	}
	w.Check()
}

// What a failed refund brought back goes, too, when the money goes back after all: by a
// dispute, or by another refund.
func TestMoneyGoesBack_afterFailedRefund(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	failed := func(n int64) (invoice int64, intent string, from int) {
		t.Helper()
		invoice, intent = w.paid()
		from = len(w.stripe.Events())
		w.OK(w.stripe.RefundOutside(intent, n))
		from = w.deliver(from)
		w.OK(w.stripe.FailRefund(w.stripe.Refunds(intent)[0]))
		from = w.deliver(from)
		if w.Open(1, invoice) != 0 || w.Credit(1) != 0 {
			t.Errorf("%d refunded in vain: open %d, credit %d", n, w.Open(1, invoice), w.Credit(1))
		}
		return invoice, intent, from
	}
	for _, n := range []int64{1000, 3243} {
		invoice, intent, from := failed(n)
		d, err := w.stripe.Dispute(intent)
		w.OK(err)
		from = w.deliver(from)
		if w.Open(1, invoice) != 3243 || w.Credit(1) != 0 {
			t.Errorf("%d refunded in vain, all disputed: open %d, credit %d", n, w.Open(1, invoice), w.Credit(1))
		}
		w.OK(w.stripe.Win(d))
		w.deliver(from)
		w.deliver(0)
		if w.Open(1, invoice) != 0 || w.Credit(1) != 0 {
			t.Errorf("%d refunded in vain, the dispute won: open %d, credit %d", n, w.Open(1, invoice), w.Credit(1))
		}
	}
	invoice, intent, from := failed(3000)
	w.OK(w.stripe.RefundOutside(intent, 3243))
	from = w.deliver(from)
	if w.Open(1, invoice) != 3243 || w.Credit(1) != 0 {
		t.Errorf("refunded at last: open %d, credit %d", w.Open(1, invoice), w.Credit(1))
	}
	w.OK(w.stripe.FailRefund(w.stripe.Refunds(intent)[1]))
	w.deliver(from)
	if w.Open(1, invoice) != 0 || w.Credit(1) != 0 {
		t.Errorf("in vain again: open %d, credit %d", w.Open(1, invoice), w.Credit(1))
	}
	w.Check()
}

// What the books haven't got any more, and Stripe didn't refund, is nothing a dispute could
// take quietly.
func TestMoneyGoesBack_goneOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.TakesTime)
	invoice, intent := w.paid()
	w.transfer(payments.Target{Account: 1, Invoice: invoice}, 3243)
	w.OK(w.stripe.Finish(intent, true))
	w.deliver(0)
	_, err := w.Billing.Refund(w.ctx, billing.Correction{Account: 1, Key: "k", Actor: "operator:1", Reason: "test"}, billing.Payment{Provider: "bank", ProviderRef: "out", Amount: 1000})
	w.OK(err)
	from := len(w.stripe.Events())
	_, err = w.stripe.Dispute(intent)
	w.OK(err)
	w.deliver(from)
	all, err := stripe.Failures(w.ctx, w.DB, 10)
	w.OK(err)
	if len(all) != 2 || !strings.Contains(all[0].Error, "10.00") || w.Credit(1) != 2243 {
		t.Errorf("credit %d, failures %+v", w.Credit(1), all)
	}
	w.World.Check()
}

// A refund made here is in the books before; that it failed is money that came again.
func TestRefund_fails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	invoice, intent := w.paid()
	_, err := w.Billing.Credit(w.ctx, billing.Correction{Account: 1, Key: "credit", Actor: "operator:1", Reason: "test"}, invoice, nil)
	w.OK(err)
	from := len(w.stripe.Events())
	for _, key := range []string{"k1", "k2"} {
		_, err = w.Billing.Refund(w.ctx, billing.Correction{Account: 1, Key: key, Actor: "operator:1", Reason: "test"}, billing.Payment{Provider: "stripe", ProviderRef: key, Amount: 200, Of: intent})
		w.OK(err)
		w.OK(w.client.Refund(w.ctx, intent, 200, key))
		w.OK(w.client.Refund(w.ctx, intent, 200, key))
	}
	from = w.deliver(from)
	if got := w.Credit(1); got != 3243-400 || len(w.stripe.Refunds(intent)) != 2 {
		t.Errorf("refunded twice 2.00, credit %d", got)
	}
	w.OK(w.stripe.FailRefund(w.stripe.Refunds(intent)[0]))
	w.deliver(from)
	w.deliver(0)
	if got := w.Credit(1); got != 3243-200 || w.Open(1, invoice) != 0 {
		t.Errorf("one failed, credit %d", got)
	}
	// One made at Stripe opens what it took, until it fails.
	from = len(w.stripe.Events())
	w.OK(w.stripe.RefundOutside(intent, 500))
	from = w.deliver(from)
	if got := w.Credit(1); got != 3243-700 {
		t.Errorf("refunded at Stripe, credit %d", got)
	}
	w.OK(w.stripe.FailRefund(w.stripe.Refunds(intent)[2]))
	w.deliver(from)
	if got := w.Credit(1); got != 3243-200 {
		t.Errorf("that failed, credit %d", got)
	}
	w.Check()
}

// P6: refunds made at Stripe and a dispute count each once, whichever word of them comes,
// how often and in whatever order, as long as one comes; also where only the charge is told.
func TestMoneyGoesBack_anyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	rapid.Check(t, func(rt *rapid.T) {
		w.Clock.Add(time.Hour)
		invoice, intent := w.paid()
		from := len(w.stripe.Events())
		if rapid.Bool().Draw(rt, "one failed before") {
			w.OK(w.stripe.RefundOutside(intent, 1500))
			if rapid.Bool().Draw(rt, "which was heard of") {
				w.deliver(from)
			}
			w.OK(w.stripe.FailRefund(w.stripe.Refunds(intent)[0]))
		}
		parts := []int64{1000, 2243}
		disputed := rapid.Bool().Draw(rt, "disputed")
		if disputed {
			parts = parts[:1]
		}
		for _, n := range parts {
			w.OK(w.stripe.RefundOutside(intent, n))
		}
		if disputed {
			_, err := w.stripe.Dispute(intent)
			w.OK(err)
		}
		events := w.stripe.Events()[from:]
		if rapid.Bool().Draw(rt, "charges only") {
			events = slices.DeleteFunc(slices.Clone(events), func(e standin.Event) bool { return e.Type == "refund.created" })
		}
		w.anyOrder(rt, events, 1)
		if got := w.Open(1, invoice); got != 3243 {
			rt.Fatalf("open %d", got)
		}
	})
	w.Check()
}

func TestHook_refuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := []byte(`{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent"}}}`)
	now := w.Clock.Now()
	for name, c := range map[string]struct {
		body      []byte
		signature string
		want      int
	}{
		"signed":             {body, w.stripe.Sign(body, now), 200},
		"signed, again":      {body, w.stripe.Sign(body, now), 200},
		"almost too old":     {body, w.stripe.Sign(body, now.Add(-300*time.Second)), 200},
		"too old":            {body, w.stripe.Sign(body, now.Add(-301*time.Second)), 400},
		"from the future":    {body, w.stripe.Sign(body, now.Add(301*time.Second)), 400},
		"tampered":           {bytes.Replace(body, []byte("pi_1"), []byte("pi_2"), 1), w.stripe.Sign(body, now), 400},
		"not signed":         {body, "", 400},
		"two times":          {body, w.stripe.Sign(body, now.Add(-time.Hour)) + fmt.Sprintf(",t=%d", now.Unix()), 400},
		"not an event":       {[]byte(`{"object":"list"}`), w.stripe.Sign([]byte(`{"object":"list"}`), now), 400},
		"not JSON":           {[]byte(`x`), w.stripe.Sign([]byte(`x`), now), 400},
		"larger than 64 KiB": {bytes.Repeat([]byte(" "), 64<<10+1), w.stripe.Sign(bytes.Repeat([]byte(" "), 64<<10+1), now), 413},
	} {
		r := httptest.NewRequest("POST", "/hooks/stripe", bytes.NewReader(c.body))
		r.Header.Set("Stripe-Signature", c.signature)
		rec := httptest.NewRecorder()
		w.client.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s: %d, want %d", name, rec.Code, c.want)
		}
	}
	if n := w.Text(`SELECT count(*) FROM webhook_events`); n != "1" {
		t.Errorf("%s events are stored", n)
	}
	// It is about an intent Stripe doesn't know: tried ten times, ever later, then seen.
	for range 12 {
		w.work()
		w.Clock.Add(5 * time.Hour)
	}
	rows, err := stripe.Failures(w.ctx, w.DB, 10)
	w.OK(err)
	if len(rows) != 1 || rows[0].Attempts != 10 || rows[0].Next != nil || strings.Contains(rows[0].Error, "No such") {
		t.Errorf("%+v", rows)
	}
	w.OK(w.client.Retry(w.ctx, "evt_1"))
	if err := w.client.Retry(w.ctx, "evt_none"); !errors.Is(err, stripe.ErrNoEvent) {
		t.Errorf("%v", err)
	}
}

// P7: killed at every statement of a charge, of the webhook and of its worker, and begun
// again, it comes to the same, and Stripe was asked for the money once.
func TestCharge_killedAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := int64(100)
	begin := func() (t payments.Target, from int) {
		account++
		w.Clinic(account)
		w.leave(account, standin.Succeeds)
		invoice, _ := w.Invoice(account, 3000)
		return payments.Target{Account: account, Invoice: invoice}, len(w.stripe.Events())
	}
	// run charges, has the events delivered by the hook of c, and works on them.
	run := func(c *stripe.Client, t payments.Target, from int) error {
		if err := c.ChargeInvoice(w.ctx, t); err != nil {
			return err
		}
		w.hook = c
		defer func() { w.hook = w.client }()
		for _, e := range w.stripe.Events()[from:] {
			if status, err := w.stripe.Deliver(w.ctx, e.ID); err != nil || status != 200 {
				return errors.Join(fmt.Errorf("hook: %d", status), err)
			}
		}
		for {
			if n, err := c.Work(w.ctx); err != nil || n == 0 {
				return err
			}
		}
	}
	target, from := begin()
	w.OK(run(w.client, target, from))
	want := w.Money(account)
	db, faults := w.Faulty()
	_, desk := w.On(db)
	faulty := w.on(db, desk, nil)
	for _, lost := range []bool{false, true} {
		statements := 0
		for n := 1; ; n++ {
			target, from := begin()
			faults.Arm(n, lost)
			err := run(faulty, target, from)
			if !faults.Hit() {
				w.OK(err)
				break
			}
			statements++
			w.Clock.Add(3 * time.Minute) // what was taken and not finished comes again
			w.OK(run(w.client, target, from))
			if diff := cmp.Diff(want, w.Money(account)); diff != "" {
				t.Fatalf("killed at statement %d, answer lost %t (-whole +again):\n%s", n, lost, diff)
			}
		}
		if least := map[bool]int{false: 30, true: 3}[lost]; statements < least {
			t.Errorf("only %d statements were tried", statements)
		}
	}
	if n, rappen := w.stripe.Intents(); int64(n) != account-100 || rappen != int64(n)*3243 {
		t.Errorf("%d payments of %d at Stripe for %d invoices", n, rappen, account-100)
	}
	w.Check()
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	for _, c := range []stripe.Config{{Key: key}, {Secret: secret}} {
		if _, err := stripe.New(c); !errors.Is(err, stripe.ErrConfig) {
			t.Errorf("%v", err)
		}
	}
}
