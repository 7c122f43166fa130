package calendars

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// What became of a poll that did not fail, as the Meter hears it.
const (
	outcomeQuiet      = "quiet"      // the bell was silent
	outcomeUnchanged  = "unchanged"  // a snapshot, without a difference
	outcomeChanged    = "changed"    // a snapshot with differences
	outcomeSuperseded = "superseded" // somebody else committed a read, or it stopped, while we read: ours is dropped
)

// commit makes a reading the truth, in one transaction: events, tombstones, cursor,
// next poll and what the Sink makes of it. t is the calendar as it was when the
// reading began.
//
// A reading is only good on top of what it was begun on. If another read was
// committed meanwhile there is no telling which saw the later state (the clocks of two
// machines can't), so ours is dropped: the calendar was read all the same.
func (h *house) commit(ctx context.Context, t target, r reading) (outcome string, err error) {
	ref := t.Ref()
	var cursor []byte
	if !r.keep {
		if cursor, err = sealSecret(h.Sealer, r.cursor, cursorContext(ref)); err != nil {
			return "", err
		}
	}
	instances, changed := 0, 0
	err = migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		now := h.Now()
		// Two statements: the second sees what was committed while the first waited.
		if _, err := lockCalendar(ctx, tx, ref); err != nil {
			return err
		}
		var is target
		if err := tx.GetContext(ctx, &is, selectTarget+"AND c.id = $2", ref.AccountID, ref.ID); err != nil {
			return fmt.Errorf("select calendar %d: %w", ref.ID, err)
		}
		if !is.Watched || is.Status != CalendarActive || is.ConnStatus == ConnectionDisconnected || is.Service != serviceOn ||
			!sameInstant(is.WatchedSince, t.WatchedSince) || !sameInstant(is.SnapshotAt, t.SnapshotAt) || !bytes.Equal(is.Sealed, t.Sealed) {
			outcome = outcomeSuperseded
			return nil
		}
		after := is.Calendar // as it will be; the Sink gets it as it was
		after.PolledAt = latest(is.PolledAt, r.begun)
		outcome = outcomeQuiet
		if r.snapshot != nil {
			d, err := h.apply(ctx, tx, is, r, now)
			if err != nil {
				return err
			}
			instances, changed = len(r.snapshot.Instances), len(d.changes)
			outcome = outcomeUnchanged
			if changed > 0 {
				outcome, after.ChangedAt = outcomeChanged, &now
			}
			after.SnapshotAt, after.SnapshotTo, after.HiddenEvents = &r.begun, &r.window.To, d.hidden
		}
		if r.keep {
			cursor = is.Sealed
		}
		if is.RungAt != nil && t.RungAt != nil && is.RungAt.Equal(*t.RungAt) {
			after.RungAt = nil
		}
		next := nextPoll(after, t.zone(), now, h.Steady)
		_, err := tx.ExecContext(ctx, `UPDATE calendars SET sealed_cursor = $3, next_poll_at = $4, rung_at = $5, polled_at = $6,
			snapshot_at = $7, snapshot_to = $8, changed_at = $9, hidden_events = $10, failures = 0, problem = ''
			WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID, cursor, next, after.RungAt, after.PolledAt,
			after.SnapshotAt, after.SnapshotTo, after.ChangedAt, after.HiddenEvents)
		if err != nil {
			return fmt.Errorf("update calendar %d: %w", ref.ID, err)
		}
		if is.Failures > 0 || is.SnapshotAt == nil {
			return resolveNotices(ctx, tx, ref.AccountID, calendarSubject(ref), now)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if r.snapshot != nil && outcome != outcomeSuperseded {
		h.Meter.Changed(t.Provider, instances, changed)
	}
	return outcome, nil
}

// apply writes what a snapshot changes and tells the Sink.
func (h *house) apply(ctx context.Context, tx *sqlx.Tx, cal target, r reading, now time.Time) (difference, error) {
	ref := cal.Ref()
	keys := make([]string, len(r.snapshot.Instances))
	for i, in := range r.snapshot.Instances {
		keys[i] = plain(in.Key)
	}
	stored, unsealed, err := h.storedEvents(ctx, tx, ref, r.window.From, keys)
	if err != nil {
		return difference{}, err
	}
	if unsealed > 0 {
		h.alarm(ctx, AlarmSealed, slog.Int64("account_id", ref.AccountID), slog.Int64("calendar_id", ref.ID), slog.Int("events", unsealed))
	}
	d, err := diff(ref, stored, r.snapshot.Instances, r.window, cal.SnapshotAt == nil, now)
	if err != nil {
		return d, err
	}
	if err := h.putEvents(ctx, tx, ref, d.put); err != nil {
		return d, err
	}
	if err := markGone(ctx, tx, ref, d.gone, now); err != nil {
		return d, err
	}
	if len(d.changes) == 0 {
		return d, nil
	}
	changes := make([]Change, len(d.changes))
	for i, c := range d.changes {
		changes[i] = Change{Event: *c.event, Before: c.before}
	}
	if err := h.Sink.EventsChanged(ctx, tx, cal.Calendar, changes, now); err != nil {
		return d, fmt.Errorf("%w: tell of changes in calendar %d: %w", ErrInternal, ref.ID, err)
	}
	return d, nil
}

func sameInstant(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

func latest(a *time.Time, b time.Time) *time.Time {
	if a != nil && a.After(b) {
		return a
	}
	return &b
}
