package reminders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
)

// RuleRef names a rule.
type RuleRef struct{ AccountID, ID int64 }

// Ringer asks for a calendar to be read soon: a rule that looks further ahead needs
// appointments nobody has read yet. calendars.Syncer is one.
type Ringer interface {
	Ring(ctx context.Context, ext sqlx.ExtContext, ref calendars.CalendarRef) error
}

// Rules keeps rules. It works on either pool. Whatever it changes is planned anew in
// the same transaction.
type Rules struct {
	db      *sqlx.DB
	now     func() time.Time
	planner *Planner
	ringer  Ringer
}

// NewRules returns the rules in db. now nil means time.Now; ringer may be nil.
func NewRules(db *sqlx.DB, now func() time.Time, planner *Planner, ringer Ringer) *Rules {
	return &Rules{db: db, now: clockOr(now), planner: planner, ringer: ringer}
}

const ruleColumns = `r.account_id, r.id, r.calendar_id, r.kind, r.amount, r.at_time, r.template_id, r.language, r.sender,
	r.enabled, r.late, r.late_min_minutes, r.created_at, r.updated_at`

// rulesTx reads the account's rules, of one calendar unless calendar is 0, without
// the deleted ones, those that fire earliest first.
func rulesTx(ctx context.Context, tx *sqlx.Tx, account, calendar int64) ([]Rule, error) {
	var rules []Rule
	if err := tx.SelectContext(ctx, &rules, `
		SELECT `+ruleColumns+` FROM rules r
		WHERE r.account_id = $1 AND ($2 = 0 OR r.calendar_id = $2) AND r.deleted_at IS NULL
		ORDER BY r.calendar_id, CASE WHEN r.kind = 'days_before' THEN r.amount * 24 ELSE r.amount END DESC, r.id`,
		account, calendar); err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return rules, nil
}

// List returns the rules of a calendar, those that fire earliest first.
func (r *Rules) List(ctx context.Context, cal calendars.CalendarRef) (out []Rule, err error) {
	err = migrations.InAccount(ctx, r.db, cal.AccountID, func(tx *sqlx.Tx) error {
		out, err = rulesTx(ctx, tx, cal.AccountID, cal.ID)
		return err
	})
	return out, err
}

// All returns the rules of all calendars of account.
func (r *Rules) All(ctx context.Context, account int64) ([]Rule, error) {
	return r.List(ctx, calendars.CalendarRef{AccountID: account})
}

// Get returns one rule, or ErrNotFound.
func (r *Rules) Get(ctx context.Context, ref RuleRef) (out Rule, err error) {
	err = migrations.InAccount(ctx, r.db, ref.AccountID, func(tx *sqlx.Tx) error {
		out, err = r.GetTx(ctx, tx, ref)
		return err
	})
	return out, err
}

// GetTx is Get within tx.
func (r *Rules) GetTx(ctx context.Context, tx *sqlx.Tx, ref RuleRef) (Rule, error) {
	var rule Rule
	err := tx.GetContext(ctx, &rule, `SELECT `+ruleColumns+` FROM rules r WHERE r.account_id = $1 AND r.id = $2 AND r.deleted_at IS NULL`,
		ref.AccountID, ref.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return Rule{}, fmt.Errorf("rule %d: %w", ref.ID, ErrNotFound)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("read rule %d: %w", ref.ID, err)
	}
	return rule, nil
}

// Save creates in (ID 0) or replaces it and plans its calendar anew: what was not
// sent yet follows the new rule, what was sent is not repeated (T21). Fails with an
// *[Invalid] or ErrNotFound.
func (r *Rules) Save(ctx context.Context, in Rule) (out Rule, err error) {
	err = migrations.InAccount(ctx, r.db, in.AccountID, func(tx *sqlx.Tx) error {
		out, err = r.SaveTx(ctx, tx, in)
		return err
	})
	return out, err
}

// SaveTx is Save within tx.
func (r *Rules) SaveTx(ctx context.Context, tx *sqlx.Tx, in Rule) (Rule, error) {
	in.Sender = strings.TrimSpace(in.Sender)
	in.AtTime = strings.TrimSpace(in.AtTime)
	if in.Late == "" {
		in.Late = LateSkip
	}
	now := r.now()
	in.CreatedAt, in.UpdatedAt = now, now
	var before Rule
	if in.ID != 0 {
		var err error
		if before, err = r.GetTx(ctx, tx, RuleRef{in.AccountID, in.ID}); err != nil {
			return Rule{}, err
		}
		in.CreatedAt = before.CreatedAt
		if in.CalendarID == 0 {
			in.CalendarID = before.CalendarID
		}
		if firesAlike(before, in) {
			in.UpdatedAt = before.UpdatedAt
		}
	}
	if err := in.Validate(); err != nil {
		return Rule{}, err
	}
	calendar, err := lockCalendarTx(ctx, tx, calendars.CalendarRef{AccountID: in.AccountID, ID: in.CalendarID})
	if err != nil {
		return Rule{}, err
	}
	if err := r.checkRefs(ctx, tx, in, before, calendar); err != nil {
		return Rule{}, err
	}
	if in.ID == 0 {
		if err := tx.GetContext(ctx, &in.ID, `
			INSERT INTO rules AS r (account_id, calendar_id, kind, amount, at_time, template_id, language, sender, enabled, late,
				late_min_minutes, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) RETURNING r.id`,
			in.AccountID, in.CalendarID, in.Kind, in.Amount, in.AtTime, in.TemplateID, in.Language, in.Sender, in.Enabled, in.Late,
			in.LateMinMinutes, now); err != nil {
			return Rule{}, fmt.Errorf("create rule: %w", err)
		}
	} else if _, err := tx.ExecContext(ctx, `
		UPDATE rules SET kind = $3, amount = $4, at_time = $5, template_id = $6, language = $7, sender = $8, enabled = $9, late = $10,
			late_min_minutes = $11, updated_at = $12
		WHERE account_id = $1 AND id = $2`,
		in.AccountID, in.ID, in.Kind, in.Amount, in.AtTime, in.TemplateID, in.Language, in.Sender, in.Enabled, in.Late,
		in.LateMinMinutes, in.UpdatedAt); err != nil {
		return Rule{}, fmt.Errorf("save rule %d: %w", in.ID, err)
	}
	return in, r.changed(ctx, tx, calendars.CalendarRef{AccountID: in.AccountID, ID: in.CalendarID}, now)
}

// firesAlike reports whether b fires exactly when a does, and did before.
func firesAlike(a, b Rule) bool {
	return a.Kind == b.Kind && a.Amount == b.Amount && a.AtTime == b.AtTime && (a.Enabled || !b.Enabled)
}

// lockCalendarTx locks a calendar and reports whether there is one. Rules are written
// under this lock: a row of rules locks its calendar for sharing, and two such that
// then wanted to plan it would wait for each other.
func lockCalendarTx(ctx context.Context, tx *sqlx.Tx, ref calendars.CalendarRef) (found bool, err error) {
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT id FROM calendars WHERE account_id = $1 AND id = $2 FOR UPDATE`, ref.AccountID, ref.ID); err != nil {
		return false, fmt.Errorf("lock calendar %d: %w", ref.ID, err)
	}
	return len(ids) == 1, nil
}

// checkRefs reports what in names and isn't there. Another account's calendar or
// template is not there.
func (r *Rules) checkRefs(ctx context.Context, tx *sqlx.Tx, in, before Rule, calendar bool) error {
	var bad []FieldError
	if !calendar || (before.ID != 0 && before.CalendarID != in.CalendarID) {
		bad = append(bad, FieldError{Field: "calendar_id", Code: CodeUnknown})
	}
	found, err := templatesTx(ctx, tx, in.AccountID, []int64{in.TemplateID})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		bad = append(bad, FieldError{Field: "template_id", Code: CodeUnknown})
	case in.Language != "" && found[0].Texts[in.Language] == "":
		bad = append(bad, FieldError{Field: "language", Code: CodeNoTextInLanguage, Params: map[string]any{"language": in.Language}})
	}
	return invalid(bad)
}

// Delete ends a rule: its unsent reminders are dropped. The row stays, since what it
// sent stays. Fails with ErrNotFound.
func (r *Rules) Delete(ctx context.Context, ref RuleRef) error {
	return migrations.InAccount(ctx, r.db, ref.AccountID, func(tx *sqlx.Tx) error { return r.DeleteTx(ctx, tx, ref) })
}

// DeleteTx is Delete within tx.
func (r *Rules) DeleteTx(ctx context.Context, tx *sqlx.Tx, ref RuleRef) error {
	rule, err := r.GetTx(ctx, tx, ref)
	if err != nil {
		return err
	}
	now, cal := r.now(), calendars.CalendarRef{AccountID: ref.AccountID, ID: rule.CalendarID}
	if _, err := lockCalendarTx(ctx, tx, cal); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE rules SET deleted_at = $3, enabled = false WHERE account_id = $1 AND id = $2`,
		ref.AccountID, ref.ID, now); err != nil {
		return fmt.Errorf("delete rule %d: %w", ref.ID, err)
	}
	return r.changed(ctx, tx, cal, now)
}

func (r *Rules) changed(ctx context.Context, tx *sqlx.Tx, cal calendars.CalendarRef, now time.Time) error {
	if r.planner != nil {
		if err := r.planner.Replan(ctx, tx, cal, now); err != nil {
			return err
		}
	}
	if r.ringer != nil {
		if err := r.ringer.Ring(ctx, tx, cal); err != nil {
			return fmt.Errorf("ring calendar %d: %w", cal.ID, err)
		}
	}
	return nil
}
