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
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/private"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/segment"
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

// chaosPostgres is a server that comes and goes.
type chaosPostgres struct {
	options private.Options
	dsn     string
	mu      sync.Mutex
	server  *private.Server
}

func startChaosPostgres(t *testing.T, ctx context.Context) *chaosPostgres {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // as root, the server is somebody else
			t.Fatal(err)
		}
	}
	// What dies here are processes, never the machine: what was written to the operating
	// system is kept without fsync. A commit must be written, though, before it is confirmed.
	p := &chaosPostgres{options: private.Options{Dir: filepath.Join(dir, "pg"), Unsafe: true, Settings: map[string]string{"synchronous_commit": "on"}}}
	var err error
	if p.server, err = private.Start(ctx, p.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := p.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := p.server.CreateDatabase(ctx, "chaos"); err != nil {
		t.Fatal(err)
	}
	p.dsn = p.server.DSN("chaos")
	return p
}

// restart ends the server, in order or by an immediate shutdown, which is as good as a
// crash, and starts it again.
func (p *chaosPostgres) restart(ctx context.Context, crash bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if crash {
		if err := syscall.Kill(p.server.Pid(), syscall.SIGQUIT); err != nil {
			return fmt.Errorf("crash PostgreSQL: %w", err)
		}
		<-p.server.Done()
	}
	if err := p.server.Stop(ctx); err != nil {
		return err
	}
	s, err := private.Start(ctx, p.options)
	if err != nil {
		return err
	}
	p.server = s
	if dsn := s.DSN("chaos"); dsn != p.dsn {
		return fmt.Errorf("PostgreSQL moved from %s to %s", p.dsn, dsn)
	}
	return nil
}

// chaosMessage is what the clinic asked for.
type chaosMessage struct {
	notify.NewMessage
	ID        int64
	Segments  int
	OwnNumber bool // nobody before it had the same recipient
	Withdrawn bool // and was told that it was in time
	Asked     bool // withdrawal asked for, whatever came of it
	Stopped   bool // the person wrote STOP to this sender
}

const chaosReference = "chaos-%d"

// chaosClinic asks for messages, and takes some back.
type chaosClinic struct {
	w      *chaosWorld
	random *rand.Rand
	outbox *notify.Outbox
	// credits are what the messages are paid with. That outbox knows no rules, so they are
	// asked here.
	credits *credits.Credits

	mu       sync.Mutex
	ahead    time.Duration
	messages []*chaosMessage
}

// chaosGranted is more than an account uses.
const chaosGranted = 1_000_000

// chaosAccounts are the senders; numbers can be written back to.
var chaosAccounts = []string{"+41790000101", "Praxis", "+41790000103", "Zahnarzt", "+41790000105", "Physio 3", "+41790000107"}

func newChaosClinic(w *chaosWorld, random *rand.Rand) *chaosClinic {
	w.t.Helper()
	c := &chaosClinic{w: w, random: random}
	c.outbox = notify.NewOutbox(c.now)
	var err error
	if c.credits, err = credits.New(credits.Config{DB: w.db, Now: c.now}); err != nil {
		w.t.Fatal(err)
	}
	for i, sender := range chaosAccounts {
		if _, err := w.db.Exec(`INSERT INTO accounts (account_id, business, sender, billing, created_at) VALUES ($1, 'Praxis', $2, 'metered', $3)`, i+1, sender, c.now()); err != nil {
			w.t.Fatal(err)
		}
		if err := migrations.InAccount(w.ctx, w.db, int64(i+1), func(tx *sqlx.Tx) error {
			return c.credits.GrantTx(w.ctx, tx, credits.Grant{Account: int64(i + 1), Key: "all", Source: credits.Gift, Credits: chaosGranted})
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

func (c *chaosClinic) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *chaosClinic) setAhead(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = d
}

// chaosRecipient is a phone of its own for each message; asked goes through the gateway
// that can be asked. Such have one id for a message, so these are of one segment.
func chaosRecipient(number int, asked bool) string {
	if asked {
		return fmt.Sprintf("%s%07d", chaosAskedNumbers, number)
	}
	return fmt.Sprintf("+4179%07d", number)
}

// draw makes up the next message for account.
func (c *chaosClinic) draw(account int64, number int) *chaosMessage {
	enc, parts := segment.GSM7, 1
	switch n := c.random.IntN(20); {
	case n < 10:
	case n < 14:
		parts = 2 + n%2
	case n < 17:
		enc = segment.UCS2
	default:
		enc, parts = segment.UCS2, 2+n%2
	}
	m := &chaosMessage{Segments: parts, NewMessage: notify.NewMessage{
		AccountID: account, Kind: notify.Notification, Reference: fmt.Sprintf(chaosReference, number), Origin: notify.OriginReminder, OriginID: int64(number),
		Recipient: chaosRecipient(number, parts == 1 && c.random.IntN(3) == 0), Sender: chaosAccounts[account-1], Body: chaosText(number, parts, enc),
		Expires: c.now().Add(24 * time.Hour),
	}}
	m.OwnNumber = true
	// The second account is one with campaigns, the others have few.
	if c.random.IntN(10) < 2 || account == 2 {
		m.Kind, m.Origin = notify.Marketing, notify.OriginCampaign
	}
	if c.random.IntN(40) == 0 {
		m.Expires = c.now().Add(chaosUnansweredWait / 2) // no time to spare for resending
	}
	// Some people get texts of two clinics.
	if before := number - 137; before >= 0 && c.random.IntN(30) == 0 {
		c.mu.Lock()
		if other := c.messages[before]; other.AccountID != account && other.OwnNumber {
			m.Recipient, m.OwnNumber = other.Recipient, false
		}
		c.mu.Unlock()
	}
	return m
}

// run asks for n more messages, never many more than there are waiting.
func (c *chaosClinic) run(n int) error {
	for n > 0 {
		if err := c.room(); err != nil {
			return err
		}
		account := int64(1 + c.random.IntN(len(chaosAccounts)))
		if c.random.IntN(3) == 0 {
			account = 2
		}
		size := min(n, 1+c.random.IntN(60))
		n -= size
		c.mu.Lock()
		first := len(c.messages)
		c.mu.Unlock()
		batch := make([]*chaosMessage, size)
		all := make([]notify.NewMessage, size)
		for i := range batch {
			batch[i] = c.draw(account, first+i)
			all[i] = batch[i].NewMessage
		}
		if err := c.w.insist("enqueue", func() error { return c.enqueue(batch, all) }); err != nil {
			return err
		}
		c.mu.Lock()
		c.messages = append(c.messages, batch...)
		recent := c.messages[max(0, len(c.messages)-300):]
		m := recent[c.random.IntN(len(recent))]
		c.mu.Unlock()
		if c.random.IntN(2) == 0 {
			if err := c.w.insist("withdraw", func() error { return c.withdraw(m) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// room waits until there is not much left to do.
func (c *chaosClinic) room() error {
	for {
		var n int
		if err := c.w.insist("look at the queue", func() error { return c.w.db.GetContext(c.w.ctx, &n, `SELECT count(*) FROM queue`) }); err != nil {
			return err
		}
		if n < 800 {
			return nil
		}
		select {
		case <-c.w.ctx.Done():
			return c.w.ctx.Err()
		case <-time.After(chaosBackLook):
		}
	}
}

func (c *chaosClinic) enqueue(batch []*chaosMessage, all []notify.NewMessage) error {
	return migrations.InAccount(c.w.ctx, c.w.db, all[0].AccountID, func(tx *sqlx.Tx) error {
		out, err := c.outbox.EnqueueAllTx(c.w.ctx, tx, all)
		if err != nil {
			return err
		}
		ids, what := []int64{}, []string{}
		var charges []notify.Charge
		for i, e := range out {
			if e.Segments != batch[i].Segments {
				return fmt.Errorf("%d segments, want %d", e.Segments, batch[i].Segments)
			}
			batch[i].ID = e.ID
			if !e.Duplicate { // else an earlier commit had come through, only not its confirmation
				ids, what = append(ids, e.ID), append(what, "hold")
				charges = append(charges, notify.Charge{MessageID: e.ID, Kind: all[i].Kind, Country: "CH", Encoding: e.Encoding, Segments: e.Segments, Units: e.Units})
			}
		}
		if uncovered, err := c.credits.HoldTx(c.w.ctx, tx, all[0].AccountID, charges); err != nil || len(uncovered) > 0 {
			return fmt.Errorf("%d not covered: %w", len(uncovered), err)
		}
		_, err = tx.ExecContext(c.w.ctx, chaosBook, all[0].AccountID, pq.Array(ids), pq.Array(what))
		return err
	})
}

// withdraw takes m back; its credits are released with it.
func (c *chaosClinic) withdraw(m *chaosMessage) error {
	in := false
	err := migrations.InAccount(c.w.ctx, c.w.db, m.AccountID, func(tx *sqlx.Tx) (err error) {
		in, err = c.outbox.WithdrawTx(c.w.ctx, tx, notify.MessageRef{AccountID: m.AccountID, ID: m.ID}, "cancelled", c.now())
		if err != nil || !in {
			return err
		}
		if err := c.credits.SettleTx(c.w.ctx, tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: m.AccountID, ID: m.ID}, At: c.now()}}); err != nil {
			return err
		}
		// An earlier try of this may have come through, or the dispatcher have ended it so.
		_, err = tx.ExecContext(c.w.ctx, `INSERT INTO chaos_credits (account_id, message_id, what, credits) VALUES ($1, $2, 'release', $3)
			ON CONFLICT (account_id, message_id, what) DO NOTHING`, m.AccountID, m.ID, m.Segments)
		return err
	})
	m.Asked = true
	m.Withdrawn = m.Withdrawn || err == nil && in
	return err
}

// stop has the person behind a random message write STOP; false when there is none who could.
func (c *chaosClinic) stop(random *rand.Rand) (mo standin.MO, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.messages) == 0 {
		return mo, false
	}
	recent := c.messages[max(0, len(c.messages)-300):]
	m := recent[random.IntN(len(recent))]
	if !strings.HasPrefix(m.Sender, "+") {
		return mo, false
	}
	m.Stopped = true
	return standin.MO{From: m.Recipient, To: m.Sender, Body: "STOP"}, true
}
