package reminders

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// withdraw takes the message of a queued reminder back, and with it the promise. It
// reports false when the message has left, or may have.
func (p *Planner) withdraw(ctx context.Context, tx *sqlx.Tx, r Reminder, why Reason, now time.Time) (bool, error) {
	if r.MessageID == nil || p.outbox == nil {
		return false, nil
	}
	back, err := p.outbox.WithdrawTx(ctx, tx, notify.MessageRef{AccountID: r.AccountID, ID: *r.MessageID}, string(why), now)
	if err != nil {
		return false, fmt.Errorf("withdraw reminder %d: %w", r.ID, err)
	}
	if !back {
		return false, nil
	}
	return true, freeTx(ctx, tx, r.AccountID, []int64{*r.MessageID}, now)
}

// freeTx deletes the promises made with messages that will certainly never leave, and
// plans those again that a promise turned away: of two children with the same phone
// and start, the one whose appointment still stands gets its text (T51).
func freeTx(ctx context.Context, tx *sqlx.Tx, account int64, messages []int64, now time.Time) error {
	var again []time.Time
	if err := tx.SelectContext(ctx, &again, `
		WITH freed AS MATERIALIZED (
			DELETE FROM sent_ledger l WHERE l.account_id = $1 AND l.message_id = ANY($2)
			RETURNING l.recipient, l.starts_at, l.reminder_id)
		UPDATE reminders r SET status = 'planned', reason = '', not_before = $3, decided_at = $3
		FROM freed
		WHERE r.account_id = $1 AND r.recipient = freed.recipient AND r.starts_at = freed.starts_at AND r.id <> freed.reminder_id
			AND r.status = 'skipped' AND r.reason = $4 AND r.starts_at > $3
		RETURNING r.not_before`, account, pq.Array(messages), now, AlreadySent); err != nil {
		return fmt.Errorf("free promises: %w", err)
	}
	if len(again) == 0 {
		return nil
	}
	return raise(ctx, tx, account, now)
}

// StatusChanged frees the promise of a reminder's message that notify withdrew, on
// asking the [Gate] or when a withdrawal that came too late turned out not to be.
// Other changes are notify's own story.
func (p *Planner) StatusChanged(ctx context.Context, tx *sqlx.Tx, changes []notify.StatusChange) error {
	byAccount := map[int64][]int64{}
	at := map[int64]time.Time{}
	for _, c := range changes {
		if c.Origin != notify.OriginReminder || c.Reason != notify.ReasonWithdrawn && c.Reason != notify.ReasonStale {
			continue
		}
		byAccount[c.AccountID] = append(byAccount[c.AccountID], c.MessageID)
		at[c.AccountID] = latest(at[c.AccountID], c.At)
	}
	for account, messages := range byAccount {
		now := at[account]
		// The lock comes before the ledger, in the order everybody takes it.
		var rows []Reminder
		if err := tx.SelectContext(ctx, &rows, `
			SELECT `+reminderColumns+` FROM reminders r
			WHERE r.account_id = $1 AND r.message_id = ANY($2) AND r.id = ANY($3) ORDER BY r.id FOR UPDATE`,
			account, pq.Array(messages), pq.Array(origins(changes, account))); err != nil {
			return fmt.Errorf("reminders of withdrawn messages: %w", err)
		}
		var dropped []Reminder
		for _, r := range rows {
			if r.Status == StatusQueued {
				r.Status, r.DecidedAt = StatusDropped, now
				if r.Reason == Planned {
					r.Reason = Withdrawn
				}
				dropped = append(dropped, r)
			}
		}
		if err := putReminders(ctx, tx, account, dropped); err != nil {
			return err
		}
		if err := freeTx(ctx, tx, account, messages, now); err != nil {
			return err
		}
		p.log.InfoContext(ctx, "withdrawn reminders freed", slog.Int64("account_id", account), slog.Int("messages", len(messages)))
	}
	return nil
}

func origins(changes []notify.StatusChange, account int64) []int64 {
	var ids []int64
	for _, c := range changes {
		if c.AccountID == account && c.Origin == notify.OriginReminder {
			ids = append(ids, c.OriginID)
		}
	}
	return ids
}
