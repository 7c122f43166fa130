package notify_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

var errCrash = errors.New("crashed")

// life is one life of a process: until it ends, and after which statement or submission.
// Once it has ended nothing it does reaches anybody: no statement, no submission.
type life struct {
	mu         sync.Mutex
	statements int  // end with this many left; negative: never
	sends      int  // the same for submissions
	lateReply  bool // the last statement is carried out, only its reply is lost
	over       bool
}

// statement counts one, and tells what becomes of it.
func (l *life) statement(dbtest.Step) (before, after error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errCrash, nil
	}
	if l.statements > 0 {
		l.statements--
	}
	if l.statements != 0 {
		return nil, nil
	}
	l.over = true
	if l.lateReply {
		return nil, errCrash
	}
	return errCrash, nil
}

// send counts a submission; dead says it doesn't happen, ends that its answer is lost.
func (l *life) send() (dead, ends bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return true, true
	}
	if l.sends > 0 {
		l.sends--
	}
	if l.sends == 0 {
		l.over = true
		return false, true
	}
	return false, false
}

func (l *life) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// gateway is a carrier with a truth of its own: what phones received.
type gateway struct {
	name     string
	answers  func(ref notify.MessageRef, attempt int) string
	life     *life // of whoever calls
	mu       sync.Mutex
	attempts map[notify.MessageRef]int
	arrived  map[notify.MessageRef][]string // carrier ids, one per copy that arrived
}

func (g *gateway) Name() string { return g.name }
func (g *gateway) Window() int  { return 4 }

func (g *gateway) Send(_ context.Context, m notify.Message) (notify.Submission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	dead, ends := g.life.send()
	if dead {
		return notify.Submission{}, &notify.SendError{Kind: notify.ErrUnknown}
	}
	ref := notify.MessageRef{AccountID: m.AccountID, ID: m.ID}
	g.attempts[ref]++
	n := g.attempts[ref]
	arrives := func() notify.Submission {
		id := fmt.Sprintf("%d-%d-%d", m.AccountID, m.ID, n)
		g.arrived[ref] = append(g.arrived[ref], id)
		return notify.Submission{IDs: []string{id}}
	}
	var s notify.Submission
	var err error
	switch g.answers(ref, n) {
	case "accepted":
		s = arrives()
	case "silent, has it":
		arrives()
		err = &notify.SendError{Kind: notify.ErrUnknown}
	case "silent, hasn't":
		err = &notify.SendError{Kind: notify.ErrUnknown}
	case "rejected":
		err = &notify.SendError{Kind: notify.ErrRejected}
	case "throttled":
		err = &notify.SendError{Kind: notify.ErrThrottled}
	case "temporary":
		err = &notify.SendError{Kind: notify.ErrTemporary}
	case "partial":
		err = &notify.SendError{Kind: notify.ErrTemporary, Partial: notify.Submission{IDs: []string{fmt.Sprintf("p-%d-%d-%d", m.AccountID, m.ID, n)}}}
	}
	if ends {
		return notify.Submission{}, &notify.SendError{Kind: notify.ErrUnknown}
	}
	return s, err
}

// asking is a gateway that can be asked what it has.
type asking struct{ *gateway }

func (a asking) Find(_ context.Context, m notify.Message, _ time.Time) ([]notify.Hit, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := a.arrived[notify.MessageRef{AccountID: m.AccountID, ID: m.ID}]
	if len(ids) == 0 {
		return nil, nil
	}
	return []notify.Hit{{Submission: notify.Submission{IDs: ids[:1]}}}, nil
}

// Whatever carriers answer and wherever processes die: every message ends in a state that
// is true, none goes out twice but by the one resend the policy allows, and none is lost.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		for _, table := range []string{"queue", "claims", "unanswered", "carrier_refs", "early_receipts", "message_events", "carrier_health", "due", "opt_outs", "messages"} {
			w.exec(`DELETE FROM ` + table)
		}
		answers := map[string]string{}
		asks := rapid.Bool().Draw(r, "carrier can be asked")
		answer := rapid.SampledFrom([]string{"accepted", "accepted", "silent, has it", "silent, hasn't", "rejected", "throttled", "temporary", "partial"})
		g := &gateway{name: "g", attempts: map[notify.MessageRef]int{}, arrived: map[notify.MessageRef][]string{}}
		g.answers = func(ref notify.MessageRef, attempt int) string {
			if a, ok := answers[fmt.Sprint(ref.AccountID, "/", ref.ID, "/", attempt)]; ok {
				return a
			}
			return "accepted"
		}
		var c notify.Carrier = g
		if asks {
			c = asking{g}
		}
		kinds := map[notify.MessageRef]notify.Kind{}
		var refs []notify.MessageRef
		for i := range rapid.IntRange(1, 8).Draw(r, "messages") {
			ref := w.enqueue(func(m *notify.NewMessage) {
				m.AccountID = int64(rapid.IntRange(1, 2).Draw(r, "account"))
				m.Kind = notify.Kind(rapid.IntRange(1, 2).Draw(r, "kind"))
				m.Recipient = fmt.Sprintf("+4179000000%d", i)
				kinds[notify.MessageRef{}] = m.Kind
			})
			kinds[ref] = kinds[notify.MessageRef{}]
			refs = append(refs, ref)
			for n := 1; n <= 3; n++ {
				answers[fmt.Sprint(ref.AccountID, "/", ref.ID, "/", n)] = answer.Draw(r, "answer")
			}
		}
		desk := w.desk()
		receipted := map[string]bool{}
		receipts := func() { // of some of what arrived, not always at once, sometimes twice
			g.mu.Lock()
			var ids []string
			to := map[string]notify.MessageRef{}
			for _, ref := range refs {
				for _, id := range g.arrived[ref] {
					ids = append(ids, id)
					to[id] = ref
				}
			}
			g.mu.Unlock()
			for _, id := range ids {
				if receipted[id] && rapid.IntRange(0, 3).Draw(r, "again") > 0 || rapid.Bool().Draw(r, "receipt later") {
					continue
				}
				receipted[id] = true
				var number string
				if err := w.db.Get(&number, `SELECT recipient FROM messages WHERE account_id = $1 AND id = $2`, to[id].AccountID, to[id].ID); err != nil {
					r.Fatal(err)
				}
				rec := notify.Receipt{Carrier: "g", CarrierID: id, Status: notify.Delivered, At: w.clock.Now(), Recipient: number, Sender: "Praxis"}
				if err := desk.Receipt(context.Background(), rec); err != nil {
					r.Fatal(err)
				}
			}
		}
		tick := func(l *life, db *sqlx.DB) {
			g.mu.Lock()
			g.life = l
			g.mu.Unlock()
			d := w.dispatcher(func(cfg *notify.Config) { cfg.DB, cfg.Carriers = db, []notify.Carrier{c} })
			notify.SetRecordPauses(d, time.Microsecond)
			if _, err := d.Tick(context.Background()); err != nil && !l.ended() {
				r.Fatalf("Tick: %v", err)
			}
		}
		for range rapid.IntRange(1, 6).Draw(r, "lives") {
			l := &life{statements: -1, sends: -1, lateReply: rapid.Bool().Draw(r, "late reply")}
			if rapid.Bool().Draw(r, "dies at a statement") {
				l.statements = rapid.IntRange(1, 60).Draw(r, "statement")
			} else {
				l.sends = rapid.IntRange(1, 8).Draw(r, "send")
			}
			db := dbtest.Faulty(t, dsn, l.statement)
			tick(l, db)
			if err := db.Close(); err != nil {
				r.Fatal(err)
			}
			receipts()
			w.clock.Add(time.Duration(rapid.IntRange(0, 90).Draw(r, "seconds")) * time.Second)
		}
		// From here on nobody dies.
		for range 12 {
			tick(&life{statements: -1, sends: -1}, w.db)
			receipts()
			w.clock.Add(75 * time.Second)
		}
		for _, table := range []string{"queue", "claims", "unanswered"} {
			if n := w.count(`SELECT count(*) FROM ` + table); n != 0 {
				r.Errorf("%d rows left in %s", n, table)
			}
		}
		for _, ref := range refs {
			d := w.get(ref)
			arrived := g.arrived[ref]
			resends := 0
			for _, h := range d.History {
				if h.What == notify.WhatResent {
					resends++
				}
			}
			if resends > 1 {
				r.Errorf("message %v was resent %d times: %s", ref, resends, whats(d))
			}
			resent, allowed := resends > 0, 1+resends
			if len(arrived) > allowed {
				r.Errorf("message %v arrived %d times: %s", ref, len(arrived), whats(d))
			}
			if resent && kinds[ref] == notify.Marketing {
				r.Errorf("an advertisement was resent: %s", whats(d))
			}
			switch d.Status {
			case notify.Sent, notify.Delivered:
				if len(arrived) == 0 {
					r.Errorf("message %v is %v but never arrived: %s", ref, d.Status, whats(d))
				}
			case notify.Rejected:
				if len(arrived) > 0 && !resent {
					r.Errorf("message %v is %v but arrived: %s", ref, d.Status, whats(d))
				}
			case notify.NetworkError:
				if len(arrived) > 0 && asks {
					r.Errorf("message %v was given up, but the carrier could have told that it arrived: %s", ref, whats(d))
				}
				if last := d.History[len(d.History)-1]; last.What != notify.WhatGaveUp {
					r.Errorf("message %v ended in %v without a word: %s", ref, d.Status, whats(d))
				}
			default:
				r.Errorf("message %v ended as %v %q: %s", ref, d.Status, d.Reason, whats(d))
			}
		}
	})
}
