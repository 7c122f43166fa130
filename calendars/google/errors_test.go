package google

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rappel/calendars"
)

var noon = time.Date(2026, 3, 23, 12, 0, 0, 0, time.UTC)

// apiError writes an error in Google's shape.
func apiError(code, domain, reason, message string) string {
	return `{"error":{"code":` + code + `,"message":"` + message + `","errors":[{"domain":"` + domain + `","reason":"` + reason + `","message":"` + message + `"}]}}`
}

// TestReader_failures maps recorded answers of the Calendar API.
func TestReader_failures(t *testing.T) {
	cases := []struct {
		name       string
		status     int
		body       string
		snapshot   error // without a sync token
		bell       error // with one; nil: the same
		wantedCode string
	}{
		{"token expired", 401, apiError("401", "global", "authError", "Invalid Credentials"), calendars.ErrUnauthorized, nil, "authError"},
		{"project over its rate", 403, apiError("403", "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"), calendars.ErrThrottled, nil, "rateLimitExceeded"},
		{"user over his rate", 403, apiError("403", "usageLimits", "userRateLimitExceeded", "User Rate Limit Exceeded"), calendars.ErrThrottled, nil, "userRateLimitExceeded"},
		{"calendar over its quota", 403, apiError("403", "usageLimits", "quotaExceeded", "Calendar usage limits exceeded."), calendars.ErrThrottled, nil, "quotaExceeded"},
		{"over the day's quota", 403, apiError("403", "usageLimits", "dailyLimitExceeded", "Daily Limit Exceeded"), calendars.ErrThrottled, nil, "dailyLimitExceeded"},
		{"429", 429, apiError("429", "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"), calendars.ErrThrottled, nil, "rateLimitExceeded"},
		{"API switched off in our project", 403, apiError("403", "usageLimits", "accessNotConfigured", "Access Not Configured."), calendars.ErrClientConfig, nil, "accessNotConfigured"},
		{"no access to the calendar", 403, apiError("403", "global", "forbidden", "Forbidden"), calendars.ErrForbidden, nil, "forbidden"},
		{"scope not granted", 403, apiError("403", "global", "insufficientPermissions", "Insufficient Permission"), calendars.ErrForbidden, nil, "insufficientPermissions"},
		{"calendar gone", 404, apiError("404", "global", "notFound", "Not Found"), calendars.ErrNotFound, nil, "notFound"},
		{"a path the server lacks", 404, `{"message":"Not Found","documentation_url":"https://example.com"}`, calendars.ErrUnavailable, nil, ""},
		{"sync token expired", 410, apiError("410", "calendar", "fullSyncRequired", "Sync token is no longer valid, a full sync is required."), calendars.ErrUnavailable, calendars.ErrCursorLost, "fullSyncRequired"},
		{"too long ago", 410, apiError("410", "calendar", "updatedMinTooLongAgo", "The requested minimum modification time lies too far in the past."), calendars.ErrUnavailable, calendars.ErrCursorLost, "updatedMinTooLongAgo"},
		{"malformed sync token", 400, apiError("400", "global", "invalid", "Invalid sync token value."), calendars.ErrUnavailable, calendars.ErrCursorLost, "invalid"},
		{"backend error", 500, apiError("500", "global", "backendError", "Backend Error"), calendars.ErrUnavailable, nil, "backendError"},
		{"unavailable", 503, apiError("503", "global", "backendError", "Backend Error"), calendars.ErrUnavailable, nil, "backendError"},
		{"an error as a list", 500, `[{"error":{"code":500,"message":"x"}}]`, calendars.ErrUnavailable, nil, ""},
		{"a reason that is no word", 403, apiError("403", "x", "frau bernasconi", "m"), calendars.ErrForbidden, nil, ""},
		{"HTML", 502, "<html>502</html>", calendars.ErrUnavailable, nil, ""},
	}
	cursor := []byte(`{"v":1,"sync":"abc"}`)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json; charset=UTF-8")
				w.WriteHeader(c.status)
				if _, err := w.Write([]byte(c.body)); err != nil {
					t.Error(err)
				}
			}))
			defer srv.Close()
			r := New(Config{APIURL: srv.URL}).Reader
			want := c.bell
			if want == nil {
				want = c.snapshot
			}
			ref := calendars.Ref{Calendar: "praxis@example.com"}
			_, err := r.Snapshot(t.Context(), srv.Client(), ref, calendars.Window{From: noon, To: noon.Add(time.Hour)})
			checkError(t, err, c.snapshot, c.status, c.wantedCode)
			_, err = r.Changed(t.Context(), srv.Client(), ref, cursor, noon, time.Hour)
			checkError(t, err, want, c.status, c.wantedCode)
		})
	}
}

func checkError(t *testing.T, err, kind error, status int, code string) {
	t.Helper()
	var got *calendars.Error
	if !errors.Is(err, kind) || !errors.As(err, &got) {
		t.Fatalf("error = %v, want %v", err, kind)
	}
	if got.Provider != Name || got.Status != status || got.Code != code {
		t.Errorf("provider %q, status %d, code %q, want %d %q", got.Provider, got.Status, got.Code, status, code)
	}
}

// TestAuthority_failures maps recorded answers of the token endpoint.
func TestAuthority_failures(t *testing.T) {
	cases := []struct {
		name              string
		status            int
		body              string
		refresh, exchange error
	}{
		{"expired or revoked", 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, calendars.ErrGrantRevoked, calendars.ErrCodeUsed},
		{"reauthentication", 400, `{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)","error_subtype":"invalid_rapt"}`, calendars.ErrGrantRevoked, calendars.ErrCodeUsed},
		{"wrong secret", 401, `{"error":"invalid_client","error_description":"Unauthorized"}`, calendars.ErrClientConfig, calendars.ErrClientConfig},
		{"client deleted", 401, `{"error":"deleted_client","error_description":"The OAuth client was deleted."}`, calendars.ErrClientConfig, calendars.ErrClientConfig},
		{"another client's token", 401, `{"error":"unauthorized_client","error_description":"Unauthorized"}`, calendars.ErrClientConfig, calendars.ErrClientConfig},
		{"redirect not registered", 400, `{"error":"redirect_uri_mismatch","error_description":"Bad Request"}`, calendars.ErrClientConfig, calendars.ErrClientConfig},
		{"the organisation's policy", 400, `{"error":"admin_policy_enforced","error_description":"..."}`, calendars.ErrGrantRevoked, calendars.ErrAdminConsent},
		{"only for the organisation", 403, `{"error":"org_internal"}`, calendars.ErrGrantRevoked, calendars.ErrConsentDenied},
		{"a 200 with an error", 200, `{"error":"invalid_grant"}`, calendars.ErrGrantRevoked, calendars.ErrCodeUsed},
		{"internal failure", 500, `{"error":"internal_failure"}`, calendars.ErrUnavailable, calendars.ErrUnavailable},
		{"a 500 that says otherwise", 500, `{"error":"invalid_grant"}`, calendars.ErrUnavailable, calendars.ErrUnavailable},
		{"rate limit", 429, `{"error":"rate_limit_exceeded"}`, calendars.ErrThrottled, calendars.ErrThrottled},
		{"no OAuth at all", 400, "<html>", calendars.ErrUnavailable, calendars.ErrUnavailable},
		{"an unknown word", 400, `{"error":"something_new"}`, calendars.ErrUnavailable, calendars.ErrUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				if _, err := w.Write([]byte(c.body)); err != nil {
					t.Error(err)
				}
			}))
			defer srv.Close()
			a := New(Config{TokenURL: srv.URL + "/token"}).Authority
			if _, err := a.Refresh(t.Context(), "r"); !errors.Is(err, c.refresh) {
				t.Errorf("refresh: %v, want %v", err, c.refresh)
			}
			if _, _, err := a.Exchange(t.Context(), "c", "v", "https://x.example"); !errors.Is(err, c.exchange) {
				t.Errorf("exchange: %v, want %v", err, c.exchange)
			}
		})
	}
}

// TestAuthority_client uses the HTTP client of the context before the one of
// the Config.
func TestAuthority_client(t *testing.T) {
	used := 0
	client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		used++
		return nil, errors.New("no network")
	})}
	a := New(Config{HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the Config's client was used")
		return nil, errors.New("no network")
	})}}).Authority
	ctx := contextWith(t, client)
	_, err := a.Refresh(ctx, "r")
	_, _, err2 := a.Exchange(ctx, "c", "v", "https://x.example")
	for _, err := range []error{err, err2, a.Revoke(ctx, calendars.Token{Refresh: "r"})} {
		if !errors.Is(err, calendars.ErrUnavailable) || strings.Contains(err.Error(), "http") {
			t.Errorf("error = %v", err)
		}
	}
	if used != 3 {
		t.Errorf("used %d times", used)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGranted(t *testing.T) {
	for _, c := range []struct {
		scopes       string
		events, list bool
	}{
		{scopeEvents + " " + scopeList, true, true},
		{scopeEvents, true, false},
		{scopeList, false, true},
		{"https://www.googleapis.com/auth/calendar.readonly", true, true},
		{"https://www.googleapis.com/auth/calendar openid", true, true},
		{"https://www.googleapis.com/auth/calendar.events.owned.readonly", false, false},
		{"openid", false, false},
	} {
		have := strings.Fields(c.scopes)
		if granted(have, scopeEvents) != c.events || granted(have, scopeList) != c.list {
			t.Errorf("%s: events %v, list %v", c.scopes, granted(have, scopeEvents), granted(have, scopeList))
		}
	}
}

func TestURLs(t *testing.T) {
	for in, want := range map[string]string{
		"https://www.googleapis.com":                "https://www.googleapis.com/calendar/v3/",
		"http://localhost:4002/":                    "http://localhost:4002/calendar/v3/",
		"http://localhost:4002/calendar/v3":         "http://localhost:4002/calendar/v3/",
		"http://localhost:8080/google/calendar/v3/": "http://localhost:8080/google/calendar/v3/",
	} {
		if got := endpoint(in); got != want {
			t.Errorf("endpoint(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"https://oauth2.googleapis.com/token":      "https://oauth2.googleapis.com/revoke",
		"http://localhost:4002/oauth2/token":       "http://localhost:4002/oauth2/revoke",
		"http://localhost:8080/dev/google/token?x": "http://localhost:8080/dev/google/revoke?x",
	} {
		if got := revokeURL(in); got != want {
			t.Errorf("revokeURL(%q) = %q, want %q", in, got, want)
		}
	}
}
