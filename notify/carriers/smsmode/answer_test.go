package smsmode

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
	"rappel/notify/carriers"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// config is one that works.
func config() Config {
	s := carriers.Defaults("smsmode")
	s.API = "https://rest.smsmode.com"
	return Config{Settings: s, Key: key, Hook: hook}
}

// What smsmode answers, and what it means.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		status   int
		body, id string
		kind     error
		code     string
	}{
		{201, `{"messageId":"e5ab32e9","status":{"value":"SCHEDULED"},"price":{"amount":0.05}}`, "e5ab32e9", nil, ""},
		{200, `{"messageId":"e5ab32e9"}`, "e5ab32e9", nil, ""},
		{201, `{"messageId":""}`, "", notify.ErrUnknown, ""},
		{201, `{}`, "", notify.ErrUnknown, ""},
		{201, ``, "", notify.ErrUnknown, ""},
		{201, `<html>`, "", notify.ErrUnknown, ""},
		{302, ``, "", notify.ErrMisconfigured, ""},
		{400, `{"title":"Bad Request","message":"x","detail":"y","errorCode":"BAD_REQUEST"}`, "", notify.ErrRejected, "BAD_REQUEST"},
		{400, `{"errorCode":"1012"}`, "", notify.ErrRejected, "1012"},
		{400, `{"errorCode":"the number +41791234567 is wrong"}`, "", notify.ErrRejected, ""},
		{400, `{"errorCode":"41791234567"}`, "", notify.ErrRejected, ""},
		{400, ``, "", notify.ErrRejected, ""},
		{401, `{"errorCode":"UNAUTHORIZED"}`, "", notify.ErrMisconfigured, "UNAUTHORIZED"},
		{402, ``, "", notify.ErrMisconfigured, ""},
		{403, `{"message":"Channel type mismatch"}`, "", notify.ErrMisconfigured, ""},
		{404, ``, "", notify.ErrMisconfigured, ""},
		{408, ``, "", notify.ErrUnknown, ""},
		{415, ``, "", notify.ErrRejected, ""},
		{422, ``, "", notify.ErrRejected, ""},
		{429, ``, "", notify.ErrThrottled, ""},
		{500, `{"messageId":"e5ab32e9"}`, "", notify.ErrUnknown, ""},
		{503, ``, "", notify.ErrUnknown, ""},
	} {
		id, code, kind := verdict(tt.status, []byte(tt.body))
		if id != tt.id || kind != tt.kind || code != tt.code {
			t.Errorf("%d %s: got %q, %v (%s), want %q, %v (%s)", tt.status, tt.body, id, kind, code, tt.id, tt.kind, tt.code)
		}
	}
}

func TestSend_onTheWire(t *testing.T) {
	for _, tt := range []struct {
		name, sender, base string
		want               standin.SMSmodeMessage
	}{
		{"name", "Praxis", "https://rappel.example", standin.SMSmodeMessage{From: "Praxis", CallbackStatus: "https://rappel.example/hooks/smsmode/" + hook}},
		{"number", "+41790000100", "https://rappel.example", standin.SMSmodeMessage{From: "41790000100", CallbackStatus: "https://rappel.example/hooks/smsmode/" + hook}},
		{"nowhere to call", "Praxis", "", standin.SMSmodeMessage{From: "Praxis"}},
	} {
		r := start(t, notifytest.NewInbox(), "hook="+hook, standin.SMSmodeConfig{})
		if tt.base != "" {
			tt.base += "/hooks/smsmode"
		}
		r.carrier.cfg.Callback = tt.base
		r.carrier.callback = r.carrier.cfg.callback()
		m := message("Grüezi [1] € 😀")
		m.Sender = tt.sender
		s, err := r.carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, want := r.smsmode.Messages()[0], tt.want
		want.ID, want.Accepted, want.Status, want.To, want.Body = s.IDs[0], got.Accepted, "SCHEDULED", "41791234567", m.Body
		want.RefClient, want.Callback = "rappel-1-2", want.CallbackStatus
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSend_cannotBeWritten(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSmodeConfig{})
	for _, tt := range []struct {
		recipient, sender string
		want              error
	}{
		{"0791234567", "Praxis", notify.ErrInvalidDestination},
		{"+41 79 123 45 67", "Praxis", notify.ErrInvalidDestination},
		{"+41791234567", "", notify.ErrInvalidSender},
	} {
		m := message("x")
		m.Recipient, m.Sender = tt.recipient, tt.sender
		if _, err := r.carrier.Send(t.Context(), m); !errors.Is(err, tt.want) {
			t.Errorf("%q from %q: got %v, want %v", tt.recipient, tt.sender, err, tt.want)
		}
	}
	if n := len(r.smsmode.Messages()); n != 0 {
		t.Errorf("%d left all the same", n)
	}
}

// A loopback address is none that smsmode could call; asking for it would have the
// message refused.
func TestConfig_callback(t *testing.T) {
	const real, loopback = "https://rest.smsmode.com", "http://127.0.0.1:9"
	for _, tt := range []struct{ api, ours, want string }{
		{real, "https://rappel.example/hooks/smsmode", "https://rappel.example/hooks/smsmode/" + hook},
		{real, "http://127.0.0.1:8080/hooks/smsmode", ""},
		{loopback, "http://127.0.0.1:8080/hooks/smsmode", "http://127.0.0.1:8080/hooks/smsmode/" + hook},
		{real, "", ""},
		{real, "/hooks/smsmode", ""},
	} {
		cfg := config()
		cfg.API, cfg.Callback = tt.api, tt.ours
		c, err := New(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.callback(); got != tt.want || c.Receives() != (tt.want != "") {
			t.Errorf("%s, %s: got %q, want %q", tt.api, tt.ours, got, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSmodeConfig{})
	if err := r.carrier.Check(t.Context()); err != nil {
		t.Error(err)
	}
	r.carrier.cfg.Key = "another-secret"
	err := r.carrier.Check(t.Context())
	if !errors.Is(err, notify.ErrMisconfigured) || !strings.Contains(err.Error(), "UNAUTHORIZED") || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("got %v, want ErrMisconfigured without the key", err)
	}
	r.api.Close()
	if err := r.carrier.Check(t.Context()); !errors.Is(err, notify.ErrTemporary) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, api, err string }{
		{"smsmode://k3y@rest.smsmode.com", "https://rest.smsmode.com", ""},
		{"smsmode://k3y@rest.smsmode.com?hook=0123456789abcdef&listed=1m&name=fr&window=3&rate=5", "https://rest.smsmode.com", ""},
		{"smsmode://k3y@127.0.0.1:8081", "http://127.0.0.1:8081", ""},
		{"smsmode://rest.smsmode.com", "", "key"},
		{"smsmode://a:k3y@rest.smsmode.com", "", "alone"},
		{"smsmode://k3y@rest.smsmode.com?hook=k3y", "", "hook"},
		{"smsmode://k3y@rest.smsmode.com?hook=", "", "hook"},
		{"smsmode://k3y@rest.smsmode.com?listed=k3y", "", "listed"},
		{"smsmode://k3y@rest.smsmode.com?listed=48h", "", "listed"},
		{"smsmode://k3y@rest.smsmode.com?signature=k3y", "", "no such parameter"},
		{"smsup://k3y@rest.smsmode.com", "", "scheme"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := ParseURL(u)
		switch {
		case tt.err == "" && err != nil, tt.err != "" && (!errors.Is(err, carriers.ErrConfig) || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "k3y"):
			t.Errorf("the error tells the key: %v", err)
		case err == nil && cfg.API != tt.api:
			t.Errorf("%s: API %q, want %q", tt.url, cfg.API, tt.api)
		}
	}
}

// Whatever comes for an answer, only a 2xx with an id counts as accepted, and codes never
// quote a number.
func FuzzVerdict(f *testing.F) {
	f.Add(201, `{"messageId":"e5ab32e9"}`)
	f.Add(400, `{"errorCode":"BAD_REQUEST"}`)
	f.Add(400, `{"errorCode":"+41791234567"}`)
	f.Add(503, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		id, code, kind := verdict(status, []byte(body))
		if (kind == nil) != (id != "") || kind == nil && status/100 != 2 {
			t.Fatalf("%d %q: id %q, %v", status, body, id, kind)
		}
		if code != "" && (!carriers.Word(code) || carriers.IsNumber(code)) {
			t.Fatalf("code %q", code)
		}
	})
}
