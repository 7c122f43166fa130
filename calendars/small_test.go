package calendars

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

func TestGates_OneAtATime(t *testing.T) {
	t.Parallel()
	var g gates[int]
	var inside, most atomic.Int32
	done := make(chan error)
	for range 20 {
		go func() {
			leave, err := g.enter(t.Context(), 1)
			if err == nil {
				most.Store(max(most.Load(), inside.Add(1)))
				inside.Add(-1)
				leave()
			}
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if most.Load() != 1 || len(g.open) != 0 {
		t.Errorf("%d at once; %d gates kept", most.Load(), len(g.open))
	}
	leave, err := g.enter(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain: %v", err)
	}
	if other, err := g.enter(t.Context(), 2); err != nil {
		t.Errorf("another key: %v", err)
	} else {
		other()
	}
	leave()
}

// A redirect must not carry the token to another host.
func TestClient_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("Authorization %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	}))
	defer server.Close()
	h := newHouse(Config{Providers: []Provider{{Name: "p", PerSecond: 1000}}})
	res, err := h.client("p", "secret").Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusFound {
		t.Errorf("status %d, %v", res.StatusCode, err)
	}
}

func TestError_NamesOnlyCodes(t *testing.T) {
	t.Parallel()
	e := &Error{Provider: "google", Op: "events.list", Kind: ErrThrottled, Status: 403, Code: "rateLimitExceeded", Err: errors.New("cause")}
	if got, want := e.Error(), "google events.list: calendars: the provider asks to slow down (HTTP 403 rateLimitExceeded): cause"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(e, ErrThrottled) {
		t.Error("its kind isn't found")
	}
}

func FuzzCallbackError(f *testing.F) {
	f.Add("access_denied", "AADSTS65004: User declined", "")
	f.Add("", "", "code")
	f.Add("server_error\r\nX: y", "person@example.test", "")
	f.Add("consent_required", "AADSTS90094", "x")
	f.Fuzz(func(t *testing.T, code, description, authorization string) {
		err := callbackError("p", url.Values{"error": {code}, "error_description": {description}, "code": {authorization}})
		if (err == nil) != (code == "" && authorization != "") {
			t.Fatalf("callbackError(%q, code %q) = %v", code, authorization, err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Code != "" && !errorCode.MatchString(e.Code) && !entraCode.MatchString(e.Code)) {
			t.Fatalf("code %q", e.Code)
		}
	})
}
