package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

const (
	// intakeBatch is how many messages one transaction takes at most: a few milliseconds'
	// work, so that nobody waits long for the others in it.
	intakeBatch = 500
	// intakeTries is how often a passing trouble (deadlock, lost connection) is tried anew.
	intakeTries = 4
	// intakePatience bounds one transaction.
	intakePatience = 30 * time.Second
)

// ErrNotStored means that a message could not be stored for a reason that has nothing to do
// with it: the database is away, or the process stops. Asking again is safe with the same
// reference: should it be stored after all, the answer then is Duplicate.
var ErrNotStored = errors.New("notify: message could not be stored now")

// IntakeConfig is what an Intake works with.
type IntakeConfig struct {
	DB *sqlx.DB // the owner's pool, since accounts share transactions
	// Outbox is where the messages go.
	Outbox interface {
		EnqueueAllTx(ctx context.Context, tx *sqlx.Tx, ms []NewMessage) ([]Enqueued, error)
	}
	Log *slog.Logger // nil: silent
	// Writers is how many transactions are under way at most; default 2. One alone leaves
	// the database idle while the next batch is put together; many make batches small.
	Writers int
}

// Intake takes single messages from many callers, each durable when its caller hears so.
// Messages that arrive while others are being written share the next transaction (group
// commit): the more arrive at once, the less each costs. Who comes alone waits for nobody.
//
// Where a batch holds a message that can't be stored, it is halved until that message is
// by itself, so that it fails its own caller and nobody else.
type Intake struct {
	cfg IntakeConfig

	mu      sync.Mutex
	waiting []*entrant
	writers int           // running
	stopped bool          // nothing new is taken
	idle    chan struct{} // closed when stopped and no writer runs
}

// entrant is a message whose caller waits.
type entrant struct {
	m    NewMessage
	left bool // the caller has gone; guarded by Intake.mu
	done chan entered
}

type entered struct {
	Enqueued
	err error
}

// NewIntake fails with ErrConfig.
func NewIntake(cfg IntakeConfig) (*Intake, error) {
	if cfg.DB == nil || cfg.Outbox == nil {
		return nil, fmt.Errorf("%w: an intake needs a database and an outbox", ErrConfig)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Writers <= 0 {
		cfg.Writers = 2
	}
	return &Intake{cfg: cfg, idle: make(chan struct{})}, nil
}

// Enqueue is [Outbox.EnqueueTx] in a transaction shared with others; nil means durable.
//
// It fails with what EnqueueTx fails with, all final; with ErrNotStored; or with the error
// of ctx. When ctx ends before the message's transaction has begun, it is not stored; after
// that it may be, and the same reference tells.
func (i *Intake) Enqueue(ctx context.Context, m NewMessage) (Enqueued, error) {
	if err := ctx.Err(); err != nil {
		return Enqueued{}, fmt.Errorf("enqueue: %w", err)
	}
	// Looked at here too, so that what is plainly wrong never takes a batch apart.
	if err := m.check(); err != nil {
		return Enqueued{}, fmt.Errorf("enqueue: %w", err)
	}
	e := &entrant{m: m, done: make(chan entered, 1)}
	i.mu.Lock()
	if i.stopped {
		i.mu.Unlock()
		return Enqueued{}, fmt.Errorf("enqueue: %w: stopping", ErrNotStored)
	}
	i.waiting = append(i.waiting, e)
	if i.writers < i.cfg.Writers {
		i.writers++
		// A goroutine of its own, since it goes on for those that come after m. It ends
		// when nobody waits.
		go i.write(context.WithoutCancel(ctx))
	}
	i.mu.Unlock()
	select {
	case r := <-e.done:
		return r.Enqueued, r.err
	case <-ctx.Done():
		i.mu.Lock()
		e.left = true
		i.mu.Unlock()
		return Enqueued{}, fmt.Errorf("enqueue: %w", ctx.Err())
	}
}

// Stop takes nothing new and returns when everybody who waits has an answer, or with the
// error of ctx. Stopping again is no error.
func (i *Intake) Stop(ctx context.Context) error {
	i.mu.Lock()
	if !i.stopped {
		i.stopped = true
		if i.writers == 0 {
			close(i.idle)
		}
	}
	i.mu.Unlock()
	select {
	case <-i.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the intake: %w", ctx.Err())
	}
}

// write stores what waits until nothing does.
func (i *Intake) write(ctx context.Context) {
	for {
		batch := i.take()
		if batch == nil {
			return
		}
		if len(batch) > 0 {
			i.settle(ctx, batch)
		}
	}
}

// take picks the next batch without those whose callers have gone. nil means that nobody
// waits and the writer has ended.
func (i *Intake) take() []*entrant {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := min(len(i.waiting), intakeBatch)
	if n == 0 {
		i.waiting = nil // let go of the array behind it
		if i.writers--; i.writers == 0 && i.stopped {
			close(i.idle)
		}
		return nil
	}
	batch := make([]*entrant, 0, n)
	for _, e := range i.waiting[:n] {
		if !e.left {
			batch = append(batch, e)
		}
	}
	i.waiting = i.waiting[n:]
	return batch
}

// settle stores a batch and tells each of its callers.
func (i *Intake) settle(ctx context.Context, batch []*entrant) {
	out, blame, err := i.store(ctx, batch)
	if blame && len(batch) > 1 {
		half := len(batch) / 2
		i.settle(ctx, batch[:half])
		i.settle(ctx, batch[half:])
		return
	}
	for n, e := range batch {
		r := entered{err: err}
		if err == nil {
			r.Enqueued = out[n]
		}
		e.done <- r
	}
}

// store writes a batch in one transaction, again if the trouble was a passing one. blame
// says that a message of the batch is at fault; else err is nil or ErrNotStored.
func (i *Intake) store(ctx context.Context, batch []*entrant) (out []Enqueued, blame bool, err error) {
	// Always in the same order, so that two of these can't deadlock at a reference.
	slices.SortStableFunc(batch, func(a, b *entrant) int {
		return cmp.Or(cmp.Compare(a.m.AccountID, b.m.AccountID), cmp.Compare(a.m.Reference, b.m.Reference))
	})
	for try := range intakeTries {
		if try > 0 {
			time.Sleep(time.Duration(try*try) * 10 * time.Millisecond)
		}
		if out, blame, err = i.storeOnce(ctx, batch); err == nil || blame {
			return out, blame, err
		}
	}
	return nil, false, fmt.Errorf("enqueue %d messages: %w: %w", len(batch), ErrNotStored, err)
}

func (i *Intake) storeOnce(ctx context.Context, batch []*entrant) (out []Enqueued, blame bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, intakePatience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			i.cfg.Log.ErrorContext(ctx, "panic while enqueuing", slog.Int("messages", len(batch)), slog.String("stack", string(debug.Stack())))
			out, blame, err = nil, true, fmt.Errorf("enqueue: %w: panic", ErrNotStored)
		}
	}()
	ms := make([]NewMessage, len(batch))
	for n, e := range batch {
		ms[n] = e.m
	}
	err = migrations.InTx(ctx, i.cfg.DB, func(tx *sqlx.Tx) (err error) {
		out, err = i.cfg.Outbox.EnqueueAllTx(ctx, tx, ms)
		return err
	})
	blame, err = faulty(err)
	return out, blame, err
}

// refusals are the errors of the outbox that say what is wrong with a message.
var refusals = []error{ErrSender, ErrRecipient, ErrBody, ErrRequest, ErrNotFound, ErrClosed}

// faulty tells whether err is a message's fault. What the database finds wrong with its
// values (a NUL in the reference, an instant beyond the calendar) is ErrRequest.
//
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html, classes 22, 23.
func faulty(err error) (bool, error) {
	for _, r := range refusals {
		if errors.Is(err, r) {
			return true, err
		}
	}
	var pe *pq.Error
	if errors.As(err, &pe) && (pe.Code.Class() == "22" || pe.Code.Class() == "23") {
		return true, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return false, err
}
