package billing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// The kinds of jobs.
const (
	JobMail    = "mail"    // send a document
	JobCharge  = "charge"  // charge an invoice to the stored method
	JobDunning = "dunning" // send a reminder or warning; What is the step
	JobNotice  = "notice"  // tell the clinic what happened; What says what
)

// What notices say.
const (
	NoticeSuspended = "suspended"
	NoticeEnded     = "ended"
)

// Job is what is to be done outside: by mail, or at a payment service.
type Job struct {
	Account  int64
	ID       int64  `db:"id"`
	Kind     string `db:"kind"`
	Key      string `db:"key"` // the same whenever it is tried again
	Invoice  *int64 `db:"invoice_id"`
	What     string `db:"what"`
	Attempts int    `db:"attempts"` // made before this one
}

// addJob notes a job once.
func addJob(ctx context.Context, tx *sqlx.Tx, j Job, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO billing_jobs (account_id, kind, key, invoice_id, what, next_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING`,
		j.Account, j.Kind, j.Key, j.Invoice, j.What, now); err != nil {
		return fmt.Errorf("note a %s: %w", j.Kind, err)
	}
	return nil
}

const (
	firstRetry = time.Minute
	lastRetry  = 6 * time.Hour
	mostTries  = 20 // of a job, over about four days
	mostJobs   = 200
)

// retryIn is the pause after so many attempts.
func retryIn(attempts int) time.Duration {
	d := firstRetry
	for range attempts {
		if d *= 2; d >= lastRetry {
			return lastRetry
		}
	}
	return d
}

// deliver does the account's jobs that are due. One that fails holds up no other.
func (s *Service) deliver(ctx context.Context, account int64) error {
	var jobs []Job
	if err := s.DB.SelectContext(ctx, &jobs, `SELECT id, kind, key, invoice_id, what, attempts FROM billing_jobs
		WHERE account_id = $1 AND next_at <= $2 ORDER BY id LIMIT $3`, account, s.Now(), mostJobs); err != nil {
		return fmt.Errorf("read jobs of account %d: %w", account, err)
	}
	var errs []error
	for _, j := range jobs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		j.Account = account
		err := s.attempt(ctx, j)
		if err != nil && ctx.Err() != nil {
			return err // we gave up, it did not fail
		}
		errs = append(errs, s.noteJob(ctx, j, err))
	}
	return errors.Join(errs...)
}

// errNoCourier is why a job waits that nobody here can do.
var errNoCourier = errors.New("nobody is set up to do this")

// attempt hands j to its courier. A panic there is a failure like any other.
func (s *Service) attempt(ctx context.Context, j Job) (err error) {
	courier, ok := s.Couriers[j.Kind]
	if !ok {
		return errNoCourier
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic (%T)", r)
		}
	}()
	return courier.Deliver(ctx, j)
}

// noteJob writes down how an attempt ended.
func (s *Service) noteJob(ctx context.Context, j Job, failure error) error {
	now := s.Now()
	var next, done *time.Time
	problem := ""
	switch {
	case failure == nil:
		done = &now
	case errors.Is(failure, errNoCourier): // it waits until there is one
		at := now.Add(lastRetry)
		next, problem = &at, failure.Error()
		j.Attempts = -1
	case errors.Is(failure, ErrUndeliverable), j.Attempts+1 >= mostTries:
		problem = "given up: " + failure.Error()
	default:
		at := now.Add(retryIn(j.Attempts))
		next, problem = &at, failure.Error()
	}
	if failure != nil && !errors.Is(failure, errNoCourier) {
		s.Log.WarnContext(ctx, "billing job failed", slog.Int64("account_id", j.Account), slog.Int64("job_id", j.ID), slog.String("kind", j.Kind), slog.Bool("given_up", next == nil))
	}
	return migrations.InAccount(ctx, s.DB, j.Account, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE billing_jobs SET attempts = $6, next_at = $3, done_at = $4, problem = $5 WHERE account_id = $1 AND id = $2`,
			j.Account, j.ID, next, done, problem, j.Attempts+1); err != nil {
			return fmt.Errorf("note job %d: %w", j.ID, err)
		}
		return nil
	})
}

// Retry has a job that was given up, or waits, tried again at once. ErrUnknown without
// such a job.
func (s *Service) Retry(ctx context.Context, account, job int64) error {
	res, err := s.DB.ExecContext(ctx, `UPDATE billing_jobs SET next_at = $3, attempts = 0 WHERE account_id = $1 AND id = $2 AND done_at IS NULL`, account, job, s.Now())
	if err != nil {
		return fmt.Errorf("retry job %d: %w", job, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("%w: job %d", ErrUnknown, job), err)
	}
	return s.raise(ctx, account)
}
