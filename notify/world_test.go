package notify_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
)

// epoch is a Monday morning in Zürich.
var epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

const patient = "+41791234567"

// clock is a clock that stands still until told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

// world is a database with one account, a clock, a carrier and what works on them.
type world struct {
	t       testing.TB
	dsn     string
	db      *sqlx.DB
	clock   *clock
	carrier *carrier
	outbox  *notify.Outbox
	store   *notify.Store
	seen    *observer

	unobserved bool // no Observer: what goes by the book is written without a look at it
	flights    *notify.Flights
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dsn: dbtest.NewDSN(t), clock: &clock{t: epoch}, seen: &observer{}}
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	w.db = dbtest.Open(t, dsn)
	w.carrier = newCarrier("one", 10)
	w.outbox, w.store = notify.NewOutbox(w.clock.Now), notify.NewStore(w.db)
	w.account(1)
	return w
}

func (w *world) account(id int64) {
	w.t.Helper()
	w.exec(`INSERT INTO accounts (account_id, business, created_at) VALUES ($1, 'Clinic', $2)`, id, epoch)
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Get(&n, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *world) config() notify.Config {
	cfg := notify.Config{DB: w.db, Carriers: []notify.Carrier{w.carrier}, Observer: w.seen, Now: w.clock.Now, Owner: fmt.Sprintf("p%d", nextOwner()), Flights: w.flights}
	if w.unobserved {
		cfg.Observer = nil
	}
	return cfg
}

var owners struct {
	sync.Mutex
	n int
}

func nextOwner() int {
	owners.Lock()
	defer owners.Unlock()
	owners.n++
	return owners.n
}

func (w *world) dispatcher(change func(*notify.Config)) *notify.Dispatcher {
	w.t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	d, err := notify.NewDispatcher(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) desk() *notify.Desk {
	w.t.Helper()
	d, err := notify.NewDesk(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) tick(d *notify.Dispatcher) {
	w.t.Helper()
	if _, err := d.Tick(context.Background()); err != nil {
		w.t.Fatalf("Tick: %v", err)
	}
}

var references struct {
	sync.Mutex
	n int
}

// message is a reminder that is worth something for another day.
func (w *world) message(change func(*notify.NewMessage)) notify.NewMessage {
	references.Lock()
	references.n++
	ref := fmt.Sprintf("ref-%d", references.n)
	references.Unlock()
	m := notify.NewMessage{AccountID: 1, Kind: notify.Notification, Reference: ref, Origin: notify.OriginReminder, OriginID: 7,
		Recipient: patient, Sender: "Praxis", Body: "Termin morgen 14:30 " + ref, Expires: w.clock.Now().Add(24 * time.Hour)}
	if change != nil {
		change(&m)
	}
	return m
}

func (w *world) enqueue(change func(*notify.NewMessage)) notify.MessageRef {
	w.t.Helper()
	m := w.message(change)
	var e notify.Enqueued
	err := migrations.InAccount(context.Background(), w.db, m.AccountID, func(tx *sqlx.Tx) (err error) {
		e, err = w.outbox.EnqueueTx(context.Background(), tx, m)
		return err
	})
	if err != nil {
		w.t.Fatalf("EnqueueTx: %v", err)
	}
	return notify.MessageRef{AccountID: m.AccountID, ID: e.ID}
}

func (w *world) withdraw(ref notify.MessageRef) bool {
	w.t.Helper()
	var ok bool
	err := migrations.InAccount(context.Background(), w.db, ref.AccountID, func(tx *sqlx.Tx) (err error) {
		ok, err = w.outbox.WithdrawTx(context.Background(), tx, ref, "cancelled", w.clock.Now())
		return err
	})
	if err != nil {
		w.t.Fatalf("WithdrawTx: %v", err)
	}
	return ok
}

func (w *world) get(ref notify.MessageRef) notify.Detail {
	w.t.Helper()
	d, err := w.store.Get(context.Background(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) wantStatus(ref notify.MessageRef, s notify.Status, r notify.Reason) {
	w.t.Helper()
	if d := w.get(ref); d.Status != s || d.Reason != r {
		w.t.Errorf("message %d is %v %q, want %v %q; history %v", ref.ID, d.Status, d.Reason, s, r, whats(d))
	}
}

func whats(d notify.Detail) string {
	var all []string
	for _, h := range d.History {
		all = append(all, string(h.What))
	}
	return strings.Join(all, " ")
}

func (w *world) receipt(d *notify.Desk, id string, s notify.Status, change func(*notify.Receipt)) {
	w.t.Helper()
	r := notify.Receipt{Carrier: w.carrier.name, CarrierID: id, Status: s, Code: "c" + id, At: w.clock.Now()}
	if change != nil {
		change(&r)
	}
	if err := d.Receipt(context.Background(), r); err != nil {
		w.t.Fatalf("Receipt: %v", err)
	}
}

// submission is one message that reached the carrier.
type submission struct {
	notify.Message
	ids []string
	err error
}

// carrier does what its script says, and remembers what it took.
type carrier struct {
	name   string
	window int
	script func(n int, m notify.Message) (notify.Submission, error) // nil: accepts, one id per segment

	mu    sync.Mutex
	calls []submission
	under int
	most  int
}

func newCarrier(name string, window int) *carrier { return &carrier{name: name, window: window} }

func (c *carrier) Name() string  { return c.name }
func (c *carrier) Window() int   { return c.window }
func (c *carrier) IDPerSegment() {}

func (c *carrier) Send(_ context.Context, m notify.Message) (notify.Submission, error) {
	c.mu.Lock()
	c.under++
	c.most = max(c.most, c.under)
	n := len(c.calls)
	c.calls = append(c.calls, submission{Message: m})
	script := c.script
	c.mu.Unlock()
	s, err := notify.Submission{IDs: idsFor(m, n)}, error(nil)
	if script != nil {
		s, err = script(n, m)
	}
	c.mu.Lock()
	c.under--
	c.calls[n].ids, c.calls[n].err = s.IDs, err
	c.mu.Unlock()
	return s, err
}

func idsFor(m notify.Message, n int) []string {
	ids := make([]string, m.Segments)
	for i := range ids {
		ids[i] = fmt.Sprintf("%d-%d-%d-%d", m.AccountID, m.ID, n, i)
	}
	return ids
}

func (c *carrier) sent() []submission {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]submission(nil), c.calls...)
}

// times counts how often the carrier was given the message.
func (c *carrier) times(ref notify.MessageRef) (n int) {
	for _, s := range c.sent() {
		if s.AccountID == ref.AccountID && s.ID == ref.ID {
			n++
		}
	}
	return n
}

// linked is a carrier whose connections stand, or not.
type linked struct {
	*carrier
	bound atomic.Int64
}

func (c *linked) Bound() int { return int(c.bound.Load()) }

func refused(kind error) error { return &notify.SendError{Kind: kind, Code: "E1"} }

// always is a script that refuses everything with kind.
func always(kind error) func(int, notify.Message) (notify.Submission, error) {
	return func(int, notify.Message) (notify.Submission, error) { return notify.Submission{}, refused(kind) }
}

// observer remembers what it heard.
type observer struct {
	mu  sync.Mutex
	all []notify.StatusChange
	err error
}

func (o *observer) StatusChanged(_ context.Context, tx *sqlx.Tx, changes []notify.StatusChange) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.all = append(o.all, changes...)
	return nil
}

func (o *observer) of(ref notify.MessageRef) (out []notify.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.all {
		if c.AccountID == ref.AccountID && c.MessageID == ref.ID {
			out = append(out, c.To)
		}
	}
	return out
}
