package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"rappel/web"
)

// housekeeping runs the jobs that have their hour, as cron entries.
func (a *app) housekeeping(ctx context.Context, r roles) error {
	c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	job := func(spec, name string, do func(context.Context) error) error {
		_, err := c.AddFunc(spec, func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "housekeeping failed", slog.String("job", name), slog.Any("err", err))
			}
		})
		return err
	}
	var errs []error
	if r.web {
		errs = append(errs, job("@every 1h", "sessions", a.sessions.Sweep), job("@every 15m", "log-ins", a.accounts.Sweep), job("@every 1h", "mails", a.mailer.Sweep))
	}
	if r.remind {
		errs = append(errs, job("@every 1h", "orders", a.money.desk.Sweep))
	}
	if r.sync {
		errs = append(errs, job("17 3 * * *", "old appointments", a.purgeEvents))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.Start()
	<-ctx.Done()
	<-c.Stop().Done()
	return nil
}

// keepEvents is how long an appointment is kept after its end, as the terms say.
const keepEvents = web.EventDays * 24 * time.Hour

// purgeEvents removes appointments long past, account by account.
func (a *app) purgeEvents(ctx context.Context) error {
	var ids []int64
	if err := a.pools.owner.SelectContext(ctx, &ids, `SELECT account_id FROM accounts ORDER BY account_id`); err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, id := range ids {
		for {
			n, err := a.calendars.PurgeBefore(ctx, id, a.now().Add(-keepEvents), 500)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	return nil
}
