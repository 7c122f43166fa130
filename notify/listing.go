package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

const (
	defaultPage = 50
	largestPage = 1000
	// lookMost is how many messages one page of a sifted list looks at. What a filter
	// leaves out costs about 4 µs a row, see doc.go.
	lookMost = 20_000
)

// Page is a piece of the log.
type Page struct {
	Entries []Entry
	Next    Cursor // where the next piece begins
	More    bool   // there is a next piece
	// Searching means that Entries are fewer than asked for because many were looked at
	// that don't match; the search goes on at Next.
	Searching bool
}

// fromSent joins what became of messages m.
const fromSent = ` LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1 `

// List returns one page of account's log, newest first. There is no total: counting
// would read everything on every page.
//
// A page looks at 20,000 messages at most, whatever the filter: one that leaves nearly
// everything out gives short pages rather than slow ones.
func (s *Store) List(ctx context.Context, account int64, f Filter) (Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, largestPage)
	var p Page
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		var floor Cursor
		if f.sifts() {
			var err error
			if floor, err = floorTx(ctx, tx, account, f, max(s.look, limit+1)); err != nil {
				return err
			}
		}
		c := f.span(account)
		f.sift(c)
		if floor != (Cursor{}) {
			c.add("(m.created_at, m.id) >= (?, ?)", floor.CreatedAt, floor.ID)
		}
		if err := walkTx(ctx, tx); err != nil {
			return err
		}
		// One row more than asked for tells whether there is a next page.
		if err := tx.SelectContext(ctx, &p.Entries, `SELECT `+entryColumns+` FROM messages m`+fromSent+`WHERE `+c.String()+
			` ORDER BY m.created_at DESC, m.id DESC LIMIT `+c.arg(limit+1), c.args...); err != nil {
			return err
		}
		switch {
		case len(p.Entries) > limit:
			p.Entries, p.More = p.Entries[:limit], true
			last := p.Entries[limit-1]
			p.Next = Cursor{CreatedAt: last.CreatedAt, ID: last.ID}
		case floor != (Cursor{}):
			p.More, p.Searching, p.Next = true, true, floor
		}
		return nil
	})
	if err != nil {
		return Page{}, fmt.Errorf("list messages: %w", err)
	}
	return p, nil
}

// floorTx is the n-th message of what f spans, newest first; zero when there are not more
// than n. It is asked for before the page is read: what is added meanwhile is newer.
func floorTx(ctx context.Context, tx *sqlx.Tx, account int64, f Filter, n int) (Cursor, error) {
	c := f.span(account)
	var rows []struct {
		CreatedAt time.Time `db:"created_at"`
		ID        int64     `db:"id"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT m.created_at, m.id FROM messages m WHERE `+c.String()+
		` ORDER BY m.created_at DESC, m.id DESC OFFSET `+c.arg(n-1)+` LIMIT 2`, c.args...); err != nil {
		return Cursor{}, err
	}
	if len(rows) < 2 {
		return Cursor{}, nil
	}
	return Cursor{rows[0].CreatedAt, rows[0].ID}, nil
}

// walkTx keeps the planner from reading all of sent for a page: it does not see how few
// messages lie between two places, takes half the table for it, and starts processes
// that take longer to start than the page to read.
func walkTx(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0`)
	return err
}

// Counts is how many messages a filter finds, by status.
type Counts struct {
	By    map[Status]int
	Total int
	// More means that there are older messages that were not looked at.
	More bool
}

// Counts counts what f finds among the newest most messages it spans; most 0 looks at
// all. After and Limit of f count for nothing.
func (s *Store) Counts(ctx context.Context, account int64, f Filter, most int) (Counts, error) {
	f.After = Cursor{}
	n := Counts{By: map[Status]int{}}
	var rows []struct {
		Status Status
		N      int
	}
	err := migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		c := f.span(account)
		f.sift(c)
		if most > 0 {
			floor, err := floorTx(ctx, tx, account, f, most)
			if err != nil {
				return err
			}
			if n.More = floor != (Cursor{}); n.More {
				c.add("(m.created_at, m.id) >= (?, ?)", floor.CreatedAt, floor.ID)
			}
			if err := walkTx(ctx, tx); err != nil {
				return err
			}
		}
		return tx.SelectContext(ctx, &rows, `SELECT COALESCE(s.status, 0) AS status, count(*) AS n FROM messages m`+fromSent+
			`WHERE `+c.String()+` GROUP BY 1`, c.args...)
	})
	if err != nil {
		return Counts{}, fmt.Errorf("count messages: %w", err)
	}
	for _, r := range rows {
		n.By[r.Status] = r.N
		n.Total += r.N
	}
	return n, nil
}

// Any reports whether account ever had a message that is still there.
func (s *Store) Any(ctx context.Context, account int64) (any bool, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &any, `SELECT true FROM messages WHERE account_id = $1 LIMIT 1`, account)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for messages: %w", err)
	}
	return any, nil
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
			page, err := s.List(ctx, account, f)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			f.After = page.Next
		}
	}
}
