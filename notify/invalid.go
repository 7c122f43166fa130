package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// invalidFor is how long a number a carrier calls invalid isn't texted: numbers are given
// out anew.
const invalidFor = 90 * 24 * time.Hour

// InvalidNumber is a number that a carrier said nobody has. It isn't texted for 90 days.
type InvalidNumber struct {
	Recipient string    `db:"recipient"`
	MessageID int64     `db:"message_id"` // the message that showed it
	Code      string    `db:"code"`       // the carrier's own
	Since     time.Time `db:"since"`
}

// listInvalidTx puts the recipient of a message on the account's list of invalid numbers.
func listInvalidTx(ctx context.Context, tx *sqlx.Tx, ref MessageRef, code string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO invalid_numbers (account_id, recipient, message_id, code, since)
		SELECT $1, m.recipient, m.id, $3, $4 FROM messages m WHERE m.account_id = $1 AND m.id = $2
		ON CONFLICT (account_id, recipient) DO UPDATE
		SET message_id = EXCLUDED.message_id, code = EXCLUDED.code, since = EXCLUDED.since`, ref.AccountID, ref.ID, code, now); err != nil {
		return fmt.Errorf("list an invalid number: %w", err)
	}
	return nil
}

// InvalidNumbersTx returns the account's invalid numbers, the newest first, at most limit.
// It works on either pool.
func InvalidNumbersTx(ctx context.Context, tx *sqlx.Tx, account int64, limit int) ([]InvalidNumber, error) {
	var all []InvalidNumber
	if err := tx.SelectContext(ctx, &all, `SELECT recipient, message_id, code, since FROM invalid_numbers
		WHERE account_id = $1 ORDER BY since DESC, recipient LIMIT $2`, account, limit); err != nil {
		return nil, fmt.Errorf("list invalid numbers: %w", err)
	}
	return all, nil
}

// ForgetInvalidTx takes a number off the account's list, because somebody knows better;
// was says whether it stood there. It works on either pool.
func ForgetInvalidTx(ctx context.Context, tx *sqlx.Tx, account int64, recipient string) (was bool, err error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM invalid_numbers WHERE account_id = $1 AND recipient = $2`, account, recipient)
	if err != nil {
		return false, fmt.Errorf("forget an invalid number: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("forget an invalid number: %w", err)
	}
	return n > 0, nil
}
