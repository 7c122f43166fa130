package smsmode

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

func TestFind(t *testing.T) {
	began := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	clock := began
	r := start(t, notifytest.NewInbox(), "", standin.SMSmodeConfig{Now: func() time.Time { return clock }})
	send := func(m notify.Message) string {
		s, err := r.carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return s.IDs[0]
	}
	m := message("Bis morgen.")
	want := send(m)
	for i := range 220 { // more than two pages lie above it
		other := message("Bis morgen.")
		other.ID = int64(100 + i)
		send(other)
	}
	other := message("Bis morgen.")
	other.ID = 999 // never sent
	for _, tt := range []struct {
		name  string
		m     notify.Message
		since time.Time
		after time.Duration
		want  string
	}{
		{"an hour later", m, began, time.Hour, want},
		{"a week later", m, began, 7 * 24 * time.Hour, want},
		{"the same words with another reference", other, began, time.Hour, ""},
		{"a day too late", m, began.Add(24 * time.Hour), time.Hour, ""},
	} {
		clock = tt.since.Add(tt.after)
		hits, err := r.carrier.Find(t.Context(), tt.m, tt.since)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := ""
		for _, h := range hits {
			got += strings.Join(h.IDs, ",")
		}
		if got != tt.want {
			t.Errorf("%s: found %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Right after a 201 the message isn't listed yet. That proves nothing, and later it does.
func TestFind_listingIsBehind(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r := start(t, notifytest.NewInbox(), "listed=20m", standin.SMSmodeConfig{Now: func() time.Time { return now }})
	m, since := message("Bis morgen."), now
	if _, err := r.carrier.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r.smsmode.Unlist(1)
	now = now.Add(20*time.Minute - time.Second)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) > 0 || !errors.Is(err, errNotListed) {
		t.Errorf("before its time: found %v, %v", hits, err)
	}
	r.smsmode.Unlist(0)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) != 1 || err != nil {
		t.Errorf("listed: found %v, %v", hits, err)
	}
	r.smsmode.Unlist(1)
	now = now.Add(time.Second)
	if hits, err := r.carrier.Find(t.Context(), m, since); len(hits) > 0 || err != nil {
		t.Errorf("after its time: found %v, %v", hits, err)
	}
}

func TestFind_byHand(t *testing.T) {
	m := message("Bis morgen.")
	item := func(change ...string) string {
		s := `{"messageId":"e5","direction":"MT","from":"Praxis","recipient":{"to":"41791234567"},"body":{"text":"Bis morgen."}}`
		return strings.NewReplacer(change...).Replace(s)
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		found  bool
		doubt  bool
	}{
		{"without a reference, by its words", 200, `{"items":[` + item() + `]}`, true, false},
		{"another phone's", 200, `{"items":[` + item("41791234567", "41791234568") + `]}`, false, false},
		{"another sender's", 200, `{"items":[` + item("Praxis", "Klinik") + `]}`, false, false},
		{"other words", 200, `{"items":[` + item("morgen", "übermorgen") + `]}`, false, false},
		{"with a STOP line behind", 200, `{"items":[` + item("morgen.", "morgen. STOP 36180") + `]}`, true, false},
		{"another's reference", 200, `{"items":[` + item(`"MT"`, `"MT","refClient":"rappel-1-3"`) + `]}`, false, false},
		{"nothing", 200, `{"items":[]}`, false, false},
		{"no id", 200, `{"items":[` + item("e5", "") + `]}`, false, true},
		{"no list", 200, `{}`, false, true},
		{"a page", 200, `<html>`, false, true},
		{"refused", 403, `{}`, false, true},
		{"down", 502, ``, false, true},
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			if r.URL.Query().Get("page") == "1" {
				fmt.Fprint(w, tt.body)
			} else {
				fmt.Fprint(w, `{"items":[]}`)
			}
		}))
		cfg := config()
		cfg.API = api.URL
		c, err := New(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		hits, err := c.Find(t.Context(), m, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
		if (len(hits) > 0) != tt.found || (err != nil) != tt.doubt {
			t.Errorf("%s: found %v, %v", tt.name, hits, err)
		}
		api.Close()
	}
}

func TestFind_withoutEnd(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"messageId":"x","refClient":"y"}]}`)
	}))
	defer api.Close()
	cfg := config()
	cfg.API = api.URL
	c, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := c.Find(t.Context(), message("x"), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)); len(hits) > 0 || err == nil {
		t.Errorf("found %v, %v; want a doubt", hits, err)
	}
}
