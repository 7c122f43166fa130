package web

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// deskFigure is a number with the list of its rows.
type deskFigure struct {
	Name, Value, Words, Href, Mood string
}

// deskRowsOf are rows of a list. A figure is reckoned from the same statement its list is
// read with, so it can't say anything else than its rows.
type deskRowsOf struct {
	list     string
	state    string       // "" = whatever state
	from, to billing.Date // 0 = whenever
}

// href is where the rows are.
func (rows deskRowsOf) href() string {
	v := url.Values{}
	for name, s := range map[string]string{"state": rows.state, "from": dayOf(rows.from), "to": dayOf(rows.to)} {
		if s != "" {
			v.Set(name, s)
		}
	}
	path := "/admin/billing/" + rows.list
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// dayOf is a day as addresses have it, "" for none.
func dayOf(d billing.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// read counts the rows and adds up a column of them; column "" adds up nothing.
func (rows deskRowsOf) read(ctx context.Context, tx *sqlx.Tx, today billing.Date, column string) (count, sum int64, err error) {
	l := listOf(rows.list)
	adds := "0"
	for _, c := range l.columns {
		if c.name == column {
			adds = c.expr
		}
	}
	from, args := l.rows(deskFilter{State: rows.state, From: dayOf(rows.from), To: dayOf(rows.to)}, today)
	row := tx.QueryRowxContext(ctx, "SELECT count(*), CAST(COALESCE(sum("+adds+"), 0) AS bigint)"+from, args...)
	if err := row.Scan(&count, &sum); err != nil {
		return 0, 0, fmt.Errorf("add up list %s: %w", l.name, err)
	}
	return count, sum, nil
}

// count makes the figure one of how many rows there are.
func (f *deskFigure) count(ctx context.Context, tx *sqlx.Tx, r *request, rows deskRowsOf) error {
	n, _, err := rows.read(ctx, tx, r.today(), "")
	if err != nil {
		return err
	}
	f.Href = rows.href()
	f.say(r, n)
	return nil
}

// say words n. Nothing is no reason for a mood.
func (f *deskFigure) say(r *request, n int64) {
	f.Value = r.number(n)
	if n == 0 {
		f.Mood = ""
	}
}

// listOf is the list with a name that is there.
func listOf(name string) *deskList {
	for i := range deskLists {
		if deskLists[i].name == name {
			return &deskLists[i]
		}
	}
	panic("web: no list " + name)
}

// moves are a month's movements of revenue, of a kind or all.
func moves(month billing.Date, state string) string {
	return deskRowsOf{"movements", state, month, billing.AddMonths(month, 1) - 1}.href()
}

// movesTo are all movements up to a day, which add up to the revenue on it.
func movesTo(day billing.Date) string { return deskRowsOf{list: "movements", to: day}.href() }
