package web

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
	"rappel/reminders"
)

// sendingDay is what goes out on one day.
type sendingDay struct {
	Day         time.Time
	N           int
	First, Last time.Time
}

// sendingDays counts planned reminders by the day they go out, from now on up to to.
// What is overdue goes now.
func sendingDays(ctx context.Context, tx *sqlx.Tx, account int64, now, to time.Time) ([]sendingDay, error) {
	var rows []struct {
		Day   string    `db:"day"`
		N     int       `db:"n"`
		First time.Time `db:"first"`
		Last  time.Time `db:"last"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT to_char(greatest(r.not_before, $2) AT TIME ZONE $4, 'YYYY-MM-DD') AS day, count(*) AS n,
			min(greatest(r.not_before, $2)) AS first, max(greatest(r.not_before, $2)) AS last
		FROM reminders r WHERE r.account_id = $1 AND r.status = 'planned' AND r.not_before < $3
		GROUP BY 1 ORDER BY 1`, account, now, to, now.Location().String()); err != nil {
		return nil, fmt.Errorf("count what goes out: %w", err)
	}
	days := make([]sendingDay, len(rows))
	for i, row := range rows {
		day, err := time.ParseInLocation(time.DateOnly, row.Day, now.Location())
		if err != nil {
			return nil, fmt.Errorf("day of reminders: %w", err)
		}
		days[i] = sendingDay{day, row.N, row.First, row.Last}
	}
	return days, nil
}

// dayCount is the messages made on one day.
type dayCount struct {
	Day                      time.Time
	Delivered, Failed, Other int
}

// Total is all of them.
func (d dayCount) Total() int { return d.Delivered + d.Failed + d.Other }

// messagesPerDay counts messages by the day they were made, for n days up to today.
func messagesPerDay(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time, n int) ([]dayCount, error) {
	days := make([]dayCount, n)
	byDay := map[string]*dayCount{}
	today := startOfDay(now)
	for i := range days {
		days[i].Day = today.AddDate(0, 0, i-n+1)
		byDay[days[i].Day.Format(time.DateOnly)] = &days[i]
	}
	var rows []struct {
		Day       string `db:"day"`
		Delivered int    `db:"delivered"`
		Failed    int    `db:"failed"`
		All       int    `db:"n"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT to_char(m.created_at AT TIME ZONE $4, 'YYYY-MM-DD') AS day, count(*) AS n,
			count(*) FILTER (WHERE s.status = $5) AS delivered, count(*) FILTER (WHERE s.status = ANY(CAST($6 AS smallint[]))) AS failed
		FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1
		WHERE m.account_id = $1 AND m.created_at >= $2 AND m.created_at < $3 GROUP BY 1`,
		account, days[0].Day, today.AddDate(0, 0, 1), now.Location().String(), notify.Delivered, codes(failedStatuses())); err != nil {
		return nil, fmt.Errorf("count messages by day: %w", err)
	}
	for _, row := range rows {
		if d := byDay[row.Day]; d != nil {
			d.Delivered, d.Failed, d.Other = row.Delivered, row.Failed, row.All-row.Delivered-row.Failed
		}
	}
	return days, nil
}

// unsendable counts planned reminders whose message can't be made.
func unsendable(ctx context.Context, tx *sqlx.Tx, account int64) (n int, err error) {
	if err := tx.GetContext(ctx, &n, `SELECT count(*) FROM reminders r WHERE r.account_id = $1 AND r.status = 'planned' AND r.reason = $2`,
		account, reminders.NotSendable); err != nil {
		return 0, fmt.Errorf("count unsendable reminders: %w", err)
	}
	return n, nil
}
