package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

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

// Cursor is where a page of the log ends. The zero value is the beginning.
type Cursor struct {
	CreatedAt time.Time
	ID        int64
}

// Filter narrows the log. Zero fields don't narrow.
type Filter struct {
	Statuses  []Status
	Recipient string    // E.164, exactly
	Text      string    // part of the body, the recipient or the sender, in any case
	From, To  time.Time // created in [From, To)
	Origin    Origin
	OriginID  int64
	After     Cursor // continue behind this entry
	Limit     int    // of one page; 0 = 50, at most 1000
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
	DecideAt   *time.Time // unanswered: until then evidence is awaited
	History    []HistoryEntry
	FreshUntil *time.Time
}

// Store reads the message log. It works on either pool; each call is one transaction
// of the account it names.
type Store struct{ db *sqlx.DB }

// NewStore returns a Store on db.
func NewStore(db *sqlx.DB) *Store { return &Store{db: db} }

const entryColumns = `m.account_id, m.id, m.kind, m.reference, m.origin, m.origin_id, m.recipient, m.sender, m.body,
	m.encoding, m.segments, m.units, m.send_at, m.expires_at, m.created_at,
	COALESCE(s.status, 0) AS status, COALESCE(s.reason, '') AS reason, COALESCE(s.code, '') AS code,
	COALESCE(s.carrier, '') AS carrier, COALESCE(s.attempts, 0) AS attempts, s.accepted_at,
	COALESCE(s.status_at, m.created_at) AS status_at`

const (
	defaultPage = 50
	largestPage = 1000
)

// List returns one page of account's log, newest first. next continues it; ok is false
// on the last page. There is no total: counting would read everything on every page.
func (s *Store) List(ctx context.Context, account int64, f Filter) (page []Entry, next Cursor, ok bool, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, largestPage)
	where, args := f.where(account)
	args = append(args, limit+1) // one more tells whether there is a next page
	query := `SELECT ` + entryColumns + ` FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1
		WHERE ` + where + fmt.Sprintf(` ORDER BY m.created_at DESC, m.id DESC LIMIT $%d`, len(args))
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &page, query, args...)
	})
	if err != nil {
		return nil, Cursor{}, false, fmt.Errorf("list messages: %w", err)
	}
	if len(page) > limit {
		page, ok = page[:limit], true
		last := page[limit-1]
		next = Cursor{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	return page, next, ok, nil
}

// where builds the condition; $1 is the account.
func (f Filter) where(account int64) (string, []any) {
	args := []any{account}
	conds := []string{"m.account_id = $1"}
	add := func(cond string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			cond = strings.Replace(cond, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		conds = append(conds, cond)
	}
	if len(f.Statuses) > 0 {
		codes := make([]int64, len(f.Statuses))
		for i, s := range f.Statuses {
			codes[i] = int64(s)
		}
		add("COALESCE(s.status, 0) = ANY(CAST(? AS smallint[]))", pq.Array(codes))
	}
	if f.Recipient != "" {
		add("m.recipient = ?", f.Recipient)
	}
	if f.Text != "" {
		// strpos rather than LIKE: nothing in what people type is a wildcard.
		add("strpos(lower(m.body || ' ' || m.recipient || ' ' || m.sender), lower(?)) > 0", f.Text)
	}
	if !f.From.IsZero() {
		add("m.created_at >= ?", f.From)
	}
	if !f.To.IsZero() {
		add("m.created_at < ?", f.To)
	}
	if f.Origin != "" {
		add("m.origin = ?", f.Origin)
	}
	if f.OriginID != 0 {
		add("m.origin_id = ?", f.OriginID)
	}
	if f.After != (Cursor{}) {
		add("(m.created_at, m.id) < (?, ?)", f.After.CreatedAt, f.After.ID)
	}
	return strings.Join(conds, " AND "), args
}

// Export goes through all of the log that f selects, newest first, a page at a time:
// memory stays flat and no transaction stays open while the reader writes. f.Limit is
// the size of those pages. An error ends it.
func (s *Store) Export(ctx context.Context, account int64, f Filter) iter.Seq2[Entry, error] {
	if f.Limit <= 0 {
		f.Limit = largestPage
	}
	return func(yield func(Entry, error) bool) {
		for {
			page, next, more, err := s.List(ctx, account, f)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if !more {
				return
			}
			f.After = next
		}
	}
}

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
			Queued     bool
			DecideAt   *time.Time `db:"decide_at"`
			FreshUntil *time.Time `db:"fresh_until"`
		}
		err = tx.GetContext(ctx, &more, `SELECT
			EXISTS (SELECT 1 FROM queue q WHERE q.account_id = $1 AND q.message_id = $2) AS queued,
			(SELECT u.decide_at FROM unanswered u WHERE u.account_id = $1 AND u.message_id = $2) AS decide_at,
			(SELECT m.fresh_until FROM messages m WHERE m.account_id = $1 AND m.id = $2) AS fresh_until`, ref.AccountID, ref.ID)
		if err != nil {
			return err
		}
		d.Queued, d.DecideAt, d.FreshUntil = more.Queued, more.DecideAt, more.FreshUntil
		return tx.SelectContext(ctx, &d.History, `SELECT at, what, status, code FROM message_events
			WHERE account_id = $1 AND message_id = $2 ORDER BY id`, ref.AccountID, ref.ID)
	})
	if err != nil {
		return Detail{}, fmt.Errorf("get message %d: %w", ref.ID, err)
	}
	d.History = d.Entry.history(d.History)
	return d, nil
}

// Counts returns how many of account's messages created in [from, to) have each
// status. A zero instant leaves that side open.
func (s *Store) Counts(ctx context.Context, account int64, from, to time.Time) (map[Status]int, error) {
	where, args := Filter{From: from, To: to}.where(account)
	var rows []struct {
		Status Status
		N      int
	}
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, `SELECT COALESCE(s.status, 0) AS status, count(*) AS n FROM messages m
			LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1
			WHERE `+where+` GROUP BY 1`, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	counts := make(map[Status]int, len(rows))
	for _, r := range rows {
		counts[r.Status] = r.N
	}
	return counts, nil
}

// InboundEntry is a text somebody sent to the account.
type InboundEntry struct {
	ID         int64     `db:"id"`
	Sender     string    `db:"sender"`    // E.164 of who wrote
	Recipient  string    `db:"recipient"` // our number or name
	Body       string    `db:"body"`
	MessageID  *int64    `db:"message_id"` // our last message to them
	Action     string    `db:"action"`     // an optout.Action; "" is for people to read
	ReceivedAt time.Time `db:"received_at"`
}

// Replies returns the newest texts sent to account, at most limit, with ids below
// before (0 = from the newest on). sender narrows to one number, "" doesn't.
func (s *Store) Replies(ctx context.Context, account int64, sender string, before int64, limit int) ([]InboundEntry, error) {
	var out []InboundEntry
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &out, `SELECT id, sender, recipient, body, message_id, action, received_at FROM inbound
			WHERE account_id = $1 AND ($2 = '' OR sender = $2) AND ($3 = 0 OR id < $3) ORDER BY id DESC LIMIT $4`,
			account, sender, before, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("list replies: %w", err)
	}
	return out, nil
}
