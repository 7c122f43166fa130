package calendars

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
)

func connectionSubject(c ConnectionRef) string { return "connection:" + strconv.FormatInt(c.ID, 10) }
func calendarSubject(c CalendarRef) string     { return "calendar:" + strconv.FormatInt(c.ID, 10) }

// openNotice tells the clinic of a problem, once until it is resolved.
func openNotice(ctx context.Context, tx *sqlx.Tx, account int64, kind, subject string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notices (account_id, kind, subject, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, kind, subject) WHERE resolved_at IS NULL DO NOTHING`, account, kind, subject, now)
	if err != nil {
		return fmt.Errorf("open notice %s: %w", kind, err)
	}
	return nil
}

// resolveNotices closes the problems of subject that this package opens.
func resolveNotices(ctx context.Context, tx *sqlx.Tx, account int64, subject string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE notices SET resolved_at = $4
		WHERE account_id = $1 AND subject = $2 AND kind IN ($3, $5, $6) AND resolved_at IS NULL`,
		account, subject, NoticeReconnect, now, NoticePaused, NoticeUnreachable)
	if err != nil {
		return fmt.Errorf("resolve notices: %w", err)
	}
	return nil
}
