package smsmode

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/segment"
	"rappel/notify/standin"
)

const key, hook = "vJX1C500-secret-key", "0123456789abcdef-hook"

// rig is a carrier between a stand-in for SMSmode and a server for its webhooks.
type rig struct {
	smsmode *standin.SMSmode
	api     *httptest.Server
	hooks   *httptest.Server
	carrier *Carrier
	log     *notifytest.Log
}

func start(t *testing.T, in notify.Inbox, query string, cfg standin.SMSmodeConfig) *rig {
	t.Helper()
	r := &rig{log: &notifytest.Log{}}
	r.hooks = notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.carrier.ServeHook(w, req, "", in)
	}))
	cfg.Key = key
	r.smsmode = standin.NewSMSmode(cfg)
	r.api = notifytest.Serve(t, r.smsmode)
	t.Cleanup(func() { r.smsmode.Release() })
	u, err := url.Parse("smsmode://" + key + "@" + strings.TrimPrefix(r.api.URL, "http://") + "?" + query)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Callback = r.hooks.URL + "/hooks/smsmode"
	parsed.Now, parsed.Log = cfg.Now, r.log.Logger()
	if r.carrier, err = New(parsed, r.api.Client()); err != nil {
		t.Fatal(err)
	}
	return r
}

// hookURL is where replies come when no message brought an address.
func (r *rig) hookURL() string { return r.hooks.URL + "/hooks/smsmode/" + r.carrier.cfg.hook() }

func message(body string) notify.Message {
	n, enc := segment.Count(body)
	return notify.Message{AccountID: 1, ID: 2, Kind: notify.Notification, Recipient: "+41791234567", Sender: "Praxis", Body: body, Segments: n, Encoding: enc}
}

func TestConformance(t *testing.T) {
	for name, query := range map[string]string{"hook of our own": "hook=" + hook + "&listed=0s", "hook derived": "listed=0s&window=1&rate=100000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notifytest.Run(t, harness(query))
		})
	}
}

func harness(query string) notifytest.Harness {
	faults := map[notifytest.Case]standin.HTTPFault{
		notifytest.Rejected:       {Status: 400, Code: "BAD_REQUEST"},
		notifytest.Throttled:      {Status: 429, Code: "TOO_MANY_REQUESTS"},
		notifytest.ThrottledAfter: {Status: 429, Code: "TOO_MANY_REQUESTS", RetryAfter: "17"},
		notifytest.Misconfigured:  {Status: 403, Code: "FORBIDDEN"},
		notifytest.ServerError:    {Status: 502, Accept: true},
		notifytest.Garbage:        {Action: standin.HTTPGarbage},
		notifytest.CutBefore:      {Action: standin.HTTPCutBefore},
		notifytest.CutAfter:       {Action: standin.HTTPCutAfter},
		notifytest.Slow:           {Action: standin.HTTPWithhold},
	}
	words := map[notify.Status][2]string{
		notify.Sent: {"ENROUTE", ""}, notify.Delivered: {"DELIVERED", ""}, notify.NotDelivered: {"UNDELIVERABLE", ""},
		notify.InvalidDestination: {"UNDELIVERABLE", "INVALID_PHONE_NUMBER"}, notify.NotAllowed: {"UNDELIVERED", "BLACKLISTED"},
		notify.Expired: {"EXPIRED", ""}, notify.Rejected: {"REJECTED", ""},
	}
	h := notifytest.Harness{
		Open: func(t *testing.T, in notify.Inbox) *notifytest.Gateway {
			r := start(t, in, query, standin.SMSmodeConfig{})
			return &notifytest.Gateway{
				Carrier: r.carrier,
				Stage: func(t *testing.T, c notifytest.Case) {
					if c == notifytest.Unreachable {
						r.api.Close()
						return
					}
					r.smsmode.Fault(faults[c])
				},
				Held: func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if err := r.smsmode.Until(ctx, func() bool { return r.smsmode.Held() > 0 }); err != nil {
						t.Errorf("nothing held: %v", err)
					}
				},
				Texts: func(t *testing.T) (out []notifytest.Text) {
					for _, m := range r.smsmode.Messages() {
						out = append(out, notifytest.Text{From: m.From, To: "+" + m.To, Body: m.Body})
					}
					return out
				},
				Receipt: func(t *testing.T, id string, s notify.Status) {
					r.smsmode.Report(id, words[s][0], words[s][1], r.hookURL())
				},
				Reply: func(t *testing.T, m notifytest.Reply) {
					r.smsmode.Receive(r.hookURL(), strings.TrimPrefix(m.From, "+"), strings.TrimPrefix(m.To, "+"), m.Body, false)
				},
				Redeliver: func(*testing.T) { r.smsmode.Redeliver() },
				Settled: func(t *testing.T) {
					if n := r.smsmode.Undelivered(); n != 0 {
						t.Errorf("%d callbacks not acknowledged", n)
					}
				},
				Refused: func(t *testing.T, n int) {
					if got := r.smsmode.Refused(); got != n {
						t.Errorf("%d callbacks refused, want %d", got, n)
					}
				},
				Pending: func(*testing.T) []string {
					all := r.smsmode.Messages()
					return []string{all[len(all)-1].ID}
				},
				Release: func(*testing.T) { r.smsmode.Release() },
				Logged:  r.log.String,
			}
		},
		Cases: map[notifytest.Case]notifytest.Want{
			notifytest.Rejected:       {Kind: notify.ErrRejected, Code: "BAD_REQUEST"},
			notifytest.Throttled:      {Kind: notify.ErrThrottled, Code: "TOO_MANY_REQUESTS"},
			notifytest.ThrottledAfter: {Kind: notify.ErrThrottled, Code: "TOO_MANY_REQUESTS", After: 17 * time.Second},
			notifytest.Misconfigured:  {Kind: notify.ErrMisconfigured, Code: "FORBIDDEN"},
			notifytest.ServerError:    {Kind: notify.ErrUnknown, Code: "502", Accepted: true},
			notifytest.Garbage:        {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.CutBefore:      {Kind: notify.ErrUnknown},
			notifytest.CutAfter:       {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Slow:           {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Unreachable:    {Kind: notify.ErrTemporary},
		},
		Lacks: map[notifytest.Case]string{
			notifytest.OptedOut:           "smsmode says so in the receipt (BLACKLISTED)",
			notifytest.InvalidDestination: "smsmode says so in the receipt (INVALID_PHONE_NUMBER)",
			notifytest.InvalidSender:      "a 400 of smsmode doesn't tell which field it minds",
			notifytest.NotAllowed:         "smsmode says so in the receipt (SPAM)",
			notifytest.NoRoute:            "smsmode has no word for it",
			notifytest.Unavailable:        "any 5xx may hide an accepted message; refusals it is sure of are 4xx",
		},
	}
	for s := range words {
		h.Statuses = append(h.Statuses, s)
	}
	return h
}
