package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// benchReport is all that `rappel bench dispatch` found out. Its JSON is the interface of
// scripts that watch the figures, so names say the unit.
type benchReport struct {
	Bench    string            `json:"bench"`
	Began    time.Time         `json:"began"`
	Machine  benchMachineFacts `json:"machine"`
	Settings benchSettings     `json:"settings"`
	Store    []*benchStore     `json:"store,omitempty"`
	Intake   []benchIntake     `json:"intake,omitempty"`
	SMPP     *benchSMPP        `json:"smpp,omitempty"`
	Latency  []*benchLatency   `json:"latency,omitempty"`
}

// benchMachineFacts says where it was measured.
type benchMachineFacts struct {
	Cores      int    `json:"cores"`
	CPU        string `json:"cpu"`
	System     string `json:"system"`
	Go         string `json:"go"`
	PostgreSQL string `json:"postgresql"`
	Private    bool   `json:"private_postgresql"` // ours, with default settings, on this machine
}

func benchMachine(ctx context.Context, p *benchPlace) benchMachineFacts {
	return benchMachineFacts{Cores: runtime.NumCPU(), CPU: cpuModel(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		PostgreSQL: p.version(ctx), Private: p.server != nil}
}

// cpuModel is the processor's name where the system tells it in a file.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown" // not Linux
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// benchSettings is what was chosen, by flag or by the product's defaults (0).
type benchSettings struct {
	Runs           int `json:"runs"`
	BodyCharacters int `json:"body_characters"`
	InsertBatch    int `json:"insert_batch"`
	Inserters      int `json:"insert_connections"`
	FloorClaim     int `json:"floor_claim_batch"`
	FloorReceipts  int `json:"floor_receipt_batch"`
	FloorWorkers   int `json:"floor_workers"`
	Workers        int `json:"dispatch_workers"`
	Batch          int `json:"dispatch_batch"`
	Window         int `json:"null_carrier_window"`
	Callers        int `json:"receipt_callers"`
	ShuffleWindow  int `json:"receipt_shuffle_window"`
}

func (b *bench) settings() benchSettings {
	return benchSettings{Runs: b.Runs, BodyCharacters: len(benchBody(0)), InsertBatch: benchInsertBatch, Inserters: benchInserters,
		FloorClaim: floorClaimBatch, FloorReceipts: floorReceiptBatch, FloorWorkers: floorWorkers,
		Workers: b.Workers, Batch: b.Batch, Window: b.Window, Callers: b.Callers, ShuffleWindow: benchShuffle}
}

// benchPhases are messages a second, each phase by itself. The cycle is what the sum of
// their times comes to.
type benchPhases struct {
	Insert   float64 `json:"insert_per_second"`
	Dispatch float64 `json:"claim_and_result_per_second"`
	Receipts float64 `json:"receipts_per_second"`
	Cycle    float64 `json:"cycle_per_second"`
}

func (p benchPhases) sum() benchPhases {
	p.Cycle = 1 / (1/p.Insert + 1/p.Dispatch + 1/p.Receipts)
	return p
}

// benchSide is the median run, by its cycle, and how far the others were from it.
type benchSide struct {
	benchPhases
	CycleMin float64 `json:"cycle_min_per_second"`
	CycleMax float64 `json:"cycle_max_per_second"`
}

func newBenchSide(runs []benchPhases) benchSide {
	runs = slices.SortedFunc(slices.Values(runs), func(a, b benchPhases) int { return cmp.Compare(a.Cycle, b.Cycle) })
	return benchSide{runs[(len(runs)-1)/2], runs[0].Cycle, runs[len(runs)-1].Cycle}
}

// benchRatio is the product's rate as a share of the floor's.
type benchRatio struct {
	Insert   float64 `json:"insert"`
	Dispatch float64 `json:"claim_and_result"`
	Receipts float64 `json:"receipts"`
	Cycle    float64 `json:"cycle"`
}

// benchStore compares the product's store with the floor.
type benchStore struct {
	Messages int        `json:"messages"`
	Accounts int        `json:"accounts"`
	Finished int        `json:"finished_before"`
	Floor    benchSide  `json:"floor"`
	Product  benchSide  `json:"product"`
	Ratio    benchRatio `json:"ratio"`
	Lost     int        `json:"lost"` // always 0: a lost message fails the run
}

func newBenchStore(round benchRound, floors, products []benchPhases) *benchStore {
	s := &benchStore{Messages: round.messages, Accounts: round.accounts, Finished: round.finished, Floor: newBenchSide(floors), Product: newBenchSide(products)}
	s.Ratio = benchRatio{Insert: s.Product.Insert / s.Floor.Insert, Dispatch: s.Product.Dispatch / s.Floor.Dispatch,
		Receipts: s.Product.Receipts / s.Floor.Receipts, Cycle: s.Product.Cycle / s.Floor.Cycle}
	return s
}

// thousands writes a figure with a separator, for people.
func thousands(f float64) string {
	s := fmt.Sprintf("%.0f", f)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "'" + s[i:]
	}
	return s
}

func (r *benchReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	m := r.Machine
	fmt.Fprintf(w, "%d cores, %s, %s, %s, PostgreSQL %s\n", m.Cores, m.CPU, m.System, m.Go, m.PostgreSQL)
	for _, s := range r.Store {
		round := benchRound{messages: s.Messages, accounts: s.Accounts, finished: s.Finished}
		fmt.Fprintf(w, "\nStore, %s (messages a second)\n", round)
		fmt.Fprintln(t, "\tinsert\tclaim+result\treceipts\twhole cycle\t")
		for _, side := range []struct {
			name string
			benchSide
		}{{"floor", s.Floor}, {"rappel", s.Product}} {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", side.name, thousands(side.Insert), thousands(side.Dispatch), thousands(side.Receipts), thousands(side.Cycle))
		}
		q := s.Ratio
		fmt.Fprintf(t, "ratio\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f %%\t\n", 100*q.Insert, 100*q.Dispatch, 100*q.Receipts, 100*q.Cycle)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(r.Intake) > 0 {
		fmt.Fprintln(w, "\nIntake, one message a call, durable when it returns")
		fmt.Fprintln(t, "callers\taccepted a second\tp50\tp99\ta transaction each\t")
		for _, i := range r.Intake {
			fmt.Fprintf(t, "%d\t%s\t%.1f ms\t%.1f ms\t%s\t\n", i.Callers, thousands(i.PerSecond), i.Took.P50, i.Took.P99, thousands(i.Each))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if err := r.SMPP.print(w, t); err != nil {
		return err
	}
	return printLatency(w, t, r.Latency)
}

func (s *benchSMPP) print(w io.Writer, t *tabwriter.Writer) error {
	if s == nil {
		return nil
	}
	fmt.Fprintf(w, "\nOver SMPP with receipts, %d accounts, %d binds, window %d each\n", s.Accounts, s.Binds, s.Window)
	fmt.Fprintln(t, "\tmessages\ta second\tenqueue to accepted p50\tp99\tpeak memory\tpeak heap\tcores of rappel\tof all\t")
	for _, f := range []struct {
		name string
		*benchFlow
	}{{"flood", s.Flood}, {"paced", s.Paced}} {
		fmt.Fprintf(t, "%s\t%d\t%s\t%.0f ms\t%.0f ms\t%s\t%s\t%.1f\t%.1f\t\n", f.name, f.Messages, thousands(f.PerSecond), f.Accepted.P50, f.Accepted.P99,
			megabytes(f.PeakRSS), megabytes(f.PeakHeap), f.ProcessCores, f.MachineCores)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		*benchFlow
	}{{"flood", s.Flood}, {"paced", s.Paced}} {
		fmt.Fprintf(w, "memory, %s:", f.name)
		for _, m := range f.Memory {
			fmt.Fprintf(w, "  %d %% %s", m.Percent, megabytes(m.RSS))
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

func printLatency(w io.Writer, t *tabwriter.Writer, all []*benchLatency) error {
	for _, l := range all {
		limit := "as fast as it goes"
		if l.Rate > 0 {
			limit = fmt.Sprintf("at %d parts a second", l.Rate)
		}
		fmt.Fprintf(w, "\nA reminder past a campaign of %d, route %s (commit to accepted)\n", l.Campaign, limit)
		fmt.Fprintln(t, "\treminders\tp50\tp99\tmax\t")
		for _, side := range []struct {
			name string
			benchTimes
		}{{"other accounts", l.Other}, {"the campaign's account", l.Same}} {
			fmt.Fprintf(t, "%s\t%d\t%.0f ms\t%.0f ms\t%.0f ms\t\n", side.name, side.Count, side.P50, side.P99, side.Max)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n>>20) }
