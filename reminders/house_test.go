package reminders_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/reminders"
)

// house is one clinic in a real database, with a clock and a calendar that tests move.
type house struct {
	t        testing.TB
	db       *sqlx.DB
	account  int64
	cal      calendars.Calendar
	template int64
	rule     reminders.Rule
	planner  *reminders.Planner
	rules    *reminders.Rules
	outbox   *notify.Outbox
	verify   *verifier

	mu     sync.Mutex
	time   time.Time
	rung   []int64                   // calendars
	events map[int64]calendars.Event // with texts, as the store would unseal them
}

// verifier is the scripted calendars.Syncer: what happens when it is asked.
type verifier struct {
	mu    sync.Mutex
	calls int
	do    func(ctx context.Context, ref calendars.CalendarRef) error // nil = all well
}

func (v *verifier) Verify(ctx context.Context, ref calendars.CalendarRef, maxAge time.Duration) error {
	v.mu.Lock()
	v.calls++
	do := v.do
	v.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx, ref)
}

func (v *verifier) script(do func(ctx context.Context, ref calendars.CalendarRef) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.do = do
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseOn(t, dbtest.New(t))
}

// newHouseOn is newHouse on the owner's pool db.
func newHouseOn(t testing.TB, db *sqlx.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, verify: &verifier{}, time: noon, events: map[int64]calendars.Event{}}
	h.outbox = notify.NewOutbox(h.now)
	h.planner = reminders.NewPlanner(reminders.PlannerConfig{Events: h, Outbox: h.outbox})
	h.rules = reminders.NewRules(h.db, h.now, h.planner, nil)
	week := noon.Add(-7 * 24 * time.Hour)
	h.get(&h.account, `INSERT INTO accounts (business, callback, sender, created_at) VALUES ('Praxis Meier', '044 123 45 67', 'Praxis', $1) RETURNING account_id`, week)
	h.cal = h.newCalendar("one")
	tpl, err := reminders.NewTemplates(h.db, h.now).Save(h.ctx(), reminders.Template{AccountID: h.account, Name: "Standard", Texts: map[string]string{
		"de": "Termin {weekday} {date}, {time}. {business} {callback}", "fr": "RDV {weekday} {date}, {time}"}})
	if err != nil {
		t.Fatal(err)
	}
	h.template = tpl.ID
	h.rule = h.newRule(h.cal.ID)
	return h
}

func (h *house) ctx() context.Context { return h.t.Context() }

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.time
}

// at sets the clock, in Zurich.
func (h *house) at(local string) {
	h.t.Helper()
	when := at(h.t, local)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = when
}

func (h *house) get(dest any, query string, args ...any) {
	h.t.Helper()
	if err := h.db.GetContext(h.ctx(), dest, query, args...); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.ExecContext(h.ctx(), query, args...); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
}

func (h *house) newCalendar(ref string) calendars.Calendar {
	h.t.Helper()
	week := noon.Add(-7 * 24 * time.Hour)
	var connection, id int64
	h.get(&connection, `INSERT INTO connections (account_id, provider, subject, label, created_at) VALUES ($1, 'google', $2, 'x', $3) RETURNING id`, h.account, ref, week)
	h.get(&id, `INSERT INTO calendars (account_id, connection_id, provider_ref, name, watched, watched_since, polled_at, created_at)
		VALUES ($1, $2, $3, $3, true, $4, $5, $4) RETURNING id`, h.account, connection, ref, week, noon.Add(-time.Minute))
	return calendars.Calendar{
		AccountID: h.account, ID: id, ConnectionID: connection, Watched: true, Status: calendars.CalendarActive,
		WatchedSince: &week, PolledAt: ptr(noon.Add(-time.Minute)),
	}
}

func (h *house) newRule(calendar int64) reminders.Rule {
	h.t.Helper()
	before := h.now()
	h.mu.Lock()
	h.time = noon.Add(-30 * 24 * time.Hour)
	h.mu.Unlock()
	defer func() { h.mu.Lock(); h.time = before; h.mu.Unlock() }()
	r, err := h.rules.Save(h.ctx(), reminders.Rule{
		AccountID: h.account, CalendarID: calendar, Kind: reminders.DaysBefore, Amount: 1, TemplateID: h.template, Enabled: true, LateMinMinutes: 120})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// appointment is one tomorrow at 14:00 with Anna's number, known for a week.
func (h *house) appointment(key string) calendars.Event {
	start := noon.Add(26 * time.Hour)
	week := noon.Add(-7 * 24 * time.Hour)
	return calendars.Event{
		AccountID: h.account, CalendarID: h.cal.ID, Key: key, UID: key, Start: start, End: start.Add(time.Hour), Kind: "default",
		Title: "Anna 079 123 45 67", FirstSeen: week, Changed: week,
	}
}

// sync stores events as a sync would and tells the planner, in one transaction.
func (h *house) sync(cal calendars.Calendar, events ...calendars.Event) []calendars.Event {
	h.t.Helper()
	out, err := h.trySync(cal, events...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) trySync(cal calendars.Calendar, events ...calendars.Event) ([]calendars.Event, error) {
	ctx := h.ctx()
	var changes []calendars.Change
	err := migrations.InAccount(ctx, h.db, h.account, func(tx *sqlx.Tx) error {
		var locked int64 // as a sync does first
		if err := tx.GetContext(ctx, &locked, `SELECT id FROM calendars WHERE account_id = $1 AND id = $2 FOR UPDATE`, h.account, cal.ID); err != nil {
			return fmt.Errorf("lock calendar: %w", err)
		}
		for i := range events {
			e := &events[i]
			if err := tx.GetContext(ctx, &e.ID, `
				INSERT INTO events AS e (account_id, calendar_id, instance_key, uid, occurrence, starts_at, ends_at, kind, cancelled, declined,
					sealed_text, first_seen_at, changed_at, gone_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11, $12, $13)
				ON CONFLICT (account_id, calendar_id, instance_key) DO UPDATE SET starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at,
					cancelled = EXCLUDED.cancelled, declined = EXCLUDED.declined, changed_at = EXCLUDED.changed_at, gone_at = EXCLUDED.gone_at
				RETURNING e.id`, e.AccountID, cal.ID, e.Key, e.UID, e.Occurrence, e.Start, e.End, e.Kind, e.Cancelled, e.Declined,
				e.FirstSeen, e.Changed, e.Gone); err != nil {
				return fmt.Errorf("store event: %w", err)
			}
			e.CalendarID = cal.ID
			h.mu.Lock()
			h.events[e.ID] = *e
			h.mu.Unlock()
			changes = append(changes, calendars.Change{Event: *e})
		}
		return h.planner.EventsChanged(ctx, tx, cal, changes, h.now())
	})
	return events, err
}

// CalendarTx and EventsTx make the house a reminders.EventReader.
func (h *house) CalendarTx(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef) (calendars.Calendar, error) {
	var c calendars.Calendar
	err := tx.GetContext(ctx, &c, `SELECT account_id, id, watched, watched_since, status, polled_at, all_day FROM calendars WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID)
	return c, err
}

func (h *house) EventsTx(ctx context.Context, tx *sqlx.Tx, q calendars.EventQuery) ([]calendars.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []calendars.Event
	for _, e := range h.events { // in no order: the planner must not mind
		if e.CalendarID == q.CalendarID && e.Gone == nil && e.End.After(q.From) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (h *house) clerk(change ...func(*reminders.ClerkConfig)) *reminders.Clerk {
	c := reminders.ClerkConfig{DB: h.db, Verifier: h.verify, Outbox: h.outbox, Now: h.now}
	for _, f := range change {
		f(&c)
	}
	return reminders.NewClerk(c)
}

func (h *house) tick() int {
	h.t.Helper()
	n, err := h.clerk().Tick(h.ctx())
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// states lists the reminders as "recipient status reason", in the order of ids.
func (h *house) states() []string {
	h.t.Helper()
	var rows []struct{ Recipient, Status, Reason string }
	if err := h.db.SelectContext(h.ctx(), &rows, `SELECT recipient, status, reason FROM reminders WHERE account_id = $1 ORDER BY id`, h.account); err != nil {
		h.t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		who := map[string]string{annas: "anna", bertas: "berta"}[r.Recipient]
		s := who + " " + r.Status
		if r.Reason != "" {
			s += " " + r.Reason
		}
		out = append(out, s)
	}
	return out
}

// texts lists the bodies of messages that are in the queue, to be sent.
func (h *house) texts() []string {
	h.t.Helper()
	out := []string{}
	if err := h.db.SelectContext(h.ctx(), &out, `
		SELECT m.body FROM messages m JOIN queue q ON q.account_id = m.account_id AND q.message_id = m.id
		WHERE m.account_id = $1 AND q.account_id = $1 ORDER BY m.id`, h.account); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) count(query string) (n int) {
	h.t.Helper()
	h.get(&n, query, h.account)
	return n
}

func (h *house) verdict(e calendars.Event) reminders.Reason {
	h.t.Helper()
	v, err := reminders.NewStore(h.db).Verdicts(h.ctx(), h.account, []int64{e.ID})
	if err != nil {
		h.t.Fatal(err)
	}
	return v[e.ID].Reason
}
