package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Sending is what an account decides within the rules.
type Sending struct {
	Region   string   // whose holidays count besides the country's, one of HolidayRegions; "" = see isHoliday
	Fallback string   // number shown where a sender isn't delivered, E.164; "" = none
	TwoWay   []string // own numbers whose replies reach us, E.164
}

// Wrong names the fields of s that can't be stored: region, fallback, two_way.
func (s Sending) Wrong() (fields []string) {
	country, _, _ := strings.Cut(s.Region, "-")
	if s.Region != "" && !slices.Contains(HolidayRegions(country), s.Region) {
		fields = append(fields, "region")
	}
	if s.Fallback != "" && !ValidNumber(s.Fallback) {
		fields = append(fields, "fallback")
	}
	if slices.ContainsFunc(s.TwoWay, func(n string) bool { return !ValidNumber(n) }) {
		fields = append(fields, "two_way")
	}
	return fields
}

// SendingTx reads what account decided. It works on either pool.
func SendingTx(ctx context.Context, tx *sqlx.Tx, account int64) (s Sending, err error) {
	if err := tx.QueryRowxContext(ctx, `SELECT holiday_region, fallback_sender, two_way_numbers FROM accounts WHERE account_id = $1`, account).
		Scan(&s.Region, &s.Fallback, pq.Array(&s.TwoWay)); err != nil {
		return Sending{}, fmt.Errorf("read sending of account %d: %w", account, err)
	}
	return s, nil
}

// SaveSendingTx stores s. It counts within PolicyConfig.Refresh. It works on either pool
// and fails with ErrRequest if something in s is Wrong.
func SaveSendingTx(ctx context.Context, tx *sqlx.Tx, account int64, s Sending) error {
	if wrong := s.Wrong(); len(wrong) > 0 {
		return fmt.Errorf("save sending of account %d: %w: %s", account, ErrRequest, strings.Join(wrong, ", "))
	}
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET holiday_region = $2, fallback_sender = $3, two_way_numbers = CAST($4 AS text[]) WHERE account_id = $1`,
		account, s.Region, s.Fallback, pq.Array(append([]string{}, s.TwoWay...))); err != nil {
		return fmt.Errorf("save sending of account %d: %w", account, err)
	}
	return nil
}
