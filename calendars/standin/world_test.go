package standin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars/standin"
)

func utc(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 0, 0, time.UTC)
}

// starts lists "title start" of the instances of a calendar.
func (b *bench) starts(t *testing.T, cal string) []string {
	t.Helper()
	var out []string
	for _, e := range must[[]standin.Event](t)(b.Instances(cal, time.Time{}, time.Time{})) {
		out = append(out, e.Title+" "+e.Start.Format("01-02T15:04"))
	}
	return out
}

func TestSeries(t *testing.T) {
	b := newBench(t)
	_, cal := b.person(t, standin.Google)
	ev := must[standin.Event](t)
	want := func(lines ...string) {
		t.Helper()
		if d := cmp.Diff(lines, b.starts(t, cal.ID)); d != "" {
			t.Error(d)
		}
	}
	// the wall clock stays over 29 March: 09:00 CET is 08:00 UTC, CEST 07:00
	w := ev(b.AddSeries(cal.ID, half("W", utc(3, 24, 8, 0)), standin.Weekly(4)))
	want("W 03-24T08:00", "W 03-31T07:00", "W 04-07T07:00", "W 04-14T07:00")
	moved := ev(b.MoveInstance(w.ID, utc(3, 31, 7, 0), utc(4, 1, 10, 0)))
	if moved.Master != w.ID || !moved.Original.Equal(utc(3, 31, 7, 0)) || moved.ID != standin.InstanceID(w.ID, utc(3, 31, 7, 0), false) {
		t.Errorf("%+v", moved)
	}
	ok(t, b.CancelInstance(w.ID, utc(4, 7, 7, 0)))
	want("W 03-24T08:00", "W 04-01T10:00", "W 04-14T07:00")
	ok(t, b.RestoreInstance(w.ID, utc(4, 7, 7, 0)))
	// retime the whole series: the exception stays where it was moved to
	ev(b.MoveEvent(w.ID, utc(3, 24, 9, 30)))
	want("W 03-24T09:30", "W 04-01T10:00", "W 04-07T07:00", "W 04-14T08:30")
	// this and following, with new ids
	tail := ev(b.SplitSeries(w.ID, utc(4, 14, 8, 30), func(e *standin.Event) { e.Title = "X" }))
	if tail.ID == w.ID || !strings.HasPrefix(tail.ID, w.ID+"_R20260414T103000") || tail.UID == w.UID || tail.Repeat.Count != 1 {
		t.Errorf("%+v", tail)
	}
	want("W 03-24T09:30", "W 04-01T10:00", "W 04-07T07:00", "X 04-14T08:30")
	_, err := b.SplitSeries(w.ID, utc(3, 24, 9, 30), nil)
	if !errors.Is(err, standin.ErrInvalid) {
		t.Errorf("split at the first slot: %v", err)
	}
	ok(t, b.CancelEvent(w.ID, standin.Delete))
	want("X 04-14T08:30")
	ok(t, b.Restore(w.ID))
	want("W 03-24T09:30", "W 04-01T10:00", "W 04-07T07:00", "X 04-14T08:30")
}

func TestCancel_manners(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	ev := must[standin.Event](t)
	for _, tt := range []struct {
		how   standin.Manner
		items int
		title string
	}{
		{standin.Delete, 1, ""}, {standin.Vanish, 0, ""}, {standin.KeepDetails, 1, "A"}, {standin.MarkCancelled, 1, "A"},
	} {
		e := ev(b.AddEvent(cal.ID, half("A", start)))
		_, token := read(t, s.Events.List(cal.ID))
		ok(t, b.CancelEvent(e.ID, tt.how))
		items, _ := read(t, s.Events.List(cal.ID).SyncToken(token))
		if len(items) != tt.items || tt.items > 0 && (items[0].Status != "cancelled" || items[0].Summary != tt.title) {
			t.Errorf("%v: %v", tt.how, items)
		}
	}
	micro, mcal := b.person(t, standin.Microsoft)
	e := ev(b.AddEvent(mcal.ID, half("A", start)))
	ok(t, b.CancelEvent(e.ID, standin.MarkCancelled))
	items, _ := b.graph(t, micro.ID).pages(t, window(calendarPath(mcal.ID)+"/calendarView"))
	if len(items) != 1 || items[0]["isCancelled"] != true {
		t.Errorf("%v", items)
	}
	ok(t, b.Restore(e.ID))
	if e = ev(b.Event(e.ID)); e.Cancelled {
		t.Error("not restored")
	}
}

func TestMoveToCalendar(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	other := must[standin.Calendar](t)(b.AddCalendar(who.ID, "DH"))
	e := must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start)))
	g := b.graph(t, who.ID)
	view := func(id string, prefer ...string) []doc {
		items, _ := g.pages(t, window(calendarPath(id)+"/calendarView"), prefer...)
		return items
	}
	plain, fixed := view(cal.ID)[0]["id"].(string), view(cal.ID, immutable)[0]["id"].(string)
	ok(t, b.MoveToCalendar(e.ID, other.ID))
	if len(view(cal.ID)) != 0 || view(other.ID)[0]["id"] == plain || view(other.ID, immutable)[0]["id"] != fixed {
		t.Error("regular ids change with the folder, immutable ones do not")
	}
	res, d := g.do(t, "GET", "/v1.0/me/events/"+fixed+"?$select=body", "", `outlook.body-content-type="text"`, immutable)
	if res.StatusCode != 200 || d["body"].(doc)["contentType"] != "text" || d["subject"] != nil {
		t.Errorf("%d %v", res.StatusCode, d)
	}
	if res, _ = g.do(t, "GET", "/v1.0/me/events/"+plain, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("the old regular id: %d", res.StatusCode)
	}
}

func TestMicrosoft_body(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	text := "<p>" + strings.Repeat("x", 300) + "</p><p>Mobile&nbsp;079 555 01 12</p>"
	e := must[standin.Event](t)(b.AddEvent(cal.ID, standin.Event{Title: "A", Description: text, Start: start, End: start.Add(time.Hour)}))
	_, d := b.graph(t, who.ID).do(t, "GET", "/v1.0/me/events/"+standin.GraphID(e.ID), "", `IdType="ImmutableId", outlook.body-content-type="text"`)
	if n := len(d["bodyPreview"].(string)); n != 255 {
		t.Errorf("preview of %d characters", n)
	}
	if !strings.HasSuffix(d["body"].(doc)["content"].(string), "\u00a0079 555 01 12") || strings.Contains(d["body"].(doc)["content"].(string), "<") {
		t.Errorf("%q", d["body"])
	}
	_, d = b.graph(t, who.ID).do(t, "GET", "/v1.0/me/events/"+standin.GraphID(e.ID), "")
	if d["body"].(doc)["contentType"] != "html" {
		t.Errorf("%v", d["body"])
	}
}

func TestWorld_errors(t *testing.T) {
	b := newBench(t)
	_, cal := b.person(t, standin.Google)
	for name, err := range map[string]error{
		"no e-mail":      second(b.AddPerson(standin.Google, "x", "")),
		"twice":          second(b.AddPerson(standin.Google, "anna@example.com", "")),
		"ends before":    second(b.AddEvent(cal.ID, standin.Event{Start: start, End: start.Add(-1)})),
		"no start":       second(b.AddEvent(cal.ID, standin.Event{})),
		"odd all-day":    second(b.AddEvent(cal.ID, standin.Event{AllDay: true, Start: start, End: start.AddDate(0, 0, 1)})),
		"unknown zone":   second(b.AddEvent(cal.ID, standin.Event{Start: start, End: start, Zone: "Mars/Base"})),
		"odd recurrence": second(b.AddSeries(cal.ID, half("A", start), standin.Repeat{Freq: "HOURLY"})),
	} {
		if !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"event": b.CancelEvent("x", standin.Delete), "calendar": second(b.AddEvent("x", half("A", start))),
		"person": second(b.AddCalendar("x", "A")), "restore": b.Restore("x"), "token": second(b.Token("x")),
	} {
		if !errors.Is(err, standin.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSeedMakesIdsRepeat(t *testing.T) {
	ids := func(seed int64) []string {
		b := newBench(t, func(o *standin.Options) { o.Seed = seed })
		who, cal := b.person(t, standin.Google)
		e := must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start)))
		return []string{who.ID, cal.ID, e.ID, must[string](t)(b.Token(who.ID))}
	}
	if d := cmp.Diff(ids(3), ids(3)); d != "" {
		t.Error(d)
	}
	if cmp.Equal(ids(3), ids(4)) || cmp.Equal(ids(0), ids(0)) {
		t.Error("ids repeat without reason")
	}
}
