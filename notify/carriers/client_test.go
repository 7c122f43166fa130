package carriers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rappel/notify"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "17": 17 * time.Second, "-3": 0, "soon": 0, "999999999": 24 * time.Hour,
		"Mon, 02 Mar 2026 08:01:00 GMT": time.Minute, "Mon, 02 Mar 2026 07:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {header}}, now); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

func TestKind(t *testing.T) {
	for status, want := range map[int]error{
		200: nil, 201: nil, 204: nil, 100: notify.ErrMisconfigured, 301: notify.ErrMisconfigured, 302: notify.ErrMisconfigured,
		400: notify.ErrRejected, 401: notify.ErrMisconfigured, 402: notify.ErrMisconfigured, 403: notify.ErrMisconfigured, 404: notify.ErrMisconfigured,
		405: notify.ErrMisconfigured, 407: notify.ErrMisconfigured, 408: notify.ErrUnknown, 409: notify.ErrRejected, 422: notify.ErrRejected,
		429: notify.ErrThrottled, 500: notify.ErrUnknown, 502: notify.ErrUnknown, 503: notify.ErrUnknown, 504: notify.ErrUnknown,
	} {
		if got := Kind(status); got != want {
			t.Errorf("%d: got %v, want %v", status, got, want)
		}
	}
}

// A redirect would carry texts and secrets to another host. It is not followed.
func TestDo_followsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	api := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer api.Close()
	c := NewClient(Defaults("x"), nil, nil)
	a, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: api.URL, Body: []byte("geheim")})
	if err != nil || a.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %d, %v", a.Status, err)
	}
}

// Errors tell neither the URL, which may hold a number, nor the host's user.
func TestDo_errorsAreDiscreet(t *testing.T) {
	c := NewClient(Defaults("x"), nil, nil)
	for _, address := range []string{"http://127.0.0.1:1/?To=%2B41791234567", "http://no-such-host.invalid/41791234567", "://41791234567", "http://a b/41791234567"} {
		_, err := c.Do(t.Context(), Request{Method: http.MethodGet, URL: address})
		var e *notify.SendError
		if !errors.As(err, &e) || errors.Is(err, notify.ErrUnknown) || strings.Contains(err.Error(), "41791234567") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// An answer cut off after a refusal is a refusal; cut off after a 2xx or 5xx it is none.
func TestDo_halfAnAnswer(t *testing.T) {
	for status, want := range map[int]error{200: notify.ErrUnknown, 400: nil, 502: notify.ErrUnknown} {
		api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(status)
			fmt.Fprint(w, "half")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}))
		api.Start()
		c := NewClient(Defaults("x"), nil, nil)
		a, err := c.Do(t.Context(), Request{Method: http.MethodGet, URL: api.URL})
		if want == nil && (err != nil || a.Status != status) || want != nil && !errors.Is(err, want) {
			t.Errorf("%d: got %d, %v", status, a.Status, err)
		}
		api.Close()
	}
}

func TestPace(t *testing.T) {
	s := Defaults("x")
	s.Rate = 1
	c := NewClient(s, nil, nil)
	if err := c.Pace(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Pace(ctx, 1); !errors.Is(err, notify.ErrTemporary) {
		t.Errorf("got %v, want ErrTemporary: nothing has left", err)
	}
}
