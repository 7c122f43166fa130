package outlook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"rappel/calendars"
	"rappel/calendars/outlook"
	"rappel/calendars/standin"
)

var start = time.Date(2026, 3, 23, 8, 0, 0, 0, time.UTC)

// world is a stand-in with one calendar and the adapter in front of it.
type world struct {
	*standin.World
	cal    standin.Calendar
	client *http.Client
	reader calendars.Reader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w, err := standin.New(standin.Options{Now: func() time.Time { return start }, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	srv := httptest.NewServer(w.Microsoft())
	t.Cleanup(srv.Close)
	p, err := w.AddPerson(standin.Microsoft, "praxis@example.com", "Praxis")
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.Token(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		World: w, cal: w.Calendars(p.ID)[0],
		client: &http.Client{Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})}},
		reader: outlook.New(outlook.Config{GraphURL: srv.URL, Now: func() time.Time { return start }}).Reader,
	}
}

func (w *world) snapshot(t *testing.T) []calendars.Instance {
	t.Helper()
	s, err := w.reader.Snapshot(t.Context(), w.client, calendars.Ref{Calendar: w.cal.ID, Zone: "Europe/Zurich"},
		calendars.Window{From: start, To: start.AddDate(0, 0, 14)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Instances
}

func (w *world) long(t *testing.T, hours int) standin.Event {
	t.Helper()
	at := start.Add(time.Duration(hours) * time.Hour)
	e, err := w.AddEvent(w.cal.ID, standin.Event{
		Title: "Kontrolle", Start: at, End: at.Add(time.Hour),
		Description: strings.Repeat("Unterlagen mitbringen. ", 20) + fmt.Sprint("Nummer ", hours),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestReader_requests looks at what goes over the wire.
func TestReader_requests(t *testing.T) {
	w := newWorld(t)
	w.long(t, 24)
	if _, err := w.reader.Calendars(t.Context(), w.client); err != nil {
		t.Fatal(err)
	}
	ref := calendars.Ref{Calendar: w.cal.ID}
	bell, err := w.reader.Changed(t.Context(), w.client, ref, nil, start, 72*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.reader.Changed(t.Context(), w.client, ref, bell.Cursor, start, 72*time.Hour); err != nil {
		t.Fatal(err)
	}
	w.snapshot(t)
	list := w.Requests()
	if len(list) != 5 { // calendars, anchor, ring, view, body
		t.Fatalf("%d requests", len(list))
	}
	for _, r := range list {
		prefer := r.Header.Values("Prefer")
		if !slices.Contains(prefer, `IdType="ImmutableId"`) {
			t.Errorf("%s: Prefer = %q", r.Path, prefer)
		}
		if slices.ContainsFunc(prefer, func(p string) bool { return strings.Contains(p, "timezone") }) {
			t.Errorf("%s asks for a zone", r.Path)
		}
		if strings.Contains(r.Path, "me-token-to-replace") || !strings.HasPrefix(r.Path, "/v1.0/me/") {
			t.Errorf("path = %s", r.Path)
		}
		if r.Header.Get("SdkVersion") != "" {
			t.Errorf("%s carries telemetry", r.Path)
		}
	}
	anchor := list[1].Query
	if len(anchor) != 2 || anchor.Get("startDateTime") != "2026-03-22T08:00:00Z" || anchor.Get("endDateTime") != "2026-04-09T08:00:00Z" {
		t.Errorf("the first delta asks %v", anchor)
	}
	if v := list[3].Query.Get("$select"); !strings.Contains(v, "originalStart") || strings.Contains(v, "attendees") {
		t.Errorf("the snapshot selects %s", v)
	}
}

// TestReader_bodies counts the requests long descriptions cost.
func TestReader_bodies(t *testing.T) {
	w := newWorld(t)
	count := func() int {
		w.ForgetRequests()
		for _, i := range w.snapshot(t) {
			if !strings.Contains(i.Description, "Nummer ") {
				t.Errorf("a description ends after %d bytes", len(i.Description))
			}
		}
		return w.Count(standin.Microsoft, "")
	}
	first := w.long(t, 24)
	w.long(t, 25)
	for _, want := range []int{3, 1} { // the list and two bodies, then from memory
		if n := count(); n != want {
			t.Errorf("%d requests, want %d", n, want)
		}
	}
	if _, err := w.EditEvent(first.ID, func(e *standin.Event) { e.Description += "!" }); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d requests after one edit", n)
	}
	for i := range 60 {
		w.long(t, 30+i)
	}
	if n := count(); n != 3 { // the list, and a second reading by 50
		t.Errorf("%d requests for sixty more", n)
	}
	if n := count(); n != 1 {
		t.Errorf("%d requests when all are known", n)
	}
}

// TestReader_bodyGone: an event deleted between the list and its body is left
// out; one whose body fails otherwise fails the snapshot.
func TestReader_bodyGone(t *testing.T) {
	w := newWorld(t)
	w.long(t, 24)
	ref := calendars.Ref{Calendar: w.cal.ID}
	window := calendars.Window{From: start, To: start.AddDate(0, 0, 14)}
	for _, c := range []struct {
		status    int
		body      string
		instances int // -1 = failure
	}{
		{404, `{"error":{"code":"ErrorItemNotFound","message":"gone"}}`, 0},
		{404, `<html>no such page</html>`, 1},
		{500, ``, -1},
		{429, ``, -1},
		{200, `{"id":"x"}`, 1},
		{200, `{"id":"x","body":{"contentType":"text","content":null}}`, 1},
	} {
		f, err := w.Fault(standin.FaultSpec{Path: "/events/", Kind: standin.Respond, Status: c.status, Body: c.body})
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.reader.Snapshot(t.Context(), w.client, ref, window)
		if (err != nil) != (c.instances < 0) || err == nil && len(s.Instances) != c.instances {
			t.Errorf("%d %s: %d instances, %v", c.status, c.body, len(s.Instances), err)
		}
		f.Clear()
	}
}

// TestReader_deltaSpelling follows links however the server spells the function.
func TestReader_deltaSpelling(t *testing.T) {
	for _, spelling := range []string{"delta", "delta()", "delta%28%29", "microsoft.graph.delta()"} {
		var paths []string
		var srv *httptest.Server
		srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
			rw.Header().Set("Content-Type", "application/json")
			link := fmt.Sprintf("%s/v1.0/me/calendars/c/calendarView/%s?$deltatoken=a%%2Bb-%d", srv.URL, spelling, len(paths))
			if _, err := fmt.Fprintf(rw, `{"value":[],"@odata.nextLink":"","@odata.deltaLink":%q}`, link); err != nil {
				t.Error(err)
			}
		}))
		reader := outlook.New(outlook.Config{GraphURL: srv.URL}).Reader
		var cursor []byte
		for range 3 {
			bell, err := reader.Changed(t.Context(), srv.Client(), calendars.Ref{Calendar: "c"}, cursor, start, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			cursor = bell.Cursor
		}
		for i, p := range paths[1:] {
			if want := fmt.Sprintf("/v1.0/me/calendars/c/calendarView/%s?$deltatoken=a%%2Bb-%d", spelling, i+1); p != want {
				t.Errorf("followed %s, want %s", p, want)
			}
		}
		srv.Close()
	}
}

// A browser is sent to Microsoft with the challenge of a verifier that stays here.
func ExampleNew() {
	p := outlook.New(outlook.Config{ClientID: "11111111-2222-3333-4444-555555555555", ClientSecret: "secret"})
	url := p.Authority.AuthCodeURL("state", "verifier", "https://rappel.example/connect/microsoft/callback", "")
	fmt.Println(p.Name, strings.HasPrefix(url, "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?"))
	// Output: microsoft true
}
