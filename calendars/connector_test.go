package calendars

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

func TestConnector_Connect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.mu.Lock()
	b.fake.list = append(b.fake.list, Remote{Ref: "busy", Name: "Nur belegt", Role: "freeBusyReader"},
		Remote{Ref: "odd", Name: "Seltsam", Zone: "Mars/Olympus", Role: "reader", Readable: true, HidesTexts: true})
	b.fake.mu.Unlock()
	f, err := b.Finish(b.ctx, account, "session", "fake", b.begin(0))
	b.ok(err)
	if f.Outcome != Connected || f.Connection.Status != ConnectionActive || f.Connection.Label != "praxis@example.test" || f.Connection.Scopes != "calendar.read" {
		t.Errorf("finished: %+v", f)
	}
	list, err := b.store.Calendars(b.ctx, account)
	b.ok(err)
	type short struct {
		Ref, Zone         string
		Status            CalendarStatus
		Problem           Problem
		Watched, Pickable bool
	}
	var got []short
	for _, c := range list {
		got = append(got, short{c.ProviderRef, c.Zone, c.Status, c.Problem, c.Watched, c.Pickable()})
	}
	want := []short{
		{"main", "Europe/Zurich", CalendarActive, ProblemNone, false, true},
		{"busy", "", CalendarPaused, ProblemNotReadable, false, false},
		{"odd", "", CalendarActive, ProblemNone, false, true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("calendars (-want +got):\n%s", d)
	}
	if err := b.Watch(b.ctx, b.calendar("busy").Ref(), true); !errors.Is(err, ErrNotPickable) {
		t.Errorf("watching a calendar without texts: %v", err)
	}
	// Tokens don't lie open.
	raw := one[string](b, `SELECT encode(sealed_refresh, 'escape') || encode(sealed_access, 'escape') FROM connections`)
	if strings.Contains(raw, "refresh-1") || strings.Contains(raw, "access-1") {
		t.Error("a token lies open in the database")
	}
	if n := one[int](b, `SELECT count(*) FROM oauth_states`); n != 0 {
		t.Errorf("%d states left", n)
	}
	b.tick() // nothing is watched: nothing but the list is ever read
	if b.fake.count("bell")+b.fake.count("snapshot") != 0 {
		t.Error("an unwatched calendar was read")
	}
}

// The web's role may do all of it, and sees nothing of another account.
func TestConnector_AsTheWebsRole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.addAccount(2)
	c := b.config
	c.DB = dbtest.Web(t, b.dsn)
	b.Connector = NewConnector(c)
	cals := b.watching("main")
	b.ok(b.UpdateCalendar(b.ctx, cals[0], Settings{Practitioner: "Dr. A.", AllDay: true}))
	b.ok(ringAsWeb(b, c, cals[0]))
	b.tick()
	b.ok(b.Relist(b.ctx, b.connection().Ref()))
	web := NewStore(c.DB, c.Sealer)
	if _, err := web.Calendar(b.ctx, CalendarRef{2, cals[0].ID}); !errors.Is(err, ErrUnknown) {
		t.Errorf("another account's calendar: %v", err)
	}
	if err := b.Disconnect(b.ctx, ConnectionRef{2, b.connection().ID}); !errors.Is(err, ErrUnknown) {
		t.Errorf("disconnecting another account's: %v", err)
	}
	b.ok(b.Watch(b.ctx, cals[0], false))
	b.ok(b.Disconnect(b.ctx, b.connection().Ref()))
}

func ringAsWeb(b *bench, c Config, ref CalendarRef) error {
	return migrations.InAccount(b.ctx, c.DB, ref.AccountID, func(tx *sqlx.Tx) error { return b.Ring(b.ctx, tx, ref) })
}

func TestConnector_T36_NoHalfConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		play func(b *bench, q url.Values) error
		want error
	}{
		{"scope unticked", func(b *bench, q url.Values) error {
			b.fake.onExchange = func() error { return &Error{Provider: "fake", Op: "token", Kind: ErrScopeMissing} }
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrScopeMissing},
		{"state of nobody", func(b *bench, q url.Values) error {
			q.Set("state", "made-up")
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"no state", func(b *bench, q url.Values) error {
			q.Del("state")
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"another browser", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "other session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"another account", func(b *bench, q url.Values) error {
			b.addAccount(2)
			_, err := b.Finish(b.ctx, 2, "session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"too late", func(b *bench, q url.Values) error {
			b.clock.advance(10 * time.Minute)
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"cancelled", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "fake", url.Values{"state": q["state"], "error": {"access_denied"}})
			return err
		}, ErrConsentDenied},
		{"administrator needed", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "fake", url.Values{
				"state": q["state"], "error": {"access_denied"},
				"error_description": {"AADSTS90094: An administrator of Praxis must consent"},
			})
			return err
		}, ErrAdminConsent},
		{"our client is refused", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "fake", url.Values{"state": q["state"], "error": {"unauthorized_client"}})
			return err
		}, ErrClientConfig},
		{"provider has trouble", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "fake", url.Values{"state": q["state"], "error": {"temporarily_unavailable"}})
			return err
		}, ErrUnavailable},
		{"no code", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "fake", url.Values{"state": q["state"]})
			return err
		}, ErrCodeUsed},
		{"code used already", func(b *bench, q url.Values) error {
			b.fake.verifier = map[string]string{}
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrCodeUsed},
		{"callback twice", func(b *bench, q url.Values) error {
			b.fake.onExchange = func() error { return &Error{Kind: ErrUnavailable} }
			if _, err := b.Finish(b.ctx, account, "session", "fake", q); !errors.Is(err, ErrUnavailable) {
				b.Errorf("first callback: %v", err)
			}
			_, err := b.Finish(b.ctx, account, "session", "fake", q)
			return err
		}, ErrStateMismatch},
		{"unknown provider", func(b *bench, q url.Values) error {
			_, err := b.Finish(b.ctx, account, "session", "caldav", q)
			return err
		}, ErrUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if err := tt.play(b, b.begin(0)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := one[int](b, `SELECT count(*) FROM connections`); n != 0 {
				t.Error("a half connection was left")
			}
		})
	}
}

func TestConnector_TwoCallbacksAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := b.begin(0)
	errs := make(chan error)
	for range 2 {
		go func() { _, err := b.Finish(b.ctx, account, "session", "fake", q); errs <- err }()
	}
	var failed int
	for range 2 {
		if err := <-errs; err != nil {
			failed++
			if !errors.Is(err, ErrStateMismatch) {
				t.Error(err)
			}
		}
	}
	if failed != 1 || b.fake.count("exchange") != 1 {
		t.Errorf("%d failed, %d codes exchanged; want one each", failed, b.fake.count("exchange"))
	}
}

func TestConnector_NoRefreshToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.config
	c.Providers = []Provider{{Name: "fake", Authority: forgetful{b.fake}, Reader: b.fake}}
	b.Connector = NewConnector(c)
	if _, err := b.Finish(b.ctx, account, "session", "fake", b.begin(0)); !errors.Is(err, ErrScopeMissing) {
		t.Errorf("a connection that dies within the hour: %v", err)
	}
	if n := one[int](b, `SELECT count(*) FROM connections`); n != 0 {
		t.Error("a half connection was left")
	}
}

// forgetful gives no refresh token, as Google on a repeated login without prompt.
type forgetful struct{ Authority }

func (f forgetful) Exchange(ctx context.Context, code, verifier, redirect string) (Token, Identity, error) {
	t, who, err := f.Authority.Exchange(ctx, code, verifier, redirect)
	t.Refresh = ""
	return t, who, err
}

func TestConnector_T33_ReconnectKeepsEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(3*day)))
	cals := b.watching("main")
	b.ok(b.UpdateCalendar(b.ctx, cals[0], Settings{Practitioner: "Dr. A."}))
	b.tick()
	b.heard()

	// The grant is revoked in the middle of a sync: 401, then invalid_grant.
	b.clock.advance(5 * time.Minute)
	b.fake.mu.Lock()
	b.fake.access, b.fake.refresh = map[string]bool{}, "none"
	b.fake.mu.Unlock()
	b.poll()
	b.poll()
	if c := b.connection(); c.Status != ConnectionNeedsReconnect || c.Problem != ProblemGrantRevoked {
		t.Errorf("connection: %+v", c)
	}
	b.wantNotices(NoticeReconnect)
	b.wantHeard() // reminders stay planned: nothing stopped
	if err := b.syncer.Verify(b.ctx, cals[0], time.Hour); !errors.Is(err, ErrNotSynced) {
		t.Errorf("verify without a grant: %v; a reminder could be sent blind", err)
	}
	if got := b.fake.count("refresh"); got != 1 {
		t.Errorf("%d refreshes of a dead grant, want 1", got)
	}

	// Another person signs in: nothing changes, the grant is given back.
	b.fake.person = Identity{"sub-2", "privat@example.test"}
	f, err := b.Finish(b.ctx, account, "session", "fake", b.begin(b.connection().ID))
	b.ok(err)
	if f.Outcome != OtherAccount || f.OtherLabel != "privat@example.test" || f.Connection.Label != "praxis@example.test" {
		t.Errorf("another person: %+v", f)
	}
	if c := b.connection(); c.Status != ConnectionNeedsReconnect || len(b.fake.revoked) != 1 {
		t.Errorf("after another person: %s, %d revoked", c.Status, len(b.fake.revoked))
	}

	// The same person: everything goes on.
	b.fake.person = Identity{"sub-1", "neu@example.test"}
	b.fake.set("main", at("a", morning.Add(3*day)), at("b", morning.Add(3*day)))
	f, err = b.Finish(b.ctx, account, "session", "fake", b.begin(b.connection().ID))
	b.ok(err)
	if f.Outcome != Renewed || f.Connection.Status != ConnectionActive || f.Connection.Problem != ProblemNone || f.Connection.Label != "neu@example.test" {
		t.Errorf("renewed: %+v", f)
	}
	b.wantNotices()
	b.tick()
	b.wantHeard("new b")
	if c := b.calendar("main"); c.ID != cals[0].ID || !c.Watched || c.Practitioner != "Dr. A." {
		t.Errorf("calendar: %+v", c)
	}
}

func TestConnector_T25_Disconnect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.add("other")
	b.fake.set("main", at("a", morning.Add(3*day)))
	cals := b.watching("main")
	b.tick()
	b.heard()
	conn := b.connection()
	b.ok(b.Disconnect(b.ctx, conn.Ref()))
	b.wantHeard("stopped " + StopDisconnected)
	if n := one[int](b, `SELECT count(*) FROM connections WHERE sealed_refresh IS NOT NULL OR sealed_access IS NOT NULL`); n != 0 {
		t.Error("tokens are left")
	}
	if len(b.fake.revoked) != 1 || b.fake.revoked[0].Refresh != "refresh-1" {
		t.Errorf("revoked: %+v", b.fake.revoked)
	}
	b.ok(b.Disconnect(b.ctx, conn.Ref())) // once more changes nothing
	b.wantHeard()
	b.ok(b.syncer.Ring(b.ctx, b.db, cals[0]))
	reads := b.fake.count("bell")
	b.poll()
	if b.fake.count("bell") != reads {
		t.Error("a disconnected calendar was read")
	}
	// Connecting the same person again resumes, and reports all anew: its reminders were dropped.
	b.connect()
	b.tick()
	b.wantHeard("new a")
	if b.sink.last[0].Before != nil || !b.sink.last[0].Event.FirstSeen.Equal(morning) {
		t.Errorf("resumed with %+v", b.sink.last[0])
	}
}

func TestConnector_DisconnectUnconfirmed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.fake.onRevoke = func(Token) error { return &Error{Kind: ErrUnavailable} }
	if err := b.Disconnect(b.ctx, b.connection().Ref()); !errors.Is(err, ErrNotRevoked) {
		t.Errorf("got %v", err)
	}
	if c := b.connection(); c.Status != ConnectionDisconnected {
		t.Errorf("status %s", c.Status)
	}
	b.wantHeard("stopped " + StopDisconnected)
}

// A read under way while the clinic disconnects brings nothing back to life.
func TestConnector_T25_StopWhileReading(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"disconnect", "unwatch", "unwatch and watch again"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.set("main", at("a", morning.Add(3*day)))
			cals := b.watching("main")
			done := false
			b.fake.during = func(op, _ string) {
				if op != "snapshot" || done {
					return
				}
				done = true
				b.clock.advance(time.Second)
				if how == "disconnect" {
					b.ok(b.Disconnect(context.WithoutCancel(b.ctx), b.connection().Ref()))
					return
				}
				b.ok(b.Watch(context.WithoutCancel(b.ctx), cals[0], false))
				if how == "unwatch and watch again" {
					b.ok(b.Watch(context.WithoutCancel(b.ctx), cals[0], true))
				}
			}
			b.tick()
			switch how {
			case "disconnect":
				b.wantHeard("stopped " + StopDisconnected)
			case "unwatch":
				b.wantHeard("stopped " + StopUnwatched)
			default: // the second watch's own read tells it
				b.wantHeard("new a", "stopped "+StopUnwatched)
			}
		})
	}
}

func TestConnector_WatchAgainReportsEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(3*day)), at("b", morning.Add(3*day)))
	cals := b.watching("main")
	b.tick()
	b.ok(b.Watch(b.ctx, cals[0], true)) // is so already
	b.ok(b.Watch(b.ctx, cals[0], false))
	b.ok(b.Watch(b.ctx, cals[0], false))
	b.heard()
	b.fake.set("main", at("a", morning.Add(3*day)), at("c", morning.Add(3*day)))
	b.ok(b.Watch(b.ctx, cals[0], true))
	b.tick()
	b.wantHeard("gone b", "new a", "new c")
}

func TestConnector_UpdateCalendar(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.watching("main")[0]
	b.tick()
	tests := []struct {
		s          Settings
		field, why string
	}{
		{Settings{}, "", ""},
		{Settings{Cron: "0 7-18 * * 1-5", Mode: ModeSnapshot, Practitioner: "Dr. med. dent. Ä. Muster", AllDay: true}, "", ""},
		{Settings{Cron: "@hourly"}, "", ""},
		{Settings{Cron: "@every 1s"}, "cron", "syntax"},
		{Settings{Cron: "CRON_TZ=Asia/Tokyo * * * * *"}, "cron", "syntax"},
		{Settings{Cron: "every day"}, "cron", "syntax"},
		{Settings{Cron: "* * * * * *"}, "cron", "syntax"},
		{Settings{Cron: "0 0 30 2 *"}, "cron", "never"},
		{Settings{Mode: "push"}, "mode", "unknown"},
		{Settings{Practitioner: strings.Repeat("ä", 101)}, "practitioner", "too_long"},
		{Settings{LocationName: strings.Repeat("ä", 100)}, "", ""},
		{Settings{LocationName: strings.Repeat("ä", 101)}, "location_name", "too_long"},
	}
	for _, tt := range tests {
		err := b.UpdateCalendar(b.ctx, ref, tt.s)
		var bad *SettingsError
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%+v: %v", tt.s, err)
		case tt.field != "" && (!errors.As(err, &bad) || !errors.Is(err, ErrInvalidSettings) || bad.Field != tt.field || bad.Why != tt.why):
			t.Errorf("%+v: %v, want %s %s", tt.s, err, tt.field, tt.why)
		}
	}
	if c := b.calendar("main"); c.Cron != DefaultCron || c.Mode != ModeDelta || len([]rune(c.LocationName)) != 100 {
		t.Errorf("after the last good settings: %+v", c)
	}
	if err := b.UpdateCalendar(b.ctx, CalendarRef{account, 999}, Settings{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown calendar: %v", err)
	}
}

func TestRelist_T38(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(f *fake)
		status CalendarStatus
		stop   string
	}{
		{"role lowered to free/busy", func(f *fake) { f.list[0].Readable, f.list[0].Role = false, "freeBusyReader" }, CalendarPaused, StopNotReadable},
		{"no longer in the list", func(f *fake) { f.list = f.list[1:] }, CalendarGone, StopNotListed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.add("other")
			b.fake.set("main", at("a", morning.Add(9*day)))
			b.fake.set("other", at("b", morning.Add(3*day)))
			b.watching("main", "other")
			b.sink.horizon = 14 * day
			b.tick()
			b.heard()
			list := append([]Remote(nil), b.fake.list...)
			tt.change(b.fake)
			b.clock.advance(24 * time.Hour) // the daily listing
			b.tick()
			b.wantHeard("stopped " + tt.stop)
			b.wantNotices(NoticePaused)
			if c := b.calendar("main"); c.Status != tt.status || !c.Watched {
				t.Errorf("calendar: %+v", c)
			}
			if c := b.calendar("other"); c.Status != CalendarActive || !c.PolledAt.Equal(b.clock.now()) {
				t.Errorf("the other calendar: %+v", c)
			}
			b.fake.list = list // shared again: found within the hour
			b.clock.advance(time.Hour)
			b.tick()
			b.wantHeard("new a")
			b.wantNotices()
		})
	}
}

func TestRelist_EmptyListIsNotBelieved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	b.fake.list = nil
	if err := b.Relist(b.ctx, b.connection().Ref()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	b.wantHeard()
}

func TestRelist_FailureDelaysOnlyTheList(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	mend := b.fake.fail("list", ErrUnavailable, time.Time{})
	b.connect()
	if list, err := b.store.Calendars(b.ctx, account); err != nil || len(list) != 0 {
		t.Fatalf("%d calendars, %v", len(list), err)
	}
	b.tick()
	b.tick()
	if got := b.fake.count("list"); got != 2 { // by Finish, and by the first tick
		t.Errorf("%d listings, want 2", got)
	}
	mend()
	b.clock.advance(2 * time.Minute)
	b.tick()
	b.ok(b.Watch(b.ctx, b.calendar("main").Ref(), true))
	b.tick()
	b.fake.fail("list", ErrUnavailable, time.Time{})
	b.clock.advance(24 * time.Hour)
	b.fake.set("main", at("a", b.clock.now().Add(day)))
	b.tick()
	b.wantHeard("new a") // polling goes on
}

func TestRelist_NewZoneForcesASnapshot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	b.fake.list[0].Zone = "Europe/Lisbon"
	b.ok(b.Relist(b.ctx, b.connection().Ref()))
	b.tick()
	if got := b.fake.count("snapshot"); got != 2 || b.calendar("main").Zone != "Europe/Lisbon" {
		t.Errorf("%d snapshots, want 2", got)
	}
}

func TestBegin_DropsOldStates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { b.begin(0) })
	}
	wg.Wait()
	b.clock.advance(time.Hour)
	b.begin(0)
	if n := one[int](b, `SELECT count(*) FROM oauth_states`); n != 1 {
		t.Errorf("%d states, want 1", n)
	}
	if _, err := b.Begin(b.ctx, account, "session", "nobody", 0); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown provider: %v", err)
	}
	if _, err := b.Begin(b.ctx, account, "session", "fake", 77); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown connection: %v", err)
	}
}
