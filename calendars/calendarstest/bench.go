package calendarstest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"rappel/calendars"
	"rappel/calendars/standin"
)

// Server is where an adapter under test finds its provider.
type Server struct {
	URL          string // in front of the provider's usual paths, no slash at the end
	ClientID     string
	ClientSecret string
	Now          func() time.Time
}

// Harness is one adapter under test.
type Harness struct {
	Side standin.Provider
	New  func(Server) calendars.Provider
}

// Run tries everything.
func Run(t *testing.T, h Harness) {
	t.Run("authority", func(t *testing.T) { runAuthority(t, h) })
	t.Run("calendars", func(t *testing.T) { runCalendars(t, h) })
	t.Run("bell", func(t *testing.T) { runBell(t, h) })
	t.Run("snapshot", func(t *testing.T) { runSnapshot(t, h) })
	t.Run("failures", func(t *testing.T) { runFailures(t, h) })
}

// start is the Monday before the clocks go forward in Europe.
var start = time.Date(2026, 3, 23, 8, 0, 0, 0, time.UTC)

const (
	zone     = "Europe/Zurich"
	email    = "praxis@example.com"
	redirect = "https://rappel.example/connect/callback"
	horizon  = 3 * 24 * time.Hour
	// secretWord stands in every title, place and text, and may stand in no error.
	secretWord = "Bernasconi"
)

// week is the window most tests read.
var week = calendars.Window{From: start, To: start.AddDate(0, 0, 14)}

// bench is an adapter, its server and one person with a calendar.
type bench struct {
	*standin.World
	t        *testing.T
	side     standin.Provider
	provider calendars.Provider
	server   *httptest.Server
	person   standin.Person
	cal      standin.Calendar

	mu  sync.Mutex
	now time.Time
}

func newBench(t *testing.T, h Harness) *bench {
	t.Helper()
	b := &bench{t: t, side: h.Side, now: start}
	client := standin.Client{ID: "rappel-client", Secret: "rappel-secret"}
	w, err := standin.New(standin.Options{Now: b.clock, Seed: 7, DefaultZone: zone, GoogleClient: client, MicrosoftClient: client})
	if err != nil {
		t.Fatal(err)
	}
	b.World = w
	handler := w.Google()
	if h.Side == standin.Microsoft {
		handler = w.Microsoft()
	}
	b.server = httptest.NewServer(handler)
	t.Cleanup(b.server.Close)
	t.Cleanup(w.Close)
	b.provider = h.New(Server{URL: b.server.URL, ClientID: client.ID, ClientSecret: client.Secret, Now: b.clock})
	b.person = must(w.AddPerson(h.Side, email, "Praxis am See"))(t)
	b.cal = w.Calendars(b.person.ID)[0]
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// must turns a result with an error into one without.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) ref() calendars.Ref { return calendars.Ref{Calendar: b.cal.ID, Zone: zone} }

// client authorises requests the way the core does.
func (b *bench) client() *http.Client {
	b.t.Helper()
	return bearer(must(b.Token(b.person.ID))(b.t))
}

func bearer(token string) *http.Client {
	return &http.Client{
		Transport:     &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// event adds a single event of an hour.
func (b *bench) event(title string, at time.Time) standin.Event {
	b.t.Helper()
	return must(b.AddEvent(b.cal.ID, standin.Event{
		Title: title + " " + secretWord, Location: "079 123 45 67", Start: at, End: at.Add(time.Hour),
	}))(b.t)
}

// key is the id under which the provider shows an event.
func (b *bench) key(id string) string {
	if b.side == standin.Microsoft {
		return standin.GraphID(id)
	}
	return id
}

func (b *bench) snapshot() []calendars.Instance {
	b.t.Helper()
	return must(b.provider.Reader.Snapshot(context.Background(), b.client(), b.ref(), week))(b.t).Instances
}

// find picks the instance of an event or slot out of a snapshot.
func (b *bench) find(list []calendars.Instance, id string) (calendars.Instance, bool) {
	i := slices.IndexFunc(list, func(x calendars.Instance) bool { return x.Key == b.key(id) })
	if i < 0 {
		return calendars.Instance{}, false
	}
	return list[i], true
}

func (b *bench) ring(cursor []byte) (calendars.Bell, error) {
	return b.provider.Reader.Changed(context.Background(), b.client(), b.ref(), cursor, b.clock(), horizon)
}

// arm makes a first cursor.
func (b *bench) arm() []byte {
	b.t.Helper()
	bell := must(b.ring(nil))(b.t)
	if !bell.Changed || bell.Cursor == nil {
		b.t.Fatalf("arming the bell = changed %v, cursor of %d bytes; want changed and a cursor", bell.Changed, len(bell.Cursor))
	}
	return bell.Cursor
}

// fault switches a fault of this side on.
func (b *bench) fault(spec standin.FaultSpec) *standin.Fault {
	b.t.Helper()
	spec.Provider = b.side
	return must(b.Fault(spec))(b.t)
}

// failed checks the kind of an error, and that it names no secret.
func (b *bench) failed(err, kind error) *calendars.Error {
	b.t.Helper()
	var out *calendars.Error
	if !errors.Is(err, kind) || !errors.As(err, &out) {
		b.t.Fatalf("error = %v, want %v in a *calendars.Error", err, kind)
	}
	if out.Provider != b.provider.Name || out.Op == "" {
		b.t.Errorf("error names provider %q and operation %q", out.Provider, out.Op)
	}
	text := strings.ToLower(err.Error())
	for _, secret := range []string{secretWord, email, url.PathEscape(email), url.QueryEscape(email), "token=", "rappel-secret", "ya29.", "Bearer"} {
		if strings.Contains(text, strings.ToLower(secret)) {
			b.t.Errorf("the error text holds %q: %v", secret, err)
		}
	}
	return out
}

// api is a pattern for the requests of reading, as opposed to OAuth.
func (b *bench) api() string {
	if b.side == standin.Microsoft {
		return ` /v1\.0/`
	}
	return ` /calendar/v3/`
}
