package calendars

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// recordError is our own trouble before or after a read. It is not noted with the
// calendar, which therefore stays due; the account waits a little instead.
type recordError struct{ err error }

func (e *recordError) Error() string { return "calendars: our own records: " + e.err.Error() }
func (e *recordError) Unwrap() error { return e.err }

// poll reads one calendar and commits what came. With mustSee it proves what stands
// now, unless a read begun at or after since is committed already.
//
// One mailbox is read by one at a time in this process; over processes the leases see
// to it, but for verifying. A second reader does no harm, see commit.
func (s *Syncer) poll(ctx context.Context, ref CalendarRef, conn ConnectionRef, mustSee bool, since time.Time) (outcome string, err error) {
	leave, err := s.reads.enter(ctx, conn)
	if err != nil {
		return "", err
	}
	defer leave()
	slots := s.slots
	if mustSee {
		slots = s.verifySlots
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	t, err := s.load(ctx, ref)
	if err != nil {
		if !errors.Is(err, ErrNotSynced) {
			err = &recordError{err}
		}
		return "", err
	}
	if mustSee && !s.knownAt(t).Before(since) {
		return outcomeQuiet, nil
	}
	begun := s.Now()
	outcome, err = s.readAndCommit(ctx, t, begun, mustSee)
	if err == nil {
		s.Meter.Poll(t.Provider, outcome, s.Now().Sub(begun))
		s.Log.DebugContext(ctx, "calendar read", slog.Int64("account_id", ref.AccountID), slog.Int64("calendar_id", ref.ID), slog.String("outcome", outcome))
		return outcome, nil
	}
	if ctx.Err() != nil {
		return "", err // we gave up, nobody failed
	}
	problem := problemOf(err)
	s.Meter.Poll(t.Provider, string(problem), s.Now().Sub(begun))
	s.Log.WarnContext(ctx, "calendar not read", slog.Int64("account_id", ref.AccountID), slog.Int64("calendar_id", ref.ID),
		slog.String("problem", string(problem)), slog.Bool("verifying", mustSee), slog.Any("error", err))
	s.alarmFor(ctx, err, slog.Int64("account_id", ref.AccountID), slog.Int64("calendar_id", ref.ID))
	if e := s.failed(ctx, t, err, problem, mustSee); e != nil {
		s.Log.ErrorContext(ctx, "failed read not noted", slog.Int64("account_id", ref.AccountID), slog.Int64("calendar_id", ref.ID), slog.Any("error", e))
		err = errors.Join(err, &recordError{e})
	}
	return "", err
}

func (s *Syncer) readAndCommit(ctx context.Context, t target, begun time.Time, mustSee bool) (outcome string, err error) {
	defer func() {
		if r := recover(); r != nil { // in an adapter or the Sink: a failure like any other
			err = fmt.Errorf("%w: panic", ErrInternal)
			s.alarm(ctx, AlarmPanic, slog.Int64("account_id", t.AccountID), slog.Int64("calendar_id", t.ID),
				slog.String("panic", fmt.Sprintf("%T", r)), slog.String("stack", string(debug.Stack())))
		}
	}()
	var r reading
	err = s.call(ctx, t.Connection(), func(client *http.Client, p Provider) error {
		read, done := context.WithTimeout(ctx, readTimeout)
		defer done()
		var err error
		r, err = s.read(read, client, p, t, begun, mustSee)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read calendar %d: %w", t.ID, err)
	}
	if outcome, err = s.commit(ctx, t, r); err != nil {
		return "", err
	}
	if t.ConnFailed > 0 || t.ConnRetryAt != nil {
		return outcome, s.recovered(ctx, t.Connection())
	}
	return outcome, nil
}

// problemOf names err in the closed set a calendar can show.
func problemOf(err error) Problem {
	switch {
	case grantProblem(err) != ProblemNone:
		return grantProblem(err)
	case errors.Is(err, ErrNotFound):
		return ProblemNotFound
	case errors.Is(err, ErrForbidden):
		return ProblemForbidden
	case errors.Is(err, ErrThrottled):
		return ProblemThrottled
	case errors.Is(err, ErrClientConfig), errors.Is(err, ErrSealed):
		return ProblemOperator
	}
	var foreign *Error
	if errors.As(err, &foreign) || errors.Is(err, context.DeadlineExceeded) {
		return ProblemUnavailable
	}
	return ProblemInternal
}

// alarmFor tells the operator of what only he can look into. Refused credentials are
// told where they are found out.
func (h *house) alarmFor(ctx context.Context, err error, attrs ...any) {
	switch {
	case errors.Is(err, ErrForeignLink):
		h.alarm(ctx, AlarmForeignLink, attrs...)
	case errors.Is(err, ErrPagingLoop):
		h.alarm(ctx, AlarmPagingLoop, attrs...)
	}
}

// failed notes a failure. What was read before stays as it is; what comes next
// depends on the kind. A failed verify leaves the poll's backoff alone: it is repeated
// far more often.
func (h *house) failed(ctx context.Context, t target, cause error, problem Problem, verifying bool) error {
	var retryAt time.Time
	switch problem {
	case ProblemGrantRevoked, ProblemScopeMissing:
		return nil // noted with the connection
	case ProblemNotFound:
		return h.pause(ctx, t, problem, StopNotFound)
	case ProblemForbidden:
		return h.pause(ctx, t, problem, StopForbidden)
	case ProblemThrottled:
		var err error
		if retryAt, err = h.throttled(ctx, t.Connection(), cause); err != nil {
			return err
		}
	default:
		if verifying {
			return nil
		}
	}
	now := h.Now()
	return migrations.InAccount(ctx, h.DB, t.AccountID, func(tx *sqlx.Tx) error {
		cal, err := lockCalendar(ctx, tx, t.Ref())
		if err != nil || !cal.Watched || cal.Status != CalendarActive {
			return err
		}
		next := now.Add(backoff(cal.Failures+1, h.Rand()))
		if next.Before(retryAt) {
			next = retryAt
		}
		_, err = tx.ExecContext(ctx, `UPDATE calendars SET failures = failures + 1, problem = $3, next_poll_at = $4 WHERE account_id = $1 AND id = $2`,
			t.AccountID, t.ID, problem, next)
		if err != nil {
			return fmt.Errorf("note failure of calendar %d: %w", t.ID, err)
		}
		since := cal.PolledAt
		if since == nil {
			since = cal.WatchedSince
		}
		if since == nil || now.Sub(*since) < UnreachableAfter {
			return nil
		}
		return openNotice(ctx, tx, t.AccountID, NoticeUnreachable, calendarSubject(t.Ref()), now)
	})
}

// pause ends reading a calendar until the clinic, or the daily listing, brings it back.
func (h *house) pause(ctx context.Context, t target, problem Problem, why string) error {
	return migrations.InAccount(ctx, h.DB, t.AccountID, func(tx *sqlx.Tx) error {
		cal, err := lockCalendar(ctx, tx, t.Ref())
		// Begun anew meanwhile: the failure is that of the time before.
		if err != nil || !cal.Watched || !sameInstant(cal.WatchedSince, t.WatchedSince) {
			return err
		}
		return h.suspend(ctx, tx, cal, CalendarPaused, problem, why, h.Now())
	})
}

// throttled notes with the connection when it may be bothered again: when the
// provider said, else after a backoff of its own. Other clinics go on meanwhile.
func (h *house) throttled(ctx context.Context, ref ConnectionRef, cause error) (until time.Time, err error) {
	now := h.Now()
	err = migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		var failures int
		err := tx.GetContext(ctx, &failures, `SELECT failures FROM connections WHERE account_id = $1 AND id = $2 FOR UPDATE`, ref.AccountID, ref.ID)
		if err != nil {
			return unknown(err, "connection", ref.ID)
		}
		until = now.Add(backoff(failures+1, h.Rand()))
		var e *Error
		if errors.As(cause, &e) && e.RetryAt.After(now) {
			until = e.RetryAt
		}
		if last := now.Add(longestRetry); until.After(last) {
			until = last
		}
		_, err = tx.ExecContext(ctx, `UPDATE connections SET failures = failures + 1, retry_at = GREATEST(retry_at, CAST($3 AS timestamptz))
			WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID, until)
		if err != nil {
			return fmt.Errorf("note throttling of connection %d: %w", ref.ID, err)
		}
		return nil
	})
	return until, err
}

// recovered forgets a throttling that is over.
func (h *house) recovered(ctx context.Context, ref ConnectionRef) error {
	return migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE connections SET failures = 0, retry_at = NULL
			WHERE account_id = $1 AND id = $2 AND (retry_at IS NULL OR retry_at <= $3)`, ref.AccountID, ref.ID, h.Now())
		if err != nil {
			return fmt.Errorf("note recovery of connection %d: %w", ref.ID, err)
		}
		return nil
	})
}

// listFailed puts a listing off. Polling goes on, unless the provider asked for calm.
func (h *house) listFailed(ctx context.Context, ref ConnectionRef, cause error) error {
	if errors.Is(cause, ErrThrottled) {
		_, err := h.throttled(ctx, ref, cause)
		return err
	}
	now := h.Now()
	return migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		spread := 0.5 + h.Rand()/2
		// Before the first list the clinic has nothing to pick from.
		soon, later := now.Add(time.Duration(spread*float64(listRetry/30))), now.Add(time.Duration(spread*float64(listRetry)))
		_, err := tx.ExecContext(ctx, `UPDATE connections SET next_list_at = CASE WHEN listed_at IS NULL
			THEN CAST($3 AS timestamptz) ELSE CAST($4 AS timestamptz) END WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID, soon, later)
		if err != nil {
			return fmt.Errorf("put listing off: %w", err)
		}
		return nil
	})
}
