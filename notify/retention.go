package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Retention is how long an account keeps what was sent and received, in days; 0 stands
// for the default.
type Retention struct {
	Messages int // with their history, and what other rooms keep about them
	Replies  int
}

// DefaultRetention is what counts where an account chose nothing. Half a year answers
// "nobody reminded me" until the bill for a missed appointment is settled; what people
// write back may say anything about their health, and is of use for weeks.
var DefaultRetention = Retention{Messages: 180, Replies: 90}

// The bounds of a retention, in days. A week is more than the last receipt can take
// (ReceiptWait) and a message be unanswered; five years is what nobody needs.
const (
	ShortestRetention = 7
	LongestRetention  = 1825
)

// OrDefault returns r with the defaults in place of zeros.
func (r Retention) OrDefault() Retention {
	if r.Messages == 0 {
		r.Messages = DefaultRetention.Messages
	}
	if r.Replies == 0 {
		r.Replies = DefaultRetention.Replies
	}
	return r
}

// ValidRetention reports whether days can be chosen. 0, the default, can.
func ValidRetention(days int) bool {
	return days == 0 || days >= ShortestRetention && days <= LongestRetention
}

// Shorter reports whether r keeps something for less long than other.
func (r Retention) Shorter(other Retention) bool {
	r, other = r.OrDefault(), other.OrDefault()
	return r.Messages < other.Messages || r.Replies < other.Replies
}

// MessagesBefore is the instant before which messages go.
func (r Retention) MessagesBefore(now time.Time) time.Time {
	return now.AddDate(0, 0, -r.OrDefault().Messages)
}

// RepliesBefore is the instant before which replies go.
func (r Retention) RepliesBefore(now time.Time) time.Time {
	return now.AddDate(0, 0, -r.OrDefault().Replies)
}

// Retention returns what account chose, or ErrNotFound.
func (s *Store) Retention(ctx context.Context, account int64) (r Retention, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		r, err = retentionTx(ctx, tx, account)
		return err
	})
	return r, err
}

func retentionTx(ctx context.Context, tx *sqlx.Tx, account int64) (r Retention, err error) {
	err = tx.QueryRowxContext(ctx, `SELECT COALESCE(retain_messages_days, 0), COALESCE(retain_replies_days, 0) FROM accounts WHERE account_id = $1`, account).
		Scan(&r.Messages, &r.Replies)
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read retention: %w", err)
	}
	return r, nil
}

// SetRetention stores what account chooses. It fails with ErrRequest outside the bounds,
// and with ErrNotFound. Nothing is deleted here: the Purger does that by night.
func (s *Store) SetRetention(ctx context.Context, account int64, r Retention) error {
	if !ValidRetention(r.Messages) || !ValidRetention(r.Replies) {
		return fmt.Errorf("%w: a retention of %d and %d days", ErrRequest, r.Messages, r.Replies)
	}
	return migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE accounts SET retain_messages_days = NULLIF(CAST($2 AS int), 0), retain_replies_days = NULLIF(CAST($3 AS int), 0)
			WHERE account_id = $1`, account, r.Messages, r.Replies)
		if err != nil {
			return fmt.Errorf("store retention: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("store retention: %w", err)
		}
		if n == 0 {
			return ErrNotFound
		}
		return nil
	})
}

// Doomed is what a retention would delete.
type Doomed struct {
	Messages, Replies int  // at most doomedMost each
	More              bool // there are more than were counted
}

const doomedMost = 100_000

// Doomed counts what r deletes of account's at the next purge after now. Of messages it
// may be fewer: those whose appointment is still ahead stay.
func (s *Store) Doomed(ctx context.Context, account int64, r Retention, now time.Time) (d Doomed, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.QueryRowxContext(ctx, `SELECT
			(SELECT count(*) FROM (SELECT 1 FROM messages m JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id
			    WHERE m.account_id = $1 AND s.account_id = $1 AND `+ended+` LIMIT $4) x),
			(SELECT count(*) FROM (SELECT 1 FROM inbound i WHERE i.account_id = $1 AND i.received_at < $3 LIMIT $4) x)`,
			account, r.MessagesBefore(now), r.RepliesBefore(now), doomedMost+1).Scan(&d.Messages, &d.Replies)
	})
	if err != nil {
		return Doomed{}, fmt.Errorf("count what a retention deletes: %w", err)
	}
	d.More = d.Messages > doomedMost || d.Replies > doomedMost
	d.Messages, d.Replies = min(d.Messages, doomedMost), min(d.Replies, doomedMost)
	return d, nil
}
