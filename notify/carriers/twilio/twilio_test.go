package twilio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
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

const sid, token = "AC0123", "secret"

// rig is a carrier between a stand-in for Twilio and a server for its webhooks.
type rig struct {
	twilio  *standin.Twilio
	api     *httptest.Server
	hooks   *httptest.Server
	carrier *Carrier
	log     *notifytest.Log
}

func start(t *testing.T, in notify.Inbox, query string, now func() time.Time) *rig {
	t.Helper()
	r := &rig{log: &notifytest.Log{}, twilio: standin.NewTwilio(standin.TwilioConfig{SID: sid, Token: token, Now: now})}
	r.api = notifytest.Serve(t, r.twilio)
	t.Cleanup(func() { r.twilio.Release() })
	r.hooks = notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.carrier.ServeHook(w, req, r.hooks.URL+req.URL.String(), in)
	}))
	u, err := url.Parse("twilio://" + sid + ":" + token + "@" + strings.TrimPrefix(r.api.URL, "http://") + "?" + query)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	cfg.StatusCallback, cfg.Now, cfg.Log = r.hookURL(), now, r.log.Logger()
	if r.carrier, err = New(cfg, r.api.Client()); err != nil {
		t.Fatal(err)
	}
	return r
}

// settings are those of a URL without parameters.
func settings(api string) carriers.Settings {
	s := carriers.Defaults("twilio")
	s.API = api
	return s
}

func (r *rig) hookURL() string { return r.hooks.URL + "/hooks/twilio" }

func TestConformance(t *testing.T) {
	notifytest.Run(t, harness(""))
}

func harness(query string) notifytest.Harness {
	refuse := func(status, code int) standin.HTTPFault {
		return standin.HTTPFault{Status: status, Code: strconv.Itoa(code)}
	}
	faults := map[notifytest.Case]standin.HTTPFault{
		notifytest.Rejected:           refuse(400, 21617),
		notifytest.OptedOut:           refuse(400, 21610),
		notifytest.InvalidDestination: refuse(400, 21211),
		notifytest.InvalidSender:      refuse(400, 21212),
		notifytest.NotAllowed:         refuse(400, 21408),
		notifytest.NoRoute:            refuse(400, 21612),
		notifytest.Throttled:          refuse(429, 20429),
		notifytest.ThrottledAfter:     {Status: 429, Code: "20429", RetryAfter: "17"},
		notifytest.Misconfigured:      refuse(401, 20003),
		notifytest.ServerError:        {Status: 502, Accept: true},
		notifytest.Garbage:            {Action: standin.HTTPGarbage},
		notifytest.CutBefore:          {Action: standin.HTTPCutBefore},
		notifytest.CutAfter:           {Action: standin.HTTPCutAfter},
		notifytest.Slow:               {Action: standin.HTTPWithhold},
	}
	states := map[notify.Status]struct {
		word string
		code int
	}{
		notify.Sent: {"sent", 0}, notify.Delivered: {"delivered", 0}, notify.NotDelivered: {"undelivered", 30003},
		notify.NotAllowed: {"undelivered", 30007}, notify.InvalidDestination: {"undelivered", 30005},
		notify.InvalidSender: {"failed", 21606}, notify.RouteNotAvailable: {"failed", 30002}, notify.Rejected: {"undelivered", 30004},
		notify.NetworkError: {"failed", 30001}, notify.Expired: {"failed", 30036},
	}
	h := notifytest.Harness{
		Open: func(t *testing.T, in notify.Inbox) *notifytest.Gateway {
			r := start(t, in, query, nil)
			return &notifytest.Gateway{
				Carrier: r.carrier,
				Stage: func(t *testing.T, c notifytest.Case) {
					if c == notifytest.Unreachable {
						r.api.Close()
						return
					}
					r.twilio.Fault(faults[c])
				},
				Held: func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if err := r.twilio.Until(ctx, func() bool { return r.twilio.Held() > 0 }); err != nil {
						t.Errorf("nothing held: %v", err)
					}
				},
				Texts: func(t *testing.T) (out []notifytest.Text) {
					for _, m := range r.twilio.Messages() {
						out = append(out, notifytest.Text{From: m.From, To: m.To, Body: m.Body})
					}
					return out
				},
				Receipt: func(t *testing.T, id string, s notify.Status) {
					r.twilio.Report(id, states[s].word, states[s].code, r.hookURL())
				},
				Reply: func(t *testing.T, m notifytest.Reply) {
					r.twilio.Receive(r.hookURL(), m.From, m.To, m.Body)
				},
				Redeliver: func(*testing.T) { r.twilio.Redeliver() },
				Settled: func(t *testing.T) {
					if n := r.twilio.Undelivered(); n != 0 {
						t.Errorf("%d webhooks not acknowledged", n)
					}
				},
				Refused: func(t *testing.T, n int) {
					if got := r.twilio.Refused(); got != n {
						t.Errorf("%d webhooks refused, want %d", got, n)
					}
				},
				Pending: func(*testing.T) []string {
					all := r.twilio.Messages()
					return []string{all[len(all)-1].SID}
				},
				Release: func(*testing.T) { r.twilio.Release() },
				Logged:  r.log.String,
			}
		},
		Cases: map[notifytest.Case]notifytest.Want{
			notifytest.Rejected:           {Kind: notify.ErrRejected, Code: "21617"},
			notifytest.OptedOut:           {Kind: notify.ErrOptedOut, Code: "21610"},
			notifytest.InvalidDestination: {Kind: notify.ErrInvalidDestination, Code: "21211"},
			notifytest.InvalidSender:      {Kind: notify.ErrInvalidSender, Code: "21212"},
			notifytest.NotAllowed:         {Kind: notify.ErrNotAllowed, Code: "21408"},
			notifytest.NoRoute:            {Kind: notify.ErrNoRoute, Code: "21612"},
			notifytest.Throttled:          {Kind: notify.ErrThrottled, Code: "20429"},
			notifytest.ThrottledAfter:     {Kind: notify.ErrThrottled, Code: "20429", After: 17 * time.Second},
			notifytest.Misconfigured:      {Kind: notify.ErrMisconfigured, Code: "20003"},
			notifytest.ServerError:        {Kind: notify.ErrUnknown, Code: "502", Accepted: true},
			notifytest.Garbage:            {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.CutBefore:          {Kind: notify.ErrUnknown},
			notifytest.CutAfter:           {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Slow:               {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Unreachable:        {Kind: notify.ErrTemporary},
		},
		Lacks: map[notifytest.Case]string{
			notifytest.Unavailable: "any 5xx of Twilio may hide an accepted message; refusals it is sure of are 4xx",
		},
	}
	for s := range states {
		h.Statuses = append(h.Statuses, s)
	}
	return h
}

// Answers Twilio has given, as recorded, and what they mean.
func TestKind(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   answer
		want   error
	}{
		{201, answer{SID: "SM1"}, nil},
		{200, answer{SID: "SM1"}, nil},
		{201, answer{}, notify.ErrUnknown},
		{302, answer{}, notify.ErrMisconfigured},
		{400, answer{}, notify.ErrRejected},
		{400, answer{Code: 21610}, notify.ErrOptedOut},
		{400, answer{Code: 21614}, notify.ErrInvalidDestination},
		{400, answer{Code: 21635}, notify.ErrInvalidDestination},
		{400, answer{Code: 21606}, notify.ErrInvalidSender},
		{400, answer{Code: 30034}, notify.ErrNotAllowed},
		{400, answer{Code: 30002}, notify.ErrNoRoute},
		{400, answer{Code: 21611}, notify.ErrThrottled},
		{400, answer{Code: 99999}, notify.ErrRejected},
		{403, answer{}, notify.ErrMisconfigured},
		{404, answer{Code: 20404}, notify.ErrMisconfigured},
		{408, answer{}, notify.ErrUnknown},
		{429, answer{}, notify.ErrThrottled},
		{500, answer{Code: 20500}, notify.ErrUnknown},
		{500, answer{Code: 21610}, notify.ErrUnknown},
		{503, answer{}, notify.ErrUnknown},
	} {
		if got := kind(tt.status, tt.body); got != tt.want {
			t.Errorf("%d %+v: got %v, want %v", tt.status, tt.body, got, tt.want)
		}
	}
}

// The vectors of Twilio's security documentation.
func TestSign_published(t *testing.T) {
	for from, want := range map[string]string{
		"+12349013030": "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
		"+14158675309": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
	} {
		form := url.Values{"CallSid": {"CA1234567890ABCDE"}, "From": {from}, "Caller": {from}, "To": {"+18005551212"}, "Digits": {"1234"}}
		const address = "https://mycompany.com/myapp.php?foo=1&bar=2"
		if got := base64.StdEncoding.EncodeToString(sign("12345", address, form)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		c := &Carrier{cfg: Config{Token: "12345"}}
		for _, seen := range []string{address, "https://mycompany.com:443/myapp.php?foo=1&bar=2", "https://mycompany.com:8443/myapp.php?foo=1&bar=2"} {
			if !c.signed(seen, form, want) {
				t.Errorf("%s: refused", seen)
			}
		}
		form.Set("Digits", "1235")
		if c.signed(address, form, want) {
			t.Error("a changed field passed")
		}
		if (&Carrier{}).signed(address, form, base64.StdEncoding.EncodeToString(sign("", address, form))) {
			t.Error("signed with no token at all")
		}
	}
}

func TestServeHook_refuses(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", nil)
	post := func(form url.Values, signature string) int {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/twilio", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Twilio-Signature", signature)
		w := httptest.NewRecorder()
		r.carrier.ServeHook(w, req, "https://rappel.example/hooks/twilio", in)
		return w.Code
	}
	signed := func(form url.Values) string {
		return standin.TwilioSignature(token, "https://rappel.example/hooks/twilio", form)
	}
	delivered := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}}
	for _, tt := range []struct {
		name      string
		form      url.Values
		signature string
		want      int
	}{
		{"good", delivered, signed(delivered), 204},
		{"no signature", delivered, "", 403},
		{"other token", delivered, standin.TwilioSignature("other", "https://rappel.example/hooks/twilio", delivered), 403},
		{"other URL", delivered, standin.TwilioSignature(token, "https://evil.example/hooks/twilio", delivered), 403},
		{"no base64", delivered, "%%%", 403},
		{"no id", url.Values{"MessageStatus": {"sent"}}, signed(url.Values{"MessageStatus": {"sent"}}), 400},
		{"neither", url.Values{"MessageSid": {"SM1"}}, signed(url.Values{"MessageSid": {"SM1"}}), 400},
	} {
		if got := post(tt.form, tt.signature); got != tt.want {
			t.Errorf("%s: answered %d, want %d", tt.name, got, tt.want)
		}
	}
	if n := len(in.Receipts()); n != 1 {
		t.Errorf("%d receipts kept, want the good one", n)
	}
	w := httptest.NewRecorder()
	r.carrier.ServeHook(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/hooks/twilio", nil), "", in)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET answered %d", w.Code)
	}
}

func TestFind(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	clock := now
	r := start(t, notifytest.NewInbox(), "", func() time.Time { return clock })
	m := notify.Message{AccountID: 1, ID: 1, Recipient: "+41791234567", Sender: "Praxis", Body: "Bis morgen."}
	send := func(m notify.Message) string {
		s, err := r.carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return s.IDs[0]
	}
	clock = now.Add(-2 * time.Hour)
	send(m) // long before
	clock = now
	want := send(m)
	other := m
	for i := range 120 { // more than two pages lie above it
		other.Body = fmt.Sprint("anderes ", i)
		send(other)
	}
	for _, tt := range []struct {
		name  string
		m     notify.Message
		since time.Time
		want  string
	}{
		{"the one since", m, now.Add(-time.Minute), want},
		{"not the older one", m, now.Add(time.Hour), ""},
		{"other text", notify.Message{Recipient: m.Recipient, Sender: m.Sender, Body: "Bis übermorgen."}, now, ""},
		{"other sender", notify.Message{Recipient: m.Recipient, Sender: "Klinik", Body: m.Body}, now, ""},
		{"other phone", notify.Message{Recipient: "+41791234568", Sender: m.Sender, Body: m.Body}, now, ""},
	} {
		hits, err := r.carrier.Find(t.Context(), tt.m, tt.since)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := ""
		for _, h := range hits {
			got += strings.Join(h.IDs, ",")
		}
		if got != tt.want {
			t.Errorf("%s: found %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestFind_doubtIsAnError(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"messages":[{"sid":"SM1","date_created":"yesterday"}]}`,
		`{"messages":[],"next_page_uri":"https://elsewhere.example/"}`} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		c, err := New(Config{Settings: settings(api.URL), SID: sid, Token: token}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if hits, err := c.Find(t.Context(), notify.Message{Recipient: "+41791234567"}, time.Time{}); err == nil {
			t.Errorf("%q: found %v without an error", body, hits)
		}
		api.Close()
	}
}

func TestSend_form(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	m := notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: "Grüezi"}
	for _, tt := range []struct {
		name, query string
		expires     time.Duration
		want        standin.TwilioMessage
	}{
		{"plain", "", 0, standin.TwilioMessage{From: "Praxis"}},
		{"service", "messaging_service=MG1", 0, standin.TwilioMessage{Service: "MG1"}},
		{"expires in two hours", "", 2 * time.Hour, standin.TwilioMessage{From: "Praxis", Validity: "7200"}},
		{"expires beyond Twilio's limit", "", 20 * time.Hour, standin.TwilioMessage{From: "Praxis"}},
		{"with a rate", "rate=1000", 0, standin.TwilioMessage{From: "Praxis"}},
	} {
		r := start(t, notifytest.NewInbox(), tt.query, func() time.Time { return now })
		m := m
		if tt.expires != 0 {
			m.Expires = now.Add(tt.expires)
		}
		if _, err := r.carrier.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		got := r.twilio.Messages()[0]
		want := tt.want
		want.SID, want.To, want.Body, want.Status, want.Created = got.SID, m.Recipient, m.Body, "queued", now
		want.Callback = r.hookURL() + "#rc=5&rp=all"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSend_halfAnAnswer(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", nil)
	r.twilio.Fault(standin.HTTPFault{Action: standin.HTTPHalf})
	_, err := r.carrier.Send(t.Context(), notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: "x"})
	if !errors.Is(err, notify.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

func TestCheck(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", nil)
	if err := r.carrier.Check(t.Context()); err != nil {
		t.Error(err)
	}
	r.carrier.cfg.Token = "wrong"
	err := r.carrier.Check(t.Context())
	if !errors.Is(err, notify.ErrMisconfigured) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v, want ErrMisconfigured without the token", err)
	}
}

// An API key sends; what is proved by the auth token needs that beside it.
func TestAPIKey(t *testing.T) {
	gateway := standin.NewTwilio(standin.TwilioConfig{SID: sid, Token: token, Key: "SK1", Secret: "k3y"})
	api := notifytest.Serve(t, gateway)
	t.Cleanup(func() { gateway.Release() })
	for query, receives := range map[string]bool{"account=" + sid: false, "account=" + sid + "&token=" + token: true} {
		u, err := url.Parse("twilio://SK1:k3y@" + strings.TrimPrefix(api.URL, "http://") + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := ParseURL(u)
		if err != nil {
			t.Fatal(err)
		}
		cfg.StatusCallback = "http://127.0.0.1:1/hooks/twilio"
		c, err := New(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("%s: check: %v", query, err)
		}
		if _, err := c.Send(t.Context(), notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: "Bis morgen."}); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		sent := gateway.Messages()
		if c.Receives() != receives || (sent[len(sent)-1].Callback != "") != receives {
			t.Errorf("%s: receives %t, want %t", query, c.Receives(), receives)
		}
	}
}

func TestConfig_callback(t *testing.T) {
	const real, loopback = "https://api.twilio.com", "http://127.0.0.1:9"
	for _, tt := range []struct{ api, ours, want string }{
		{real, "https://rappel.example/hooks/twilio", "https://rappel.example/hooks/twilio#rc=5&rp=all"},
		{real, "https://rappel.example/hooks/twilio#rc=1", "https://rappel.example/hooks/twilio#rc=1"},
		{real, "http://127.0.0.1:8080/hooks/twilio", ""},
		{loopback, "http://127.0.0.1:8080/hooks/twilio", "http://127.0.0.1:8080/hooks/twilio#rc=5&rp=all"},
		{real, "", ""},
		{real, "/hooks/twilio", ""},
	} {
		if got := (Config{Settings: settings(tt.api), Token: token, StatusCallback: tt.ours}).callback(); got != tt.want {
			t.Errorf("%s, %s: got %q, want %q", tt.api, tt.ours, got, tt.want)
		}
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, api, err string }{
		{"twilio://AC1:t@api.twilio.com", "https://api.twilio.com", ""},
		{"twilio://AC1:t@127.0.0.1:8081", "http://127.0.0.1:8081", ""},
		{"twilio://AC1:t@gateway.lan?scheme=http&window=3&rate=5&timeout=2s&name=us", "http://gateway.lan", ""},
		{"twilio://SK1:s@api.twilio.com?account=AC1", "https://api.twilio.com", ""},
		{"twilio://SK1:s@api.twilio.com?account=AC1&token=t", "https://api.twilio.com", ""},
		{"twilio://SK1:s@api.twilio.com", "", "account"},
		{"twilio://SK1@api.twilio.com?account=AC1", "", "secret"},
		{"twilio://AC1:t@api.twilio.com?account=AC2", "", "no such parameter"},
		{"twilio://AC1@api.twilio.com", "", "token"},
		{"twilio://:t@api.twilio.com", "", "SID"},
		{"twilio://AC1:tok3n@api.twilio.com?windows=3", "", "no such parameter"},
		{"twilio://AC1:tok3n@api.twilio.com?window=0", "", "window"},
		{"twilio://AC1@api.twilio.com?window=tok3n", "", "window"},
		{"twilio://AC1@api.twilio.com?rate=tok3n", "", "rate"},
		{"twilio://AC1@api.twilio.com?timeout=tok3n", "", "timeout"},
		{"twilio://AC1:tok3n@api.twilio.com/v1", "", "path"},
		{"smpp://AC1:tok3n@api.twilio.com", "", "scheme"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := ParseURL(u)
		switch {
		case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "tok3n"):
			t.Errorf("the error tells the token: %v", err)
		case err == nil && cfg.API != tt.api:
			t.Errorf("%s: API %q, want %q", tt.url, cfg.API, tt.api)
		}
	}
}

func FuzzParseHook(f *testing.F) {
	f.Add("MessageSid=SM1&MessageStatus=delivered&To=%2B41791234567&From=Praxis")
	f.Add("MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003")
	f.Add("SmsSid=SM1&From=%2B41791234567&To=%2B41790000100&Body=STOP%00%ff")
	f.Add("MessageSid=SM1&MessageStatus=failed&ErrorCode=9999999999999999999")
	c, err := New(Config{Settings: settings("https://api.twilio.com"), SID: sid, Token: token}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n, err := c.parseHook([]byte(body))
		if (err == nil) != (n.Receipt != nil || n.Inbound != nil) {
			t.Fatalf("news %+v with error %v", n, err)
		}
		var fields []string
		if r := n.Receipt; r != nil {
			fields = []string{r.CarrierID, r.Code, r.Recipient, r.Sender}
		}
		if m := n.Inbound; m != nil {
			fields = []string{m.CarrierID, m.From, m.To, m.Body}
		}
		for i, s := range fields {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || i == 0 && s == "" {
				t.Errorf("field %d is %q", i, s)
			}
		}
	})
}
