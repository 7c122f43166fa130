package reminders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/migrations/due"
	"rappel/notify"
)

// Verifier makes sure of a calendar. *calendars.Syncer is one.
type Verifier interface {
	// Verify returns nil once a read of the calendar that began no longer than
	// maxAge ago has succeeded and what it brought is committed.
	Verify(ctx context.Context, ref calendars.CalendarRef, maxAge time.Duration) error
}

// Enqueuer takes messages to be sent. *notify.Outbox is one.
type Enqueuer interface {
	EnqueueTx(ctx context.Context, tx *sqlx.Tx, m notify.NewMessage) (notify.Enqueued, error)
}

// MaxAge is how old a read of a calendar may be when a text it vouches for leaves.
// Half of it is for the way from the read to the queue, half for the queue.
const MaxAge = 60 * time.Second

const (
	readAge  = MaxAge / 2 // asked of Verify
	queueAge = MaxAge - readAge
)

// NoticeMissed is opened, about "calendar:<id>", when reminders were skipped because
// the calendar could not be read in time. Somebody should call those patients; it
// stays open until it is dismissed.
const NoticeMissed = "reminders_missed"

// ClerkConfig is what a Clerk needs.
type ClerkConfig struct {
	DB       *sqlx.DB // the owner's pool
	Verifier Verifier
	Outbox   Enqueuer
	Now      func() time.Time // nil = time.Now
	Log      *slog.Logger     // nil = discard
	Accounts int              // accounts worked on at once; 0 = 4
	Lease    time.Duration    // how long an account is held, renewed while it is worked on; 0 = 30 s
	Every    time.Duration    // pause between looks in Run; 0 = 1 s
	Patience time.Duration    // how long one verify may take; 0 = 30 s
}

// Clerk sends what is due: it verifies the calendar, reads the reminder again,
// renders, makes the promise and enqueues, all of that in one transaction. Any number
// of clerks may work over one database.
type Clerk struct {
	ClerkConfig
	wake chan struct{}
}

// NewClerk returns a Clerk.
func NewClerk(c ClerkConfig) *Clerk {
	c.Now = clockOr(c.Now)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Accounts <= 0 {
		c.Accounts = 4
	}
	if c.Lease <= 0 {
		c.Lease = 30 * time.Second
	}
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	return &Clerk{ClerkConfig: c, wake: make(chan struct{}, 1)}
}

// Wake ends the pause of Run. It never blocks.
func (c *Clerk) Wake() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run works until ctx ends and finishes the account in hand before it returns.
func (c *Clerk) Run(ctx context.Context) error {
	pause := time.NewTicker(c.Every)
	defer pause.Stop()
	for ctx.Err() == nil {
		if _, err := c.Tick(ctx); err != nil && ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "reminders not sent for now", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-pause.C:
		case <-c.wake:
		}
	}
	return nil
}

// Tick does all work due now and returns how many reminders it decided. An account
// that fails does not stop the others; the errors come joined, and the account's turn
// comes again after a minute.
//
// Whoever is through with an account takes the next, so that one whose calendar
// answers slowly holds up nobody else.
func (c *Clerk) Tick(ctx context.Context) (worked int, err error) {
	var mu sync.Mutex
	var errs []error
	due.Crew(c.Accounts, func(more func()) {
		for ctx.Err() == nil {
			n, some, err := c.turn(ctx, more)
			mu.Lock()
			worked += n
			if err != nil {
				errs = append(errs, err)
			}
			mu.Unlock()
			if !some {
				return
			}
		}
	})
	return worked, errors.Join(errs...)
}

// turn works on one account that has reminders due, and calls found before it does.
// some is false when there is none, or the database doesn't say.
func (c *Clerk) turn(ctx context.Context, found func()) (worked int, some bool, err error) {
	owner := due.NewOwner() // a name per lease: what is left of a lost one can't end another
	accounts, err := due.Lease(ctx, c.DB, dueKind, owner, c.Now(), 1, c.Lease)
	if err != nil || len(accounts) == 0 {
		return 0, false, err
	}
	found()
	worked, err = c.account(ctx, owner, accounts[0])
	return worked, true, err
}

// accountTurn bounds the work on one account, before others have their turn, as a
// multiple of the patience with a calendar.
const accountTurn = 4

// accountRetry is when an account's turn comes again after a failure of our own.
const accountRetry = time.Minute

// account works off what is due in one account and gives its lease back. When stop ends,
// because the program does, no calendar is waited for any more and what isn't verified
// stays as it is; what is being written is finished.
func (c *Clerk) account(stop context.Context, owner string, account int64) (worked int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), accountTurn*c.Patience)
	defer cancel()
	held, release := due.Hold(ctx, c.DB, dueKind, owner, account, c.Lease, c.Now)
	worked, err = c.guarded(held, stop, account)
	release()
	var next time.Time
	if err != nil {
		next = c.Now().Add(accountRetry)
	} else if next, err = c.next(ctx, account); err != nil {
		next = c.Now().Add(accountRetry)
	}
	// The time for the work may be up; giving the lease back still matters.
	back, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if e := due.Release(back, c.DB, dueKind, owner, account, next); e != nil && !errors.Is(e, due.ErrLost) {
		err = errors.Join(err, e)
	}
	if err != nil {
		err = fmt.Errorf("account %d: %w", account, err)
	}
	return worked, err
}

// guarded keeps a panic in one account's work from ending the others'.
func (c *Clerk) guarded(ctx, stop context.Context, account int64) (worked int, err error) {
	defer func() {
		if r := recover(); r != nil {
			// The value may quote data of a patient; the stack does not.
			c.Log.ErrorContext(ctx, "panic while sending reminders", slog.Int64("account_id", account),
				slog.String("type", fmt.Sprintf("%T", r)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic (%T)", r)
		}
	}()
	return c.work(ctx, stop, account)
}

// next is when the account has reminders due again, zero for never.
func (c *Clerk) next(ctx context.Context, account int64) (time.Time, error) {
	var at *time.Time
	if err := c.DB.GetContext(ctx, &at, `SELECT min(not_before) FROM reminders WHERE account_id = $1 AND status = 'planned'`, account); err != nil {
		return time.Time{}, fmt.Errorf("next reminder: %w", err)
	}
	if at == nil {
		return time.Time{}, nil
	}
	return *at, nil
}

// claimed is a reminder whose time has come.
type claimed struct {
	ID         int64 `db:"id"`
	CalendarID int64 `db:"calendar_id"`
}

// claimLimit is how many reminders are taken at a time.
const claimLimit = 500

// work sends what is due in account, calendar by calendar. The lease keeps two clerks
// apart; should it run out, the row locks and the ledger do.
func (c *Clerk) work(ctx, stop context.Context, account int64) (worked int, err error) {
	var rows []claimed
	if err := migrations.InAccount(ctx, c.DB, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, `
			SELECT id, calendar_id FROM reminders WHERE account_id = $1 AND status = 'planned' AND not_before <= $2
			ORDER BY not_before, id LIMIT $3`, account, c.Now(), claimLimit)
	}); err != nil {
		return 0, fmt.Errorf("claim reminders: %w", err)
	}
	byCalendar := map[int64][]int64{}
	var order []int64
	for _, r := range rows {
		if byCalendar[r.CalendarID] == nil {
			order = append(order, r.CalendarID)
		}
		byCalendar[r.CalendarID] = append(byCalendar[r.CalendarID], r.ID)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	slots := make(chan struct{}, 4) // calendars verified at once: a slow one must not hold up the others
	for _, id := range order {
		ref := calendars.CalendarRef{AccountID: account, ID: id}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			n, err := c.safeCalendar(ctx, stop, ref, byCalendar[id])
			mu.Lock()
			defer mu.Unlock()
			worked += n
			if err != nil {
				errs = append(errs, fmt.Errorf("calendar %d: %w", id, err))
			}
		})
	}
	wg.Wait()
	return worked, errors.Join(errs...)
}

func (c *Clerk) safeCalendar(ctx, stop context.Context, ref calendars.CalendarRef, ids []int64) (worked int, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.Log.ErrorContext(ctx, "panic while sending reminders", slog.Int64("account_id", ref.AccountID),
				slog.Int64("calendar_id", ref.ID), slog.String("type", fmt.Sprintf("%T", r)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic (%T)", r)
		}
	}()
	return c.calendar(ctx, stop, ref, ids)
}

// calendar verifies one calendar and decides about its reminders.
func (c *Clerk) calendar(ctx, stop context.Context, ref calendars.CalendarRef, ids []int64) (worked int, err error) {
	asked := c.Now()
	patience, cancel := context.WithTimeout(ctx, c.Patience)
	patient := context.AfterFunc(stop, cancel)
	verr := c.Verifier.Verify(patience, ref, readAge)
	patient()
	cancel()
	switch {
	case verr != nil && stop.Err() != nil:
		return 0, nil // we gave up, nothing is wrong with the calendar
	case verr != nil:
		c.Log.WarnContext(ctx, "calendar not verified, reminders wait", slog.Int64("account_id", ref.AccountID),
			slog.Int64("calendar_id", ref.ID), slog.Int("reminders", len(ids)), slog.Any("error", verr))
		return c.wait(ctx, ref, ids, verr)
	}
	fresh := asked.Add(queueAge)
	const chunk = 50
	for len(ids) > 0 {
		n := min(len(ids), chunk)
		done, err := c.send(ctx, ref, ids[:n], fresh)
		if err != nil && n > 1 {
			// One that can't be sent must not hold up the others.
			done, err = c.oneByOne(ctx, ref, ids[:n], fresh)
		}
		worked += done
		if err != nil {
			return worked, err
		}
		ids = ids[n:]
	}
	return worked, nil
}

func (c *Clerk) oneByOne(ctx context.Context, ref calendars.CalendarRef, ids []int64, fresh time.Time) (worked int, err error) {
	var errs []error
	for _, id := range ids {
		n, err := c.send(ctx, ref, []int64{id}, fresh)
		worked += n
		if err != nil {
			errs = append(errs, fmt.Errorf("reminder %d: %w", id, err))
		}
	}
	return worked, errors.Join(errs...)
}
