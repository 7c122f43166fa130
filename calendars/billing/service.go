package billing

import (
	"context"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
)

// DueKind is the kind of this package's work in the due table.
const DueKind = "billing"

// Grant is credits given to an account.
type Grant struct {
	Account   int64
	Key       string // given once only
	Source    string // monthly, gift, package
	Credits   int64  // SMS
	ExpiresOn Date   // first day they are of no use, in the account's zone; 0 = as their source says
	At        time.Time
}

// Granter gives credits, within the transaction that earns them. The same key gives
// nothing a second time.
type Granter interface {
	GrantTx(ctx context.Context, tx *sqlx.Tx, g Grant) error
}

// ServiceState is what an account's calendars and reminders do.
type ServiceState string

// The states of service.
const (
	ServiceOn        ServiceState = "on"
	ServiceSuspended ServiceState = "suspended" // unpaid
	ServiceEnded     ServiceState = "ended"     // no subscription any more
)

// Steward starts and stops the service of an account: its sync and its new reminders.
type Steward interface {
	// SetServiceTx brings account to state. Asking for what is already so changes nothing.
	SetServiceTx(ctx context.Context, tx *sqlx.Tx, account int64, state string, now time.Time) error
}

// Courier does outside what a transaction here asked for: sends a mail, charges a card.
type Courier interface {
	// Deliver does j, perhaps a second time after a crash: j.Key is the same then.
	// ErrUndeliverable ends the attempts; any other error is tried again later.
	Deliver(ctx context.Context, j Job) error
}

// Config is what a Service stands on.
type Config struct {
	DB       *sqlx.DB           // the owner's pool
	Granter  Granter            // nil = no credits are given
	Steward  Steward            // nil = service is not switched
	Couriers map[string]Courier // by kind of job; one without a courier waits
	Now      func() time.Time   // nil = time.Now
	Log      *slog.Logger       // nil = discard
	Workers  int                // accounts worked on at once; 0 = 2
	Lease    time.Duration      // how long an account is held, renewed while it is worked on; 0 = 30 s
	Every    time.Duration      // pause between looks in Run; 0 = 10 s
}

// Service keeps subscriptions, documents and what is owed. It is safe for concurrent
// use, and any number of them may work over one database.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service {
	clock := c.Now
	if clock == nil {
		clock = time.Now
	}
	// PostgreSQL keeps microseconds: an instant must compare equal after it was stored.
	c.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Workers <= 0 {
		c.Workers = 2
	}
	if c.Lease <= 0 {
		c.Lease = 30 * time.Second
	}
	if c.Every <= 0 {
		c.Every = 10 * time.Second
	}
	return &Service{c}
}
