package notify

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

type Desk struct{ cfg Config }

func NewDesk(cfg Config) (*Desk, error) {
	cfg, err := cfg.withDefaults()
	return &Desk{cfg: cfg}, err
}
func (d *Desk) Receipt(ctx context.Context, r Receipt) error { panic("coming") }
func (d *Desk) Inbound(ctx context.Context, m Inbound) error { panic("coming") }

// OptOutTx: staff or page; also withdraws what is queued. Works on either pool.
func OptOutTx(ctx context.Context, tx *sqlx.Tx, account int64, recipient, source string, now time.Time) error {
	panic("coming")
}
func OptInTx(ctx context.Context, tx *sqlx.Tx, account int64, recipient string) (was bool, err error) {
	panic("coming")
}
