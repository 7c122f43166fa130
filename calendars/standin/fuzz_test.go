package standin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func FuzzParseMask(f *testing.F) {
	for _, s := range []string{"", "a", "a,b", "a/b/c", "items(id,start/date),nextPageToken", "*/id", "a(", "a)", "a,,b", "((((", "a/b,a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMask(text)
		if err == nil && text != "" && len(m) == 0 {
			t.Error("a mask that keeps nothing")
		}
		m.apply(map[string]any{"a": []any{map[string]any{"b": 1}}, "items": []any{1}})
	})
}

// No query, path or token makes a server panic or answer 5xx.
func FuzzRequests(f *testing.F) {
	w, err := New(Options{Now: func() time.Time { return time.Date(2026, 3, 23, 8, 0, 0, 0, time.UTC) }, Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	if err := w.SeedDemo(w.now()); err != nil {
		f.Fatal(err)
	}
	handlers := map[Provider]http.Handler{Google: w.Google(), Microsoft: w.Microsoft()}
	tokens := map[Provider]string{}
	for _, p := range w.People() {
		if tokens[p.Provider], err = w.Token(p.ID); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(true, "/calendar/v3/calendars/primary/events", "singleEvents=true&timeMin=2026-03-23T00:00:00Z&maxResults=1", "")
	f.Add(true, "/calendar/v3/calendars/primary/events", "syncToken="+seal(syncState{Calendar: DemoGoogle}), "")
	f.Add(true, "/calendar/v3/calendars/primary/events", "pageToken="+seal(pageToken{List: "1", From: -1, Size: 1}), "")
	f.Add(true, "/calendar/v3/users/me/calendarList", "syncToken=e30&fields=items", "")
	f.Add(false, "/v1.0/me/calendarView/delta()", "startDateTime=2026-03-23&endDateTime=2026-04-01", "odata.maxpagesize=1")
	f.Add(false, "/v1.0/me/calendarView/delta", "$deltatoken=e30", `IdType="ImmutableId"`)
	f.Add(false, "/v1.0/me/calendarView", "startDateTime=2026-03-23&endDateTime=2026-04-01&$skip=5&$select=id,,subject", `outlook.timezone="Romance Standard Time"`)
	f.Add(false, "/v1.0/me/events/AAkALgAA=", "", "")
	f.Add(true, "/o/oauth2/v2/auth", "client_id=a&redirect_uri=http://x&prompt=none", "")
	f.Fuzz(func(t *testing.T, google bool, path, query, prefer string) {
		p := Microsoft
		if google {
			p = Google
		}
		r := &http.Request{
			Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Host: "localhost",
			Header: http.Header{"Authorization": {"Bearer " + tokens[p]}, "Prefer": {prefer}}, Body: http.NoBody,
		}
		rec := httptest.NewRecorder()
		handlers[p].ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		w.ForgetRequests()
	})
}
