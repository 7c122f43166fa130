package standin

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Client is an OAuth client a provider knows. Empty Redirects accept any
// absolute redirect URI.
type Client struct {
	ID        string
	Secret    string
	Redirects []string
}

// Options configure a World. The zero value works: the machine's clock, memory
// only, every client id and secret accepted.
type Options struct {
	Now         func() time.Time // nil: time.Now
	StateFile   string           // JSON, replaced atomically after each change; "" = memory only
	Log         *slog.Logger     // nil: silent
	DefaultZone string           // IANA zone of new calendars; "" = Europe/Zurich
	Seed        int64            // not 0: ids and tokens are reproducible

	// GoogleBase and MicrosoftBase are the URLs under which the handlers are
	// mounted, such as http://127.0.0.1:8081/google. They may be set later with
	// SetBases; empty ones are taken from the request's Host.
	GoogleBase    string
	MicrosoftBase string

	// GoogleClient and MicrosoftClient, when their ID is set, are the only OAuth
	// clients accepted.
	GoogleClient    Client
	MicrosoftClient Client

	// Outgoing delivers push notifications; nil means a client with a timeout of
	// 10 seconds.
	Outgoing *http.Client
}

// Mode switches lasting behaviour of one provider on; the zero value is the
// faithful server.
type Mode struct {
	NoSyncTokens bool // the last page carries no sync token or delta link
	NoTombstones bool // deleted things just vanish from every list
	PageSize     int  // at most so many items a page, whatever is asked; 0 = no extra limit
	EmptyPages   bool // every paged list begins with an empty page that has a next one
	Duplicates   bool // the first item of a change list comes twice, an outdated copy first

	SilentInstances bool // Graph: deleting one occurrence makes no delta entry
	EmptyNextLink   bool // Graph: the last delta page carries "@odata.nextLink": ""
}

type calendar struct {
	Calendar
	Events     map[string]*Event `json:"events"`
	Exceptions map[string]*Event `json:"exceptions"` // by instance id
	Tombs      map[string]*tomb  `json:"tombs"`
	Trash      map[string]*Event `json:"trash"` // for Restore
	Epoch      int               `json:"epoch"` // sync tokens of an older epoch are 410
	Seq        uint64            `json:"seq"`   // last change of the calendar's own properties
	Deleted    bool              `json:"deleted,omitempty"`
}

// World is what both servers serve: people, their calendars and events, the
// grants they gave and the notifications they asked for. It is safe for
// concurrent use.
type World struct {
	opt Options
	log *slog.Logger

	mu        sync.Mutex
	seq       uint64 // grows with every change; sync tokens and delta links carry it
	serial    uint64 // makes ids
	people    map[string]*Person
	calendars map[string]*calendar
	auth      authState
	channels  map[string]*channel
	subs      map[string]*subscription
	modes     map[Provider]Mode
	lists     lists

	faultMu sync.Mutex
	faults  []*Fault

	requests requestLog
	outbox   outbox
}

// New makes a World, from StateFile if it exists.
func New(opt Options) (*World, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.DefaultZone = cmp.Or(opt.DefaultZone, "Europe/Zurich")
	if _, err := time.LoadLocation(opt.DefaultZone); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if opt.Outgoing == nil {
		opt.Outgoing = &http.Client{Timeout: 10 * time.Second}
	}
	w := &World{
		opt: opt, log: opt.Log,
		people: map[string]*Person{}, calendars: map[string]*calendar{},
		auth:     newAuthState(),
		channels: map[string]*channel{}, subs: map[string]*subscription{},
		modes: map[Provider]Mode{},
	}
	w.outbox.client = opt.Outgoing
	if err := w.load(); err != nil {
		return nil, err
	}
	return w, nil
}

// Close waits for notifications under way. The World stays readable.
func (w *World) Close() { w.Settle() }

// SetBases tells under which URLs the two handlers are reachable, for the
// links in replies. Empty keeps what was there.
func (w *World) SetBases(google, microsoft string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opt.GoogleBase = cmp.Or(google, w.opt.GoogleBase)
	w.opt.MicrosoftBase = cmp.Or(microsoft, w.opt.MicrosoftBase)
}

// SetMode switches lasting behaviour of one provider.
func (w *World) SetMode(p Provider, m Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.modes[p] = m
}

// SetClient replaces the OAuth client p accepts, for example to make the
// clinic's secret wrong.
func (w *World) SetClient(p Provider, c Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p == Google {
		w.opt.GoogleClient = c
	} else {
		w.opt.MicrosoftClient = c
	}
}

// client is the configured client of p; w.mu is held.
func (w *World) client(p Provider) Client {
	if p == Google {
		return w.opt.GoogleClient
	}
	return w.opt.MicrosoftClient
}

// base is the URL a handler is mounted at, without a slash at the end; w.mu is held.
func (w *World) base(p Provider, r *http.Request) string {
	b := w.opt.GoogleBase
	if p == Microsoft {
		b = w.opt.MicrosoftBase
	}
	if b == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		b = scheme + "://" + r.Host
	}
	return strings.TrimSuffix(b, "/")
}

// bytes makes 32 fresh bytes: reproducible with a seed, random without;
// w.mu is held.
func (w *World) bytes(what string) []byte {
	w.serial++
	if w.opt.Seed == 0 {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails: the program ends when the system has no randomness
		return b
	}
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(w.opt.Seed))
	binary.BigEndian.PutUint64(n[8:], w.serial)
	sum := sha256.Sum256(append(n[:], what...))
	return sum[:]
}

// eventID makes an id in Google's alphabet, base32hex in lower case.
func (w *World) eventID() string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(w.bytes("event")[:16]))
}

func (w *World) hexID(what string, n int) string { return hex.EncodeToString(w.bytes(what)[:n]) }

func (w *World) uuid(what string) string {
	h := hex.EncodeToString(w.bytes(what)[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

// now is the World's clock in UTC.
func (w *World) now() time.Time { return w.opt.Now().UTC() }

// People lists everybody, by provider and e-mail.
func (w *World) People() []Person {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peopleOf("")
}

// peopleOf lists the people of p, or all for ""; w.mu is held.
func (w *World) peopleOf(p Provider) []Person {
	var out []Person
	for _, x := range w.people {
		if p == "" || x.Provider == p {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, func(a, b Person) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Email, b.Email))
	})
	return out
}

// Calendars lists the living calendars of a person, the primary first, then by name.
func (w *World) Calendars(person string) []Calendar {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Calendar
	for _, c := range w.calendarsOf(person) {
		if !c.Deleted {
			out = append(out, c.Calendar)
		}
	}
	return out
}

// calendarsOf includes deleted ones; w.mu is held.
func (w *World) calendarsOf(person string) []*calendar {
	var out []*calendar
	for _, c := range w.calendars {
		if c.Person == person {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *calendar) int {
		if a.Primary != b.Primary {
			if a.Primary {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Instances lists the appointments of a calendar that overlap [from, to), series
// expanded, by start. Zero bounds are open.
func (w *World) Instances(calendarID string, from, to time.Time) ([]Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.calendar(calendarID)
	if err != nil {
		return nil, err
	}
	return c.expand(overlaps(from, to)), nil
}

// Event finds one event, master or instance by id.
func (w *World) Event(id string) (Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, e, err := w.find(id)
	if err != nil {
		return Event{}, err
	}
	return *e, nil
}

// calendar finds a living calendar; w.mu is held.
func (w *World) calendar(id string) (*calendar, error) {
	if c, ok := w.calendars[id]; ok && !c.Deleted {
		return c, nil
	}
	return nil, fmt.Errorf("%w: calendar", ErrNotFound)
}

// find looks an event, master or instance up; the Event is a copy for
// instances that are no exceptions. w.mu is held.
func (w *World) find(id string) (*calendar, *Event, error) {
	for _, key := range slices.Sorted(maps.Keys(w.calendars)) {
		c := w.calendars[key]
		if c.Deleted {
			continue
		}
		if e, ok := c.lookup(id); ok {
			return c, e, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: event", ErrNotFound)
}

// lookup finds an event of one calendar; dropped instances are not found.
func (c *calendar) lookup(id string) (*Event, bool) {
	if e, ok := c.Events[id]; ok {
		return e, true
	}
	if x, ok := c.Exceptions[id]; ok {
		return x, !x.Dropped
	}
	master, original, ok := splitInstanceID(id)
	if !ok {
		return nil, false
	}
	m, ok := c.Events[master]
	if !ok || m.Repeat == nil {
		return nil, false
	}
	if slices.ContainsFunc(m.slots(), original.Equal) {
		i := m.instance(original)
		return &i, true
	}
	return nil, false
}
