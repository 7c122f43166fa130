package reminders_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/reminders"
)

func TestClerk_sends(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 13:59")
	if n := h.tick(); n != 0 || h.verify.calls != 0 {
		t.Errorf("%d decided, %d reads before anything was due", n, h.verify.calls)
	}
	h.at("06-01 14:00")
	if n := h.tick(); n != 1 {
		t.Errorf("%d decided, want 1", n)
	}
	h.want("sent", "anna queued")
	var m struct {
		Reference  string    `db:"reference"`
		Origin     string    `db:"origin"`
		OriginID   int64     `db:"origin_id"`
		Recipient  string    `db:"recipient"`
		Sender     string    `db:"sender"`
		Body       string    `db:"body"`
		Kind       int       `db:"kind"`
		ExpiresAt  time.Time `db:"expires_at"`
		FreshUntil time.Time `db:"fresh_until"`
	}
	h.get(&m, `SELECT reference, origin, origin_id, recipient, sender, body, kind, expires_at, fresh_until FROM messages WHERE account_id = $1`, h.account)
	if want := fmt.Sprintf("reminder:%d:%d", m.OriginID, at(t, "06-02 14:00").Unix()); m.Reference != want {
		t.Errorf("reference %q, want %q", m.Reference, want)
	}
	if m.Origin != "reminder" || m.Recipient != annas || m.Sender != "Praxis" || m.Kind != 1 || m.Body != annasText {
		t.Errorf("message %+v", m)
	}
	if !m.ExpiresAt.Equal(at(t, "06-02 13:30")) || !m.FreshUntil.Equal(at(t, "06-01 14:00").Add(30*time.Second)) {
		t.Errorf("expires %v, fresh until %v", m.ExpiresAt, m.FreshUntil)
	}
	if n := h.tick(); n != 0 {
		t.Errorf("%d decided with nothing due", n)
	}
}

// Today's template, rule and settings count, not those of the day it was planned.
func TestClerk_rendersToday(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	rule := h.rule
	rule.Language, rule.Sender = "fr", "Cabinet"
	if _, err := h.rules.Save(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	h.at("06-01 14:00")
	h.tick()
	h.wantTexts("in French", "RDV mar. 2.6., 14:00")
	var sender string
	h.get(&sender, `SELECT sender FROM messages WHERE account_id = $1`, h.account)
	if sender != "Cabinet" {
		t.Errorf("sender %q", sender)
	}
}

// The verify finds out what no poll has: that is the promise of the product.
func TestClerk_verifyFindsOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(h *house, e *calendars.Event)
		states []string
		texts  []string
	}{
		{"T18 cancelled two minutes ago", func(h *house, e *calendars.Event) { e.Cancelled = true }, []string{"anna dropped cancelled"}, []string{}},
		{"T13 gone", func(h *house, e *calendars.Event) { e.Gone = ptr(h.now()) }, []string{"anna dropped gone"}, []string{}},
		{"T16 moved to later", func(h *house, e *calendars.Event) { e.Start = e.Start.Add(24 * time.Hour) }, []string{"anna planned"}, []string{}},
		{"T49 another number", func(h *house, e *calendars.Event) { e.Title = "Berta 078 765 43 21" },
			[]string{"anna dropped number_changed", "berta planned settling"}, []string{}},
		{"only the description", func(h *house, e *calendars.Event) { e.Description = "x" }, []string{"anna planned settling"}, []string{}},
		{"nothing", func(h *house, e *calendars.Event) {}, []string{"anna queued"}, []string{annasText}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			e := h.sync(h.cal, h.appointment("a"))[0]
			h.at("06-01 14:00")
			h.verify.script(func(context.Context, calendars.CalendarRef) error {
				was := e
				tc.change(h, &e)
				if diff := cmp.Diff(was, e); diff != "" {
					e.Changed = h.now()
					h.sync(h.cal, e)
				}
				return nil
			})
			h.tick()
			h.want(tc.name, tc.states...)
			h.wantTexts(tc.name, tc.texts...)
		})
	}
}

// Never blind: what can't be verified waits, and is given up at its last moment.
func TestClerk_unverified(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, status string
		err          error
		want         string
	}{
		{"T20 unreachable", "active", calendars.ErrUnavailable, "calendar_unreachable"},
		{"T33 the grant ended", "active", fmt.Errorf("read: %w", calendars.ErrGrantRevoked), "connection_lost"},
		{"T33 the connection needs reconnecting", "needs_reconnect", calendars.ErrNotSynced, "connection_lost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.exec(`UPDATE connections SET status = $2 WHERE account_id = $1`, h.account, tc.status)
			h.sync(h.cal, h.appointment("a"))
			h.verify.script(func(context.Context, calendars.CalendarRef) error { return tc.err })
			h.at("06-01 14:00")
			h.tick()
			h.want("waits", "anna planned "+tc.want)
			if n := h.tick(); n != 0 {
				t.Errorf("%d decided again at once", n)
			}
			tries := 0
			for now := at(t, "06-01 14:01"); !now.After(at(t, "06-02 13:29")); now = now.Add(time.Minute) {
				h.mu.Lock()
				h.time = now
				h.mu.Unlock()
				tries += h.tick()
			}
			if tries < 24*6 || tries > 24*6+20 {
				t.Errorf("%d tries in a day, want about one in ten minutes", tries)
			}
			h.want("waits still", "anna planned "+tc.want)
			h.at("06-02 13:30")
			h.tick()
			h.want("given up", "anna skipped "+tc.want)
			h.wantTexts("nothing was sent blind")
			if n := h.count(`SELECT count(*) FROM notices WHERE account_id = $1 AND kind = 'reminders_missed' AND resolved_at IS NULL`); n != 1 {
				t.Errorf("%d notices, want 1", n)
			}
		})
	}
	t.Run("T33 well again", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		h.sync(h.cal, h.appointment("a"))
		h.verify.script(func(context.Context, calendars.CalendarRef) error { return calendars.ErrUnavailable })
		h.at("06-01 14:00")
		h.tick()
		h.verify.script(nil)
		h.at("06-01 14:02")
		h.tick()
		h.want("caught up", "anna queued")
	})
}

// A clerk that slept through the last moment sends nothing.
func TestClerk_tooLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-02 13:31")
	h.tick()
	h.want("too late", "anna skipped too_late")
	if n := h.count(`SELECT count(*) FROM notices WHERE account_id = $1 AND kind = 'reminders_missed'`); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
}

// At the last moment it still goes, and has a minute to leave.
func TestClerk_lastMoment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-02 13:30")
	h.tick()
	h.want("sent", "anna queued")
	var expires time.Time
	h.get(&expires, `SELECT expires_at FROM messages WHERE account_id = $1`, h.account)
	if !expires.Equal(at(t, "06-02 13:31")) {
		t.Errorf("expires %v", expires)
	}
}

// T22: any number of clerks at once, one text each.
func TestClerk_twoAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var events []calendars.Event
	for i := range 120 {
		e := h.appointment(fmt.Sprintf("e%d", i))
		e.Title = fmt.Sprintf("079 123 %02d %02d", i/100+10, i%100)
		events = append(events, e)
	}
	h.sync(h.cal, events...)
	h.at("06-01 14:00")
	// Every lease is over as soon as it is given, so that all clerks hold the account.
	var arrived sync.WaitGroup
	arrived.Add(4)
	var once [4]sync.Once
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			own := &verifier{}
			own.script(func(context.Context, calendars.CalendarRef) error {
				once[i].Do(func() {
					arrived.Done()
					h.exec(`UPDATE due SET due_at = $2, lease_until = NULL, leased_by = NULL WHERE account_id = $1 AND kind = 'remind'`, h.account, h.now())
					arrived.Wait() // all four have claimed the same reminders
				})
				return nil
			})
			c := h.clerk(func(c *reminders.ClerkConfig) { c.Verifier, c.Accounts = own, 1 })
			for calls := 0; calls == 0; { // until it got hold of the account
				if _, err := c.Tick(t.Context()); err != nil {
					t.Error(err)
				}
				own.mu.Lock()
				calls = own.calls
				own.mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := h.count(`SELECT count(*) FROM messages WHERE account_id = $1`); n != 120 {
		t.Errorf("%d messages for 120 reminders", n)
	}
	if n := h.count(`SELECT count(*) FROM reminders WHERE account_id = $1 AND status = 'queued'`); n != 120 {
		t.Errorf("%d queued", n)
	}
}

// faulty is an outbox that fails, or dies, on some calls, before or after its work.
type faulty struct {
	*notify.Outbox
	mu   sync.Mutex
	n    int
	fail func(n int) (before, after error)
}

func (f *faulty) EnqueueTx(ctx context.Context, tx *sqlx.Tx, m notify.NewMessage) (notify.Enqueued, error) {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	before, after := f.fail(n)
	if before != nil {
		return notify.Enqueued{}, before
	}
	done, err := f.Outbox.EnqueueTx(ctx, tx, m)
	if after != nil {
		return notify.Enqueued{}, after
	}
	return done, err
}

// T22: whatever breaks within the transaction, nothing of it stays, and the next try
// sends once.
func TestClerk_faults(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tc := range []struct {
		name string
		fail func(n int) (before, after error)
	}{
		{"before the message", func(n int) (error, error) { return map[bool]error{true: boom}[n <= 2], nil }},
		{"after the message", func(n int) (error, error) { return nil, map[bool]error{true: boom}[n <= 2] }},
		{"panic", func(n int) (error, error) {
			if n == 1 {
				panic("boom")
			}
			return nil, nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.sync(h.cal, h.appointment("a"))
			out := &faulty{Outbox: h.outbox, fail: tc.fail}
			c := h.clerk(func(c *reminders.ClerkConfig) { c.Outbox = out })
			h.at("06-01 14:00")
			for range 2 {
				if _, err := c.Tick(t.Context()); err == nil && out.n < 2 {
					t.Error("the fault was swallowed")
				}
				if len(h.texts()) == 0 {
					h.want("nothing happened", "anna planned")
					if n := h.count(`SELECT count(*) FROM sent_ledger WHERE account_id = $1`); n != 0 {
						t.Errorf("%d promises without a text", n)
					}
				}
				h.mu.Lock()
				h.time = h.time.Add(time.Minute) // its turn comes again after a minute
				h.mu.Unlock()
			}
			if _, err := c.Tick(t.Context()); err != nil {
				t.Error(err)
			}
			h.want("sent in the end", "anna queued")
			h.wantTexts("once", annasText)
		})
	}
}

// One reminder the outbox will never take does not hold up the others, and tells.
func TestClerk_notSendable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.appointment("b")
	other.Title = "Berta 078 765 43 21"
	h.sync(h.cal, h.appointment("a"), other)
	out := &faulty{Outbox: h.outbox, fail: func(n int) (error, error) {
		if n == 1 {
			return fmt.Errorf("refused: %w", notify.ErrSender), nil
		}
		return nil, nil
	}}
	h.at("06-01 14:00")
	if _, err := h.clerk(func(c *reminders.ClerkConfig) { c.Outbox = out }).Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.want("one waits, one is sent", "anna planned not_sendable", "berta queued")
	if n := h.count(`SELECT count(*) FROM sent_ledger WHERE account_id = $1`); n != 1 {
		t.Errorf("%d promises, want 1", n)
	}
	h.at("06-01 14:05")
	h.tick() // somebody mended the sender
	h.want("sent", "anna queued", "berta queued")
}

// The sync moves the appointment while the clerk is between its claim and its
// transaction, or within it. Only the new time may remain.
func TestClerk_raceWithSync(t *testing.T) {
	t.Parallel()
	for i := range 10 {
		h := newHouse(t)
		e := h.sync(h.cal, h.appointment("a"))[0]
		h.at("06-01 14:00")
		go1 := make(chan struct{})
		h.verify.script(func(context.Context, calendars.CalendarRef) error { close(go1); return nil })
		var wg sync.WaitGroup
		wg.Go(func() {
			<-go1
			moved := e
			moved.Start, moved.End, moved.Changed = at(t, "06-04 10:00"), at(t, "06-04 11:00"), h.now()
			if _, err := h.trySync(h.cal, moved); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := h.clerk().Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		h.want(fmt.Sprintf("run %d", i), "anna planned")
		h.wantTexts("the old time is not announced")
		if n := h.count(`SELECT count(*) FROM sent_ledger WHERE account_id = $1`); n != 0 {
			t.Errorf("%d promises left", n)
		}
	}
}

// Run works until it is told to stop, and finishes what it has in hand.
func TestClerk_Run(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 14:00")
	ctx, stop := context.WithCancel(t.Context())
	h.verify.script(func(context.Context, calendars.CalendarRef) error { stop(); return nil })
	if err := h.clerk().Run(ctx); err != nil {
		t.Fatal(err)
	}
	h.want("finished although told to stop in the middle", "anna queued")
}

// Told to stop while a calendar doesn't answer: the reminder is left as it is, for
// whoever comes next, at once.
func TestClerk_stopsWaiting(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 14:00")
	ctx, stop := context.WithCancel(t.Context())
	h.verify.script(func(ctx context.Context, _ calendars.CalendarRef) error {
		stop()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := h.clerk(func(c *reminders.ClerkConfig) { c.Patience = time.Hour }).Run(ctx); err != nil {
		t.Fatal(err)
	}
	h.want("nothing is held against the calendar", "anna planned")
	if n := h.count(`SELECT count(*) FROM due WHERE account_id = $1 AND kind = 'remind' AND lease_until IS NULL AND due_at <= '2026-06-01 12:00Z'`); n != 1 {
		t.Error("the account is not free for the next clerk")
	}
	h.verify.script(nil)
	h.tick()
	h.want("sent by the next", "anna queued")
}

// A calendar that answers slowly holds up the reminders of no other account.
func TestClerk_slowAccount(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	houses := []*house{newHouseOn(t, db), newHouseOn(t, db), newHouseOn(t, db), newHouseOn(t, db)}
	var others sync.WaitGroup
	others.Add(len(houses) - 1)
	for _, h := range houses {
		h.sync(h.cal, h.appointment("a"))
	}
	first := houses[0]
	first.verify.script(func(_ context.Context, ref calendars.CalendarRef) error {
		if ref.AccountID == first.account {
			others.Wait()
		} else {
			others.Done()
		}
		return nil
	})
	first.at("06-01 14:00")
	n, err := first.clerk(func(c *reminders.ClerkConfig) { c.Accounts = 2 }).Tick(t.Context())
	if err != nil || n != len(houses) {
		t.Fatalf("%d reminders, %v", n, err)
	}
}

func TestClerk_quietHours(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.exec(`UPDATE accounts SET quiet_from = '21:00', quiet_to = '08:00' WHERE account_id = $1`, h.account)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 23:00") // the clerk was down all evening
	h.tick()
	h.want("waits for the morning", "anna planned")
	h.at("06-02 08:00")
	h.tick()
	h.want("sent", "anna queued")
}

func TestGate_Fresh(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(h *house, e *calendars.Event)
		verify error
		ok     bool
		fails  bool
	}{
		{"stands", nil, nil, true, false},
		{"cancelled", func(h *house, e *calendars.Event) { e.Cancelled = true }, nil, false, false},
		{"moved", func(h *house, e *calendars.Event) { e.Start = e.Start.Add(24 * time.Hour) }, nil, false, false},
		{"another number", func(h *house, e *calendars.Event) { e.Title = "Berta 078 765 43 21" }, nil, false, false},
		{"can't be read", nil, calendars.ErrUnavailable, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			e := h.sync(h.cal, h.appointment("a"))[0]
			h.at("06-01 14:00")
			h.tick()
			q := notify.GateQuery{AccountID: h.account, Origin: notify.OriginReminder}
			h.get(&q.MessageID, `SELECT message_id FROM reminders WHERE account_id = $1`, h.account)
			h.get(&q.OriginID, `SELECT id FROM reminders WHERE account_id = $1`, h.account)
			h.claim() // the dispatcher holds it
			h.at("06-01 14:20")
			h.verify.script(func(context.Context, calendars.CalendarRef) error {
				if tc.change != nil {
					tc.change(h, &e)
					e.Changed = h.now()
					h.sync(h.cal, e)
				}
				return tc.verify
			})
			until, ok, err := reminders.NewGate(reminders.GateConfig{DB: h.db, Verifier: h.verify}).Fresh(t.Context(), q, h.now())
			if ok != tc.ok || (err != nil) != tc.fails {
				t.Errorf("Fresh = %v, %v, %v", until, ok, err)
			}
			if ok && !until.Equal(at(t, "06-01 14:20").Add(30*time.Second)) {
				t.Errorf("until %v", until)
			}
		})
	}
	t.Run("a campaign is not ours", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		_, ok, err := reminders.NewGate(reminders.GateConfig{DB: h.db, Verifier: h.verify}).
			Fresh(t.Context(), notify.GateQuery{AccountID: h.account, Origin: notify.OriginCampaign}, h.now())
		if !ok || err != nil || h.verify.calls != 0 {
			t.Errorf("Fresh = %v, %v, %d reads", ok, err, h.verify.calls)
		}
	})
}
