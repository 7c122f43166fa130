package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"rappel/migrations/dbtest"
)

// TestBenchDispatch runs everything small. It asserts nothing about time: whatever the
// figures are, none may be missing and no message may be lost, which the command itself
// checks round by round.
func TestBenchDispatch(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"bench", "dispatch", "--json", "--database-url", dbtest.NewDSN(t), "--messages", "300", "--finished", "200",
		"--accounts", "3", "--many", "20", "--reminders", "4", "--rate", "1000", "--callers", "50", "--for", "20ms"}, stdio{strings.NewReader(""), &out, &errs})
	if code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	t.Logf("%s", &errs)
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	var r benchReport
	if err := dec.Decode(&r); err != nil {
		t.Fatalf("not the JSON it should be: %v", err)
	}
	if r.Bench != "dispatch" || r.Machine.Cores < 1 || !strings.HasPrefix(r.Machine.Go, "go") || r.Machine.PostgreSQL == "unknown" || r.Settings.BodyCharacters != 120 {
		t.Errorf("machine and settings: %+v %+v", r.Machine, r.Settings)
	}
	if len(r.Store) != 3 {
		t.Fatalf("%d rounds of the store, want empty tables, many accounts, finished messages", len(r.Store))
	}
	for i, want := range []benchStore{{Messages: 300, Accounts: 3}, {Messages: 600, Accounts: 20}, {Messages: 300, Accounts: 3, Finished: 200}} {
		s := r.Store[i]
		if s.Messages != want.Messages || s.Accounts != want.Accounts || s.Finished != want.Finished || s.Lost != 0 {
			t.Errorf("round %d is %+v", i, s)
		}
		for _, side := range []benchSide{s.Floor, s.Product} {
			p := side.benchPhases
			if p.Insert <= 0 || p.Dispatch <= 0 || p.Receipts <= 0 || p.Cycle <= 0 || p.Cycle > min(p.Insert, p.Dispatch, p.Receipts) ||
				side.CycleMin > p.Cycle || side.CycleMax < p.Cycle {
				t.Errorf("round %d has figures that can't be: %+v", i, side)
			}
		}
		if s.Ratio.Cycle != s.Product.Cycle/s.Floor.Cycle {
			t.Errorf("round %d: the ratio is %v", i, s.Ratio.Cycle)
		}
	}
	if len(r.Intake) != 4 {
		t.Fatalf("intake: %+v", r.Intake)
	}
	for _, in := range r.Intake {
		if in.PerSecond <= 0 || in.Each <= 0 || in.Took.Count < in.Callers || in.Took.P50 <= 0 {
			t.Errorf("intake: %+v", in)
		}
	}
	if r.SMPP == nil || r.SMPP.Lost != 0 || r.SMPP.Doubled != 0 || r.SMPP.Flood.Messages != 300 {
		t.Fatalf("over SMPP: %+v", r.SMPP)
	}
	for name, f := range map[string]*benchFlow{"flood": r.SMPP.Flood, "paced": r.SMPP.Paced} {
		if f.PerSecond <= 0 || f.Accepted.Count != f.Messages || f.Accepted.P50 > f.Accepted.P99 || f.Accepted.P99 > f.Accepted.Max || f.PeakHeap <= 0 || len(f.Memory) != 4 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if len(r.Latency) != 2 || r.Latency[0].Rate != 0 || r.Latency[1].Rate != 1000 {
		t.Fatalf("past a campaign: %+v", r.Latency)
	}
	for _, l := range r.Latency {
		if l.Other.Count != 2 || l.Same.Count != 2 || l.Other.Max <= 0 {
			t.Errorf("past a campaign: %+v", l)
		}
	}
	var left int
	if err := db.Get(&left, `SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)`, benchDatabases()); err != nil || left != 0 {
		t.Errorf("%d databases were left behind (%v)", left, err)
	}
}

// TestBenchDispatch_interrupted stops it in the middle, on a PostgreSQL of its own.
func TestBenchDispatch_interrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	errs := &stopAt{word: "store,", stop: cancel}
	code := run(ctx, []string{"bench", "dispatch", "--messages", "20000", "--finished", "0", "--parts", "store"}, stdio{strings.NewReader(""), &out, errs})
	if code != 1 || !strings.HasSuffix(errs.String(), "rappel: interrupted\n") || out.Len() != 0 {
		t.Errorf("exit %d, %q, %q", code, &out, errs)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// stopAt calls stop when word is written.
type stopAt struct {
	bytes.Buffer
	word string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.word)) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

func TestBenchDispatch_usage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--messages", "0"}, {"--accounts", "0"}, {"--runs", "0"}, {"--finished=-1"}, {"--binds", "0"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"bench", "dispatch"}, args...), stdio{strings.NewReader(""), &out, &errs}); code != 1 {
			t.Errorf("%v: exit %d, %s", args, code, &errs)
		}
	}
}

func TestBenchTimes(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := 200; i > 0; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	if got, want := newBenchTimes(all), (benchTimes{Count: 200, P50: 100, P99: 198, Max: 200}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := newBenchTimes(nil); got != (benchTimes{}) {
		t.Errorf("of nothing: %+v", got)
	}
	if got, want := newBenchTimes(all[:1]), (benchTimes{Count: 1, P50: 1, P99: 1, Max: 1}); got != want {
		t.Errorf("of one: %+v, want %+v", got, want)
	}
}

func TestBenchSide(t *testing.T) {
	t.Parallel()
	var runs []benchPhases
	for _, cycle := range []float64{30, 10, 20} {
		runs = append(runs, benchPhases{Insert: cycle * 3, Dispatch: cycle * 3, Receipts: cycle * 3}.sum())
	}
	got := newBenchSide(runs)
	for _, f := range [][2]float64{{got.Insert, 60}, {got.Cycle, 20}, {got.CycleMin, 10}, {got.CycleMax, 30}} {
		if math.Abs(f[0]-f[1]) > 1e-9 {
			t.Errorf("%+v, want the run of 20 cycles a second", got)
		}
	}
}

func TestBenchAccount(t *testing.T) {
	t.Parallel()
	per := map[int64]int{}
	last := int64(1)
	for i := range 1001 {
		a := benchAccount(i, 1001, 7)
		if a < last || a > 7 {
			t.Fatalf("message %d is account %d's after %d's", i, a, last)
		}
		last = a
		per[a]++
	}
	for a, n := range per {
		if len(per) != 7 || n < 1001/7 || n > 1001/7+1 {
			t.Errorf("account %d has %d of 1001 messages", a, n)
		}
	}
}
