package stripe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/standin"
	"rappel/calendars/billing/stripe"
)

// cut is a line to Stripe that breaks at a chosen request, and the process with it: before
// the request arrives, or after it did and before its answer comes.
type cut struct {
	mu    sync.Mutex
	at    int // 0 = never
	after bool
	count int
	die   context.CancelFunc
	then  func() // what happens the moment the request is through, or nil
}

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.count++
	now := c.count == c.at
	c.mu.Unlock()
	if now && !c.after {
		c.die()
		return nil, context.Canceled
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if !now || err != nil {
		return res, err
	}
	if c.then != nil {
		c.then()
		return res, nil
	}
	_, _ = io.Copy(io.Discard, res.Body) // the answer that gets lost
	_ = res.Body.Close()
	c.die()
	return nil, context.Canceled
}

// meanwhile are the things that change what is owed of an invoice of 32.43, and what is
// left of it. What comes above that is the clinic's credit.
var meanwhile = []struct {
	name   string
	left   int64
	bank   int64
	change func(w *world, t payments.Target)
}{
	{"nothing", 3243, 0, func(*world, payments.Target) {}},
	{"a part is credited", 2162, 0, func(w *world, t payments.Target) { w.credit(t, 1000) }},
	{"all is credited", 0, 0, func(w *world, t payments.Target) { w.credit(t, 0) }},
	{"a part comes by the bank", 2243, 1000, func(w *world, t payments.Target) { w.transfer(t, 1000) }},
	{"all comes by the bank", 0, 3243, func(w *world, t payments.Target) { w.transfer(t, 3243) }},
	{"too much comes by the bank", 0, 4000, func(w *world, t payments.Target) { w.transfer(t, 4000) }},
}

// credit makes a credit note of net Rappen, 0 = of all.
func (w *world) credit(t payments.Target, net int64) {
	w.Helper()
	lines := map[int64]int64{}
	if net > 0 {
		var line int64
		w.OK(w.DB.Get(&line, `SELECT id FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2`, t.Account, t.Invoice))
		lines[line] = net
	}
	_, err := w.Billing.Credit(w.ctx, billing.Correction{Account: t.Account, Key: fmt.Sprint("credit/", t.Invoice), Actor: "operator:1", Reason: "Probe", Second: "operator:2"}, t.Invoice, lines)
	w.OK(err)
}

func (w *world) transfer(t payments.Target, rappen int64) {
	w.Helper()
	w.OK(w.Desk.Receive(w.ctx, payments.Receipt{Target: t, Provider: "bank", Ref: fmt.Sprint("transfer/", t.Invoice), Rappen: rappen, At: w.Clock.Now()}))
}

// charged is by how many payments Stripe took money since before, and how much, in Rappen.
func (w *world) charged(before [2]int64) (n, rappen int64) {
	all, sum := w.stripe.Intents()
	return int64(all) - before[0], sum - before[1]
}

// Whatever answer gets lost, and whatever is paid or credited before somebody looks again:
// in the end nothing is charged twice, nothing that wasn't owed when it was charged, and
// all that came is what was owed, or the clinic's credit.
func TestCharge_answerLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := int64(1000)
	for _, m := range meanwhile {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				account++
				w.Clinic(account)
				w.leave(account, standin.Succeeds)
				invoice, _ := w.Invoice(account, 3000)
				target := payments.Target{Account: account, Invoice: invoice}
				intents, rappen := w.stripe.Intents()
				before, from := [2]int64{int64(intents), rappen}, len(w.stripe.Events())
				what := fmt.Sprintf("%s, cut at request %d, arrived %t", m.name, n, after)

				ctx, die := context.WithCancel(w.ctx)
				line := &cut{at: n, after: after, die: die}
				err := w.on(w.DB, w.Desk, line).ChargeInvoice(ctx, target)
				die()
				if line.count < n {
					w.OK(err)
					if n < 3 {
						t.Fatalf("only %d requests were tried", n-1)
					}
					break
				}
				if !errors.Is(err, stripe.ErrProvider) {
					t.Fatalf("%s: %v", what, err)
				}
				_, hidden := w.charged(before) // charged already, only we don't know
				m.change(w, target)
				for range 2 {
					if err := w.client.ChargeInvoice(w.ctx, target); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
				want := max(hidden, m.left)
				if _, got := w.charged(before); got != want {
					t.Errorf("%s: %d charged in the end, want %d", what, got, want)
				}
				w.deliver(from)
				if count, _ := w.charged(before); count > 1 || w.Open(account, invoice) != 0 {
					t.Errorf("%s: %d payments, open %d", what, count, w.Open(account, invoice))
				}
				if got, want := w.Credit(account), max(0, m.bank-3243)+want-m.left; got != want {
					t.Errorf("%s: the clinic's credit is %d, want %d", what, got, want)
				}
				if waits := w.Text(`SELECT count(*) FROM charges WHERE account_id = $1 AND status NOT IN ('succeeded', 'declined')`, account); waits != "0" {
					t.Errorf("%s: %s attempts wait for ever", what, waits)
				}
			}
		}
	}
	w.Check()
}

// What changes between two requests of one attempt is seen before money moves.
func TestCharge_changesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := int64(1000)
	for _, m := range meanwhile {
		account++
		w.Clinic(account)
		w.leave(account, standin.Succeeds)
		invoice, _ := w.Invoice(account, 3000)
		target := payments.Target{Account: account, Invoice: invoice}
		intents, rappen := w.stripe.Intents()
		before := [2]int64{int64(intents), rappen}
		line := &cut{at: 1, after: true, then: func() { m.change(w, target) }}
		w.OK(w.on(w.DB, w.Desk, line).ChargeInvoice(w.ctx, target))
		if _, got := w.charged(before); got != m.left || w.Open(account, invoice) != 0 {
			t.Errorf("%s: %d charged, open %d", m.name, got, w.Open(account, invoice))
		}
	}
	w.Check()
}

// An attempt of before, made and confirmed in one request whose answer never came, is found
// by what it says it is for.
func TestCharge_nameLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.Succeeds)
	invoice, _ := w.Invoice(1, 3000)
	target := payments.Target{Account: 1, Invoice: invoice}
	w.OK(w.client.ChargeInvoice(w.ctx, target))
	// The books of before that payment, as a crash left them.
	other, _ := w.Invoice(1, 2000)
	w.leave(1, standin.TakesTime)
	all, err := stripe.Methods(w.ctx, w.DB, 1)
	w.OK(err)
	w.OK(w.client.SetStandard(w.ctx, 1, all[1].ID))
	slow := payments.Target{Account: 1, Invoice: other}
	w.OK(w.client.ChargeInvoice(w.ctx, slow))
	name := w.Text(`SELECT intent FROM charges WHERE invoice_id = $1`, other)
	w.Exec(`UPDATE charges SET status = 'asked', intent = '' WHERE invoice_id = $1`, other)
	w.credit(slow, 500)
	w.OK(w.client.ChargeInvoice(w.ctx, slow)) // it is on its way: nothing else is begun
	got, err := stripe.Charges(w.ctx, w.DB, slow)
	w.OK(err)
	if diff := cmp.Diff([]stripe.Charge{{Attempt: 1, Amount: 2162, Status: "processing"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.OK(w.stripe.Finish(name, true))
	w.OK(w.client.ChargeInvoice(w.ctx, slow)) // without any event
	if w.Open(1, other) != 0 || w.Credit(1) != 541 {
		t.Errorf("open %d, credit %d", w.Open(1, other), w.Credit(1))
	}
	w.deliver(0)
	if n, rappen := w.stripe.Intents(); n != 2 || rappen != 3243+2162 || w.Credit(1) != 541 {
		t.Errorf("%d payments of %d, credit %d", n, rappen, w.Credit(1))
	}
	w.Check()
}

// Many at one invoice at once charge it once.
func TestCharge_manyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.leave(1, standin.Succeeds)
		invoice, _ := w.Invoice(1, 3000)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := w.client.ChargeInvoice(w.ctx, payments.Target{Account: 1, Invoice: invoice}); err != nil && !errors.Is(err, stripe.ErrProvider) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.OK(w.client.ChargeInvoice(w.ctx, payments.Target{Account: 1, Invoice: invoice}))
		if n, rappen := w.stripe.Intents(); n != i+1 || rappen != int64(i+1)*3243 || w.Open(1, invoice) != 0 {
			t.Errorf("%d payments of %d, open %d", n, rappen, w.Open(1, invoice))
		}
	}
	w.Check()
}
