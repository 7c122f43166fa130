package standin_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"

	"rappel/calendars/standin"
)

// page fetches the page and returns its HTML.
func (b *bench) page(t *testing.T, query string) string {
	t.Helper()
	res := must[*http.Response](t)(http.Get(b.server.URL + "/p/" + query))
	defer func() { ok(t, res.Body.Close()) }()
	if res.StatusCode != 200 {
		t.Fatalf("page: %d", res.StatusCode)
	}
	return string(must[[]byte](t)(io.ReadAll(res.Body)))
}

// submit posts a form of the page and returns the page it leads to.
func (b *bench) submit(t *testing.T, action string, form url.Values) (html string, at *url.URL) {
	t.Helper()
	res := must[*http.Response](t)(http.PostForm(b.server.URL+"/p/"+action, form))
	defer func() { ok(t, res.Body.Close()) }()
	if res.StatusCode != 200 {
		t.Fatalf("%s: %d", action, res.StatusCode)
	}
	return string(must[[]byte](t)(io.ReadAll(res.Body))), res.Request.URL
}

func has(t *testing.T, html string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(html, p) {
			t.Errorf("the page lacks %q", p)
		}
	}
}

func TestPage(t *testing.T) {
	b := newBench(t)
	_, cal := b.person(t, standin.Google)
	html := b.page(t, "")
	has(t, html, "Kalender-Attrappe", `id="add-`+cal.ID+`"`, `lang="de"`)
	has(t, b.page(t, "?lang=en"), "Calendar stand-in")

	html, at := b.submit(t, "add", url.Values{
		"calendar": {cal.ID}, "title": {"Kontrolle <b>"}, "location": {"079 555 01 12"}, "description": {"x"},
		"date": {"2026-03-30"}, "time": {"14:30"}, "minutes": {"45"}, "from": {"2026-03-23"},
	})
	if at.Path != "/p/" || at.Query().Get("problem") != "" {
		t.Errorf("went to %s", at)
	}
	all := must[[]standin.Event](t)(b.Instances(cal.ID, time.Time{}, time.Time{}))
	if len(all) != 1 || !all[0].Start.Equal(time.Date(2026, 3, 30, 12, 30, 0, 0, time.UTC)) || all[0].End.Sub(all[0].Start) != 45*time.Minute {
		t.Fatalf("%+v", all)
	}
	id := all[0].ID
	has(t, html, "Kontrolle &lt;b&gt;", "14:30–15:15", `id="move-`+id+`"`, `id="edit-`+id+`"`, `id="cancel-`+id+`"`)

	b.submit(t, "move", url.Values{"event": {id}, "calendar": {cal.ID}, "date": {"2026-03-31"}, "time": {"08:00"}})
	b.submit(t, "edit", url.Values{"event": {id}, "title": {"Neu"}, "location": {""}, "description": {""}})
	e := must[standin.Event](t)(b.Event(id))
	if !e.Start.Equal(time.Date(2026, 3, 31, 6, 0, 0, 0, time.UTC)) || e.Title != "Neu" || e.End.Sub(e.Start) != 45*time.Minute {
		t.Errorf("%+v", e)
	}
	html, _ = b.submit(t, "cancel", url.Values{"event": {id}})
	has(t, html, `id="restore-`+id+`"`)
	if _, err := b.Event(id); err == nil {
		t.Error("not cancelled")
	}
	b.submit(t, "restore", url.Values{"event": {id}})
	must[standin.Event](t)(b.Event(id))

	b.submit(t, "add", url.Values{"calendar": {cal.ID}, "title": {"Frei"}, "date": {"2026-03-29"}, "allday": {"1"}})
	b.submit(t, "add", url.Values{"calendar": {cal.ID}, "title": {"Serie"}, "date": {"2026-03-24"}, "time": {"09:00"}, "minutes": {"30"}, "weeks": {"3"}})
	all = must[[]standin.Event](t)(b.Instances(cal.ID, time.Time{}, time.Time{}))
	if len(all) != 5 || !all[1].AllDay {
		t.Fatalf("%d instances", len(all))
	}
	b.submit(t, "cancel", url.Values{"event": {all[0].ID}})
	b.submit(t, "cancel", url.Values{"event": {all[3].ID}, "series": {"1"}})
	if all = must[[]standin.Event](t)(b.Instances(cal.ID, time.Time{}, time.Time{})); len(all) != 2 {
		t.Errorf("%d instances left", len(all))
	}
	for problem, form := range map[string]url.Values{
		"title": {"calendar": {cal.ID}, "date": {"2026-03-24"}, "time": {"09:00"}},
		"when":  {"calendar": {cal.ID}, "title": {"A"}, "date": {"24.3."}, "time": {"09:00"}},
		"weeks": {"calendar": {cal.ID}, "title": {"A"}, "date": {"2026-03-24"}, "time": {"09:00"}, "weeks": {"x"}},
		"gone":  {"calendar": {"x"}, "title": {"A"}, "date": {"2026-03-24"}, "time": {"09:00"}},
	} {
		html, at := b.submit(t, "add", form)
		if at.Query().Get("problem") != problem {
			t.Errorf("%v: %s", form, at)
		}
		has(t, html, `id="problem"`)
	}
	// a foreign web page cannot use the forms
	req := must[*http.Request](t)(http.NewRequest("POST", b.server.URL+"/p/cancel", strings.NewReader("event="+id)))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res := must[*http.Response](t)(http.DefaultClient.Do(req))
	ok(t, res.Body.Close())
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("foreign page: %d", res.StatusCode)
	}
}

func TestSeedDemo(t *testing.T) {
	for day := range 7 { // whatever weekday the program starts on
		b := newBench(t)
		now := start.AddDate(0, 0, day)
		b.clock.add(time.Duration(day) * 24 * time.Hour)
		ok(t, b.SeedDemo(now))
		ok(t, b.SeedDemo(now)) // once only
		if len(b.People()) != 2 {
			t.Fatalf("%d people", len(b.People()))
		}
		for _, p := range b.People() {
			cals := b.Calendars(p.ID)
			if len(cals) != 2 {
				t.Errorf("%s has %d calendars", p.Email, len(cals))
			}
			for _, c := range cals {
				for _, e := range must[[]standin.Event](t)(b.Instances(c.ID, time.Time{}, time.Time{})) {
					if !e.Start.After(now) {
						t.Errorf("%s starts before now", e.Title)
					}
				}
			}
		}
	}
	b := newBench(t)
	ok(t, b.SeedDemo(start))
	mobiles := 0
	for _, p := range b.People() {
		for _, c := range b.Calendars(p.ID) {
			for _, e := range must[[]standin.Event](t)(b.Instances(c.ID, time.Time{}, time.Time{})) {
				for _, text := range []string{e.Location, e.Title[max(0, len(e.Title)-13):]} {
					n, err := phonenumbers.Parse(text, "CH")
					if err != nil {
						continue
					}
					if !phonenumbers.IsValidNumberForRegion(n, "CH") {
						t.Errorf("%q is no valid number", text)
					}
					if phonenumbers.GetNumberType(n) == phonenumbers.MOBILE {
						mobiles++
					}
				}
			}
		}
	}
	if mobiles < 10 {
		t.Errorf("only %d mobile numbers", mobiles)
	}
}

func TestStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	withFile := func(o *standin.Options) { o.StateFile = path }
	b := newBench(t, withFile)
	who, cal := b.person(t, standin.Google)
	e := must[standin.Event](t)(b.AddSeries(cal.ID, half("W", start), standin.Weekly(4)))
	must[standin.Event](t)(b.MoveInstance(e.ID, start, start.Add(time.Hour)))
	s := b.client(t, who.ID)
	before, token := read(t, s.Events.List(cal.ID))
	tok := must[string](t)(b.Token(who.ID))
	next := must[string](t)(b.Token(who.ID))

	again := newBench(t, withFile)
	if d := cmp.Diff(b.People(), again.People()); d != "" {
		t.Error(d)
	}
	s2 := again.client(t, who.ID)
	after, _ := read(t, s2.Events.List(cal.ID))
	if len(after) != len(before) || after[0].Id != before[0].Id || after[0].Etag != before[0].Etag {
		t.Errorf("%d and %d events", len(before), len(after))
	}
	if items, _ := read(t, s2.Events.List(cal.ID).SyncToken(token)); len(items) != 0 {
		t.Errorf("%d changes after a restart", len(items))
	}
	if fresh := must[string](t)(again.Token(who.ID)); fresh == tok || fresh == next {
		t.Error("a seeded World repeats tokens after a restart")
	}
	ok(t, os.WriteFile(path, []byte("{"), 0o600))
	if _, err := standin.New(standin.Options{StateFile: path}); err == nil {
		t.Error("a broken file is accepted")
	}
	if left := must[[]string](t)(filepath.Glob(filepath.Join(filepath.Dir(path), ".standin-*"))); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
