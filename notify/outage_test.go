package notify_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

// outage is a database that lets no transaction begin for a while.
type outage struct {
	mu   sync.Mutex
	left int // so many more
}

var errOutage = errors.New("the database is away")

func (o *outage) begin(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = n
}

// step refuses a transaction while the outage lasts.
func (o *outage) step(s dbtest.Step) (before, after error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s != dbtest.Begin || o.left == 0 {
		return nil, nil
	}
	o.left--
	return errOutage, nil
}

// The database goes away between a submission and its recording and comes back at the
// very last try: the Observer hears of it all the same, since it wasn't in the way.
func TestDispatcher_databaseAwayWhileRecording(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{}
	db := dbtest.Faulty(t, dsn, o.step)
	const tries = 12
	pauses := make([]time.Duration, tries)
	for i := range pauses {
		pauses[i] = time.Microsecond
	}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		o.begin(tries)
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	ref := w.enqueue(nil)
	d := w.dispatcher(func(c *notify.Config) { c.DB = db })
	notify.SetRecordPauses(d, pauses...)
	w.tick(d)
	w.wantStatus(ref, notify.Sent, "")
	if diff := cmp.Diff([]notify.Status{notify.Sent}, w.seen.of(ref)); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// The database is away for as long as a result is tried to be recorded, and back when the
// rest of the batch is: what couldn't be recorded stays claimed, and is looked into as
// unanswered when the lease is over. It isn't forgotten with the claim.
func TestDispatcher_databaseAwayForAPartOfABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	const tries = 3
	var mu sync.Mutex
	left, over := 0, make(chan struct{})
	db := dbtest.Faulty(t, dsn, func(s dbtest.Step) (before, after error) {
		mu.Lock()
		defer mu.Unlock()
		if s != dbtest.Begin || left == 0 {
			return nil, nil
		}
		if left--; left == 0 {
			close(over)
		}
		return errOutage, nil
	})
	first, second := w.enqueue(nil), w.enqueue(nil)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if m.ID == first.ID {
			mu.Lock()
			left = tries + 1
			mu.Unlock()
		} else {
			<-over
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	const lease = time.Minute
	d := w.dispatcher(func(c *notify.Config) { c.DB, c.ClaimLease = db, lease })
	notify.SetRecordPauses(d, make([]time.Duration, tries)...)
	if _, err := d.Tick(t.Context()); !errors.Is(err, errOutage) {
		t.Fatalf("the work of the outage ended with %v", err)
	}
	w.wantStatus(second, notify.Sent, "")
	w.wantStatus(first, notify.NotSent, "")
	if n := w.count(`SELECT count(*) FROM claims WHERE message_ids = ARRAY[CAST($1 AS bigint)]`, first.ID); n != 1 {
		t.Fatalf("%d claims of what isn't recorded", n)
	}
	w.clock.Add(lease + time.Second)
	w.tick(w.dispatcher(nil))
	w.wantStatus(first, notify.NotSent, notify.ReasonUnanswered)
}
