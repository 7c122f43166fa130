package calendars

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// Watch starts or ends reading a calendar. Ending it stops its unsent reminders at
// once. Asking for what is already so changes nothing. ErrNotPickable when it can't be
// read as it stands, ErrNotCovered when the clinic has subscribed to no more.
func (c *Connector) Watch(ctx context.Context, ref CalendarRef, on bool) error {
	now := c.Now()
	return migrations.InAccount(ctx, c.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		cal, err := lockCalendar(ctx, tx, ref)
		if err != nil || cal.Watched == on {
			return err
		}
		if !on {
			_, err := tx.ExecContext(ctx, `UPDATE calendars SET watched = false, watched_since = NULL WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID)
			if err != nil {
				return fmt.Errorf("unwatch: %w", err)
			}
			if err := resolveNotices(ctx, tx, ref.AccountID, calendarSubject(ref), now); err != nil {
				return err
			}
			return c.stop(ctx, tx, ref, StopUnwatched, now)
		}
		conn, err := connectionTx(ctx, tx, cal.Connection())
		if err != nil {
			return err
		}
		if !cal.Pickable() || conn.Status != ConnectionActive {
			return fmt.Errorf("%w: calendar %d is %s, its connection %s", ErrNotPickable, ref.ID, cal.Status, conn.Status)
		}
		if c.Quota != nil {
			switch ok, err := c.Quota.MayWatchTx(ctx, tx, ref.AccountID); {
			case err != nil:
				return err
			case !ok:
				return fmt.Errorf("%w: calendar %d", ErrNotCovered, ref.ID)
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE calendars SET watched = true, watched_since = $3, next_poll_at = $3, failures = 0,
			sealed_cursor = NULL, snapshot_at = NULL, snapshot_to = NULL, polled_at = NULL, rung_at = NULL
			WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID, now)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		return due.Raise(ctx, tx, DueKind, ref.AccountID, now)
	})
}

// lockCalendar reads a calendar and keeps others from changing it until tx ends.
func lockCalendar(ctx context.Context, tx *sqlx.Tx, ref CalendarRef) (c Calendar, err error) {
	err = tx.GetContext(ctx, &c, "SELECT "+calendarColumns+` FROM calendars c WHERE c.account_id = $1 AND c.id = $2 FOR UPDATE`, ref.AccountID, ref.ID)
	return c, unknown(err, "calendar", ref.ID)
}

const longestName = 100 // of what goes into a text, in characters

// UpdateCalendar saves what the clinic decided. Failures of s are a *SettingsError.
func (c *Connector) UpdateCalendar(ctx context.Context, ref CalendarRef, s Settings) error {
	return migrations.InAccount(ctx, c.DB, ref.AccountID, func(tx *sqlx.Tx) error { return c.UpdateCalendarTx(ctx, tx, ref, s) })
}

// UpdateCalendarTx is UpdateCalendar within tx, where the caller also replans the
// calendar's reminders: AllDay decides which appointments have some.
func (c *Connector) UpdateCalendarTx(ctx context.Context, tx *sqlx.Tx, ref CalendarRef, s Settings) error {
	now := c.Now()
	s.Cron, s.Mode = orElse(s.Cron, DefaultCron), orElse(s.Mode, ModeDelta)
	switch {
	case utf8.RuneCountInString(s.Practitioner) > longestName:
		return &SettingsError{Field: "practitioner", Why: "too_long"}
	case utf8.RuneCountInString(s.LocationName) > longestName:
		return &SettingsError{Field: "location_name", Why: "too_long"}
	case s.Mode != ModeDelta && s.Mode != ModeSnapshot:
		return &SettingsError{Field: "mode", Why: "unknown"}
	}
	if err := checkCron(s.Cron, now); err != nil {
		return err
	}
	cal, err := lockCalendar(ctx, tx, ref)
	if err != nil {
		return err
	}
	// A new rhythm begins with a poll; so does a new mode.
	again := cal.Watched && (s.Cron != cal.Cron || s.Mode != cal.Mode)
	_, err = tx.ExecContext(ctx, `UPDATE calendars SET practitioner = $3, location_name = $4, all_day = $5, cron = $6, mode = $7,
		next_poll_at = CASE WHEN CAST($8 AS boolean) THEN LEAST(next_poll_at, CAST($9 AS timestamptz)) ELSE next_poll_at END
		WHERE account_id = $1 AND id = $2`,
		ref.AccountID, ref.ID, s.Practitioner, s.LocationName, s.AllDay, s.Cron, s.Mode, again && cal.Failures == 0, now)
	if err != nil {
		return fmt.Errorf("update calendar %d: %w", ref.ID, err)
	}
	if !again {
		return nil
	}
	return due.Raise(ctx, tx, DueKind, ref.AccountID, now)
}
