package notify_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"pgregory.net/rapid"

	"rappel/notify"
)

// counter is an outbox that remembers how many messages each call brought, and lets a test
// hold calls up or make them fail.
type counter struct {
	*notify.Outbox
	before func(ms []notify.NewMessage) error

	mu    sync.Mutex
	calls []int
}

func (c *counter) EnqueueAllTx(ctx context.Context, tx *sqlx.Tx, ms []notify.NewMessage) ([]notify.Enqueued, error) {
	c.mu.Lock()
	c.calls = append(c.calls, len(ms))
	c.mu.Unlock()
	if c.before != nil {
		if err := c.before(ms); err != nil {
			return nil, err
		}
	}
	return c.Outbox.EnqueueAllTx(ctx, tx, ms)
}

func (c *counter) sizes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.calls...)
}

func (w *world) intake(writers int, before func([]notify.NewMessage) error) (*notify.Intake, *counter) {
	w.t.Helper()
	c := &counter{Outbox: w.outbox, before: before}
	i, err := notify.NewIntake(notify.IntakeConfig{DB: w.db, Outbox: c, Writers: writers})
	if err != nil {
		w.t.Fatal(err)
	}
	return i, c
}

// answer is what a caller of Enqueue heard.
type answer struct {
	notify.Enqueued
	err error
}

// together has all of rest wait at once behind a first one that is being written, lets the
// writer go on and returns their answers.
func together(t *testing.T, i *notify.Intake, begun <-chan struct{}, release func(), first notify.NewMessage, rest []notify.NewMessage) []answer {
	t.Helper()
	out := make([]answer, len(rest))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := i.Enqueue(t.Context(), first); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-begun
	for n, m := range rest {
		wg.Go(func() { out[n].Enqueued, out[n].err = i.Enqueue(t.Context(), m) })
	}
	for i.Waiting() < len(rest) {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	return out
}

// heldUp is a counter's before that lets the first call go on only after release.
func heldUp(then func([]notify.NewMessage) error) (before func([]notify.NewMessage) error, begun <-chan struct{}, release func()) {
	gate, first := make(chan struct{}), make(chan struct{})
	var once sync.Once
	return func(ms []notify.NewMessage) error {
		once.Do(func() { close(first); <-gate })
		if then == nil {
			return nil
		}
		return then(ms)
	}, first, sync.OnceFunc(func() { close(gate) })
}

func TestNewIntake(t *testing.T) {
	t.Parallel()
	if _, err := notify.NewIntake(notify.IntakeConfig{}); !errors.Is(err, notify.ErrConfig) {
		t.Errorf("without a database: %v", err)
	}
}

func TestIntake_alone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i, _ := w.intake(0, nil)
	m := w.message(func(m *notify.NewMessage) { m.Body, m.Smart = "Ihr Termin – „morgen“…", true })
	first, err := i.Enqueue(t.Context(), m)
	if err != nil || first.ID == 0 || first.Duplicate || first.Segments != 1 || first.Body != `Ihr Termin - "morgen"...` {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := i.Enqueue(t.Context(), m)
	if err != nil || again.ID != first.ID || !again.Duplicate {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	w.tick(w.dispatcher(nil))
	if got := w.carrier.sent(); len(got) != 1 || got[0].ID != first.ID {
		t.Errorf("sent %d messages", len(got))
	}
}

func TestIntake_refuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i, _ := w.intake(1, nil)
	for name, tt := range map[string]struct {
		change func(*notify.NewMessage)
		want   error
	}{
		"no account":       {func(m *notify.NewMessage) { m.AccountID = 0 }, notify.ErrRequest},
		"unknown account":  {func(m *notify.NewMessage) { m.AccountID = 99 }, notify.ErrRequest},
		"national form":    {func(m *notify.NewMessage) { m.Recipient = "0791234567" }, notify.ErrRecipient},
		"sender":           {func(m *notify.NewMessage) { m.Sender = "Zahnarztpraxis" }, notify.ErrSender},
		"no text":          {func(m *notify.NewMessage) { m.Body = "" }, notify.ErrBody},
		"too long":         {func(m *notify.NewMessage) { m.Body = strings.Repeat("x", 1531) }, notify.ErrBody},
		"NUL in reference": {func(m *notify.NewMessage) { m.Reference = "a\x00b" }, notify.ErrRequest},
		"not UTF-8":        {func(m *notify.NewMessage) { m.Reference = "\xff" }, notify.ErrRequest},
		"NUL in text":      {func(m *notify.NewMessage) { m.Body = "a\x00b" }, notify.ErrBody},
		"beyond all dates": {func(m *notify.NewMessage) { m.SendAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) }, notify.ErrRequest},
	} {
		_, err := i.Enqueue(t.Context(), w.message(tt.change))
		if !errors.Is(err, tt.want) || errors.Is(err, notify.ErrNotStored) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), patient) {
			t.Errorf("%s: the error names the number", name)
		}
	}
	if n := w.count(`SELECT count(*) FROM messages`); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// Those who come while a transaction is under way share the next one, whatever their
// accounts; the first waits for nobody.
func TestIntake_sharesTransactions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	before, begun, release := heldUp(nil)
	i, c := w.intake(1, before)
	var rest []notify.NewMessage
	for n := range 60 {
		rest = append(rest, w.message(func(m *notify.NewMessage) { m.AccountID = int64(1 + n%2) }))
	}
	answers := together(t, i, begun, release, w.message(nil), rest)
	ids := map[int64]bool{}
	for n, a := range answers {
		if a.err != nil || a.Duplicate || ids[a.ID] {
			t.Errorf("message %d: %+v", n, a)
		}
		ids[a.ID] = true
		if got := w.count(`SELECT count(*) FROM messages WHERE account_id = $1 AND id = $2 AND reference = $3`, rest[n].AccountID, a.ID, rest[n].Reference); got != 1 {
			t.Errorf("message %d was told another's id", n)
		}
	}
	if diff := cmp.Diff([]int{1, 60}, c.sizes()); diff != "" {
		t.Errorf("messages of each call (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(DISTINCT xmin::text) FROM messages`); n != 2 {
		t.Errorf("%d transactions, want 2", n)
	}
}

// Whatever is wrong with a message, it is wrong for its own caller alone.
func TestIntake_oneBadMessage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*notify.NewMessage)
		want   error
	}{
		"too long":   {func(m *notify.NewMessage) { m.Body = strings.Repeat("x", 1531) }, notify.ErrBody},
		"unstorable": {func(m *notify.NewMessage) { m.SendAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) }, notify.ErrRequest},
		"panic":      {func(m *notify.NewMessage) { m.Reference = "panic" }, notify.ErrNotStored},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before, begun, release := heldUp(func(ms []notify.NewMessage) error {
				for _, m := range ms {
					if m.Reference == "panic" {
						panic("in the outbox")
					}
				}
				return nil
			})
			i, c := w.intake(1, before)
			var rest []notify.NewMessage
			for n := range 64 {
				rest = append(rest, w.message(func(m *notify.NewMessage) {
					if n == 17 {
						tt.change(m)
					}
				}))
			}
			for n, a := range together(t, i, begun, release, w.message(nil), rest) {
				switch {
				case n == 17 && !errors.Is(a.err, tt.want):
					t.Errorf("the bad one: %v, want %v", a.err, tt.want)
				case n != 17 && (a.err != nil || a.Duplicate):
					t.Errorf("message %d: %+v", n, a)
				}
			}
			if n := w.count(`SELECT count(*) FROM messages`); n != 64 {
				t.Errorf("%d messages, want 64", n)
			}
			if n := len(c.sizes()); n > 1+1+2*6 {
				t.Errorf("%d calls for one bad message of 64", n)
			}
		})
	}
}

func TestIntake_cancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, begun, release := heldUp(nil)
	i, _ := w.intake(1, before)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Enqueue(over, w.message(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("over before it began: %v", err)
	}

	underWay, leave := context.WithCancel(t.Context())
	leaving, waiting := w.message(nil), w.message(nil)
	left := make(chan error, 2)
	go func() { _, err := i.Enqueue(underWay, leaving); left <- err }()
	<-begun
	soon, giveUp := context.WithCancel(t.Context())
	go func() { _, err := i.Enqueue(soon, waiting); left <- err }()
	stays := make(chan answer, 1)
	go func() { e, err := i.Enqueue(t.Context(), w.message(nil)); stays <- answer{e, err} }()
	for i.Waiting() < 2 {
		runtime.Gosched()
	}
	leave()
	giveUp()
	for range 2 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that left: %v", err)
		}
	}
	release()
	if a := <-stays; a.err != nil {
		t.Errorf("one that stayed: %v", a.err)
	}
	if e, err := i.Enqueue(t.Context(), leaving); err != nil || !e.Duplicate {
		t.Errorf("left while it was written, so it is stored: %+v, %v", e, err)
	}
	if e, err := i.Enqueue(t.Context(), waiting); err != nil || e.Duplicate {
		t.Errorf("left before, so it is not stored: %+v, %v", e, err)
	}
}

func TestIntake_stops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, begun, release := heldUp(nil)
	i, _ := w.intake(1, before)
	under, waits := make(chan error, 1), make(chan error, 1)
	go func() { _, err := i.Enqueue(t.Context(), w.message(nil)); under <- err }()
	<-begun
	go func() { _, err := i.Enqueue(t.Context(), w.message(nil)); waits <- err }()
	for i.Waiting() < 1 {
		runtime.Gosched()
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Stop(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("stop without patience: %v", err)
	}
	if _, err := i.Enqueue(t.Context(), w.message(nil)); !errors.Is(err, notify.ErrNotStored) {
		t.Errorf("after the stop: %v", err)
	}
	release()
	if err := i.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := errors.Join(<-under, <-waits); err != nil {
		t.Errorf("those that had come before: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM messages`); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Errorf("stop again: %v", err)
	}
	idle, _ := w.intake(1, nil)
	if err := idle.Stop(t.Context()); err != nil {
		t.Errorf("stop of one that never did anything: %v", err)
	}
}

// Passing trouble is tried again unseen; what lasts is said to be so, and nothing is stored.
func TestIntake_databaseTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	times := 2
	i, _ := w.intake(1, func([]notify.NewMessage) error {
		if times--; times >= 0 {
			return &pq.Error{Code: "40P01", Message: "deadlock detected"}
		}
		return nil
	})
	if e, err := i.Enqueue(t.Context(), w.message(nil)); err != nil || e.Duplicate {
		t.Errorf("%+v, %v", e, err)
	}
	times = 1000
	if _, err := i.Enqueue(t.Context(), w.message(nil)); !errors.Is(err, notify.ErrNotStored) || errors.Is(err, notify.ErrRequest) {
		t.Errorf("for good: %v", err)
	}
	times = 0
	gone, err := notify.NewIntake(notify.IntakeConfig{DB: closedDB(t, w.dsn), Outbox: w.outbox})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Enqueue(t.Context(), w.message(nil)); !errors.Is(err, notify.ErrNotStored) {
		t.Errorf("without a database: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM messages`); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func closedDB(t *testing.T, dsn string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return db
}

// Any number of callers, with references that repeat, bad messages among them and callers
// that leave: each reference is stored once, everybody who hears an id hears that of the
// one message, and exactly one hears that it is new, unless that one left.
func TestIntake_anyCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	w.account(3)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		i, _ := w.intake(rapid.IntRange(1, 4).Draw(rt, "writers"), nil)
		type call struct {
			Account   int64
			Reference string
			Bad       bool
			Leaves    bool
		}
		calls := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) call {
			return call{rapid.Int64Range(1, 3).Draw(rt, "account"), fmt.Sprintf("%d-%d", round, rapid.IntRange(1, 12).Draw(rt, "reference")),
				rapid.IntRange(0, 9).Draw(rt, "bad") == 0, rapid.IntRange(0, 9).Draw(rt, "leaves") == 0}
		}), 1, 60).Draw(rt, "calls")
		answers := make([]answer, len(calls))
		var wg sync.WaitGroup
		for n, c := range calls {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if c.Leaves {
					go cancel()
				}
				m := w.message(func(m *notify.NewMessage) { m.AccountID, m.Reference = c.Account, c.Reference })
				if c.Bad {
					m.Reference += "\x00"
				}
				answers[n].Enqueued, answers[n].err = i.Enqueue(ctx, m)
			})
		}
		wg.Wait()
		if err := i.Stop(context.Background()); err != nil {
			rt.Fatal(err)
		}
		type key struct {
			account   int64
			reference string
		}
		ids, news, left := map[key]int64{}, map[key]int{}, map[key]bool{}
		for n, c := range calls {
			k, a := key{c.Account, c.Reference}, answers[n]
			switch {
			case c.Leaves && errors.Is(a.err, context.Canceled):
				left[k] = left[k] || !c.Bad
			case c.Bad:
				if !errors.Is(a.err, notify.ErrRequest) {
					rt.Fatalf("a bad one: %v", a.err)
				}
			case a.err != nil:
				rt.Fatalf("call %d: %v", n, a.err)
			default:
				if ids[k] != 0 && ids[k] != a.ID {
					rt.Fatalf("%v has ids %d and %d", k, ids[k], a.ID)
				}
				ids[k] = a.ID
				if !a.Duplicate {
					news[k]++
				}
			}
		}
		for k, id := range ids {
			if news[k] > 1 || news[k] == 0 && !left[k] {
				rt.Fatalf("%v was new to %d callers", k, news[k])
			}
			if n := w.count(`SELECT count(*) FROM messages m JOIN queue q ON q.account_id = m.account_id AND q.message_id = m.id
				WHERE m.account_id = $1 AND m.reference = $2 AND m.id = $3`, k.account, k.reference, id); n != 1 {
				rt.Fatalf("%v is stored %d times", k, n)
			}
		}
		if n := w.count(`SELECT count(*) FROM messages WHERE reference LIKE $1`, fmt.Sprintf("%d-%%", round)); n < len(ids) || n > len(ids)+len(left) {
			rt.Fatalf("%d messages, %d were told to be stored, %d callers left", n, len(ids), len(left))
		}
	})
}
