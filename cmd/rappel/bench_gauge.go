package main

import (
	"context"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// benchUse is what something took of this machine.
type benchUse struct {
	Seconds      float64       `json:"seconds"`
	PeakRSS      int64         `json:"peak_rss_bytes"`      // of this process; 0 where the system doesn't tell
	PeakHeap     int64         `json:"peak_heap_bytes"`     // live and not yet collected objects
	ProcessCores float64       `json:"process_cores"`       // busy on average, of this process
	MachineCores float64       `json:"machine_cores"`       // of everything on the machine, PostgreSQL too; 0 where not told
	Memory       []benchMemory `json:"memory_over_the_run"` // at each quarter
}

// benchMemory is this process's memory when a share of the messages was through.
type benchMemory struct {
	Percent int   `json:"percent"`
	RSS     int64 `json:"rss_bytes"`
	Heap    int64 `json:"heap_bytes"`
}

// benchGauge watches memory and processors until stopped.
type benchGauge struct {
	began   time.Time
	process time.Duration
	machine time.Duration
	stop    context.CancelFunc
	ended   chan struct{}

	mu  sync.Mutex
	use benchUse
}

// startGauge begins with what earlier rounds left given back to the system. through says
// which share of the work is done, 0 to 1.
func startGauge(ctx context.Context, through func() float64) *benchGauge {
	debug.FreeOSMemory()
	ctx, stop := context.WithCancel(ctx)
	g := &benchGauge{began: time.Now(), process: processTime(), machine: machineTime(), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for {
			g.look(through())
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
		}
	}()
	return g
}

func (g *benchGauge) look(through float64) {
	rss, heap := residentMemory(), heapMemory()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.use.PeakRSS, g.use.PeakHeap = max(g.use.PeakRSS, rss), max(g.use.PeakHeap, heap)
	for quarter := 25 * (len(g.use.Memory) + 1); quarter <= 100 && through*100 >= float64(quarter); quarter += 25 {
		g.use.Memory = append(g.use.Memory, benchMemory{quarter, rss, heap})
	}
}

// end stops the gauge; through is 1 by now.
func (g *benchGauge) end() benchUse {
	took := time.Since(g.began)
	process, machine := processTime()-g.process, machineTime()-g.machine
	g.stop()
	<-g.ended
	g.look(1)
	g.use.Seconds = took.Seconds()
	g.use.ProcessCores, g.use.MachineCores = process.Seconds()/took.Seconds(), machine.Seconds()/took.Seconds()
	return g.use
}

func heapMemory() int64 {
	s := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// residentMemory is what this process occupies, in bytes; 0 where the system has no file
// that tells.
func residentMemory() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// processTime is the processor time this process has taken.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // a figure for people, not worth failing for
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// machineTime is the time all processors were busy since the start of the machine; 0
// where the system has no file that tells.
//
// Source: proc(5), /proc/stat, in hundredths of a second.
func machineTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first)
	var busy time.Duration
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if i == 0 || i == 4 || i == 5 || i > 8 || err != nil { // the word cpu, idle, iowait, guests (counted in user)
			continue
		}
		busy += time.Duration(n) * 10 * time.Millisecond
	}
	return busy
}

// benchTimes is how long something took, in milliseconds.
type benchTimes struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// newBenchTimes sorts all. A percentile is the smallest value that so many are not above.
func newBenchTimes(all []time.Duration) benchTimes {
	if len(all) == 0 {
		return benchTimes{}
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	at := func(percent int) float64 { return ms(all[(len(all)*percent+99)/100-1]) }
	return benchTimes{len(all), at(50), at(99), at(100)}
}
