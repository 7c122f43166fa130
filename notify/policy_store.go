package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// readRules reads all country rules and suffixes. A row that makes no sense is an error:
// it would be worse to send by half of the rules.
func readRules(ctx context.Context, q sqlx.QueryerContext) (rulebook, error) {
	var rows []struct {
		Country            string         `db:"country"`
		ValidFrom          time.Time      `db:"valid_from"`
		Source             string         `db:"source"`
		SenderMode         SenderMode     `db:"sender_mode"`
		NumericSender      bool           `db:"numeric_sender"`
		ForeignNumeric     bool           `db:"foreign_numeric"`
		BarredNames        pq.StringArray `db:"barred_names"`
		RegistrationNeeded bool           `db:"registration_needed"`
		Hours              pq.StringArray `db:"hours"`
		HolidaySet         string         `db:"holiday_set"`
		ConfirmOptOut      bool           `db:"optout_confirm"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT country, valid_from, source, sender_mode, numeric_sender, foreign_numeric, barred_names,
		registration_needed, hours, holiday_set, optout_confirm FROM country_rules`); err != nil {
		return rulebook{}, fmt.Errorf("read country rules: %w", err)
	}
	b := rulebook{countries: map[string][]CountryRules{}}
	for _, r := range rows {
		hours, err := ParseHours(r.Hours)
		if err != nil {
			return rulebook{}, fmt.Errorf("rules of country %q: %w", r.Country, err)
		}
		b.countries[r.Country] = append(b.countries[r.Country], CountryRules{Country: r.Country, ValidFrom: r.ValidFrom, Source: r.Source,
			SenderMode: r.SenderMode, NumericSender: r.NumericSender, ForeignNumeric: r.ForeignNumeric, BarredNames: r.BarredNames,
			RegistrationNeeded: r.RegistrationNeeded, Hours: hours, HolidaySet: r.HolidaySet, ConfirmOptOut: r.ConfirmOptOut})
	}
	if err := sqlx.SelectContext(ctx, q, &b.suffixes, `SELECT kind, country, sender_kind, service, language, valid_from, separator, form, source
		FROM stop_suffixes`); err != nil {
		return rulebook{}, fmt.Errorf("read STOP suffixes: %w", err)
	}
	b.sort()
	return b, nil
}

// readAccounts reads the settings of those of accounts that exist.
func readAccounts(ctx context.Context, q sqlx.QueryerContext, accounts []int64, now time.Time) (map[int64]*accountPolicy, error) {
	var rows []struct {
		AccountID int64          `db:"account_id"`
		Business  string         `db:"business"`
		Language  string         `db:"language"`
		Sender    string         `db:"sender"`
		Region    string         `db:"holiday_region"`
		Fallback  string         `db:"fallback_sender"`
		TwoWay    pq.StringArray `db:"two_way_numbers"`
		Review    Review         `db:"review"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT account_id, business, language, sender, holiday_region, fallback_sender, two_way_numbers, review
		FROM accounts WHERE account_id = ANY (CAST($1 AS bigint[]))`, pq.Array(accounts)); err != nil {
		return nil, fmt.Errorf("read settings of %d accounts: %w", len(accounts), err)
	}
	all := make(map[int64]*accountPolicy, len(rows))
	for _, r := range rows {
		a := &accountPolicy{region: r.Region, language: r.Language, business: r.Business, sender: r.Sender, fallback: r.Fallback,
			twoWay: map[string]bool{}, review: r.Review, registrations: map[registrationKey]RegistrationState{}, loaded: now}
		for _, number := range r.TwoWay {
			a.twoWay[number] = true
		}
		all[r.AccountID] = a
	}
	var registered []Registration
	if err := sqlx.SelectContext(ctx, q, &registered, `SELECT account_id, country, sender, state, note, since FROM sender_registrations
		WHERE account_id = ANY (CAST($1 AS bigint[])) ORDER BY since`, pq.Array(accounts)); err != nil {
		return nil, fmt.Errorf("read sender registrations: %w", err)
	}
	for _, r := range registered {
		if a := all[r.AccountID]; a != nil {
			a.registrations[registrationOf(r.Country, r.Sender)] = r.State
		}
	}
	return all, nil
}

// Registration is how far a sender's registration in a country is.
type Registration struct {
	AccountID int64             `db:"account_id"`
	Country   string            `db:"country"` // ISO 3166-1 of the recipients
	Sender    string            `db:"sender"`
	State     RegistrationState `db:"state"`
	Note      string            `db:"note"` // what the operators said
	Since     time.Time         `db:"since"`
}

// registerTx writes r, replacing what was known.
func registerTx(ctx context.Context, tx *sqlx.Tx, r Registration, now time.Time) error {
	switch r.State {
	case RegistrationPending, RegistrationApproved, RegistrationRejected:
	default:
		return fmt.Errorf("register a sender: %w: state %q", ErrRequest, r.State)
	}
	if r.AccountID <= 0 || len(r.Country) != 2 {
		return fmt.Errorf("register a sender: %w: country %q", ErrRequest, r.Country)
	}
	if !ValidSender(r.Sender) {
		return fmt.Errorf("register a sender: %w", ErrSender)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO sender_registrations (account_id, country, sender, state, note, since) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account_id, country, sender) DO UPDATE SET state = EXCLUDED.state, note = EXCLUDED.note, since = EXCLUDED.since`,
		r.AccountID, r.Country, r.Sender, r.State, r.Note, now); err != nil {
		return fmt.Errorf("register a sender: %w", err)
	}
	return nil
}
