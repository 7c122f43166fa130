package standin_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"rappel/calendars/standin"
)

// clock is a clock a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a World behind real HTTP, both providers mounted under a prefix.
type bench struct {
	*standin.World
	clock             *clock
	server            *httptest.Server
	google, microsoft string
}

var start = time.Date(2026, 3, 23, 8, 0, 0, 0, time.UTC) // the Monday before the clocks change

// newBench starts a World; change may alter its options.
func newBench(t *testing.T, change ...func(*standin.Options)) *bench {
	t.Helper()
	b := &bench{clock: &clock{t: start}}
	opt := standin.Options{Now: b.clock.now, Seed: 1}
	for _, f := range change {
		f(&opt)
	}
	w, err := standin.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	b.World = w
	mux := http.NewServeMux()
	mux.Handle("/g/", http.StripPrefix("/g", w.Google()))
	mux.Handle("/m/", http.StripPrefix("/m", w.Microsoft()))
	mux.Handle("/p/", http.StripPrefix("/p", w.Page()))
	b.server = httptest.NewServer(mux)
	t.Cleanup(b.server.Close)
	t.Cleanup(w.Close)
	b.google, b.microsoft = b.server.URL+"/g", b.server.URL+"/m"
	w.SetBases(b.google, b.microsoft)
	return b
}

// must ends the test on an error and passes the value on.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// person adds somebody and returns him with his first own calendar.
func (b *bench) person(t *testing.T, p standin.Provider) (standin.Person, standin.Calendar) {
	t.Helper()
	who := must[standin.Person](t)(b.AddPerson(p, "anna@example.com", "Anna"))
	return who, must[standin.Calendar](t)(b.AddCalendar(who.ID, "Dr. Keller"))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// half makes a half-hour appointment.
func half(title string, at time.Time) standin.Event {
	return standin.Event{Title: title, Start: at, End: at.Add(30 * time.Minute)}
}
