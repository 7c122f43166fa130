package smsup

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// config is one that works.
func config() Config {
	s := carriers.Defaults("smsup")
	s.API = "https://api.smsup.ch"
	return Config{Settings: s, Token: token, Hook: hook}
}

func TestFind(t *testing.T) {
	start0 := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	clock := start0
	r := start(t, notifytest.NewInbox(), "", standin.SMSupConfig{Now: func() time.Time { return clock }})
	send := func(m notify.Message) {
		if _, err := r.carrier.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	m := message("Bis morgen.")
	clock = start0.Add(-26 * time.Hour)
	send(m) // long before
	clock = start0
	send(m)
	for i := range 220 { // more than two pages lie above it
		other := message(fmt.Sprint("anderes ", i))
		send(other)
	}
	clock = start0.Add(time.Hour)
	change := func(f func(*notify.Message)) notify.Message { c := m; f(&c); return c }
	for _, tt := range []struct {
		name  string
		m     notify.Message
		since time.Time
		want  bool
	}{
		{"the one since", m, start0.Add(-time.Minute), true},
		{"submitted a moment before SMSup's second", m, start0.Add(900 * time.Millisecond), true},
		{"SMSup adds a line", change(func(m *notify.Message) { m.Body = "Bis" }), start0, true},
		{"other spacing", change(func(m *notify.Message) { m.Body = "Bis  morgen." }), start0, true},
		{"not the one before", m, start0.Add(30 * time.Hour), false},
		{"other text", change(func(m *notify.Message) { m.Body = "Bis übermorgen." }), start0, false},
		{"other sender", change(func(m *notify.Message) { m.Sender = "Klinik" }), start0, false},
		{"other phone", change(func(m *notify.Message) { m.Recipient = "+41791234568" }), start0, false},
		{"no phone", change(func(m *notify.Message) { m.Recipient = "x" }), start0, false},
	} {
		clock = tt.since.Add(time.Hour)
		hits, err := r.carrier.Find(t.Context(), tt.m, tt.since)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if (len(hits) == 1) != tt.want || tt.want && hits[0].IDs[0] != m.Reference() {
			t.Errorf("%s: found %+v, want %v", tt.name, hits, tt.want)
		}
	}
}

// Absence from a history that may be behind is no proof, and then it is.
func TestFind_historyIsBehind(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r := start(t, notifytest.NewInbox(), "listed=10m", standin.SMSupConfig{Now: func() time.Time { return now }})
	m, since := message("Bis morgen."), now
	if _, err := r.carrier.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r.smsup.Unlist(1)
	now = now.Add(10*time.Minute - time.Second)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) > 0 || !errors.Is(err, errNotListed) {
		t.Errorf("before its time: found %v, %v", hits, err)
	}
	r.smsup.Unlist(0)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) != 1 || !errors.Is(err, errNotListed) {
		t.Errorf("listed: found %v, %v", hits, err)
	}
	r.smsup.Unlist(1)
	now = now.Add(time.Second)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) > 0 || err != nil {
		t.Errorf("after its time: found %v, %v", hits, err)
	}
}

func TestFind_doubtIsAnError(t *testing.T) {
	full := ""
	for range pageSize {
		full += `,{"id":"1","sender":"x","text":"x","creation_date":"2026-03-02 09:00:00"}`
	}
	for _, tt := range []struct {
		status int
		body   string
	}{
		{200, ""}, {200, "<html>"}, {200, "{}"}, {200, `{"status":1}`}, {200, `{"status":-1,"campaigns":[]}`}, {401, `{"status":-1}`}, {502, ""},
		{200, `{"status":1,"campaigns":[{"id":"1","creation_date":"yesterday"}]}`},
		{200, `{"status":1,"campaigns":[` + full[1:] + `]}`}, // without end
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		cfg := config()
		cfg.API = api.URL
		c, err := New(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if hits, err := c.Find(t.Context(), message("x y z"), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)); err == nil {
			t.Errorf("%d %.40q: found %v without an error", tt.status, tt.body, hits)
		}
		api.Close()
	}
}

// A history oldest first is read to its end before anything is said to be missing.
func TestFind_otherOrder(t *testing.T) {
	page := func(from int, last string) string {
		rows := ""
		for i := range pageSize {
			rows += fmt.Sprintf(`,{"id":"1","sender":"x","text":"x","date":"2025-03-02 09:00:%02d"}`, (from+i)%60)
		}
		return `{"status":1,"campaigns":[` + rows[1:] + last + `]}`
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("start") == "0" {
			fmt.Fprint(w, page(0, ""))
			return
		}
		fmt.Fprint(w, `{"status":1,"campaigns":[{"id":"9","sender":"Praxis","text":"Bis morgen.","date":"2026-03-02 09:00:00"}]}`)
	}))
	defer api.Close()
	cfg := config()
	cfg.API = api.URL
	c, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := c.Find(t.Context(), message("Bis morgen."), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)); len(hits) != 1 || err != nil {
		t.Errorf("found %v, %v", hits, err)
	}
}

func FuzzLatest(f *testing.F) {
	f.Add("2026-03-29 02:30:00", "")
	f.Add("", "2026-10-25 02:30:00")
	f.Add("yesterday", "x")
	f.Fuzz(func(t *testing.T, created, date string) {
		at, err := latest(created, date)
		if err != nil {
			return
		}
		// Never earlier than the date read as UTC, and at most a few hours later.
		if created == "" {
			created = date
		}
		utc, err := time.Parse(time.DateTime, created)
		if err != nil {
			t.Fatal(err)
		}
		if d := at.Sub(utc); d < 0 || d > 3*time.Hour {
			t.Errorf("%q is %v after UTC", created, d)
		}
	})
}
