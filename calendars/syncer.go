package calendars

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/singleflight"

	"rappel/migrations"
	"rappel/migrations/due"
)

// Syncer polls the calendars that are due, and verifies one on demand. It is safe for
// concurrent use, and any number of them may work over one database.
type Syncer struct {
	*house
	slots, verifySlots chan struct{} // polls can't keep verifying waiting
	flights            singleflight.Group
	wake               chan struct{}
}

// NewSyncer returns a Syncer. It wants the owner's pool: it looks for due work over
// all accounts.
func NewSyncer(c Config) *Syncer {
	h := newHouse(c)
	return &Syncer{house: h, slots: make(chan struct{}, h.Reads), verifySlots: make(chan struct{}, h.Reads), wake: make(chan struct{}, 1)}
}

// Run polls what is due until ctx ends, then finishes what is in hand, for at most
// 20 s. It returns nil after an orderly end.
func (s *Syncer) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceAfterStop, cancel) })
	defer stop()
	stopping := func() bool { return ctx.Err() != nil }
	for {
		pause := s.Pause
		if _, _, err := s.tick(work, stopping); err != nil {
			s.Log.ErrorContext(work, "sync", slog.Any("error", err))
			pause = max(pause, 5*time.Second)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Tick does all work that is due now and returns how many calendars and lists it
// read. err is our own trouble only; what a provider did wrong is noted with its
// calendar.
func (s *Syncer) Tick(ctx context.Context) (worked int, err error) {
	worked, _, err = s.tick(ctx, func() bool { return ctx.Err() != nil })
	return worked, err
}

// Once does all work that is due now, as Tick, and fails if any read failed.
func (s *Syncer) Once(ctx context.Context) error {
	worked, failed, err := s.tick(ctx, func() bool { return ctx.Err() != nil })
	if err == nil && failed > 0 {
		err = fmt.Errorf("%w: %d of %d reads failed; each is noted with its calendar", ErrUnavailable, failed, worked)
	}
	return err
}

// tally counts over goroutines.
type tally struct {
	worked, failed atomic.Int64
	trouble        atomic.Bool // our own: the account is not tried again at once
}

func (s *Syncer) tick(ctx context.Context, stopping func() bool) (worked, failed int, err error) {
	var (
		mu    sync.Mutex
		total tally
	)
	due.Crew(s.Workers, func(more func()) {
		for !stopping() {
			// A name per lease: what is left of a lost one can't end another.
			owner := due.NewOwner()
			accounts, e := due.Lease(ctx, s.DB, DueKind, owner, s.Now(), 1, s.Lease)
			if e == nil && len(accounts) == 1 {
				more()
				e = s.account(ctx, owner, accounts[0], stopping, &total)
			} else if e == nil {
				return
			}
			if e != nil {
				mu.Lock()
				err = errors.Join(err, e)
				mu.Unlock()
				return
			}
		}
	})
	return int(total.worked.Load()), int(total.failed.Load()), err
}

// account works on a leased account and gives it back.
func (s *Syncer) account(ctx context.Context, owner string, account int64, stopping func() bool, total *tally) error {
	var own tally
	func() {
		defer s.contain(ctx, account, &own)
		held, release := due.Hold(ctx, s.DB, DueKind, owner, account, s.Lease, s.Now)
		defer release()
		// What isn't done by then stays due and is for the next turn.
		work, cancel := context.WithTimeout(held, accountTurn)
		defer cancel()
		if err := s.mailboxes(work, account, stopping, &own); err != nil && ctx.Err() == nil {
			own.trouble.Store(true)
			s.Log.ErrorContext(ctx, "sync account", slog.Int64("account_id", account), slog.Any("error", err))
		}
	}()
	total.worked.Add(own.worked.Load())
	total.failed.Add(own.failed.Load())

	// Also when ctx has ended: else nobody could take over before the lease is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterOwnTrouble)
	defer cancel()
	next, err := s.next(ctx, account)
	if err == nil && own.trouble.Load() {
		if floor := s.Now().Add(afterOwnTrouble); next.Before(floor) {
			next = floor
		}
	}
	if err != nil {
		next = s.Now().Add(afterOwnTrouble)
	}
	if e := due.Release(ctx, s.DB, DueKind, owner, account, next); e != nil && !errors.Is(e, due.ErrLost) {
		err = errors.Join(err, e)
	}
	return err
}

// contain keeps a panic in one account's work from ending the others'.
func (s *Syncer) contain(ctx context.Context, account int64, t *tally) {
	if r := recover(); r != nil {
		t.trouble.Store(true)
		t.failed.Add(1)
		s.alarm(ctx, AlarmPanic, slog.Int64("account_id", account), slog.String("panic", fmt.Sprintf("%T", r)), slog.String("stack", string(debug.Stack())))
	}
}

// mailboxes works through an account: its connections side by side, each with one
// read at a time.
func (s *Syncer) mailboxes(ctx context.Context, account int64, stopping func() bool, t *tally) error {
	lists, polls, err := s.dueWork(ctx, account)
	if err != nil {
		return err
	}
	byConn := make(map[ConnectionRef][]CalendarRef)
	for _, ref := range lists {
		byConn[ref] = nil
	}
	for _, p := range polls {
		byConn[p.Connection()] = append(byConn[p.Connection()], p.Ref())
	}
	list := make(map[ConnectionRef]bool, len(lists))
	for _, ref := range lists {
		list[ref] = true
	}
	var wg sync.WaitGroup
	for conn, cals := range byConn {
		wg.Go(func() {
			defer s.contain(ctx, account, t)
			if list[conn] && !stopping() {
				t.worked.Add(1)
				if !s.relist(ctx, conn, t) {
					return
				}
			}
			for _, cal := range cals {
				if stopping() || ctx.Err() != nil {
					return
				}
				t.worked.Add(1)
				_, err := s.poll(ctx, cal, conn, false, time.Time{})
				if err != nil {
					t.failed.Add(1)
				}
				var own *recordError
				if errors.As(err, &own) {
					t.trouble.Store(true)
				}
				// These concern the whole mailbox: its other calendars wait too.
				if errors.Is(err, ErrThrottled) || errors.Is(err, ErrNotSynced) || grantProblem(err) != ProblemNone {
					return
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// relist reads a calendar list that is due. It returns false when the mailbox can't be
// read at all.
func (s *Syncer) relist(ctx context.Context, ref ConnectionRef, t *tally) bool {
	leave, err := s.reads.enter(ctx, ref)
	if err != nil {
		return false
	}
	defer leave()
	if err = s.Relist(ctx, ref); err == nil {
		return true
	}
	if ctx.Err() != nil || errors.Is(err, ErrNotSynced) || grantProblem(err) != ProblemNone {
		return false
	}
	t.failed.Add(1)
	s.Log.WarnContext(ctx, "calendar list not read", slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID), slog.Any("error", err))
	s.alarmFor(ctx, err, slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID))
	if e := s.listFailed(ctx, ref, err); e != nil {
		t.trouble.Store(true)
		s.Log.ErrorContext(ctx, "failed listing not noted", slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID), slog.Any("error", e))
	}
	return !errors.Is(err, ErrThrottled)
}

const mostPolls = 500 // of one account in one lease; the rest stays due

// dueWork returns the connections whose list and the calendars whose poll is due.
func (s *Syncer) dueWork(ctx context.Context, account int64) (lists []ConnectionRef, polls []target, err error) {
	now := s.Now()
	err = migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
		var ids []int64
		err := tx.SelectContext(ctx, &ids, `SELECT n.id FROM connections n WHERE n.account_id = $1 AND n.status = 'active'
			AND (n.retry_at IS NULL OR n.retry_at <= $2) AND (n.next_list_at IS NULL OR n.next_list_at <= $2)
			AND EXISTS (SELECT 1 FROM accounts a WHERE a.account_id = $1 AND a.service = 'on')`, account, now)
		if err != nil {
			return fmt.Errorf("select due lists: %w", err)
		}
		for _, id := range ids {
			lists = append(lists, ConnectionRef{account, id})
		}
		// After a failure a ring waits for the backoff like everything else.
		err = tx.SelectContext(ctx, &polls, selectTarget+`AND c.watched AND c.status = 'active' AND n.status = 'active' AND a.service = 'on'
			AND (n.retry_at IS NULL OR n.retry_at <= $2)
			AND (c.next_poll_at IS NULL OR c.next_poll_at <= $2 OR c.rung_at IS NOT NULL AND c.failures = 0)
			ORDER BY c.next_poll_at NULLS FIRST, c.id LIMIT $3`, account, now, mostPolls)
		if err != nil {
			return fmt.Errorf("select due calendars: %w", err)
		}
		return nil
	})
	return lists, polls, err
}

// next is when account has work again, zero when it has none.
func (s *Syncer) next(ctx context.Context, account int64) (at time.Time, err error) {
	var next *time.Time
	err = migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &next, `SELECT min(x.at) FROM (
			SELECT GREATEST(CASE WHEN c.rung_at IS NOT NULL AND c.failures = 0 THEN LEAST(c.rung_at, c.next_poll_at)
			        ELSE COALESCE(c.next_poll_at, CAST($2 AS timestamptz)) END, n.retry_at) AS at
			FROM calendars c JOIN connections n ON n.account_id = $1 AND n.id = c.connection_id
			WHERE c.account_id = $1 AND c.watched AND c.status = 'active' AND n.status = 'active'
			UNION ALL
			SELECT GREATEST(COALESCE(n.next_list_at, CAST($2 AS timestamptz)), n.retry_at)
			FROM connections n WHERE n.account_id = $1 AND n.status = 'active') x
			WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.account_id = $1 AND a.service = 'on')`, account, s.Now())
	})
	if err != nil {
		return at, fmt.Errorf("next work of account %d: %w", account, err)
	}
	if next != nil {
		at = *next
	}
	return at, nil
}

// Ring is the doorbell pressed from outside, by a push notification or a person: the
// calendar is polled at once. Any number of rings before that poll are one. Rings for
// what isn't watched are ignored. ext is the caller's transaction or the owner's pool.
func (h *house) Ring(ctx context.Context, ext sqlx.ExtContext, ref CalendarRef) error {
	_, err := h.ring(ctx, ext, ref)
	return err
}

// Ring is as described, and wakes this Syncer should it be between two looks.
func (s *Syncer) Ring(ctx context.Context, ext sqlx.ExtContext, ref CalendarRef) error {
	rung, err := s.ring(ctx, ext, ref)
	if err == nil && rung {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake already
		}
	}
	return err
}

func (h *house) ring(ctx context.Context, ext sqlx.ExtContext, ref CalendarRef) (rung bool, err error) {
	now := h.Now()
	// Each ring is told from the one before, so that a poll under way doesn't answer it.
	res, err := ext.ExecContext(ctx, `UPDATE calendars SET rung_at = GREATEST(CAST($3 AS timestamptz), rung_at + interval '1 microsecond')
		WHERE account_id = $1 AND id = $2 AND watched AND status = 'active'`, ref.AccountID, ref.ID, now)
	if err != nil {
		return false, fmt.Errorf("ring calendar %d: %w", ref.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, due.Raise(ctx, ext, DueKind, ref.AccountID, now)
}
