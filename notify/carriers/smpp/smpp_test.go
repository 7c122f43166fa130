package smpp

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/segment"
	"rappel/notify/standin"
)

// clock decides in tests when a wait is over: at once for those in instant, else
// when fire is called.
type clock struct {
	mu      sync.Mutex
	changed chan struct{}
	instant map[Purpose]bool
	waiting map[Purpose][]chan time.Time
}

func newClock(instant ...Purpose) *clock {
	c := &clock{changed: make(chan struct{}), instant: map[Purpose]bool{}, waiting: map[Purpose][]chan time.Time{}}
	for _, p := range instant {
		c.instant[p] = true
	}
	return c
}

func (c *clock) wait(p Purpose, _ time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if c.instant[p] {
		ch <- time.Time{}
		return ch, func() {}
	}
	c.waiting[p] = append(c.waiting[p], ch)
	close(c.changed)
	c.changed = make(chan struct{})
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, other := range c.waiting[p] {
			if other == ch {
				c.waiting[p] = append(c.waiting[p][:i], c.waiting[p][i+1:]...)
				return
			}
		}
	}
}

// fire ends every wait for p, once there are at least n.
func (c *clock) fire(t *testing.T, p Purpose, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c.mu.Lock()
		if len(c.waiting[p]) >= n {
			for _, ch := range c.waiting[p] {
				ch <- time.Time{}
			}
			c.waiting[p] = nil
			c.mu.Unlock()
			return
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			t.Errorf("nobody waits for %q", p)
			return
		}
	}
}

// await returns once there are at least n waits for p.
func (c *clock) await(t *testing.T, p Purpose, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c.mu.Lock()
		enough, changed := len(c.waiting[p]) >= n, c.changed
		c.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Errorf("nobody waits for %q", p)
			return
		}
	}
}

// fireAll ends waits for p so many times, one after the other.
func (c *clock) fireAll(t *testing.T, p Purpose, times int) {
	t.Helper()
	for range times {
		c.fire(t, p, 1)
	}
}

// rig is a carrier running against an SMSC.
type rig struct {
	smsc    *standin.SMSC
	carrier *Carrier
	clock   *clock
	stop    func() // ends Run and returns when it has
}

func start(t *testing.T, in notify.Inbox, query string, cfg standin.SMSCConfig, c *clock) *rig {
	t.Helper()
	smsc, err := standin.NewSMSC("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSMSC(t, smsc) })
	r := attach(t, in, smsc, query, c)
	r.awaitBound(t, r.carrier.cfg.Binds)
	return r
}

// awaitBound returns once the carrier itself has n links, which is a little after
// the SMSC thinks so, or before.
func (r *rig) awaitBound(t *testing.T, n int) {
	t.Helper()
	for r.carrier.Bound() != n {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// awaitWritten returns once n parts are written and not answered.
func (r *rig) awaitWritten(t *testing.T, n int) { awaitWritten(t, r.carrier, n) }

func awaitWritten(t *testing.T, c *Carrier, n int) {
	t.Helper()
	awaitWindow(t, c, func(l *link) int { return l.window.n - len(l.queue) }, n)
}

// awaitQueued returns once n parts wait to be written.
func awaitQueued(t *testing.T, c *Carrier, n int) {
	t.Helper()
	awaitWindow(t, c, func(l *link) int { return len(l.queue) }, n)
}

func awaitWindow(t *testing.T, c *Carrier, count func(*link) int, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		c.pool.mu.Lock()
		links := slices.Clone(c.pool.links)
		c.pool.mu.Unlock()
		sum := 0
		for _, l := range links {
			l.mu.Lock()
			sum += count(l)
			l.mu.Unlock()
		}
		if sum == n {
			return
		}
		runtime.Gosched()
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func closeSMSC(t *testing.T, s *standin.SMSC) {
	if err := s.Close(); err != nil {
		t.Errorf("close the SMSC: %v", err)
	}
}

func attach(t *testing.T, in notify.Inbox, smsc *standin.SMSC, query string, c *clock) *rig {
	t.Helper()
	return attachWith(t, in, smsc, query, c, func(*Config) {})
}

func attachAt(t *testing.T, in notify.Inbox, smsc *standin.SMSC, query string, c *clock, now func() time.Time) *rig {
	t.Helper()
	return attachWith(t, in, smsc, query, c, func(cfg *Config) { cfg.Now = now })
}

func attachLogged(t *testing.T, in notify.Inbox, smsc *standin.SMSC, query string, c *clock, log *slog.Logger) *rig {
	t.Helper()
	return attachWith(t, in, smsc, query, c, func(cfg *Config) { cfg.Log = log })
}

func attachWith(t *testing.T, in notify.Inbox, smsc *standin.SMSC, query string, c *clock, change func(*Config)) *rig {
	t.Helper()
	if !strings.Contains(query, "pause=") {
		query = strings.TrimPrefix(query+"&pause=0", "&") // real time, which few tests are about
	}
	parsed, err := ParseURL(smsc.URL(query))
	if err != nil {
		t.Fatal(err)
	}
	if c == nil {
		c = newClock(WaitReconnect)
	}
	parsed.Wait, parsed.Backoff = c.wait, func(int) time.Duration { return 0 }
	change(&parsed)
	carrier, err := New(parsed)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := carrier.Run(ctx, in); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	r := &rig{smsc: smsc, carrier: carrier, clock: c, stop: sync.OnceFunc(func() {
		cancel()
		c.release(ended)
	})}
	t.Cleanup(r.stop)
	return r
}

// release lets every further wait end at once until ended is closed: a test's end
// shouldn't depend on what it left outstanding.
func (c *clock) release(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Second): // only for what hangs: an orderly stop needs none
			c.mu.Lock()
			for _, p := range []Purpose{WaitDrain, WaitPeer, WaitAnswer, WaitLink, WaitParts, WaitID} {
				c.instant[p] = true
				for _, ch := range c.waiting[p] {
					ch <- time.Time{}
				}
				c.waiting[p] = nil
			}
			c.mu.Unlock()
		}
	}
}

func until(t *testing.T, smsc *standin.SMSC, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := smsc.Until(ctx, done); err != nil {
		t.Fatalf("the SMSC never got there: %v", err)
	}
}

func message(body string) notify.Message {
	n, enc := segment.Count(body)
	return notify.Message{AccountID: 1, ID: 2, Recipient: "+41791234567", Sender: "Praxis", Body: body, Segments: n, Encoding: enc}
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]struct {
		smsc  standin.SMSCConfig
		query string
	}{
		"plain":           {query: "window=20"},
		"two binds, SAR":  {query: "window=3&binds=2&concat=sar"},
		"hex":             {standin.SMSCConfig{HexIDs: true, Receipts: standin.ReceiptText, LongDates: true}, "id=hex"},
		"learning hex":    {standin.SMSCConfig{HexIDs: true, Receipts: standin.ReceiptText}, "id=auto"},
		"TLV only":        {standin.SMSCConfig{HexIDs: true, Receipts: standin.ReceiptTLV}, "id=hex"},
		"window of one":   {query: "window=1"},
		"padded capitals": {standin.SMSCConfig{HexIDs: true, UpperIDs: true, PadIDs: 10}, "id=hex&ref=16"},
		"four binds":      {query: "window=10&binds=4&ref=16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := harness(cfg.smsc, cfg.query)
			// Where ids differ between answer and receipt, an id never given has no
			// form the suite could compare.
			h.NoUnknownReceipt = cfg.smsc.HexIDs
			notifytest.Run(t, h)
		})
	}
}

var stats = map[notify.Status]string{
	notify.Delivered: "DELIVRD", notify.NotDelivered: "UNDELIV", notify.Expired: "EXPIRED",
	notify.Rejected: "REJECTD", notify.Sent: "ACCEPTD",
}

func harness(cfg standin.SMSCConfig, query string) notifytest.Harness {
	status := func(s uint32) standin.Fault { return standin.Fault{Action: standin.Refuse, Status: s} }
	faults := map[notifytest.Case]standin.Fault{
		notifytest.Rejected:           status(standin.StatusRefused),
		notifytest.InvalidDestination: status(standin.StatusInvalidDestination),
		notifytest.InvalidSender:      status(standin.StatusInvalidSource),
		notifytest.NotAllowed:         status(0x59),
		notifytest.Throttled:          status(standin.StatusThrottled),
		notifytest.ServerError:        status(standin.StatusSystemError),
		notifytest.Unavailable:        {Action: standin.HeaderOnly, Status: 0x64},
		notifytest.Garbage:            {Action: standin.Garbage},
		notifytest.CutBefore:          {Action: standin.CutBefore},
		notifytest.CutAfter:           {Action: standin.CutAfter},
		notifytest.Slow:               {Action: standin.Withhold},
	}
	return notifytest.Harness{
		PerPart: true,
		Open: func(t *testing.T, in notify.Inbox) *notifytest.Gateway {
			smsc, err := standin.NewSMSC("127.0.0.1:0", cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeSMSC(t, smsc) })
			var log notifytest.Log
			r := attachLogged(t, in, smsc, query, nil, log.Logger())
			r.awaitBound(t, r.carrier.cfg.Binds)
			pending := func(*testing.T) (ids []string) {
				for _, p := range r.smsc.Parts() {
					ids = append(ids, canonical(p.ID))
				}
				return ids
			}
			if cfg.HexIDs && strings.Contains(query, "id=auto") {
				pending = nil // before any answer, nothing tells in which form a receipt is
			}
			return &notifytest.Gateway{
				Carrier: r.carrier,
				Logged:  log.String,
				Pending: pending,
				Release: func(*testing.T) { r.smsc.Release() },
				Stage: func(t *testing.T, c notifytest.Case) {
					switch f, ok := faults[c]; {
					case ok:
						r.smsc.Fault(f)
					case c == notifytest.Misconfigured:
						r.smsc.RefuseBinds(standin.StatusInvalidPassword)
						r.smsc.CutAll()
						until(t, r.smsc, func() bool { return r.smsc.Bound() == 0 && r.smsc.Binds() > 2*r.carrier.cfg.Binds })
						r.awaitBound(t, 0)
					case c == notifytest.Unreachable:
						closeSMSC(t, r.smsc)
						r.awaitBound(t, 0) // it notices by itself
						go r.clock.fire(t, WaitLink, 1)
					}
				},
				Held: func(t *testing.T) { until(t, r.smsc, func() bool { return r.smsc.Held() > 0 }) },
				Texts: func(t *testing.T) (out []notifytest.Text) {
					for _, text := range r.smsc.Texts() {
						if !text.Complete {
							t.Errorf("a text lacks a part: %q", text.IDs)
						}
						out = append(out, notifytest.Text{From: text.From, To: "+" + text.To, Body: text.Body})
					}
					return out
				},
				Receipt: func(t *testing.T, id string, s notify.Status) {
					code := "000"
					if s != notify.Delivered && s != notify.Sent {
						code = "027"
					}
					r.smsc.Receipt(id, stats[s], code)
				},
				Reply: func(t *testing.T, m notifytest.Reply) {
					r.smsc.Receive(standin.MO{From: m.From, To: m.To, Body: m.Body, Ref: 9})
				},
				Redeliver: func(*testing.T) { r.smsc.Redeliver() },
				Settled: func(t *testing.T) {
					until(t, r.smsc, func() bool { return r.smsc.Undelivered() == 0 })
				},
				Refused: func(t *testing.T, n int) {
					until(t, r.smsc, func() bool {
						refused := 0
						for _, a := range r.smsc.Acks() {
							if a.Status == 0x64 {
								refused++
							}
						}
						return refused >= n
					})
				},
			}
		},
		Cases: map[notifytest.Case]notifytest.Want{
			notifytest.Rejected:           {Kind: notify.ErrRejected, Code: "0x66"},
			notifytest.InvalidDestination: {Kind: notify.ErrInvalidDestination, Code: "0x0B"},
			notifytest.InvalidSender:      {Kind: notify.ErrInvalidSender, Code: "0x0A"},
			notifytest.NotAllowed:         {Kind: notify.ErrNotAllowed, Code: "0x59"},
			notifytest.Throttled:          {Kind: notify.ErrThrottled, Code: "0x58"},
			notifytest.ServerError:        {Kind: notify.ErrTemporary, Code: "0x08"},
			notifytest.Unavailable:        {Kind: notify.ErrTemporary, Code: "0x64"},
			notifytest.Misconfigured:      {Kind: notify.ErrMisconfigured, Code: "0x0E"},
			notifytest.Garbage:            {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.CutBefore:          {Kind: notify.ErrUnknown},
			notifytest.CutAfter:           {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Slow:               {Kind: notify.ErrUnknown, Accepted: true},
			notifytest.Unreachable:        {Kind: notify.ErrTemporary},
		},
		Lacks: map[notifytest.Case]string{
			notifytest.OptedOut:       "SMPP has no status for it; gateways answer with one of their own",
			notifytest.NoRoute:        "SMPP has no status for it; gateways answer with one of their own",
			notifytest.ThrottledAfter: "SMPP says only that it is too much, not for how long",
		},
		Statuses: []notify.Status{notify.Delivered, notify.NotDelivered, notify.Expired, notify.Rejected, notify.Sent},
	}
}

// asSendError fails the test unless err is a *notify.SendError of kind.
func asSendError(t *testing.T, err, kind error) *notify.SendError {
	t.Helper()
	var e *notify.SendError
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	return e
}
