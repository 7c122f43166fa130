package reminders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/notify"
)

// desk is what sending reminders of one calendar needs, read within the transaction
// that sends them.
type desk struct {
	settings  Settings
	calendar  calendars.Calendar
	rules     map[int64]Rule
	templates map[int64]Template
	events    map[int64]calendars.Event // without texts
}

// send decides about reminders in one transaction and returns about how many.
func (c *Clerk) send(ctx context.Context, ref calendars.CalendarRef, ids []int64, fresh time.Time) (worked int, err error) {
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
		for i := range rows {
			if err := c.one(ctx, tx, d, &rows[i], fresh, now); err != nil {
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

// lockPlannedTx locks those of ids that are still planned and due: the verify just
// made may have moved, dropped or postponed them.
func lockPlannedTx(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef, ids []int64, now time.Time) ([]Reminder, error) {
	var rows []Reminder
	if err := tx.SelectContext(ctx, &rows, `
		SELECT `+reminderColumns+` FROM reminders r
		WHERE r.account_id = $1 AND r.calendar_id = $2 AND r.id = ANY($3) AND r.status = 'planned' AND r.not_before <= $4
		ORDER BY r.id FOR UPDATE`, ref.AccountID, ref.ID, pq.Array(ids), now); err != nil {
		return nil, fmt.Errorf("lock reminders: %w", err)
	}
	return rows, nil
}

// one decides about r, which is locked: queued, skipped, dropped, or waiting on.
func (c *Clerk) one(ctx context.Context, tx *sqlx.Tx, d desk, r *Reminder, fresh, now time.Time) error {
	r.DecidedAt = now
	event, ok := d.events[r.EventID]
	rule, ruled := d.rules[r.RuleID]
	zone := d.settings.Location()
	switch {
	case !d.calendar.Watched || d.calendar.Status != calendars.CalendarActive:
		r.Status, r.Reason = StatusDropped, CalendarStopped
		return nil
	case !d.settings.Serves():
		r.Status, r.Reason = StatusDropped, NoSubscription
		return nil
	case !ok || event.Gone != nil:
		r.Status, r.Reason = StatusDropped, Gone
		return nil
	case event.Cancelled:
		r.Status, r.Reason = StatusDropped, Cancelled
		return nil
	case event.Declined:
		r.Status, r.Reason = StatusDropped, Declined
		return nil
	case !ruled || !rule.Enabled:
		r.Status, r.Reason = StatusDropped, RulesOff
		return nil
	case !StartOf(event, zone).Equal(r.StartsAt):
		// Whoever moved the appointment moves the reminder too, in the same
		// transaction. Until we see that, nothing is announced.
		r.NotBefore, r.Reason = now.Add(time.Minute), Settling
		return nil
	}
	last := lastMoment(event, d.settings)
	if now.After(last) {
		r.Status, r.Reason = StatusSkipped, waited(r.Reason)
		return c.missed(ctx, tx, *r, now)
	}
	switch q := d.settings.quiet(now, last); {
	case q.After(now):
		r.NotBefore = q
		return nil
	case q.Before(now) && now.Sub(r.DueAt) > time.Hour:
		r.Status, r.Reason = StatusSkipped, TooLate
		return nil
	}
	m, err := d.message(*r, rule, event)
	if err != nil {
		return c.unsendable(ctx, tx, r, last, now, err)
	}
	m.FreshUntil = fresh
	m.Expires = expiry(last, r.StartsAt, now)
	promised, err := promiseTx(ctx, tx, *r, rule.OffsetKey(), now)
	if err != nil {
		return err
	}
	if !promised {
		r.Status, r.Reason = StatusSkipped, AlreadySent
		return nil
	}
	id, err := c.enqueue(ctx, tx, m)
	if err != nil {
		if !final(err) {
			return err
		}
		if e := breakPromise(ctx, tx, *r, rule.OffsetKey()); e != nil {
			return e
		}
		return c.unsendable(ctx, tx, r, last, now, err)
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE sent_ledger SET message_id = $5 WHERE account_id = $1 AND recipient = $2 AND starts_at = $3 AND offset_key = $4`,
		r.AccountID, r.Recipient, r.StartsAt, rule.OffsetKey(), id); err != nil {
		return fmt.Errorf("note message in ledger: %w", err)
	}
	r.Status, r.Reason, r.MessageID = StatusQueued, Planned, &id
	c.Log.InfoContext(ctx, "reminder queued", slog.Int64("account_id", r.AccountID), slog.Int64("reminder_id", r.ID), slog.Int64("message_id", id))
	return nil
}

// expiry is when a message is worthless: the last moment, but a minute from now at
// least so that one sent at the last moment can leave, and never after the start.
func expiry(last, start, now time.Time) time.Time {
	at := latest(last, now.Add(time.Minute))
	if start.After(now) && at.After(start) {
		return start
	}
	return at
}

// message renders r as it is worded today.
func (d desk) message(r Reminder, rule Rule, e calendars.Event) (notify.NewMessage, error) {
	language := rule.Language
	if language == "" {
		language = d.settings.Language
	}
	body, language, ok := d.templates[rule.TemplateID].Pick(language, d.settings.Language)
	if !ok {
		return notify.NewMessage{}, fmt.Errorf("template %d has no text: %w", rule.TemplateID, ErrInvalid)
	}
	vars, err := VarsFor(d.settings, d.calendar, e, language)
	if err != nil {
		return notify.NewMessage{}, err
	}
	text, err := Render(body, vars)
	if err != nil {
		return notify.NewMessage{}, fmt.Errorf("template %d: %w", rule.TemplateID, err)
	}
	sender := rule.Sender
	if sender == "" {
		sender = d.settings.Sender
	}
	return notify.NewMessage{
		AccountID: r.AccountID, Kind: notify.Notification,
		Reference: fmt.Sprintf("reminder:%d:%d", r.ID, r.StartsAt.Unix()),
		Origin:    notify.OriginReminder, OriginID: r.ID,
		Recipient: r.Recipient, Sender: sender, Body: text, Smart: d.settings.Smart,
	}, nil
}

// maxAgain bounds how often one reminder may be withdrawn and sent again for one start.
const maxAgain = 20

// enqueue hands m to notify and returns the message's id. A reference that is known
// belongs to a message that was withdrawn, else the ledger would not have let us come
// here; so the reference gets a number.
func (c *Clerk) enqueue(ctx context.Context, tx *sqlx.Tx, m notify.NewMessage) (int64, error) {
	reference := m.Reference
	for again := 2; again <= maxAgain; again++ {
		done, err := c.Outbox.EnqueueTx(ctx, tx, m)
		if err != nil {
			return 0, fmt.Errorf("enqueue: %w", err)
		}
		if !done.Duplicate {
			return done.ID, nil
		}
		m.Reference = fmt.Sprintf("%s:%d", reference, again)
	}
	return 0, fmt.Errorf("enqueue: withdrawn %d times: %w", maxAgain, notify.ErrRequest)
}

// final reports whether the outbox will never take such a message.
func final(err error) bool {
	return errors.Is(err, notify.ErrSender) || errors.Is(err, notify.ErrRecipient) ||
		errors.Is(err, notify.ErrBody) || errors.Is(err, notify.ErrRequest)
}

// promiseTx takes the row of the ledger. false means that somebody has it.
func promiseTx(ctx context.Context, tx *sqlx.Tx, r Reminder, offset string, now time.Time) (bool, error) {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO sent_ledger (account_id, recipient, starts_at, offset_key, reminder_id, message_id, claimed_at)
		VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (account_id, recipient, starts_at, offset_key) DO NOTHING`,
		r.AccountID, r.Recipient, r.StartsAt, offset, r.ID, now)
	if err != nil {
		return false, fmt.Errorf("promise: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("promise: %w", err)
	}
	return n == 1, nil
}

// breakPromise gives back what promiseTx took in this very transaction.
func breakPromise(ctx context.Context, tx *sqlx.Tx, r Reminder, offset string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM sent_ledger WHERE account_id = $1 AND recipient = $2 AND starts_at = $3 AND offset_key = $4`,
		r.AccountID, r.Recipient, r.StartsAt, offset); err != nil {
		return fmt.Errorf("break promise: %w", err)
	}
	return nil
}

// readDesk reads what the rows need.
func readDesk(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef, rows []Reminder) (d desk, err error) {
	if d.settings, err = settingsTx(ctx, tx, ref.AccountID); err != nil {
		return d, err
	}
	if err := tx.GetContext(ctx, &d.calendar, `
		SELECT account_id, id, watched, status, practitioner, location_name FROM calendars WHERE account_id = $1 AND id = $2`,
		ref.AccountID, ref.ID); err != nil {
		return d, fmt.Errorf("read calendar %d: %w", ref.ID, err)
	}
	rules, err := rulesTx(ctx, tx, ref.AccountID, ref.ID)
	if err != nil {
		return d, err
	}
	d.rules, d.templates = map[int64]Rule{}, map[int64]Template{}
	var used []int64
	for _, r := range rules {
		d.rules[r.ID] = r
		used = append(used, r.TemplateID)
	}
	if len(used) > 0 {
		found, err := templatesTx(ctx, tx, ref.AccountID, used)
		if err != nil {
			return d, err
		}
		for _, t := range found {
			d.templates[t.ID] = t
		}
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.EventID
	}
	d.events, err = standingTx(ctx, tx, ref.AccountID, ids)
	return d, err
}

// standingTx reads when events take place and whether they stand, but no texts.
func standingTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64) (map[int64]calendars.Event, error) {
	var rows []struct {
		ID        int64      `db:"id"`
		Calendar  int64      `db:"calendar_id"`
		StartsAt  time.Time  `db:"starts_at"`
		EndsAt    time.Time  `db:"ends_at"`
		AllDay    bool       `db:"all_day"`
		StartDate string     `db:"start_date"`
		Cancelled bool       `db:"cancelled"`
		Declined  bool       `db:"declined"`
		GoneAt    *time.Time `db:"gone_at"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT id, calendar_id, starts_at, ends_at, all_day, COALESCE(to_char(start_date, 'YYYY-MM-DD'), '') AS start_date,
			cancelled, declined, gone_at
		FROM events WHERE account_id = $1 AND id = ANY($2)`, account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read appointments: %w", err)
	}
	out := make(map[int64]calendars.Event, len(rows))
	for _, r := range rows {
		out[r.ID] = calendars.Event{
			AccountID: account, ID: r.ID, CalendarID: r.Calendar, Start: r.StartsAt, End: r.EndsAt, AllDay: r.AllDay,
			StartDate: r.StartDate, Cancelled: r.Cancelled, Declined: r.Declined, Gone: r.GoneAt,
		}
	}
	return out, nil
}

// updateReminders writes what the clerk decided about locked rows.
func updateReminders(ctx context.Context, tx *sqlx.Tx, account int64, rows []Reminder) error {
	var c struct {
		ids, messages       []int64
		statuses, reasons   []string
		notBefores, decided []time.Time
	}
	for _, r := range rows {
		message := int64(0)
		if r.MessageID != nil {
			message = *r.MessageID
		}
		c.ids = append(c.ids, r.ID)
		c.messages = append(c.messages, message)
		c.statuses = append(c.statuses, string(r.Status))
		c.reasons = append(c.reasons, string(r.Reason))
		c.notBefores = append(c.notBefores, r.NotBefore)
		c.decided = append(c.decided, r.DecidedAt)
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE reminders r SET status = u.status, reason = u.reason, not_before = u.not_before, decided_at = u.decided_at,
			message_id = NULLIF(u.message_id, 0)
		FROM unnest(CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS timestamptz[]), CAST($6 AS timestamptz[]),
			CAST($7 AS bigint[])) AS u (id, status, reason, not_before, decided_at, message_id)
		WHERE r.account_id = $1 AND r.id = u.id`,
		account, pq.Array(c.ids), pq.Array(c.statuses), pq.Array(c.reasons), times(c.notBefores), times(c.decided), pq.Array(c.messages)); err != nil {
		return fmt.Errorf("write %d decisions: %w", len(rows), err)
	}
	return nil
}
