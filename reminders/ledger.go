package reminders

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// withdraw takes the message of a queued reminder back, and with it the promise. It
// reports false when the message has left, or may have.
func (p *Planner) withdraw(ctx context.Context, tx *sqlx.Tx, r Reminder, why Reason, now time.Time) (back bool, freed []Promise, err error) {
	if r.MessageID == nil || p.outbox == nil {
		return false, nil, nil
	}
	back, err = p.outbox.WithdrawTx(ctx, tx, notify.MessageRef{AccountID: r.AccountID, ID: *r.MessageID}, string(why), now)
	if err != nil {
		return false, nil, fmt.Errorf("withdraw reminder %d: %w", r.ID, err)
	}
	if !back {
		return false, nil, nil
	}
	freed, err = freeTx(ctx, tx, r.AccountID, []int64{*r.MessageID}, now)
	return true, freed, err
}

// freeTx deletes the promises made with messages that will certainly never leave, and
// plans those again that a promise turned away: of two children with the same phone
// and start, the one whose appointment still stands gets its text (T51); and so does an
// appointment that is back at a start whose text never left.
//
// Whoever was turned away by another promise for the same start is tried again for
// nothing: the ledger turns it away once more.
func freeTx(ctx context.Context, tx *sqlx.Tx, account int64, messages []int64, now time.Time) ([]Promise, error) {
	var rows []struct {
		Recipient string    `db:"recipient"`
		StartsAt  time.Time `db:"starts_at"`
		OffsetKey string    `db:"offset_key"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		DELETE FROM sent_ledger WHERE account_id = $1 AND message_id = ANY($2) RETURNING recipient, starts_at, offset_key`,
		account, pq.Array(messages)); err != nil {
		return nil, fmt.Errorf("free promises: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	freed, recipients, starts := make([]Promise, len(rows)), make([]string, len(rows)), make([]time.Time, len(rows))
	for i, r := range rows {
		freed[i] = Promise{Recipient: r.Recipient, Start: r.StartsAt.Unix(), Offset: r.OffsetKey}
		recipients[i], starts[i] = r.Recipient, r.StartsAt
	}
	var again []time.Time
	if err := tx.SelectContext(ctx, &again, `
		UPDATE reminders r SET status = 'planned', reason = '', not_before = GREATEST(r.due_at, CAST($4 AS timestamptz)), decided_at = $4
		FROM unnest(CAST($2 AS text[]), CAST($3 AS timestamptz[])) AS u (recipient, starts_at)
		WHERE r.account_id = $1 AND r.recipient = u.recipient AND r.starts_at = u.starts_at
			AND r.status = 'skipped' AND r.reason IN ($5, $6) AND r.starts_at > $4
		RETURNING r.not_before`, account, pq.Array(recipients), times(starts), now, AlreadySent, MovedBack); err != nil {
		return nil, fmt.Errorf("plan again what was turned away: %w", err)
	}
	if len(again) == 0 {
		return freed, nil
	}
	return freed, raise(ctx, tx, account, slices.MinFunc(again, time.Time.Compare))
}

// StatusChanged frees the promise of a reminder's message that notify withdrew, on
// asking the [Gate] or when a withdrawal that came too late turned out not to be.
// Other changes are notify's own story.
func (p *Planner) StatusChanged(ctx context.Context, tx *sqlx.Tx, changes []notify.StatusChange) error {
	byAccount := map[int64][]notify.StatusChange{}
	for _, c := range changes {
		if c.Origin == notify.OriginReminder && (c.Reason == notify.ReasonWithdrawn || c.Reason == notify.ReasonStale) {
			byAccount[c.AccountID] = append(byAccount[c.AccountID], c)
		}
	}
	for account, changes := range byAccount {
		if err := p.takenBack(ctx, tx, account, changes); err != nil {
			return err
		}
		p.log.InfoContext(ctx, "withdrawn reminders freed", slog.Int64("account_id", account), slog.Int("messages", len(changes)))
	}
	return nil
}

// Hears implements notify.Selective.
func (p *Planner) Hears(r notify.Reason) bool {
	return r == notify.ReasonWithdrawn || r == notify.ReasonStale
}

// takenBack makes its own of messages that never left.
func (p *Planner) takenBack(ctx context.Context, tx *sqlx.Tx, account int64, changes []notify.StatusChange) error {
	var now time.Time
	messages, ids := make([]int64, len(changes)), make([]int64, len(changes))
	stale := map[int64]bool{}
	for i, c := range changes {
		now = latest(now, c.At)
		messages[i], ids[i] = c.MessageID, c.OriginID
		stale[c.MessageID] = c.Reason == notify.ReasonStale
	}
	// The lock comes before the ledger, in the order everybody takes it.
	var rows []Reminder
	if err := tx.SelectContext(ctx, &rows, `
		SELECT `+reminderColumns+` FROM reminders r
		WHERE r.account_id = $1 AND r.message_id = ANY($2) AND r.id = ANY($3) AND r.status = 'queued' ORDER BY r.id FOR UPDATE`,
		account, pq.Array(messages), pq.Array(ids)); err != nil {
		return fmt.Errorf("reminders of withdrawn messages: %w", err)
	}
	again := false
	for i := range rows {
		r := &rows[i]
		r.DecidedAt = now
		switch {
		case r.Reason == Planned && stale[*r.MessageID]:
			// The Gate saw it moved or called off, and now it stands as announced: it was
			// put back in between. The clerk looks for itself.
			r.Status, r.NotBefore, again = StatusPlanned, now, true
		case r.Reason == Planned:
			r.Status, r.Reason = StatusDropped, Withdrawn
		default:
			r.Status = StatusDropped
		}
	}
	if len(rows) > 0 {
		if err := updateReminders(ctx, tx, account, rows); err != nil {
			return err
		}
	}
	if _, err := freeTx(ctx, tx, account, messages, now); err != nil {
		return err
	}
	if !again {
		return nil
	}
	return raise(ctx, tx, account, now)
}
