package outlook

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rappel/calendars"
)

func zurich(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestParseMoment(t *testing.T) {
	for _, c := range []struct {
		text, label string
		allDay      bool
		want, date  string // want "" = refused
	}{
		{"2026-03-29T01:30:00.0000000", "UTC", false, "2026-03-29T01:30:00Z", ""},
		{"2026-03-29T01:30:00", "", false, "2026-03-29T01:30:00Z", ""},
		{"2026-03-29T01:30:00.1234567", "Etc/GMT", false, "2026-03-29T01:30:00.1234567Z", ""},
		{"2026-06-02T00:30:00.0000000", "Europe/Zurich", false, "2026-06-01T22:30:00Z", ""},
		{"2026-06-02T00:30:00Z", "Europe/Zurich", false, "2026-06-02T00:30:00Z", ""},
		{"2026-06-02T00:30:00.0000000", "W. Europe Standard Time", false, "", ""},
		{"2026-06-02T00:30:00.0000000", "tzone://Microsoft/Custom", false, "", ""},
		{"2026-06-02T00:30:00.0000000", "Local", false, "", ""},
		{"2026-06-02T00:30:00.0000000", "../../etc/passwd", false, "", ""},
		{"2026-06-02", "UTC", false, "", ""},
		{"", "UTC", false, "", ""},
		// A floating date, whatever stands beside it.
		{"2026-06-02T00:00:00.0000000", "UTC", true, "2026-06-01T22:00:00Z", "2026-06-02"},
		{"2026-06-02T00:00:00.0000000", "W. Europe Standard Time", true, "2026-06-01T22:00:00Z", "2026-06-02"},
		{"2026-06-31T00:00:00.0000000", "UTC", true, "", ""},
		{"2026", "UTC", true, "", ""},
	} {
		at, date, err := parseMoment(c.text, c.label, c.allDay, zurich(t))
		if (err == nil) != (c.want != "") || err == nil && (at.Format(time.RFC3339Nano) != c.want || date != c.date) {
			t.Errorf("%q %q all-day %v: %v %q %v, want %q %q", c.text, c.label, c.allDay, at, date, err, c.want, c.date)
		}
	}
}

func idToken(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestClaims(t *testing.T) {
	for in, want := range map[string]calendars.Identity{
		idToken(`{"oid":"o","sub":"s","email":"a@example.com","preferred_username":"b@example.com","aud":"me"}`): {Subject: "o", Label: "a@example.com"},
		idToken(`{"sub":"s","preferred_username":"b@example.com"}`):                                              {Subject: "s", Label: "b@example.com"},
		idToken(`{"oid":"o"}`):             {Subject: "o", Label: "o"},
		idToken(`{"email":"a@x"}`):         {},
		idToken(`{"sub":"s","aud":"you"}`): {},
		idToken(`{"sub":["s"]}`):           {},
		idToken(`null`):                    {},
		"":                                 {},
		"a.b":                              {},
		"a.!.c":                            {},
		strings.Repeat("x", calendars.MaxIDToken+1): {},
	} {
		c, err := decodeClaims(in)
		if err == nil {
			err = c.meantFor("me")
		}
		if (err == nil) != (want.Subject != "") || err == nil && c.identity() != want {
			t.Errorf("%.60s: %+v, %v", in, c, err)
		}
	}
}

func TestCursor_stale(t *testing.T) {
	c := cursor{Version: 1, Link: "x", Anchored: noon, To: noon.Add(17 * 24 * time.Hour)}
	for _, s := range []struct {
		after, horizon time.Duration
		want           bool
	}{
		{0, 72 * time.Hour, false},
		{7*24*time.Hour - time.Second, 72 * time.Hour, false},
		{7 * 24 * time.Hour, 72 * time.Hour, true},
		{time.Hour, 17 * 24 * time.Hour, true}, // a rule with a longer offset was added
		{-25 * time.Hour, 72 * time.Hour, true},
		{-time.Minute, 72 * time.Hour, false},
	} {
		if got := c.stale(noon.Add(s.after), s.horizon); got != s.want {
			t.Errorf("%v later with horizon %v: %v", s.after, s.horizon, got)
		}
	}
}

// TestBodies keeps within its memory whatever is put into it, and never answers
// with another event's text.
func TestBodies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 5000).Draw(t, "limit")
		b := newBodies(limit)
		last := map[bodyKey]string{}
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			key := keyOf("c", fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "event")), "e")
			if rapid.Bool().Draw(t, "put") {
				last[key] = strings.Repeat("x", rapid.IntRange(0, 2000).Draw(t, "size"))
				b.put(key, last[key])
			}
			if text, ok := b.get(key); ok && text != last[key] {
				t.Fatal("another text")
			}
			total := 0
			for e := b.order.Front(); e != nil; e = e.Next() {
				total += len(e.Value.(*body).text) + bodyOverhead
			}
			if total != b.size || total > limit || b.order.Len() != len(b.byKey) {
				t.Fatalf("counts %d, holds %d in %d entries and %d keys, limit %d", b.size, total, b.order.Len(), len(b.byKey), limit)
			}
		}
	})
	if keyOf("a", "b", "c") == keyOf("a", "bc", "") || keyOf("a", "b", "1") == keyOf("a", "b", "2") {
		t.Error("two versions have one key")
	}
}

func TestBodies_leastRecentlyUsedGoes(t *testing.T) {
	b := newBodies(3 * (bodyOverhead + 1))
	k := func(s string) bodyKey { return keyOf("", s, "") }
	for _, s := range []string{"a", "b", "c"} {
		b.put(k(s), s)
	}
	b.get(k("a"))
	b.put(k("d"), "d")
	for s, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, ok := b.get(k(s)); ok != want {
			t.Errorf("%s: %v", s, ok)
		}
	}
}

func TestSlot(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-30T00:00:00Z": "2026-03-29T22:00:00Z", // a floating midnight
		"2026-03-29T22:00:00Z": "2026-03-29T22:00:00Z", // an instant already
	} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := slot(at, true, zurich(t)).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if got := slot(at, false, zurich(t)); !got.Equal(at) {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	f.Add("2026-03-29T01:30:00.0000000", "UTC", false)
	f.Add("2026-06-02T00:00:00.0000000", "W. Europe Standard Time", true)
	f.Add("9999-12-31T23:59:59.9999999", "Europe/Zurich", false)
	loc := zurich(f)
	f.Fuzz(func(t *testing.T, text, label string, allDay bool) {
		at, day, err := parseMoment(text, label, allDay, loc)
		if err != nil {
			return
		}
		if back, err := time.Parse(time.RFC3339Nano, at.Format(time.RFC3339Nano)); err != nil || !back.Equal(at) {
			t.Errorf("%q %q: %v can't be written", text, label, at)
		}
		if allDay != (day != "") || allDay && at.In(loc).Format(time.DateOnly) != day {
			t.Errorf("%q: midnight of %q is %v", text, day, at)
		}
	})
}

func FuzzDecodeClaims(f *testing.F) {
	f.Add(idToken(`{"oid":"o","sub":"s","email":"a@example.com"}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := decodeClaims(token); err == nil && (c.identity().Subject == "" || c.identity().Label == "") {
			t.Errorf("nobody: %+v", c)
		}
	})
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"link":"https://graph.microsoft.com/v1.0/x","anchored":"2026-03-23T12:00:00Z","to":"2026-05-23T12:00:00Z"}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := decodeCursor(raw)
		if err == nil && (c.Link == "" || c.To.IsZero()) {
			t.Errorf("an incomplete cursor: %+v", c)
		}
		c.stale(noon, time.Hour) // must not panic
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(404, `{"error":{"code":"ErrorItemNotFound"}}`, false)
	f.Add(410, `<html>`, true)
	f.Fuzz(func(t *testing.T, status int, body string, cursor bool) {
		got := answer(status, http.Header{}, []byte(body), cursor, noon)
		if got.Kind == nil || len(got.Code) > 64 || strings.ContainsAny(got.Code, " \n@") {
			t.Errorf("%+v", got)
		}
	})
}
