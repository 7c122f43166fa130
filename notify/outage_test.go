package notify_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

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

// faulty is a dispatcher's pool on w's database, see dbtest.Faulty.
func (w *world) faulty(fault func(dbtest.Step) (before, after error)) *sqlx.DB {
	w.t.Helper()
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	return dbtest.Faulty(w.t, dsn, fault)
}

// The database goes away between a submission and its recording and comes back at the
// very last try: the Observer hears of it all the same, since it wasn't in the way.
func TestDispatcher_databaseAwayWhileRecording(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := &outage{}
	db := w.faulty(o.step)
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
	const tries = 3
	var mu sync.Mutex
	left, over := 0, make(chan struct{})
	db := w.faulty(func(s dbtest.Step) (before, after error) {
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

// lostCommits is a database whose answer to the first COMMIT after arm is lost; before the
// next transaction begins, then is called, which may refuse it.
type lostCommits struct {
	mu    sync.Mutex
	armed bool
	lost  bool
	then  func() error
}

func (l *lostCommits) arm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = true
}

func (l *lostCommits) step(s dbtest.Step) (before, after error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s == dbtest.Commit && l.armed:
		l.armed, l.lost = false, true
		return nil, errOutage
	case s == dbtest.Begin && l.lost:
		return l.then(), nil
	}
	return nil, nil
}

// A part of a batch goes back into the queue, the answer to its COMMIT is lost, and another
// process has the message in its hands when it is recorded once more: it isn't put into the
// queue again.
func TestDispatcher_commitOfAPartUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.enqueue(nil), w.enqueue(nil)
	submitting, answer, onward := make(chan struct{}), make(chan struct{}), make(chan struct{})
	other := newCarrier("one", 10)
	other.script = func(n int, m notify.Message) (notify.Submission, error) {
		close(submitting)
		<-answer
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	ended := make(chan error, 1)
	l := &lostCommits{then: sync.OnceValue(func() error {
		w.clock.Add(10 * time.Minute) // the pause before the second try is over
		d := w.dispatcher(func(c *notify.Config) { c.ClaimLease, c.Carriers = time.Hour, []notify.Carrier{other} })
		go func() { _, err := d.Tick(t.Context()); ended <- err }()
		<-submitting
		close(onward)
		return nil
	})}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if m.ID == first.ID {
			l.arm()
			return notify.Submission{}, refused(notify.ErrTemporary)
		}
		<-onward
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	d := w.dispatcher(func(c *notify.Config) { c.DB, c.ClaimLease = w.faulty(l.step), time.Hour })
	notify.SetRecordPauses(d, make([]time.Duration, 3)...)
	w.tick(d)
	w.wantStatus(second, notify.Sent, "")
	if n := w.count(`SELECT count(*) FROM queue WHERE message_id = $1`, first.ID); n != 0 {
		t.Error("what another process submits is in the queue")
	}
	if n := w.count(`SELECT count(*) FROM claims`); n != 1 {
		t.Errorf("%d claims, want the other's", n)
	}
	close(answer)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.wantStatus(first, notify.Sent, "")
}

// The same, but the database stays away until it is given up: what was recorded all the
// same doesn't come back into the claim with the rest of the batch, and a doubt about a
// message that has its result ends nothing.
func TestDispatcher_commitOfAPartUnansweredForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const tries, lease = 3, time.Minute
	refs := []notify.MessageRef{w.enqueue(nil), w.enqueue(nil)}
	onward := make(chan struct{})
	left := tries
	l := &lostCommits{}
	l.then = func() error {
		if left == 0 {
			return nil
		}
		if left--; left == 0 {
			close(onward)
		}
		return errOutage
	}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if m.ID == refs[0].ID {
			l.arm()
		} else {
			<-onward
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	d := w.dispatcher(func(c *notify.Config) { c.DB, c.ClaimLease = w.faulty(l.step), lease })
	notify.SetRecordPauses(d, make([]time.Duration, tries)...)
	if _, err := d.Tick(t.Context()); !errors.Is(err, errOutage) {
		t.Fatalf("the work of the outage ended with %v", err)
	}
	if n := w.count(`SELECT count(*) FROM claims`); n != 0 {
		t.Errorf("%d claims, though all is recorded", n)
	}
	w.exec(`INSERT INTO claims (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
		VALUES (1, 'one', 'x', ARRAY[CAST($1 AS bigint)], '{0}', $2, $2)`, refs[0].ID, epoch)
	w.exec(`INSERT INTO unanswered (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at)
		VALUES (1, $1, 'one', $2, 'Praxis', 1, $3, $3)`, refs[1].ID, patient, epoch)
	w.clock.Add(lease + time.Second)
	for range 5 {
		w.tick(w.dispatcher(nil))
		w.clock.Add(5 * time.Minute)
	}
	for _, ref := range refs {
		w.wantStatus(ref, notify.Sent, "")
	}
	if n := len(w.carrier.sent()); n != 2 {
		t.Errorf("%d texts went out for two messages", n)
	}
	if n := w.count(`SELECT count(*) FROM claims`) + w.count(`SELECT count(*) FROM unanswered`); n != 0 {
		t.Errorf("%d claims and doubts are left", n)
	}
}
