package notify

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// SetRecordPauses shortens the waits between tries to record, and makes them fewer.
func SetRecordPauses(d *Dispatcher, pauses ...time.Duration) { d.recordPauses = pauses }

// Backoff is backoff.
var Backoff = backoff

// MayReplace is the condition that stands for Status.After in SQL.
const MayReplace = mayReplace

// NewStoreLooking returns a Store whose sifted pages look at that many messages.
func NewStoreLooking(db *sqlx.DB, look int) *Store { return &Store{db: db, look: look} }

// ApplyTogether brings receipts to d in one transaction.
func ApplyTogether(d *Desk, all ...Receipt) error {
	batch := make([]*arrival, len(all))
	for i, r := range all {
		batch[i] = &arrival{r: r}
	}
	return d.apply(context.Background(), batch)
}
