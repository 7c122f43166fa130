package notify_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
)

func TestDispatcher_outcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		err     error
		status  notify.Status
		reason  notify.Reason
		history string
		sends   int
	}{
		{"accepted", nil, notify.Sent, "", "queued accepted", 1},
		{"rejected", refused(notify.ErrRejected), notify.Rejected, notify.ReasonRefused, "queued failed", 1},
		{"opted out at the carrier", refused(notify.ErrOptedOut), notify.NotAllowed, notify.ReasonOptedOut, "queued failed", 1},
		{"no such number", refused(notify.ErrInvalidDestination), notify.InvalidDestination, notify.ReasonRefused, "queued failed", 1},
		{"sender refused", refused(notify.ErrInvalidSender), notify.InvalidSender, notify.ReasonRefused, "queued failed", 1},
		{"not allowed", refused(notify.ErrNotAllowed), notify.NotAllowed, notify.ReasonRefused, "queued failed", 1},
		{"not delivered", refused(notify.ErrUndelivered), notify.NotDelivered, notify.ReasonRefused, "queued failed", 1},
		{"no route", refused(notify.ErrNoRoute), notify.RouteNotAvailable, notify.ReasonRefused, "queued failed", 1},
		{"throttled", refused(notify.ErrThrottled), notify.NotSent, notify.ReasonThrottled, "queued retry", 1},
		{"temporary", refused(notify.ErrTemporary), notify.NotSent, notify.ReasonTemporary, "queued retry", 1},
		{"misconfigured", refused(notify.ErrMisconfigured), notify.NotSent, notify.ReasonMisconfigured, "queued retry", 1},
		{"unknown", refused(notify.ErrUnknown), notify.NotSent, notify.ReasonUnanswered, "queued unanswered", 1},
		{"no SendError", errors.New("odd"), notify.NotSent, notify.ReasonUnanswered, "queued unanswered", 1},
		{"a SendError of no kind", &notify.SendError{Kind: errors.New("odd")}, notify.NotSent, notify.ReasonUnanswered, "queued unanswered", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
				return notify.Submission{IDs: []string{"x"}}, tt.err
			}
			ref := w.enqueue(nil)
			w.tick(w.dispatcher(nil))
			w.wantStatus(ref, tt.status, tt.reason)
			if got := whats(w.get(ref)); got != tt.history {
				t.Errorf("history %q, want %q", got, tt.history)
			}
			if got := w.carrier.times(ref); got != tt.sends {
				t.Errorf("submitted %d times, want %d", got, tt.sends)
			}
			if n := w.count(`SELECT count(*) FROM claims`); n != 0 {
				t.Errorf("%d claims left", n)
			}
			if diff := cmp.Diff([]notify.Status{tt.status}, w.seen.of(ref)); diff != "" {
				t.Errorf("observed (-want +got):\n%s", diff)
			}
			if tt.reason == notify.ReasonOptedOut && w.count(`SELECT count(*) FROM opt_outs WHERE source = 'carrier'`) != 1 {
				t.Error("the number the carrier suppresses isn't suppressed here")
			}
		})
	}
}

func TestDispatcher_panickingCarrierIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) { panic("with a number in it: " + patient) }
	ref := w.enqueue(nil)
	w.tick(w.dispatcher(nil))
	w.wantStatus(ref, notify.NotSent, notify.ReasonUnanswered)
}

func TestDispatcher_timing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	later := w.enqueue(func(m *notify.NewMessage) { m.SendAt = epoch.Add(time.Hour) })
	late := w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch })
	w.tick(d)
	w.wantStatus(later, notify.NotSent, "")
	w.wantStatus(late, notify.Expired, notify.ReasonTooLate)
	w.clock.Add(time.Hour - time.Microsecond)
	w.tick(d)
	w.wantStatus(later, notify.NotSent, "")
	w.clock.Add(time.Microsecond)
	w.tick(d)
	w.wantStatus(later, notify.Sent, "")
	if n := len(w.carrier.sent()); n != 1 {
		t.Errorf("%d submissions, want 1", n)
	}
}

func TestDispatcher_retriesWithBackoffUntilTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrTemporary)
	d := w.dispatcher(nil)
	ref := w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch.Add(10 * time.Minute) })
	var pauses []time.Duration
	last := epoch
	for w.clock.Now().Before(epoch.Add(11 * time.Minute)) {
		before := w.carrier.times(ref)
		w.tick(d)
		if w.carrier.times(ref) > before {
			pauses = append(pauses, w.clock.Now().Sub(last))
			last = w.clock.Now()
		}
		w.clock.Add(time.Second)
	}
	for i, p := range pauses[1:] {
		lo, hi := 4*time.Second<<i, 6*time.Second<<i+time.Second
		if p < lo || p > hi {
			t.Errorf("pause %d is %v, want %v to %v", i+1, p, lo, hi)
		}
	}
	if len(pauses) < 6 {
		t.Errorf("only %d attempts", len(pauses))
	}
	w.wantStatus(ref, notify.NetworkError, notify.ReasonExhausted)
	if w.get(ref).Attempts != len(pauses) {
		t.Errorf("attempts %d, want %d", w.get(ref).Attempts, len(pauses))
	}
}

func TestDispatcher_throttlingPausesTheCarrierForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	throttle := true
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if throttle {
			return notify.Submission{}, &notify.SendError{Kind: notify.ErrThrottled, After: time.Minute}
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	a, b := w.dispatcher(nil), w.dispatcher(nil)
	first := w.enqueue(nil)
	w.tick(a)
	throttle = false
	second := w.enqueue(func(m *notify.NewMessage) { m.AccountID = 2 })
	w.clock.Add(59 * time.Second)
	w.tick(a)
	w.tick(b) // another process
	if n := len(w.carrier.sent()); n != 1 {
		t.Fatalf("%d submissions while paused, want the 1 before", n)
	}
	w.clock.Add(time.Second)
	w.tick(b)
	w.wantStatus(first, notify.Sent, "")
	w.wantStatus(second, notify.Sent, "")
}

func TestDispatcher_misconfiguredAlarmsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrMisconfigured)
	alarms := 0
	d := w.dispatcher(func(c *notify.Config) {
		c.Alarm = func(context.Context, string, error) { alarms++ }
		c.Workers = 1
	})
	refs := []notify.MessageRef{}
	for range 20 {
		refs = append(refs, w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch.Add(time.Hour) }))
	}
	w.tick(d)
	if alarms != 1 {
		t.Errorf("%d alarms, want 1", alarms)
	}
	w.carrier.script = nil
	w.clock.Add(5 * time.Minute)
	w.tick(d)
	for _, ref := range refs {
		w.wantStatus(ref, notify.Sent, "")
	}
}

func TestDispatcher_misconfiguredUntilTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrMisconfigured)
	ref := w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch.Add(time.Minute) })
	w.tick(w.dispatcher(nil))
	w.wantStatus(ref, notify.RouteNotAvailable, notify.ReasonMisconfigured)
}

func TestDispatcher_failover(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		err     error
		second  error
		status  notify.Status
		carrier string
		history string
	}{
		{"no route there, one here", notify.ErrNoRoute, nil, notify.Sent, "two", "queued failover accepted"},
		{"misconfigured there", notify.ErrMisconfigured, nil, notify.Sent, "two", "queued failover accepted"},
		{"no route anywhere", notify.ErrNoRoute, notify.ErrNoRoute, notify.RouteNotAvailable, "two", "queued failover failed"},
		{"unknown stays where it is", notify.ErrUnknown, nil, notify.NotSent, "one", "queued unanswered"},
		{"temporary waits for its carrier", notify.ErrTemporary, nil, notify.NotSent, "", "queued retry"},
		{"rejected is final", notify.ErrRejected, nil, notify.Rejected, "one", "queued failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			two := newCarrier("two", 2)
			w.carrier.script = always(tt.err)
			if tt.second != nil {
				two.script = always(tt.second)
			}
			var refs []notify.MessageRef
			for range 7 { // more than the second carrier's window
				refs = append(refs, w.enqueue(nil))
			}
			w.tick(w.dispatcher(func(c *notify.Config) { c.Carriers = append(c.Carriers, two) }))
			if two.most > two.window {
				t.Errorf("%d under way at carrier two, window %d", two.most, two.window)
			}
			for _, ref := range refs {
				d := w.get(ref)
				if d.Status != tt.status || d.Carrier != tt.carrier {
					t.Errorf("message %d is %v at %q, want %v at %q", ref.ID, d.Status, d.Carrier, tt.status, tt.carrier)
				}
				if n := two.times(ref); n > 1 {
					t.Errorf("carrier two got message %d %d times", ref.ID, n)
				}
			}
			if got := whats(w.get(refs[0])); !strings.HasSuffix(got, tt.history[strings.LastIndex(tt.history, " "):]) {
				t.Errorf("history %q, want %q", got, tt.history)
			}
		})
	}
}

// What failed over waits for a token of the next carrier for longer than a claim is lent:
// its process is alive, so nobody takes it over.
func TestDispatcher_failoverWaits(t *testing.T) {
	t.Parallel()
	const lease = 300 * time.Millisecond // a third of it is real time, too
	w := newWorld(t)
	q := w.queueForTheNext(lease)
	other := w.dispatcher(func(c *notify.Config) { c.Carriers, c.ClaimLease = append(c.Carriers, q.two), lease })
	for range 3 {
		w.clock.Add(lease * 2 / 3)
		w.until("not renewed while it waits", `SELECT count(*) FROM claims WHERE account_id = 2 AND lease_until >= $1`, w.clock.Now().Add(lease))
		w.tick(other)
	}
	q.answer()
	w.wantStatus(q.first, notify.Sent, "")
	w.wantStatus(q.second, notify.Sent, "")
	if got := whats(w.get(q.second)); got != "queued failover accepted" {
		t.Errorf("history %q", got)
	}
}

func TestDispatcher_pausedCarrierIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := newCarrier("two", 2)
	w.exec(`INSERT INTO carrier_health (carrier, paused_until, updated_at) VALUES ('one', $1, $2)`, epoch.Add(time.Hour), epoch)
	ref := w.enqueue(nil)
	w.tick(w.dispatcher(func(c *notify.Config) { c.Carriers = append(c.Carriers, two) }))
	if d := w.get(ref); d.Status != notify.Sent || d.Carrier != "two" {
		t.Errorf("message is %v at %q", d.Status, d.Carrier)
	}
}

// A pause since the gateway refused the connection is over with the first that stands, for
// what waits and in every process. One since it refused what came over a connection isn't.
func TestDispatcher_pauseEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	for _, overLink := range []bool{false, true} {
		w := newWorld(t)
		one := &linked{carrier: w.carrier}
		with := func(c *notify.Config) { c.Carriers = []notify.Carrier{one} }
		d, other := w.dispatcher(with), w.dispatcher(with)
		w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
			return notify.Submission{}, &notify.SendError{Kind: notify.ErrMisconfigured, Code: "0x0E", Refused: !overLink}
		}
		ref := w.enqueue(nil)
		w.tick(d)
		w.wantStatus(ref, notify.NotSent, notify.ReasonMisconfigured)
		w.carrier.script = nil
		w.clock.Add(5 * time.Second)
		w.tick(other) // still refused, as it has heard
		if n := len(w.carrier.sent()); n != 1 {
			t.Fatalf("over a link %v: submitted %d times while no connection stands", overLink, n)
		}
		one.bound.Store(1)
		w.clock.Add(5 * time.Second)
		w.tick(d)
		if overLink {
			w.wantStatus(ref, notify.NotSent, notify.ReasonMisconfigured)
			continue
		}
		w.wantStatus(ref, notify.Sent, "")
		w.enqueue(nil)
		w.tick(d)
		if n := w.count(`SELECT count(*) FROM carrier_health WHERE paused_until IS NOT NULL`); n != 0 {
			t.Error("the others don't hear that it is over")
		}
	}
}

// A message refused for want of a connection that stands by the time this is recorded goes
// back for now, not for the year 1.
func TestDispatcher_connectedWhileRecording(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := &linked{carrier: w.carrier}
	ctx, cancel := context.WithCancel(t.Context())
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		one.bound.Store(1)
		cancel() // so that it stays in the queue
		return notify.Submission{}, &notify.SendError{Kind: notify.ErrMisconfigured, Code: "0x0E", Refused: true}
	}
	ref := w.enqueue(nil)
	d := w.dispatcher(func(c *notify.Config) { c.Carriers = []notify.Carrier{one} })
	if _, err := d.Tick(ctx); err == nil {
		t.Fatal("Tick went on to the end")
	}
	w.wantStatus(ref, notify.NotSent, notify.ReasonMisconfigured)
	if n := w.count(`SELECT count(*) FROM queue WHERE send_at = $1`, epoch); n != 1 {
		t.Errorf("%d messages are queued for now, want 1", n)
	}
	if n := w.count(`SELECT count(*) FROM due WHERE due_at < $1`, epoch); n != 0 {
		t.Error("the account is due since before there was anything to do")
	}
}

// Once somebody has looked and found the configuration right, those that rest go on.
func TestUnpause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrMisconfigured)
	d := w.dispatcher(nil)
	w.enqueue(nil)
	w.tick(d)
	w.carrier.script = nil
	w.clock.Add(time.Second)
	if err := notify.Unpause(context.Background(), w.db, "one", w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	next := w.enqueue(nil)
	w.tick(d)
	w.wantStatus(next, notify.Sent, "")
}

// A message whose carrier was refused its connection to the end had no route.
func TestDispatcher_refusedToTheEnd(t *testing.T) {
	t.Parallel()
	for isRefused, want := range map[bool]notify.Status{true: notify.RouteNotAvailable, false: notify.NetworkError} {
		w := newWorld(t)
		w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
			return notify.Submission{}, &notify.SendError{Kind: notify.ErrTemporary, Code: "0x05", Refused: isRefused}
		}
		ref := w.enqueue(func(m *notify.NewMessage) { m.Expires = w.clock.Now().Add(time.Second) })
		w.tick(w.dispatcher(nil))
		w.wantStatus(ref, want, notify.ReasonExhausted)
	}
}

type gate func(q notify.GateQuery, now time.Time) (time.Time, bool, error)

func (g gate) Fresh(_ context.Context, q notify.GateQuery, now time.Time) (time.Time, bool, error) {
	return g(q, now)
}

func TestDispatcher_gate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		gate   gate
		status notify.Status
		reason notify.Reason
	}{
		{"still stands", func(_ notify.GateQuery, now time.Time) (time.Time, bool, error) {
			return now.Add(time.Minute), true, nil
		}, notify.Sent, ""},
		{"stands no more", func(notify.GateQuery, time.Time) (time.Time, bool, error) { return time.Time{}, false, nil }, notify.NotSent, notify.ReasonStale},
		{"can't say", func(notify.GateQuery, time.Time) (time.Time, bool, error) {
			return time.Time{}, false, errors.New("down")
		}, notify.NotSent, notify.ReasonUnchecked},
		{"answers too slowly", func(_ notify.GateQuery, now time.Time) (time.Time, bool, error) { return now, true, nil }, notify.NotSent, notify.ReasonUnchecked},
		{"panics", func(notify.GateQuery, time.Time) (time.Time, bool, error) { panic("oops") }, notify.NotSent, notify.ReasonUnchecked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			asked := 0
			d := w.dispatcher(func(c *notify.Config) {
				c.Workers = 1
				c.Gate = gate(func(q notify.GateQuery, now time.Time) (time.Time, bool, error) {
					asked++
					if q.OriginID != 7 || q.Origin != notify.OriginReminder {
						t.Errorf("asked about %+v", q)
					}
					return tt.gate(q, now)
				})
			})
			fresh := w.enqueue(func(m *notify.NewMessage) { m.FreshUntil = epoch.Add(time.Second) })
			w.tick(d)
			w.wantStatus(fresh, notify.Sent, "")
			if asked != 0 {
				t.Error("asked about a fresh message")
			}
			old := w.enqueue(func(m *notify.NewMessage) { m.FreshUntil = epoch })
			w.tick(d)
			w.wantStatus(old, tt.status, tt.reason)
			if asked != 1 {
				t.Errorf("asked %d times, want 1", asked)
			}
		})
	}
}

func TestDispatcher_respectsOptOuts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	ref := w.enqueue(nil)
	other := w.enqueue(func(m *notify.NewMessage) { m.AccountID = 2 })
	w.exec(`INSERT INTO opt_outs (account_id, recipient, source, created_at) VALUES (1, $1, 'staff', $2)`, patient, epoch)
	w.tick(w.dispatcher(nil))
	w.wantStatus(ref, notify.NotAllowed, notify.ReasonOptedOut)
	w.wantStatus(other, notify.Sent, "")
}

func TestDispatcher_windowIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 3
	for a := int64(2); a < 6; a++ {
		w.account(a)
	}
	release := make(chan struct{})
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if n == 2 { // the window is full
			if claimed := w.count(`SELECT sum(cardinality(message_ids)) FROM claims`); claimed > 3 {
				t.Errorf("%d messages claimed with a window of 3", claimed)
			}
			close(release)
		}
		<-release
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	for a := int64(1); a < 6; a++ {
		for range 5 {
			w.enqueue(func(m *notify.NewMessage) { m.AccountID = a })
		}
	}
	w.tick(w.dispatcher(nil))
	if n := len(w.carrier.sent()); n != 25 {
		t.Errorf("%d submissions, want 25", n)
	}
	if w.carrier.most != 3 {
		t.Errorf("%d under way at once, want 3", w.carrier.most)
	}
}

// campaign queues n marketing texts of account in one go.
func (w *world) campaign(account int64, n int) {
	w.t.Helper()
	w.exec(`WITH m AS (INSERT INTO messages (account_id, kind, reference, origin, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
		SELECT $4, 2, 'c' || i, 'campaign', '+4179' || lpad(CAST(i AS text), 7, '0'), 'Praxis', 'x', 0, 1, 1, $1, $2, $1 FROM generate_series(1, $3) i RETURNING id)
		INSERT INTO queue (account_id, message_id, priority, send_at) SELECT $4, id, 5, $1 FROM m`, epoch, epoch.Add(24*time.Hour), n, account)
	w.exec(`INSERT INTO due (account_id, kind, due_at) VALUES ($2, 'campaign', $1)`, epoch, account)
}

// An account with thousands of texts must not hold back another's single one, even when
// there is but one worker.
func TestDispatcher_fairness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	w.campaign(1, 5000)
	w.carrier.window = 100
	reminder := w.enqueue(func(m *notify.NewMessage) { m.AccountID = 2 })
	offer := w.enqueue(func(m *notify.NewMessage) { m.AccountID, m.Kind = 2, notify.Marketing })
	w.tick(w.dispatcher(func(c *notify.Config) { c.Workers = 1 }))
	all := w.carrier.sent()
	if len(all) != 5002 {
		t.Fatalf("%d submissions, want 5002", len(all))
	}
	for i, s := range all {
		if s.ID == reminder.ID && i > 0 || s.ID == offer.ID && i > 4*50+100 {
			t.Errorf("message %d went out as number %d", s.ID, i+1)
		}
	}
}

// A campaign of many thousands delays nobody's reminder by more than a second from when it
// is committed. Time is the gateway's: it takes a thousand texts a second, and the clock
// moves with each.
func TestDispatcher_reminderDuringACampaign(t *testing.T) {
	t.Parallel()
	const campaign, every, reminders = 20000, 400, 20
	w := newWorld(t)
	w.campaign(1, campaign)
	for a := int64(2); a < 2+reminders; a++ {
		w.account(a)
	}
	w.carrier.window = 100
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ask := make(chan int64, reminders)
	var mu sync.Mutex
	committed, answered := map[int64]time.Time{}, map[int64]time.Time{}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		w.clock.Add(time.Millisecond)
		if n%every == every-1 && n/every < reminders {
			ask <- int64(2 + n/every)
		}
		if m.Kind == notify.Notification {
			mu.Lock()
			answered[m.AccountID] = w.clock.Now()
			if len(answered) == reminders {
				stop()
			}
			mu.Unlock()
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range reminders {
			select {
			case account := <-ask:
				w.enqueue(func(m *notify.NewMessage) { m.AccountID = account })
				mu.Lock()
				committed[account] = w.clock.Now()
				mu.Unlock()
			case <-ctx.Done():
			}
		}
	})
	d := w.dispatcher(func(c *notify.Config) { c.Poll, c.ClaimLease = time.Millisecond, time.Hour })
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	if n := len(w.carrier.sent()); n >= campaign {
		t.Errorf("the campaign was over before the reminders")
	}
	for account, at := range answered {
		if took := at.Sub(committed[account]); took > time.Second {
			t.Errorf("the reminder of account %d took %v", account, took)
		}
	}
	if len(answered) != reminders {
		t.Errorf("%d reminders of %d went out", len(answered), reminders)
	}
}

// A reminder overtakes the campaign of its own account.
func TestDispatcher_notificationsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 2
	for range 20 {
		w.enqueue(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
	}
	ref := w.enqueue(nil)
	w.tick(w.dispatcher(nil))
	if first := w.carrier.sent()[0]; first.ID != ref.ID {
		t.Errorf("message %d went first, want the reminder %d", first.ID, ref.ID)
	}
}

func TestDispatcher_gracefulStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 4
	ctx, stop := context.WithCancel(context.Background())
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		stop()
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	var refs []notify.MessageRef
	for range 12 {
		refs = append(refs, w.enqueue(nil))
	}
	if err := w.dispatcher(nil).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM claims`) + w.count(`SELECT count(*) FROM unanswered`); n != 0 {
		t.Fatalf("%d claims or unanswered messages after a graceful stop", n)
	}
	if n := len(w.carrier.sent()); n == 0 || n == 12 {
		t.Errorf("%d of 12 submitted before the stop", n)
	}
	w.carrier.script = nil
	w.tick(w.dispatcher(nil))
	for _, ref := range refs {
		w.wantStatus(ref, notify.Sent, "")
		if n := w.carrier.times(ref); n != 1 {
			t.Errorf("message %d submitted %d times", ref.ID, n)
		}
	}
}

// What the carrier answered is kept even when the Observer never agrees.
func TestDispatcher_observerInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seen.err = errors.New("no")
	ref := w.enqueue(nil)
	d := w.dispatcher(nil)
	notify.SetRecordPauses(d, time.Microsecond, time.Microsecond)
	w.tick(d)
	w.wantStatus(ref, notify.Sent, "")
}
