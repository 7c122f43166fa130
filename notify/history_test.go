package notify_test

import (
	"testing"
	"time"

	"rappel/notify"
)

// Receipts carry the gateway's clock, mostly cut to the minute: 14:30 for what was
// asked for at 14:30:20. Told by those times alone, the phone would have had the text
// before anybody asked for it.
func TestStore_Get_receiptsByAnotherClock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		early time.Duration // the receipt's own time, before now
		wait  time.Duration // from the acceptance until the receipt comes
		want  string
	}{
		{"to the second", 0, time.Second, "queued accepted receipt"},
		{"to the minute", time.Minute, time.Second, "queued accepted receipt"},
		{"in another zone", 2 * time.Hour, time.Second, "queued accepted receipt"},
		{"after we gave up waiting", 100 * time.Hour, 73 * time.Hour, "queued accepted expired receipt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d, desk := w.dispatcher(nil), w.desk()
			ref := w.enqueue(nil)
			w.clock.Add(20 * time.Second)
			w.tick(d)
			w.clock.Add(tt.wait)
			w.tick(d)
			w.receipt(desk, w.carrier.sent()[0].ids[0], notify.Delivered, func(r *notify.Receipt) { r.At = w.clock.Now().Add(-tt.early) })
			got := w.get(ref)
			if whats(got) != tt.want {
				t.Errorf("history %q, want %q", whats(got), tt.want)
			}
			for i, h := range got.History[1:] {
				if h.At.Before(got.History[i].At) {
					t.Errorf("%s at %v, before %s at %v", h.What, h.At, got.History[i].What, got.History[i].At)
				}
			}
		})
	}
}
