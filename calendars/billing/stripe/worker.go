package stripe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	eventLease = 2 * time.Minute // how long a worker has for one event
	eventBatch = 20
	mostTries  = 10
)

// Run works on events until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(c.c.Every)
	defer tick.Stop()
	for {
		for {
			n, err := c.Work(ctx)
			if err != nil && ctx.Err() == nil {
				c.c.Log.ErrorContext(ctx, "stripe events", slog.Any("err", err))
			}
			if n == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// claimed is an event this process works on.
type claimed struct {
	ID       string `db:"webhook_id"`
	Kind     string `db:"kind"`
	Payload  []byte `db:"payload"`
	Attempts int    `db:"attempts"`
}

// Work takes up to 20 due events, the oldest first, and returns how many it took. What
// fails is noted with the event and comes again later; the error is the database's.
func (c *Client) Work(ctx context.Context) (n int, err error) {
	now := c.c.Now()
	var batch []claimed
	// Taking is putting the next look off: who dies at it, its event comes again by itself.
	if err := c.c.DB.SelectContext(ctx, &batch, `WITH taken AS MATERIALIZED (
			SELECT provider, webhook_id FROM webhook_events WHERE provider = 'stripe' AND due_at <= $1 ORDER BY due_at, webhook_id LIMIT $2 FOR UPDATE SKIP LOCKED)
		UPDATE webhook_events e SET due_at = $3, attempts = e.attempts + 1 FROM taken t
		WHERE e.provider = t.provider AND e.webhook_id = t.webhook_id RETURNING e.webhook_id, e.kind, e.payload, e.attempts`,
		now, eventBatch, now.Add(eventLease)); err != nil {
		return 0, fmt.Errorf("take events: %w", err)
	}
	for _, e := range batch {
		err := c.process(ctx, e)
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		if err := c.settle(ctx, e, err); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// settle notes what became of an event.
func (c *Client) settle(ctx context.Context, e claimed, failed error) error {
	now := c.c.Now()
	if failed == nil {
		_, err := c.c.DB.ExecContext(ctx, `UPDATE webhook_events SET due_at = NULL, processed_at = $2, error = '' WHERE provider = 'stripe' AND webhook_id = $1`, e.ID, now)
		return wrap("finish an event", err)
	}
	c.c.Log.WarnContext(ctx, "stripe event failed", slog.String("event_id", e.ID), slog.String("kind", e.Kind), slog.Int("attempt", e.Attempts), slog.Any("err", failed))
	var next *time.Time
	if e.Attempts < mostTries {
		at := now.Add(time.Minute << (e.Attempts - 1)) // 1 min to about 4 h
		next = &at
	}
	_, err := c.c.DB.ExecContext(ctx, `UPDATE webhook_events SET due_at = $2, error = $3 WHERE provider = 'stripe' AND webhook_id = $1`, e.ID, next, failed.Error())
	return wrap("note why an event failed", err)
}

// Failed is an event that couldn't be worked on.
type Failed struct {
	ID         string     `db:"webhook_id"`
	Kind       string     `db:"kind"`
	Object     string     `db:"object_id"`
	ReceivedAt time.Time  `db:"received_at"`
	Attempts   int        `db:"attempts"`
	Error      string     `db:"error"`
	Next       *time.Time `db:"due_at"` // nil = given up
}

// Failures lists events that fail, latest first. q must be an operator's or the owner's.
func Failures(ctx context.Context, q sqlx.QueryerContext, limit int) (all []Failed, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT webhook_id, kind, object_id, received_at, attempts, error, due_at FROM webhook_events
		WHERE error <> '' ORDER BY received_at DESC, webhook_id LIMIT $1`, limit); err != nil {
		return nil, fmt.Errorf("list events that fail: %w", err)
	}
	return all, nil
}

// Retry has an event that failed worked on again. It fails with [ErrNoEvent] when there
// is none, or it is done.
func (c *Client) Retry(ctx context.Context, event string) error {
	res, err := c.c.DB.ExecContext(ctx, `UPDATE webhook_events SET due_at = $2, attempts = 0 WHERE provider = 'stripe' AND webhook_id = $1 AND processed_at IS NULL`, event, c.c.Now())
	if err != nil {
		return fmt.Errorf("retry an event: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("retry an event: %w", err)
	}
	if n == 0 {
		return ErrNoEvent
	}
	return nil
}

// process reads what an event is about at Stripe and books it.
func (c *Client) process(ctx context.Context, e claimed) error {
	ev, err := parse(e.Payload)
	if err != nil {
		return err
	}
	err = c.look(ctx, ev)
	if errors.Is(err, ErrDeclined) || errors.Is(err, ErrAction) {
		return nil // noted with the charge; the event has told all it can
	}
	return err
}
