package mail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// Config is what a Worker needs. Fields without a remark must be set.
type Config struct {
	DB     *sqlx.DB // the owner's pool
	Sealer Sealer
	Server *Server // nil = there is none: mails wait, and show on the page of `rappel dev`
	Keep   bool    // what was sent stays readable: only for `rappel dev`
	Now    func() time.Time
	Log    *slog.Logger
}

// Worker sends what the outbox holds.
type Worker struct{ cfg Config }

// NewWorker returns a Worker.
func NewWorker(cfg Config) *Worker { return &Worker{cfg} }

const (
	chore   = "mail"
	batch   = 20
	between = 2 * time.Second
	keepFor = 30 * 24 * time.Hour // how long it is known that a mail was sent
)

// Run sends mails until ctx ends, then finishes the one it has in hand.
func (w *Worker) Run(ctx context.Context) error {
	for {
		n, err := w.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			w.cfg.Log.ErrorContext(ctx, "mail worker", slog.Any("err", err))
		}
		if n == batch && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(between):
		}
	}
}

// Tick sends what is due, up to a batch, and returns how many mails it took. Without a
// server it does nothing.
func (w *Worker) Tick(ctx context.Context) (taken int, err error) {
	if w.cfg.Server == nil {
		return 0, nil
	}
	mails, err := w.take(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for i, m := range mails {
		if ctx.Err() != nil { // the rest goes when their leases end, or sooner:
			return i, errors.Join(append(errs, w.giveBack(context.WithoutCancel(ctx), mails[i:]))...)
		}
		if err := w.one(context.WithoutCancel(ctx), m); err != nil {
			errs = append(errs, err)
		}
	}
	return len(mails), errors.Join(errs...)
}

// take claims due mails: they count one more attempt, and nobody else takes them until the
// lease ends. One process at a time does so, by the lock on the chore's row.
func (w *Worker) take(ctx context.Context) (mails []Stored, err error) {
	now := w.cfg.Now()
	err = migrations.InTx(ctx, w.cfg.DB, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO chores (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, chore, now); err != nil {
			return fmt.Errorf("make chore: %w", err)
		}
		var name string
		err := tx.GetContext(ctx, &name, `SELECT name FROM chores WHERE name = $1 FOR UPDATE SKIP LOCKED`, chore)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // somebody else is at it
		}
		if err != nil {
			return fmt.Errorf("lock chore: %w", err)
		}
		if err := tx.SelectContext(ctx, &mails, `SELECT * FROM mails WHERE status = 'queued' AND next_at <= $1 ORDER BY next_at, account_id, id LIMIT $2`, now, batch); err != nil {
			return fmt.Errorf("look for mails: %w", err)
		}
		for i := range mails {
			m := &mails[i]
			m.Attempts++
			if _, err := tx.ExecContext(ctx, `UPDATE mails SET attempts = $3, next_at = $4 WHERE account_id = $1 AND id = $2`, m.Account, m.ID, m.Attempts, now.Add(lease)); err != nil {
				return fmt.Errorf("take mail: %w", err)
			}
		}
		return nil
	})
	return mails, err
}

// giveBack lets go of mails that were taken and not tried.
func (w *Worker) giveBack(ctx context.Context, mails []Stored) error {
	for _, m := range mails {
		if _, err := w.cfg.DB.ExecContext(ctx, `UPDATE mails SET attempts = attempts - 1, next_at = $3 WHERE account_id = $1 AND id = $2 AND status = 'queued'`, m.Account, m.ID, w.cfg.Now()); err != nil {
			return fmt.Errorf("give mail back: %w", err)
		}
	}
	return nil
}

// one hands a mail over and writes down what became of it.
func (w *Worker) one(ctx context.Context, s Stored) error {
	m, err := open(w.cfg.Sealer, s)
	if err == nil {
		err = w.cfg.Server.send(ctx, m, s.CreatedAt)
	} else {
		err = errors.Join(ErrMail, err) // no key opens it: no try ever will
	}
	now := w.cfg.Now()
	log := w.cfg.Log.With(slog.Int64("mail_id", s.ID), slog.Int64("account_id", s.Account), slog.String("kind", s.Kind), slog.Int("attempt", s.Attempts))
	status, next, what, done := "queued", now.Add(wait(s.Attempts)), "", (*time.Time)(nil)
	switch {
	case err == nil:
		status, done = "sent", &now
		log.InfoContext(ctx, "mail sent")
	case final(err) || s.Attempts >= maxAttempts:
		status, what, done = "failed", problem(err), &now
		log.ErrorContext(ctx, "mail given up", slog.Int("code", code(err)))
	default:
		what = problem(err)
		log.WarnContext(ctx, "mail waits", slog.Int("code", code(err)), slog.Time("next_at", next))
	}
	var sealed any
	if status != "sent" || w.cfg.Keep {
		sealed = s.Sealed
	}
	// Only if it is still the try we took: a lease that ended gave it to somebody else.
	if _, err := w.cfg.DB.ExecContext(ctx, `UPDATE mails SET status = $3, next_at = $4, problem = $5, done_at = $6, sealed = $7 WHERE account_id = $1 AND id = $2 AND status = 'queued' AND attempts = $8`,
		s.Account, s.ID, status, next, what, done, sealed, s.Attempts); err != nil {
		return fmt.Errorf("write down mail %d: %w", s.ID, err)
	}
	return nil
}

// Sweep forgets mails sent a month ago, and what was given up. Call it now and then.
func (w *Worker) Sweep(ctx context.Context) error {
	before := w.cfg.Now().Add(-keepFor)
	if _, err := w.cfg.DB.ExecContext(ctx, `DELETE FROM mails WHERE status = ANY ($1) AND done_at < $2`, pq.StringArray{"sent", "failed"}, before); err != nil {
		return fmt.Errorf("sweep mails: %w", err)
	}
	return nil
}
