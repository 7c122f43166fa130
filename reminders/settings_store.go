package reminders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
)

// SettingsStore keeps Settings. It works on either pool.
type SettingsStore struct {
	db      *sqlx.DB
	now     func() time.Time
	planner *Planner
}

// NewSettings returns the settings in db; now nil means time.Now.
func NewSettings(db *sqlx.DB, now func() time.Time, planner *Planner) *SettingsStore {
	return &SettingsStore{db: db, now: clockOr(now), planner: planner}
}

// settingsTx reads the settings of account, or ErrNotFound.
func settingsTx(ctx context.Context, tx *sqlx.Tx, account int64) (Settings, error) {
	var s Settings
	err := tx.GetContext(ctx, &s, `SELECT `+settingsColumns+` FROM accounts a WHERE a.account_id = $1`, account)
	if errors.Is(err, sql.ErrNoRows) {
		return Settings{}, fmt.Errorf("account %d: %w", account, ErrNotFound)
	}
	if err != nil {
		return Settings{}, fmt.Errorf("read settings: %w", err)
	}
	return s, nil
}

// Get returns the settings of account, or ErrNotFound.
func (s *SettingsStore) Get(ctx context.Context, account int64) (out Settings, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		out, err = settingsTx(ctx, tx, account)
		return err
	})
	return out, err
}

// Save stores in, tidied, and plans all calendars of the account anew, for numbers
// may be found that were not, or elsewhere. Fails with an *[Invalid] or ErrNotFound.
func (s *SettingsStore) Save(ctx context.Context, in Settings) error {
	return migrations.InAccount(ctx, s.db, in.AccountID, func(tx *sqlx.Tx) error { return s.SaveTx(ctx, tx, in) })
}

// SaveTx is Save within tx.
func (s *SettingsStore) SaveTx(ctx context.Context, tx *sqlx.Tx, in Settings) error {
	in = in.Tidy()
	if err := in.Validate(); err != nil {
		return err
	}
	res, err := tx.NamedExecContext(ctx, `
		UPDATE accounts SET business = :business, zone = :zone, region = :region, more_regions = :more_regions, language = :language,
			callback = :callback, sender = :sender, field_order = :field_order, several_numbers = :several_numbers,
			own_numbers = :own_numbers, min_lead_minutes = :min_lead_minutes, smart_encoding = :smart_encoding,
			quiet_from = :quiet_from, quiet_to = :quiet_to
		WHERE account_id = :account_id`, in)
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	if err := oneRow(res, "account", in.AccountID); err != nil {
		return err
	}
	if s.planner == nil {
		return nil
	}
	return s.planner.Replan(ctx, tx, calendars.CalendarRef{AccountID: in.AccountID}, s.now())
}
