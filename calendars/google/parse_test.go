package google

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	gcal "google.golang.org/api/calendar/v3"

	"rappel/calendars"
)

func contextWith(t *testing.T, c *http.Client) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), oauth2.HTTPClient, c)
}

func zurich(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestMoment(t *testing.T) {
	for _, c := range []struct {
		in         gcal.EventDateTime
		want, date string // want "" = refused
	}{
		{gcal.EventDateTime{DateTime: "2026-03-29T03:30:00+02:00", TimeZone: "Europe/Zurich"}, "2026-03-29T01:30:00Z", ""},
		{gcal.EventDateTime{DateTime: "2026-11-22T04:41:44.039Z", TimeZone: "UTC"}, "2026-11-22T04:41:44.039Z", ""},
		{gcal.EventDateTime{DateTime: "2026-10-25T02:30:00+01:00"}, "2026-10-25T01:30:00Z", ""},
		{gcal.EventDateTime{Date: "2026-06-02"}, "2026-06-01T22:00:00Z", "2026-06-02"},
		{gcal.EventDateTime{Date: "2026-01-02", TimeZone: "America/New_York"}, "2026-01-01T23:00:00Z", "2026-01-02"}, // dates have no zone
		{gcal.EventDateTime{DateTime: "2026-10-25T02:30:00", TimeZone: "Europe/Zurich"}, "", ""},                     // which of the two?
		{gcal.EventDateTime{DateTime: "tomorrow"}, "", ""},
		{gcal.EventDateTime{Date: "2026-02-30"}, "", ""},
		{gcal.EventDateTime{Date: "0000-01-01"}, "", ""},
		{gcal.EventDateTime{}, "", ""},
	} {
		at, date, err := moment(&c.in, zurich(t))
		if (err == nil) != (c.want != "") || err == nil && (at.Format(time.RFC3339Nano) != c.want || date != c.date) {
			t.Errorf("%q %q: %v %q %v, want %q %q", c.in.DateTime, c.in.Date, at, date, err, c.want, c.date)
		}
	}
	if _, _, err := moment(nil, time.UTC); err == nil {
		t.Error("no time at all is taken for one")
	}
}

// TestGathering feeds items in the order odd servers send them.
func TestGathering(t *testing.T) {
	at := &gcal.EventDateTime{DateTime: "2026-03-24T09:00:00Z"}
	ok := func(id, title string) *gcal.Event {
		return &gcal.Event{Id: id, Status: "confirmed", Start: at, End: at, Summary: title}
	}
	gone := func(id string) *gcal.Event { return &gcal.Event{Id: id, Status: "cancelled"} }
	for name, c := range map[string]struct {
		in   []*gcal.Event
		want []string
	}{
		"the last word counts":                {[]*gcal.Event{ok("a", "old"), ok("b", "b"), ok("a", "new")}, []string{"new", "b"}},
		"a tombstone removes":                 {[]*gcal.Event{ok("a", "a"), gone("a")}, []string{}},
		"a tombstone first":                   {[]*gcal.Event{gone("a"), ok("a", "a")}, []string{"a"}},
		"gone and back":                       {[]*gcal.Event{ok("a", "1"), gone("a"), ok("a", "2")}, []string{"2"}},
		"null items":                          {[]*gcal.Event{nil, ok("a", "a"), nil}, []string{"a"}},
		"a tombstone of something never seen": {[]*gcal.Event{gone("z")}, []string{}},
	} {
		g := newGathering()
		for _, e := range c.in {
			if err := g.add(e, time.UTC); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		got := []string{}
		for _, i := range g.list() {
			got = append(got, i.Title)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, e := range map[string]*gcal.Event{
		"no id":      {Status: "confirmed", Start: at},
		"no start":   {Id: "a", Status: "confirmed"},
		"bad end":    {Id: "a", Start: at, End: &gcal.EventDateTime{Date: "x"}},
		"bad origin": {Id: "a", Start: at, RecurringEventId: "m", OriginalStartTime: &gcal.EventDateTime{DateTime: "x"}},
	} {
		if newGathering().add(e, time.UTC) == nil {
			t.Errorf("%s: taken for an appointment", name)
		}
	}
}

// TestInstance covers what the stand-in never sends.
func TestInstance(t *testing.T) {
	at := &gcal.EventDateTime{DateTime: "2026-03-24T09:00:00Z"}
	start := time.Date(2026, 3, 24, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		in   gcal.Event
		want calendars.Instance
	}{
		"hardly any field": {
			gcal.Event{Id: "a", Start: at},
			calendars.Instance{Key: "a", UID: "a", Start: start, End: start, Kind: "default"},
		},
		"an instance without its original start": {
			gcal.Event{Id: "m_1", ICalUID: "u", RecurringEventId: "m", Start: at, End: at},
			calendars.Instance{Key: "m_1", UID: "u", Occurrence: "2026-03-24T09:00:00Z", Start: start, End: start, Kind: "default"},
		},
		"a moved all-day instance": {
			gcal.Event{Id: "m_1", RecurringEventId: "m", Start: &gcal.EventDateTime{Date: "2026-03-31"}, End: &gcal.EventDateTime{Date: "2026-04-01"},
				OriginalStartTime: &gcal.EventDateTime{Date: "2026-03-30"}},
			calendars.Instance{Key: "m_1", UID: "m_1", Occurrence: "2026-03-29T22:00:00Z", AllDay: true, StartDate: "2026-03-31", Kind: "default",
				Start: time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC)},
		},
		"an end before the start, and somebody else declined": {
			gcal.Event{Id: "a", Start: at, End: &gcal.EventDateTime{DateTime: "2026-03-24T08:00:00Z"}, Attendees: []*gcal.EventAttendee{
				nil, {ResponseStatus: "declined"}, {Self: true, ResponseStatus: "accepted"}}},
			calendars.Instance{Key: "a", UID: "a", Start: start, End: start, Kind: "default"},
		},
		"confidential, without texts": {
			gcal.Event{Id: "a", Start: at, End: at, Visibility: "confidential"},
			calendars.Instance{Key: "a", UID: "a", Start: start, End: start, Kind: "default", Hidden: true},
		},
		"private, with texts": {
			gcal.Event{Id: "a", Start: at, End: at, Visibility: "private", Location: "x"},
			calendars.Instance{Key: "a", UID: "a", Start: start, End: start, Kind: "default", Location: "x"},
		},
	} {
		got, err := instance(&c.in, zurich(t))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func idToken(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestDecodeIdentity(t *testing.T) {
	for in, want := range map[string]calendars.Identity{
		idToken(`{"sub":"7","email":"a@example.com","aud":"me"}`): {Subject: "7", Label: "a@example.com"},
		idToken(`{"sub":"7"}`):                       {Subject: "7", Label: "7"},
		idToken(`{"sub":"7","aud":"somebody else"}`): {},
		idToken(`{"email":"a@example.com"}`):         {},
		idToken(`{"sub":7}`):                         {},
		idToken(`[]`):                                {},
		"a.b":                                        {},
		"a.!.c":                                      {},
		strings.Repeat("x", calendars.MaxIDToken+9): {},
	} {
		got, err := decodeIdentity(in, "me")
		if got != want || (err == nil) != (want.Subject != "") {
			t.Errorf("%.40s: %+v, %v", in, got, err)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, s := range [][2]string{{"2026-03-29T03:30:00+02:00", ""}, {"", "2026-06-02"}, {"9999-12-31T23:59:59-12:00", ""}, {"x", "y"}} {
		f.Add(s[0], s[1])
	}
	loc := zurich(f)
	f.Fuzz(func(t *testing.T, dateTime, date string) {
		at, day, err := moment(&gcal.EventDateTime{DateTime: dateTime, Date: date}, loc)
		if err != nil {
			return
		}
		if back, err := time.Parse(time.RFC3339Nano, at.Format(time.RFC3339Nano)); err != nil || !back.Equal(at) {
			t.Errorf("%q %q: %v can't be written", dateTime, date, at)
		}
		if day != "" && at.In(loc).Format(time.DateOnly) != day {
			t.Errorf("%q: midnight of %s is %v", date, day, at)
		}
	})
}

func FuzzDecodeIdentity(f *testing.F) {
	f.Add(idToken(`{"sub":"7","email":"a@example.com","aud":"me"}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := decodeIdentity(token, "me"); err == nil && (id.Subject == "" || id.Label == "") {
			t.Errorf("nobody: %+v", id)
		}
	})
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"sync":"abc"}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := decodeCursor(raw); err == nil && c.Sync == "" {
			t.Error("a cursor without a sync token")
		}
	})
}
