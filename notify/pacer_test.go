package notify

import (
	"container/heap"
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// service is a carrier in a time of its own: it answers rate messages a second, one after
// the other, each after way at the least.
type service struct {
	rate float64
	way  time.Duration

	now, free time.Duration // free: when it is through with what it has
	answers   answerHeap
}

type answer struct{ handed, at time.Duration }

type answerHeap []answer

func (h answerHeap) Len() int           { return len(h) }
func (h answerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h answerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *answerHeap) Push(x any)        { *h = append(*h, x.(answer)) }
func (h *answerHeap) Pop() any          { a := (*h)[len(*h)-1]; *h = (*h)[:len(*h)-1]; return a }

func (s *service) hand() {
	s.free = max(s.free, s.now) + time.Duration(float64(time.Second)/s.rate)
	heap.Push(&s.answers, answer{s.now, s.free + s.way})
}

// next is the next answer's, and moves the time there.
func (s *service) next() answer {
	a := heap.Pop(&s.answers).(answer)
	s.now = a.at
	return a
}

// run keeps p busy with a campaign that doesn't end, and says how many were answered and
// how much the carrier had queued at most and on average.
func (s *service) run(t *rapid.T, p *pacer, for_ time.Duration) (answered int, most, average time.Duration) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits here: a false only says that the limit is reached
	until := s.now + for_
	var sum time.Duration
	for {
		for p.acquire(ended) {
			s.hand()
		}
		if s.now > until {
			return answered, most, sum / time.Duration(max(answered, 1))
		}
		a := s.next()
		p.release(a.at - a.handed)
		queued := max(s.free-s.now, 0)
		most, sum = max(most, queued), sum+queued
		answered++
	}
}

// Whatever the carrier's speed and distance, it is kept busy, and what comes in between
// waits for little more than what was aimed at.
func TestPacer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &service{rate: rapid.Float64Range(20, 4000).Draw(t, "rate"), way: time.Duration(rapid.IntRange(0, 300).Draw(t, "way")) * time.Millisecond}
		p := newPacer(rapid.IntRange(1, 4000).Draw(t, "most"))
		s.run(t, p, 10*time.Second)
		if rapid.Bool().Draw(t, "changes") { // another route
			s.rate, s.way = s.rate*rapid.Float64Range(0.2, 5).Draw(t, "faster"), time.Duration(rapid.IntRange(0, 300).Draw(t, "way"))*time.Millisecond
			s.run(t, p, 40*time.Second)
		}
		const span = 10 * time.Second // a look at the shortest time may be in it
		answered, _, queued := s.run(t, p, span)
		// More than the window can't be out, and no more comes through than that a round trip.
		possible := min(s.rate, float64(p.most)/(s.way+time.Duration(float64(time.Second)/s.rate)).Seconds()) * span.Seconds()
		if float64(answered) < 0.75*possible-float64(pacerLeast) { // a look costs most where the way is long
			t.Fatalf("%d answered of %.0f at a limit of %d", answered, possible, p.limit)
		}
		if least := time.Duration((pacerLeast + 4) / s.rate * float64(time.Second)); queued > 3*pacerQueue+least {
			t.Fatalf("%v queued at a limit of %d", queued, p.limit)
		}
	})
}

func TestPacer_waits(t *testing.T) {
	t.Parallel()
	p := newPacer(1)
	if !p.acquire(t.Context()) {
		t.Fatal("the first must wait")
	}
	ctx, cancel := context.WithCancel(t.Context())
	turns := make(chan bool)
	wait := func(ctx context.Context) { turns <- p.acquire(ctx) }
	queue := func(ctx context.Context, n int) {
		go wait(ctx)
		for {
			p.mu.Lock()
			there := len(p.waiting)
			p.mu.Unlock()
			if there == n {
				return
			}
		}
	}
	queue(ctx, 1)
	queue(t.Context(), 2)
	cancel()
	if <-turns {
		t.Error("let in after the end of ctx")
	}
	p.release(-1)
	if !<-turns {
		t.Error("the one that waits isn't let in")
	}
	p.release(-1)
	if p.out != 0 || p.waiting != nil {
		t.Errorf("%d out, %d waiting", p.out, len(p.waiting))
	}
}
