package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Sealer seals what must not be read from a stolen database.
type Sealer interface {
	Seal(plain []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Outbox takes mails. It is safe for concurrent use.
type Outbox struct {
	seal Sealer
	now  func() time.Time
}

// NewOutbox returns an Outbox over table mails.
func NewOutbox(seal Sealer, now func() time.Time) *Outbox { return &Outbox{seal: seal, now: now} }

// QueueTx queues a mail in the caller's transaction. A mail with the same account and key,
// whatever became of it, is left as it is. ErrMail if something is missing. A transaction
// of the web role must be bound to the mail's account.
func (o *Outbox) QueueTx(ctx context.Context, tx *sqlx.Tx, m Mail) error {
	if err := m.check(); err != nil {
		return err
	}
	plain, err := m.content()
	if err != nil {
		return fmt.Errorf("queue mail: %w", err)
	}
	sealed, err := o.seal.Seal(plain, sealContext(m.Account, m.Key))
	if err != nil {
		return fmt.Errorf("seal mail: %w", err)
	}
	now := o.now()
	if _, err := tx.ExecContext(ctx, `INSERT INTO mails (account_id, key, kind, language, recipient, sealed, next_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (account_id, key) DO NOTHING`,
		m.Account, m.Key, m.Kind, m.Language, m.To, sealed, now); err != nil {
		return fmt.Errorf("queue mail: %w", err)
	}
	return nil
}

// Stored is a mail as it lies in the outbox. Mail's content is empty once it has left.
type Stored struct {
	Account   int64      `db:"account_id"`
	ID        int64      `db:"id"`
	Key       string     `db:"key"`
	Kind      string     `db:"kind"`
	Language  string     `db:"language"`
	To        string     `db:"recipient"`
	Sealed    []byte     `db:"sealed"`
	Status    string     `db:"status"` // queued, sent, failed
	Attempts  int        `db:"attempts"`
	NextAt    time.Time  `db:"next_at"`
	Problem   string     `db:"problem"` // what the server said last
	CreatedAt time.Time  `db:"created_at"`
	DoneAt    *time.Time `db:"done_at"`
}

// open returns what a stored mail says.
func open(seal Sealer, s Stored) (Mail, error) {
	plain, err := seal.Open(s.Sealed, sealContext(s.Account, s.Key))
	if err != nil {
		return Mail{}, fmt.Errorf("open mail %d: %w", s.ID, err)
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return Mail{}, fmt.Errorf("open mail %d: %w", s.ID, err)
	}
	return Mail{Account: s.Account, To: s.To, Language: s.Language, Kind: s.Kind, Subject: c.Subject, Text: c.Text, HTML: c.HTML, Attachments: c.Attachments, Key: s.Key}, nil
}

// businessColumns are those the operator's role may read: all but what the mail says.
const businessColumns = `account_id, id, key, kind, language, recipient, status, attempts, next_at, problem, created_at, done_at`

// List returns mails that aren't sent, those given up first, for the operator's page, or
// those of one status; "" = both. db is the operator's pool.
func List(ctx context.Context, db *sqlx.DB, status string, limit int) (all []Stored, err error) {
	if err := db.SelectContext(ctx, &all, `SELECT `+businessColumns+` FROM mails WHERE status <> 'sent' AND ($2 = '' OR status = $2) ORDER BY status, created_at DESC, id DESC LIMIT $1`, limit, status); err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	return all, nil
}

// Failed counts mails that were given up. q works as the operator.
func Failed(ctx context.Context, q sqlx.QueryerContext) (n int64, err error) {
	if err := sqlx.GetContext(ctx, q, &n, `SELECT count(*) FROM mails WHERE status = 'failed'`); err != nil {
		return 0, fmt.Errorf("count mails that failed: %w", err)
	}
	return n, nil
}

// RetryTx tries a mail that was given up once more. ErrGone if there is none such.
func RetryTx(ctx context.Context, tx *sqlx.Tx, account, id int64, now time.Time) error {
	res, err := tx.ExecContext(ctx, `UPDATE mails SET status = 'queued', attempts = 0, next_at = $3 WHERE account_id = $1 AND id = $2 AND status = 'failed'`, account, id, now)
	if err != nil {
		return fmt.Errorf("retry mail: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return ErrGone
	}
	return nil
}

// Box reads whole mails where they are kept, which is in `rappel dev` alone.
type Box struct {
	db   *sqlx.DB // the owner's pool
	seal Sealer
}

// NewBox returns a Box.
func NewBox(db *sqlx.DB, seal Sealer) *Box { return &Box{db: db, seal: seal} }

// Kept is a mail with what became of it.
type Kept struct {
	Stored
	Mail Mail
}

// Latest returns the newest mails that are kept.
func (b *Box) Latest(ctx context.Context, limit int) (all []Kept, err error) {
	return b.read(ctx, `SELECT * FROM mails WHERE sealed IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT $1`, limit)
}

// Get returns one; ErrGone if it isn't kept.
func (b *Box) Get(ctx context.Context, id int64) (Kept, error) {
	all, err := b.read(ctx, `SELECT * FROM mails WHERE sealed IS NOT NULL AND id = $1`, id)
	if err != nil {
		return Kept{}, err
	}
	if len(all) == 0 {
		return Kept{}, ErrGone
	}
	return all[0], nil
}

func (b *Box) read(ctx context.Context, query string, arg any) (all []Kept, err error) {
	var rows []Stored
	if err := b.db.SelectContext(ctx, &rows, query, arg); err != nil {
		return nil, fmt.Errorf("read mails: %w", err)
	}
	for _, r := range rows {
		m, err := open(b.seal, r)
		if err != nil {
			return nil, err
		}
		all = append(all, Kept{r, m})
	}
	return all, nil
}
