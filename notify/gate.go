package notify

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// GateQuery is the message a Gate is asked about.
type GateQuery struct {
	AccountID, MessageID int64
	Origin               Origin
	OriginID             int64
}

// Gate knows whether the occasion of a message still stands. The dispatcher asks it
// before submitting a message whose FreshUntil has passed, which happens when it was
// queued long, for example during an outage. Implementations are safe for concurrent
// use and should answer within seconds.
type Gate interface {
	// Fresh answers until when m may be submitted. ok false withdraws m. An error
	// puts it back into the queue, to be asked about again soon.
	Fresh(ctx context.Context, m GateQuery, now time.Time) (until time.Time, ok bool, err error)
}

// Window knows when marketing may reach people. The dispatcher asks it for every such
// message right before submission, so it should answer from memory. Implementations are
// safe for concurrent use.
type Window interface {
	// NextOpen returns now if account may send marketing to recipient now, else when it
	// may next.
	NextOpen(ctx context.Context, account int64, recipient string, now time.Time) (time.Time, error)
}

// StatusChange is one step in the life of a message.
type StatusChange struct {
	AccountID, MessageID int64
	Kind                 Kind
	Origin               Origin
	OriginID             int64
	From, To             Status // equal where only the reason changed
	Reason               Reason
	Code                 string // the carrier's own
	Carrier              string
	At                   time.Time
}

// Observer hears of every change of status, in the transaction that records it: what
// it writes through tx stands or falls with the change. All changes of one call belong
// to one account. An error rolls the recording back, to be tried again, so it should be
// kept for real trouble. It may hear of a change twice. Implementations are safe for
// concurrent use.
type Observer interface {
	StatusChanged(ctx context.Context, tx *sqlx.Tx, changes []StatusChange) error
}

// Selective is an Observer that wants to hear of changes with some reasons only. The others
// then cost nothing.
type Selective interface {
	Hears(Reason) bool
}
