package calendars

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations/dbtest"
)

const day = 24 * time.Hour

func TestSyncer_FirstSnapshotThenQuiet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tomorrow := morning.Add(day)
	b.fake.set("main", at("a", tomorrow), at("b", tomorrow.Add(time.Hour)))
	b.watching("main")
	b.tick()
	b.wantHeard("new a", "new b")
	e := b.events()["a"]
	want := Event{
		AccountID: account, ID: e.ID, CalendarID: b.calendar("main").ID, Key: "a", UID: "a@test", Start: tomorrow, End: tomorrow.Add(30 * time.Minute),
		Kind: "default", Title: "Frau Muster 079 123 45 67", Location: "Praxis", FirstSeen: morning, Changed: morning,
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("stored event (-want +got):\n%s", d)
	}
	if s := one[string](b, `SELECT encode(sealed_text, 'escape') FROM events WHERE instance_key = 'a'`); len(s) == 0 || containsAny(s, "Muster", "Praxis", "079") {
		t.Errorf("texts lie open: %q", s)
	}
	for range 3 {
		b.clock.advance(5 * time.Minute)
		b.poll()
	}
	b.wantHeard()
	if got := b.fake.count("snapshot"); got != 1 {
		t.Errorf("%d snapshots, want 1: the bell was silent", got)
	}
	cal := b.calendar("main")
	if cal.NextPollAt == nil || !cal.NextPollAt.After(b.clock.now()) || !cal.PolledAt.Equal(b.clock.now()) || cal.Failures != 0 {
		t.Errorf("calendar after quiet polls: %+v", cal)
	}
	// The window is what the facts ask for: 7 days at least, and 48 h beyond.
	if w := b.fake.cals["main"].windows[0]; !w.From.Equal(morning) || !w.To.Equal(morning.Add(9*day)) {
		t.Errorf("window %v", w)
	}
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s, p) })
}

// TestSyncer_Changes plays one edit at the provider between two polls.
func TestSyncer_Changes(t *testing.T) {
	t.Parallel()
	tomorrow := morning.Add(day)
	weekly := []Instance{
		at("s_1", tomorrow, slot("series", tomorrow)),
		at("s_2", tomorrow.Add(2*day), slot("series", tomorrow.Add(2*day))),
		at("s_3", tomorrow.Add(4*day), slot("series", tomorrow.Add(4*day))),
	}
	tests := []struct {
		name   string
		before []Instance
		after  []Instance
		want   []string
		moved  bool // Changed of every event heard of is the second poll's
	}{
		{
			"T12 one instance of a series moved", weekly,
			[]Instance{weekly[0], at("s_2", tomorrow.Add(2*day+3*time.Hour), slot("series", tomorrow.Add(2*day))), weekly[2]},
			[]string{"changed s_2"}, true,
		},
		{"T13 one instance of a series deleted without a trace", weekly, []Instance{weekly[0], weekly[2]}, []string{"gone s_2"}, true},
		{
			"T14 this and following: new ids in the same slots", weekly,
			[]Instance{weekly[0], at("s_R_2", weekly[1].Start, slot("series_R", weekly[1].Start)), at("s_R_3", weekly[2].Start, slot("series_R", weekly[2].Start))},
			[]string{"gone s_2", "gone s_3", "new s_R_2", "new s_R_3"}, true,
		},
		{
			"T15 whole series retimed", weekly,
			[]Instance{
				at("t_1", tomorrow.Add(time.Hour), slot("series", tomorrow.Add(time.Hour))), at("s_2", weekly[1].Start, slot("series", weekly[1].Start)),
				at("t_3", tomorrow.Add(4*day+time.Hour), slot("series", tomorrow.Add(4*day+time.Hour))),
			},
			[]string{"gone s_1", "gone s_3", "new t_1", "new t_3"}, true,
		},
		{"T16 moved", []Instance{at("a", tomorrow)}, []Instance{at("a", tomorrow.Add(time.Hour))}, []string{"changed a"}, true},
		{
			"T16 only the description edited", []Instance{at("a", tomorrow)},
			[]Instance{at("a", tomorrow, func(i *Instance) { i.Description = "Befund mitbringen" })},
			[]string{"changed a"}, true,
		},
		{"moved out of the window, far ahead", []Instance{at("a", tomorrow)}, []Instance{at("a", tomorrow.Add(90*day))}, []string{"gone a"}, true},
		{"moved to an hour that is over", []Instance{at("a", tomorrow)}, []Instance{at("a", morning.Add(-3*time.Hour))}, []string{"gone a"}, true},
		{
			"T18 still listed but cancelled", []Instance{at("a", tomorrow)},
			[]Instance{at("a", tomorrow, func(i *Instance) { i.Cancelled = true })},
			[]string{"changed a"}, true,
		},
		{
			"T26 declined", []Instance{at("a", tomorrow)},
			[]Instance{at("a", tomorrow, func(i *Instance) { i.Declined = true })},
			[]string{"changed a"}, true,
		},
		{"only longer: told, but nothing a patient would notice", []Instance{at("a", tomorrow)}, []Instance{at("a", tomorrow, func(i *Instance) { i.End = i.End.Add(time.Hour) })}, []string{"changed a"}, false},
		{"only another etag", []Instance{at("a", tomorrow)}, []Instance{at("a", tomorrow, func(i *Instance) { i.ETag = "2" })}, nil, false},
		{"the same, listed in another order and twice", weekly, []Instance{weekly[2], weekly[0], weekly[1], weekly[0]}, nil, false},
		{
			"T31 the same item twice with different content: the last wins", []Instance{at("a", tomorrow)},
			[]Instance{at("a", tomorrow.Add(5*time.Hour)), at("a", tomorrow)}, nil, false,
		},
		{
			"finer than a microsecond is no difference", []Instance{at("a", tomorrow.Add(123456789))},
			[]Instance{at("a", tomorrow.Add(123456001))}, nil, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.set("main", tt.before...)
			b.watching("main")
			b.tick()
			b.heard()
			now := b.clock.advance(5 * time.Minute)
			b.fake.set("main", tt.after...)
			b.poll()
			b.wantHeard(tt.want...)
			for _, c := range b.sink.last {
				if got := c.Event.Changed.Equal(now); len(tt.want) > 0 && got != tt.moved {
					t.Errorf("%s: Changed %v at %v", c.Event.Key, c.Event.Changed, now)
				}
				if c.Before != nil && c.Before.FirstSeen != c.Event.FirstSeen {
					t.Errorf("%s: FirstSeen moved", c.Event.Key)
				}
			}
			b.poll()
			b.wantHeard()
		})
	}
}

func TestSyncer_WhatHasBegunIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("soon", morning.Add(10*time.Minute)))
	b.watching("main")
	b.tick()
	b.heard()
	b.clock.advance(20 * time.Minute) // it is running
	b.fake.set("main")
	b.poll()
	b.wantHeard()
	if b.events()["soon"].Gone != nil {
		t.Error("a running appointment was called gone")
	}
}

func TestSyncer_T17_MovedToAnotherWatchedCalendar(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"old first", "new first"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.add("other")
			b.fake.set("main", at("a", morning.Add(day)))
			cals := b.watching("main", "other")
			b.tick()
			b.heard()
			b.fake.set("main")
			b.fake.set("other", at("a", morning.Add(day)))
			if order == "new first" {
				slices.Reverse(cals)
			}
			for _, c := range cals {
				b.ok(b.syncer.Ring(b.ctx, b.db, c))
				b.tick()
			}
			b.wantHeard("gone a", "new a")
		})
	}
}

func TestSyncer_Reappears(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.tick()
	b.fake.set("main")
	b.clock.advance(time.Minute)
	b.poll()
	if b.events()["a"].Gone == nil {
		t.Fatal("not gone")
	}
	b.heard()
	b.fake.set("main", at("a", morning.Add(day)))
	now := b.clock.advance(time.Minute)
	b.poll()
	b.wantHeard("changed a")
	e := b.events()["a"]
	if e.Gone != nil || !e.Changed.Equal(now) || !e.FirstSeen.Equal(morning) {
		t.Errorf("restored: %+v", e)
	}
	if before := b.sink.last[0].Before; before == nil || before.Gone == nil {
		t.Error("the Sink isn't told that it was gone")
	}
}

func TestSyncer_T08_AllDay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	midnight := time.Date(2026, 6, 3, 0, 0, 0, 0, time.FixedZone("CEST", 2*3600))
	b.fake.set("main", at("holiday", midnight, func(i *Instance) { i.AllDay, i.StartDate, i.End = true, "2026-06-03", midnight.Add(day) }))
	b.watching("main")
	b.tick()
	if e := b.events()["holiday"]; !e.AllDay || e.StartDate != "2026-06-03" || !e.Start.Equal(midnight) {
		t.Errorf("all-day event: %+v", e)
	}
	b.poll()
	b.wantHeard("new holiday")
}

func TestSyncer_T28_HiddenTextsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hide := func(i *Instance) { i.Hidden, i.Title, i.Location = true, "", "" }
	b.fake.set("main", at("a", morning.Add(day), hide), at("b", morning.Add(day)), at("c", morning.Add(2*day), hide))
	b.watching("main")
	b.tick()
	if cal := b.calendar("main"); cal.HiddenEvents != 2 {
		t.Errorf("%d hidden events, want 2", cal.HiddenEvents)
	}
}

func TestSyncer_T29_T30_CursorLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)), at("b", morning.Add(day)))
	b.watching("main")
	b.tick()
	b.heard()
	b.fake.set("main", at("b", morning.Add(day)))
	b.fake.mu.Lock()
	b.fake.cals["main"].lost = 1000
	b.fake.mu.Unlock()
	b.clock.advance(5 * time.Minute)

	// The snapshot after the loss fails half-way: nothing is deleted, nothing forgotten.
	mend := b.fake.fail("snapshot", ErrUnavailable, time.Time{})
	b.poll()
	b.wantHeard()
	mend()
	// A change between arming the bell and the snapshot isn't lost.
	b.fake.mu.Lock()
	b.fake.cals["main"].version, b.fake.cals["main"].lost = 2000, 1000
	b.fake.during = func(op, _ string) {
		if op == "snapshot" {
			b.fake.mu.Lock()
			b.fake.during = nil
			b.fake.mu.Unlock()
			b.fake.set("main", at("b", morning.Add(day)), at("c", morning.Add(day)))
		}
	}
	b.fake.mu.Unlock()
	b.poll()
	b.wantHeard("gone a")
	b.poll()
	b.wantHeard("new c")
}

func TestSyncer_T32_RoundFailsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.tick()
	b.heard()
	cursor := one[[]byte](b, `SELECT sealed_cursor FROM calendars`)
	b.fake.set("main", at("a", morning.Add(day+time.Hour)))
	mend := b.fake.fail("snapshot", ErrUnavailable, time.Time{})
	b.clock.advance(5 * time.Minute)
	b.poll()
	b.wantHeard()
	if !slices.Equal(cursor, one[[]byte](b, `SELECT sealed_cursor FROM calendars`)) {
		t.Error("the cursor of a failed round was kept")
	}
	if c := b.calendar("main"); c.Failures != 1 || c.Problem != ProblemUnavailable || !c.PolledAt.Equal(morning) {
		t.Errorf("after the failure: %+v", c)
	}
	mend()
	b.poll()
	b.wantHeard("changed a")
	if c := b.calendar("main"); c.Failures != 0 || c.Problem != ProblemNone {
		t.Errorf("after recovery: %+v", c)
	}
}

func TestSyncer_SnapshotAloneDecides(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"provider without feed", "mode snapshot", "deaf bell, doubtful provider"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Providers[0].DoubtfulBell = how == "deaf bell, doubtful provider" })
			b.fake.set("main", at("a", morning.Add(day)))
			b.fake.cals["main"].noFeed = how == "provider without feed"
			b.fake.cals["main"].deaf = how == "deaf bell, doubtful provider"
			cals := b.watching("main")
			if how == "mode snapshot" {
				b.ok(b.UpdateCalendar(b.ctx, cals[0], Settings{Mode: ModeSnapshot}))
			}
			b.tick()
			b.wantHeard("new a")
			b.fake.set("main", at("b", morning.Add(day)))
			b.clock.advance(6 * time.Hour) // for the doubtful one; the others would see it at once
			b.poll()
			b.wantHeard("gone a", "new b")
			if how == "mode snapshot" && b.fake.count("bell") != 0 {
				t.Error("mode snapshot asked the bell")
			}
		})
	}
}

func TestSyncer_SnapshotsThatAreForced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		doubtful bool
		after    time.Duration
		horizon  time.Duration
		want     int
	}{
		{"trusted bell, 23 h", false, 23 * time.Hour, 0, 1},
		{"trusted bell, 24 h", false, 24 * time.Hour, 0, 2},
		{"doubtful bell, 5 h 59", true, 6*time.Hour - time.Minute, 0, 1},
		{"doubtful bell, 6 h", true, 6 * time.Hour, 0, 2},
		{"a rule looks further than the snapshot", false, 5 * time.Minute, 30 * day, 2},
		{"a rule looks a little further", false, 5 * time.Minute, 7*day + time.Hour, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Providers[0].DoubtfulBell = tt.doubtful })
			b.watching("main")
			b.tick()
			b.clock.advance(tt.after)
			b.sink.mu.Lock()
			b.sink.horizon = tt.horizon
			b.sink.mu.Unlock()
			b.poll()
			if got := b.fake.count("snapshot"); got != tt.want {
				t.Errorf("%d snapshots, want %d", got, tt.want)
			}
		})
	}
}

func TestSyncer_Rings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cals := b.watching("main")
	b.tick()
	polls := b.fake.count("bell")
	for range 50 { // T39: fifty notifications are one doorbell
		b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
	}
	b.tick()
	b.tick()
	if got := b.fake.count("bell") - polls; got != 1 {
		t.Errorf("%d polls for fifty rings, want 1", got)
	}
	// A ring while the poll is under way is for the next one.
	rung := false
	b.fake.during = func(string, string) {
		if !rung {
			rung = true
			b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
		}
	}
	b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
	polls = b.fake.count("bell")
	b.tick()
	if got := b.fake.count("bell") - polls; got != 2 {
		t.Errorf("%d polls, want 2", got)
	}
	// T25: a ring that comes after unwatching is ignored.
	b.ok(b.Watch(b.ctx, cals[0], false))
	polls = b.fake.count("bell")
	b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
	b.tick()
	if got := b.fake.count("bell") - polls; got != 0 {
		t.Errorf("%d polls of what isn't watched", got)
	}
	// One that went off before a failure waits for the backoff.
	b.ok(b.Watch(b.ctx, cals[0], true))
	b.fake.fail("bell", ErrUnavailable, time.Time{})
	b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
	polls = b.fake.count("bell")
	b.tick()
	b.tick()
	if got := b.fake.count("bell") - polls; got != 1 {
		t.Errorf("%d polls of a failing calendar that was rung, want 1", got)
	}
}

func TestSyncer_T40_NotificationsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	b.fake.set("main", at("a", morning.Add(2*day)))
	b.clock.advance(6 * time.Hour) // nobody rings; the plain poll finds it
	b.tick()
	b.wantHeard("new a")
}

func TestSyncer_T52_TenThousandInstances(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	items := make([]Instance, 10_000)
	for i := range items {
		items[i] = at("i"+strconv.Itoa(i), morning.Add(time.Hour+time.Duration(i)*time.Minute), func(i *Instance) { i.Description = "<p>import</p>" })
	}
	b.fake.set("main", items...)
	b.watching("main")
	b.tick()
	if n := one[int](b, `SELECT count(*) FROM events`); n != len(items) {
		t.Fatalf("%d events stored", n)
	}
	b.exec(`DELETE FROM heard`)
	// The cost is counted in statements, not in time: they are the same for ten times
	// the events as long as a statement holds many.
	b.fake.set("main", items[5000:]...)
	b.clock.advance(time.Minute)
	b.poll()
	if n := one[int](b, `SELECT count(*) FROM heard WHERE what = 'gone'`); n != 5000 {
		t.Errorf("%d gone, want 5000", n)
	}
	if n := one[int](b, `SELECT count(*) FROM heard WHERE what <> 'gone'`); n != 0 {
		t.Errorf("%d changes for nothing", n)
	}
}

func TestSyncer_TwoAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.add("c2", "c3", "c4", "c5")
	refs := []string{"main", "c2", "c3", "c4", "c5"}
	for _, r := range refs {
		b.fake.set(r, at("a-"+r, morning.Add(day)))
	}
	b.watching(refs...)
	other := b.config
	other.DB = dbtest.Open(t, b.dsn)
	second := NewSyncer(other)
	errs := make(chan error)
	for _, s := range []*Syncer{b.syncer, second} {
		go func() { _, err := s.Tick(b.ctx); errs <- err }()
	}
	for range 2 {
		b.ok(<-errs)
	}
	b.wantHeard("new a-c2", "new a-c3", "new a-c4", "new a-c5", "new a-main")
	if b.fake.most != 1 || b.fake.count("snapshot") != len(refs) {
		t.Errorf("%d reads of one mailbox at once, %d snapshots; want 1 and %d", b.fake.most, b.fake.count("snapshot"), len(refs))
	}
}

// A slow reader must not overwrite what a later one saw.
func TestSyncer_OlderReadIsDropped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	cals := b.watching("main")
	b.tick()
	b.heard()
	other := b.config
	other.DB = dbtest.Open(t, b.dsn)
	second := NewSyncer(other)

	b.fake.set("main", at("a", morning.Add(day+time.Hour)))
	b.clock.advance(5 * time.Minute)
	overtaken := false
	b.fake.during = func(op, _ string) {
		if op != "snapshot" || overtaken {
			return
		}
		overtaken = true // the first reader holds its pages; meanwhile the event moves on, and another reads
		b.fake.set("main", at("a", morning.Add(day+3*time.Hour)))
		b.clock.advance(time.Second)
		b.ok(second.Verify(context.WithoutCancel(b.ctx), cals[0], 0))
	}
	b.poll()
	b.wantHeard("changed a")
	if e := b.events()["a"]; !e.Start.Equal(morning.Add(day + 3*time.Hour)) {
		t.Errorf("start %v: an older read overwrote a newer", e.Start)
	}
}

func TestSyncer_T20_WhatTheSinkSeesAfterAnOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	mend := b.fake.fail("bell", ErrUnavailable, time.Time{})
	for range 5 {
		b.clock.advance(time.Hour)
		b.tick()
	}
	b.wantNotices(NoticeUnreachable)
	mend()
	b.fake.set("main", at("a", morning.Add(6*time.Hour)))
	b.clock.advance(50 * time.Minute)
	b.poll()
	b.wantHeard("new a")
	// The calendar is told as it stood before: the Sink tells an outage from a late booking by it.
	if p := b.sink.cal.PolledAt; p == nil || !p.Equal(morning) {
		t.Errorf("PolledAt %v, want that of the last read before the outage", p)
	}
	b.wantNotices()
}

func TestSyncer_SinkFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.sink.fail = errors.New("no")
	b.tick()
	if n := len(b.events()); n != 0 {
		t.Errorf("%d events stored although the Sink failed", n)
	}
	if c := b.calendar("main"); c.Failures != 1 || c.Problem != ProblemInternal || c.SnapshotAt != nil {
		t.Errorf("calendar: %+v", c)
	}
	b.sink.mu.Lock()
	b.sink.fail = nil
	b.sink.mu.Unlock()
	b.poll()
	b.wantHeard("new a")
}

func TestSyncer_PanicIsContained(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.add("other")
	b.fake.set("other", at("a", morning.Add(day)))
	b.watching("main", "other")
	b.fake.during = func(op, ref string) {
		if ref == "main" {
			panic("an adapter's bug")
		}
	}
	b.tick()
	b.wantHeard("new a")
	b.wantAlarms(AlarmPanic)
	if c := b.calendar("main"); c.Failures != 1 || c.Problem != ProblemInternal {
		t.Errorf("calendar: %+v", c)
	}
}

// What fails before anything can be noted with the calendar must not make the account
// due again at once, for ever; and other accounts go on.
func TestSyncer_TroubleOfOurOwnWaits(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(){"an error": nil, "a panic": func() { panic("a bug in the Sink") }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.set("main", at("a", morning.Add(day)))
			b.watching("main")
			c := b.config
			blind := &blindSink{ledger: b.sink, trouble: trouble}
			c.Sink = blind
			b.syncer = NewSyncer(c)
			b.tick()
			b.tick()
			if blind.asked != 1 {
				t.Errorf("asked %d times, want 1", blind.asked)
			}
			b.clock.advance(afterOwnTrouble)
			b.tick()
			b.wantHeard("new a")
		})
	}
}

// blindSink can't tell a horizon the first time.
type blindSink struct {
	*ledger
	trouble func()
	asked   int
}

func (s *blindSink) Horizon(ctx context.Context, tx *sqlx.Tx, cal CalendarRef) (time.Duration, error) {
	if s.asked++; s.asked > 1 {
		return s.ledger.Horizon(ctx, tx, cal)
	}
	if s.trouble != nil {
		s.trouble()
	}
	return 0, errors.New("no rules to be had")
}

func TestSyncer_RunEndsAndFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	ctx, cancel := context.WithCancel(b.ctx)
	b.fake.during = func(op, _ string) {
		if op == "snapshot" {
			cancel() // the program is told to stop in the middle of a read
		}
	}
	b.ok(b.syncer.Run(ctx))
	b.wantHeard("new a")
	if n := one[int](b, `SELECT count(*) FROM due WHERE leased_by IS NOT NULL`); n != 0 {
		t.Error("a lease was not given back")
	}
}

func TestSyncer_Once(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.ok(b.syncer.Once(b.ctx))
	b.fake.fail("bell", ErrUnavailable, time.Time{})
	b.exec(`UPDATE calendars SET next_poll_at = $1`, morning)
	b.exec(`UPDATE due SET due_at = $1`, morning)
	if err := b.syncer.Once(b.ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Once with a failing calendar: %v", err)
	}
}

func TestStore_PurgeBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("old", morning.Add(time.Hour)), at("new", morning.Add(5*day)))
	b.watching("main")
	b.tick()
	n, err := b.store.PurgeBefore(b.ctx, account, morning.Add(day), 10)
	if err != nil || n != 1 {
		t.Fatalf("purged %d, %v; want 1", n, err)
	}
	if n, err = b.store.PurgeBefore(b.ctx, account, morning.Add(day), 10); err != nil || n != 0 {
		t.Fatalf("purged %d again, %v", n, err)
	}
	if e := b.events(); e["old"].Title != "" || e["new"].Title == "" {
		t.Errorf("titles %q, %q", e["old"].Title, e["new"].Title)
	}
}

// Providers are asked for whole seconds, so that what begins on the second at the far
// edge isn't taken for gone.
func TestSyncer_WholeSeconds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.clock.advance(700 * time.Millisecond)
	edge := b.clock.now().Truncate(time.Second).Add(9 * day)
	b.fake.set("main", at("inside", edge.Add(-time.Second)), at("edge", edge))
	b.watching("main")
	for _, w := range b.fake.cals["main"].windows {
		if w.From.Nanosecond() != 0 || w.To.Nanosecond() != 0 || !w.To.Equal(edge) {
			t.Errorf("window %v", w)
		}
	}
}
