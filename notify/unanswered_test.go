package notify_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lib/pq"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

// finder is a carrier that can be asked.
type finder struct {
	*carrier
	find func(m notify.Message) ([]notify.Hit, error)
}

func (f finder) Find(_ context.Context, m notify.Message, _ time.Time) ([]notify.Hit, error) {
	return f.find(m)
}

func TestUnanswered(t *testing.T) {
	t.Parallel()
	evidence := func(id string) func(w *world, desk *notify.Desk) {
		return func(w *world, desk *notify.Desk) {
			w.receipt(desk, id, notify.Delivered, func(r *notify.Receipt) { r.Recipient, r.Sender = patient, "Praxis" })
		}
	}
	tests := []struct {
		name    string
		kind    notify.Kind
		expires time.Duration
		find    func(m notify.Message) ([]notify.Hit, error)
		again   error // what a second submission gets
		during  func(w *world, desk *notify.Desk)
		after   func(w *world, desk *notify.Desk)
		status  notify.Status
		reason  notify.Reason
		history string
		sends   int
	}{
		{name: "a reminder is resent once", status: notify.Sent, history: "queued unanswered resent accepted", sends: 2},
		{name: "and not a second time", again: refused(notify.ErrUnknown), status: notify.NetworkError, reason: notify.ReasonUnanswered,
			history: "queued unanswered resent unanswered gave_up", sends: 2},
		{name: "an advertisement is given up", kind: notify.Marketing, status: notify.NetworkError, reason: notify.ReasonUnanswered,
			history: "queued unanswered gave_up", sends: 1},
		{name: "without time to spare", expires: time.Minute, status: notify.NetworkError, reason: notify.ReasonUnanswered,
			history: "queued unanswered gave_up", sends: 1},
		{name: "a receipt shows up", during: evidence("late"), status: notify.Delivered, history: "queued unanswered resolved receipt", sends: 1},
		{name: "a receipt without sender", during: func(w *world, desk *notify.Desk) {
			w.receipt(desk, "late", notify.NotDelivered, func(r *notify.Receipt) { r.Recipient = patient })
		}, status: notify.NotDelivered, reason: notify.ReasonReceipt, history: "queued unanswered resolved receipt", sends: 1},
		{name: "a receipt for somebody else", during: func(w *world, desk *notify.Desk) {
			w.receipt(desk, "late", notify.Delivered, func(r *notify.Receipt) { r.Recipient = "+41790000000" })
		}, status: notify.Sent, history: "queued unanswered resent accepted", sends: 2},
		{name: "a receipt of another sender", during: func(w *world, desk *notify.Desk) {
			w.receipt(desk, "late", notify.Delivered, func(r *notify.Receipt) { r.Recipient, r.Sender = patient, "Andere" })
		}, status: notify.Sent, history: "queued unanswered resent accepted", sends: 2},
		{name: "a receipt after the resend harms nothing", after: evidence("late"), status: notify.Sent,
			history: "queued unanswered resent accepted", sends: 2},
		{name: "a receipt after giving up harms nothing", kind: notify.Marketing, after: evidence("late"), status: notify.NetworkError,
			reason: notify.ReasonUnanswered, history: "queued unanswered gave_up", sends: 1},
		{name: "the carrier has it", find: func(notify.Message) ([]notify.Hit, error) {
			return []notify.Hit{{Submission: notify.Submission{IDs: []string{"found"}}}}, nil
		}, after: evidence("found"), status: notify.Delivered, history: "queued unanswered resolved receipt", sends: 1},
		{name: "the carrier hasn't", kind: notify.Marketing, find: func(notify.Message) ([]notify.Hit, error) {
			return nil, nil
		}, status: notify.Sent, history: "queued unanswered not_found accepted", sends: 2},
		{name: "the carrier can't say", expires: 10 * time.Minute, find: func(notify.Message) ([]notify.Hit, error) {
			return nil, errors.New("down")
		}, status: notify.NetworkError, reason: notify.ReasonUnanswered, history: "queued unanswered gave_up", sends: 1},
		{name: "withdrawn meanwhile", during: func(w *world, _ *notify.Desk) {
			if w.withdraw(notify.MessageRef{AccountID: 1, ID: int64(w.count(`SELECT id FROM messages`))}) {
				w.t.Error("withdrawn, although it may be with the carrier")
			}
		}, status: notify.NetworkError, reason: notify.ReasonUnanswered, history: "queued unanswered gave_up", sends: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
				if n == 0 {
					return notify.Submission{}, refused(notify.ErrUnknown)
				}
				return notify.Submission{IDs: idsFor(m, n)}, tt.again
			}
			ref := w.enqueue(func(m *notify.NewMessage) {
				if tt.kind != 0 {
					m.Kind = tt.kind
				}
				if tt.expires != 0 {
					m.Expires = epoch.Add(tt.expires)
				}
			})
			d := w.dispatcher(func(c *notify.Config) {
				if tt.find != nil {
					c.Carriers = []notify.Carrier{finder{w.carrier, tt.find}}
				}
			})
			desk := w.desk()
			w.tick(d)
			w.clock.Add(time.Second)
			w.wantStatus(ref, notify.NotSent, notify.ReasonUnanswered)
			if w.get(ref).DecideAt == nil {
				t.Error("nothing says until when evidence is awaited")
			}
			if tt.during != nil {
				tt.during(w, desk)
			}
			for range 30 {
				w.clock.Add(30 * time.Second)
				w.tick(d)
			}
			if tt.after != nil {
				tt.after(w, desk)
				w.tick(d)
			}
			w.wantStatus(ref, tt.status, tt.reason)
			if got := whats(w.get(ref)); got != tt.history {
				t.Errorf("history %q, want %q", got, tt.history)
			}
			if n := w.carrier.times(ref); n != tt.sends {
				t.Errorf("submitted %d times, want %d", n, tt.sends)
			}
			if n := w.count(`SELECT count(*) FROM unanswered`); n != 0 {
				t.Error("still unanswered")
			}
		})
	}
}

// Two texts alike to one person, of which the carrier, asked by text, has one: whichever of
// the two it is, the other is sent.
func TestUnanswered_textsAlike(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]notify.Match{"by text": notify.ByText, "by count": notify.ByCount} {
		for _, known := range []bool{true, false} { // the first was accepted, or is in doubt too
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				arrived := []string{"SM1"} // the first; what was submitted second never did
				w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
					switch {
					case n == 0 && known:
						return notify.Submission{IDs: idsByMatch(match, m, "SM1")}, nil
					case n < 2:
						return notify.Submission{}, refused(notify.ErrUnknown)
					}
					arrived = append(arrived, "SM2")
					return notify.Submission{IDs: idsByMatch(match, m, "SM2")}, nil
				}
				alike := func(m *notify.NewMessage) { m.Body = "Ihr Termin ist morgen um 10 Uhr." }
				first := w.enqueue(alike)
				d := w.dispatcher(func(c *notify.Config) {
					c.Carriers = []notify.Carrier{finder{w.carrier, func(m notify.Message) (hits []notify.Hit, _ error) {
						for _, id := range arrived {
							hits = append(hits, notify.Hit{Submission: notify.Submission{IDs: idsByMatch(match, m, id)}, Match: match})
						}
						return hits, nil
					}}}
				})
				w.tick(d)
				w.clock.Add(time.Second)
				second := w.enqueue(alike)
				for range 20 {
					w.tick(d)
					w.clock.Add(30 * time.Second)
				}
				w.wantStatus(first, notify.Sent, "")
				w.wantStatus(second, notify.Sent, "")
				if a, b := w.carrier.times(first), w.carrier.times(second); a != 1 || b != 2 {
					t.Errorf("submitted %d and %d times, want 1 and 2", a, b)
				}
				if n := w.count(`SELECT count(DISTINCT message_id) FROM carrier_refs`); n != 2 {
					t.Errorf("carrier ids of %d messages, want 2", n)
				}
			})
		}
	}
}

// idsByMatch is how a carrier names a text: by its own id, or by the one asked for.
func idsByMatch(match notify.Match, m notify.Message, id string) []string {
	if match == notify.ByCount {
		return []string{m.Reference()}
	}
	return []string{id}
}

// A text alike that is just being submitted may be what was found: the answer is awaited.
func TestUnanswered_alikeBeingSubmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrUnknown)
	ref := w.enqueue(nil)
	twin := w.enqueue(func(m *notify.NewMessage) {
		m.SendAt = epoch.Add(24 * time.Hour)
		m.Expires = epoch.Add(48 * time.Hour)
	})
	w.exec(`DELETE FROM queue WHERE message_id = $1`, twin.ID)
	var claim int64
	if err := w.db.Get(&claim, `
		INSERT INTO claims (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
		VALUES (1, 'one', 'x', $1, '{0}', $2, $3) RETURNING id`, pq.Array([]int64{twin.ID}), epoch, epoch.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	d := w.dispatcher(func(c *notify.Config) {
		c.Carriers = []notify.Carrier{finder{w.carrier, func(notify.Message) ([]notify.Hit, error) {
			return []notify.Hit{{Submission: notify.Submission{IDs: []string{"SM1"}}, Match: notify.ByText}}, nil
		}}}
	})
	for range 10 {
		w.tick(d)
		w.clock.Add(30 * time.Second)
	}
	w.wantStatus(ref, notify.NotSent, notify.ReasonUnanswered)
	w.exec(`DELETE FROM claims WHERE id = $1`, claim)
	for range 10 {
		w.tick(d)
		w.clock.Add(30 * time.Second)
	}
	w.wantStatus(ref, notify.Sent, "")
}

// The first part was taken, the second not: the first part's receipt proves nothing.
func TestUnanswered_partial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n == 0 {
			return notify.Submission{}, &notify.SendError{Kind: notify.ErrThrottled, Partial: notify.Submission{IDs: []string{"half"}}}
		}
		return notify.Submission{IDs: []string{"a", "b"}}, nil
	}
	ref := w.enqueue(long)
	d, desk := w.dispatcher(nil), w.desk()
	w.tick(d)
	w.wantStatus(ref, notify.NotSent, notify.ReasonThrottled)
	w.receipt(desk, "half", notify.Delivered, func(r *notify.Receipt) { r.Recipient = patient })
	w.clock.Add(2 * time.Second)
	w.tick(d)
	w.wantStatus(ref, notify.Sent, "")
	w.receipt(desk, "a", notify.Delivered, nil)
	w.wantStatus(ref, notify.Sent, "")
	w.receipt(desk, "b", notify.Delivered, nil)
	w.wantStatus(ref, notify.Delivered, "")
}

// Two texts to one person in doubt, one receipt: it is the first's. The second is resent.
func TestUnanswered_severalToOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n < 2 {
			return notify.Submission{}, refused(notify.ErrUnknown)
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	d, desk := w.dispatcher(nil), w.desk()
	first := w.enqueue(long)
	w.tick(d)
	w.clock.Add(time.Second)
	second := w.enqueue(nil)
	w.tick(d)
	for _, id := range []string{"x1", "x2"} { // both segments of the first
		w.receipt(desk, id, notify.Delivered, func(r *notify.Receipt) { r.Recipient = patient })
	}
	w.wantStatus(first, notify.Delivered, "")
	w.wantStatus(second, notify.NotSent, notify.ReasonUnanswered)
	w.clock.Add(2 * time.Minute)
	w.tick(d)
	w.wantStatus(second, notify.Sent, "")
	if n := w.carrier.times(first); n != 1 {
		t.Errorf("the first was submitted %d times", n)
	}
}

// While another text to the person is on its way, an unknown receipt may be that one's.
// Receipts that name the message by our own reference are evidence for that message,
// in whatever order they come, and for nobody's missing segment.
func TestUnanswered_byReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrUnknown)
	long := func(m *notify.NewMessage) { m.Body = strings.Repeat("lang ", 60) }
	first, second := w.enqueue(long), w.enqueue(long)
	d, desk := w.dispatcher(nil), w.desk()
	w.tick(d)
	name := func(ref notify.MessageRef) string {
		return notify.Message{AccountID: ref.AccountID, ID: ref.ID}.Reference()
	}
	report := func(id string, s notify.Status) {
		w.receipt(desk, id, s, func(r *notify.Receipt) { r.Recipient = patient })
	}
	report("rappel-1-999999", notify.Delivered) // a message there isn't
	report("rappel-2-"+strings.TrimPrefix(name(first), "rappel-1-"), notify.Delivered)
	report(name(second), notify.NotDelivered)
	w.wantStatus(second, notify.NotDelivered, notify.ReasonReceipt)
	w.wantStatus(first, notify.NotSent, notify.ReasonUnanswered)
	report(name(first), notify.Delivered)
	w.wantStatus(first, notify.Delivered, notify.ReasonNone)
	if n := len(w.carrier.sent()); n != 2 {
		t.Errorf("%d submissions, want 2", n)
	}
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"rappel-7-12": true, "rappel-7-12 ": false, "rappel-7-12x": false, "rappel-7": false, "rappel-07-12": false, "rappel-+7-12": false,
		"Rappel-7-12": false, "": false, "621277": false, "rappel-99999999999999999999-1": false,
	} {
		ref, got := notify.ParseReference(s)
		if got != ok || ok && ref != (notify.MessageRef{AccountID: 7, ID: 12}) {
			t.Errorf("%q: got %v %v, want %v", s, ref, got, ok)
		}
	}
}

func TestUnanswered_evidenceWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	desk := w.desk()
	var doubted notify.MessageRef
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n == 0 {
			return notify.Submission{}, refused(notify.ErrUnknown)
		}
		if n == 1 { // the receipt overtakes our answer
			w.receipt(desk, "second", notify.Delivered, func(r *notify.Receipt) { r.Recipient = patient })
			w.wantStatus(doubted, notify.NotSent, notify.ReasonUnanswered)
		}
		return notify.Submission{IDs: []string{[]string{"", "second", "third"}[n]}}, nil
	}
	d := w.dispatcher(nil)
	doubted = w.enqueue(nil)
	w.tick(d)
	w.clock.Add(time.Second)
	second := w.enqueue(nil)
	w.tick(d)
	w.wantStatus(second, notify.Delivered, "")
	w.wantStatus(doubted, notify.NotSent, notify.ReasonUnanswered)
	w.clock.Add(2 * time.Minute)
	w.tick(d)
	w.wantStatus(doubted, notify.Sent, "")
}

// A process dies with messages in its hands: the next takes them over when the lease is
// over, not before, and not while it is renewed.
func TestUnanswered_takeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.enqueue(nil)
	w.exec(`WITH q AS (DELETE FROM queue RETURNING message_id)
		INSERT INTO claims (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
		SELECT 1, 'one', 'dead', array_agg(message_id), '{0}', $1, $2 FROM q`, epoch, epoch.Add(30*time.Second))
	d := w.dispatcher(nil)
	w.clock.Add(30*time.Second - time.Microsecond)
	w.tick(d)
	w.wantStatus(ref, notify.NotSent, "")
	w.clock.Add(time.Microsecond)
	w.tick(d)
	w.wantStatus(ref, notify.NotSent, notify.ReasonUnanswered)
	w.clock.Add(2 * time.Minute)
	w.tick(d)
	w.wantStatus(ref, notify.Sent, "")
	if got := whats(w.get(ref)); !strings.Contains(got, "unanswered resent accepted") {
		t.Errorf("history %q", got)
	}
}

// A process so slow that it was taken for dead: what it learned still counts, and it
// submits nothing more.
func TestUnanswered_ownerWasOnlySlow(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, refused(notify.ErrRejected), refused(notify.ErrTemporary)} {
		w := newWorld(t)
		other := w.dispatcher(nil)
		w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
			if n == 0 {
				w.clock.Add(time.Minute)
				w.tick(other)
				return notify.Submission{IDs: []string{"slow"}}, err
			}
			return notify.Submission{IDs: idsFor(m, n)}, nil
		}
		ref := w.enqueue(nil)
		w.tick(w.dispatcher(nil))
		want, reason := notify.Sent, notify.ReasonNone
		switch {
		case errors.Is(err, notify.ErrRejected):
			want, reason = notify.Rejected, notify.ReasonRefused
		case err != nil: // and it is tried again, which isn't the one resend of a doubt
			want, reason = notify.NotSent, notify.ReasonTemporary
		}
		w.wantStatus(ref, want, reason)
		w.clock.Add(3 * time.Minute)
		w.tick(other)
		sends := 1
		if reason == notify.ReasonTemporary {
			sends = 2
			if got := whats(w.get(ref)); got != "queued unanswered retry accepted" {
				t.Errorf("history %q", got)
			}
		}
		if n := w.carrier.times(ref); n != sends {
			t.Errorf("%v: submitted %d times, want %d", err, n, sends)
		}
	}
}

// A claim is taken over while its owner's submission is still on its way to a carrier that
// can be asked: asked at once, it would say that it hasn't got it, and get it twice.
func TestUnanswered_takenOverOnItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const lease, patience = 30 * time.Second, 20 * time.Second
	var mu sync.Mutex
	var arrived []notify.Hit
	process := func() *notify.Dispatcher {
		return w.dispatcher(func(c *notify.Config) {
			c.ClaimLease, c.SendTimeout = lease, patience
			c.Carriers = []notify.Carrier{finder{w.carrier, func(notify.Message) ([]notify.Hit, error) {
				mu.Lock()
				defer mu.Unlock()
				return arrived, nil
			}}}
		})
	}
	other := process()
	var ref notify.MessageRef
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n == 0 {
			w.clock.Add(lease)
			w.tick(other)
			w.clock.Add(patience - time.Microsecond)
			w.tick(other)
			w.wantStatus(ref, notify.NotSent, notify.ReasonUnanswered)
		}
		mu.Lock()
		defer mu.Unlock()
		arrived = append(arrived, notify.Hit{Submission: notify.Submission{IDs: idsFor(m, n)}})
		return notify.Submission{}, refused(notify.ErrUnknown)
	}
	ref = w.enqueue(nil)
	w.tick(process())
	w.clock.Add(time.Microsecond)
	w.tick(other)
	w.wantStatus(ref, notify.Sent, "")
	if n := w.carrier.times(ref); n != 1 {
		t.Errorf("submitted %d times", n)
	}
}

// Two processes look for one message, the second because the first took long. What the
// second heard is of the attempt before, so it decides nothing about the one that followed.
func TestUnanswered_staleAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		return notify.Submission{}, refused(notify.ErrUnknown) // the second arrives
	}
	const lease = 30 * time.Second
	var finds atomic.Int32
	var process func() *notify.Dispatcher
	var wg sync.WaitGroup
	asked, answer := make(chan struct{}), make(chan struct{})
	process = func() *notify.Dispatcher {
		return w.dispatcher(func(c *notify.Config) {
			c.ClaimLease = lease
			c.Carriers = []notify.Carrier{finder{w.carrier, func(m notify.Message) ([]notify.Hit, error) {
				switch finds.Add(1) {
				case 1:
					w.clock.Add(lease)
					wg.Go(func() {
						if _, err := process().Tick(context.Background()); err != nil {
							t.Error(err)
						}
					})
					<-asked
					return nil, nil
				case 2:
					close(asked)
					<-answer
					return nil, nil
				}
				return []notify.Hit{{Submission: notify.Submission{IDs: idsFor(m, 1)}}}, nil
			}}}
		})
	}
	ref := w.enqueue(nil)
	w.tick(process())
	w.clock.Add(2 * time.Minute)
	w.tick(process())
	close(answer)
	wg.Wait()
	if got := whats(w.get(ref)); got != "queued unanswered not_found unanswered" {
		t.Errorf("history %q", got)
	}
	w.clock.Add(2 * time.Minute)
	w.tick(process())
	w.wantStatus(ref, notify.Sent, "")
	if n := w.carrier.times(ref); n != 2 {
		t.Errorf("submitted %d times, want 2", n)
	}
}

// One receipt for two texts in doubt, which one process gives to the first while another
// decides both, before whichever of its statements: it stands for one of them only.
func TestUnanswered_oneReceiptTwoProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	for nth, over := 1, false; !over; nth++ {
		s := newStage(t, w)
		report := func() error {
			return s.desk.Receipt(context.Background(), notify.Receipt{Carrier: "one", CarrierID: "R", Status: notify.Delivered,
				At: w.clock.Now(), Recipient: patient, Sender: "Praxis"})
		}
		w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
			if n > 1 {
				return notify.Submission{IDs: idsFor(m, n)}, nil
			}
			if n == 1 { // kept, as nobody can say yet for what
				if err := report(); err != nil {
					t.Error(err)
				}
			}
			return notify.Submission{}, refused(notify.ErrUnknown)
		}
		first, second := w.enqueue(nil), w.enqueue(nil)
		w.tick(w.dispatcher(nil))
		w.wantStatus(first, notify.NotSent, notify.ReasonUnanswered)
		w.wantStatus(second, notify.NotSent, notify.ReasonUnanswered)
		w.clock.Add(2 * time.Minute)
		var steps atomic.Int32
		reported := make(chan error, 1)
		db := dbtest.Faulty(t, dsn, func(step dbtest.Step) (before, after error) {
			if step != dbtest.Statement || steps.Add(1) != int32(nth) {
				return nil, nil
			}
			over = w.count(`SELECT count(*) FROM unanswered WHERE message_id = $1`, first.ID) == 0 // decided by now
			done := make(chan struct{})
			go func() { reported <- report(); close(done) }()
			select {
			case <-done:
			case <-time.After(100 * time.Millisecond): // it waits for a row of this transaction
			}
			return nil, nil
		})
		// The two may meet in a deadlock, which ends one of them; what it leaves is decided later.
		_, _ = w.dispatcher(func(c *notify.Config) { c.DB = db }).Tick(context.Background())
		if steps.Load() < int32(nth) {
			t.Fatalf("%d statements, and the first isn't decided", steps.Load())
		}
		if err := <-reported; err != nil {
			t.Error(err)
		}
		w.clock.Add(2 * time.Minute)
		w.tick(w.dispatcher(nil))
		w.wantStatus(first, notify.Delivered, "")
		w.wantStatus(second, notify.Sent, "")
		if a, b := w.carrier.times(first), w.carrier.times(second); a != 1 || b != 2 {
			t.Errorf("statement %d: submitted %d and %d times, want 1 and 2", nth, a, b)
		}
	}
}

// A text in three segments of which some may have been taken: only receipts of all three,
// or the answers we had, are evidence. A phone shows nothing of a text with a segment missing.
func TestUnanswered_segments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		kind     notify.Kind
		known    []string // answered before the silence
		receipts map[string]notify.Status
		order    []string
		status   notify.Status
		history  string
		sends    int
	}{
		{name: "all show up", order: []string{"a", "b", "c"}, status: notify.Delivered, history: "queued unanswered resolved receipt", sends: 1},
		{name: "one of them fails", order: []string{"c", "a", "b"}, receipts: map[string]notify.Status{"a": notify.NotDelivered},
			status: notify.NotDelivered, history: "queued unanswered resolved receipt", sends: 1},
		{name: "one of three shows up", order: []string{"b"}, status: notify.Sent, history: "queued unanswered partial resent accepted", sends: 2},
		{name: "one of three, twice", order: []string{"b", "b"}, status: notify.Sent, history: "queued unanswered partial resent accepted", sends: 2},
		{name: "two of three of an advertisement", kind: notify.Marketing, order: []string{"a", "c"}, status: notify.NetworkError,
			history: "queued unanswered partial gave_up", sends: 1},
		{name: "one was answered, the others show up", known: []string{"a"}, order: []string{"b", "c", "a"}, status: notify.Delivered,
			history: "queued unanswered resolved receipt", sends: 1},
		{name: "one was answered and fails", known: []string{"a"}, order: []string{"b", "c", "a"}, receipts: map[string]notify.Status{"a": notify.Rejected},
			status: notify.Rejected, history: "queued unanswered resolved receipt", sends: 1},
		{name: "one was answered, and nothing more is heard of it", known: []string{"a"}, order: []string{"c", "b"}, status: notify.Sent,
			history: "queued unanswered resolved", sends: 1},
		{name: "two were answered, the third never came in", known: []string{"a", "b"}, order: []string{"a", "b"}, status: notify.Sent,
			history: "queued unanswered partial resent accepted", sends: 2},
		{name: "two were answered, nothing else is heard", known: []string{"a", "b"}, status: notify.Sent,
			history: "queued unanswered partial resent accepted", sends: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
				if n == 0 {
					return notify.Submission{}, &notify.SendError{Kind: notify.ErrUnknown, Partial: notify.Submission{IDs: tt.known}}
				}
				return notify.Submission{IDs: idsFor(m, n)}, nil
			}
			ref := w.enqueue(func(m *notify.NewMessage) {
				m.Body = strings.Repeat("0123456789", 40)
				if tt.kind != 0 {
					m.Kind = tt.kind
				}
			})
			d, desk := w.dispatcher(nil), w.desk()
			w.tick(d)
			for _, id := range tt.order {
				s, ok := tt.receipts[id]
				if !ok {
					s = notify.Delivered
				}
				w.receipt(desk, id, s, func(r *notify.Receipt) { r.Recipient, r.Sender = patient, "Praxis" })
			}
			w.clock.Add(3 * time.Minute)
			w.tick(d)
			if got := w.get(ref); got.Status != tt.status || whats(got) != tt.history {
				t.Errorf("%v, %q, want %v, %q", got.Status, whats(got), tt.status, tt.history)
			}
			if n := w.carrier.times(ref); n != tt.sends {
				t.Errorf("submitted %d times, want %d", n, tt.sends)
			}
			if n := w.count(`SELECT count(*) FROM unanswered`); n != 0 {
				t.Errorf("%d still unanswered", n)
			}
			if n := w.count(`SELECT count(*) FROM early_receipts`); n != 0 {
				t.Errorf("%d receipts are still nobody's", n)
			}
		})
	}
}
