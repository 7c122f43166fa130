package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// Run does what is due until ctx ends, and finishes the account in hand before it returns.
func (s *Service) Run(ctx context.Context) error {
	pause := time.NewTicker(s.Every)
	defer pause.Stop()
	for ctx.Err() == nil {
		if _, err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "billing", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
	return nil
}

// Tick does all that is due now and returns how many accounts it looked at. An account
// that fails doesn't stop the others; its turn comes again after five minutes.
func (s *Service) Tick(ctx context.Context) (worked int, err error) {
	var mu sync.Mutex
	var errs []error
	due.Crew(s.Workers, func(more func()) {
		for ctx.Err() == nil {
			owner := due.NewOwner() // a name per lease: what is left of a lost one can't end another
			accounts, err := due.Lease(ctx, s.DB, DueKind, owner, s.Now(), 1, s.Lease)
			if err == nil && len(accounts) == 0 {
				return
			}
			if err == nil {
				more()
				err = s.turn(ctx, owner, accounts[0])
			}
			mu.Lock()
			worked += len(accounts)
			if err != nil {
				errs = append(errs, err)
			}
			mu.Unlock()
			if len(accounts) == 0 {
				return
			}
		}
	})
	return worked, errors.Join(errs...)
}

const (
	accountTurn  = 2 * time.Minute
	accountRetry = 5 * time.Minute
)

// turn works on a leased account and gives it back.
func (s *Service) turn(ctx context.Context, owner string, account int64) (err error) {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), accountTurn)
	defer cancel()
	held, release := due.Hold(work, s.DB, DueKind, owner, account, s.Lease, s.Now)
	next, err := s.guarded(held, account)
	release()
	if err != nil {
		next = s.Now().Add(accountRetry)
		err = fmt.Errorf("account %d: %w", account, err)
	}
	back, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if e := due.Release(back, s.DB, DueKind, owner, account, next); e != nil && !errors.Is(e, due.ErrLost) {
		err = errors.Join(err, e)
	}
	return err
}

// guarded keeps a panic in one account's work from ending the others'.
func (s *Service) guarded(ctx context.Context, account int64) (next time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.Log.ErrorContext(ctx, "panic in billing", slog.Int64("account_id", account), slog.String("type", fmt.Sprintf("%T", r)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic (%T)", r)
		}
	}()
	return s.Account(ctx, account)
}

// Account does what is due in one account, whatever the due table says, and returns when
// it has work again, zero for never. Each step is a transaction of its own that does
// nothing when it was done before: any number may be at it, and each may die anywhere.
func (s *Service) Account(ctx context.Context, account int64) (next time.Time, err error) {
	if err := s.catchUp(ctx, account); err != nil {
		return next, err
	}
	var days []Date // on which there is work
	var payer Payer
	var found bool
	var waits error // what a subscription can't follow yet; letters and grants go on
	err = migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
		found, days = true, nil
		now := s.Now()
		if payer, err = payerOf(ctx, tx, account); errors.Is(err, ErrUnknown) {
			found = false
			return nil
		}
		if payer, err = lockPayer(ctx, tx, account); err != nil {
			return err
		}
		day, blocked, err := s.dun(ctx, tx, payer, now)
		if err != nil {
			return err
		}
		days, waits = append(days, day), blocked
		sc, err := s.read(ctx, tx, payer)
		if err != nil {
			return err
		}
		if err := s.grantMonth(ctx, tx, sc, &sc.Sub, sc.Current, now); err != nil {
			return err
		}
		days = append(days, sc.days(payer.Today(now))...)
		return nil
	})
	if err != nil || !found {
		return next, err
	}
	if err := s.align(ctx, account); err != nil {
		return next, err
	}
	if err := errors.Join(s.deliver(ctx, account), waits); err != nil {
		return next, err
	}
	var job sql.NullTime
	if err := s.DB.GetContext(ctx, &job, `SELECT min(next_at) FROM billing_jobs WHERE account_id = $1`, account); err != nil {
		return next, fmt.Errorf("next job of account %d: %w", account, err)
	}
	if job.Valid {
		next = job.Time
	}
	for _, d := range days {
		if at := d.Start(payer.Location()); d != 0 && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

// days are those after today on which something of itself is to be done.
func (sc scene) days(today Date) []Date {
	var days []Date
	add := func(d Date) {
		if d > today {
			days = append(days, d)
		}
	}
	sub := sc.Sub
	switch sub.Status {
	case Incomplete:
		add(sub.StartedOn + expireAfter)
	case Trialing, Active, PastDue:
		add(sub.NextOn)
		if sc.Current != nil {
			if month, ok := monthOf(sub, sc.Current, today); ok {
				add(month.To)
				if month.Contains(sc.Granted) {
					add(sc.Granted)
				}
			}
		}
	case Suspended:
		add(sub.DunningAfter)
	}
	for _, o := range sc.Open {
		add(o.DueOn + 1)
	}
	return days
}

// catchUp renews one period at a time until nothing is due any more: after an outage
// there may be several. What waited unpaid for too long is given up.
func (s *Service) catchUp(ctx context.Context, account int64) error {
	for {
		done := true
		err := migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
			done = true
			var id int64
			err := tx.GetContext(ctx, &id, `SELECT s.id FROM subscriptions s WHERE s.account_id = $1 AND s.status NOT IN ('canceled', 'expired')`, account)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read the subscription of account %d: %w", account, err)
			}
			payer, err := lockPayer(ctx, tx, account)
			if err != nil {
				return err
			}
			sc, err := s.read(ctx, tx, payer)
			if err != nil {
				return err
			}
			change, ok := sc.due(payer.Today(s.Now()))
			if !ok {
				return nil
			}
			done = false
			d, err := s.apply(ctx, tx, sc, change, s.bySystem(sc.Sub, change.Kind))
			if err == nil && d.Subscription.Status == Canceled {
				err = addJob(ctx, tx, Job{Account: account, Kind: JobNotice, What: NoticeEnded, Key: fmt.Sprintf("sub/%d/ended", sc.Sub.ID)}, s.Now())
			}
			return err
		})
		if err != nil || done {
			return err
		}
	}
}

// due is the change that time has brought about by today.
func (sc scene) due(today Date) (Change, bool) {
	switch sub := sc.Sub; sub.Status {
	case Incomplete:
		return Change{Kind: Expire}, today-sub.StartedOn >= expireAfter
	case Trialing, Active, PastDue:
		return Change{Kind: Renew}, today >= sub.NextOn
	}
	return Change{}, false
}

// raise has the account looked at soon.
func (s *Service) raise(ctx context.Context, account int64) error {
	return due.Raise(ctx, s.DB, DueKind, account, s.Now())
}
