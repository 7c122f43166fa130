package calendars

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFailure_T37_Throttled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		retryAt time.Time
		want    time.Duration // from then on; with the random number 0.5
	}{
		{"Retry-After in seconds or as a date", morning.Add(7 * time.Minute), 7 * time.Minute},
		{"rateLimitExceeded without a word on when", time.Time{}, 30 * time.Second},
		{"a Retry-After nobody believes", morning.Add(300 * day), 24 * time.Hour},
		{"a Retry-After that is over", morning.Add(-time.Hour), 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.add("second")
			cals := b.watching("main", "second")
			mend := b.fake.fail("bell", ErrThrottled, tt.retryAt)
			b.tick()
			b.tick()
			// One request hit the wall; the mailbox's other calendar did not try.
			if got := b.fake.count("bell"); got != 1 {
				t.Errorf("%d requests, want 1", got)
			}
			if c := b.connection(); c.RetryAt == nil || !c.RetryAt.Equal(morning.Add(tt.want)) {
				t.Errorf("retry at %v, want %v", c.RetryAt, morning.Add(tt.want))
			}
			var e *Error
			if err := b.syncer.Verify(b.ctx, cals[0], time.Minute); !errors.Is(err, ErrThrottled) || !errors.As(err, &e) || !e.RetryAt.Equal(morning.Add(tt.want)) {
				t.Errorf("verify: %v", err)
			}
			mend()
			b.clock.advance(tt.want - time.Second)
			b.tick()
			if got := b.fake.count("bell"); got != 1 {
				t.Errorf("%d requests before the time, want 1", got)
			}
			b.clock.advance(time.Second)
			b.tick()
			if got := b.fake.count("snapshot"); got != 2 {
				t.Errorf("%d calendars read afterwards, want 2", got)
			}
			if c := b.connection(); c.RetryAt != nil || c.Failures != 0 {
				t.Errorf("connection afterwards: %+v", c)
			}
		})
	}
}

func TestFailure_T37_OthersGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.fake.fail("bell", ErrThrottled, morning.Add(time.Hour))
	// Another clinic, another mailbox.
	b.addAccount(2)
	free := newFake(b.clock.now).add("theirs")
	free.set("theirs", at("x", morning.Add(day)))
	c := b.config
	c.Providers = append(c.Providers, free.provider("free"))
	c.Transport = eitherFake{b.fake, free}
	b.syncer, b.Connector = NewSyncer(c), NewConnector(c)
	q := beginAs(b, 2, "free", free)
	_, err := b.Finish(b.ctx, 2, "session", "free", q)
	b.ok(err)
	list, err := b.store.Calendars(b.ctx, 2)
	b.ok(err)
	b.ok(b.Watch(b.ctx, list[0].Ref(), true))
	b.tick()
	b.wantHeard("new x")
}

func TestFailure_T38_CalendarUnshared(t *testing.T) {
	t.Parallel()
	for kind, want := range map[error]struct {
		problem Problem
		stop    string
	}{ErrNotFound: {ProblemNotFound, StopNotFound}, ErrForbidden: {ProblemForbidden, StopForbidden}} {
		t.Run(want.stop, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.add("other")
			b.fake.set("main", at("a", morning.Add(5*day)))
			b.watching("main", "other")
			b.tick()
			b.heard()
			b.fake.onRead = func(op, ref string) error {
				if ref == "main" {
					return &Error{Provider: "fake", Op: op, Kind: kind, Status: 404}
				}
				return nil
			}
			b.clock.advance(5 * time.Minute)
			b.poll()
			b.poll()
			b.wantHeard("stopped " + want.stop)
			b.wantNotices(NoticePaused)
			if c := b.calendar("main"); c.Status != CalendarPaused || c.Problem != want.problem || !c.Watched {
				t.Errorf("calendar: %+v", c)
			}
			if c := b.calendar("other"); c.Status != CalendarActive || c.Failures != 0 {
				t.Errorf("the other calendar: %+v", c)
			}
			if err := b.syncer.Verify(b.ctx, b.calendar("main").Ref(), time.Hour); !errors.Is(err, ErrNotSynced) {
				t.Errorf("verify: %v", err)
			}
			// The daily list still has it: it is tried again, and the notice stays until it works.
			b.ok(b.Relist(b.ctx, b.connection().Ref()))
			b.tick()
			b.wantNotices(NoticePaused)
			b.heard()
			b.fake.onRead = nil
			b.ok(b.Relist(b.ctx, b.connection().Ref()))
			b.tick()
			b.wantHeard("new a")
			b.wantNotices()
		})
	}
}

func TestFailure_T31_T41_Alarms(t *testing.T) {
	t.Parallel()
	for kind, alarm := range map[error]string{ErrForeignLink: AlarmForeignLink, ErrPagingLoop: AlarmPagingLoop} {
		t.Run(alarm, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.watching("main")
			b.fake.fail("snapshot", kind, time.Time{})
			b.tick()
			b.tick()
			b.wantAlarms(alarm)
			if c := b.calendar("main"); c.Failures != 1 || c.SnapshotAt != nil {
				t.Errorf("calendar: %+v", c)
			}
		})
	}
}

func TestFailure_BackoffGrowsAndTells(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	b.fake.fail("bell", ErrUnavailable, time.Time{})
	b.poll()
	var waits []time.Duration
	for range 12 {
		c := b.calendar("main")
		waits = append(waits, c.NextPollAt.Sub(b.clock.now()))
		b.exec(`UPDATE connections SET next_list_at = '2099-01-01'`)
		b.clock.advance(waits[len(waits)-1])
		b.tick()
	}
	for i, w := range waits {
		want := min(30*time.Second<<i, 3*time.Hour) // half of the full backoff
		if w != want {
			t.Errorf("wait %d: %v, want %v", i, w, want)
		}
	}
	b.wantNotices(NoticeUnreachable)
}

func TestFailure_SealedTextsHealThemselves(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	untitled := func(i *Instance) { i.Title, i.Location, i.Description = "", "", "" }
	b.fake.set("main", at("a", morning.Add(2*day)), at("b", morning.Add(2*day)), at("c", morning.Add(2*day), untitled))
	b.watching("main")
	b.tick()
	b.heard()
	b.exec(`UPDATE events SET sealed_text = 'broken' WHERE instance_key IN ('a', 'c')`)
	list, err := b.store.Events(b.ctx, EventQuery{AccountID: account})
	b.ok(err)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%s sealed=%t text=%t", e.Key, e.Sealed, e.Title != ""))
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"a sealed=true text=false", "b sealed=false text=true", "c sealed=true text=false"}, got); d != "" {
		t.Errorf("one row hides the others (-want +got):\n%s", d)
	}
	b.clock.advance(24 * time.Hour) // the next snapshot is due
	b.poll()
	b.wantHeard("changed a", "changed c")
	b.wantAlarms(AlarmSealed)
	for key, e := range b.events() {
		if e.Sealed || key != "c" && e.Title == "" {
			t.Errorf("the texts of %s weren't written anew", key)
		}
	}
	b.poll()
	b.wantHeard()
}
