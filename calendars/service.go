package calendars

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
)

// Quota says how many calendars a clinic may have read.
type Quota interface {
	// MayWatchTx reports whether account may have one more calendar read. The answer
	// holds until tx ends.
	MayWatchTx(ctx context.Context, tx *sqlx.Tx, account int64) (bool, error)
}

// serviceOn is the state of service in which calendars are read; in any other, nothing is.
const serviceOn = "on"

// SetServiceTx starts or stops reading all calendars of account at once, and with them
// their reminders. state is on, suspended or ended. What the clinic picked stays picked.
// Asking for what is already so changes nothing.
func (h *house) SetServiceTx(ctx context.Context, tx *sqlx.Tx, account int64, state string, now time.Time) error {
	var was string
	if err := tx.GetContext(ctx, &was, `SELECT service FROM accounts WHERE account_id = $1 FOR UPDATE`, account); err != nil {
		return unknown(err, "account", account)
	}
	if was == state {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET service = $2 WHERE account_id = $1`, account, state); err != nil {
		return fmt.Errorf("set the service of account %d: %w", account, err)
	}
	h.Log.InfoContext(ctx, "service set", slog.Int64("account_id", account), slog.String("state", state), slog.String("was", was))
	switch {
	case was == serviceOn:
		return h.stopAll(ctx, tx, account, now)
	case state == serviceOn:
		if _, err := tx.ExecContext(ctx, `UPDATE calendars SET next_poll_at = $2, failures = 0 WHERE account_id = $1 AND watched AND status = 'active'`, account, now); err != nil {
			return fmt.Errorf("resume the calendars of account %d: %w", account, err)
		}
		return due.Raise(ctx, tx, DueKind, account, now)
	}
	return nil
}

// stopAll stops every calendar that is read.
func (h *house) stopAll(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT c.id FROM calendars c WHERE c.account_id = $1 AND c.watched ORDER BY c.id FOR UPDATE`, account); err != nil {
		return fmt.Errorf("lock the calendars of account %d: %w", account, err)
	}
	for _, id := range ids {
		if err := h.stop(ctx, tx, CalendarRef{account, id}, StopService, now); err != nil {
			return err
		}
	}
	return nil
}
