package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/standin"
)

// chaosBackLook is the pause between two looks at things that can't tell when they have
// changed. Nothing depends on its length.
const chaosBackLook = 10 * time.Millisecond

const (
	chaosWindow = 16
	chaosBinds  = 2 // of each gateway
	// What a killed process may leave unanswered: a window of each bind to three gateways.
	chaosAllWindows = 3 * chaosBinds * chaosWindow
	// chaosAskedNumbers go through the third gateway, which can be asked what it has.
	chaosAskedNumbers = "+4178"
)

// chaosWorld is a PostgreSQL, two gateways and two dispatching processes, and what was
// asked of them.
type chaosWorld struct {
	t        *testing.T
	ctx      context.Context
	random   *rand.Rand // of the goroutine that runs the test
	pg       *chaosPostgres
	db       *sqlx.DB
	gateways []*chaosGateway
	procs    *chaosProcesses
	clinic   *chaosClinic
	figures  chaosFigures
	begun    time.Time

	mu     sync.Mutex // guards alive, froze and figures
	alive  [2]*chaosProcess
	froze  bool           // a process of this round was stopped for a while
	events sync.WaitGroup // what is being killed and started again

	lastSeen int
}

// chaosFigures are what a run counts by itself; the rest it asks the database.
type chaosFigures struct {
	Kills, Freezes, Crashes, Restarts, Cuts, Faults, Refusals, Stops int
	MostUnanswered                                                   int // after one kill
}

func newChaosWorld(t *testing.T, seed uint64) *chaosWorld {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), chaosPatience)
	t.Cleanup(cancel)
	random := rand.New(rand.NewPCG(seed, 1))
	w := &chaosWorld{t: t, ctx: ctx, random: random, begun: time.Now()}
	w.pg = startChaosPostgres(t, ctx)
	var err error
	if w.db, err = sqlx.Open("postgres", w.pg.dsn); err != nil {
		t.Fatal(err)
	}
	w.db.SetMaxOpenConns(8)
	w.db.SetMaxIdleConns(8)
	t.Cleanup(func() { _ = w.db.Close() }) // its server may be gone
	if err := migrations.Up(ctx, w.db.DB); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Exec(chaosTables); err != nil {
		t.Fatal(err)
	}
	for i, cfg := range []standin.SMSCConfig{{}, {HexIDs: true, Receipts: standin.ReceiptText, LongDates: true}, {Receipts: standin.ReceiptTLV}} {
		w.gateways = append(w.gateways, newChaosGateway(t, []string{"a", "b", "c"}[i], rand.New(rand.NewPCG(seed, uint64(10+i))), cfg))
	}
	w.procs = &chaosProcesses{dir: t.TempDir(), orders: chaosOrders{DSN: w.pg.dsn}}
	asked := httptest.NewServer(http.HandlerFunc(w.serveFind))
	t.Cleanup(asked.Close)
	w.procs.orders.Asked = asked.URL
	for i, more := range []string{"", "&id=hex", ""} {
		g := w.gateways[i]
		w.procs.orders.Routes = append(w.procs.orders.Routes,
			g.smsc.URL(fmt.Sprintf("name=%s&window=%d&binds=%d&timeout=1s&enquire=1s%s", g.name, chaosWindow, chaosBinds, more)).String())
	}
	w.clinic = newChaosClinic(w, rand.New(rand.NewPCG(seed, 2)))
	t.Cleanup(func() {
		w.events.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, p := range w.alive {
			if p != nil {
				p.kill(t)
				w.alive[i] = nil
			}
		}
		if t.Failed() {
			w.showLogs()
		}
	})
	return w
}

// chaosPatience bounds a whole run; it is no measure of speed.
const chaosPatience = 55 * time.Minute

// showLogs prints how the logs of the last lives end.
func (w *chaosWorld) showLogs() {
	logs := w.procs.logs
	for _, name := range logs[max(0, len(logs)-3):] {
		text, err := os.ReadFile(name)
		if err != nil {
			w.t.Log(err)
			continue
		}
		w.t.Logf("the log of %s ends:\n%s", filepath.Base(name), text[max(0, len(text)-2000):])
	}
}

// races reports what the race detector found in the processes.
func (w *chaosWorld) races() {
	for _, name := range w.procs.logs {
		text, err := os.ReadFile(name)
		if err != nil {
			w.t.Error(err)
		}
		for _, bad := range []string{"DATA RACE", "panic"} {
			if i := strings.Index(string(text), bad); i >= 0 {
				w.t.Errorf("%s in %s:\n%s", bad, filepath.Base(name), text[max(0, i-300):min(len(text), i+3000)])
			}
		}
	}
}

// insist repeats f while PostgreSQL comes and goes.
func (w *chaosWorld) insist(what string, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-w.ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(chaosBackLook):
		}
	}
}

// count asks the database until it answers.
func (w *chaosWorld) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.insist(query, func() error { return w.db.GetContext(w.ctx, &n, query, args...) }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// start begins a life of both processes, the clock so far ahead.
func (w *chaosWorld) start(ahead time.Duration) {
	w.t.Helper()
	w.procs.orders.Ahead = ahead
	w.mu.Lock()
	w.froze = false
	w.mu.Unlock()
	w.clinic.setAhead(ahead)
	for i := range w.alive {
		p, err := w.procs.start()
		if err != nil {
			w.t.Fatal(err)
		}
		w.mu.Lock()
		w.alive[i] = p
		w.mu.Unlock()
	}
}

// stop ends both processes in order.
func (w *chaosWorld) stop() {
	w.t.Helper()
	w.events.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.alive {
		if p != nil {
			p.stop(w.t)
		}
		w.alive[i] = nil
	}
}

// kill ends process i by force, looks what it left unanswered, and starts another.
func (w *chaosWorld) kill(i int) {
	w.mu.Lock()
	p := w.alive[i]
	w.alive[i] = nil
	w.mu.Unlock()
	if p == nil {
		return // just being started
	}
	p.kill(w.t)
	w.mu.Lock()
	w.figures.Kills++
	w.mu.Unlock()
	w.events.Go(func() {
		w.mu.Lock()
		others := 0
		for _, p := range w.alive {
			if p != nil {
				others++
			}
		}
		w.mu.Unlock()
		// What it sent is read to the end before it has a successor.
		for _, g := range w.gateways {
			for g.smsc.Bound() > others*chaosBinds && w.ctx.Err() == nil {
				time.Sleep(chaosBackLook)
			}
		}
		left := 0
		if err := w.insist("look at claims", func() error {
			return w.db.GetContext(w.ctx, &left, `SELECT COALESCE(sum(cardinality(message_ids)), 0) FROM claims WHERE owner = $1`, p.owner)
		}); err != nil {
			w.t.Error(err)
			return
		}
		next, err := w.procs.start()
		if err != nil {
			w.t.Errorf("start a dispatcher: %v", err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.alive[i] = next
		if left > chaosAllWindows {
			w.t.Errorf("%s left %d messages unanswered, the windows of its binds hold %d", p.owner, left, chaosAllWindows)
		}
		w.figures.MostUnanswered = max(w.figures.MostUnanswered, left)
	})
}

// freeze stops process i as a machine does that is moved or swaps, until its claims have
// been taken from it, and lets it go on.
func (w *chaosWorld) freeze(i int) {
	w.mu.Lock()
	p, other := w.alive[i], w.alive[1-i]
	if p == nil || other == nil || w.froze {
		w.mu.Unlock()
		return
	}
	w.froze = true
	w.figures.Freezes++
	w.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		w.t.Errorf("freeze %s: %v", p.owner, err)
	}
	w.events.Go(func() {
		for thaw := time.Now().Add(5 * chaosLease); time.Now().Before(thaw); time.Sleep(chaosBackLook) {
			var n int
			if err := w.insist("look at claims", func() error {
				return w.db.GetContext(w.ctx, &n, `SELECT count(*) FROM claims WHERE owner = $1`, p.owner)
			}); err != nil {
				w.t.Error(err)
			}
			if n == 0 {
				break // or it had none, and is only late
			}
		}
		// By now it may have been killed.
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
	})
}

// serveFind answers what the last gateway has. It can't say while a process that stood
// still may yet submit what it had in hand.
func (w *chaosWorld) serveFind(rw http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("number"))
	w.mu.Lock()
	froze := w.froze
	alive := 0
	for _, p := range w.alive {
		if p != nil {
			alive++
		}
	}
	w.mu.Unlock()
	g := w.gateways[len(w.gateways)-1]
	if err != nil || froze || g.smsc.Bound() > alive*chaosBinds {
		http.Error(rw, "ask later", http.StatusServiceUnavailable)
		return
	}
	ids := g.find(n)
	if ids == nil {
		http.NotFound(rw, r)
		return
	}
	if err := json.NewEncoder(rw).Encode(notify.Submission{IDs: ids}); err != nil {
		w.t.Logf("a process was gone before it heard what the gateway has: %v", err)
	}
}

// Receipts that crossed with their message's acceptance count as queued: a dispatcher has
// yet to bring the two together.
const chaosOpen = `SELECT (SELECT count(*) FROM queue) +
    (SELECT count(*) FROM early_receipts e JOIN carrier_refs r USING (carrier, carrier_message_id)),
    (SELECT count(*) FROM claims), (SELECT count(*) FROM unanswered)`

// open says how much is not over yet.
func (w *chaosWorld) open() (queued, claimed, unanswered int) {
	w.t.Helper()
	if err := w.insist("look at open messages", func() error {
		return w.db.QueryRowContext(w.ctx, chaosOpen).
			Scan(&queued, &claimed, &unanswered)
	}); err != nil {
		w.t.Fatal(err)
	}
	return queued, claimed, unanswered
}

// follow lets the gateways take note and send receipts.
func (w *chaosWorld) follow(over bool) {
	for _, g := range w.gateways {
		g.follow()
		g.deliver(over)
	}
}

func (w *chaosWorld) seen() (n int) {
	for _, g := range w.gateways {
		n += g.smsc.Seen()
	}
	return n
}

// settle ends all trouble and waits until everything is over but what neither gateway has
// and nobody can know of.
func (w *chaosWorld) settle() {
	w.t.Helper()
	w.events.Wait()
	for _, g := range w.gateways {
		g.heal()
	}
	deadline := time.Now().Add(patience)
	for {
		w.follow(true)
		for _, g := range w.gateways {
			g.smsc.Release()
		}
		settled := true
		for _, g := range w.gateways {
			settled = settled && g.settled() && len(g.parts) == g.smsc.Accepted()
		}
		queued, claimed, unanswered := w.open()
		if settled && queued == 0 && claimed == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not settled: %d queued, %d claims, %d unanswered; receipts all sent and taken: %v", queued, claimed, unanswered, settled)
		}
		time.Sleep(chaosBackLook)
	}
}
