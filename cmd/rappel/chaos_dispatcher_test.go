package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
	"rappel/notify/carriers/smpp"
	"rappel/notify/credits"
)

// chaosVariable makes the test binary a process that dispatches; it holds chaosOrders.
const chaosVariable = "RAPPEL_TEST_CHAOS"

// The times a dispatching process works with. None of them decides what is right: the
// wait for evidence ends only when the test moves the clock.
const (
	chaosLease          = 2 * time.Second
	chaosSendTimeout    = 1500 * time.Millisecond
	chaosUnansweredWait = 10 * time.Minute
	chaosReceiptWait    = 72 * time.Hour
)

// chaosOrders is what a dispatching process is told.
type chaosOrders struct {
	DSN    string
	Routes []string // URLs of the carriers, the first is the default
	// Asked is the URL where the last of them can be asked what it has. It serves the
	// numbers that begin with chaosAskedNumbers.
	Asked string
	Owner string
	Ahead time.Duration // of the real clock
}

// chaosDispatcher is a process with a Dispatcher, a Desk and carriers, until SIGTERM or
// kill -9. It returns the exit status.
func chaosDispatcher(orders string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if err := chaosRun(ctx, orders, log); err != nil {
		log.Error("chaos dispatcher", "error", err)
		return 1
	}
	return 0
}

func chaosRun(ctx context.Context, text string, log *slog.Logger) error {
	var o chaosOrders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	dsn, err := notify.DispatchDSN(o.DSN)
	if err != nil {
		return err
	}
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	defer db.Close()
	cfg := notify.Config{
		DB: db, Observer: chaosLedger{}, Now: func() time.Time { return time.Now().Add(o.Ahead) }, Log: log, Owner: o.Owner,
		Workers: 4, ClaimLease: chaosLease, SendTimeout: chaosSendTimeout, UnansweredWait: chaosUnansweredWait, ReceiptWait: chaosReceiptWait,
		RetryBase: 100 * time.Millisecond, RetryMax: time.Second, ThrottlePause: 50 * time.Millisecond, MisconfiguredPause: 300 * time.Millisecond,
		Poll: 20 * time.Millisecond,
	}
	if cfg.Meter, err = credits.New(credits.Config{DB: db, Now: cfg.Now, Log: log}); err != nil {
		return err
	}
	var sessions []notify.Session
	for _, r := range o.Routes {
		u, err := url.Parse(r)
		if err != nil {
			return fmt.Errorf("route: %w", err)
		}
		c, err := smpp.ParseURL(u)
		if err != nil {
			return err
		}
		c.Log, c.Now = log, cfg.Now
		c.Backoff = func(attempt int) time.Duration { return time.Duration(min(attempt, 5)+1) * 30 * time.Millisecond }
		carrier, err := smpp.New(c)
		if err != nil {
			return err
		}
		cfg.Carriers, sessions = append(cfg.Carriers, carrier), append(sessions, carrier)
	}
	last := len(cfg.Carriers) - 1
	cfg.Carriers[last] = chaosFinder{cfg.Carriers[last].(*smpp.Carrier), o.Asked}
	cfg.Routes = map[string]notify.Route{cfg.Carriers[last].Name(): {To: []string{chaosAskedNumbers}}}
	d, err := notify.NewDispatcher(cfg)
	if err != nil {
		return err
	}
	desk, err := notify.NewDesk(cfg)
	if err != nil {
		return err
	}
	// Carriers live until the dispatcher has finished what is in hand.
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	errs := make(chan error, len(sessions))
	for _, s := range sessions {
		go func() { errs <- s.Run(late, desk) }()
	}
	err = d.Run(ctx)
	end()
	for range sessions {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return err
}

// chaosFinder is an SMPP carrier whose gateway can be asked, by HTTP, what it has.
type chaosFinder struct {
	*smpp.Carrier
	url string
}

// Find implements notify.Finder.
func (f chaosFinder) Find(ctx context.Context, m notify.Message, _ time.Time) ([]notify.Hit, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"?number="+strconv.Itoa(chaosNumber(m.Body)), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound:
		return nil, nil
	case http.StatusOK:
		var s notify.Submission
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			return nil, err
		}
		return []notify.Hit{{Submission: s}}, nil
	}
	return nil, errors.New("the gateway can't say: " + resp.Status)
}

// chaosLedger is an Observer that keeps accounts of credits as a careful one would: held
// when asked for, captured once a carrier has the message, released when it ends without.
// It also writes down each change, in the order in which they happened.
type chaosLedger struct{}

const chaosTables = `
CREATE TABLE chaos_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL, message_id bigint NOT NULL, was smallint NOT NULL, is_now smallint NOT NULL,
    reason text NOT NULL, carrier text NOT NULL);
CREATE TABLE chaos_credits (
    account_id bigint NOT NULL, message_id bigint NOT NULL, what text NOT NULL, credits int NOT NULL, heard int NOT NULL DEFAULT 1,
    PRIMARY KEY (account_id, message_id, what))`

const chaosBook = `
INSERT INTO chaos_credits AS c (account_id, message_id, what, credits)
SELECT $1, m.id, u.what, m.segments FROM unnest(CAST($2 AS bigint[]), CAST($3 AS text[])) AS u (id, what)
JOIN messages m ON m.account_id = $1 AND m.id = u.id
ON CONFLICT (account_id, message_id, what) DO UPDATE SET heard = c.heard + 1`

// StatusChanged implements notify.Observer.
func (chaosLedger) StatusChanged(ctx context.Context, tx *sqlx.Tx, changes []notify.StatusChange) error {
	account := changes[0].AccountID
	var ids, was, now, booked []int64
	var reasons, carriers, bookings []string
	for _, c := range changes {
		ids, was, now = append(ids, c.MessageID), append(was, int64(c.From)), append(now, int64(c.To))
		reasons, carriers = append(reasons, string(c.Reason)), append(carriers, c.Carrier)
		if what := chaosBooking(c); what != "" {
			booked, bookings = append(booked, c.MessageID), append(bookings, what)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO chaos_changes (account_id, message_id, was, is_now, reason, carrier)
		SELECT $1, u.id, u.was, u.is_now, u.reason, u.carrier
		FROM unnest(CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS smallint[]), CAST($5 AS text[]), CAST($6 AS text[]))
		    AS u (id, was, is_now, reason, carrier)`,
		account, pq.Array(ids), pq.Array(was), pq.Array(now), pq.Array(reasons), pq.Array(carriers)); err != nil {
		return fmt.Errorf("write changes: %w", err)
	}
	if len(booked) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, chaosBook, account, pq.Array(booked), pq.Array(bookings)); err != nil {
		return fmt.Errorf("write credits: %w", err)
	}
	return nil
}

// chaosBooking is what a change does to a message's credits.
func chaosBooking(c notify.StatusChange) string {
	switch {
	case c.From.Final() && c.To == notify.Delivered:
		return "correction" // no news for credits if it was captured; the test looks
	case c.From != notify.NotSent:
		return "" // captured when it was accepted
	case c.To == notify.Sent, c.To == notify.Delivered:
		return "capture"
	case c.To.Final(), c.Reason == notify.ReasonWithdrawn, c.Reason == notify.ReasonStale:
		return "release"
	}
	return ""
}

// chaosProcess is a dispatching process from outside.
type chaosProcess struct {
	owner string
	cmd   *exec.Cmd
	log   string // file
}

// chaosProcesses starts and ends them.
type chaosProcesses struct {
	dir    string
	orders chaosOrders

	mu    sync.Mutex
	lives int
	logs  []string
}

func (ps *chaosProcesses) start() (*chaosProcess, error) {
	ps.mu.Lock()
	ps.lives++
	o := ps.orders
	o.Owner = fmt.Sprintf("life-%d", ps.lives)
	p := &chaosProcess{owner: o.Owner, log: filepath.Join(ps.dir, o.Owner+".log")}
	ps.logs = append(ps.logs, p.log)
	ps.mu.Unlock()
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), chaosVariable+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// kill ends the process as a power cut would.
func (p *chaosProcess) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Errorf("kill %s: %v", p.owner, err)
	}
	_ = p.cmd.Wait() // it says "killed", as it was
}

// stop ends the process in order; it must end well.
func (p *chaosProcess) stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop %s: %v", p.owner, err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s stopped with %v", p.owner, err)
	}
}
