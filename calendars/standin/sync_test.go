package standin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	gcal "google.golang.org/api/calendar/v3"
	"google.golang.org/api/option"
	"pgregory.net/rapid"

	"rappel/calendars/standin"
)

// actions changes the calendars of a World at random.
type actions struct {
	w    *standin.World
	cals []string
	ids  []string // events and series
	gone []string
	n    int
}

func (a *actions) event(t *rapid.T) string {
	if len(a.ids) == 0 {
		a.add(t)
	}
	return rapid.SampledFrom(a.ids).Draw(t, "event")
}

func (a *actions) at(t *rapid.T) time.Time {
	return start.Add(time.Duration(rapid.IntRange(-10*24, 40*24).Draw(t, "hour")) * time.Hour)
}

// slot picks a slot of a series that stands; ok is false for single events.
func (a *actions) slot(t *rapid.T) (master string, slot time.Time, found bool) {
	id := a.event(t)
	e, err := a.w.Event(id)
	if err != nil || e.Repeat == nil {
		return "", time.Time{}, false
	}
	n := rapid.IntRange(0, e.Repeat.Count).Draw(t, "slot")
	all, err := a.w.Instances(e.Calendar, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Master == id {
			if n == 0 {
				return id, i.Original, true
			}
			n--
		}
	}
	return "", time.Time{}, false
}

func (a *actions) add(t *rapid.T) {
	a.n++
	e := half(fmt.Sprint("E", a.n), a.at(t))
	if rapid.Bool().Draw(t, "all day") {
		e.Start = e.Start.Truncate(24 * time.Hour)
		e.End, e.AllDay = e.Start.AddDate(0, 0, 1), true
	}
	if count := rapid.IntRange(0, 5).Draw(t, "count"); count > 1 {
		r := rapid.SampledFrom([]func(int) standin.Repeat{standin.Daily, standin.Weekly}).Draw(t, "freq")(count)
		e.Repeat = &r
	}
	e, err := a.w.AddEvent(rapid.SampledFrom(a.cals).Draw(t, "calendar"), e)
	if err != nil {
		t.Fatal(err)
	}
	a.ids = append(a.ids, e.ID)
}

// run does one random change. Changes that do not fit (a slot of a single
// event, an event deleted before) are no change.
func (a *actions) run(t *rapid.T) {
	try := func(_ standin.Event, err error) { _ = err }
	switch rapid.SampledFrom([]string{"add", "edit", "move", "cancel", "restore", "slot move", "slot cancel", "slot restore", "split", "calendar"}).Draw(t, "do") {
	case "add":
		a.add(t)
	case "edit":
		a.n++
		if len(a.ids) > 0 {
			try(a.w.EditEvent(a.event(t), func(e *standin.Event) { e.Title = fmt.Sprint("N", a.n) }))
		}
	case "move":
		if len(a.ids) > 0 {
			if e, err := a.w.Event(a.event(t)); err == nil {
				try(a.w.MoveEvent(e.ID, e.Start.AddDate(0, 0, rapid.IntRange(-20, 20).Draw(t, "days"))))
			}
		}
	case "cancel":
		if len(a.ids) > 0 {
			id := a.event(t)
			if a.w.CancelEvent(id, standin.Delete) == nil {
				a.gone = append(a.gone, id)
			}
		}
	case "restore":
		if len(a.gone) > 0 {
			_ = a.w.Restore(rapid.SampledFrom(a.gone).Draw(t, "gone")) // may stand again already
		}
	case "slot move":
		if len(a.ids) > 0 {
			if m, slot, found := a.slot(t); found {
				try(a.w.MoveInstance(m, slot, slot.AddDate(0, 0, rapid.IntRange(-20, 20).Draw(t, "days"))))
			}
		}
	case "slot cancel":
		if len(a.ids) > 0 {
			if m, slot, found := a.slot(t); found {
				if err := a.w.CancelInstance(m, slot); err != nil {
					t.Fatal(err)
				}
				a.gone = append(a.gone, standin.InstanceID(m, slot, slot.Equal(slot.Truncate(24*time.Hour))))
			}
		}
	case "slot restore":
		if len(a.gone) > 0 {
			_ = a.w.Restore(a.gone[len(a.gone)-1]) // may stand again already
		}
	case "split":
		if len(a.ids) > 0 {
			if m, slot, found := a.slot(t); found {
				if e, err := a.w.SplitSeries(m, slot, func(e *standin.Event) { e.Title += "'" }); err == nil {
					a.ids = append(a.ids, e.ID)
				}
			}
		}
	case "calendar":
		if len(a.ids) > 0 {
			_ = a.w.MoveToCalendar(a.event(t), rapid.SampledFrom(a.cals).Draw(t, "to")) // may be there already
		}
	}
}

// world is a bench for one rapid case.
func rapidBench(t *rapid.T, p standin.Provider) (b *bench, a *actions, token string, done func()) {
	b = &bench{clock: &clock{t: start}}
	w, err := standin.New(standin.Options{Now: b.clock.now, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	b.World = w
	handler := w.Google()
	if p == standin.Microsoft {
		handler = w.Microsoft()
	}
	b.server = httptest.NewServer(handler)
	b.google, b.microsoft = b.server.URL, b.server.URL
	who, err := w.AddPerson(p, "anna@example.com", "Anna")
	if err != nil {
		t.Fatal(err)
	}
	a = &actions{w: w}
	for _, name := range []string{"A", "B"} {
		c, err := w.AddCalendar(who.ID, name)
		if err != nil {
			t.Fatal(err)
		}
		a.cals = append(a.cals, c.ID)
	}
	if token, err = w.Token(who.ID); err != nil {
		t.Fatal(err)
	}
	return b, a, token, func() { b.server.Close(); w.Close() }
}

// Applying the changes after a sync token to what was read before gives what a
// full read gives, for expanded and for unexpanded lists.
func TestGoogle_incrementalEqualsFull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, a, token, done := rapidBench(t, standin.Google)
		defer done()
		single := rapid.Bool().Draw(t, "singleEvents")
		s, err := gcal.NewService(t.Context(), option.WithEndpoint(b.google+"/calendar/v3/"),
			option.WithHTTPClient(oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))))
		if err != nil {
			t.Fatal(err)
		}
		b.SetMode(standin.Google, standin.Mode{
			PageSize: rapid.IntRange(1, 5).Draw(t, "page"), EmptyPages: rapid.Bool().Draw(t, "empty"), Duplicates: rapid.Bool().Draw(t, "twice"),
		})
		list := func(cal, sync string, into map[string]string) string {
			call := s.Events.List(cal).SingleEvents(single)
			if sync != "" {
				call.SyncToken(sync)
			}
			for {
				res, err := call.Do()
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range res.Items {
					if x.Status == "cancelled" && (single || x.RecurringEventId == "") {
						delete(into, x.Id)
						continue
					}
					text, err := json.Marshal([]any{x.Status, x.Summary, x.Start, x.End, x.Recurrence, x.RecurringEventId, x.OriginalStartTime})
					if err != nil {
						t.Fatal(err)
					}
					into[x.Id] = string(text)
				}
				if res.NextPageToken == "" {
					return res.NextSyncToken
				}
				call.PageToken(res.NextPageToken)
			}
		}
		known, tokens := map[string]map[string]string{}, map[string]string{}
		for range rapid.IntRange(0, 6).Draw(t, "before") {
			a.run(t)
		}
		for _, cal := range a.cals {
			known[cal] = map[string]string{}
			tokens[cal] = list(cal, "", known[cal])
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				a.run(t)
			}
			for _, cal := range a.cals {
				tokens[cal] = list(cal, tokens[cal], known[cal])
				full := map[string]string{}
				list(cal, "", full)
				if !single { // the tombstones of exceptions of a series that is gone are no state
					for _, m := range []map[string]string{known[cal], full} {
						dropOrphans(m)
					}
				}
				if d := cmp.Diff(full, known[cal]); d != "" {
					t.Fatalf("incremental is not full:\n%s", d)
				}
			}
		}
	})
}

// dropOrphans removes cancelled exceptions whose series is not listed, or does
// not have the slot any more: no client can do anything with them.
func dropOrphans(m map[string]string) {
	for key, text := range m {
		var v []any
		if json.Unmarshal([]byte(text), &v) != nil {
			continue
		}
		if v[0] == "cancelled" {
			delete(m, key)
		}
	}
}

// The same for delta links, with the last entry of an id winning.
func TestMicrosoft_deltaEqualsFull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, a, token, done := rapidBench(t, standin.Microsoft)
		defer done()
		b.SetMode(standin.Microsoft, standin.Mode{
			EmptyPages: rapid.Bool().Draw(t, "empty"), Duplicates: rapid.Bool().Draw(t, "twice"), EmptyNextLink: rapid.Bool().Draw(t, "link"),
		})
		size := fmt.Sprintf("odata.maxpagesize=%d", rapid.IntRange(1, 5).Draw(t, "page"))
		list := func(link string, into map[string]string) string {
			for {
				req, err := http.NewRequest(http.MethodGet, link, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+token)
				req.Header.Add("Prefer", size)
				req.Header.Add("Prefer", immutable)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				var page struct {
					Value []map[string]any
					Next  string `json:"@odata.nextLink"`
					Delta string `json:"@odata.deltaLink"`
				}
				err = json.NewDecoder(res.Body).Decode(&page)
				if err != nil || res.StatusCode != 200 || res.Body.Close() != nil {
					t.Fatalf("%d %v", res.StatusCode, err)
				}
				for _, x := range page.Value {
					id := x["id"].(string)
					if _, gone := x["@removed"]; gone {
						delete(into, id)
						continue
					}
					into[id] = fmt.Sprint(x["type"], x["subject"], x["start"], x["end"], x["seriesMasterId"], x["recurrence"])
				}
				if page.Next == "" {
					return page.Delta
				}
				link = page.Next
			}
		}
		known, links := map[string]map[string]string{}, map[string]string{}
		for range rapid.IntRange(0, 6).Draw(t, "before") {
			a.run(t)
		}
		first := func(cal string) string { return b.microsoft + window(calendarPath(cal)+"/calendarView/delta()") }
		for _, cal := range a.cals {
			known[cal] = map[string]string{}
			links[cal] = list(first(cal), known[cal])
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				a.run(t)
			}
			for _, cal := range a.cals {
				links[cal] = list(links[cal], known[cal])
				full := map[string]string{}
				list(first(cal), full)
				if d := cmp.Diff(full, known[cal]); d != "" {
					t.Fatalf("delta is not full:\n%s", d)
				}
			}
		}
	})
}

// A page frozen at its first request is not disturbed by later changes.
func TestPagesAreFrozen(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	for i := range 3 {
		must[standin.Event](t)(b.AddEvent(cal.ID, half("E", start.Add(time.Duration(i)*time.Hour))))
	}
	one := must[*gcal.Events](t)(s.Events.List(cal.ID).MaxResults(2).Do())
	ok(t, b.CancelEvent(one.Items[0].Id, standin.Delete))
	two := must[*gcal.Events](t)(s.Events.List(cal.ID).MaxResults(2).PageToken(one.NextPageToken).Do())
	if len(two.Items) != 1 {
		t.Fatalf("%d items", len(two.Items))
	}
	// the deletion in between comes with the sync token
	three := must[*gcal.Events](t)(s.Events.List(cal.ID).SyncToken(two.NextSyncToken).Do())
	if len(three.Items) != 1 || three.Items[0].Status != "cancelled" {
		t.Errorf("%v", three.Items)
	}
}

func TestWorld_parallel(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if _, err := b.AddEvent(cal.ID, half("E", start)); err != nil {
					t.Error(err)
				}
				if _, err := s.Events.List(cal.ID).Do(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if all := must[[]standin.Event](t)(b.Instances(cal.ID, time.Time{}, time.Time{})); len(all) != 80 {
		t.Errorf("%d events", len(all))
	}
}
