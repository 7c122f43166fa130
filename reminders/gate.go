package reminders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/notify"
)

// GateConfig is what a Gate needs.
type GateConfig struct {
	DB       *sqlx.DB // the owner's pool
	Verifier Verifier
	Log      *slog.Logger // nil = discard
}

// Gate tells the dispatcher whether a reminder that waited in its queue still stands.
type Gate struct{ GateConfig }

var _ notify.Gate = (*Gate)(nil)

// NewGate returns a Gate.
func NewGate(c GateConfig) *Gate {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Gate{c}
}

// Fresh verifies the calendar of a reminder's message once more. ok is false when
// the appointment moved, was called off, or has another number now; the planner made
// its own of that within the verify. An error means that the calendar can't be read
// now: the message waits until it expires. Messages of another origin stand as they are.
func (g *Gate) Fresh(ctx context.Context, m notify.GateQuery, now time.Time) (until time.Time, ok bool, err error) {
	if m.Origin != notify.OriginReminder {
		return now.Add(24 * time.Hour), true, nil
	}
	r, stands, err := g.look(ctx, m)
	if err != nil || !stands {
		return time.Time{}, false, err
	}
	ref := calendars.CalendarRef{AccountID: m.AccountID, ID: r.CalendarID}
	if err := g.Verifier.Verify(ctx, ref, readAge); err != nil {
		// A calendar that stopped meanwhile will never be verified again.
		if _, stands, e := g.look(ctx, m); e == nil && !stands {
			return time.Time{}, false, nil
		}
		return time.Time{}, false, fmt.Errorf("verify calendar %d: %w", ref.ID, err)
	}
	if _, stands, err = g.look(ctx, m); err != nil || !stands {
		return time.Time{}, false, err
	}
	return now.Add(queueAge), true, nil
}

// look reads the reminder of m and reports whether it still announces what m says.
func (g *Gate) look(ctx context.Context, m notify.GateQuery) (r Reminder, stands bool, err error) {
	err = migrations.InAccount(ctx, g.DB, m.AccountID, func(tx *sqlx.Tx) error {
		err := tx.GetContext(ctx, &r, `SELECT `+reminderColumns+` FROM reminders r WHERE r.account_id = $1 AND r.id = $2`, m.AccountID, m.OriginID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // its event was deleted, and the reminder with it
		}
		if err != nil {
			return fmt.Errorf("read reminder %d: %w", m.OriginID, err)
		}
		if r.Status != StatusQueued || r.Reason != Planned || r.MessageID == nil || *r.MessageID != m.MessageID {
			return nil // moved on, or to be withdrawn when the dispatcher had it already
		}
		s, err := settingsTx(ctx, tx, m.AccountID)
		if err != nil {
			return err
		}
		events, err := standingTx(ctx, tx, m.AccountID, []int64{r.EventID})
		if err != nil {
			return err
		}
		var watched bool
		if err := tx.GetContext(ctx, &watched, `SELECT watched AND status = 'active' FROM calendars WHERE account_id = $1 AND id = $2`,
			m.AccountID, r.CalendarID); err != nil {
			return fmt.Errorf("read calendar %d: %w", r.CalendarID, err)
		}
		e, found := events[r.EventID]
		stands = watched && s.Serves() && found && e.Stands() && StartOf(e, s.Location()).Equal(r.StartsAt)
		return nil
	})
	return r, stands, err
}
