package smsup

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
	"rappel/notify/carriers"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

const dlr = `{"date":"2026-03-02T11:55:12+01:00","status":3,"destination":"41781234567","message_id":"rappel-7-12","campaign_id":"15948909","country_code":"CH"}`

func TestServeHook_refuses(t *testing.T) {
	const signature = "mysignature123"
	for _, tt := range []struct {
		name, query, path, signature, body string
		want                               int
	}{
		{"good", "", "/" + hook, "", dlr, 204},
		{"no token", "", "", "", dlr, 403},
		{"empty token", "", "/", "", dlr, 403},
		{"other token", "", "/fedcba9876543210-hook", "", dlr, 403},
		{"part of the token", "", "/" + hook[:16], "", dlr, 403},
		{"token and more", "", "/" + hook + "/x", "", dlr, 403},
		{"signed", "signature=" + signature, "/" + hook, signature, dlr, 204},
		{"not signed", "signature=" + signature, "/" + hook, "", dlr, 403},
		{"signed with another secret", "signature=" + signature, "/" + hook, "mysignature124", dlr, 403},
		{"signed without the token", "signature=" + signature, "/", signature, dlr, 403},
		{"a signature nobody asked for", "", "/" + hook, "x", dlr, 204},
		{"no JSON", "", "/" + hook, "", "date=1", 400},
		{"neither", "", "/" + hook, "", `{"date":"2026-03-02T11:55:12+01:00"}`, 400},
		{"credits ran low", "", "/" + hook, "", `{"type":"BALANCE_ALERT","credits":10}`, 400},
		{"a status that is none", "", "/" + hook, "", `{"status":"moon","destination":"41781234567","message_id":"1"}`, 400},
		{"too large", "", "/" + hook, "", `{"message":"` + strings.Repeat("x", 300<<10) + `"}`, 413},
	} {
		in := notifytest.NewInbox()
		r := start(t, in, tt.query, standin.SMSupConfig{})
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/smsup"+tt.path, strings.NewReader(tt.body))
		req.Header.Set("X-SMSFactor-Signature", tt.signature)
		w := httptest.NewRecorder()
		r.carrier.ServeHook(w, req, "", in)
		if w.Code != tt.want {
			t.Errorf("%s: answered %d, want %d", tt.name, w.Code, tt.want)
		}
		if n := len(in.Receipts()); (n == 1) != (tt.want == 204) {
			t.Errorf("%s: %d receipts kept", tt.name, n)
		}
		for _, secret := range []string{hook, signature, "41781234567"} {
			if strings.Contains(r.log.String()+w.Body.String(), secret) {
				t.Errorf("%s: log or answer tells %q", tt.name, secret)
			}
		}
	}
}

// Without a token of its own the hook takes the derived one, or what is signed.
func TestServeHook_derived(t *testing.T) {
	const signature = "mysignature123"
	derived := carriers.Token(token, "smsup")
	for _, tt := range []struct {
		name, secret, path, signature string
		want                          int
	}{
		{"derived", "", "/" + derived, "", 204},
		{"derived, opt-outs", "", "/" + derived + "/stop", "", 204},
		{"nothing", "", "", "", 403},
		{"empty", "", "/", "", 403},
		{"empty, opt-outs", "", "//stop", "", 403},
		{"opt-outs alone", "", "/stop", "", 403},
		{"another", "", "/" + hook, "", 403},
		{"a signature where none is known", "", "", signature, 403},
		{"signed", signature, "", signature, 204},
		{"signed, opt-outs", signature, "/stop", signature, 204},
		{"signed, derived", signature, "/" + derived, signature, 204},
		{"signed, another token", signature, "/" + hook, signature, 403},
		{"not signed", signature, "", "", 403},
		{"not signed, derived", signature, "/" + derived, "", 403},
		{"signed by another", signature, "", "mysignature124", 403},
	} {
		in := notifytest.NewInbox()
		r := start(t, in, "", standin.SMSupConfig{})
		r.carrier.cfg.Hook, r.carrier.cfg.Signature = "", tt.secret
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/smsup"+tt.path, strings.NewReader(dlr))
		req.Header.Set("X-SMSFactor-Signature", tt.signature)
		w := httptest.NewRecorder()
		r.carrier.ServeHook(w, req, "", in)
		if w.Code != tt.want || (len(in.Receipts()) == 1) != (tt.want == 204) {
			t.Errorf("%s: answered %d, want %d", tt.name, w.Code, tt.want)
		}
		if strings.Contains(r.log.String()+w.Body.String(), derived) || r.carrier.HookToken() != derived {
			t.Errorf("%s: token %q", tt.name, r.carrier.HookToken())
		}
	}
}

func TestParseHook(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{Now: func() time.Time { return now }})
	at := time.Date(2026, 3, 2, 10, 55, 12, 0, time.UTC)
	receipt := func(id string, s notify.Status, code, to string) *notify.Receipt {
		return &notify.Receipt{Carrier: "smsup", CarrierID: id, Status: s, Code: code, At: at, Recipient: to}
	}
	for _, tt := range []struct {
		name, body string
		want       *notify.Receipt
	}{
		{"documented", dlr, receipt("rappel-7-12", notify.Delivered, "", "+41781234567")},
		{"numbers for texts", `{"date":"2026-03-02T11:55:12+01:00","status":"5","destination":41781234567,"message_id":"rappel-7-12"}`,
			receipt("rappel-7-12", notify.InvalidDestination, "5", "+41781234567")},
		{"not sent yet", strings.Replace(dlr, `"status":3`, `"status":0`, 1), receipt("rappel-7-12", notify.Sent, "", "+41781234567")},
		{"a status that doesn't exist", strings.Replace(dlr, `"status":3`, `"status":8`, 1), receipt("rappel-7-12", notify.Sent, "8", "+41781234567")},
		{"another program's text", strings.Replace(dlr, "rappel-7-12", "621277", 1), receipt("621277", notify.Delivered, "", "")},
		{"a text from the console", strings.Replace(dlr, "rappel-7-12", "", 1), nil},
	} {
		n, err := r.carrier.parseHook([]byte(tt.body), false)
		if err != nil || n.Inbound != nil {
			t.Errorf("%s: %v, %v", tt.name, n, err)
			continue
		}
		if n.Receipt != nil {
			n.Receipt.At = n.Receipt.At.UTC()
		}
		if diff := cmp.Diff(tt.want, n.Receipt); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	mo := `{"date":"2024-11-21T09:50:46","message":"Webhooks are awesome!","from":"41781234567","account_id":"1234","last_message_id":"your_gsmsmsid"}`
	a, err := r.carrier.parseHook([]byte(mo), false)
	if err != nil {
		t.Fatal(err)
	}
	want := &notify.Inbound{Carrier: "smsup", CarrierID: a.Inbound.CarrierID, From: "+41781234567", Body: "Webhooks are awesome!", At: now} // no zone: no guess
	if diff := cmp.Diff(want, a.Inbound); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	b, err := r.carrier.parseHook([]byte(strings.Replace(mo, "09:50:46", "09:50:47", 1)), false)
	if err != nil || b.Inbound.CarrierID == a.Inbound.CarrierID {
		t.Errorf("a second later: id %q again, %v", b.Inbound.CarrierID, err)
	}
}

// What comes as an opt-out is one, whatever the words; and what comes both ways is one reply.
func TestServeHook_stop(t *testing.T) {
	for words, want := range map[string]string{
		"STOP": "STOP", "Stop SMS": "Stop SMS", " stop ": " stop ", "STOP 36111": "STOP", "laissez-moi tranquille": "STOP", "": "STOP",
	} {
		in := notifytest.NewInbox()
		r := start(t, in, "", standin.SMSupConfig{})
		r.smsup.Stop("41791234567", words, "rappel-1-2")
		got := in.AwaitInbounds(t, 1)[0]
		if got.Body != want || got.From != "+41791234567" {
			t.Errorf("%q: got %q from %s, want %q", words, got.Body, got.From, want)
		}
	}
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSupConfig{})
	body := []byte(`{"date":"2026-03-02T11:55:12+01:00","message":"Stop SMS","from":"41781234567","account_id":"1","last_message_id":"rappel-1-2"}`)
	reply, err := r.carrier.parseHook(body, false)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := r.carrier.parseHook(body, true)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Inbound.CarrierID != stop.Inbound.CarrierID {
		t.Error("the same reply by two webhooks is two")
	}
}

func FuzzParseHook(f *testing.F) {
	f.Add(dlr, false)
	f.Add(`{"status":"12","destination":41781234567,"message_id":4711}`, false)
	f.Add("{\"date\":\"x\",\"message\":\"STOP\\u0000\xff\",\"from\":\"41781234567\"}", true)
	f.Add(`{"from":null,"status":null,"message_id":{}}`, true)
	c, err := New(config(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string, stop bool) {
		n, err := c.parseHook([]byte(body), stop)
		if err != nil && (n.Receipt != nil || n.Inbound != nil) || n.Receipt != nil && n.Inbound != nil {
			t.Fatalf("news %+v with error %v", n, err)
		}
		var fields []string
		if r := n.Receipt; r != nil {
			fields = []string{r.CarrierID, r.Code, r.Recipient}
		}
		if m := n.Inbound; m != nil {
			fields = []string{m.CarrierID, m.From, m.Body}
			if m.At.IsZero() || m.From == "" {
				t.Errorf("reply of %q at %v", m.From, m.At)
			}
		}
		for i, s := range fields {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || i == 0 && s == "" {
				t.Errorf("field %d is %q", i, s)
			}
		}
	})
}
