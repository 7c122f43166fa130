package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
)

// Cursor is a place in the log, behind the entry it names. The zero value is the
// beginning.
type Cursor struct {
	CreatedAt time.Time
	ID        int64
}

// Filter narrows the log. Zero fields don't narrow.
type Filter struct {
	Statuses   []Status  // any of them
	Kind       Kind      //
	Origin     Origin    //
	OriginIDs  []int64   // any of them; give Origin, too
	Recipients []string  // E.164, exactly, any of them
	Text       string    // part of the body, the recipient or the sender, in any case
	From, To   time.Time // created in [From, To)
	After      Cursor    // continue behind this entry
	Limit      int       // of one page; 0 = 50, at most 1000
}

// conditions collects what a statement asks for, with its arguments; $1 is the account.
type conditions struct {
	all  []string
	args []any
}

// add takes a condition with a "?" for each value.
func (c *conditions) add(cond string, values ...any) {
	for _, v := range values {
		c.args = append(c.args, v)
		cond = strings.Replace(cond, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.all = append(c.all, cond)
}

// arg adds a value and returns its placeholder.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) String() string { return strings.Join(c.all, " AND ") }

// span is the part of the filter that an index of messages answers: account, period,
// place, and numbers.
func (f Filter) span(account int64) *conditions {
	c := &conditions{all: []string{"m.account_id = $1"}, args: []any{account}}
	if len(f.Recipients) > 0 {
		c.add("m.recipient = ANY(CAST(? AS text[]))", pq.Array(f.Recipients))
	}
	if !f.From.IsZero() {
		c.add("m.created_at >= ?", f.From)
	}
	if !f.To.IsZero() {
		c.add("m.created_at < ?", f.To)
	}
	if f.After != (Cursor{}) {
		c.add("(m.created_at, m.id) < (?, ?)", f.After.CreatedAt, f.After.ID)
	}
	return c
}

// sift adds to c what must be looked up row by row.
func (f Filter) sift(c *conditions) {
	if len(f.Statuses) > 0 {
		codes := make([]int64, len(f.Statuses))
		for i, s := range f.Statuses {
			codes[i] = int64(s)
		}
		c.add("COALESCE(s.status, 0) = ANY(CAST(? AS smallint[]))", pq.Array(codes))
	}
	if f.Kind != 0 {
		c.add("m.kind = ?", f.Kind)
	}
	if f.Origin != "" {
		c.add("m.origin = ?", f.Origin)
	}
	if len(f.OriginIDs) > 0 {
		c.add("m.origin_id = ANY(CAST(? AS bigint[]))", pq.Array(f.OriginIDs))
	}
	if f.Text != "" {
		// strpos rather than LIKE: nothing in what people type is a wildcard.
		c.add("strpos(lower(m.body || ' ' || m.recipient || ' ' || m.sender), lower(?)) > 0", f.Text)
	}
}

// sifts reports whether rows that an index finds may still be left out, so that a page
// could cost more than its rows. Numbers have few messages each.
func (f Filter) sifts() bool {
	return len(f.Recipients) == 0 && (len(f.Statuses) > 0 || f.Kind != 0 || f.Origin != "" || len(f.OriginIDs) > 0 || f.Text != "")
}
