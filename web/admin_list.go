package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// cellKind says what a column holds.
type cellKind int

const (
	asText   cellKind = iota
	asCount           // a whole number
	asMoney           // Rappen
	asDay             // a date
	asTime            // an instant
	asWord            // one of a closed set, worded desk.<set>.<value>
	asHidden          // what fill reads; not shown
)

// deskColumn is a column of a list.
type deskColumn struct {
	name string // worded desk.column.<name>
	expr string // SQL
	kind cellKind
	set  string // of asWord
	link string // SQL of the path it leads to, '' = nowhere; "" = never
}

// deskState is a choice of a list's filter.
type deskState struct{ name, where string }

// deskList is a list of the billing admin: one statement, read as rappel_operator. $1 to
// $6 are search, account, from, to, today and item; every list may use them.
type deskList struct {
	name    string // below /admin/billing/, and worded desk.list.<name>
	columns []deskColumn
	from    string
	states  []deskState // worded desk.<name>.<state>
	search  string      // SQL of the text that is searched
	account string      // SQL of the account, "" = has none
	day     string      // SQL of the day that from and to choose by, "" = has none
	item    string      // SQL condition on $6, where a page leads to the rows of one thing
	order   string
	// fill adds what SQL does not know to rows; the columns are there already.
	fill func(ctx context.Context, s *Server, rows [][]any) error
}

// deskRows is how many rows a page of a list has.
const deskRows = 50

// deskFilter is what is asked of a list.
type deskFilter struct {
	Q, State, From, To, Item string
	Account                  int64
	Page                     int
	Errors                   map[string]string
}

// readDesk reads a list's filter. What makes no sense is said, and asks for nothing.
func (r *request) readDesk(l *deskList) deskFilter {
	q := r.URL.Query()
	f := deskFilter{Q: strings.TrimSpace(q.Get("q")), State: q.Get("state"), From: q.Get("from"), To: q.Get("to"), Item: q.Get("item"), Errors: map[string]string{}}
	if n, err := strconv.ParseInt(q.Get("account"), 10, 64); err == nil && n > 0 {
		f.Account = n
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < 1_000_000 {
		f.Page = n
	}
	for name, v := range map[string]string{"from": f.From, "to": f.To} {
		if _, err := billing.ParseDate(v); v != "" && err != nil {
			f.Errors[name] = r.say("field.date")
		}
	}
	if f.State != "" && l.state(f.State) == nil {
		f.Errors["state"] = r.say("field.unknown")
	}
	return f
}

func (l *deskList) state(name string) *deskState {
	for i := range l.states {
		if l.states[i].name == name {
			return &l.states[i]
		}
	}
	return nil
}

// href is the list's address with the filter, and what is changed about it.
func (l *deskList) href(f deskFilter, ending string, change func(*deskFilter)) string {
	if change != nil {
		change(&f)
	}
	v := url.Values{}
	for name, s := range map[string]string{"q": f.Q, "state": f.State, "from": f.From, "to": f.To, "item": f.Item} {
		if s != "" {
			v.Set(name, s)
		}
	}
	if f.Account != 0 {
		v.Set("account", strconv.FormatInt(f.Account, 10))
	}
	if f.Page > 0 {
		v.Set("page", strconv.Itoa(f.Page))
	}
	path := "/admin/billing/" + l.name + ending
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// statement builds the query of a filter: the columns, their links, in the end the number
// of all rows.
func (l *deskList) statement(f deskFilter, today billing.Date) (query string, args []any) {
	var b strings.Builder
	b.WriteString("SELECT ")
	for _, c := range l.columns {
		b.WriteString(c.expr + ", ")
	}
	for _, c := range l.columns {
		if c.link != "" {
			b.WriteString(c.link + ", ")
		}
	}
	from, args := l.rows(f, today)
	b.WriteString("count(*) OVER ()" + from + " ORDER BY " + l.order)
	return b.String(), args
}

// rows are FROM and WHERE of a filter.
func (l *deskList) rows(f deskFilter, today billing.Date) (from string, args []any) {
	var b strings.Builder
	// Each parameter is there with its type, whether a list uses it or not.
	b.WriteString(" FROM " + l.from + ` AND CAST($1 AS text) IS NOT NULL AND CAST($2 AS bigint) IS NOT NULL AND CAST($5 AS date) IS NOT NULL AND CAST($6 AS text) IS NOT NULL
		AND (CAST($3 AS date) IS NULL OR CAST($4 AS date) IS NULL OR true)`)
	if l.search != "" {
		b.WriteString(" AND ($1 = '' OR position(lower($1) IN lower(" + l.search + ")) > 0)")
	}
	if l.account != "" {
		b.WriteString(" AND ($2 = 0 OR " + l.account + " = $2)")
	}
	if l.day != "" {
		b.WriteString(" AND (CAST($3 AS date) IS NULL OR " + l.day + " >= CAST($3 AS date)) AND (CAST($4 AS date) IS NULL OR " + l.day + " <= CAST($4 AS date))")
	}
	if l.item != "" {
		b.WriteString(" AND ($6 = '' OR " + l.item + ")")
	}
	if st := l.state(f.State); st != nil {
		b.WriteString(" AND (" + st.where + ")")
	}
	day := func(s string) any {
		if d, err := billing.ParseDate(s); err == nil {
			return d
		}
		return nil
	}
	return b.String(), []any{f.Q, f.Account, day(f.From), day(f.To), today, f.Item}
}

// read runs a statement and hands its rows over, limit 0 = all of them.
func (l *deskList) read(ctx context.Context, q sqlx.QueryerContext, f deskFilter, today billing.Date, limit int) (rows [][]any, links [][]string, total int, err error) {
	query, args := l.statement(f, today)
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, f.Page*limit)
	}
	found, err := q.QueryxContext(ctx, query, args...)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("list %s: %w", l.name, err)
	}
	defer found.Close()
	for found.Next() {
		all, err := found.SliceScan()
		if err != nil {
			return nil, nil, 0, fmt.Errorf("list %s: %w", l.name, err)
		}
		for i, v := range all {
			if b, ok := v.([]byte); ok {
				all[i] = string(b)
			}
		}
		n, k := len(l.columns), 0
		link := make([]string, n)
		for i, c := range l.columns {
			if c.link == "" {
				continue
			}
			if s, ok := all[n+k].(string); ok {
				link[i] = s
			}
			k++
		}
		if count, ok := all[len(all)-1].(int64); ok {
			total = int(count)
		}
		rows, links = append(rows, all[:n:n]), append(links, link)
	}
	if err := found.Err(); err != nil {
		return nil, nil, 0, fmt.Errorf("list %s: %w", l.name, err)
	}
	return rows, links, total, nil
}

// deskCell is a value as a page shows it.
type deskCell struct {
	Label, Text, Href, Mood string
	At                      time.Time // of an instant
	Right, Pill             bool
}

// cell words a value.
func (r *request) cell(c deskColumn, v any) deskCell {
	out := deskCell{Label: r.say("desk.column." + c.name), Right: c.kind == asMoney || c.kind == asCount}
	switch v := v.(type) {
	case nil:
	case time.Time:
		if c.kind == asTime {
			out.At, out.Text = v, v.In(r.Loc).Format("02.01.2006 15:04")
		} else {
			out.Text = v.Format("02.01.2006")
		}
	case int64:
		if c.kind == asMoney {
			out.Text = chf(v)
		} else {
			out.Text = strings.Replace(strconv.FormatInt(v, 10), "-", "−", 1) // as amounts have it
		}
	case string:
		out.Text = v
		if c.kind == asWord && v != "" {
			out.Text, out.Pill, out.Mood = r.word(c.set, v), true, deskMoods[v]
		}
	default:
		out.Text = fmt.Sprint(v)
	}
	return out
}

// word is a value of a closed set in words; one of a later version shows itself.
func (r *request) word(set, value string) string {
	if key := "desk." + set + "." + value; r.s.words.has(key) {
		return r.say(key)
	}
	return value
}

// deskMoods colour states.
var deskMoods = map[string]string{
	"active": "good", "paid": "good", "fulfilled": "good", "matched": "good", "done": "good", "payment": "good",
	"trialing": "brand", "open": "brand", "offered": "brand", "signed": "brand", "assigned": "brand", "begun": "brand", "new": "good", "reactivation": "good", "expansion": "good",
	"past_due": "warn", "suspense": "warn", "waiting": "warn", "overdue": "warn", "contraction": "warn", "incomplete": "warn",
	"suspended": "bad", "failed": "bad", "uncollectible": "bad", "refused": "bad", "reversal": "bad", "churn": "bad",
}

// plainCell is a value as files hold it.
func (r *request) plainCell(c deskColumn, v any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case int64:
		if c.kind == asMoney {
			return rappen(v)
		}
		return int(v)
	case time.Time:
		if c.kind == asTime {
			return v.In(r.Loc)
		}
		return v.Format(time.DateOnly)
	case string:
		if c.kind == asWord && v != "" {
			return r.word(c.set, v)
		}
		return v
	}
	return fmt.Sprint(v)
}

// deskChoice is a choice of the filter with its address.
type deskChoice struct {
	Words, Name, Href string
	On                bool
}

type deskListData struct {
	Title, Lead string
	List        string
	Filter      deskFilter
	HasDays     bool
	HasSearch   bool
	Heads       []deskCell
	Rows        [][]deskCell
	States      []deskChoice
	Total       int
	First, Last int
	Previous    string
	Next        string
	Reset       string
	Path        string
	CSV, XLSX   string
	Clinic      string // whose rows these are, "" = everybody's
	Empty       string
	Actions     []deskChoice
}

// today is the day it is where whoever asks is: at the clinic's, or the operator's.
func (r *request) today() billing.Date { return billing.DateIn(r.s.Now(), r.Loc) }

func (l *deskList) page(s *Server, w http.ResponseWriter, r *request) error {
	f := r.readDesk(l)
	d := deskListData{Title: r.say("desk.list." + l.name), Lead: r.say("desk.list." + l.name + ".lead"), List: l.name, Filter: f, HasDays: l.day != "", HasSearch: l.search != "",
		Path: "/admin/billing/" + l.name, Reset: "/admin/billing/" + l.name, Empty: r.say("desk.none.do")}
	var rows [][]any
	var links [][]string
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if rows, links, d.Total, err = l.read(ctx, tx, f, r.today(), deskRows); err != nil {
			return err
		}
		if f.Account != 0 && l.account != "" {
			return tx.GetContext(ctx, &d.Clinic, `SELECT business FROM accounts WHERE account_id = $1`, f.Account)
		}
		return nil
	}); err != nil {
		return err
	}
	if l.fill != nil {
		if err := l.fill(r.Context(), s, rows); err != nil {
			return err
		}
	}
	for _, c := range l.columns {
		if c.kind == asHidden {
			continue
		}
		d.Heads = append(d.Heads, deskCell{Text: r.say("desk.column." + c.name), Right: c.kind == asMoney || c.kind == asCount})
	}
	for i, row := range rows {
		var cells []deskCell
		for j, c := range l.columns {
			if c.kind == asHidden {
				continue
			}
			cell := r.cell(c, row[j])
			cell.Href = links[i][j]
			cells = append(cells, cell)
		}
		d.Rows = append(d.Rows, cells)
	}
	if len(l.states) > 0 {
		d.States = append(d.States, deskChoice{r.say("desk.all"), "", l.href(f, "", func(f *deskFilter) { f.State, f.Page = "", 0 }), f.State == ""})
		for _, st := range l.states {
			d.States = append(d.States, deskChoice{r.word(l.name, st.name), st.name, l.href(f, "", func(f *deskFilter) { f.State, f.Page = st.name, 0 }), f.State == st.name})
		}
	}
	if len(rows) > 0 {
		d.First, d.Last = f.Page*deskRows+1, f.Page*deskRows+len(rows)
	}
	if f.Page > 0 {
		d.Previous = l.href(f, "", func(f *deskFilter) { f.Page-- })
	}
	if d.Last < d.Total {
		d.Next = l.href(f, "", func(f *deskFilter) { f.Page++ })
	}
	d.CSV, d.XLSX = l.href(f, ".csv", func(f *deskFilter) { f.Page = 0 }), l.href(f, ".xlsx", func(f *deskFilter) { f.Page = 0 })
	return r.page(w, "admin_list.html", "admin-billing", d)
}

// export writes all rows of the filter, on all its pages.
func (l *deskList) export(s *Server, r *request, out sheet) error {
	defer out.Abandon()
	f := r.readDesk(l)
	f.Page = 0
	var rows [][]any
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		rows, _, _, err = l.read(ctx, tx, f, r.today(), 0)
		return err
	}); err != nil {
		return err
	}
	if l.fill != nil {
		if err := l.fill(r.Context(), s, rows); err != nil {
			return err
		}
	}
	var head []any
	for _, c := range l.columns {
		if c.kind != asHidden {
			head = append(head, r.say("desk.column."+c.name))
		}
	}
	if err := out.Row(head...); err != nil {
		return err
	}
	for _, row := range rows {
		var cells []any
		for i, c := range l.columns {
			if c.kind != asHidden {
				cells = append(cells, r.plainCell(c, row[i]))
			}
		}
		if err := out.Row(cells...); err != nil {
			return err
		}
	}
	return out.Close()
}

// listRoutes are the lists and their files.
func (s *Server) listRoutes() (all []route) {
	for i := range deskLists {
		l := &deskLists[i]
		path := "GET /admin/billing/" + l.name
		all = append(all,
			route{path, roleBillingAdmin, func(w http.ResponseWriter, r *request) error { return l.page(s, w, r) }},
			route{path + ".csv", roleBillingAdmin, func(w http.ResponseWriter, r *request) error {
				return l.export(s, r, newCSVSheet(w, r.fileName(l.name, "csv")))
			}},
			route{path + ".xlsx", roleBillingAdmin, func(w http.ResponseWriter, r *request) error {
				out, err := newXLSXSheet(w, r.fileName(l.name, "xlsx"))
				if err != nil {
					return err
				}
				return l.export(s, r, out)
			}})
	}
	return all
}
