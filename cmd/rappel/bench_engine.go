package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/links"
)

// benchStalled is how long nothing may move until a round is given up.
const benchStalled = 60 * time.Second

// nullCarrier takes everything at once and remembers the receipts it owes.
type nullCarrier struct {
	window int
	enough chan struct{} // closed when as many came as were expected

	mu       sync.Mutex
	receipts []notify.Receipt
	expected int
}

func newNullCarrier(window, expected int) *nullCarrier {
	return &nullCarrier{window: window, expected: expected, enough: make(chan struct{}), receipts: make([]notify.Receipt, 0, expected)}
}

// Name implements notify.Carrier.
func (c *nullCarrier) Name() string { return "null" }

// Window implements notify.Carrier.
func (c *nullCarrier) Window() int { return c.window }

// Send implements notify.Carrier.
func (c *nullCarrier) Send(_ context.Context, m notify.Message) (notify.Submission, error) {
	id := benchCarrierID()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receipts = append(c.receipts, notify.Receipt{Carrier: "null", CarrierID: id, Status: notify.Delivered, Recipient: m.Recipient, Sender: m.Sender})
	if len(c.receipts) == c.expected {
		close(c.enough)
	}
	return notify.Submission{IDs: []string{id}}, nil
}

func (c *nullCarrier) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.receipts)
}

// benchEngine is the product's message core on a database of its own.
type benchEngine struct {
	owner, dispatch *sqlx.DB
	place           *benchPlace
	drop            func(context.Context) error
	accounts        int
	loads           int             // loads so far
	flights         *notify.Flights // one process is measured

	// With --meter:
	credits *credits.Credits
	policy  *notify.Policy
}

func (b *bench) newEngine(ctx context.Context, round benchRound) (e *benchEngine, err error) {
	dsn, drop, err := b.place.migrated(ctx, "store")
	if err != nil {
		return nil, err
	}
	e = &benchEngine{place: b.place, drop: drop, accounts: round.accounts, flights: notify.NewFlights()}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close(ctx))
		}
	}()
	p, err := openPools(ctx, dsn)
	if err != nil {
		return e, err
	}
	e.owner, e.dispatch = p.owner, p.dispatch
	if err = p.web.Close(); err != nil {
		return e, err
	}
	if _, err = e.owner.ExecContext(ctx, `INSERT INTO accounts (account_id, business, created_at)
		SELECT i, 'Praxis ' || i, now() FROM generate_series(1, CAST($1 AS bigint)) i`, round.accounts); err != nil {
		return e, fmt.Errorf("make accounts: %w", err)
	}
	if b.Meter {
		if err = e.meter(ctx); err != nil {
			return e, err
		}
	}
	if round.finished > 0 {
		b.say("store, filling in %d finished messages", round.finished)
		err = e.fill(ctx, b, round)
	}
	return e, err
}

// benchGranted is more than a round uses.
const benchGranted = 1_000_000_000

// meter has every message charged for.
func (e *benchEngine) meter(ctx context.Context) error {
	var err error
	if e.credits, err = credits.New(credits.Config{DB: e.owner}); err != nil {
		return err
	}
	if _, err := e.owner.ExecContext(ctx, `UPDATE accounts SET billing = 'metered', review = 'none'`); err != nil {
		return fmt.Errorf("meter accounts: %w", err)
	}
	for account := int64(1); account <= int64(e.accounts); account++ {
		if err := inBenchTx(ctx, e.owner, func(tx *sqlx.Tx) error {
			return e.credits.GrantTx(ctx, tx, credits.Grant{Account: account, Key: "bench", Source: credits.Gift, Credits: benchGranted})
		}); err != nil {
			return err
		}
	}
	l, err := links.New("localhost/u", []byte(rand.Text()+rand.Text()))
	if err != nil {
		return err
	}
	e.policy, err = notify.NewPolicy(notify.PolicyConfig{DB: e.owner, Links: l, Meter: e.credits})
	return err
}

// outbox is what messages are enqueued by: with --meter, one that asks for their price.
// Advertising has its hours by the rules, which the time of a run may not fit.
func (e *benchEngine) outbox(kind notify.Kind) *notify.Outbox {
	if e.policy == nil || kind == notify.Marketing {
		return notify.NewOutbox(nil)
	}
	return notify.NewPolicyOutbox(nil, e.policy)
}

// close drops the database; it works after the end of ctx too.
func (e *benchEngine) close(ctx context.Context) error {
	var errs []error
	for _, db := range []*sqlx.DB{e.dispatch, e.owner} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, e.drop(ctx))...)
}

// config is the dispatcher's and the desk's, as `rappel serve` makes it but for what the
// flags say.
func (e *benchEngine) config(b *bench, carriers ...notify.Carrier) notify.Config {
	cfg := notify.Config{DB: e.dispatch, Carriers: carriers, Workers: b.Workers, Batch: b.Batch, Log: b.log, Flights: e.flights}
	if e.credits != nil {
		cfg.Meter = e.credits
	}
	return cfg
}

// cycle runs the three phases.
func (e *benchEngine) cycle(ctx context.Context, b *bench, round benchRound) (p benchPhases, err error) {
	if err := e.place.checkpoint(ctx); err != nil {
		return p, err
	}
	n := round.messages
	before, err := e.counts(ctx)
	if err != nil {
		return p, err
	}
	load := e.newLoad(n, notify.Notification)
	if p.Insert, err = perSecond(n, func() error { return load.enqueue(ctx, benchInserters, benchInsertBatch) }); err != nil {
		return p, err
	}
	if _, err := e.owner.ExecContext(ctx, `ANALYZE`); err != nil {
		return p, fmt.Errorf("analyze: %w", err)
	}
	c := newNullCarrier(b.Window, n)
	if p.Dispatch, err = perSecond(n, func() error { return e.drain(ctx, b, c) }); err != nil {
		return p, err
	}
	after, err := e.counts(ctx)
	if err != nil {
		return p, err
	}
	if sent := after[notify.Sent] - before[notify.Sent]; sent != n || c.taken() != n {
		return p, fmt.Errorf("of %d messages the carrier had %d and %d were recorded", n, c.taken(), sent)
	}
	shuffleInWindows(c.receipts)
	if p.Receipts, err = perSecond(n, func() error { return e.receipts(ctx, b, c.receipts) }); err != nil {
		return p, err
	}
	if after, err = e.counts(ctx); err != nil {
		return p, err
	}
	if done := after[notify.Delivered] - before[notify.Delivered]; done != n {
		return p, fmt.Errorf("%d of %d messages were delivered", done, n)
	}
	return p.sum(), nil
}

// counts is how many messages of all accounts have each status.
func (e *benchEngine) counts(ctx context.Context) (map[notify.Status]int, error) {
	all := map[notify.Status]int{}
	store := notify.NewStore(e.owner)
	for account := range e.accounts {
		c, err := store.Counts(ctx, int64(account+1), notify.Filter{}, 0)
		if err != nil {
			return nil, err
		}
		for status, n := range c.By {
			all[status] += n
		}
	}
	return all, nil
}

// drain runs the dispatcher until c has had everything and all of it is recorded.
func (e *benchEngine) drain(ctx context.Context, b *bench, c *nullCarrier) error {
	d, err := notify.NewDispatcher(e.config(b, c))
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(running) }()
	booked := make(chan error, 1)
	go func() {
		if e.credits != nil {
			booked <- e.credits.Run(running)
		}
		close(booked)
	}()
	err = waitMoving(ctx, c.enough, c.taken)
	stop() // it records what it has in hand first
	return errors.Join(err, <-ended, <-booked)
}

// waitMoving waits for done as long as progress moves.
func waitMoving(ctx context.Context, done <-chan struct{}, progress func() int) error {
	look := time.NewTicker(benchStalled)
	defer look.Stop()
	last := progress()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			now := progress()
			if now == last {
				return fmt.Errorf("nothing has moved for %s, %d messages are through", benchStalled, now)
			}
			last = now
		}
	}
}

// receipts brings every receipt, many at once and each by itself, as carriers do.
func (e *benchEngine) receipts(ctx context.Context, b *bench, all []notify.Receipt) error {
	desk, err := notify.NewDesk(e.config(b))
	if err != nil {
		return err
	}
	var next atomic.Int64
	return inParallel(b.Callers, make([]struct{}, b.Callers), func(struct{}) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(all) {
				return nil
			}
			if err := desk.Receipt(ctx, all[i]); err != nil {
				return err
			}
		}
	})
}

// benchLoad is messages to enqueue.
type benchLoad struct {
	e       *benchEngine
	outbox  *notify.Outbox
	series  string
	n       int
	kind    notify.Kind
	account int64 // all of one account; 0 spreads them
}

func (e *benchEngine) newLoad(n int, kind notify.Kind) *benchLoad {
	e.loads++
	return &benchLoad{e: e, outbox: e.outbox(kind), series: fmt.Sprintf("load-%d-", e.loads), n: n, kind: kind}
}

// enqueue puts all of it into the queue, so many a transaction.
func (l *benchLoad) enqueue(ctx context.Context, connections, batch int) error {
	return l.from(ctx, 0, connections, batch)
}

// from is enqueue without the first messages.
func (l *benchLoad) from(ctx context.Context, first, connections, batch int) error {
	return inParallel(connections, benchChunks(l.n-first, batch), func(c benchChunk) error {
		return l.chunk(ctx, benchChunk{first + c.from, first + c.to}, l.account)
	})
}

// chunk enqueues c in one transaction, all for account, or spread if that is 0.
func (l *benchLoad) chunk(ctx context.Context, c benchChunk, account int64) error {
	now := time.Now()
	all := make([]notify.NewMessage, 0, c.to-c.from)
	for i := c.from; i < c.to; i++ {
		all = append(all, l.message(i, account, now))
	}
	return inBenchTx(ctx, l.e.owner, func(tx *sqlx.Tx) error {
		_, err := l.outbox.EnqueueAllTx(ctx, tx, all)
		return err
	})
}

// message is the i-th, of account, or of the one whose turn it is if that is 0.
func (l *benchLoad) message(i int, account int64, now time.Time) notify.NewMessage {
	m := notify.NewMessage{
		AccountID: account, Kind: l.kind, Reference: l.series + strconv.Itoa(i), Origin: notify.OriginAPI,
		Recipient: benchRecipient(i), Sender: "Praxis", Body: benchBody(i), Expires: now.Add(24 * time.Hour),
	}
	if m.AccountID == 0 {
		m.AccountID = benchAccount(i, l.n, l.e.accounts)
	}
	return m
}
