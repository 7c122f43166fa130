package credits

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// TellTx tells an account of the level its credit has come to since it was told last: by
// a notice on its pages, and by mail if it fell. It works on the owner's pool.
func (c *Credits) TellTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
	p, err := c.lockTx(ctx, tx, account, now)
	if err != nil {
		return err
	}
	var told int
	if err := tx.GetContext(ctx, &told, `SELECT told FROM credit_accounts WHERE account_id = $1`, account); err != nil {
		return fmt.Errorf("look what account %d was told: %w", account, err)
	}
	if told == p.level {
		return nil
	}
	notice, occasion := map[int]string{low: NoticeLow, waiting: NoticeOut}[p.level], map[int]Occasion{low: MailLow, waiting: MailOut}[p.level]
	if _, err := tx.ExecContext(ctx, `UPDATE notices SET resolved_at = $4 WHERE account_id = $1 AND kind IN ($5, $6) AND kind <> $2 AND subject = $3 AND resolved_at IS NULL`,
		account, notice, NoticeSubject, now, NoticeLow, NoticeOut); err != nil {
		return fmt.Errorf("resolve credit notices of account %d: %w", account, err)
	}
	if notice != "" {
		if _, err := tx.ExecContext(ctx, `INSERT INTO notices (account_id, kind, subject, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, kind, subject) WHERE resolved_at IS NULL DO NOTHING`, account, notice, NoticeSubject, now); err != nil {
			return fmt.Errorf("open a credit notice for account %d: %w", account, err)
		}
	}
	if p.level > told {
		key := fmt.Sprintf("%s/%d", occasion, now.UnixMicro()) // once per crossing, as told is written along
		if err := c.mailTx(ctx, tx, Mail{Account: account, Occasion: occasion, Key: key, Credits: p.available(), At: now}); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE credit_accounts SET told = $2 WHERE account_id = $1`, account, p.level); err != nil {
		return fmt.Errorf("write what account %d was told: %w", account, err)
	}
	return nil
}

// SetAlertTx sets below how many credits an account wants to be told; 0: only once texts
// wait. It works on any role's pool. Fails with ErrRequest.
func (c *Credits) SetAlertTx(ctx context.Context, tx *sqlx.Tx, account, below int64) error {
	if below < 0 || below > maxAlert {
		return fmt.Errorf("set the balance alert: %w: %d", ErrRequest, below)
	}
	p, err := c.lockTx(ctx, tx, account, c.cfg.Now())
	if err != nil {
		return err
	}
	p.alertBelow = below
	level := p.level
	if level != waiting {
		level = p.toppedUp()
	}
	// In two steps: the schema writes down who set the threshold, and the level is nobody's doing.
	if _, err := tx.ExecContext(ctx, `UPDATE credit_accounts SET level = $2 WHERE account_id = $1`, account, level); err != nil {
		return fmt.Errorf("set the balance alert of account %d: %w", account, err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE credit_accounts SET alert_below = $2 WHERE account_id = $1`, account, below); err != nil {
		return fmt.Errorf("set the balance alert of account %d: %w", account, err)
	}
	return nil
}

// maxAlert is more than anybody has.
const maxAlert = 1_000_000_000
