package notify

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"rappel/migrations/dbtest"
)

// wired is a Linked carrier that takes nothing.
type wired struct {
	Carrier
	bound int
}

func (w *wired) Name() string { return "one" }
func (w *wired) Window() int  { return 10 }
func (w *wired) Bound() int   { return w.bound }

// That a connection stands again is told to the others until the database has it, and not
// when the gateway refused us once more meanwhile.
func TestDispatcher_tellsThatACarrierRunsAgain(t *testing.T) {
	t.Parallel()
	dsn, err := DispatchDSN(dbtest.NewDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	db := dbtest.Faulty(t, dsn, func(s dbtest.Step) (before, after error) {
		if s == dbtest.Statement && away.Load() {
			return errors.New("the database is away"), nil
		}
		return nil, nil
	})
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	one := &wired{}
	d, err := NewDispatcher(Config{DB: db, Carriers: []Carrier{one}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	l, ctx := d.lanes[0], context.Background()
	refuse := func() {
		t.Helper()
		one.bound = 0
		d.pauseCarrier(ctx, l, pauseMisconfigured, 0, true, errors.New("wrong password"))
	}
	connect := func() {
		t.Helper()
		if one.bound = 1; l.paused(now) {
			t.Fatal("it rests though it is connected")
		}
	}
	resting := func(want int) {
		t.Helper()
		var n int
		if err := db.Get(&n, `SELECT count(*) FROM carrier_health WHERE paused_until IS NOT NULL`); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%d carriers rest as the others see it, want %d", n, want)
		}
	}
	refuse()
	resting(1)
	connect()
	away.Store(true)
	if err := d.readHealth(ctx); err == nil {
		t.Fatal("the database was away and nobody noticed")
	}
	away.Store(false)
	resting(1)
	if err := d.readHealth(ctx); err != nil {
		t.Fatal(err)
	}
	resting(0)

	now = now.Add(time.Second)
	refuse()
	connect()
	now = now.Add(time.Second)
	refuse()
	if err := d.readHealth(ctx); err != nil {
		t.Fatal(err)
	}
	resting(1)
}

// While the breaker tries a carrier, one batch of a single message is under way, whoever
// claims it.
func TestLane_probe(t *testing.T) {
	t.Parallel()
	l := newLane(probed{}, 0, 100, Route{})
	for range 2 {
		if over, ok := l.probe(t.Context(), false); !ok {
			t.Fatal("a lane that works has no bound on batches")
		} else {
			defer over()
		}
	}
	if _, opened := l.failed(time.Unix(0, 0), 1, time.Second); !opened || l.batch(urgentTraffic) != 1 {
		t.Fatalf("a failure doesn't open the breaker, or it tries %d messages", l.batch(urgentTraffic))
	}
	over, ok := l.probe(t.Context(), false)
	if !ok {
		t.Fatal("nothing is tried")
	}
	if _, ok := l.probe(t.Context(), false); ok {
		t.Error("a second is tried while the first is under way")
	}
	next := make(chan bool)
	go func() {
		over, ok := l.probe(t.Context(), true)
		if ok {
			over()
		}
		next <- ok
	}()
	over()
	if !<-next {
		t.Error("who waits for its turn doesn't get it")
	}
}

type probed struct{ Carrier }

func (probed) Window() int { return 10 }

// The trial is over when the carrier has answered, however often that is said.
func TestLane_probeIsOverOnce(t *testing.T) {
	t.Parallel()
	l := newLane(probed{}, 0, 100, Route{})
	l.failed(time.Unix(0, 0), 1, time.Second)
	for range 3 {
		over, ok := l.probe(t.Context(), false)
		if !ok {
			t.Fatal("no trial after one that is over")
		}
		over()
		over()
	}
}
