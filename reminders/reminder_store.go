package reminders

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/calendars"
	"rappel/migrations"
)

// lockRemindersTx locks and returns the reminders of a calendar that were made for
// one of events or bear one of uids, in the order of ids, which is the order everybody
// locks them in.
//
// The rows are found first and locked by a second statement: FOR UPDATE is not
// allowed over a UNION, and an OR would read every reminder of the account.
func lockRemindersTx(ctx context.Context, tx *sqlx.Tx, cal calendars.CalendarRef, events []int64, uids []string) ([]Reminder, error) {
	var rows []Reminder
	if err := tx.SelectContext(ctx, &rows, `
		WITH mine AS MATERIALIZED (
			SELECT id FROM reminders WHERE account_id = $1 AND event_id = ANY($3)
			UNION
			SELECT id FROM reminders WHERE account_id = $1 AND calendar_id = $2 AND uid = ANY($4))
		SELECT `+reminderColumns+` FROM reminders r
		WHERE r.account_id = $1 AND r.calendar_id = $2 AND r.id = ANY(ARRAY(SELECT id FROM mine))
		ORDER BY r.id FOR UPDATE OF r`, cal.AccountID, cal.ID, pq.Array(events), pq.Array(uids)); err != nil {
		return nil, fmt.Errorf("lock reminders: %w", err)
	}
	return rows, nil
}

// promisedTx reads the ledger rows of numbers for starts after from.
func promisedTx(ctx context.Context, tx *sqlx.Tx, account int64, numbers []string, from time.Time) (map[Promise]bool, error) {
	out := map[Promise]bool{}
	if len(numbers) == 0 {
		return out, nil
	}
	var rows []struct {
		Recipient string    `db:"recipient"`
		StartsAt  time.Time `db:"starts_at"`
		OffsetKey string    `db:"offset_key"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT recipient, starts_at, offset_key FROM sent_ledger WHERE account_id = $1 AND recipient = ANY($2) AND starts_at > $3`,
		account, pq.Array(numbers), from); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	for _, r := range rows {
		out[Promise{Recipient: r.Recipient, Start: r.StartsAt.Unix(), Offset: r.OffsetKey}] = true
	}
	return out, nil
}

// comingTx reads what appointments of the account had planned for numbers until
// just now.
func comingTx(ctx context.Context, tx *sqlx.Tx, account int64, numbers []string, now time.Time) (map[Promise]bool, error) {
	out := map[Promise]bool{}
	if len(numbers) == 0 {
		return out, nil
	}
	var rows []struct {
		Recipient string    `db:"recipient"`
		StartsAt  time.Time `db:"starts_at"`
		Kind      RuleKind  `db:"kind"`
		Amount    int       `db:"amount"`
		AtTime    string    `db:"at_time"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT r.recipient, r.starts_at, u.kind, u.amount, u.at_time FROM reminders r
		JOIN rules u ON u.account_id = r.account_id AND u.id = r.rule_id
		WHERE r.account_id = $1 AND u.account_id = $1 AND r.recipient = ANY($2) AND r.starts_at > $3
			AND (r.status = 'planned' OR r.status = 'dropped' AND r.reason = ANY($5) AND r.decided_at >= $4)`,
		account, pq.Array(numbers), now, now.Add(-moveGrace), pq.Array([]string{string(Gone), string(Cancelled)})); err != nil {
		return nil, fmt.Errorf("read coming reminders: %w", err)
	}
	for _, r := range rows {
		out[PromiseOf(r.Recipient, r.StartsAt, Rule{Kind: r.Kind, Amount: r.Amount, AtTime: r.AtTime})] = true
	}
	return out, nil
}

// writeChunk is how many rows one statement writes.
const writeChunk = 1000

// putReminders inserts or replaces rows by their key. A row that was queued for the
// same start meanwhile is left alone: its text is on the way.
func putReminders(ctx context.Context, tx *sqlx.Tx, account int64, rows []Reminder) error {
	for len(rows) > 0 {
		n := min(len(rows), writeChunk)
		if err := putReminderChunk(ctx, tx, account, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func putReminderChunk(ctx context.Context, tx *sqlx.Tx, account int64, rows []Reminder) error {
	var c struct {
		events, calendars, rules                   []int64
		uids, occurrences, recipients, fields      []string
		starts, dues, notBefores, created, decided []time.Time
		statuses, reasons                          []string
	}
	for _, r := range rows {
		c.events = append(c.events, r.EventID)
		c.calendars = append(c.calendars, r.CalendarID)
		c.rules = append(c.rules, r.RuleID)
		c.uids = append(c.uids, r.UID)
		c.occurrences = append(c.occurrences, r.Occurrence)
		c.recipients = append(c.recipients, r.Recipient)
		c.fields = append(c.fields, r.Field)
		c.starts = append(c.starts, r.StartsAt)
		c.dues = append(c.dues, r.DueAt)
		c.notBefores = append(c.notBefores, r.NotBefore)
		c.statuses = append(c.statuses, string(r.Status))
		c.reasons = append(c.reasons, string(r.Reason))
		c.created = append(c.created, r.CreatedAt)
		c.decided = append(c.decided, r.DecidedAt)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO reminders AS r (account_id, event_id, calendar_id, uid, occurrence, rule_id, recipient, field, starts_at, due_at,
			not_before, status, reason, created_at, decided_at)
		SELECT $1, u.* FROM unnest(CAST($2 AS bigint[]), CAST($3 AS bigint[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS bigint[]),
			CAST($7 AS text[]), CAST($8 AS text[]), CAST($9 AS timestamptz[]), CAST($10 AS timestamptz[]), CAST($11 AS timestamptz[]),
			CAST($12 AS text[]), CAST($13 AS text[]), CAST($14 AS timestamptz[]), CAST($15 AS timestamptz[])) AS u
		ON CONFLICT (account_id, calendar_id, uid, occurrence, rule_id, recipient) DO UPDATE SET
			event_id = EXCLUDED.event_id, field = EXCLUDED.field, starts_at = EXCLUDED.starts_at, due_at = EXCLUDED.due_at,
			not_before = EXCLUDED.not_before, status = EXCLUDED.status, reason = EXCLUDED.reason, decided_at = EXCLUDED.decided_at
		WHERE NOT (r.status = 'queued' AND EXCLUDED.status = 'planned' AND r.starts_at = EXCLUDED.starts_at)`,
		account, pq.Array(c.events), pq.Array(c.calendars), pq.Array(c.uids), pq.Array(c.occurrences), pq.Array(c.rules),
		pq.Array(c.recipients), pq.Array(c.fields), times(c.starts), times(c.dues), times(c.notBefores),
		pq.Array(c.statuses), pq.Array(c.reasons), times(c.created), times(c.decided)); err != nil {
		return fmt.Errorf("write %d reminders: %w", len(rows), err)
	}
	return nil
}

func putVerdicts(ctx context.Context, tx *sqlx.Tx, account int64, rows []Verdict) error {
	for len(rows) > 0 {
		n := min(len(rows), writeChunk)
		var c struct {
			events, others                        []int64
			reasons, recipients, fields, rejected []string
			decided                               []time.Time
		}
		for _, v := range rows[:n] {
			c.events = append(c.events, v.EventID)
			c.reasons = append(c.reasons, string(v.Reason))
			c.recipients = append(c.recipients, v.Recipient)
			c.fields = append(c.fields, v.Field)
			c.others = append(c.others, int64(v.Others))
			c.rejected = append(c.rejected, v.Rejected)
			c.decided = append(c.decided, v.DecidedAt)
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO verdicts AS v (account_id, event_id, reason, recipient, field, others, rejected, decided_at)
			SELECT $1, u.* FROM unnest(CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS int[]),
				CAST($7 AS text[]), CAST($8 AS timestamptz[])) AS u
			ON CONFLICT (account_id, event_id) DO UPDATE SET reason = EXCLUDED.reason, recipient = EXCLUDED.recipient,
				field = EXCLUDED.field, others = EXCLUDED.others, rejected = EXCLUDED.rejected, decided_at = EXCLUDED.decided_at`,
			account, pq.Array(c.events), pq.Array(c.reasons), pq.Array(c.recipients), pq.Array(c.fields), pq.Array(c.others),
			pq.Array(c.rejected), times(c.decided)); err != nil {
			return fmt.Errorf("write %d verdicts: %w", n, err)
		}
		rows = rows[n:]
	}
	return nil
}

// times is an array of instants as PostgreSQL reads it; pq.Array of time.Time would
// drop the fraction and quote by its own rules.
func times(ts []time.Time) any {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	}
	return pq.Array(out)
}

// Store reads reminders and verdicts for lists. It works on either pool.
type Store struct{ db *sqlx.DB }

// NewStore returns the reminders in db.
func NewStore(db *sqlx.DB) *Store { return &Store{db: db} }

// Verdicts returns what was found about events, by event id. Those never planned are
// missing.
func (s *Store) Verdicts(ctx context.Context, account int64, events []int64) (map[int64]Verdict, error) {
	out := make(map[int64]Verdict, len(events))
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		var rows []Verdict
		if err := tx.SelectContext(ctx, &rows, `
			SELECT account_id, event_id, reason, recipient, field, others, rejected, decided_at FROM verdicts
			WHERE account_id = $1 AND event_id = ANY($2)`, account, pq.Array(events)); err != nil {
			return fmt.Errorf("read verdicts: %w", err)
		}
		for _, v := range rows {
			out[v.EventID] = v
		}
		return nil
	})
	return out, err
}

// Reminders returns the reminders of events by event id, the earliest due first.
func (s *Store) Reminders(ctx context.Context, account int64, events []int64) (map[int64][]Reminder, error) {
	out := make(map[int64][]Reminder, len(events))
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		var rows []Reminder
		if err := tx.SelectContext(ctx, &rows, `
			SELECT `+reminderColumns+` FROM reminders r WHERE r.account_id = $1 AND r.event_id = ANY($2) ORDER BY r.due_at, r.id`,
			account, pq.Array(events)); err != nil {
			return fmt.Errorf("read reminders: %w", err)
		}
		for _, r := range rows {
			out[r.EventID] = append(out[r.EventID], r)
		}
		return nil
	})
	return out, err
}

// Planned returns up to limit reminders of account that are to be sent before to,
// the earliest first: what goes out in the next days.
func (s *Store) Planned(ctx context.Context, account int64, to time.Time, limit int) (rows []Reminder, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		if err := tx.SelectContext(ctx, &rows, `
			SELECT `+reminderColumns+` FROM reminders r
			WHERE r.account_id = $1 AND r.status = 'planned' AND r.not_before < $2 ORDER BY r.not_before, r.id LIMIT $3`,
			account, to, limit); err != nil {
			return fmt.Errorf("read planned reminders: %w", err)
		}
		return nil
	})
	return rows, err
}
