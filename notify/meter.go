package notify

import (
	"context"

	"github.com/jmoiron/sqlx"

	"rappel/notify/segment"
)

// Charge is what a message will cost once it is accepted, as far as notify knows: the
// Meter knows the tariff.
type Charge struct {
	MessageID int64
	Kind      Kind
	Origin    Origin
	Country   string // of the recipient, ISO 3166-1; "" = unknown
	Encoding  segment.Encoding
	Segments  int
	Units     int
	// Owed messages must go whatever the balance: an opt-out must be confirmed.
	Owed bool
}

// Meter knows whether an account can pay. Implementations are safe for concurrent use.
type Meter interface {
	// HoldTx sets credit aside for charges of account, in their order, in the transaction
	// that queues the messages, and returns the ids of those that isn't enough for. They
	// are held back until ReleaseTx is called for reason credit, which asks again.
	HoldTx(ctx context.Context, tx *sqlx.Tx, account int64, charges []Charge) (uncovered []int64, err error)
}
