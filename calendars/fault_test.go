package calendars

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/migrations/dbtest"
)

// A database that fails at one chosen statement, BEGIN and COMMIT counted.

type faults struct {
	mu    sync.Mutex
	count int
	at    int // which statement; 0 = none
	hit   bool
	how   func() error // nil lets the statement through
}

var errFault = errors.New("the database went away")

func (f *faults) arm(at int, how func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.how, f.hit = 0, at, how, false
}

func (f *faults) step(dbtest.Step) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; f.count != f.at {
		return nil, nil
	}
	f.hit = true
	return f.how(), nil
}

// state is everything a sync may write.
func (b *bench) state() []string {
	b.Helper()
	var all []string
	for _, table := range []string{"events", "calendars", "heard", "notices", "connections"} {
		all = append(all, many[string](b, `SELECT CAST(t AS text) FROM `+table+` t ORDER BY 1`)...)
	}
	return all
}

// T32: whatever goes wrong at whatever statement of a commit, the state is that of
// before, and the next round brings the same end.
func TestCommit_T32_FaultAtEveryStatement(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(cancel func()) func() error{
		"the database fails":  func(func()) func() error { return func() error { return errFault } },
		"the caller gives up": func(cancel func()) func() error { return func() error { cancel(); return nil } },
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			f := &faults{}
			c := b.config
			c.DB = dbtest.Faulty(t, b.dsn, f.step)
			faulty := NewSyncer(c)

			b.fake.set("main", at("keep", morning.Add(day)), at("move", morning.Add(day)), at("drop", morning.Add(day)))
			cal := b.watching("main")[0]
			b.tick()
			b.clock.advance(5 * time.Minute)
			b.fake.set("main", at("keep", morning.Add(day)), at("move", morning.Add(2*day)), at("add", morning.Add(day)))

			target, err := faulty.load(b.ctx, cal)
			b.ok(err)
			var r reading
			b.ok(faulty.call(b.ctx, target.Connection(), func(client *http.Client, p Provider) (err error) {
				r, err = faulty.read(b.ctx, client, p, target, b.clock.now(), false)
				return err
			}))
			before, statements := b.state(), 0
			for n := 1; ; n++ {
				ctx, cancel := context.WithCancel(b.ctx)
				f.arm(n, kind(cancel))
				outcome, err := faulty.commit(ctx, target, r)
				cancel()
				if !f.hit {
					b.ok(err)
					if outcome != outcomeChanged {
						t.Fatalf("outcome %q", outcome)
					}
					break
				}
				statements++
				if err == nil {
					// Only a caller who gave up during COMMIT itself can have it both ways.
					if name != "the caller gives up" {
						t.Fatalf("statement %d failed and nobody noticed", n)
					}
					break
				}
				if d := cmp.Diff(before, b.state()); d != "" {
					t.Fatalf("statement %d failed and left (-before +after):\n%s", n, d)
				}
			}
			if statements < 8 {
				t.Errorf("only %d statements were tried", statements)
			}
			b.wantHeard("changed move", "gone drop", "new add", "new drop", "new keep", "new move")
			// And once more from the top: nothing is told twice.
			b.poll()
			b.wantHeard()
		})
	}
}

// The reply to COMMIT is lost: what was committed is committed, and not done again.
func TestCommit_T32_ReplyLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	cal := b.watching("main")[0]
	target, err := b.syncer.load(b.ctx, cal)
	b.ok(err)
	s := Snapshot{Instances: []Instance{at("a", morning.Add(day))}}
	r := reading{begun: b.clock.now(), cursor: []byte("0"), snapshot: &s, window: Window{morning, morning.Add(9 * day)}}
	for i, want := range []string{outcomeChanged, outcomeSuperseded} {
		got, err := b.syncer.commit(b.ctx, target, r)
		if err != nil || got != want {
			t.Errorf("commit %d of the same reading: %q, %v; want %q", i+1, got, err, want)
		}
	}
	b.wantHeard("new a")
}

// The process ends in the middle of a read, its lease still held: another goes on once
// the lease is over, from the old cursor.
func TestSyncer_T32_CrashedProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.exec(`UPDATE due SET due_at = 'infinity', leased_by = 'dead', lease_until = $1 WHERE kind = 'sync'`, morning.Add(5*time.Minute))
	b.tick()
	b.wantHeard()
	b.clock.advance(5 * time.Minute)
	b.tick()
	b.wantHeard("new a")
}

func TestPutEvents_ManyBatches(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	n := 2*putsPerStatement + 1
	items := make([]Instance, n)
	for i := range items {
		items[i] = at(fmt.Sprintf("k%05d", i), morning.Add(day), func(i *Instance) { i.Title = `"quoted", {braced}, \back, NULL, ü` })
	}
	b.fake.set("main", items...)
	b.tick()
	for _, e := range b.events() {
		if e.Title != `"quoted", {braced}, \back, NULL, ü` {
			t.Fatalf("title %q", e.Title)
		}
	}
	if got := one[int](b, `SELECT count(DISTINCT id) FROM events`); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}
