package credits_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/notify/credits"
)

func (b *bench) takeBack(key string) int64 {
	b.Helper()
	taken, err := b.credits.TakeBack(context.Background(), credits.TakeBack{Account: 1, Key: key, Note: "money went back"})
	b.ok(err)
	return taken
}

func (b *bench) left(key string) credits.Left {
	b.Helper()
	l, err := credits.LeftTx(context.Background(), b.db, 1, key)
	b.ok(err)
	return l
}

// A package goes back with the gift it brought, once; other lots stay, and so does what
// messages hold. What they release is of no use to anybody.
func TestTakeBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ok(b.grant(credits.Grant{Key: "admin/1", Source: credits.Gift, Credits: 3}))
	b.ok(b.grant(credits.Grant{Key: "order/1", Source: credits.Bought, Credits: 500}))
	b.ok(b.grant(credits.Grant{Key: "order/2", Source: credits.Bought, Credits: 100}))
	_, err := b.hold(1, charge(1, 3), charge(2, 4), charge(3, 5), charge(4, 6), charge(5, 2))
	b.ok(err)
	b.ok(b.settle(1, 4, false)) // not booked yet
	b.ok(b.settle(1, 5, true))
	if got := b.takeBack("order/1"); got != 1000-4-5-2 {
		t.Errorf("taken %d, want what neither was sent nor is on its way: 989", got)
	}
	if diff := cmp.Diff(credits.Left{Granted: 1000}, b.left("order/1")); diff != "" {
		t.Error(diff)
	}
	if got := b.takeBack("order/1"); got != 0 {
		t.Errorf("a second time: %d", got)
	}
	b.ok(b.settle(1, 2, true))
	b.ok(b.settle(1, 3, false))
	b.ok(b.settle(1, 1, false)) // of a lot that stayed
	b.tick()
	if got := b.takeBack("order/1"); got != 0 {
		t.Errorf("after a release: %d", got)
	}
	want := map[string]int64{"granted": -1103, "available": 103, "consumed": 6, "expired": 989 + 5}
	if diff := cmp.Diff(want, b.totals(1)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(credits.Left{Granted: 100, Unused: 100}, b.left("order/2")); diff != "" {
		t.Errorf("the gift isn't the second package's: %s", diff)
	}
	if _, err := b.credits.TakeBack(t.Context(), credits.TakeBack{Account: 1, Key: "order/3"}); !errors.Is(err, credits.ErrRequest) {
		t.Errorf("a grant that never was: %v, want ErrRequest", err)
	}
	entries, err := credits.EntriesTx(t.Context(), b.db, 1, 0, 100)
	b.ok(err)
	found := 0
	for _, e := range entries {
		if e.Kind == "takeback" {
			if found++; e.Available != -989 || e.Expired != 989 || e.Note != "money went back" {
				t.Errorf("booked %+v", e)
			}
		}
	}
	if found != 1 {
		t.Errorf("booked %d times, want once", found)
	}
	b.check(1)
}

// While texts are asked for and end, several take back at the same time: each credit is
// sent, on its way or taken, and never two of these.
func TestTakeBack_whileSending(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(`DELETE FROM sms_gifts`)
	b.ok(b.grant(credits.Grant{Key: "order/1", Source: credits.Bought, Credits: 60}))
	var group sync.WaitGroup
	var mu sync.Mutex
	var taken, covered int64
	for worker := range int64(4) {
		group.Go(func() {
			for i := range int64(8) {
				message := worker*100 + i + 1
				uncovered, err := b.hold(1, charge(message, 2))
				if err == nil && len(uncovered) == 0 {
					mu.Lock()
					covered++
					mu.Unlock()
					if i%2 == 0 {
						err = b.settle(1, message, i%4 == 0)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i == 3 {
					n, err := b.credits.TakeBack(context.Background(), credits.TakeBack{Account: 1, Key: "order/1"})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					taken += n
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	b.tick()
	b.check(1)
	totals := b.totals(1)
	if totals["available"] != 0 || totals["consumed"]+totals["held"]+totals["expired"] != 60 || taken > totals["expired"] || covered == 0 || taken == 0 {
		t.Errorf("taken %d, covered %d: %v", taken, covered, totals)
	}
	if n := b.left("order/1"); n.Unused != 0 {
		t.Errorf("left %+v", n)
	}
}
