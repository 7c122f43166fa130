package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
	"rappel/notify/segment"
)

// Carrier is the sandbox.
type Carrier struct {
	cfg  Config
	db   *sqlx.DB
	log  *slog.Logger
	now  func() time.Time
	wake chan struct{}
}

var (
	_ notify.Carrier = (*Carrier)(nil)
	_ notify.Finder  = (*Carrier)(nil)
	_ notify.Session = (*Carrier)(nil)
	_ notify.Checker = (*Carrier)(nil)
)

// New returns the sandbox for cfg, which needs a DB. The error is an ErrConfig.
func New(cfg Config) (*Carrier, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.DB == nil {
		return nil, fmt.Errorf("%w: no database", ErrConfig)
	}
	c := &Carrier{cfg: cfg, db: cfg.DB, log: cfg.Log, now: cfg.Now, wake: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With(slog.String("carrier", cfg.Name))
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Name implements notify.Carrier.
func (c *Carrier) Name() string { return c.cfg.Name }

// Window implements notify.Carrier.
func (c *Carrier) Window() int { return c.cfg.Window }

// Check asks the database for the table.
func (c *Carrier) Check(ctx context.Context) error {
	var n int
	if err := c.db.GetContext(ctx, &n, `SELECT count(*) FROM sandbox_texts WHERE id = 0`); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

var errDemo = errors.New("sandbox: demo number")

// Send puts m on the phone, or does what its demo number is for.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	demo := demoOf(m.Recipient)
	refusal := &notify.SendError{Kind: demo.Refusal, Code: demo.Ending, After: demo.After, Err: errDemo}
	lands := demo.Refusal == nil || !demo.Hidden
	if !lands {
		return notify.Submission{}, refusal
	}
	id, err := c.write(ctx, m, demo)
	switch {
	case err != nil:
		return notify.Submission{}, err
	case demo.Refusal != nil:
		return notify.Submission{}, refusal
	}
	return submission(id, m.Body), nil
}

func (c *Carrier) write(ctx context.Context, m notify.Message, demo Demo) (id int64, err error) {
	conn, err := c.db.Connx(ctx)
	if err != nil {
		return 0, &notify.SendError{Kind: notify.ErrTemporary, Err: err} // nothing has left
	}
	// The connection goes back to the pool; an error of that changes nothing about
	// what was done.
	defer func() { _ = conn.Close() }()
	now := c.now()
	receipt := sql.NullTime{Time: now.Add(c.cfg.Receipt), Valid: !demo.Silent}
	err = conn.GetContext(ctx, &id, `
		INSERT INTO sandbox_texts (direction, phone, partner, body, reference, at, receipt_at)
		VALUES ('to_phone', $1, $2, $3, $4, $5, $6) RETURNING id`,
		m.Recipient, m.Sender, m.Body, m.Reference(), now, receipt)
	if err == nil {
		return id, nil
	}
	var refused *pq.Error
	if errors.As(err, &refused) && ctx.Err() == nil {
		// The database says that it did not happen.
		return 0, &notify.SendError{Kind: notify.ErrTemporary, Code: string(refused.Code), Err: errDatabase}
	}
	return 0, &notify.SendError{Kind: notify.ErrUnknown, Err: errDatabase}
}

// errDatabase stands for what the driver says, which could quote a text.
var errDatabase = errors.New("sandbox: database")

// Find looks for m by its reference.
func (c *Carrier) Find(ctx context.Context, m notify.Message, _ time.Time) ([]notify.Hit, error) {
	var id int64
	err := c.db.GetContext(ctx, &id, `
		SELECT id FROM sandbox_texts WHERE reference = $1 AND direction = 'to_phone' ORDER BY id LIMIT 1`, m.Reference())
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("sandbox: find: %w", err)
	}
	return []notify.Hit{{Submission: submission(id, m.Body)}}, nil
}

// submission lists the ids of a text, one for each of its segments.
func submission(id int64, body string) (s notify.Submission) {
	n, _ := segment.Count(body)
	for part := range n {
		s.IDs = append(s.IDs, fmt.Sprintf("sandbox-%d-%d", id, part+1))
	}
	return s
}
