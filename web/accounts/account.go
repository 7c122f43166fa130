package accounts

import (
	"strings"
	"time"

	"github.com/lib/pq"
	"golang.org/x/text/language"
)

// Account is one clinic. Its settings are changed through reminders.Settings, whose
// rules they feed; here they are read for display.
type Account struct {
	ID             int64          `db:"account_id"`
	Business       string         `db:"business"`
	Zone           string         `db:"zone"`   // IANA
	Region         string         `db:"region"` // ISO 3166-1, for national numbers
	MoreRegions    pq.StringArray `db:"more_regions"`
	Language       string         `db:"language"`
	Callback       string         `db:"callback"`
	Sender         string         `db:"sender"`
	FieldOrder     pq.StringArray `db:"field_order"`
	SeveralNumbers string         `db:"several_numbers"`
	OwnNumbers     pq.StringArray `db:"own_numbers"`
	MinLeadMinutes int            `db:"min_lead_minutes"`
	SmartEncoding  bool           `db:"smart_encoding"`
	QuietFrom      string         `db:"quiet_from"` // "21:00"; "" with QuietTo "" = texts at any hour
	QuietTo        string         `db:"quiet_to"`
	CreatedAt      time.Time      `db:"created_at"`
}

// Columns by name, so that a later schema may have more of them.
const (
	accountColumns = `a.account_id, a.business, a.zone, a.region, a.more_regions, a.language, a.callback, a.sender, a.field_order, a.several_numbers,
		a.own_numbers, a.min_lead_minutes, a.smart_encoding, a.quiet_from, a.quiet_to, a.created_at`
	userColumns = `u.account_id, u.id, u.email, u.name, u.password_hash, u.role, u.language, u.created_at`
)

// Location is the clinic's time zone; UTC if the stored name means nothing to
// this machine, which saving the settings keeps from happening.
func (a Account) Location() *time.Location {
	if loc, err := time.LoadLocation(a.Zone); err == nil {
		return loc
	}
	return time.UTC
}

// User is a person who logs in at an account.
type User struct {
	AccountID    int64     `db:"account_id"`
	ID           int64     `db:"id"`
	Email        string    `db:"email"`
	Name         string    `db:"name"`
	PasswordHash string    `db:"password_hash"`
	Role         string    `db:"role"`     // owner, staff, billing
	Language     string    `db:"language"` // "" = as the browser asks
	CreatedAt    time.Time `db:"created_at"`
}

// NewUser is what it takes to create a user; with AccountID 0 a new account named
// Business is created around it.
type NewUser struct {
	AccountID int64
	Business  string
	Email     string
	Name      string
	Password  string
	Role      string // "" = owner
	Language  string // "" = as the browser asks
}

// normalEmail folds an address to the form the directory is keyed by.
func normalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// validate returns the first thing a person has to correct.
func (n NewUser) validate() error {
	email := normalEmail(n.Email)
	at := strings.LastIndexByte(email, '@')
	switch {
	case at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>,;\""):
		return &FieldError{"email", "invalid"}
	case len([]rune(n.Password)) < MinPassword:
		return &FieldError{"password", "too_short"}
	case len(n.Password) > maxPassword:
		return &FieldError{"password", "too_long"}
	case n.AccountID == 0 && (strings.TrimSpace(n.Business) == "" || len([]rune(n.Business)) > 200):
		return &FieldError{"business", "required"}
	case n.Role != "" && n.Role != "owner" && n.Role != "staff" && n.Role != "billing":
		return &FieldError{"role", "invalid"}
	}
	return nil
}

// Roles of the operator's own people.
const (
	BillingAdmin = "billing_admin" // subscriptions, invoices, payments of all accounts
	Reviewer     = "reviewer"      // first messages and senders
	Support      = "support"       // helps a clinic, inside it only with its consent
)

// Languages are those the product speaks, German first.
var Languages = []language.Tag{language.German, language.French, language.Italian, language.English}
