package main

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/standin"
)

// make chaos sets the first; a seed that failed is tried again with the second, though
// what processes do meanwhile is not in its power.
var (
	chaosMessages = flag.Int("chaos.messages", 2000, "messages of TestChaos")
	chaosSeed     = flag.Uint64("chaos.seed", 1, "seed of TestChaos; 0 is a new one each time")
)

// TestChaos sends messages through two dispatching processes and two gateways, over the
// wire and a PostgreSQL of its own, while everything breaks: processes are killed, the
// database crashes, connections are cut, gateways throttle, refuse, fall silent and talk
// nonsense, receipts come late, twice, in any order and for nobody, people write STOP and
// clinics withdraw. In the end every message has reached its gateway once, or not at all,
// its state says so, and so do the credits.
//
// Gateways send a receipt for everything they took, sooner or later. So all that is in
// doubt is resolved by evidence, and what policy resends afterwards was never there.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-chaos.seed)", seed)
	w := newChaosWorld(t, seed)
	n := *chaosMessages
	rounds := 2 + n/20000
	for round := range rounds {
		w.round(round, n/rounds, w.plan(n/rounds))
	}
	w.calm(chaosRounds(rounds), notify.Sent)
	w.verify(nil)
	w.races()
	w.report(n / rounds * rounds)
}

// TestChaos_receiptsLost has gateways lose the receipts of every second message for good,
// and often their answers too. Then nothing is known, and policy decides: a notification
// with time left is sent a second time, once, and an advertisement is given up; the history
// says so. What is accepted and never heard of again expires.
func TestChaos_receiptsLost(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-chaos.seed)", seed)
	w := newChaosWorld(t, seed)
	lost := func(number int) bool { return number%2 == 0 }
	for _, g := range w.gateways {
		g.silent = lost
	}
	const n = 400
	var events []chaosEvent
	for range n / 10 {
		f := standin.Fault{Action: []standin.Action{standin.Mute, standin.CutAfter, standin.Garbage}[w.random.IntN(3)], Times: 1 + w.random.IntN(3)}
		events = append(events, chaosEvent{w.random.IntN(n), func() { w.figures.Faults++; w.gateways[w.random.IntN(3)].smsc.Fault(f) }})
	}
	for range 3 {
		events = append(events, chaosEvent{w.random.IntN(n), func() { w.kill(w.random.IntN(2)) }})
	}
	slices.SortFunc(events, func(a, b chaosEvent) int { return cmp.Compare(a.at, b.at) })
	w.round(0, n, events)
	w.calm(chaosRounds(1), notify.NotSent)
	for _, what := range []notify.What{notify.WhatResent, notify.WhatGaveUp} {
		if w.count(`SELECT count(*) FROM message_events WHERE what = $1`, what) == 0 {
			t.Errorf("nothing was %s", what)
		}
	}
	sent := w.count(`SELECT count(*) FROM sent WHERE status = 1`)
	w.calm(chaosRounds(1)+chaosReceiptWait, notify.Sent)
	if expired := w.count(`SELECT count(*) FROM sent WHERE status = 12 AND reason = 'no_receipt'`); expired != sent || sent == 0 {
		t.Errorf("%d messages expired, want the %d whose receipts never came", expired, sent)
	}
	w.verify(lost)
	w.races()
	w.report(n)
}

// A chaosEvent happens when so many submissions were seen.
type chaosEvent struct {
	at int
	do func()
}

// plan makes up what happens to about n messages.
func (w *chaosWorld) plan(n int) (all []chaosEvent) {
	add := func(times int, do func()) {
		for range times {
			all = append(all, chaosEvent{w.random.IntN(n * 13 / 10), do})
		}
	}
	gateway := func() *chaosGateway { return w.gateways[[]int{0, 0, 0, 0, 0, 0, 1, 2, 2}[w.random.IntN(9)]] }
	restart := func(crash bool) {
		w.events.Go(func() {
			if err := w.pg.restart(w.ctx, crash); err != nil {
				w.t.Error(err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if crash {
				w.figures.Crashes++
			} else {
				w.figures.Restarts++
			}
		})
	}
	add(2+n/1500, func() { w.kill(w.random.IntN(2)) })
	add(1+n/5000, func() { w.kill(0); w.kill(1) })
	add(1, func() { w.freeze(w.random.IntN(2)) })
	add(1+n/5000, func() { restart(true) })
	add(n/8000, func() { restart(false) })
	add(w.random.IntN(2), func() { restart(false) })
	add(n/4000+w.random.IntN(2), func() { restart(true); w.kill(w.random.IntN(2)) })
	add(3+n/800, func() { w.figures.Cuts++; gateway().smsc.CutAll() })
	add(1+n/3000, func() { w.figures.Cuts++; gateway().smsc.UnbindAll() })
	add(n/30, func() { w.figures.Faults++; gateway().fault() })
	add(n/50, func() {
		if mo, ok := w.clinic.stop(w.random); ok {
			w.figures.Stops++
			gateway().smsc.Receive(mo)
		}
	})
	add(n/20, func() { gateway().smsc.Release() })
	for range 1 + n/4000 {
		at, g := w.random.IntN(n), w.gateways[0]
		status := []uint32{standin.StatusBindFailed, standin.StatusInvalidPassword, standin.StatusSystemError}[w.random.IntN(3)]
		all = append(all,
			chaosEvent{at, func() { w.figures.Refusals++; g.smsc.RefuseBinds(status); g.smsc.CutAll() }},
			chaosEvent{at + 1 + w.random.IntN(60), func() { g.smsc.RefuseBinds(0) }})
	}
	slices.SortStableFunc(all, func(a, b chaosEvent) int { return cmp.Compare(a.at, b.at) })
	return all
}

// chaosRounds is how far ahead the clock is after n rounds.
func chaosRounds(n int) time.Duration { return time.Duration(n) * (chaosUnansweredWait + time.Minute) }

// round sends n messages through the chaos and waits for what can be known of them. Each
// round's clock is further on than the wait for evidence, so that it begins with what
// policy does about the round before.
func (w *chaosWorld) round(number, n int, events []chaosEvent) {
	w.t.Helper()
	w.start(chaosRounds(number))
	asked := make(chan error, 1)
	go func() { asked <- w.clinic.run(n) }()
	base, done := w.seen(), false
	lull := time.Time{}
	for {
		w.follow(false)
		seen := w.seen() - base
		for len(events) > 0 && events[0].at <= seen {
			events[0].do()
			events = events[1:]
		}
		select {
		case err := <-asked:
			if err != nil {
				w.t.Fatal(err)
			}
			done = true
		default:
		}
		if done {
			queued, claimed, _ := w.open()
			if queued == 0 && claimed == 0 || len(events) == 0 {
				break // what is left of the plan found no submission to happen at
			}
		}
		// A refusal of binds ends with a number of submissions, which needs a gateway that
		// takes some. Should there be none, it ends by itself.
		if now := time.Now(); seen != w.lastSeen {
			w.lastSeen, lull = seen, now.Add(5*time.Second)
		} else if !lull.IsZero() && now.After(lull) {
			for _, g := range w.gateways {
				g.smsc.RefuseBinds(0)
			}
		}
		time.Sleep(chaosBackLook)
	}
	w.settle()
	w.stop()
}

// calm lets processes work with a clock so far ahead until nothing is open, and no row of
// sent has the status given.
func (w *chaosWorld) calm(ahead time.Duration, none notify.Status) {
	w.t.Helper()
	w.start(ahead)
	deadline := time.Now().Add(patience)
	for {
		w.follow(true)
		settled := true
		for _, g := range w.gateways {
			settled = settled && g.settled() && len(g.parts) == g.smsc.Accepted()
		}
		queued, claimed, unanswered := w.open()
		if settled && queued+claimed+unanswered == 0 && w.count(`SELECT count(*) FROM sent WHERE status = $1 AND reason <> 'withdrawn'`, none) == 0 {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d queued, %d claims, %d unanswered are left", queued, claimed, unanswered)
		}
		time.Sleep(chaosBackLook)
	}
	w.stop()
}

// report prints the figures.
func (w *chaosWorld) report(n int) {
	took := time.Since(w.begun)
	f := w.figures
	codes := func(code string) int {
		return w.count(`SELECT count(*) FROM message_events WHERE what IN ('retry', 'partial') AND code = $1`, code)
	}
	what := func(names string) int {
		return w.count(`SELECT count(*) FROM message_events WHERE what = ANY (string_to_array($1, ' '))`, names)
	}
	// What went through the gateway that can be asked is resolved by asking as a rule.
	looked := w.count(`SELECT count(*) FROM message_events e JOIN messages m ON m.account_id = e.account_id AND m.id = e.message_id
		WHERE e.what = 'resolved' AND m.recipient LIKE $1`, chaosAskedNumbers+"%")
	binds, receipts := 0, 0
	for _, g := range w.gateways {
		binds += g.smsc.Binds()
		receipts += g.receipts
	}
	table := ""
	for _, row := range []struct {
		name  string
		value any
	}{
		{"messages", n},
		{"submissions seen by the gateways", w.seen()},
		{"receipts", receipts},
		{"dispatchers killed (kill -9)", f.Kills},
		{"dispatchers frozen (SIGSTOP)", f.Freezes},
		{"PostgreSQL crashed", f.Crashes},
		{"PostgreSQL restarted", f.Restarts},
		{"all connections of a gateway cut", f.Cuts},
		{"binds", binds},
		{"faults ordered", f.Faults},
		{"binds refused for a while", f.Refusals},
		{"throttled", codes("0x58") + codes("0x14")},
		{"temporary errors", codes("0x08")},
		{"failed over", what("failover")},
		{"STOP written", f.Stops},
		{"withdrawn", w.count(`SELECT count(*) FROM sent WHERE reason = 'withdrawn'`)},
		{"unanswered, or accepted in part", what("unanswered partial")},
		{"  resolved by evidence", what("resolved") - looked},
		{"  resolved by look-up", looked + what("not_found")},
		{"  resent by policy", what("resent")},
		{"  given up by policy", what("gave_up")},
		{"unanswered after a kill, at most", fmt.Sprintf("%d of %d", f.MostUnanswered, chaosAllWindows)},
		{"duration", took.Round(time.Millisecond)},
		{"messages a second, all included", int(float64(n) / took.Seconds())},
	} {
		table += fmt.Sprintf("\n  %-36s %v", row.name, row.value)
	}
	w.t.Log(table)
}
