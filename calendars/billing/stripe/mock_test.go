package stripe_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"log/slog"

	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/paymentstest"
	"rappel/calendars/billing/stripe"
)

// mock starts stripe-mock, a tool of go.mod, which holds requests to Stripe's own
// description of the API, and returns its address.
func mock(t *testing.T) string {
	t.Helper()
	path, err := exec.Command("go", "tool", "-n", "stripe-mock").Output()
	if err != nil {
		t.Fatalf("build stripe-mock: %v", err)
	}
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	addr := free()
	cmd := exec.Command(strings.TrimSpace(string(path)), "-http-addr", addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, so an error
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Listening") {
			go func() {
				for lines.Scan() { // it must not wait for us to read
				}
			}()
			return "http://" + addr
		}
	}
	t.Fatalf("stripe-mock ended: %v", lines.Err())
	return ""
}

// What we ask of Stripe is what Stripe takes: stripe-mock refuses unknown parameters and
// values.
func TestAgainstMock(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	calls := &counter{}
	c, err := stripe.New(stripe.Config{DB: w.DB, Desk: w.Desk, Key: "sk_test_123", Secret: secret, APIURL: mock(t), BaseURL: "https://rappel.example", Now: w.Clock.Now,
		Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Transport: calls, Timeout: time.Minute}})
	w.OK(err)
	ctx := t.Context()
	o, err := w.Desk.Offer(ctx, payments.Wish{Account: 1, Key: "k", Package: 1, Method: payments.Stripe, By: "user:1"})
	w.OK(err)
	_, err = c.PayOrder(ctx, o.Ref(), back)
	w.OK(err)
	_, err = c.StoreMethod(ctx, 1, "k", back)
	w.OK(err)
	_, err = c.Portal(ctx, 1, back)
	w.OK(err)
	invoice, _ := w.Invoice(1, 3000)
	_, err = c.PayInvoice(ctx, payments.Target{Account: 1, Invoice: invoice}, "k", back)
	w.OK(err)
	w.Exec(`INSERT INTO payment_methods (account_id, provider, method, kind, label, standard, created_at) VALUES (1, 'stripe', 'pm_123', 'card', 'Visa', true, $1)`, w.Clock.Now())
	w.OK(c.ChargeInvoice(ctx, payments.Target{Account: 1, Invoice: invoice}))
	// What stands in the way of another attempt: one is looked for by list, one canceled.
	for i, status := range []string{"asked", "needs_action"} {
		lost, _ := w.Invoice(1, 4000+int64(i))
		w.Exec(`INSERT INTO charges (account_id, invoice_id, attempt, provider, intent, method, amount, status, asked_at) VALUES (1, $1, 1, 'stripe', $2, 'pm_123', 100, $3, $4)`,
			lost, []string{"", "pi_7"}[i], status, w.Clock.Now())
		w.OK(c.ChargeInvoice(ctx, payments.Target{Account: 1, Invoice: lost}))
		if got := w.Text(`SELECT string_agg(status, ' ' ORDER BY attempt) FROM charges WHERE invoice_id = $1`, lost); got != []string{"declined asked", "needs_action asked"}[i] {
			t.Errorf("attempts after one that was %s: %s", status, got)
		}
	}
	w.OK(c.Refund(ctx, "pi_123", 100, "k"))
	for i, about := range []string{"payment_intent pi_1", "checkout.session cs_1", "refund re_1", "dispute dp_1", "charge ch_1"} {
		kind, id, _ := strings.Cut(about, " ")
		w.Exec(`INSERT INTO webhook_events (provider, webhook_id, kind, object_id, payload, received_at, due_at) VALUES ('stripe', $1, 'x', $2, $3, $4, $4)`,
			fmt.Sprint("evt_", i), id, fmt.Sprintf(`{"id":"evt_%d","object":"event","type":"x","data":{"object":{"id":"%s","object":"%s","payment_intent":"pi_9"}}}`, i, id, kind), w.Clock.Now())
	}
	if n, err := c.Work(ctx); n != 5 || err != nil {
		t.Errorf("worked on %d, %v", n, err)
	}
	failed, err := stripe.Failures(ctx, w.DB, 10)
	w.OK(err)
	if len(failed) != 0 {
		t.Errorf("%+v", failed)
	}
	all, err := stripe.Methods(ctx, w.DB, 1)
	w.OK(err)
	w.OK(c.Remove(ctx, 1, all[0].ID)) // detaches, then lists what is left
	if len(calls.bad) > 0 {
		t.Errorf("refused: %v", calls.bad)
	}
}

// counter notes requests that were refused.
type counter struct{ bad []string }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && res.StatusCode >= 400 {
		c.bad = append(c.bad, r.Method+" "+r.URL.Path)
	}
	return res, err
}
