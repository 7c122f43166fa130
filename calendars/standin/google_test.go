package standin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"
	gcal "google.golang.org/api/calendar/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"rappel/calendars/standin"
)

// client is the official client as person.
func (b *bench) client(t *testing.T, person string, scopes ...string) *gcal.Service {
	t.Helper()
	tok := must[string](t)(b.Token(person, scopes...))
	hc := oauth2.NewClient(context.Background(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: tok}))
	return must[*gcal.Service](t)(gcal.NewService(context.Background(),
		option.WithEndpoint(b.google+"/calendar/v3/"), option.WithHTTPClient(hc)))
}

// read follows every page of an events list.
func read(t *testing.T, call *gcal.EventsListCall) (items []*gcal.Event, sync string) {
	t.Helper()
	for range 1000 {
		res := must[*gcal.Events](t)(call.Do())
		items = append(items, res.Items...)
		if res.NextPageToken == "" {
			return items, res.NextSyncToken
		}
		if res.NextSyncToken != "" {
			t.Fatal("a sync token before the last page")
		}
		call.PageToken(res.NextPageToken)
	}
	t.Fatal("paging does not end")
	return nil, ""
}

func apiError(t *testing.T, err error, code int, reason string) {
	t.Helper()
	var e *googleapi.Error
	if !errors.As(err, &e) || e.Code != code || len(e.Errors) != 1 || e.Errors[0].Reason != reason {
		t.Fatalf("got %v, want %d %s", err, code, reason)
	}
}

func TestGoogle_syncTokens(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	ev := must[standin.Event](t)
	a := ev(b.AddEvent(cal.ID, half("A", start.Add(24*time.Hour))))
	weekly := ev(b.AddSeries(cal.ID, half("W", start.Add(26*time.Hour)), standin.Weekly(4)))
	b.SetMode(standin.Google, standin.Mode{PageSize: 1, EmptyPages: true})

	items, token := read(t, s.Events.List(cal.ID).TimeMin(start.Format(time.RFC3339)).SingleEvents(true))
	if len(items) != 5 || token == "" {
		t.Fatalf("%d items, token %q", len(items), token)
	}
	if got := items[2].Start.DateTime; got != "2026-03-31T11:00:00+02:00" {
		t.Errorf("the series does not keep its wall clock: second slot at %s", got)
	}
	items, token = read(t, s.Events.List(cal.ID).SyncToken(token).SingleEvents(true))
	if len(items) != 0 {
		t.Fatalf("nothing changed, but %d items came", len(items))
	}
	ok(t, b.CancelEvent(a.ID, standin.Delete))
	ok(t, b.CancelInstance(weekly.ID, weekly.Start))
	items, _ = read(t, s.Events.List(cal.ID).SyncToken(token).SingleEvents(true))
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	for _, x := range items {
		if x.Status != "cancelled" || x.Start != nil || x.Summary != "" {
			t.Errorf("a tombstone says more than it must: %+v", x)
		}
	}
	_, err := s.Events.List(cal.ID).SyncToken(token).Do()
	apiError(t, err, http.StatusBadRequest, "invalid")
	_, err = s.Events.List(cal.ID).SyncToken(token).SingleEvents(true).TimeMin(start.Format(time.RFC3339)).Do()
	apiError(t, err, http.StatusBadRequest, "invalid")
	ok(t, b.SetRole(cal.ID, standin.RoleReader))
	_, err = s.Events.List(cal.ID).SyncToken(token).SingleEvents(true).Do()
	apiError(t, err, http.StatusGone, "fullSyncRequired")
}

// A slot that was deleted and restored is as its series has it again. Who reads the
// series unexpanded must hear of both.
func TestGoogle_restoredInstance(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	weekly := must[standin.Event](t)(b.AddSeries(cal.ID, half("W", start.Add(26*time.Hour)), standin.Weekly(4)))
	_, token := read(t, s.Events.List(cal.ID))
	for _, step := range []struct {
		do     func(string, time.Time) error
		status string
	}{{b.CancelInstance, "cancelled"}, {b.RestoreInstance, "confirmed"}} {
		ok(t, step.do(weekly.ID, weekly.Start))
		var items []*gcal.Event
		if items, token = read(t, s.Events.List(cal.ID).SyncToken(token)); len(items) != 1 || items[0].Status != step.status {
			t.Fatalf("%s: %d items", step.status, len(items))
		}
	}
}
