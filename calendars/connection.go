package calendars

import "time"

// ConnectionRef names a connection.
type ConnectionRef struct{ AccountID, ID int64 }

// ConnectionStatus is where a connection stands; see the diagram in doc.go.
type ConnectionStatus string

// The statuses of a connection.
const (
	ConnectionActive         ConnectionStatus = "active"
	ConnectionNeedsReconnect ConnectionStatus = "needs_reconnect" // the grant ended; nothing else is lost
	ConnectionDisconnected   ConnectionStatus = "disconnected"    // by the clinic; tokens are wiped
)

// Problem says in a closed set what ails a connection or a calendar.
type Problem string

// The problems. The web words them.
const (
	ProblemNone         Problem = ""
	ProblemGrantRevoked Problem = "grant_revoked" // connection: the provider ended the grant
	ProblemScopeMissing Problem = "scope_missing" // connection: a permission was taken back
	ProblemNotFound     Problem = "not_found"     // calendar: deleted or no longer shared
	ProblemForbidden    Problem = "forbidden"     // calendar: access was refused
	ProblemNotReadable  Problem = "not_readable"  // calendar: only free/busy times are shared
	ProblemNotListed    Problem = "not_listed"    // calendar: no longer in the provider's list
	ProblemThrottled    Problem = "throttled"     // calendar: the provider asked to slow down
	ProblemUnavailable  Problem = "unavailable"   // calendar: the provider does not answer properly
	ProblemOperator     Problem = "operator"      // calendar: our own configuration is refused; not the clinic's to solve
	ProblemInternal     Problem = "internal"      // calendar: our own failure while reading
)

// Connection is one grant: a person's calendars at one provider. Its tokens never
// leave this package.
type Connection struct {
	AccountID int64            `db:"account_id"`
	ID        int64            `db:"id"`
	Provider  string           `db:"provider"`
	Subject   string           `db:"subject"` // the provider's stable id of the person
	Label     string           `db:"label"`   // what the clinic recognises it by, usually an e-mail address
	Status    ConnectionStatus `db:"status"`
	Problem   Problem          `db:"problem"`
	Scopes    string           `db:"scopes"`   // as granted, joined by spaces; "" when the provider did not say
	RetryAt   *time.Time       `db:"retry_at"` // not to be bothered before
	Failures  int              `db:"failures"`
	ListedAt  *time.Time       `db:"listed_at"` // calendar list last read; nil = not yet
	CreatedAt time.Time        `db:"created_at"`
}

// Ref names c.
func (c Connection) Ref() ConnectionRef { return ConnectionRef{c.AccountID, c.ID} }

// connectionColumns are those of Connection, with the alias n.
const connectionColumns = `n.account_id, n.id, n.provider, n.subject, n.label, n.status, n.problem, n.scopes,
	n.retry_at, n.failures, n.listed_at, n.created_at`
