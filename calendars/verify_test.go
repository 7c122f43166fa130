package calendars

import (
	"context"
	"errors"
	"testing"
	"time"

	"rappel/migrations/dbtest"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		doubtful      bool
		after         time.Duration // since the last read
		bells, snaps  int           // that verifying makes
		deaf, deleted bool          // T13, T18: deleted two minutes before; the bell may stay silent
		heard         []string
	}{
		{name: "fresh enough already", after: 59 * time.Second},
		{name: "trusted bell, silent", after: 61 * time.Second, bells: 1},
		{name: "T18 trusted bell rings", after: 2 * time.Minute, deleted: true, bells: 1, snaps: 1, heard: []string{"gone a"}},
		{name: "doubtful bell: only a snapshot will do", doubtful: true, after: 61 * time.Second, snaps: 1},
		{name: "T13 doubtful bell stays silent over a deletion", doubtful: true, after: 2 * time.Minute, deleted: true, deaf: true, snaps: 1, heard: []string{"gone a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Providers[0].DoubtfulBell = tt.doubtful })
			b.fake.set("main", at("a", morning.Add(day)))
			cal := b.watching("main")[0]
			b.tick()
			b.heard()
			b.clock.advance(tt.after)
			if tt.deleted {
				b.fake.set("main")
			}
			b.fake.cals["main"].deaf = tt.deaf
			bells, snaps := b.fake.count("bell"), b.fake.count("snapshot")
			b.ok(b.syncer.Verify(b.ctx, cal, time.Minute))
			if got := b.fake.count("bell") - bells; got != tt.bells {
				t.Errorf("%d bells, want %d", got, tt.bells)
			}
			if got := b.fake.count("snapshot") - snaps; got != tt.snaps {
				t.Errorf("%d snapshots, want %d", got, tt.snaps)
			}
			b.wantHeard(tt.heard...)
			b.ok(b.syncer.Verify(b.ctx, cal, time.Minute)) // the second asks nobody
			if b.fake.count("bell")-bells != tt.bells || b.fake.count("snapshot")-snaps != tt.snaps {
				t.Error("a second verify read again")
			}
		})
	}
}

func TestVerify_NeverBlind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	cal := b.watching("main")[0]
	b.tick()
	b.clock.advance(5 * time.Minute)
	mend := b.fake.fail("bell", ErrUnavailable, time.Time{})
	for range 3 {
		if err := b.syncer.Verify(b.ctx, cal, time.Minute); !errors.Is(err, ErrUnavailable) {
			t.Errorf("verify while the provider is down: %v", err)
		}
	}
	if c := b.calendar("main"); c.Failures != 0 {
		t.Error("failed verifies lengthen the poll's backoff")
	}
	mend()
	b.ok(b.syncer.Verify(b.ctx, cal, time.Minute))
	for _, ref := range []CalendarRef{{account, 999}, {2, cal.ID}} {
		if err := b.syncer.Verify(b.ctx, ref, time.Minute); !errors.Is(err, ErrNotSynced) {
			t.Errorf("verify of %v: %v", ref, err)
		}
	}
	b.ok(b.Watch(b.ctx, cal, false))
	if err := b.syncer.Verify(b.ctx, cal, time.Minute); !errors.Is(err, ErrNotSynced) {
		t.Errorf("verify of what isn't watched: %v", err)
	}
}

// Reminders due at the same time share one read, also over processes; one who goes
// away doesn't end it for the others.
func TestVerify_OneReadsForAll(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cal := b.watching("main")[0]
	b.tick()
	b.clock.advance(5 * time.Minute)
	other := b.config
	other.DB = dbtest.Open(t, b.dsn)
	second := NewSyncer(other)

	const callers = 20
	entered, goOn := make(chan struct{}, callers), make(chan struct{})
	b.fake.during = func(string, string) { entered <- struct{}{}; <-goOn }
	ctx, cancel := context.WithCancel(b.ctx)
	impatient := make(chan error, 1)
	go func() { impatient <- b.syncer.Verify(ctx, cal, time.Minute) }()
	<-entered
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("the impatient caller: %v", err)
	}
	errs := make(chan error, callers)
	for i := range callers {
		s := b.syncer
		if i == 0 {
			s = second
		}
		go func() { errs <- s.Verify(b.ctx, cal, time.Minute) }()
	}
	close(goOn)
	for range callers {
		b.ok(<-errs)
	}
	if got := b.fake.count("bell"); got > 3 { // the poll, the flight, and the other process if it did not wait
		t.Errorf("%d reads for %d callers", got, callers)
	}
}

func TestVerify_BeforeTheFirstSnapshot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	cal := b.watching("main")[0]
	b.ok(b.syncer.Verify(b.ctx, cal, time.Minute))
	b.wantHeard("new a")
}
