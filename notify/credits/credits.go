package credits

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
)

// Occasion is what a Mail is about.
type Occasion string

// The occasions.
const (
	MailLow   Occasion = "credit_low"   // fewer are left than the account wants to be told of
	MailOut   Occasion = "credit_out"   // texts wait for credit
	MailBonus Occasion = "credit_bonus" // the first package brought a gift
)

// Mail is what a clinic is to be told by e-mail.
type Mail struct {
	Account  int64
	Occasion Occasion
	Key      string // idempotency key, unique to the account
	Credits  int64  // left, or given
	At       time.Time
}

// Mailer queues mails to those of an account who care about its money, in the transaction
// of their occasion.
type Mailer interface {
	QueueTx(ctx context.Context, tx *sqlx.Tx, m Mail) error
}

// Notices about credits; the subject is always NoticeSubject.
const (
	NoticeLow     = "credit_low"
	NoticeOut     = "credit_out"
	NoticeSubject = "credits"
)

// Config is what Credits work with.
type Config struct {
	DB     *sqlx.DB // the owner's pool
	Mailer Mailer   // nil: nobody is told by mail
	Now    func() time.Time
	Log    *slog.Logger
	// Refresh is how old tariffs may be that are acted upon. Default 10 s.
	Refresh time.Duration
}

// Credits are what accounts send texts by. They implement notify.Meter. Any number of them
// may work over one database.
type Credits struct {
	cfg   Config
	known atomic.Pointer[tariffs]
}

var _ notify.Meter = (*Credits)(nil)

// New fails with ErrRequest if there is no database.
func New(cfg Config) (*Credits, error) {
	if cfg.DB == nil {
		return nil, fmt.Errorf("%w: no database", ErrRequest)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = 10 * time.Second
	}
	return &Credits{cfg: cfg}, nil
}

// mailTx queues a mail if somebody takes it.
func (c *Credits) mailTx(ctx context.Context, tx *sqlx.Tx, m Mail) error {
	if c.cfg.Mailer == nil {
		return nil
	}
	if err := c.cfg.Mailer.QueueTx(ctx, tx, m); err != nil {
		return fmt.Errorf("queue a mail to account %d: %w", m.Account, err)
	}
	return nil
}
