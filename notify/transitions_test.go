package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

// stage is a world in which one message is driven along the diagram in doc.go.
type stage struct {
	*world
	ref      notify.MessageRef
	two      *carrier // the next carrier
	failover bool     // it is configured
	gate     gate
	hours    openHours
	routes   map[string]notify.Route
	find     func(m notify.Message) ([]notify.Hit, error)
	asked    chan struct{} // the carrier was given the message
	answers  chan reply
	gone     chan struct{} // the test is over
	ticking  bool
	ticked   chan error
	desk     *notify.Desk
}

type reply struct {
	ids []string
	err error
}

// newStage empties w, so that every transition begins with nothing.
func newStage(t *testing.T, w *world) *stage {
	t.Helper()
	w.t = t
	for _, table := range []string{"queue", "held", "claims", "unanswered", "carrier_refs", "early_receipts", "message_events", "sent",
		"carrier_health", "invalid_numbers", "opt_outs", "due", "messages"} {
		w.exec(`DELETE FROM ` + table)
	}
	w.seen = &observer{}
	s := &stage{world: w, two: newCarrier("two", 10), asked: make(chan struct{}), answers: make(chan reply),
		gone: make(chan struct{}), ticked: make(chan error, 1)}
	w.carrier = newCarrier("one", 10)
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		a := s.wait()
		return notify.Submission{IDs: a.ids}, a.err
	}
	s.desk = w.desk()
	// A process whose carrier hasn't answered goes on: it would take what comes next.
	t.Cleanup(func() {
		close(s.gone)
		if s.ticking {
			<-s.ticked
		}
	})
	return s
}

// wait is how the carrier, or the gate, waits for what it is to answer.
func (s *stage) wait() reply {
	select {
	case s.asked <- struct{}{}:
	case <-s.gone:
	}
	select {
	case a := <-s.answers:
		return a
	case <-s.gone:
		return reply{err: refused(notify.ErrUnknown)}
	}
}

// process is a dispatcher of its own life.
func (s *stage) process() *notify.Dispatcher {
	s.t.Helper()
	return s.dispatcher(func(c *notify.Config) {
		if s.find != nil {
			c.Carriers = []notify.Carrier{finder{s.carrier, s.find}}
		}
		if s.failover {
			c.Carriers = append(c.Carriers, s.two)
		}
		if s.gate != nil {
			c.Gate = s.gate
		}
		if s.hours != nil {
			c.Window = s.hours
		}
		c.Routes = s.routes
	})
}

// openHours are those at which marketing may go.
type openHours func(now time.Time) (time.Time, error)

func (h openHours) NextOpen(_ context.Context, _ int64, _ string, now time.Time) (time.Time, error) {
	return h(now)
}

// place is where the message is. It is in one place only, whatever happens.
func (s *stage) place() string {
	s.t.Helper()
	var at []string
	for _, p := range []struct{ name, query string }{
		{"held", `SELECT count(*) FROM held WHERE account_id = $1 AND message_id = $2`},
		{"queued", `SELECT count(*) FROM queue WHERE account_id = $1 AND message_id = $2`},
		{"claimed", `SELECT count(*) FROM claims WHERE account_id = $1 AND $2 = ANY (message_ids)`},
		{"unanswered", `SELECT count(*) FROM unanswered WHERE account_id = $1 AND message_id = $2`},
	} {
		if n := s.count(p.query, s.ref.AccountID, s.ref.ID); n > 1 {
			s.t.Fatalf("%d times %s", n, p.name)
		} else if n == 1 {
			at = append(at, p.name)
		}
	}
	d := s.get(s.ref)
	over := d.Status != notify.NotSent || d.Reason == notify.ReasonWithdrawn || d.Reason == notify.ReasonStale
	if over {
		at = append(at, strings.TrimSpace(fmt.Sprint(d.Status, " ", d.Reason)))
	}
	if len(at) != 1 {
		s.t.Fatalf("the message is at %d places: %v", len(at), at)
	}
	return at[0]
}

// The ways along the diagram.

func (s *stage) enqueued() { s.ref = s.enqueue(nil) }

func (s *stage) enqueuedFor(change func(*notify.NewMessage)) { s.ref = s.enqueue(change) }

// claimed has a process submit the message; the carrier's answer is outstanding.
func (s *stage) claimed() {
	s.t.Helper()
	if s.ref == (notify.MessageRef{}) {
		s.enqueued()
	}
	d := s.process()
	s.ticking = true
	go func() { _, err := d.Tick(context.Background()); s.ticked <- err }()
	<-s.asked
}

// answer lets the carrier answer what it was asked, and the process record it.
func (s *stage) answer(err error, ids ...string) {
	s.t.Helper()
	s.answers <- reply{ids, err}
	s.ticking = false
	if err := <-s.ticked; err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) accepted() { s.t.Helper(); s.claimed(); s.answer(nil, "id") }

func (s *stage) unanswered() { s.t.Helper(); s.claimed(); s.answer(refused(notify.ErrUnknown)) }

// rest keeps the carrier from being asked, so that a message stays where it is.
func (s *stage) rest() {
	s.exec(`INSERT INTO carrier_health (carrier, paused_until, updated_at) VALUES ('one', $1, $2)`, s.clock.Now().Add(1000*time.Hour), s.clock.Now())
}

// later lets time pass and a process of its own do what is due.
func (s *stage) later(d time.Duration) {
	s.t.Helper()
	s.clock.Add(d)
	s.tick(s.process())
}

func (s *stage) optOut() { s.t.Helper(); s.world.optOut(1) }

func (s *stage) receipted(id string, status notify.Status) {
	s.t.Helper()
	s.receipt(s.desk, id, status, func(r *notify.Receipt) { r.Recipient, r.Sender = patient, "Praxis" })
}

// transition is an arrow of the diagram in doc.go.
type transition struct {
	from, event, to string
	before          func(s *stage) // to from
	during          func(s *stage) // to to
}

var transitions = []transition{
	// queued
	{"", "asked for", "queued", func(*stage) {}, (*stage).enqueued},
	{"queued", "withdrawn", "NOT_SENT withdrawn", (*stage).enqueued, func(s *stage) {
		if !s.withdraw(s.ref) {
			s.t.Error("told that it was too late")
		}
	}},
	{"queued", "opted out", "NOT_ALLOWED opted_out", (*stage).enqueued, (*stage).optOut},
	{"queued", "claim", "claimed", (*stage).enqueued, (*stage).claimed},

	// claimed, and not submitted
	{"claimed", "the gate says no", "NOT_SENT stale", func(s *stage) {
		s.gate = func(notify.GateQuery, time.Time) (time.Time, bool, error) {
			s.wait()
			return time.Time{}, false, nil
		}
		s.enqueuedFor(func(m *notify.NewMessage) { m.FreshUntil = epoch })
		s.claimed()
	}, func(s *stage) { s.answer(nil) }},
	{"claimed", "the gate can't say", "queued", func(s *stage) {
		s.gate = func(notify.GateQuery, time.Time) (time.Time, bool, error) {
			return time.Time{}, false, s.wait().err
		}
		s.enqueuedFor(func(m *notify.NewMessage) { m.FreshUntil = epoch })
		s.claimed()
	}, func(s *stage) { s.answer(errors.New("down")) }},
	{"claimed", "interrupted", "queued", func(s *stage) {
		s.gate = func(notify.GateQuery, time.Time) (time.Time, bool, error) {
			s.wait()
			s.clock.Add(time.Minute) // longer than the claim is lent
			return s.clock.Now().Add(time.Hour), true, nil
		}
		s.enqueuedFor(func(m *notify.NewMessage) { m.FreshUntil = epoch })
		s.claimed()
	}, func(s *stage) { s.rest(); s.answer(nil) }},
	{"queued", "opted out unheard", "NOT_ALLOWED opted_out", func(s *stage) {
		s.enqueued() // in the moment of the opt-out, whose look into the queue missed it
		s.exec(`INSERT INTO opt_outs (account_id, recipient, source, created_at) VALUES (1, $1, 'page', $2)`, patient, epoch)
	}, func(s *stage) { s.later(0) }},
	{"queued", "the number is invalid", "INVALID_DESTINATION invalid_number", func(s *stage) {
		s.enqueued()
		s.exec(`INSERT INTO invalid_numbers (account_id, recipient, message_id, since) VALUES (1, $1, $2, $3)`, patient, s.ref.ID, s.clock.Now())
	}, func(s *stage) { s.later(0) }},
	{"queued", "no carrier serves the number", "ROUTE_NOT_AVAILABLE no_route", func(s *stage) {
		s.routes = map[string]notify.Route{"one": {To: []string{"+49"}}}
		s.enqueued()
	}, func(s *stage) { s.later(0) }},
	{"queued", "out of hours", "queued", func(s *stage) {
		s.hours = func(now time.Time) (time.Time, error) { return now.Add(time.Hour), nil }
		s.enqueuedFor(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
	}, func(s *stage) { s.later(0) }},
	{"queued", "no hour before it is too late", "EXPIRED too_late", func(s *stage) {
		s.hours = func(now time.Time) (time.Time, error) { return now.Add(25 * time.Hour), nil }
		s.enqueuedFor(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
	}, func(s *stage) { s.later(0) }},
	{"queued", "nobody knows the hours", "queued", func(s *stage) {
		s.hours = func(time.Time) (time.Time, error) { return time.Time{}, errors.New("down") }
		s.enqueuedFor(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
	}, func(s *stage) { s.later(0) }},
	{"queued", "too late", "EXPIRED too_late", (*stage).enqueued, func(s *stage) { s.later(24 * time.Hour) }},

	// claimed, and answered
	{"claimed", "accepted", "SENT", (*stage).claimed, func(s *stage) { s.answer(nil, "id") }},
	{"claimed", "throttled", "queued", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrThrottled)) }},
	{"claimed", "temporary", "queued", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrTemporary)) }},
	{"claimed", "misconfigured", "queued", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrMisconfigured)) }},
	{"claimed", "temporary until too late", "NETWORK_ERROR exhausted", func(s *stage) {
		s.enqueuedFor(func(m *notify.NewMessage) { m.Expires = s.clock.Now().Add(time.Second) })
		s.claimed()
	}, func(s *stage) { s.answer(refused(notify.ErrTemporary)) }},
	{"claimed", "misconfigured until too late", "ROUTE_NOT_AVAILABLE misconfigured", func(s *stage) {
		s.enqueuedFor(func(m *notify.NewMessage) { m.Expires = s.clock.Now().Add(time.Second) })
		s.claimed()
	}, func(s *stage) { s.answer(refused(notify.ErrMisconfigured)) }},
	{"claimed", "rejected", "REJECTED refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrRejected)) }},
	{"claimed", "no such number", "INVALID_DESTINATION refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrInvalidDestination)) }},
	{"claimed", "sender refused", "INVALID_SENDER refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrInvalidSender)) }},
	{"claimed", "not allowed", "NOT_ALLOWED refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrNotAllowed)) }},
	{"claimed", "not delivered", "NOT_DELIVERED refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrUndelivered)) }},
	{"claimed", "opted out there", "NOT_ALLOWED opted_out", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrOptedOut)) }},
	{"claimed", "no route, and none behind", "ROUTE_NOT_AVAILABLE refused", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrNoRoute)) }},
	{"claimed", "no route, the next carrier accepts", "SENT", func(s *stage) { s.failover = true; s.claimed() }, func(s *stage) {
		s.two.script = func(n int, m notify.Message) (notify.Submission, error) {
			if got := s.place(); got != "claimed" {
				s.t.Errorf("%s while the next carrier has it, want claimed", got)
			}
			return notify.Submission{IDs: idsFor(m, n)}, nil
		}
		s.answer(refused(notify.ErrNoRoute))
		if s.get(s.ref).Carrier != "two" {
			s.t.Error("not at the next carrier")
		}
	}},
	{"claimed", "misconfigured, the next carrier accepts", "SENT", func(s *stage) { s.failover = true; s.claimed() },
		func(s *stage) { s.answer(refused(notify.ErrMisconfigured)) }},
	{"claimed", "withdrawn, and no route, though the next carrier would accept", "NOT_SENT withdrawn", func(s *stage) { s.failover = true; s.claimed() },
		func(s *stage) {
			if s.withdraw(s.ref) {
				s.t.Error("told that it was in time")
			}
			s.answer(refused(notify.ErrNoRoute))
		}},
	{"claimed", "opted out, and no route, though the next carrier would accept", "NOT_ALLOWED opted_out", func(s *stage) { s.failover = true; s.claimed() },
		func(s *stage) { s.optOut(); s.answer(refused(notify.ErrNoRoute)) }},
	{"claimed", "withdrawn, and the carrier didn't take it", "NOT_SENT withdrawn", (*stage).claimed, func(s *stage) {
		if s.withdraw(s.ref) {
			s.t.Error("told that it was in time")
		}
		s.answer(refused(notify.ErrTemporary))
	}},
	{"claimed", "withdrawn, and the carrier took it", "SENT", (*stage).claimed, func(s *stage) {
		s.withdraw(s.ref)
		s.answer(nil, "id")
	}},

	// unanswered
	{"claimed", "nothing heard", "unanswered", (*stage).claimed, func(s *stage) { s.answer(refused(notify.ErrUnknown)) }},
	{"claimed", "some segments only, the others certainly not", "queued", (*stage).claimed, func(s *stage) {
		s.answer(&notify.SendError{Kind: notify.ErrTemporary, Partial: notify.Submission{IDs: []string{"part"}}})
	}},
	{"claimed", "its owner is silent", "unanswered", func(s *stage) { s.died() }, func(s *stage) { s.rest(); s.later(30 * time.Second) }},
	{"unanswered", "the carrier has it", "SENT", func(s *stage) {
		s.find = func(notify.Message) ([]notify.Hit, error) {
			return []notify.Hit{{Submission: notify.Submission{IDs: []string{"id"}}}}, nil
		}
		s.unanswered()
	}, func(s *stage) { s.later(3 * time.Minute) }},
	{"unanswered", "the carrier hasn't it", "queued", func(s *stage) {
		s.find = func(notify.Message) ([]notify.Hit, error) { return nil, nil }
		s.unanswered()
		s.rest()
	}, func(s *stage) { s.later(3 * time.Minute) }},
	{"unanswered", "the carrier hasn't it, and it was withdrawn", "NOT_SENT withdrawn", func(s *stage) {
		s.find = func(notify.Message) ([]notify.Hit, error) { return nil, nil }
		s.unanswered()
		s.withdraw(s.ref)
	}, func(s *stage) { s.later(3 * time.Minute) }},
	{"unanswered", "the carrier hasn't it, and it is too late", "EXPIRED too_late", func(s *stage) {
		s.find = func(notify.Message) ([]notify.Hit, error) { return nil, nil }
		s.unanswered()
	}, func(s *stage) { s.later(25 * time.Hour) }},
	{"unanswered", "the carrier can't say", "unanswered", func(s *stage) {
		s.find = func(notify.Message) ([]notify.Hit, error) {
			return nil, errors.New("down")
		}
		s.unanswered()
	}, func(s *stage) { s.later(3 * time.Minute) }},
	{"unanswered", "a receipt shows up", "DELIVERED", (*stage).unanswered, func(s *stage) { s.receipted("x", notify.Delivered) }},
	{"unanswered", "a late answer shows up", "SENT", (*stage).unanswered, func(s *stage) { s.receipted("x", notify.Sent) }},
	{"unanswered", "policy: resend", "queued", func(s *stage) { s.unanswered(); s.rest() }, func(s *stage) { s.later(2 * time.Minute) }},
	{"unanswered", "policy: give up, it was resent before", "NETWORK_ERROR unanswered", func(s *stage) {
		s.unanswered()
		s.clock.Add(2 * time.Minute)
		s.claimed()
		s.answer(refused(notify.ErrUnknown))
	}, func(s *stage) { s.later(2 * time.Minute) }},
	{"unanswered", "policy: give up an advertisement", "NETWORK_ERROR unanswered", func(s *stage) {
		s.enqueuedFor(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
		s.unanswered()
	}, func(s *stage) { s.later(2 * time.Minute) }},
	{"unanswered", "policy: give up, it is too late", "NETWORK_ERROR unanswered", (*stage).unanswered, func(s *stage) { s.later(24 * time.Hour) }},
	{"unanswered", "policy: give up what was withdrawn", "NETWORK_ERROR unanswered", func(s *stage) {
		s.unanswered()
		if s.withdraw(s.ref) {
			s.t.Error("told that it was in time")
		}
	}, func(s *stage) { s.later(2 * time.Minute) }},
	{"unanswered", "policy: give up some segments", "NETWORK_ERROR partial", func(s *stage) {
		s.enqueuedFor(func(m *notify.NewMessage) { long(m); m.Kind = notify.Marketing })
		s.unanswered()
		s.receipted("one of two", notify.Delivered)
	}, func(s *stage) { s.later(2 * time.Minute) }},
	{"unanswered", "its owner was only slow, and the carrier took it", "SENT", (*stage).takenOver, func(s *stage) { s.answer(nil, "id") }},
	{"unanswered", "its owner was only slow, and the carrier refused it", "REJECTED refused", (*stage).takenOver, func(s *stage) { s.answer(refused(notify.ErrRejected)) }},
	{"unanswered", "its owner was only slow, and the carrier couldn't take it", "queued", (*stage).takenOver, func(s *stage) { s.answer(refused(notify.ErrTemporary)) }},
	{"unanswered", "its owner was only slow, and knows nothing for certain", "unanswered", (*stage).takenOver, func(s *stage) { s.answer(refused(notify.ErrUnknown)) }},
	{"queued", "resent, and the slow owner's answer says that it was taken", "SENT", func(s *stage) {
		s.takenOver()
		s.rest()
		s.later(2 * time.Minute)
	}, func(s *stage) { s.answer(nil, "id") }},

	// accepted
	{"SENT", "no receipt ever", "EXPIRED no_receipt", (*stage).accepted, func(s *stage) { s.later(72 * time.Hour) }},
	{"EXPIRED no_receipt", "a receipt after all", "NOT_DELIVERED receipt", func(s *stage) { s.accepted(); s.later(72 * time.Hour) },
		func(s *stage) { s.receipted("id", notify.NotDelivered) }},
	{"EXPIRED no_receipt", "delivered after all", "DELIVERED", func(s *stage) { s.accepted(); s.later(72 * time.Hour) },
		func(s *stage) { s.receipted("id", notify.Delivered) }},
	{"claimed", "a receipt is faster than the answer", "DELIVERED", func(s *stage) { s.claimed(); s.receipted("id", notify.Delivered) },
		func(s *stage) { s.answer(nil, "id") }},
}

// died leaves the message in the claim of a process that is no more.
func (s *stage) died() {
	s.t.Helper()
	s.enqueued()
	dsn, err := notify.DispatchDSN(s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &life{statements: -1, sends: -1}
	db := dbtest.Faulty(s.t, dsn, l.statement)
	s.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		l.mu.Lock()
		l.over = true
		l.mu.Unlock()
		return notify.Submission{}, refused(notify.ErrUnknown)
	}
	d := s.dispatcher(func(c *notify.Config) { c.DB = db })
	notify.SetRecordPauses(d, time.Microsecond)
	if _, err := d.Tick(context.Background()); err == nil {
		s.t.Error("the dead recorded something")
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// takenOver has another process take the claim over while its owner waits for the carrier.
func (s *stage) takenOver() {
	s.t.Helper()
	s.claimed()
	s.clock.Add(30 * time.Second)
	s.tick(s.process())
}

// Every arrow of the diagram is gone along once, in the real code, on a real database.
func TestTransitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tr := range transitions {
		t.Run(fmt.Sprintf("%s, %s", tr.from, tr.event), func(t *testing.T) {
			s := newStage(t, w)
			tr.before(s)
			if tr.from != "" {
				if got := s.place(); got != tr.from {
					t.Fatalf("%s before, want %s; history %s", got, tr.from, whats(s.get(s.ref)))
				}
			}
			tr.during(s)
			if got := s.place(); got != tr.to {
				t.Errorf("%s after, want %s; history %s", got, tr.to, whats(s.get(s.ref)))
			}
			// Whoever looks at it tells the same, and nothing went backwards.
			d := s.get(s.ref)
			if last := d.History[len(d.History)-1]; last.Status != d.Status {
				t.Errorf("%v, but its history %s ends with %v", d.Status, whats(d), last.Status)
			}
			at := notify.NotSent
			for _, next := range append(s.seen.of(s.ref), d.Status) {
				if next != at && !at.After(next) {
					t.Errorf("%v after %v", next, at)
				}
				at = next
			}
		})
	}
}

// A receipt moves a message by Status.After, from wherever it is, and by nothing else:
// all pairs of statuses.
func TestTransitions_receipts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reasons := map[notify.Status]notify.Reason{notify.Expired: notify.ReasonNoReceipt, notify.Delivered: "", notify.Sent: ""}
	for _, from := range notify.Statuses() {
		if from == notify.NotSent {
			continue // has no id a receipt could come for
		}
		for _, to := range notify.Statuses() {
			s := newStage(t, w)
			s.accepted()
			if from != notify.Sent && from != notify.Expired {
				s.receipted("id", from)
			} else if from == notify.Expired {
				s.later(72 * time.Hour)
			}
			if d := s.get(s.ref); d.Status != from {
				t.Fatalf("%v, want %v to begin with", d.Status, from)
			}
			want, reason := from, notify.ReasonReceipt
			if r, ok := reasons[from]; ok {
				reason = r
			}
			if from.After(to) {
				if want, reason = to, notify.ReasonReceipt; to == notify.Delivered {
					reason = ""
				}
			}
			s.receipted("id", to)
			s.receipted("id", to) // again changes nothing
			s.wantStatus(s.ref, want, reason)
		}
	}
}

// What must not happen, tried.
func TestTransitions_impossible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, try := range map[string]func(t *testing.T, s *stage){
		"a withdrawn message is never submitted": func(t *testing.T, s *stage) {
			s.enqueued()
			s.withdraw(s.ref)
			s.later(time.Hour)
		},
		"a message in the carrier's hands can't be withdrawn": func(t *testing.T, s *stage) {
			s.claimed()
			if s.withdraw(s.ref) {
				t.Error("withdrawn")
			}
			s.answer(nil, "id")
		},
		"an unanswered message can't be withdrawn, and isn't sent again then": func(t *testing.T, s *stage) {
			s.unanswered()
			if s.withdraw(s.ref) {
				t.Error("withdrawn")
			}
			s.later(time.Hour)
		},
		"a sent message can't be withdrawn": func(t *testing.T, s *stage) {
			s.accepted()
			if s.withdraw(s.ref) {
				t.Error("withdrawn")
			}
			s.wantStatus(s.ref, notify.Sent, "")
		},
		"a claimed message isn't claimed by another": func(t *testing.T, s *stage) {
			s.claimed()
			s.later(0)
			s.answer(nil, "id")
		},
		"a claim isn't taken over before its end": func(t *testing.T, s *stage) {
			s.claimed()
			s.later(30*time.Second - time.Microsecond)
			if got := s.place(); got != "claimed" {
				t.Errorf("%s", got)
			}
			s.answer(nil, "id")
		},
		"nothing is decided before its time": func(t *testing.T, s *stage) {
			s.unanswered()
			s.later(2*time.Minute - time.Microsecond)
			if got := s.place(); got != "unanswered" {
				t.Errorf("%s", got)
			}
		},
		"an advertisement is never resent": func(t *testing.T, s *stage) {
			s.enqueuedFor(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
			s.unanswered()
			s.later(2 * time.Minute)
			s.later(24 * time.Hour)
		},
		"the same reference never brings a message back": func(t *testing.T, s *stage) {
			var m notify.NewMessage
			s.enqueuedFor(func(n *notify.NewMessage) { m = *n })
			s.claimed()
			s.answer(refused(notify.ErrRejected))
			again := s.enqueue(func(n *notify.NewMessage) { *n = m })
			if again != s.ref {
				t.Errorf("%v, want %v again", again, s.ref)
			}
			s.later(time.Minute)
			s.wantStatus(s.ref, notify.Rejected, notify.ReasonRefused)
		},
		"a late answer doesn't undo what a receipt said": func(t *testing.T, s *stage) {
			s.takenOver()
			s.receipted("id", notify.NotDelivered)
			s.answer(nil, "id")
			s.wantStatus(s.ref, notify.NotDelivered, notify.ReasonReceipt)
		},
		"receipts for nobody change nothing": func(t *testing.T, s *stage) {
			s.accepted()
			s.receipted("somebody else's", notify.NotDelivered)
			if err := s.desk.Receipt(context.Background(), notify.Receipt{Carrier: "one", Status: notify.Delivered}); !errors.Is(err, notify.ErrRequest) {
				t.Errorf("a receipt without id: %v", err)
			}
			s.wantStatus(s.ref, notify.Sent, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, w)
			try(t, s)
			if n := s.carrier.times(s.ref); n > 1 {
				t.Errorf("submitted %d times", n)
			}
		})
	}
}

// However often, in whatever order and among whatever else a message's receipts come,
// before or after its acceptance is recorded: it ends in the same state.
func TestReceipts_anyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		parts := rapid.IntRange(1, 3).Draw(r, "segments")
		failure := rapid.SampledFrom([]notify.Status{notify.NotDelivered, notify.Rejected, notify.NotAllowed, notify.InvalidDestination}).Draw(r, "failure")
		// What the gateway says of each part: that it is on its way, any number of times, and
		// at most one verdict. Where every part is delivered in the end, it may have said
		// otherwise before; with some parts open that is no end to compare.
		type word struct {
			part   int
			status notify.Status
		}
		var said []word
		all := true
		for p := range parts {
			verdict := rapid.SampledFrom([]notify.Status{notify.Sent, notify.Expired, failure, notify.Delivered, notify.Delivered, notify.Delivered}).Draw(r, "verdict")
			said = append(said, word{p, verdict})
			all = all && verdict == notify.Delivered
			for range rapid.IntRange(0, 2).Draw(r, "on its way") {
				said = append(said, word{p, notify.Sent})
			}
		}
		if all || parts == 1 {
			for range rapid.IntRange(0, 2).Draw(r, "mistaken") {
				said = append(said, word{rapid.IntRange(0, parts-1).Draw(r, "part"), rapid.SampledFrom([]notify.Status{notify.Expired, failure}).Draw(r, "mistake")})
			}
		}
		play := func(order []word, early int) notify.Status {
			n++
			ids := make([]string, parts)
			for i := range ids {
				ids[i] = fmt.Sprintf("%d-%d", n, i)
			}
			desk := w.desk()
			words := func(all []word) {
				for _, o := range all {
					w.receipt(desk, ids[o.part], o.status, func(r *notify.Receipt) { r.Recipient, r.Sender = patient, "Praxis" })
					if rapid.Bool().Draw(r, "noise") {
						w.receipt(desk, fmt.Sprint("nobody-", n), notify.Delivered, func(r *notify.Receipt) { r.Recipient = patient })
					}
				}
			}
			w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
				words(order[:early])
				return notify.Submission{IDs: ids}, nil
			}
			w.exec(`DELETE FROM invalid_numbers`)
			ref := w.enqueue(func(m *notify.NewMessage) { m.Body = strings.Repeat("0123456789", 16*parts-2*(parts-1)) })
			w.tick(w.dispatcher(nil))
			words(order[early:])
			return w.get(ref).Status
		}
		first := play(said, 0)
		for range 2 {
			order := rapid.Permutation(append(said, rapid.SliceOf(rapid.SampledFrom(said)).Draw(r, "again")...)).Draw(r, "order")
			if diff := cmp.Diff(first, play(order, rapid.IntRange(0, len(order)).Draw(r, "early"))); diff != "" {
				r.Errorf("%v instead of %v (-first +again):\n%s", order, said, diff)
			}
		}
	})
}
