package standin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars/standin"
)

type doc = map[string]any

// graph is a raw Graph client.
type graph struct {
	b     *bench
	token string
}

func (b *bench) graph(t *testing.T, person string) graph {
	t.Helper()
	return graph{b, must[string](t)(b.Token(person))}
}

// do sends one request; path is absolute or below the Microsoft base.
func (g graph) do(t *testing.T, method, path, body string, prefer ...string) (*http.Response, doc) {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = g.b.microsoft + path
	}
	req := must[*http.Request](t)(http.NewRequest(method, path, strings.NewReader(body)))
	req.Header.Set("Authorization", "Bearer "+g.token)
	for _, p := range prefer {
		req.Header.Add("Prefer", p)
	}
	res := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer func() { ok(t, res.Body.Close()) }()
	raw := must[[]byte](t)(io.ReadAll(res.Body))
	var d doc
	if len(raw) > 0 {
		ok(t, json.Unmarshal(raw, &d))
	}
	return res, d
}

// pages follows nextLinks to the end and returns the items and the last page.
func (g graph) pages(t *testing.T, path string, prefer ...string) (items []doc, last doc) {
	t.Helper()
	for range 1000 {
		res, d := g.do(t, http.MethodGet, path, "", prefer...)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, res.StatusCode, d)
		}
		for _, x := range d["value"].([]any) {
			items = append(items, x.(doc))
		}
		next, _ := d["@odata.nextLink"].(string)
		if next == "" {
			return items, d
		}
		path = next
	}
	t.Fatal("paging does not end")
	return nil, nil
}

const immutable = `IdType="ImmutableId"`

func window(path string) string {
	return path + "?startDateTime=2026-03-23T00:00:00Z&endDateTime=2026-04-20T00:00:00Z"
}

func calendarPath(id string) string { return "/v1.0/me/calendars/" + url.PathEscape(id) }

func TestMicrosoft_calendarView(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	g := b.graph(t, who.ID)
	ev := must[standin.Event](t)
	ev(b.AddSeries(cal.ID, half("W", start.Add(26*time.Hour)), standin.Weekly(3)))
	ev(b.AddEvent(cal.ID, standin.Event{Title: "Frei", AllDay: true, Start: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)}))
	items, _ := g.pages(t, window(calendarPath(cal.ID)+"/calendarView")+"&$top=2&$select=subject,start,end,isAllDay,type,createdDateTime", immutable)
	var got []string
	for _, x := range items {
		got = append(got, strings.Join([]string{
			x["subject"].(string), x["type"].(string), x["start"].(doc)["dateTime"].(string), x["start"].(doc)["timeZone"].(string),
		}, " "))
		if _, there := x["createdDateTime"]; there {
			t.Error("createdDateTime is not to be had with $select")
		}
		if _, there := x["body"]; there {
			t.Error("$select is ignored")
		}
	}
	want := []string{
		"W occurrence 2026-03-24T10:00:00.0000000 UTC",
		"Frei singleInstance 2026-03-29T00:00:00.0000000 UTC",
		"W occurrence 2026-03-31T09:00:00.0000000 UTC",
		"W occurrence 2026-04-07T09:00:00.0000000 UTC",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	res, d := g.do(t, http.MethodGet, calendarPath(cal.ID)+"/calendarView", "")
	if res.StatusCode != 400 || d["error"].(doc)["code"] != "ErrorInvalidParameter" {
		t.Errorf("without a window: %d %v", res.StatusCode, d)
	}
	res, d = graph{b, "nope"}.do(t, http.MethodGet, "/v1.0/me", "")
	if res.StatusCode != 401 || d["error"].(doc)["code"] != "InvalidAuthenticationToken" {
		t.Errorf("with a wrong token: %d %v", res.StatusCode, d)
	}
}

func TestMicrosoft_deltaSpellings(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	g := b.graph(t, who.ID)
	must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start.Add(24*time.Hour))))
	for _, name := range []string{"delta", "delta()", "delta%28%29", "microsoft.graph.delta()", "microsoft.graph.delta%28%29"} {
		items, last := g.pages(t, window(calendarPath(cal.ID)+"/calendarView/"+name), immutable)
		if len(items) != 1 {
			t.Fatalf("%s: %d items", name, len(items))
		}
		link, _ := last["@odata.deltaLink"].(string)
		if !strings.HasPrefix(link, b.microsoft+calendarPath(cal.ID)+"/calendarView/delta?") {
			t.Fatalf("%s: link %s", name, link)
		}
		if items, _ = g.pages(t, link, immutable); len(items) != 0 {
			t.Errorf("%s: nothing changed, but %d items came", name, len(items))
		}
	}
}

func TestMicrosoft_deltaOddities(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	g := b.graph(t, who.ID)
	ev := must[standin.Event](t)
	weekly := ev(b.AddSeries(cal.ID, half("W", start.Add(-7*24*time.Hour)), standin.Weekly(6)))
	delta := window(calendarPath(cal.ID) + "/calendarView/delta")
	items, last := g.pages(t, delta, immutable, "odata.maxpagesize=2")
	if len(items) != 5 || items[0]["type"] != "seriesMaster" || items[0]["start"].(doc)["dateTime"] != "2026-03-16T08:00:00.0000000" {
		t.Fatalf("want the master with its first occurrence's time and four stubs, got %v", items)
	}
	for _, x := range items[1:] {
		if _, there := x["subject"]; there || x["type"] != "occurrence" || x["seriesMasterId"] != items[0]["id"] {
			t.Errorf("not a stub: %v", x)
		}
	}
	// outside the range: told of as removed
	ev(b.AddEvent(cal.ID, half("far", start.AddDate(1, 0, 0))))
	items, last = g.pages(t, last["@odata.deltaLink"].(string), immutable)
	if len(items) != 1 || items[0]["@removed"].(doc)["reason"] != "deleted" {
		t.Errorf("an event outside the range: %v", items)
	}
	// deletion of one occurrence: silent when switched on
	b.SetMode(standin.Microsoft, standin.Mode{SilentInstances: true, EmptyNextLink: true})
	ok(t, b.CancelInstance(weekly.ID, weekly.Start.AddDate(0, 0, 7)))
	items, last = g.pages(t, last["@odata.deltaLink"].(string), immutable)
	if len(items) != 0 {
		t.Errorf("the deletion is not silent: %v", items)
	}
	if next, there := last["@odata.nextLink"]; !there || next != "" {
		t.Error("no empty nextLink")
	}
	// the same item twice, the last one wins
	b.SetMode(standin.Microsoft, standin.Mode{Duplicates: true})
	one := ev(b.AddEvent(cal.ID, half("twice", start.Add(time.Hour))))
	items, last = g.pages(t, last["@odata.deltaLink"].(string), immutable)
	if len(items) != 2 || items[0]["subject"] != "(twice)" || items[1]["subject"] != "twice" || items[1]["id"] != standin.GraphID(one.ID) {
		t.Errorf("duplicates: %v", items)
	}
	link := last["@odata.deltaLink"].(string)
	ok(t, b.ExpireSyncTokens(cal.ID))
	res, d := g.do(t, http.MethodGet, link, "")
	if res.StatusCode != http.StatusGone || !strings.Contains(res.Header.Get("Location"), "/calendarView/delta?endDateTime=") {
		t.Errorf("expired: %d %s %v", res.StatusCode, res.Header.Get("Location"), d)
	}
	res, d = g.do(t, http.MethodGet, strings.Replace(link, "deltatoken=", "deltatoken=x", 1), "")
	if res.StatusCode != http.StatusNotFound || d["error"].(doc)["code"] != "syncStateNotFound" {
		t.Errorf("unknown: %d %v", res.StatusCode, d)
	}
	res, d = g.do(t, http.MethodGet, calendarPath(cal.ID)+"/calendarView/delta", "")
	if res.StatusCode != 400 || d["error"].(doc)["code"] != "ErrorInvalidParameter" {
		t.Errorf("missing range: %d %v", res.StatusCode, d)
	}
}
