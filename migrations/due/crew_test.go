package due_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"rappel/migrations/due"
)

// Nothing to do is one look; more to do than hands has every hand at it, and no more.
func TestCrew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ most, piles, looks int }{
		{most: 8, piles: 0, looks: 1},
		{most: 1, piles: 3, looks: 4},
		{most: 4, piles: 2, looks: -1},
		{most: 4, piles: 4, looks: -1},
	} {
		var (
			left, looks, at, peak atomic.Int64
			together              sync.WaitGroup // nobody is through before all are at it
		)
		left.Store(int64(c.piles))
		together.Add(min(c.piles, c.most))
		due.Crew(c.most, func(more func()) {
			for first := true; ; first = false {
				looks.Add(1)
				if left.Add(-1) < 0 {
					return
				}
				more()
				if n := at.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				if first {
					together.Done()
					together.Wait()
				}
				at.Add(-1)
			}
		})
		if got := int(looks.Load()); got != c.looks && c.looks >= 0 || got > c.piles+c.most {
			t.Errorf("%d piles, %d hands: %d looks, want %d", c.piles, c.most, got, c.looks)
		}
		if got := int(peak.Load()); got > c.most {
			t.Errorf("%d piles, %d hands: %d worked at once", c.piles, c.most, got)
		}
		if left.Load() >= 0 {
			t.Errorf("%d piles, %d hands: some were left", c.piles, c.most)
		}
	}
}
