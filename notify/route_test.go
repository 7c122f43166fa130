package notify_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
)

// to gives messages to numbers of several countries.
func to(number string) func(*notify.NewMessage) {
	return func(m *notify.NewMessage) { m.Recipient = number }
}

func recipients(c *carrier) []string {
	out := []string{}
	for _, s := range c.sent() {
		out = append(out, s.Recipient)
	}
	return out
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	const swiss, mobile, german, french = "+41441234567", "+41791234567", "+4915123456789", "+33612345678"
	for _, tt := range []struct {
		name   string
		routes map[string]notify.Route
		want   map[string][]string // by carrier
		lost   []string            // have no route
	}{
		{"nobody is bound", nil, map[string][]string{"one": {swiss, mobile, german, french}, "two": {}}, nil},
		{"one country", map[string]notify.Route{"two": {To: []string{"+41"}}},
			map[string][]string{"one": {german, french}, "two": {swiss, mobile}}, nil},
		{"the longer prefix wins", map[string]notify.Route{"one": {To: []string{"+41"}}, "two": {To: []string{"+4179", "+33"}}},
			map[string][]string{"one": {swiss}, "two": {mobile, french}}, []string{german}},
		{"equals go to the first", map[string]notify.Route{"one": {To: []string{"+41"}}, "two": {To: []string{"+41", "+49", "+3"}}},
			map[string][]string{"one": {swiss, mobile}, "two": {german, french}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			two := newCarrier("two", 10)
			refs := map[string]notify.MessageRef{}
			for _, n := range []string{swiss, mobile, german, french} {
				refs[n] = w.enqueue(to(n))
				w.clock.Add(time.Second) // so that they go in this order
			}
			w.tick(w.dispatcher(func(c *notify.Config) {
				c.Carriers, c.Routes = []notify.Carrier{w.carrier, two}, tt.routes
				c.Batch = 1
			}))
			for _, c := range []*carrier{w.carrier, two} {
				want, got := tt.want[c.name], recipients(c)
				slices.Sort(want)
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("carrier %s (-want +got):\n%s", c.name, diff)
				}
			}
			for _, n := range tt.lost {
				w.wantStatus(refs[n], notify.RouteNotAvailable, notify.ReasonNoRoute)
			}
			if n := w.count(`SELECT count(*) FROM queue`) + w.count(`SELECT count(*) FROM claims`); n != 0 {
				t.Errorf("%d messages left", n)
			}
		})
	}
}

// While the carrier of a destination rests, the next takes its numbers, and the others'
// stay where they are.
func TestRoutes_failover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two, three := newCarrier("two", 10), newCarrier("three", 10)
	two.script = func(int, notify.Message) (notify.Submission, error) {
		return notify.Submission{}, &notify.SendError{Kind: notify.ErrThrottled, After: time.Minute}
	}
	d := w.dispatcher(func(c *notify.Config) {
		c.Carriers = []notify.Carrier{w.carrier, two, three}
		c.Routes = map[string]notify.Route{"one": {To: []string{"+33"}}, "two": {To: []string{"+41"}}}
	})
	first := w.enqueue(nil)
	w.tick(d) // throttled; three is open and takes it
	second := w.enqueue(nil)
	w.tick(d)
	for _, ref := range []notify.MessageRef{first, second} {
		w.wantStatus(ref, notify.Sent, "")
	}
	if diff := cmp.Diff([]string{}, recipients(w.carrier)); diff != "" {
		t.Errorf("a carrier for France was given (-want +got):\n%s", diff)
	}
	if n := len(three.sent()); n == 0 {
		t.Error("the carrier behind took nothing")
	}
	// A destination without a carrier behind waits.
	w.carrier.script = two.script
	french := w.enqueue(to("+33612345678"))
	three.script = two.script
	w.tick(d)
	w.wantStatus(french, notify.NotSent, notify.ReasonThrottled)
}

// What no carrier took until it was too late says so while all still rest.
func TestRoutes_tooLateWhileAllRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		return notify.Submission{}, &notify.SendError{Kind: notify.ErrThrottled, After: 3 * time.Hour}
	}
	d := w.dispatcher(nil)
	w.enqueue(nil)
	w.tick(d)
	late := w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch.Add(time.Hour) })
	other := w.enqueue(nil)
	w.clock.Add(2 * time.Hour)
	w.enqueue(nil) // rings
	w.tick(d)
	w.wantStatus(late, notify.Expired, notify.ReasonTooLate)
	if d := w.get(other); d.Status != notify.NotSent {
		t.Errorf("the other is %v", d.Status)
	}
}

func TestConfig_routes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, routes := range []map[string]notify.Route{
		{"nobody": {}}, {"one": {To: []string{"41"}}}, {"one": {To: []string{"+"}}}, {"one": {To: []string{"+4a"}}}, {"one": {Rate: -1}},
	} {
		cfg := w.config()
		cfg.Routes = routes
		if _, err := notify.NewDispatcher(cfg); err == nil {
			t.Errorf("%v is taken", routes)
		}
	}
}

// A carrier is given no more segments a second than its rate, by all processes together,
// whatever the messages' length; half a second's worth at once.
func TestRate(t *testing.T) {
	t.Parallel()
	const rate = 10
	w := newWorld(t)
	w.carrier.window = 100
	for i := range 40 {
		w.enqueue(func(m *notify.NewMessage) {
			m.AccountID = 1
			if i%4 == 0 {
				m.Body = fmt.Sprintf("%0300d", i) // two segments
			}
		})
	}
	var ds []*notify.Dispatcher
	for range 2 {
		ds = append(ds, w.dispatcher(func(c *notify.Config) { c.Routes = map[string]notify.Route{"one": {Rate: rate}} }))
	}
	parts := func() (n int) {
		for _, s := range w.carrier.sent() {
			n += s.Segments
		}
		return n
	}
	for tick := range 60 {
		for _, d := range ds {
			w.tick(d)
		}
		// A claim may run up a debt of a batch's extra segments, which is paid before the next.
		if most := rate/2 + rate*tick/10 + 5; parts() > most {
			t.Fatalf("%d segments after %d ms, want at most %d", parts(), 100*tick, most)
		}
		if parts() == 50 {
			if tick < 40 {
				t.Errorf("50 segments in %d ms", 100*tick)
			}
			return
		}
		w.clock.Add(100 * time.Millisecond)
	}
	t.Errorf("%d segments of 50 in six seconds", parts())
}

// Where tokens are scarce, reminders get them.
func TestRate_remindersFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.campaign(1, 50)
	d := w.dispatcher(func(c *notify.Config) { c.Routes = map[string]notify.Route{"one": {Rate: 2}} })
	w.tick(d)
	ref := w.enqueue(nil)
	before := len(w.carrier.sent())
	for range 10 {
		w.clock.Add(100 * time.Millisecond)
		w.tick(d)
	}
	w.wantStatus(ref, notify.Sent, "")
	if next := w.carrier.sent()[before]; next.ID != ref.ID {
		t.Errorf("a campaign's message went first")
	}
}

// After so many failures in a row the carrier rests, then one message is tried; an
// acceptance opens it again.
func TestCircuitBreaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 100
	w.carrier.script = always(notify.ErrTemporary)
	for range 40 {
		w.enqueue(func(m *notify.NewMessage) { m.Expires = epoch.Add(24 * time.Hour) })
	}
	d := w.dispatcher(func(c *notify.Config) { c.BreakAfter, c.BreakPause, c.RetryBase = 5, 10*time.Second, time.Second })
	w.tick(d)
	if n := len(w.carrier.sent()); n > 40 {
		t.Fatalf("%d submissions at once", n)
	}
	health, err := notify.Health(context.Background(), w.db)
	if err != nil || len(health) != 1 || health[0].Reason != notify.HealthFailing || !health[0].PausedUntil.Equal(epoch.Add(10*time.Second)) {
		t.Fatalf("health %+v, %v", health, err)
	}
	// Another process hears of it.
	other := w.dispatcher(nil)
	w.clock.Add(9 * time.Second)
	before := len(w.carrier.sent())
	w.tick(d)
	w.tick(other)
	if n := len(w.carrier.sent()) - before; n != 0 {
		t.Errorf("%d submissions while the carrier rests", n)
	}
	w.clock.Add(time.Second)
	w.tick(d)
	if n := len(w.carrier.sent()) - before; n != 1 {
		t.Errorf("%d submissions at the end of the rest, want one", n)
	}
	if health, err := notify.Health(context.Background(), w.db); err != nil || !health[0].PausedUntil.Equal(epoch.Add(30*time.Second)) {
		t.Errorf("it should rest twice as long: %+v, %v", health, err)
	}
	w.carrier.script = nil
	w.clock.Add(20 * time.Second)
	for range 10 {
		w.tick(d)
		w.clock.Add(time.Minute)
	}
	if n := w.count(`SELECT count(*) FROM sent WHERE status = 1`); n != 40 {
		t.Errorf("%d of 40 sent in the end", n)
	}
}

// A number a carrier calls invalid isn't texted for a while, unless somebody knows better.
func TestInvalidNumbers(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"refused", "receipt", "receipt for parts"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d, desk := w.dispatcher(nil), w.desk()
			if how == "refused" {
				w.carrier.script = always(notify.ErrInvalidDestination)
			}
			first := w.enqueue(func(m *notify.NewMessage) {
				if how == "receipt for parts" {
					m.Body = fmt.Sprintf("%0300d", 1)
				}
			})
			w.tick(d)
			w.carrier.script = nil
			if how != "refused" {
				w.receipt(desk, w.carrier.sent()[0].ids[0], notify.InvalidDestination, nil)
			}
			if d := w.get(first); d.Status != notify.InvalidDestination {
				t.Fatalf("status %v", d.Status)
			}
			second := w.enqueue(nil)
			w.tick(d)
			w.wantStatus(second, notify.InvalidDestination, notify.ReasonInvalidNumber)
			w.account(2)
			elsewhere := w.enqueue(func(m *notify.NewMessage) { m.AccountID = 2 })
			w.tick(d)
			w.wantStatus(elsewhere, notify.Sent, "")
			if how == "refused" {
				w.clock.Add(91 * 24 * time.Hour) // given out anew by now, perhaps
			} else {
				tx := w.db.MustBegin()
				all, err := notify.InvalidNumbersTx(context.Background(), tx, 1, 10)
				if err != nil || len(all) != 1 || all[0].Recipient != patient || all[0].MessageID != first.ID {
					t.Errorf("invalid numbers %+v, %v", all, err)
				}
				if was, err := notify.ForgetInvalidTx(context.Background(), tx, 1, patient); err != nil || !was {
					t.Errorf("forget: %v, %v", was, err)
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			third := w.enqueue(nil)
			w.tick(d)
			w.wantStatus(third, notify.Sent, "")
		})
	}
}

// window is a notify.Window with one opening.
type window struct{ opens time.Time }

func (w window) NextOpen(_ context.Context, _ int64, _ string, now time.Time) (time.Time, error) {
	if now.Before(w.opens) {
		return w.opens, nil
	}
	return now, nil
}

// Marketing that comes to its turn out of hours waits for the next, or is too late;
// reminders go at any hour.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(func(c *notify.Config) { c.Window = window{epoch.Add(time.Hour)} })
	reminder := w.enqueue(nil)
	offer := w.enqueue(func(m *notify.NewMessage) { m.Kind = notify.Marketing })
	late := w.enqueue(func(m *notify.NewMessage) { m.Kind, m.Expires = notify.Marketing, epoch.Add(time.Minute) })
	w.tick(d)
	w.wantStatus(reminder, notify.Sent, "")
	w.wantStatus(offer, notify.NotSent, notify.ReasonOutOfHours)
	w.wantStatus(late, notify.Expired, notify.ReasonTooLate)
	w.clock.Add(time.Hour)
	w.tick(d)
	w.wantStatus(offer, notify.Sent, "")
	if n := w.carrier.times(offer); n != 1 {
		t.Errorf("submitted %d times", n)
	}
}

// Many accounts with a few messages each are claimed together, and each gets its own
// results back.
func TestClaim_manyAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 64
	want := map[notify.MessageRef]notify.Status{}
	for a := int64(2); a <= 80; a++ {
		w.account(a)
		for i := range a%3 + 1 {
			ref := w.enqueue(func(m *notify.NewMessage) {
				m.AccountID, m.Recipient = a, fmt.Sprintf("+4179%07d", 10*a+i)
			})
			want[ref] = notify.Sent
		}
	}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		if m.AccountID%5 == 0 {
			return notify.Submission{}, refused(notify.ErrRejected)
		}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	w.tick(w.dispatcher(nil))
	if n := len(w.carrier.sent()); n != len(want) {
		t.Errorf("%d submissions of %d messages", n, len(want))
	}
	for ref, status := range want {
		if ref.AccountID%5 == 0 {
			status = notify.Rejected
		}
		if d := w.get(ref); d.Status != status {
			t.Errorf("message %d of account %d is %v, want %v", ref.ID, ref.AccountID, d.Status, status)
		}
	}
	if n := w.count(`SELECT count(*) FROM claims`) + w.count(`SELECT count(*) FROM queue`); n != 0 {
		t.Errorf("%d messages left", n)
	}
	if n := w.count(`SELECT count(*) FROM due WHERE lease_until IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts still leased", n)
	}
}

// A carrier that answers nothing, with messages waiting for it, keeps nobody's messages for
// another carrier waiting: not the same clinic's, not another's.
func TestDispatcher_silentCarrierHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	w.carrier.window = 10
	silent := newCarrier("two", 10)
	over := make(chan struct{})
	silent.script = func(n int, m notify.Message) (notify.Submission, error) {
		<-over
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	sent := make(chan notify.MessageRef)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		sent <- notify.MessageRef{AccountID: m.AccountID, ID: m.ID}
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	for range 30 {
		w.enqueue(func(m *notify.NewMessage) {
			m.AccountID, m.Recipient, m.Expires = 2, "+4915112345678", time.Now().Add(time.Hour)
		})
	}
	d := w.dispatcher(func(c *notify.Config) {
		c.Carriers = append(c.Carriers, silent)
		c.Routes = map[string]notify.Route{"two": {To: []string{"+49"}}}
		c.Poll, c.ClaimLease, c.SendTimeout = time.Millisecond, time.Hour, time.Hour
		c.Now = time.Now // what waits for its carrier comes again by the clock
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for i := range 20 {
		ref := w.enqueue(func(m *notify.NewMessage) { m.AccountID, m.Expires = int64(1+i%2), time.Now().Add(time.Hour) })
		select {
		case got := <-sent:
			if got != ref {
				t.Errorf("%v was sent, not %v", got, ref)
			}
		case <-time.After(time.Minute):
			t.Error("nothing goes out")
		}
		if t.Failed() {
			break
		}
	}
	close(over)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
