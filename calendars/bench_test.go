package calendars

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"rappel/migrations/dbtest"
)

// morning is a Monday in Zurich, 09:00, before any night factor.
var morning = time.Date(2026, 6, 1, 7, 0, 0, 0, time.UTC)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

type tinkSealer struct{ tink.AEAD }

func (s tinkSealer) Seal(plain []byte, context string) ([]byte, error) {
	return s.Encrypt(plain, []byte(context))
}

func (s tinkSealer) Open(sealed []byte, context string) ([]byte, error) {
	return s.Decrypt(sealed, []byte(context))
}

var newSealer = sync.OnceValue(func() Sealer {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		panic(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		panic(err)
	}
	return tinkSealer{a}
})

// ledger is a Sink that writes what it hears to a table, so that it is undone with
// the transaction it was told in.
type ledger struct {
	mu      sync.Mutex
	horizon time.Duration
	fail    error
	last    []Change // of the last EventsChanged, committed or not
	cal     Calendar
}

const makeLedger = `CREATE TABLE heard (id bigint GENERATED ALWAYS AS IDENTITY, account_id bigint, calendar_id bigint, what text, key text);
	GRANT INSERT ON heard TO rappel_web`

func (l *ledger) write(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, what, key string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO heard (account_id, calendar_id, what, key) VALUES ($1, $2, $3, $4)`, cal.AccountID, cal.ID, what, key)
	return err
}

func (l *ledger) EventsChanged(ctx context.Context, tx *sqlx.Tx, cal Calendar, changes []Change, _ time.Time) error {
	l.mu.Lock()
	l.last, l.cal = changes, cal
	fail := l.fail
	l.mu.Unlock()
	for _, c := range changes {
		what := "changed"
		switch {
		case c.Event.ID == 0:
			return fmt.Errorf("event %q has no id", c.Event.Key)
		case c.Event.Gone != nil:
			what = "gone"
		case c.Before == nil:
			what = "new"
		}
		if err := l.write(ctx, tx, cal.Ref(), what, c.Event.Key); err != nil {
			return err
		}
	}
	return fail
}

func (l *ledger) CalendarStopped(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, why string, _ time.Time) error {
	return l.write(ctx, tx, cal, "stopped", why)
}

func (l *ledger) Horizon(context.Context, *sqlx.Tx, CalendarRef) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.horizon, nil
}

// bench is a clinic with everything around it.
type bench struct {
	testing.TB
	ctx    context.Context
	dsn    string
	db     *sqlx.DB
	clock  *clock
	fake   *fake
	sink   *ledger
	config Config
	store  *Store
	*Connector
	syncer *Syncer
	mu     sync.Mutex
	alarms []string
}

const account = 1

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{TB: t, ctx: t.Context(), dsn: dbtest.NewDSN(t), clock: &clock{t: morning}, sink: &ledger{}}
	b.db = dbtest.Open(t, b.dsn)
	b.exec(makeLedger)
	b.addAccount(account)
	b.fake = newFake(b.clock.now).add("main")
	b.config = Config{
		DB: b.db, Sealer: newSealer(), Providers: []Provider{b.fake.provider("fake")}, Sink: b.sink, BaseURL: "https://rappel.test",
		Transport: b.fake, Now: b.clock.now, Log: slog.New(slog.DiscardHandler), Rand: func() float64 { return 0.5 },
		Alarm: func(_ context.Context, kind string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.alarms = append(b.alarms, kind)
		},
	}
	for _, c := range change {
		c(&b.config)
	}
	b.store = NewStore(b.db, b.config.Sealer)
	b.Connector = NewConnector(b.config)
	b.syncer = NewSyncer(b.config)
	return b
}

func (b *bench) addAccount(id int64) {
	b.Helper()
	b.exec(`INSERT INTO accounts (account_id, business, created_at) VALUES ($1, 'Praxis', $2)`, id, morning)
}

func (b *bench) exec(query string, args ...any) {
	b.Helper()
	if _, err := b.db.Exec(query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// one reads a single value.
func one[T any](b *bench, query string, args ...any) (v T) {
	b.Helper()
	if err := b.db.Get(&v, query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	return v
}

func many[T any](b *bench, query string, args ...any) (v []T) {
	b.Helper()
	if err := b.db.Select(&v, query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	return v
}

// begin starts a sign-in and lets the fake's person consent; it returns the query of
// the callback.
func (b *bench) begin(reconnect int64) url.Values {
	b.Helper()
	to, err := b.Begin(b.ctx, account, "session", "fake", reconnect)
	b.ok(err)
	u, err := url.Parse(to)
	b.ok(err)
	b.fake.mu.Lock()
	defer b.fake.mu.Unlock()
	code := "code-" + u.Query().Get("state")
	b.fake.verifier[code] = u.Query().Get("v")
	return url.Values{"state": {u.Query().Get("state")}, "code": {code}}
}

func (b *bench) connect() Connection {
	b.Helper()
	f, err := b.Finish(b.ctx, account, "session", "fake", b.begin(0))
	b.ok(err)
	return f.Connection
}

// watching connects and watches the calendar with the provider's id ref.
func (b *bench) watching(refs ...string) (list []CalendarRef) {
	b.Helper()
	b.connect()
	for _, ref := range refs {
		cal := b.calendar(ref)
		b.ok(b.Watch(b.ctx, cal.Ref(), true))
		list = append(list, cal.Ref())
	}
	return list
}

func (b *bench) calendar(ref string) Calendar {
	b.Helper()
	list, err := b.store.Calendars(b.ctx, account)
	b.ok(err)
	i := slices.IndexFunc(list, func(c Calendar) bool { return c.ProviderRef == ref })
	if i < 0 {
		b.Fatalf("no calendar %q", ref)
	}
	return list[i]
}

func (b *bench) connection() Connection {
	b.Helper()
	list, err := b.store.Connections(b.ctx, account)
	b.ok(err)
	if len(list) != 1 {
		b.Fatalf("%d connections, want 1", len(list))
	}
	return list[0]
}

func (b *bench) tick() {
	b.Helper()
	if _, err := b.syncer.Tick(b.ctx); err != nil {
		b.Fatal(err)
	}
}

// poll makes the calendar's poll come due and does it.
func (b *bench) poll() {
	b.Helper()
	b.exec(`UPDATE calendars SET next_poll_at = $1 WHERE watched`, b.clock.now())
	b.exec(`UPDATE due SET due_at = $1`, b.clock.now())
	b.tick()
}

// heard returns and forgets what the Sink was told and was committed.
func (b *bench) heard() []string {
	b.Helper()
	list := many[string](b, `SELECT what || ' ' || key FROM heard ORDER BY what, key, id`)
	b.exec(`DELETE FROM heard`)
	return list
}

func (b *bench) wantHeard(want ...string) {
	b.Helper()
	if d := cmp.Diff(want, b.heard()); d != "" {
		b.Errorf("the Sink heard (-want +got):\n%s", d)
	}
}

// notices lists the open ones.
func (b *bench) wantNotices(want ...string) {
	b.Helper()
	got := many[string](b, `SELECT kind FROM notices WHERE resolved_at IS NULL ORDER BY kind`)
	if d := cmp.Diff(want, got); d != "" {
		b.Errorf("open notices (-want +got):\n%s", d)
	}
}

func (b *bench) wantAlarms(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := cmp.Diff(want, b.alarms); d != "" {
		b.Errorf("alarms (-want +got):\n%s", d)
	}
}

// events lists what stands in the database, by key.
func (b *bench) events() map[string]Event {
	b.Helper()
	list, err := b.store.Events(b.ctx, EventQuery{AccountID: account, WithGone: true})
	b.ok(err)
	m := make(map[string]Event)
	for _, e := range list {
		m[e.Key] = e
	}
	return m
}

// at makes an appointment of half an hour.
func at(key string, start time.Time, change ...func(*Instance)) Instance {
	i := Instance{Key: key, UID: key + "@test", Start: start, End: start.Add(30 * time.Minute), Kind: "default", Title: "Frau Muster 079 123 45 67", Location: "Praxis"}
	for _, c := range change {
		c(&i)
	}
	return i
}

// slot makes it an instance of a series.
func slot(uid string, original time.Time) func(*Instance) {
	return func(i *Instance) { i.UID, i.Occurrence = uid, original.UTC().Format("2006-01-02T15:04:05Z") }
}

// eitherFake routes a request to the fake whose token it carries.
type eitherFake [2]*fake

func (e eitherFake) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := e[0].RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		return e[1].RoundTrip(r)
	}
	return res, err
}

// beginAs starts a sign-in of another account at another fake.
func beginAs(b *bench, account int64, provider string, f *fake) url.Values {
	b.Helper()
	to, err := b.Begin(b.ctx, account, "session", provider, 0)
	b.ok(err)
	u, err := url.Parse(to)
	b.ok(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verifier["code"] = u.Query().Get("v")
	return url.Values{"state": {u.Query().Get("state")}, "code": {"code"}}
}
