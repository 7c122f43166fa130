package smsmode

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

const dlr = `{"messageId":"e5ab32e9","acceptedAt":"2025-04-01T16:00:00","channel":{"channelId":"ch-1"},"type":"SMS","direction":"MT",
"recipient":{"to":"33600000000"},"from":"Praxis","body":{"text":"Bienvenue"},"price":{"amount":0.05,"currency":"EUR"},
"status":{"deliveryDate":"2025-04-01T16:00:10","value":"DELIVERED"},"refClient":"rappel-7-12"}`

func TestServeHook_refuses(t *testing.T) {
	for _, tt := range []struct {
		name, query, path, body string
		want                    int
	}{
		{"good", "hook=" + hook, "/" + hook, dlr, 204},
		{"derived", "", "/" + carriers.Token(key, "smsmode"), dlr, 204},
		{"no token", "hook=" + hook, "", dlr, 403},
		{"no token, derived", "", "/", dlr, 403},
		{"other token", "hook=" + hook, "/fedcba9876543210-hook", dlr, 403},
		{"derived where another is set", "hook=" + hook, "/" + carriers.Token(key, "smsmode"), dlr, 403},
		{"the key itself", "", "/" + key, dlr, 403},
		{"token and more", "hook=" + hook, "/" + hook + "/x", dlr, 403},
		{"no JSON", "hook=" + hook, "/" + hook, "messageId=1", 400},
		{"no id", "hook=" + hook, "/" + hook, `{"status":{"value":"DELIVERED"}}`, 400},
		{"a reply of nobody", "hook=" + hook, "/" + hook, `{"messageId":"1","direction":"MO","from":"Praxis","recipient":{"to":"36180"},"body":{"text":"x"}}`, 400},
		{"neither", "hook=" + hook, "/" + hook, `{"messageId":"1","direction":"MT"}`, 400},
		{"too large", "hook=" + hook, "/" + hook, `{"messageId":"` + strings.Repeat("x", 300<<10) + `"}`, 413},
	} {
		in := notifytest.NewInbox()
		r := start(t, in, tt.query, standin.SMSmodeConfig{})
		w := httptest.NewRecorder()
		r.carrier.ServeHook(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/smsmode"+tt.path, strings.NewReader(tt.body)), "", in)
		if w.Code != tt.want {
			t.Errorf("%s: answered %d, want %d", tt.name, w.Code, tt.want)
		}
		if n := len(in.Receipts()); (n == 1) != (tt.want == 204) {
			t.Errorf("%s: %d receipts kept", tt.name, n)
		}
		for _, secret := range []string{hook, key, carriers.Token(key, "smsmode"), "33600000000"} {
			if strings.Contains(r.log.String()+w.Body.String(), secret) {
				t.Errorf("%s: log or answer tells %q", tt.name, secret)
			}
		}
	}
}

func TestParseHook(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	r := start(t, notifytest.NewInbox(), "", standin.SMSmodeConfig{Now: func() time.Time { return now }})
	receipt := func(s notify.Status, code string) carriers.News {
		return carriers.News{Receipt: &notify.Receipt{Carrier: "smsmode", CarrierID: "e5ab32e9", Status: s, Code: code, Recipient: "+33600000000", Sender: "Praxis"}}
	}
	value := func(v string) string { return strings.Replace(dlr, `"DELIVERED"`, v, 1) }
	reply := func(to, body string) carriers.News {
		return carriers.News{Inbound: &notify.Inbound{Carrier: "smsmode", CarrierID: "82f71ab3", From: "+33600000000", To: to, Body: body, At: now}}
	}
	mo := func(from, to, body string) string {
		return `{"messageId":"82f71ab3","originMessageId":"efbc1edd","sentDate":"2025-03-01T12:00:00","direction":"MO","recipient":{"to":"` + to + `"},"from":"` + from + `","body":` + body + `}`
	}
	for _, tt := range []struct {
		name, body string
		want       carriers.News
	}{
		{"documented", dlr, receipt(notify.Delivered, "")},
		{"no direction", strings.Replace(dlr, `"direction":"MT",`, "", 1), receipt(notify.Delivered, "")},
		{"read", value(`"READ"`), receipt(notify.Delivered, "")},
		{"scheduled", value(`"SCHEDULED"`), receipt(notify.Sent, "")},
		{"undeliverable", value(`"UNDELIVERABLE"`), receipt(notify.NotDelivered, "UNDELIVERABLE")},
		{"no such number", value(`"UNDELIVERABLE","detail":"INVALID_PHONE_NUMBER"`), receipt(notify.InvalidDestination, "UNDELIVERABLE INVALID_PHONE_NUMBER")},
		{"blacklisted", value(`"UNDELIVERED","detail":"BLACKLISTED"`), receipt(notify.NotAllowed, "UNDELIVERED BLACKLISTED")},
		{"a filter", value(`"UNDELIVERABLE","detail":"SPAM"`), receipt(notify.NotAllowed, "UNDELIVERABLE SPAM")},
		{"a sentence for a detail", value(`"UNDELIVERABLE","detail":"33600000000 is off"`), receipt(notify.NotDelivered, "UNDELIVERABLE")},
		{"a word of tomorrow", value(`"TELEPORTED"`), receipt(notify.Sent, "TELEPORTED")},
		{"cancelled in the console", value(`"CANCELLED"`), receipt(notify.Rejected, "CANCELLED")},
		{"reply as documented", mo("33600000000", "36180", `{"text":"JA"}`), reply("36180", "JA")},
		{"reply to a number", mo("33600000000", "33700000001", `{"text":"JA"}`), reply("+33700000001", "JA")},
		{"reply turned round", mo("Praxis", "33600000000", `{"text":"JA"}`), reply("Praxis", "JA")},
		{"reply with a plus", mo("+33 6 00 00 00 00", "36180", `{"text":"JA"}`), reply("36180", "JA")},
		{"opt-out", mo("33600000000", "36180", `{"text":"Stop","stop":true}`), reply("36180", "Stop")},
		{"opt-out in other words", mo("33600000000", "36180", `{"text":"STOP 36180 merci","stop":true}`), reply("36180", "STOP")},
		{"no direction, no status", strings.Replace(mo("33600000000", "36180", `{"text":"JA"}`), `"direction":"MO",`, "", 1), reply("36180", "JA")},
	} {
		got, err := r.carrier.parseHook([]byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if log := r.log.String(); strings.Count(log, "unknown status") != 1 || !strings.Contains(log, "TELEPORTED") {
		t.Errorf("want the unknown status in the log once:\n%s", log)
	}
}

// Replies of either orientation, over the wire.
func TestServeHook_turned(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSmodeConfig{})
	for i, turned := range []bool{false, true} {
		r.smsmode.Receive(r.hookURL(), "41791234567", "Praxis", "JA", turned)
		if got := in.AwaitInbounds(t, i+1)[i]; got.From != "+41791234567" || got.To != "Praxis" {
			t.Errorf("turned %v: from %s to %s", turned, got.From, got.To)
		}
	}
}

func FuzzParseHook(f *testing.F) {
	f.Add(dlr)
	f.Add(`{"messageId":"1","direction":"MO","from":"33600000000","recipient":{"to":"36180"},"body":{"text":"STOP\u0000","stop":true}}`)
	f.Add("{\"messageId\":\"\xff\",\"status\":{\"value\":\"X\",\"detail\":\"a b\"}}")
	f.Add(`{"messageId":"0","from":"000000000"}`)
	f.Add(`{"messageId":null,"status":null,"recipient":[]}`)
	c, err := New(config(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n, err := c.parseHook([]byte(body))
		if (err == nil) != (n.Receipt != nil || n.Inbound != nil) || n.Receipt != nil && n.Inbound != nil {
			t.Fatalf("news %+v with error %v", n, err)
		}
		var fields []string
		if r := n.Receipt; r != nil {
			fields = []string{r.CarrierID, r.Code, r.Recipient, r.Sender}
		}
		if m := n.Inbound; m != nil {
			fields = []string{m.CarrierID, m.From, m.To, m.Body}
			if !carriers.IsNumber(m.From) {
				t.Errorf("a reply from %q", m.From)
			}
		}
		for i, s := range fields {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || i == 0 && s == "" {
				t.Errorf("field %d is %q", i, s)
			}
		}
	})
}
