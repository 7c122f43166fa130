package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify/segment"
)

// Entry is one line of the message log: what was asked for and what became of it.
type Entry struct {
	AccountID  int64            `db:"account_id"`
	ID         int64            `db:"id"`
	Kind       Kind             `db:"kind"`
	Reference  string           `db:"reference"`
	Origin     Origin           `db:"origin"`
	OriginID   int64            `db:"origin_id"`
	Recipient  string           `db:"recipient"`
	Sender     string           `db:"sender"`
	Body       string           `db:"body"`
	Encoding   segment.Encoding `db:"encoding"`
	Segments   int              `db:"segments"`
	Units      int              `db:"units"`
	Credits    *int             `db:"credits"` // its price once accepted; nil: never priced
	SendAt     time.Time        `db:"send_at"`
	Expires    time.Time        `db:"expires_at"`
	CreatedAt  time.Time        `db:"created_at"`
	Status     Status           `db:"status"`
	Reason     Reason           `db:"reason"`
	Code       string           `db:"code"`     // the carrier's own, for support
	Carrier    string           `db:"carrier"`  // "" until one took it
	Attempts   int              `db:"attempts"` // submissions, counted when the outcome was recorded
	AcceptedAt *time.Time       `db:"accepted_at"`
	StatusAt   time.Time        `db:"status_at"` // CreatedAt until something happened
}

// HistoryEntry is one step in a message's life.
type HistoryEntry struct {
	At     time.Time `db:"at"`
	What   What      `db:"what"`
	Status Status    `db:"status"`
	Code   string    `db:"code"`
}

// Detail is a message with its history, oldest first.
type Detail struct {
	Entry
	Queued     bool       // waiting for its time or its turn
	NextAt     *time.Time // queued: when it is tried at the earliest
	DecideAt   *time.Time // unanswered: until then evidence is awaited
	FreshUntil *time.Time
	History    []HistoryEntry
}

// Store reads the message log. It works on either pool; each call is one transaction
// of the account it names.
type Store struct {
	db   *sqlx.DB
	look int // how many messages a page of a sifted list looks at
}

// NewStore returns a Store on db.
func NewStore(db *sqlx.DB) *Store { return &Store{db: db, look: lookMost} }

const entryColumns = `m.account_id, m.id, m.kind, m.reference, m.origin, m.origin_id, m.recipient, m.sender, m.body,
	m.encoding, m.segments, m.units, m.credits, m.send_at, m.expires_at, m.created_at,
	COALESCE(s.status, 0) AS status, COALESCE(s.reason, '') AS reason, COALESCE(s.code, '') AS code,
	COALESCE(s.carrier, '') AS carrier, COALESCE(s.attempts, 0) AS attempts, s.accepted_at,
	COALESCE(s.status_at, m.created_at) AS status_at`

// Get returns a message with its history, or ErrNotFound.
//
// What went by the book isn't kept as history but told from the message and its status:
// asked for, accepted, final. Everything else was written down when it happened.
func (s *Store) Get(ctx context.Context, ref MessageRef) (Detail, error) {
	var d Detail
	err := migrations.InAccount(ctx, s.db, ref.AccountID, func(tx *sqlx.Tx) error {
		err := tx.GetContext(ctx, &d.Entry, `SELECT `+entryColumns+` FROM messages m
			LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1
			WHERE m.account_id = $1 AND m.id = $2`, ref.AccountID, ref.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		var more struct {
			NextAt     *time.Time `db:"next_at"`
			DecideAt   *time.Time `db:"decide_at"`
			FreshUntil *time.Time `db:"fresh_until"`
		}
		err = tx.GetContext(ctx, &more, `SELECT
			(SELECT q.send_at FROM queue q WHERE q.account_id = $1 AND q.message_id = $2) AS next_at,
			(SELECT u.decide_at FROM unanswered u WHERE u.account_id = $1 AND u.message_id = $2) AS decide_at,
			(SELECT m.fresh_until FROM messages m WHERE m.account_id = $1 AND m.id = $2) AS fresh_until`, ref.AccountID, ref.ID)
		if err != nil {
			return err
		}
		d.Queued, d.NextAt, d.DecideAt, d.FreshUntil = more.NextAt != nil, more.NextAt, more.DecideAt, more.FreshUntil
		return tx.SelectContext(ctx, &d.History, `SELECT at, what, status, code FROM message_events
			WHERE account_id = $1 AND message_id = $2 ORDER BY id`, ref.AccountID, ref.ID)
	})
	if err != nil {
		return Detail{}, fmt.Errorf("get message %d: %w", ref.ID, err)
	}
	d.History = d.Entry.history(d.History)
	return d, nil
}

// InboundEntry is a text somebody sent to the account.
type InboundEntry struct {
	ID         int64     `db:"id"`
	Sender     string    `db:"sender"`    // E.164 of who wrote
	Recipient  string    `db:"recipient"` // our number or name
	Body       string    `db:"body"`
	MessageID  *int64    `db:"message_id"` // our last message to them; nil also once that is purged
	Action     string    `db:"action"`     // an optout.Action; "" is for people to read
	ReceivedAt time.Time `db:"received_at"`
}

// Replies returns the newest texts sent to account, at most limit, with ids below
// before (0 = from the newest on). sender narrows to one number, "" doesn't.
func (s *Store) Replies(ctx context.Context, account int64, sender string, before int64, limit int) ([]InboundEntry, error) {
	var out []InboundEntry
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &out, `SELECT i.id, i.sender, i.recipient, i.body, m.id AS message_id, i.action, i.received_at
			FROM inbound i LEFT JOIN messages m ON m.account_id = i.account_id AND m.id = i.message_id AND m.account_id = $1
			WHERE i.account_id = $1 AND ($2 = '' OR i.sender = $2) AND ($3 = 0 OR i.id < $3) ORDER BY i.id DESC LIMIT $4`,
			account, sender, before, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("list replies: %w", err)
	}
	return out, nil
}
