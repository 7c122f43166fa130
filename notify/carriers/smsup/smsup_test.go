package smsup

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

const token, hook = "eyJ0eXAi.secret-token", "0123456789abcdef-hook"

// rig is a carrier between a stand-in for SMSup and a server for its webhooks.
type rig struct {
	smsup   *standin.SMSup
	api     *httptest.Server
	hooks   *httptest.Server
	carrier *Carrier
	log     *notifytest.Log
}

func start(t *testing.T, in notify.Inbox, query string, cfg standin.SMSupConfig) *rig {
	t.Helper()
	r := &rig{log: &notifytest.Log{}}
	r.hooks = notifytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.carrier.ServeHook(w, req, "", in)
	}))
	cfg.Token = token
	cfg.Webhooks, cfg.Stops = r.hooks.URL+"/hooks/smsup/"+hook, r.hooks.URL+"/hooks/smsup/"+hook+"/stop"
	r.smsup = standin.NewSMSup(cfg)
	r.api = notifytest.Serve(t, r.smsup)
	t.Cleanup(func() { r.smsup.Release() })
	u, err := url.Parse("smsup://" + token + "@" + strings.TrimPrefix(r.api.URL, "http://") + "?hook=" + hook + "&" + query)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Now, parsed.Log = cfg.Now, r.log.Logger()
	if r.carrier, err = New(parsed, r.api.Client()); err != nil {
		t.Fatal(err)
	}
	return r
}

func message(body string) notify.Message {
	n, enc := segment.Count(body)
	return notify.Message{AccountID: 1, ID: 2, Kind: notify.Notification, Recipient: "+41791234567", Sender: "Praxis", Body: body, Segments: n, Encoding: enc}
}

func TestConformance(t *testing.T) {
	for name, signed := range map[string]struct {
		query string
		cfg   standin.SMSupConfig
	}{
		"token alone":         {"listed=0s", standin.SMSupConfig{}},
		"signature as it is":  {"listed=0s&signature=mysignature123", standin.SMSupConfig{Secret: "mysignature123"}},
		"signature as a HMAC": {"listed=0s&signature=mysignature123&window=1&rate=100000", standin.SMSupConfig{Secret: "mysignature123", HMAC: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notifytest.Run(t, harness(signed.query, signed.cfg))
		})
	}
}

func harness(query string, cfg standin.SMSupConfig) notifytest.Harness {
	filtered := func(counter string) standin.HTTPFault { return standin.HTTPFault{Status: 200, Code: counter} }
	faults := map[notifytest.Case]standin.HTTPFault{
		notifytest.Rejected:           filtered("-7"),
		notifytest.OptedOut:           filtered("blacklisted"),
		notifytest.InvalidDestination: filtered("npai"),
		notifytest.NotAllowed:         filtered("not_allowed"),
		notifytest.NoRoute:            filtered("country_limit"),
		notifytest.Unavailable:        filtered("flood"),
		notifytest.Throttled:          {Status: 429},
		notifytest.ThrottledAfter:     {Status: 429, RetryAfter: "17"},
		notifytest.Misconfigured:      {Status: 401, Code: "-1"},
		notifytest.ServerError:        {Status: 502, Accept: true},
		notifytest.Garbage:            {Action: standin.HTTPGarbage},
		notifytest.CutBefore:          {Action: standin.HTTPCutBefore},
		notifytest.CutAfter:           {Action: standin.HTTPCutAfter},
		notifytest.Slow:               {Action: standin.HTTPWithhold},
	}
	return notifytest.Harness{
		NoReplyTo: true,
		Open: func(t *testing.T, in notify.Inbox) *notifytest.Gateway {
			r := start(t, in, query, cfg)
			last := func() string {
				all := r.smsup.Messages()
				return all[len(all)-1].Reference
			}
			return &notifytest.Gateway{
				Carrier: r.carrier,
				Stage: func(t *testing.T, c notifytest.Case) {
					if c == notifytest.Unreachable {
						r.api.Close()
						return
					}
					r.smsup.Fault(faults[c])
				},
				Held: func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if err := r.smsup.Until(ctx, func() bool { return r.smsup.Held() > 0 }); err != nil {
						t.Errorf("nothing held: %v", err)
					}
				},
				Texts: func(t *testing.T) (out []notifytest.Text) {
					for _, m := range r.smsup.Messages() {
						out = append(out, notifytest.Text{From: m.From, To: "+" + m.To, Body: m.Body})
					}
					return out
				},
				Receipt: func(t *testing.T, id string, s notify.Status) { r.smsup.Report(id, int(s)) },
				Reply: func(t *testing.T, m notifytest.Reply) {
					r.smsup.Receive(strings.TrimPrefix(m.From, "+"), m.Body, "")
				},
				Redeliver: func(*testing.T) { r.smsup.Redeliver() },
				Settled: func(t *testing.T) {
					if n := r.smsup.Undelivered(); n != 0 {
						t.Errorf("%d webhooks not acknowledged", n)
					}
				},
				Refused: func(t *testing.T, n int) {
					if got := r.smsup.Refused(); got != n {
						t.Errorf("%d webhooks refused, want %d", got, n)
					}
				},
				Pending: func(*testing.T) []string { return []string{last()} },
				Release: func(*testing.T) { r.smsup.Release() },
				Logged:  r.log.String,
			}
		},
		Cases: map[notifytest.Case]notifytest.Want{
			notifytest.Rejected:           {Kind: notify.ErrRejected, Code: "-7"},
			notifytest.OptedOut:           {Kind: notify.ErrOptedOut, Code: "blacklisted"},
			notifytest.InvalidDestination: {Kind: notify.ErrInvalidDestination, Code: "npai"},
			notifytest.NotAllowed:         {Kind: notify.ErrNotAllowed, Code: "not_allowed"},
			notifytest.NoRoute:            {Kind: notify.ErrNoRoute, Code: "country_limit"},
			notifytest.Unavailable:        {Kind: notify.ErrTemporary, Code: "flood"},
			notifytest.Throttled:          {Kind: notify.ErrThrottled, Code: "429"},
			notifytest.ThrottledAfter:     {Kind: notify.ErrThrottled, Code: "429", After: 17 * time.Second},
			notifytest.Misconfigured:      {Kind: notify.ErrMisconfigured, Code: "-1"},
			notifytest.ServerError:        {Kind: notify.ErrUnknown, Code: "502", Accepted: true},
			notifytest.Garbage:            {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.CutBefore:          {Kind: notify.ErrUnknown},
			notifytest.CutAfter:           {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Slow:               {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Unreachable:        {Kind: notify.ErrTemporary},
		},
		Lacks: map[notifytest.Case]string{
			notifytest.InvalidSender: "SMSup has one status for all data it doesn't like; a bad sender shows in the receipt",
		},
		Statuses: []notify.Status{notify.Sent, notify.NotDelivered, notify.Delivered, notify.NotAllowed, notify.InvalidDestination,
			notify.InvalidSender, notify.RouteNotAvailable, notify.Rejected, notify.NetworkError, notify.Expired},
	}
}
