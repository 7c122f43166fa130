package standin_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	gcal "google.golang.org/api/calendar/v3"

	"rappel/calendars/standin"
)

func TestFaults(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	for i := range 3 {
		must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start.Add(time.Duration(i)*time.Hour))))
	}
	fault := must[*standin.Fault](t)
	list := func() (*gcal.Events, error) { return s.Events.List(cal.ID).MaxResults(1).Do() }

	f := fault(b.Fault(standin.FaultSpec{Kind: standin.Respond, Status: 503, After: 1, Times: 1}))
	if _, err := list(); err != nil {
		t.Errorf("the first passes: %v", err)
	}
	_, err := list()
	apiError(t, err, 503, "backendError")
	if _, err = list(); err != nil || f.Hits() != 1 {
		t.Errorf("the third passes: %v", err)
	}
	f = fault(b.Fault(standin.Throttled(standin.Google, 30*time.Second, time.Time{})))
	_, err = list()
	apiError(t, err, 403, "rateLimitExceeded")
	f.Clear()
	for _, kind := range []standin.FaultKind{standin.Cut, standin.CutMiddle, standin.Garbage} {
		f = fault(b.Fault(standin.FaultSpec{Kind: kind}))
		if _, err = list(); err == nil {
			t.Errorf("%s: no error", kind)
		}
		f.Clear()
	}
	fault(b.Fault(standin.FaultSpec{Kind: standin.RepeatPage}))
	one := must[*gcal.Events](t)(list())
	two := must[*gcal.Events](t)(s.Events.List(cal.ID).MaxResults(1).PageToken(one.NextPageToken).Do())
	if two.NextPageToken != one.NextPageToken {
		t.Error("the token is not repeated")
	}
	b.ClearFaults()
	gate := make(chan struct{})
	f = fault(b.Fault(standin.FaultSpec{Path: "^GET /calendar/v3/calendars/.*/events", Kind: standin.Hold, Until: gate}))
	answered := make(chan error)
	go func() { _, err := list(); answered <- err }()
	<-f.Started()
	select {
	case <-answered:
		t.Error("answered while held")
	default:
	}
	close(gate)
	ok(t, <-answered)
	if n := b.Count(standin.Google, `^GET /calendar/v3/.*/events\?.*pageToken=`); n != 1 {
		t.Errorf("%d requests logged", n)
	}
	if _, err := b.Fault(standin.FaultSpec{Kind: standin.Hold}); err == nil {
		t.Error("a hold without an end is accepted")
	}
	if _, err := b.Fault(standin.FaultSpec{Kind: standin.Cut, Path: "("}); err == nil {
		t.Error("a broken pattern is accepted")
	}
}

func TestFaults_microsoft(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	g := b.graph(t, who.ID)
	for range 3 {
		must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start.Add(time.Hour))))
	}
	view := window(calendarPath(cal.ID)+"/calendarView") + "&$top=1"
	fault := must[*standin.Fault](t)
	fault(b.Fault(standin.FaultSpec{Kind: standin.ForeignLink, Times: 1}))
	_, d := g.do(t, "GET", view, "")
	if u := must[*url.URL](t)(url.Parse(d["@odata.nextLink"].(string))); u.Host != "evil.example" {
		t.Errorf("link %s", u)
	}
	fault(b.Fault(standin.FaultSpec{Kind: standin.RepeatPage, Times: 2}))
	_, d = g.do(t, "GET", view, "")
	link := d["@odata.nextLink"].(string)
	if _, d = g.do(t, "GET", link, ""); must[*url.URL](t)(url.Parse(d["@odata.nextLink"].(string))).RawQuery != must[*url.URL](t)(url.Parse(link)).RawQuery {
		t.Errorf("%s is not %s again", d["@odata.nextLink"], link)
	}
	at := b.clock.now().Add(time.Minute)
	fault(b.Fault(standin.Throttled(standin.Microsoft, 0, at)))
	res, d := g.do(t, "GET", "/v1.0/me", "")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != at.Format(http.TimeFormat) || d["error"].(doc)["code"] != "ApplicationThrottled" {
		t.Errorf("%d %v %v", res.StatusCode, res.Header, d)
	}
	b.ClearFaults()
	fault(b.Fault(standin.CursorGone(standin.Microsoft)))
	_, last := g.pages(t, window(calendarPath(cal.ID)+"/calendarView/delta"))
	res, d = g.do(t, "GET", last["@odata.deltaLink"].(string), "")
	if res.StatusCode != 404 || d["error"].(doc)["code"] != "syncStateNotFound" {
		t.Errorf("%d %v", res.StatusCode, d)
	}
}

func TestFaults_tokenEndpoint(t *testing.T) {
	b := newBench(t)
	b.person(t, standin.Google)
	b.person(t, standin.Microsoft)
	for _, p := range []standin.Provider{standin.Google, standin.Microsoft} {
		conf, v := b.config(p), oauth2.GenerateVerifier()
		to := must[string](t)(b.Approve(p, conf.AuthCodeURL("s", oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(v)), standin.Decision{}))
		tok := must[*oauth2.Token](t)(conf.Exchange(context.Background(), must[*url.URL](t)(url.Parse(to)).Query().Get("code"), oauth2.VerifierOption(v)))
		for code, spec := range map[string]standin.FaultSpec{"temporarily_unavailable": standin.TokenDown(p), "invalid_client": standin.WrongSecret(p)} {
			f := must[*standin.Fault](t)(b.Fault(spec))
			_, err := conf.TokenSource(context.Background(), &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
			retrieve(t, err, code, "")
			f.Clear()
		}
	}
}

func TestMode_noTokensNoTombstones(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	b.SetMode(standin.Google, standin.Mode{NoSyncTokens: true, NoTombstones: true})
	e := must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start)))
	w := must[standin.Event](t)(b.AddSeries(cal.ID, half("W", start), standin.Weekly(3)))
	_, token := read(t, s.Events.List(cal.ID))
	if token != "" {
		t.Error("a sync token came")
	}
	ok(t, b.CancelEvent(e.ID, standin.Delete))
	ok(t, b.CancelInstance(w.ID, w.Start))
	items, _ := read(t, s.Events.List(cal.ID).ShowDeleted(true).SingleEvents(true))
	if len(items) != 2 {
		t.Errorf("%d items", len(items))
	}
	res, err := s.CalendarList.List().Do()
	ok(t, err)
	if res.NextSyncToken != "" || len(res.Items) != 2 {
		t.Errorf("%+v", res)
	}
}

// The fields mask is honoured: who forgets nextPageToken does not get it.
func TestGoogle_fields(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	for range 2 {
		must[standin.Event](t)(b.AddEvent(cal.ID, standin.Event{Title: "A", Location: "079 555 01 12", Start: start, End: start}))
	}
	res := must[*gcal.Events](t)(s.Events.List(cal.ID).MaxResults(1).Fields("items(id,start/dateTime)").Do())
	x := res.Items[0]
	if res.NextPageToken != "" || x.Id == "" || x.Summary != "" || x.Start.DateTime == "" || x.Start.TimeZone != "" {
		t.Errorf("%+v %+v", res, x)
	}
	_, err := s.Events.List(cal.ID).Fields("items(id").Do()
	apiError(t, err, 400, "invalid")
}

func TestGoogle_roles(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s := b.client(t, who.ID)
	must[standin.Event](t)(b.AddEvent(cal.ID, standin.Event{Title: "A", Private: true, Declined: true, Start: start, End: start.Add(time.Hour)}))
	items, _ := read(t, s.Events.List(cal.ID))
	if items[0].Summary != "A" || items[0].Attendees[0].ResponseStatus != "declined" || !items[0].Attendees[0].Self {
		t.Errorf("owner: %+v", items[0])
	}
	ok(t, b.SetRole(cal.ID, standin.RoleReader))
	if items, _ = read(t, s.Events.List(cal.ID)); items[0].Summary != "" || items[0].Visibility != "private" {
		t.Errorf("reader: %+v", items[0])
	}
	ok(t, b.SetRole(cal.ID, standin.NoRole))
	_, err := s.Events.List(cal.ID).Do()
	apiError(t, err, 404, "notFound")
	list := must[*gcal.CalendarList](t)(s.CalendarList.List().Do())
	if len(list.Items) != 1 || !strings.Contains(list.Items[0].Id, "@") || !list.Items[0].Primary {
		t.Errorf("%+v", list.Items)
	}
	if _, err = s.Events.List(list.Items[0].Id).Do(); err != nil { // '@' goes out as %40
		t.Error(err)
	}
	if b.Count(standin.Google, `/calendars/anna%40example\.com/events`) != 1 {
		t.Error("the path was not percent-encoded")
	}
}
