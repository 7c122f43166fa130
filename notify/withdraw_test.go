package notify_test

import (
	"errors"
	"testing"
	"time"

	"rappel/notify"
)

// Whoever withdraws too late hears it when it was in time after all: a reminder gives its
// promise back then, and its appointment, should it be restored, gets its text.
func TestWithdraw_lateAndYetInTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reason notify.Reason
		change func(w *world, c *notify.Config, withdraw func())
		sent   int
	}{
		"the carrier didn't take it": {notify.ReasonWithdrawn, func(w *world, _ *notify.Config, withdraw func()) {
			w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
				withdraw()
				return notify.Submission{}, refused(notify.ErrThrottled)
			}
		}, 1},
		"the gate found the same": {notify.ReasonStale, func(w *world, c *notify.Config, withdraw func()) {
			c.Gate = gate(func(notify.GateQuery, time.Time) (time.Time, bool, error) {
				withdraw() // as a sync does that the gate's look sets off
				return time.Time{}, false, nil
			})
		}, 0},
		"the gate couldn't say": {notify.ReasonWithdrawn, func(w *world, c *notify.Config, withdraw func()) {
			c.Gate = gate(func(notify.GateQuery, time.Time) (time.Time, bool, error) {
				withdraw()
				return time.Time{}, false, errors.New("oops")
			})
		}, 0},
		"withdrawn before the carrier is asked, which never had it": {notify.ReasonWithdrawn, func(w *world, c *notify.Config, withdraw func()) {
			w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
				withdraw()
				return notify.Submission{}, refused(notify.ErrUnknown)
			}
			c.Carriers = []notify.Carrier{finder{w.carrier, func(notify.Message) ([]notify.Hit, error) {
				return nil, nil
			}}}
		}, 1},
		"withdrawn while the carrier is asked, which never had it": {notify.ReasonWithdrawn, func(w *world, c *notify.Config, withdraw func()) {
			w.carrier.script = always(notify.ErrUnknown)
			c.Carriers = []notify.Carrier{finder{w.carrier, func(notify.Message) ([]notify.Hit, error) {
				withdraw()
				return nil, nil
			}}}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var ref notify.MessageRef
			d := w.dispatcher(func(c *notify.Config) {
				tt.change(w, c, func() {
					if w.withdraw(ref) {
						t.Error("withdrawn, although it is being submitted")
					}
				})
			})
			ref = w.enqueue(func(m *notify.NewMessage) { m.FreshUntil = w.clock.Now() })
			for range 8 {
				w.tick(d)
				w.clock.Add(time.Minute)
			}
			w.wantStatus(ref, notify.NotSent, tt.reason)
			if n := w.carrier.times(ref); n != tt.sent {
				t.Errorf("submitted %d times, want %d", n, tt.sent)
			}
			if n := w.count(`SELECT count(*) FROM queue`); n != 0 {
				t.Errorf("%d messages queued again", n)
			}
			heard := 0
			for _, c := range w.seen.all {
				if c.MessageID == ref.ID && c.Reason == tt.reason {
					heard++
				}
			}
			if heard != 1 {
				t.Errorf("the observer heard of it %d times: %+v", heard, w.seen.all)
			}
		})
	}
}
