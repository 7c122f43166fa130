package reminders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
)

// wait keeps reminders planned whose calendar could not be verified: they are tried
// again until their last moment, then skipped and the clinic is told. Never sent blind.
func (c *Clerk) wait(ctx context.Context, ref calendars.CalendarRef, ids []int64, cause error) (worked int, err error) {
	err = migrations.InAccount(ctx, c.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		worked = 0
		now := c.Now()
		rows, err := lockPlannedTx(ctx, tx, ref, ids, now)
		if err != nil || len(rows) == 0 {
			return err
		}
		d, err := readDesk(ctx, tx, ref, rows)
		if err != nil {
			return err
		}
		why, err := c.whyUnverified(ctx, tx, ref, cause)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			r.DecidedAt = now
			last := r.StartsAt.Add(-d.settings.MinLead())
			if e, ok := d.events[r.EventID]; ok {
				last = lastMoment(e, d.settings)
			}
			if err := c.postpone(ctx, tx, r, why, last, now); err != nil {
				return err
			}
			worked++
		}
		return updateReminders(ctx, tx, ref.AccountID, rows)
	})
	if err != nil {
		return 0, err
	}
	return worked, nil
}

// whyUnverified tells a grant that ended from a calendar that is out of reach.
func (c *Clerk) whyUnverified(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef, cause error) (Reason, error) {
	if errors.Is(cause, calendars.ErrGrantRevoked) || errors.Is(cause, calendars.ErrScopeMissing) {
		return ConnectionLost, nil
	}
	var lost bool
	if err := tx.GetContext(ctx, &lost, `
		SELECT EXISTS (SELECT 1 FROM calendars c JOIN connections n ON n.account_id = c.account_id AND n.id = c.connection_id
			WHERE c.account_id = $1 AND n.account_id = $1 AND c.id = $2 AND n.status <> $3)`,
		ref.AccountID, ref.ID, calendars.ConnectionActive); err != nil {
		return "", fmt.Errorf("look at connection: %w", err)
	}
	if lost {
		return ConnectionLost, nil
	}
	return CalendarUnreachable, nil
}

// Waits between tries: a quarter of the time waited so far, within these bounds.
const (
	minWait = time.Minute
	maxWait = 10 * time.Minute
)

// postpone lets r wait for why, at most until last; after that it is skipped.
func (c *Clerk) postpone(ctx context.Context, tx *sqlx.Tx, r *Reminder, why Reason, last, now time.Time) error {
	if !now.Before(last) {
		r.Status, r.Reason = StatusSkipped, why
		return c.missed(ctx, tx, *r, now)
	}
	next := now.Add(min(max(now.Sub(r.DueAt)/4, minWait), maxWait))
	if next.After(last) {
		next = last
	}
	r.NotBefore, r.Reason = next, why
	return nil
}

// unsendable lets r wait for somebody to mend its template or sender.
func (c *Clerk) unsendable(ctx context.Context, tx *sqlx.Tx, r *Reminder, last, now time.Time, cause error) error {
	c.Log.WarnContext(ctx, "reminder can't be sent as it is", slog.Int64("account_id", r.AccountID), slog.Int64("reminder_id", r.ID),
		slog.Int64("rule_id", r.RuleID), slog.Any("error", cause))
	return c.postpone(ctx, tx, r, NotSendable, last, now)
}

// missed opens the notice that patients go without a text who should have had one.
func (c *Clerk) missed(ctx context.Context, tx *sqlx.Tx, r Reminder, now time.Time) error {
	c.Log.WarnContext(ctx, "reminder missed", slog.Int64("account_id", r.AccountID), slog.Int64("reminder_id", r.ID), slog.String("reason", string(r.Reason)))
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO notices AS n (account_id, kind, subject, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, kind, subject) WHERE resolved_at IS NULL DO NOTHING`,
		r.AccountID, NoticeMissed, fmt.Sprintf("calendar:%d", r.CalendarID), now); err != nil {
		return fmt.Errorf("open notice: %w", err)
	}
	return nil
}
