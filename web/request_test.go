package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"rappel/web/accounts"
)

// What no column can hold is left out of searches and refused in forms, and so is what
// is too large, before anything reads it.
func TestForms_Unreadable(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for name, tt := range map[string]struct {
		method, path string
		form         url.Values
		want         int
	}{
		"NUL in the query":   {"GET", "/messages?q=%00", nil, http.StatusOK},
		"no UTF-8":           {"GET", "/appointments?q=%ff", nil, http.StatusOK},
		"torn escape":        {"GET", "/messages?q=%zz", nil, http.StatusBadRequest},
		"NUL in a form":      {"POST", "/templates", url.Values{"name": {"a\x00b"}, "text_de": {"x"}}, http.StatusBadRequest},
		"more than 1 MiB":    {"POST", "/templates", url.Values{"name": {"a"}, "text_de": {strings.Repeat("x", 1<<20)}}, http.StatusRequestEntityTooLarge},
		"still as it should": {"GET", "/messages?q=%C3%BC", nil, http.StatusOK},
	} {
		if a := d.do(tt.method, tt.path, tt.form, nil); a.status != tt.want {
			t.Errorf("%s: %d, want %d", name, a.status, tt.want)
		}
	}
}

// When one may try again is told by the reader's clock, wherever the server stands.
func TestRequest_tooManyByTheReadersClock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	r := &request{s: s.server, Lang: "de", Loc: tokyo}
	if got := r.tooMany(&accounts.TooManyAttempts{RetryAt: time.Date(2026, 6, 1, 22, 5, 0, 0, time.UTC)}); !strings.Contains(got, "07:05") {
		t.Errorf("in Tokyo: %q, want 07:05", got)
	}
	var a answer
	for a.status != http.StatusTooManyRequests {
		a = s.do(s.stranger(), "POST", "/login/passkey/begin", url.Values{}, nil)
	}
	told, err := time.Parse("15:04", regexp.MustCompile(`[0-9]{2}:[0-9]{2}`).FindString(a.body))
	if err != nil {
		t.Fatalf("no time in %s", a.body)
	}
	now := s.clock.now().In(zurich())
	if at := time.Date(now.Year(), now.Month(), now.Day(), told.Hour(), told.Minute(), 59, 0, zurich()); at.Before(now) || at.Sub(now) > time.Hour {
		t.Errorf("a stranger may try again at %s, it is %s in Zurich", told.Format("15:04"), now.Format("15:04"))
	}
}

// One client is one address of IPv4, however written, or one /64 of IPv6.
func TestRequest_client(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.7:4711", "", "192.0.2.7"},
		{"192.0.2.7:4711", "198.51.100.1", "192.0.2.7"},
		{"[::ffff:192.0.2.7]:4711", "", "192.0.2.7"},
		{"[2001:db8:1:2:aaaa::1]:4711", "", "2001:db8:1:2::"},
		{"[2001:db8:1:2:bbbb::9]:4711", "", "2001:db8:1:2::"},
		{"[2001:db8:1:3::9]:4711", "", "2001:db8:1:3::"},
		{"[fe80::1%eth0]:4711", "", "fe80::"},
		{"127.0.0.1:4711", "203.0.113.5, 198.51.100.1", "198.51.100.1"},
		{"[::ffff:127.0.0.1]:4711", "::ffff:198.51.100.1", "198.51.100.1"},
		{"[::1]:4711", "2001:db8:1:2:cccc::1", "2001:db8:1:2::"},
		{"127.0.0.1:4711", "no address", "127.0.0.1"},
		{"pipe", "", "pipe"},
	} {
		r := &request{Request: &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": {tt.forwarded}}}}
		if got := r.client(); got != tt.want {
			t.Errorf("%s for %q = %q, want %q", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

// What fails is logged by its route: an address can be a one-time secret.
func TestFail_logsNoToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hr := httptest.NewRequest("POST", "/reset/geheimgeheim", nil)
	hr.Pattern = "POST /reset/{token}"
	hr.Header.Set("X-Fragment", "1")
	s.server.fail(httptest.NewRecorder(), &request{Request: hr, s: s.server, Loc: time.UTC, Lang: "de"}, errors.New("broken"))
	if log := s.logs.String(); strings.Contains(log, "geheimgeheim") || !strings.Contains(log, "/reset/{token}") {
		t.Errorf("logged %s", log)
	}
}
