package reminders

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations/due"
	"rappel/notify"
)

// dueKind is the kind of due work the clerk leases.
const dueKind = "remind"

// EventReader reads stored appointments with their texts. *calendars.Store is one.
type EventReader interface {
	CalendarTx(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef) (calendars.Calendar, error)
	EventsTx(ctx context.Context, tx *sqlx.Tx, q calendars.EventQuery) ([]calendars.Event, error)
}

// Withdrawer takes messages back that have not left. *notify.Outbox is one.
type Withdrawer interface {
	WithdrawTx(ctx context.Context, tx *sqlx.Tx, ref notify.MessageRef, why string, now time.Time) (withdrawn bool, err error)
}

// PlannerConfig is what a Planner needs.
type PlannerConfig struct {
	Events   EventReader
	Outbox   Withdrawer
	Debounce time.Duration // 0 = DefaultDebounce; negative = none
	Log      *slog.Logger  // nil = discard
}

// Planner keeps reminders true to appointments, rules and settings. It is the
// calendars.Sink, and a notify.Observer. It works on either pool and is safe for
// concurrent use.
type Planner struct {
	events   EventReader
	outbox   Withdrawer
	debounce time.Duration
	log      *slog.Logger
}

var (
	_ calendars.Sink  = (*Planner)(nil)
	_ notify.Observer = (*Planner)(nil)
)

// NewPlanner returns a Planner.
func NewPlanner(c PlannerConfig) *Planner {
	p := &Planner{events: c.Events, outbox: c.Outbox, debounce: c.Debounce, log: c.Log}
	if p.debounce == 0 {
		p.debounce = DefaultDebounce
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p
}

// EventsChanged plans the changed appointments of cal.
func (p *Planner) EventsChanged(ctx context.Context, tx *sqlx.Tx, cal calendars.Calendar, changes []calendars.Change, now time.Time) error {
	events := make([]calendars.Event, len(changes))
	for i, c := range changes {
		events[i] = c.Event
	}
	return p.plan(ctx, tx, cal, events, now)
}

// Replan plans all stored appointments of a calendar anew, of every watched one if
// ref.ID is 0. To be called, in their transaction, after changes of rules, settings or
// a calendar's own settings.
//
// It locks the calendars' rows before any reminder, as a sync does: the two never
// plan one calendar at the same time, nor wait for each other in a circle.
func (p *Planner) Replan(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef, now time.Time) error {
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT id FROM calendars WHERE account_id = $1 AND ($2 = 0 OR id = $2) AND watched ORDER BY id FOR UPDATE`,
		ref.AccountID, ref.ID); err != nil {
		return fmt.Errorf("watched calendars: %w", err)
	}
	for _, id := range ids {
		one := calendars.CalendarRef{AccountID: ref.AccountID, ID: id}
		cal, err := p.events.CalendarTx(ctx, tx, one)
		if err != nil {
			return fmt.Errorf("replan calendar %d: %w", id, err)
		}
		events, err := p.events.EventsTx(ctx, tx, calendars.EventQuery{AccountID: ref.AccountID, CalendarID: id, From: now})
		if err != nil {
			return fmt.Errorf("replan calendar %d: %w", id, err)
		}
		// Of an appointment whose texts don't open nobody can say that its number changed:
		// what was planned for it stays, until the next snapshot has its texts anew.
		readable := slices.DeleteFunc(events, func(e calendars.Event) bool { return e.Sealed })
		if sealed := len(events) - len(readable); sealed > 0 {
			p.log.WarnContext(ctx, "appointments not planned anew, their texts don't open", slog.Int64("account_id", ref.AccountID),
				slog.Int64("calendar_id", id), slog.Int("events", sealed))
		}
		if err := p.plan(ctx, tx, cal, readable, now); err != nil {
			return err
		}
	}
	return nil
}

// CalendarStopped drops every unsent reminder of cal at once (T25, T38). Messages
// that have not left are withdrawn.
func (p *Planner) CalendarStopped(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef, why string, now time.Time) error {
	reason := CalendarStopped
	if why == calendars.StopService {
		reason = NoSubscription
	}
	var rows []Reminder
	if err := tx.SelectContext(ctx, &rows, `
		SELECT `+reminderColumns+` FROM reminders r
		WHERE r.account_id = $1 AND r.calendar_id = $2 AND (r.status = 'planned' OR r.status = 'queued' AND r.starts_at > $3)
		ORDER BY r.id FOR UPDATE`, ref.AccountID, ref.ID, now); err != nil {
		return fmt.Errorf("reminders of stopped calendar %d: %w", ref.ID, err)
	}
	var stopped []Reminder
	for _, r := range rows {
		if r.Status == StatusQueued {
			back, _, err := p.withdraw(ctx, tx, r, reason, now)
			if err != nil {
				return err
			}
			if !back { // it has left, or is about to: the Gate sees the reason
				r.Reason, r.DecidedAt = reason, now
				stopped = append(stopped, r)
				continue
			}
		}
		r.Status, r.Reason, r.DecidedAt = StatusDropped, reason, now
		stopped = append(stopped, r)
	}
	if err := putReminders(ctx, tx, ref.AccountID, stopped); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE verdicts SET reason = $4, decided_at = $3 FROM events e
		WHERE verdicts.account_id = $1 AND e.account_id = $1 AND e.id = verdicts.event_id AND e.calendar_id = $2 AND e.starts_at > $3
			AND verdicts.reason <> $4 AND NOT EXISTS (
				SELECT 1 FROM reminders r WHERE r.account_id = $1 AND r.event_id = e.id AND r.status = 'queued')`,
		ref.AccountID, ref.ID, now, reason); err != nil {
		return fmt.Errorf("verdicts of stopped calendar %d: %w", ref.ID, err)
	}
	p.log.InfoContext(ctx, "reminders stopped with their calendar", slog.Int64("account_id", ref.AccountID),
		slog.Int64("calendar_id", ref.ID), slog.String("why", why), slog.Int("reminders", len(stopped)))
	return nil
}

// Horizon is how far ahead the rules of cal look, 0 without a rule in force.
func (p *Planner) Horizon(ctx context.Context, tx *sqlx.Tx, cal calendars.CalendarRef) (time.Duration, error) {
	rules, err := rulesTx(ctx, tx, cal.AccountID, cal.ID)
	if err != nil {
		return 0, err
	}
	var far time.Duration
	for _, r := range rules {
		if r.Enabled {
			far = max(far, r.Reach())
		}
	}
	return far, nil
}

// plan plans events of cal, writes what changed and says when the clerk is wanted.
func (p *Planner) plan(ctx context.Context, tx *sqlx.Tx, cal calendars.Calendar, events []calendars.Event, now time.Time) error {
	if len(events) == 0 {
		return nil
	}
	b := batch{planner: p, cal: cal, events: events, now: now}
	if err := b.load(ctx, tx); err != nil {
		return fmt.Errorf("plan calendar %d: %w", cal.ID, err)
	}
	b.decide()
	// A message that could be withdrawn gives its promise back, which may let
	// another appointment of this very batch have it: decide again.
	back, err := b.withdraw(ctx, tx)
	if err != nil {
		return fmt.Errorf("plan calendar %d: %w", cal.ID, err)
	}
	if back {
		b.decide()
	}
	if err := b.write(ctx, tx); err != nil {
		return fmt.Errorf("plan calendar %d: %w", cal.ID, err)
	}
	p.log.InfoContext(ctx, "appointments planned", slog.Int64("account_id", cal.AccountID), slog.Int64("calendar_id", cal.ID),
		slog.Int("events", len(events)), slog.Int("reminders", b.planned), slog.Int("withdrawn", len(b.withdrawn)))
	return nil
}

// raise says when account has reminders due.
func raise(ctx context.Context, tx *sqlx.Tx, account int64, at time.Time) error {
	return due.Raise(ctx, tx, dueKind, account, at)
}
