package standin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type client struct {
	*testing.T
	world *World
	url   string
}

func newClient(t *testing.T, o Options) *client {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	o.Now, o.Key, o.Secret, o.Base = func() time.Time { return time.Unix(1_800_000_000, 0) }, "sk", "whsec", server.URL
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	handler = w.Handler()
	return &client{t, w, server.URL}
}

// call asks the API and returns the status and what was answered.
func (c *client) call(method, path, key string, form url.Values) (int, map[string]any) {
	c.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Idempotency-Key", key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		c.Fatal(err)
	}
	return res.StatusCode, got
}

func (c *client) page(mode string) string {
	c.Helper()
	_, customer := c.call("POST", "/v1/customers", "", url.Values{"name": {"Praxis"}})
	form := url.Values{"mode": {mode}, "customer": {customer["id"].(string)}, "success_url": {"http://rappel.example/done"}, "cancel_url": {"http://rappel.example/no"}, "payment_method_types[0]": {"card"}, "payment_method_types[1]": {"twint"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][unit_amount]": {"5297"}, "line_items[0][price_data][currency]": {"chf"}, "line_items[0][price_data][product_data][name]": {"SMS-Paket"}}
	status, s := c.call("POST", "/v1/checkout/sessions", "", form)
	if status != 200 {
		c.Fatalf("%d %v", status, s)
	}
	return s["url"].(string)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	_, a := c.call("POST", "/v1/customers", "k", url.Values{"name": {"A"}})
	_, b := c.call("POST", "/v1/customers", "k", url.Values{"name": {"A"}})
	if a["id"] != b["id"] {
		t.Errorf("one key made %v and %v", a["id"], b["id"])
	}
	if status, e := c.call("POST", "/v1/customers", "k", url.Values{"name": {"B"}}); status != 400 || e["error"].(map[string]any)["type"] != "idempotency_error" {
		t.Errorf("the key with another request: %d %v", status, e)
	}
	if status, _ := c.call("GET", "/v1/nothing", "", nil); status != 404 {
		t.Errorf("an address there isn't: %d", status)
	}
	res, err := http.Post(c.url+"/v1/customers", "", nil)
	if err != nil || res.StatusCode != 401 {
		t.Errorf("without a key: %v, %v", res, err)
	}
	_ = res.Body.Close() // nothing of it is read
}

// The page works by clicks: declined it stays, paid it leads back.
func TestPage(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	address := c.page("payment")
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	click := func(with string) string {
		t.Helper()
		res, err := browser.PostForm(address, url.Values{"with": {with}})
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close() // its address is what counts
		return res.Header.Get("Location")
	}
	show := func() string {
		t.Helper()
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := show(); !strings.Contains(got, "CHF 52.97") || !strings.Contains(got, "TWINT") || !strings.Contains(got, "Praxis") {
		t.Errorf("page:\n%s", got)
	}
	if got := click("cancel"); got != "http://rappel.example/no" {
		t.Errorf("cancelled: %s", got)
	}
	if got := click("card:declines"); got != address || !strings.Contains(show(), "insufficient_funds") {
		t.Errorf("declined: %s", got)
	}
	if got := click("twint:succeeds"); got != "http://rappel.example/done" || !strings.Contains(show(), "Erledigt") {
		t.Errorf("paid: %s", got)
	}
	if n, rappen := c.world.Intents(); n != 1 || rappen != 5297 {
		t.Errorf("%d payments, %d Rappen", n, rappen)
	}
	if err := c.world.Pay(address[strings.LastIndex(address, "/")+1:], "card", Succeeds); !errors.Is(err, ErrNothing) {
		t.Errorf("paid twice: %v", err)
	}
}

// What was there is there after a restart, events that nobody took as well.
func TestStateFile(t *testing.T) {
	t.Parallel()
	o := Options{StateFile: filepath.Join(t.TempDir(), "stripe.json")}
	c := newClient(t, o)
	address := c.page("setup")
	if err := c.world.Pay(address[strings.LastIndex(address, "/")+1:], "card", Succeeds); err != nil {
		t.Fatal(err)
	}
	before := c.world.Events()
	again := newClient(t, o)
	if after := again.world.Events(); len(after) != len(before) || len(after) != 3 || after[0].ID != before[0].ID {
		t.Errorf("%d events, then %d", len(before), len(after))
	}
	if len(again.world.s.Methods) != 1 || len(again.world.Open()) != 0 {
		t.Errorf("state %+v", again.world.s)
	}
}

// Run sends what waits, and again what was refused.
func TestRun(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	refused := false
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !refused { // one at a time, so no lock
			refused = true
			rw.WriteHeader(500)
			return
		}
		got <- r.Header.Get("Stripe-Signature")
	}))
	defer hook.Close()
	c := newClient(t, Options{Webhook: hook.URL})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.world.Run(ctx) }()
	address := c.page("setup")
	if err := c.world.Pay(address[strings.LastIndex(address, "/")+1:], "card", Succeeds); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s := <-got; !strings.HasPrefix(s, "t=1800000000,v1=") {
			t.Errorf("signature %q", s)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A charge without its holder is made, then confirmed or canceled, never both.
func TestIntents(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	address := c.page("setup")
	if err := c.world.Pay(address[strings.LastIndex(address, "/")+1:], "card", Succeeds); err != nil {
		t.Fatal(err)
	}
	var method, customer string
	for id, m := range c.world.s.Methods {
		method, customer = id, m.Customer
	}
	made := func() string {
		t.Helper()
		status, i := c.call("POST", "/v1/payment_intents", "", url.Values{"amount": {"100"}, "currency": {"chf"}, "customer": {customer}, "payment_method": {method}})
		if status != 200 || i["status"] != "requires_confirmation" {
			t.Fatalf("%d %v", status, i)
		}
		return "/v1/payment_intents/" + i["id"].(string)
	}
	for _, first := range []string{"/confirm", "/cancel"} {
		path := made()
		form := url.Values{"off_session": {"true"}, "cancellation_reason": {"abandoned"}}
		if status, i := c.call("POST", path+first, "", form); status != 200 {
			t.Errorf("%s: %d %v", first, status, i)
		}
		for _, then := range []string{"/confirm", "/cancel"} {
			if status, e := c.call("POST", path+then, "", form); status != 400 || e["error"].(map[string]any)["code"] != "payment_intent_unexpected_state" {
				t.Errorf("%s, then %s: %d %v", first, then, status, e)
			}
		}
	}
	if n, rappen := c.world.Intents(); n != 1 || rappen != 100 {
		t.Errorf("%d payments of %d", n, rappen)
	}
	if _, all := c.call("GET", "/v1/payment_intents?customer="+customer+"&created%5Bgte%5D=1", "", nil); len(all["data"].([]any)) != 2 {
		t.Errorf("listed %v", all["data"])
	}
}
