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
