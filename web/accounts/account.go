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
	ParentID       int64          `db:"parent_id"`    // the account that pays, 0 = itself
	Organisation   string         `db:"organisation"` // one of Organisations, "" = never asked
	Phone          string         `db:"phone"`        // E.164, where the operator reaches them
	ContactFirst   string         `db:"contact_first"`
	ContactLast    string         `db:"contact_last"`
	Status         string         `db:"status"` // active, closed
}

// Organisations are the kinds of houses that sign up.
var Organisations = []string{"practice", "dental", "therapy", "hospital", "veterinary", "care", "other"}

// Columns by name, so that a later schema may have more of them.
const (
	accountColumns = `a.account_id, a.business, a.zone, a.region, a.more_regions, a.language, a.callback, a.sender, a.field_order, a.several_numbers,
		a.own_numbers, a.min_lead_minutes, a.smart_encoding, a.quiet_from, a.quiet_to, a.created_at,
		COALESCE(a.parent_id, 0) AS parent_id, a.organisation, a.phone, a.contact_first, a.contact_last, a.status`
	userColumns = `u.account_id, u.id, u.email, u.name, u.password_hash, u.role, u.language, u.created_at,
		u.sealed_totp IS NOT NULL AS has_totp, cardinality(u.recovery_hashes) AS recovery_left`
	operatorColumns = `CAST(0 AS bigint) AS account_id, o.id, o.email, o.name, o.password_hash, o.role, o.language, o.created_at,
		o.sealed_totp IS NOT NULL AS has_totp, cardinality(o.recovery_hashes) AS recovery_left`
)

// Location is the clinic's time zone; UTC if the stored name means nothing to
// this machine, which saving the settings keeps from happening.
func (a Account) Location() *time.Location {
	if loc, err := time.LoadLocation(a.Zone); err == nil {
		return loc
	}
	return time.UTC
}

// User is a person who logs in at an account, or, with AccountID 0, one of the
// operator's own people.
type User struct {
	AccountID    int64     `db:"account_id"`
	ID           int64     `db:"id"`
	Email        string    `db:"email"`
	Name         string    `db:"name"`
	PasswordHash string    `db:"password_hash"`
	Role         string    `db:"role"`     // owner, staff, billing; of operators BillingAdmin, Reviewer, Support
	Language     string    `db:"language"` // "" = as the browser asks
	CreatedAt    time.Time `db:"created_at"`
	HasTOTP      bool      `db:"has_totp"`      // a code is asked for after the password
	RecoveryLeft int       `db:"recovery_left"` // recovery codes not used yet
}

// Operator reports whether the user is one of the operator's own people.
func (u User) Operator() bool { return u.AccountID == 0 && u.ID != 0 }

// PasswordMark tells one password of a user from another, for half a log-in to be bound to
// the one it began with. It is a hash of the hash: whoever reads it learns neither.
func (u User) PasswordMark() []byte { return hashToken("mark/" + u.PasswordHash) }

// Called is what to call the user: the name, or else the address.
func (u User) Called() string {
	if u.Name != "" {
		return u.Name
	}
	return u.Email
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
	Metered   bool   // of a new account: it needs a subscription and credits
}

// normalEmail folds an address to the form the directory is keyed by.
func normalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// validate returns the first thing a person has to correct.
func (n NewUser) validate() error {
	switch {
	case !isEmail(n.Email):
		return &FieldError{"email", "invalid"}
	case passwordFault(n.Password) != "":
		return &FieldError{"password", passwordFault(n.Password)}
	case n.AccountID == 0 && (strings.TrimSpace(n.Business) == "" || len([]rune(n.Business)) > 200):
		return &FieldError{"business", "required"}
	case n.Role != "" && n.Role != "owner" && n.Role != "staff" && n.Role != "billing":
		return &FieldError{"role", "invalid"}
	}
	return nil
}

// isEmail reports whether s can be an address a person has. That it is theirs only a
// mail to it shows.
func isEmail(s string) bool {
	email := normalEmail(s)
	at := strings.LastIndexByte(email, '@')
	return at > 0 && at < len(email)-1 && len(email) <= 254 && !strings.ContainsAny(email, " \t\r\n<>,;\"")
}

// passwordFault is the code of what is wrong with a new password, "" if nothing.
func passwordFault(password string) string {
	switch {
	case len([]rune(password)) < MinPassword:
		return "too_short"
	case len(password) > maxPassword:
		return "too_long"
	}
	return ""
}

// Roles of a clinic's people.
const (
	Owner   = "owner"   // everything
	Staff   = "staff"   // templates, appointments, messages; no money, no people
	Billing = "billing" // money, and the own profile
)

// Roles are those of a clinic's people, the widest first.
var Roles = []string{Owner, Staff, Billing}

// Roles of the operator's own people.
const (
	BillingAdmin = "billing_admin" // subscriptions, invoices, payments of all accounts
	Reviewer     = "reviewer"      // first messages and senders
	Support      = "support"       // helps a clinic, inside it only with its consent
)

// Languages are those the product speaks, German first.
var Languages = []language.Tag{language.German, language.French, language.Italian, language.English}
