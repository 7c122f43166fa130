package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"rappel/notify"
)

const (
	pause     = 200 * time.Millisecond // between two looks for due receipts
	sulk      = 2 * time.Second        // after a look that failed
	batch     = 100                    // texts a look takes
	delivered = 8                      // of them with the Inbox at once
)

type text struct {
	ID        int64     `db:"id"`
	Direction string    `db:"direction"`
	Phone     string    `db:"phone"`
	Partner   string    `db:"partner"`
	Body      string    `db:"body"`
	At        time.Time `db:"at"`
}

// Run brings receipts and replies to in until ctx ends, and returns nil.
func (c *Carrier) Run(ctx context.Context, in notify.Inbox) error {
	for ctx.Err() == nil {
		n, err := c.Tick(ctx, in)
		wait := pause
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.log.ErrorContext(ctx, "bring receipts and replies", slog.Any("error", err))
			wait = sulk
		case n == batch:
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// Tick brings what is due now and returns how many texts that were. What in did
// not keep stays due; the error says why.
//
// Several processes may do so at once: a text is locked while it is with in, and
// one brought twice after a crash is for in to recognise by its id.
func (c *Carrier) Tick(ctx context.Context, in notify.Inbox) (n int, err error) {
	tx, err := c.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("sandbox: begin: %w", err)
	}
	// After the commit this only says so; before it, the first error matters.
	defer func() { _ = tx.Rollback() }()
	var due []text
	err = tx.SelectContext(ctx, &due, `
		SELECT id, direction, phone, partner, body, at FROM sandbox_texts
		WHERE NOT receipted AND receipt_at <= $1
		ORDER BY receipt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED`, c.now(), batch)
	if err != nil {
		return 0, fmt.Errorf("sandbox: due texts: %w", err)
	}
	if len(due) == 0 {
		return 0, nil
	}
	kept, failed := c.bring(ctx, in, due)
	if err := c.settle(ctx, tx, kept); err != nil {
		return 0, errors.Join(failed, err)
	}
	return len(kept), failed
}

func (c *Carrier) settle(ctx context.Context, tx *sqlx.Tx, kept []int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE sandbox_texts SET receipted = true WHERE id = ANY($1)`, pq.Array(kept)); err != nil {
		return fmt.Errorf("sandbox: settle: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sandbox: commit: %w", err)
	}
	return nil
}

// bring hands texts to in and returns the ids of those it kept, and what went
// wrong with the others.
func (c *Carrier) bring(ctx context.Context, in notify.Inbox, due []text) (kept []int64, failed error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(delivered)
	for _, t := range due {
		group.Go(func() error {
			err := c.hand(ctx, in, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("text %d: %w", t.ID, err))
				return nil
			}
			kept = append(kept, t.ID)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return kept, err // never: the functions return nil
	}
	return kept, failed
}

var errPanic = errors.New("sandbox: inbox panicked")

func (c *Carrier) hand(ctx context.Context, in notify.Inbox, t text) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic // its value could hold a text or a number
		}
	}()
	if t.Direction == "from_phone" {
		return in.Inbound(ctx, notify.Inbound{
			Carrier: c.cfg.Name, CarrierID: fmt.Sprintf("sandbox-reply-%d", t.ID), From: t.Phone, To: t.Partner, Body: t.Body, At: t.At,
		})
	}
	demo := demoOf(t.Phone)
	r := notify.Receipt{Carrier: c.cfg.Name, Status: demo.Status, Code: demo.Ending, At: c.now(), Recipient: t.Phone, Sender: t.Partner}
	for _, id := range submission(t.ID, t.Body).IDs {
		r.CarrierID = id
		if err := in.Receipt(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// reply stores what phone writes to partner. It is with the Inbox some time after.
func (c *Carrier) reply(ctx context.Context, phone, partner, body string) error {
	now := c.now()
	if _, err := c.db.ExecContext(ctx, `
		INSERT INTO sandbox_texts (direction, phone, partner, body, at, receipt_at) VALUES ('from_phone', $1, $2, $3, $4, $4)`,
		phone, partner, body, now); err != nil {
		return fmt.Errorf("sandbox: reply: %w", err)
	}
	select {
	case c.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}
