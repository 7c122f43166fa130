package calendars

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// Relist reads the calendar list of a connection anew: new calendars appear, unwatched;
// those that can't be read any more stop, and the clinic is told (T38); those that can
// again go on. The Syncer does it daily.
func (h *house) Relist(ctx context.Context, ref ConnectionRef) error {
	var list []Remote
	err := h.call(ctx, ref, func(client *http.Client, p Provider) error {
		read, done := context.WithTimeout(ctx, readTimeout)
		defer done()
		var err error
		list, err = p.Reader.Calendars(read, client)
		return err
	})
	if err != nil {
		return fmt.Errorf("list calendars of connection %d: %w", ref.ID, err)
	}
	now := h.Now()
	return migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		return h.applyList(ctx, tx, ref, list, now)
	})
}

func (h *house) applyList(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef, list []Remote, now time.Time) error {
	row, err := tokens(ctx, tx, ref, " FOR UPDATE")
	if err != nil {
		return err
	}
	if row.Status != ConnectionActive {
		return fmt.Errorf("%w: connection %d is %s", ErrNotSynced, ref.ID, row.Status)
	}
	known, err := lockCalendars(ctx, tx, ref)
	if err != nil {
		return err
	}
	// Everybody has a calendar of his own. A list without any is a provider's mishap,
	// and believing it would stop every reminder.
	if len(list) == 0 && slices.ContainsFunc(known, func(c Calendar) bool { return c.Status != CalendarGone }) {
		return &Error{Provider: row.Provider, Op: "list", Kind: ErrUnavailable, Code: "empty_list"}
	}
	byRef := make(map[string]Calendar, len(known))
	for _, c := range known {
		byRef[c.ProviderRef] = c
	}
	wake, ailing := false, false
	for _, r := range list {
		r.Ref, r.Name, r.Zone, r.Role = plain(r.Ref), plain(r.Name), knownZone(r.Zone), plain(r.Role)
		cal, ok := byRef[r.Ref]
		delete(byRef, r.Ref)
		if !ok {
			if err := addCalendar(ctx, tx, ref, r, now); err != nil {
				return err
			}
			continue
		}
		if err := updateCalendar(ctx, tx, cal, r, now); err != nil {
			return err
		}
		switch {
		case !r.Readable:
			if err := h.suspend(ctx, tx, cal, CalendarPaused, ProblemNotReadable, StopNotReadable, now); err != nil {
				return err
			}
			ailing = ailing || cal.Watched
		case cal.Status != CalendarActive || r.Zone != "" && r.Zone != cal.Zone:
			wake = wake || cal.Watched
		}
	}
	for _, cal := range known { // in the order they were locked
		if _, missing := byRef[cal.ProviderRef]; !missing {
			continue
		}
		if err := h.suspend(ctx, tx, cal, CalendarGone, ProblemNotListed, StopNotListed, now); err != nil {
			return err
		}
		ailing = ailing || cal.Watched
	}
	next := now.Add(listEvery)
	if ailing {
		next = now.Add(listRetry)
	}
	_, err = tx.ExecContext(ctx, `UPDATE connections SET listed_at = $3, next_list_at = $4 WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID, now, next)
	if err != nil {
		return fmt.Errorf("note listing: %w", err)
	}
	at := next
	if wake {
		at = now
	}
	return due.Raise(ctx, tx, DueKind, ref.AccountID, at)
}

// knownZone is zone if it is one, else "": a calendar without falls back to the
// account's.
func knownZone(zone string) string {
	if zone == "" || zone == "Local" {
		return ""
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return ""
	}
	return zone
}

func standing(r Remote) (CalendarStatus, Problem) {
	if r.Readable {
		return CalendarActive, ProblemNone
	}
	return CalendarPaused, ProblemNotReadable
}

func addCalendar(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef, r Remote, now time.Time) error {
	status, problem := standing(r)
	// A list may name a calendar twice; the last one wins, as everywhere.
	_, err := tx.ExecContext(ctx, `INSERT INTO calendars AS c
		(account_id, connection_id, provider_ref, name, zone, role, hides_texts, is_primary, status, problem, cron, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (account_id, connection_id, provider_ref) DO UPDATE SET name = EXCLUDED.name, zone = EXCLUDED.zone, role = EXCLUDED.role,
		hides_texts = EXCLUDED.hides_texts, is_primary = EXCLUDED.is_primary, status = EXCLUDED.status, problem = EXCLUDED.problem`,
		ref.AccountID, ref.ID, r.Ref, orElse(r.Name, r.Ref), r.Zone, r.Role, r.HidesTexts, r.Primary, status, problem, DefaultCron, now)
	if err != nil {
		return fmt.Errorf("add calendar: %w", err)
	}
	return nil
}

// updateCalendar takes over what the list says. A watched calendar that becomes
// readable again, or whose zone moved, is polled at once and its bell counts as rung:
// all-day events have other instants then.
func updateCalendar(ctx context.Context, tx *sqlx.Tx, cal Calendar, r Remote, now time.Time) error {
	zone := orElse(r.Zone, cal.Zone)
	_, err := tx.ExecContext(ctx, `UPDATE calendars SET name = $3, zone = $4, role = $5, hides_texts = $6, is_primary = $7
		WHERE account_id = $1 AND id = $2`,
		cal.AccountID, cal.ID, orElse(r.Name, r.Ref), zone, r.Role, r.HidesTexts, r.Primary)
	if err != nil {
		return fmt.Errorf("update calendar %d: %w", cal.ID, err)
	}
	if r.Readable && cal.Status != CalendarActive {
		_, err = tx.ExecContext(ctx, `UPDATE calendars SET status = $3, problem = '', failures = 0,
			next_poll_at = CASE WHEN watched THEN CAST($4 AS timestamptz) END WHERE account_id = $1 AND id = $2`,
			cal.AccountID, cal.ID, CalendarActive, now)
	} else if r.Readable && zone != cal.Zone && cal.Watched {
		// Without a known snapshot edge the next poll takes a snapshot.
		_, err = tx.ExecContext(ctx, `UPDATE calendars SET snapshot_to = NULL, rung_at = GREATEST(CAST($3 AS timestamptz), rung_at + interval '1 microsecond')
			WHERE account_id = $1 AND id = $2`, cal.AccountID, cal.ID, now)
	}
	if err != nil {
		return fmt.Errorf("resume calendar %d: %w", cal.ID, err)
	}
	return nil
}

// suspend notes that cal can't be read. If it was being read, its reminders stop and
// the clinic is told. The row must be locked.
func (h *house) suspend(ctx context.Context, tx *sqlx.Tx, cal Calendar, status CalendarStatus, problem Problem, why string, now time.Time) error {
	if cal.Status == status && cal.Problem == problem {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE calendars SET status = $3, problem = $4 WHERE account_id = $1 AND id = $2`, cal.AccountID, cal.ID, status, problem)
	if err != nil {
		return fmt.Errorf("suspend calendar %d: %w", cal.ID, err)
	}
	if !cal.Watched || cal.Status != CalendarActive {
		return nil
	}
	h.Log.WarnContext(ctx, "calendar suspended", slog.Int64("account_id", cal.AccountID), slog.Int64("calendar_id", cal.ID), slog.String("problem", string(problem)))
	if err := h.stop(ctx, tx, cal.Ref(), why, now); err != nil {
		return err
	}
	return openNotice(ctx, tx, cal.AccountID, NoticePaused, calendarSubject(cal.Ref()), now)
}
