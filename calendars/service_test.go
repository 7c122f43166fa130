package calendars

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

func (b *bench) serve(state string) {
	b.Helper()
	b.ok(migrations.InAccount(b.ctx, b.db, account, func(tx *sqlx.Tx) error {
		return b.syncer.SetServiceTx(b.ctx, tx, account, state, b.clock.now())
	}))
}

// Suspended, nothing is read in whatever way; resumed, everything is as after any stop.
func TestSetServiceTx(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	cal := b.watching("main")[0]
	b.tick()
	b.wantHeard("new a")
	b.serve("on")
	b.wantHeard()

	b.serve("suspended")
	b.wantHeard("stopped service")
	b.serve("suspended")
	b.serve("ended")
	b.wantHeard()
	b.ok(b.Ring(b.ctx, b.db, cal))
	reads := b.fake.count("snapshot") + b.fake.count("bell") + b.fake.count("list")
	b.clock.advance(48 * time.Hour)
	b.poll()
	if err := b.syncer.Verify(b.ctx, cal, time.Minute); !errors.Is(err, ErrNotSynced) {
		t.Errorf("verified: %v", err)
	}
	if n := b.fake.count("snapshot") + b.fake.count("bell") + b.fake.count("list"); n != reads {
		t.Errorf("%d reads while suspended", n-reads)
	}

	b.serve("on")
	b.fake.set("main", at("a", morning.Add(5*day)))
	b.tick()
	b.wantHeard("new a")
}

// What a read brings that was under way when the service stopped is dropped.
func TestSetServiceTx_duringARead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.fake.during = func(op, _ string) {
		if op == "snapshot" {
			b.serve("suspended")
		}
	}
	b.tick()
	b.wantHeard("stopped service")
}

// quota covers so many calendars.
type quota struct {
	covered int
}

func (q *quota) MayWatchTx(ctx context.Context, tx *sqlx.Tx, account int64) (bool, error) {
	var n int
	err := tx.GetContext(ctx, &n, `SELECT count(*) FROM calendars WHERE account_id = $1 AND watched`, account)
	return n < q.covered, err
}

func TestWatch_quota(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.add("second")
	b.config.Quota = &quota{covered: 1}
	b.Connector = NewConnector(b.config)
	main := b.watching("main")[0]
	second := b.calendar("second").Ref()
	if err := b.Watch(b.ctx, second, true); !errors.Is(err, ErrNotCovered) {
		t.Errorf("a second of one: %v", err)
	}
	b.ok(b.Watch(b.ctx, main, true)) // it is so already
	b.ok(b.Watch(b.ctx, main, false))
	b.ok(b.Watch(b.ctx, second, true))
}
