package calendars

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/time/rate"
)

// DueKind is the kind of this package's work in the due table.
const DueKind = "sync"

// What binds the timing of reads. Sources: facts of both providers; see doc.go.
const (
	UnreachableAfter = 3 * time.Hour // without a successful read: the clinic is told

	windowMargin     = 48 * time.Hour // a snapshot looks this much further than the horizon
	edgeMargin       = 24 * time.Hour // and is renewed when this little of the margin is left
	maxAgeTrusted    = 24 * time.Hour // of a snapshot where the doorbell can be trusted
	maxAgeDoubtful   = 6 * time.Hour  // and where it can't
	listEvery        = 24 * time.Hour
	listRetry        = time.Hour        // after a failed listing, or while a watched calendar can't be read
	longestRetry     = 24 * time.Hour   // a provider asking us to stay away longer is not believed
	stateLife        = 10 * time.Minute // of a sign-in under way
	accessMargin     = time.Minute      // an access token this close to its end is not used
	accessUnknown    = 5 * time.Minute  // life of an access token whose authority does not say
	exchangeTimeout  = 30 * time.Second // one call to a token endpoint
	persistTimeout   = time.Minute      // waiting for and holding a connection's row lock
	readTimeout      = 3 * time.Minute  // one bell and snapshot, all pages
	requestTimeout   = 45 * time.Second // one HTTP request to a provider
	accountTurn      = 5 * time.Minute  // an account's calendars, before the next account has its turn
	graceAfterStop   = 20 * time.Second // to finish what is in hand
	afterOwnTrouble  = time.Minute      // before an account is tried again when the database failed us
	putsPerStatement = 1000

	// Each refresh holds a connection to the database while it waits for the authority:
	// one that hangs must leave the others to those who log in and to reminders.
	refreshesAtOnce = 4 // per provider
)

// Config is what a Connector and a Syncer stand on. Fields without a default must be
// set.
type Config struct {
	DB        *sqlx.DB // of the owner for a Syncer; that of the web will do for a Connector
	Sealer    Sealer
	Providers []Provider
	Sink      Sink
	Quota     Quota  // nil = any number of calendars may be read
	BaseURL   string // ours, as browsers reach it; the callback is <BaseURL>/connect/<provider>/callback

	Transport  http.RoundTripper                      // to the providers' calendars; nil = one of its own
	Now        func() time.Time                       // nil = time.Now
	Log        *slog.Logger                           // nil = slog.Default()
	Alarm      func(ctx context.Context, kind string) // for the operator, beside the log; nil = only the log
	Meter      Meter                                  // nil = nothing is counted
	Rand       func() float64                         // [0,1), for backoff; nil = math/rand/v2
	Workers    int                                    // accounts worked on at once; 0 = 8
	Reads      int                                    // calendars read at once, over all accounts; 0 = 16
	Lease      time.Duration                          // of an account, renewed while it is worked on; 0 = 30 s
	Patience   time.Duration                          // with one read on demand, whoever waits for it; 0 = 45 s
	Pause      time.Duration                          // between two looks for due work; 0 = 1 s
	MinHorizon time.Duration                          // how far ahead the clinic sees its appointments at least; 0 = 7 days
	Steady     bool                                   // poll at the cron's own pace, night and day, busy or not
}

// house is what Connector and Syncer share.
type house struct {
	Config
	providers map[string]Provider
	limits    map[string]*rate.Limiter
	grants    map[string]chan struct{} // refreshes under way, by provider
	refreshes gates[ConnectionRef]
	reads     gates[ConnectionRef]
}

func newHouse(c Config) *house {
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 32
		c.Transport = t
	}
	clock := c.Now
	if clock == nil {
		clock = time.Now
	}
	// PostgreSQL keeps microseconds: an instant must compare equal after it was stored.
	c.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	c.Workers = orElse(c.Workers, 8)
	c.Reads = orElse(c.Reads, 16)
	c.Lease = orElse(c.Lease, 30*time.Second)
	c.Patience = orElse(c.Patience, 45*time.Second)
	c.Pause = orElse(c.Pause, time.Second)
	c.MinHorizon = orElse(c.MinHorizon, 7*24*time.Hour)
	h := &house{Config: c, providers: make(map[string]Provider), limits: make(map[string]*rate.Limiter), grants: make(map[string]chan struct{})}
	for _, p := range c.Providers {
		h.providers[p.Name] = p
		h.grants[p.Name] = make(chan struct{}, refreshesAtOnce)
		if p.PerSecond > 0 {
			h.limits[p.Name] = rate.NewLimiter(rate.Limit(p.PerSecond), max(1, int(p.PerSecond)))
		}
	}
	return h
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (h *house) redirectURL(provider string) string {
	return strings.TrimSuffix(h.BaseURL, "/") + "/connect/" + provider + "/callback"
}

// alarm tells the operator what no clinic can solve.
func (h *house) alarm(ctx context.Context, kind string, attrs ...any) {
	h.Log.ErrorContext(ctx, "calendars: alarm", append([]any{slog.String("kind", kind)}, attrs...)...)
	if h.Alarm != nil {
		h.Alarm(ctx, kind)
	}
}

// client authorises every request with access.
func (h *house) client(provider, access string) *http.Client {
	return &http.Client{
		Transport: &bearer{base: h.Transport, access: access, limit: h.limits[provider]},
		Timeout:   requestTimeout,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bearer is a transport that adds an access token and keeps a provider's request
// budget.
type bearer struct {
	base   http.RoundTripper
	access string
	limit  *rate.Limiter
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.limit != nil {
		if err := b.limit.Wait(r.Context()); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // nothing was read from it, so its error says nothing
			}
			return nil, err
		}
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.access)
	return b.base.RoundTrip(r)
}
