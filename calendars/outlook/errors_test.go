package outlook

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rappel/calendars"
)

var noon = time.Date(2026, 3, 23, 12, 0, 0, 0, time.UTC)

// graphError writes an error in OData's shape.
func graphError(code, message string) string {
	return `{"error":{"code":"` + code + `","message":"` + message + `","innerError":{"date":"2026-03-23T12:00:00","request-id":"x"}}}`
}

// serve answers every request alike.
func serve(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

// TestReader_failures maps recorded answers of Graph.
func TestReader_failures(t *testing.T) {
	cases := []struct {
		name     string
		status   int
		body     string
		snapshot error
		bell     error // with a delta link; nil: the same
		code     string
	}{
		{"token expired", 401, graphError("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."), calendars.ErrUnauthorized, nil, "InvalidAuthenticationToken"},
		{"a claims challenge without a body", 401, "", calendars.ErrUnauthorized, nil, ""},
		{"throttled", 429, graphError("ApplicationThrottled", "Application is over its MailboxConcurrency limit."), calendars.ErrThrottled, nil, "ApplicationThrottled"},
		{"throttled, in HTML", 429, "<html>", calendars.ErrThrottled, nil, ""},
		{"bandwidth", 509, "", calendars.ErrThrottled, nil, ""},
		{"busy", 503, graphError("ErrorServerBusy", "The server cannot service this request right now."), calendars.ErrThrottled, nil, "ErrorServerBusy"},
		{"access denied", 403, graphError("ErrorAccessDenied", "Access is denied."), calendars.ErrForbidden, nil, "ErrorAccessDenied"},
		{"a proxy's 403", 403, "<html>", calendars.ErrUnavailable, nil, ""},
		{"no mailbox", 404, graphError("MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise."), calendars.ErrForbidden, nil, "MailboxNotEnabledForRESTAPI"},
		{"calendar gone", 404, graphError("ErrorItemNotFound", "The specified object was not found in the store."), calendars.ErrNotFound, nil, "ErrorItemNotFound"},
		{"a path the server lacks", 404, `{"message":"Not Found"}`, calendars.ErrUnavailable, nil, ""},
		{"delta link forgotten", 410, graphError("syncStateNotFound", "The sync state generation is not found."), calendars.ErrCursorLost, nil, "syncStateNotFound"},
		{"delta link forgotten, 404", 404, graphError("SyncStateNotFound", "x"), calendars.ErrCursorLost, nil, "SyncStateNotFound"},
		{"delta link invalid", 400, graphError("SyncStateInvalid", "x"), calendars.ErrCursorLost, nil, "SyncStateInvalid"},
		{"start over", 409, graphError("resyncRequired", "x"), calendars.ErrCursorLost, nil, "resyncRequired"},
		{"gone, no more said", 410, "", calendars.ErrUnavailable, calendars.ErrCursorLost, ""},
		{"no window", 400, graphError("ErrorInvalidParameter", "This request requires a time window specified by the query string parameters."), calendars.ErrUnavailable, calendars.ErrCursorLost, "ErrorInvalidParameter"},
		{"internal", 500, graphError("ErrorInternalServerError", "An internal server error occurred."), calendars.ErrUnavailable, nil, "ErrorInternalServerError"},
		{"an error without message", 500, `{"error":{"code":"x"}}`, calendars.ErrUnavailable, nil, "x"},
		{"an error that is null", 500, `{"error":null}`, calendars.ErrUnavailable, nil, ""},
		{"a code that is no word", 500, graphError("Frau Bernasconi", "x"), calendars.ErrUnavailable, nil, ""},
		{"gateway timeout", 504, "<html>", calendars.ErrUnavailable, nil, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, c.status, c.body)
			r := New(Config{GraphURL: srv.URL}).Reader
			_, err := r.Snapshot(t.Context(), srv.Client(), calendars.Ref{Calendar: "AAMkAG="}, calendars.Window{From: noon, To: noon.Add(time.Hour)})
			checkError(t, err, c.snapshot, c.status, c.code)
			want := c.bell
			if want == nil {
				want = c.snapshot
			}
			cursor := []byte(`{"v":1,"link":"` + srv.URL + `/v1.0/me/calendars/x/calendarView/delta?$deltatoken=y","anchored":"2026-03-23T12:00:00Z","to":"2027-03-23T12:00:00Z"}`)
			_, err = r.Changed(t.Context(), srv.Client(), calendars.Ref{Calendar: "AAMkAG="}, cursor, noon, time.Hour)
			checkError(t, err, want, c.status, c.code)
		})
	}
}

func checkError(t *testing.T, err, kind error, status int, code string) {
	t.Helper()
	var got *calendars.Error
	if !errors.Is(err, kind) || !errors.As(err, &got) {
		t.Fatalf("error = %v, want %v", err, kind)
	}
	if got.Provider != Name || got.Op == "" || got.Status != status || got.Code != code {
		t.Errorf("%+v, want status %d, code %q", got, status, code)
	}
}

// TestReader_noBell: a server that refuses a first delta has none, but a lack of
// permission or a throttled server says nothing about that.
func TestReader_noBell(t *testing.T) {
	for status, none := range map[int]bool{400: true, 404: true, 405: true, 501: true, 401: false, 403: false, 429: false, 500: false} {
		srv := serve(t, status, "<html>")
		bell, err := New(Config{GraphURL: srv.URL}).Reader.Changed(t.Context(), srv.Client(), calendars.Ref{Calendar: "x"}, nil, noon, time.Hour)
		if (err == nil) != none || none && (!bell.Changed || bell.Cursor != nil) {
			t.Errorf("%d: %+v, %v", status, bell, err)
		}
	}
}

// TestReader_oddReplies feeds JSON the SDK panics over or takes for something.
func TestReader_oddReplies(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `[null]`, `null`, `7`, `"x"`, `{"value":null}`, `{"value":7}`, `{"value":{}}`, `{"value":[7]}`, `{"value":["x"]}`,
		`{"value":[{}]}`, `{"value":[{"id":7}]}`, `{"value":[{"id":"a"}]}`, `{"value":[{"id":"a","start":7}]}`,
		`{"value":[{"id":"a","start":{}}]}`, `{"value":[{"id":"a","start":{"dateTime":"x","timeZone":"UTC"}}]}`,
		`{"value":[{"id":"a","start":{"dateTime":"2026-03-23T12:00:00.0000000","timeZone":"W. Europe Standard Time"}}]}`,
		`{"value":[{"id":"a","start":{"dateTime":"2026-03-23T12:00:00.0000000","timeZone":"UTC"},"end":{"dateTime":"x"}}]}`,
		`{"value":[{"id":"a","isAllDay":true,"start":{"dateTime":"2026-02-30T00:00:00","timeZone":"UTC"}}]}`,
		`{"value":[{"id":"a","isAllDay":"yes"}]}`, `{"value":[{"id":"a","type":7}]}`, `{"value":[{"id":"a","originalStart":"x"}]}`,
		`{"value":[]`, ``,
	} {
		srv := serve(t, 200, body)
		got, err := New(Config{GraphURL: srv.URL}).Reader.Snapshot(t.Context(), srv.Client(), calendars.Ref{Calendar: "x"},
			calendars.Window{From: noon.AddDate(0, 0, -1), To: noon.AddDate(0, 0, 1)})
		if !errors.Is(err, calendars.ErrUnavailable) || got.Instances != nil {
			t.Errorf("%s: %d instances, %v", body, len(got.Instances), err)
		}
	}
	for _, body := range []string{ // odd, but it can be understood
		`{"value":[]}`, `{"value":[null]}`,
		`{"value":[{"id":"a","type":"somethingNew","responseStatus":null,"location":null,"start":{"dateTime":"2026-03-23T12:00:00","timeZone":null}}]}`,
		`{"value":[{"id":"a","start":{"dateTime":"2026-03-23T14:00:00+02:00","timeZone":"?"}}],"@odata.nextLink":""}`,
	} {
		srv := serve(t, 200, body)
		_, err := New(Config{GraphURL: srv.URL}).Reader.Snapshot(t.Context(), srv.Client(), calendars.Ref{Calendar: "x"},
			calendars.Window{From: noon.AddDate(0, 0, -1), To: noon.AddDate(0, 0, 1)})
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestGuarded turns a panic into a failure and keeps what it said to itself.
func TestGuarded(t *testing.T) {
	_, err := guarded(t.Context(), "op", func(context.Context) (int, error) { panic("Frau Bernasconi") })
	if !errors.Is(err, calendars.ErrUnavailable) || strings.Contains(err.Error(), "Bernasconi") {
		t.Errorf("error = %v", err)
	}
}

// TestAuthority_failures maps recorded answers of the token endpoint.
func TestAuthority_failures(t *testing.T) {
	aad := func(word, number string) string {
		return `{"error":"` + word + `","error_description":"AADSTS` + number + `: user praxis@example.com. Trace ID: x","error_codes":[` + number + `]}`
	}
	cases := []struct {
		name              string
		status            int
		body              string
		refresh, exchange error
		code              string
	}{
		{"expired code or token", 400, aad("invalid_grant", "70008"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS70008"},
		{"90 days unused", 400, aad("invalid_grant", "700082"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS700082"},
		{"lifetime of a page's token", 400, aad("invalid_grant", "700084"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS700084"},
		{"password reset", 400, aad("invalid_grant", "50173"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS50173"},
		{"account disabled", 400, aad("invalid_grant", "50057"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS50057"},
		{"consent withdrawn", 400, aad("invalid_grant", "65001"), calendars.ErrGrantRevoked, calendars.ErrScopeMissing, "invalid_grant AADSTS65001"},
		{"consent required", 400, aad("consent_required", "65001"), calendars.ErrGrantRevoked, calendars.ErrScopeMissing, "consent_required AADSTS65001"},
		{"a second factor", 400, aad("interaction_required", "50076"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "interaction_required AADSTS50076"},
		{"conditional access", 400, aad("interaction_required", "50158"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "interaction_required AADSTS50158"},
		{"the administrator has to consent", 400, aad("invalid_grant", "90094"), calendars.ErrGrantRevoked, calendars.ErrAdminConsent, "invalid_grant AADSTS90094"},
		{"declined", 400, aad("invalid_grant", "65004"), calendars.ErrGrantRevoked, calendars.ErrConsentDenied, "invalid_grant AADSTS65004"},
		{"code redeemed already", 400, aad("invalid_grant", "54005"), calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS54005"},
		{"the number only in the text", 400, `{"error":"invalid_grant","error_description":"AADSTS50173: The provided grant has expired"}`, calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant AADSTS50173"},
		{"no number", 400, `{"error":"invalid_grant"}`, calendars.ErrGrantRevoked, calendars.ErrCodeUsed, "invalid_grant"},
		{"wrong secret", 401, aad("invalid_client", "7000215"), calendars.ErrClientConfig, calendars.ErrClientConfig, "invalid_client AADSTS7000215"},
		{"expired secret", 401, aad("invalid_client", "7000222"), calendars.ErrClientConfig, calendars.ErrClientConfig, "invalid_client AADSTS7000222"},
		{"unknown client", 400, aad("unauthorized_client", "700016"), calendars.ErrClientConfig, calendars.ErrClientConfig, "unauthorized_client AADSTS700016"},
		{"bad request of ours", 400, aad("invalid_request", "900144"), calendars.ErrClientConfig, calendars.ErrClientConfig, "invalid_request AADSTS900144"},
		{"temporary", 400, aad("temporarily_unavailable", "90033"), calendars.ErrUnavailable, calendars.ErrUnavailable, "temporarily_unavailable AADSTS90033"},
		{"throttled", 400, aad("invalid_request", "90055"), calendars.ErrThrottled, calendars.ErrThrottled, "invalid_request AADSTS90055"},
		{"429", 429, `{}`, calendars.ErrThrottled, calendars.ErrThrottled, ""},
		{"503", 503, aad("invalid_grant", "50173"), calendars.ErrUnavailable, calendars.ErrUnavailable, "invalid_grant AADSTS50173"},
		{"HTML", 400, `<html>`, calendars.ErrUnavailable, calendars.ErrUnavailable, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := serve(t, c.status, c.body)
			a := New(Config{AuthorityURL: srv.URL}).Authority
			_, err := a.Refresh(t.Context(), "r")
			checkError(t, err, c.refresh, c.status, c.code)
			_, _, err = a.Exchange(t.Context(), "c", "v", "https://x.example")
			checkError(t, err, c.exchange, c.status, c.code)
			if strings.Contains(err.Error(), "praxis") {
				t.Errorf("the error names the user: %v", err)
			}
		})
	}
}

func TestReadsCalendars(t *testing.T) {
	for scope, want := range map[string]bool{
		"Calendars.Read": true, "https://graph.microsoft.com/Calendars.Read": true, "calendars.readwrite": true,
		"Calendars.ReadBasic": false, "openid": false, "": false, "/": false, "Mail.Read": false,
	} {
		if readsCalendars(scope) != want {
			t.Errorf("%q: %v", scope, !want)
		}
	}
}

func TestURLs(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "https://graph.microsoft.com/v1.0",
		"https://graph.microsoft.us":   "https://graph.microsoft.us/v1.0",
		"http://localhost:4005/":       "http://localhost:4005/v1.0",
		"http://localhost:8080/m/v1.0": "http://localhost:8080/m/v1.0",
	} {
		if got := New(Config{GraphURL: in}).Reader.(*Reader).base; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"":                              "https://login.microsoftonline.com/common",
		"http://localhost:4005":         "http://localhost:4005", // an authority without tenants
		"https://login.example/praxis/": "https://login.example/praxis",
	} {
		if got := New(Config{AuthorityURL: in}).Authority.(*Authority).cfg.AuthorityURL; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
