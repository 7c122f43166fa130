package smsup

import (
	"encoding/json"
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

// What SMSup answers, and what it means.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   error
		code   string
	}{
		{"documented", 200, `{"status":1,"message":"OK","ticket":"14672468","cost":1,"credits":642,"total":1,"sent":1,"blacklisted":0,"duplicated":0,"npai":0,"invalid":0,"not_allowed":0,"flood":0,"country_limit":0}`, nil, ""},
		{"numbers as strings", 200, `{"status":"1","sent":"1"}`, nil, ""},
		{"created", 201, `{"status":1,"sent":1}`, nil, ""},
		{"authentication", 200, `{"status":-1}`, notify.ErrMisconfigured, "-1"},
		{"authentication with its HTTP status", 401, `{"status":-1}`, notify.ErrMisconfigured, "-1"},
		{"XML", 200, `{"status":-2}`, notify.ErrMisconfigured, "-2"},
		{"credits", 200, `{"status":-3,"message":"Not enough credits"}`, notify.ErrMisconfigured, "-3"},
		{"date", 200, `{"status":-4}`, notify.ErrMisconfigured, "-4"},
		{"not found", 404, `{"status":-5}`, notify.ErrMisconfigured, "-5"},
		{"JSON", 200, `{"status":-6}`, notify.ErrMisconfigured, "-6"},
		{"data", 200, `{"status":-7}`, notify.ErrRejected, "-7"},
		{"moderation is no failure", 200, `{"status":-8,"message":"Your campaign is currently under moderation"}`, nil, "-8"},
		{"unknown error", 200, `{"status":-99}`, notify.ErrUnknown, "-99"},
		{"a status of tomorrow", 200, `{"status":-42}`, notify.ErrUnknown, "-42"},
		{"a good status of tomorrow", 200, `{"status":2,"sent":1}`, notify.ErrUnknown, ""},
		{"blacklisted", 200, `{"status":1,"sent":0,"blacklisted":1}`, notify.ErrOptedOut, "blacklisted"},
		{"npai", 200, `{"status":1,"sent":0,"npai":1}`, notify.ErrInvalidDestination, "npai"},
		{"invalid", 200, `{"status":1,"sent":0,"invalid":1}`, notify.ErrInvalidDestination, "invalid"},
		{"not allowed", 200, `{"status":1,"sent":0,"not_allowed":1}`, notify.ErrNotAllowed, "not_allowed"},
		{"country limit", 200, `{"status":1,"sent":0,"country_limit":1}`, notify.ErrNoRoute, "country_limit"},
		{"flood", 200, `{"status":1,"sent":0,"flood":1}`, notify.ErrTemporary, "flood"},
		{"duplicated", 200, `{"status":1,"sent":0,"duplicated":1}`, notify.ErrRejected, "duplicated"},
		{"filtered by something new", 200, `{"status":1,"sent":0,"moon":1}`, notify.ErrRejected, "filtered"},
		{"no count", 200, `{"status":1}`, notify.ErrUnknown, ""},
		{"no status", 200, `{"sent":1}`, notify.ErrUnknown, ""},
		{"nothing", 200, ``, notify.ErrUnknown, ""},
		{"XML after all", 200, `<response><status>1</status></response>`, notify.ErrUnknown, ""},
		{"a page", 400, `<html>`, notify.ErrRejected, ""},
		{"a redirect", 302, ``, notify.ErrMisconfigured, ""},
		{"forbidden", 403, ``, notify.ErrMisconfigured, ""},
		{"payment", 402, ``, notify.ErrMisconfigured, ""},
		{"time-out", 408, ``, notify.ErrUnknown, ""},
		{"throttled", 429, `{"status":-99}`, notify.ErrThrottled, ""},
		{"a 5xx is believed nothing", 500, `{"status":-7}`, notify.ErrUnknown, ""},
		{"gateway", 502, ``, notify.ErrUnknown, ""},
	} {
		a, ok := parseAnswer([]byte(tt.body))
		code, kind := verdict(tt.status, a, ok)
		if kind != tt.kind || code != tt.code {
			t.Errorf("%s: got %v (%s), want %v (%s)", tt.name, kind, code, tt.kind, tt.code)
		}
	}
}

func TestSend_onTheWire(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(m *notify.Message)
		want   standin.SMSupMessage
	}{
		{"notification", func(*notify.Message) {}, standin.SMSupMessage{From: "Praxis", Body: "Grüezi [1] €", Push: "alert"}},
		{"marketing", func(m *notify.Message) { m.Kind = notify.Marketing }, standin.SMSupMessage{From: "Praxis", Body: "Grüezi [1] €", Push: "marketing"}},
		{"outside GSM-7", func(m *notify.Message) { *m = message("Être là – 😀") }, standin.SMSupMessage{From: "Praxis", Body: "Être là – 😀", Push: "alert", Unicode: true}},
		{"number for a sender", func(m *notify.Message) { m.Sender = "+41790000100" }, standin.SMSupMessage{From: "41790000100", Body: "Grüezi [1] €", Push: "alert"}},
	} {
		r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{})
		m := message("Grüezi [1] €")
		tt.change(&m)
		s, err := r.carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff([]string{"rappel-1-2"}, s.IDs); diff != "" {
			t.Errorf("%s: ids (-want +got):\n%s", tt.name, diff)
		}
		got, want := r.smsup.Messages()[0], tt.want
		want.Ticket, want.Created, want.Reference, want.To = got.Ticket, got.Created, "rappel-1-2", "41791234567"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSend_cannotBeWritten(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{})
	for _, tt := range []struct {
		recipient, sender string
		want              error
	}{
		{"0791234567", "Praxis", notify.ErrInvalidDestination},
		{"+41 79 123 45 67", "Praxis", notify.ErrInvalidDestination},
		{"+", "Praxis", notify.ErrInvalidDestination},
		{"+4179123456789012", "Praxis", notify.ErrInvalidDestination},
		{"+41791234567", "", notify.ErrInvalidSender},
	} {
		m := message("x")
		m.Recipient, m.Sender = tt.recipient, tt.sender
		if _, err := r.carrier.Send(t.Context(), m); !errors.Is(err, tt.want) {
			t.Errorf("%q from %q: got %v, want %v", tt.recipient, tt.sender, err, tt.want)
		}
	}
	if n := len(r.smsup.Messages()); n != 0 {
		t.Errorf("%d left all the same", n)
	}
}

// A text under moderation counts as accepted and is not sent again.
func TestSend_moderated(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSupConfig{})
	r.smsup.Fault(standin.HTTPFault{Status: 200, Code: "-8", Accept: true})
	m := message("Gewinnen Sie!")
	s, err := r.carrier.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	r.smsup.Report(s.IDs[0], 3)
	if got := in.AwaitReceipts(t, 1)[0]; got.CarrierID != m.Reference() || got.Status != notify.Delivered {
		t.Errorf("got %v for %q", got.Status, got.CarrierID)
	}
	if !strings.Contains(r.log.String(), "moderation") {
		t.Error("the log doesn't tell")
	}
}

// A blacklisted phone stays one, and the others are served.
func TestSend_funnelByPhone(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{})
	r.smsup.Block("+41791234567", "blacklisted")
	m := message("x")
	for range 2 {
		if _, err := r.carrier.Send(t.Context(), m); !errors.Is(err, notify.ErrOptedOut) {
			t.Errorf("got %v, want ErrOptedOut", err)
		}
	}
	m.Recipient = "+41791234568"
	if _, err := r.carrier.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{})
	if err := r.carrier.Check(t.Context()); err != nil {
		t.Error(err)
	}
	r.smsup.SetCredits(0)
	if err := r.carrier.Check(t.Context()); !errors.Is(err, notify.ErrMisconfigured) || !strings.Contains(err.Error(), "credits") {
		t.Errorf("without credits: %v", err)
	}
	r.carrier.cfg.Token = "another-secret"
	err := r.carrier.Check(t.Context())
	if !errors.Is(err, notify.ErrMisconfigured) || !strings.Contains(err.Error(), "-1") || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("got %v, want ErrMisconfigured with status -1 and without the token", err)
	}
	r.api.Close()
	if err := r.carrier.Check(t.Context()); !errors.Is(err, notify.ErrTemporary) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, api, err string }{
		{"smsup://tok3n@api.smsup.ch", "https://api.smsup.ch", ""},
		{"smsup://tok3n@api.smsfactor.com?hook=0123456789abcdef&signature=s3cret!&listed=1m", "https://api.smsfactor.com", ""},
		{"smsup://tok3n@127.0.0.1:8081", "http://127.0.0.1:8081", ""},
		{"smsup://tok3n@gateway.lan?scheme=http&window=3&rate=5&timeout=2s&name=fr", "http://gateway.lan", ""},
		{"smsup://api.smsup.ch", "", "token"},
		{"smsup://a:tok3n@api.smsup.ch", "", "alone"},
		{"smsup://tok3n@api.smsup.ch?hook=tok3n", "", "hook"},
		{"smsup://tok3n@api.smsup.ch?hook=tok3n/0123456789abcdef", "", "hook"},
		{"smsup://tok3n@api.smsup.ch?listed=tok3n", "", "listed"},
		{"smsup://tok3n@api.smsup.ch?listed=-1s", "", "listed"},
		{"smsup://tok3n@api.smsup.ch?hooks=tok3n", "", "no such parameter"},
		{"smsup://tok3n@api.smsup.ch?window=0", "", "window"},
		{"smsup://tok3n@api.smsup.ch?name=a/b", "", "name"},
		{"smsup://tok3n@api.smsup.ch/v1", "", "path"},
		{"twilio://tok3n@api.smsup.ch", "", "scheme"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := ParseURL(u)
		switch {
		case tt.err == "" && err != nil, tt.err != "" && (!errors.Is(err, carriers.ErrConfig) || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "tok3n"):
			t.Errorf("the error tells the token: %v", err)
		case err == nil && cfg.API != tt.api:
			t.Errorf("%s: API %q, want %q", tt.url, cfg.API, tt.api)
		}
	}
}

// Whatever comes for an answer, only one that says "sent" counts as accepted, and never
// with a 4xx or 5xx.
func FuzzVerdict(f *testing.F) {
	f.Add(200, `{"status":1,"sent":1}`)
	f.Add(200, `{"status":"-8"}`)
	f.Add(429, `{"status":null,"sent":[]}`)
	f.Add(503, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		a, ok := parseAnswer([]byte(body))
		code, kind := verdict(status, a, ok)
		if kind == nil && code != moderated && (status/100 != 2 || a.Sent == nil || *a.Sent < 1) {
			t.Fatalf("accepted: %d %q", status, body)
		}
		if len(code) > 20 {
			t.Fatalf("code %q", code)
		}
		if !json.Valid([]byte(body)) && ok {
			t.Fatalf("read %q", body)
		}
	})
}
