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

	"rappel/calendars"
	"rappel/reminders"
)

// appointmentRoutes are the list of appointments, its export, and one appointment.
//
// Ids for browser tests: form #filters with q, calendar, from, to, show, when; the
// list in #list refreshes itself and has tr[data-appointment="<id>"] with .pill;
// #total; #next; #csv, #xlsx. On one appointment #why, #lines with li[data-reminder="<id>"],
// #preview with .bubble, #history, and mark around the number in #texts.
func (s *Server) appointmentRoutes() []route {
	return []route{
		{"GET /appointments", daily, s.appointmentList},
		{"GET /appointments/export.csv", daily, s.appointmentCSV},
		{"GET /appointments/export.xlsx", daily, s.appointmentXLSX},
		{"GET /appointments/{id}", daily, s.appointmentDetail},
	}
}

// appointmentShows are the choices of what to show.
var appointmentShows = []string{"all", "planned", "problems", "number", "none"}

const (
	appointmentsPerPage = 50
	appointmentDays     = 14  // the window when none is chosen
	longestWindow       = 400 // days
	scanChunk           = 500
	scanMost            = 5000 // sealed texts opened for one page of a search
)

// appointmentFilter is what the form above the list says, as typed.
type appointmentFilter struct {
	Q, From, To, Show, When string
	Calendar                int64
	Errors                  map[string]string
}

// dayGroup is the appointments of one day.
type dayGroup struct {
	Day  time.Time
	Rows []appointmentRow
}

type appointmentPage struct {
	Filter    appointmentFilter
	Shows     []string
	Calendars []calendars.Calendar
	Days      []dayGroup
	Total     int    // appointments chosen; -1 while searching, for texts can't be counted unread
	Sending   int    // reminders going out in the window, when it is that of sending; else -1
	Next      string // URL of the next page, "" on the last
	Searching bool   // the next page goes on searching
	Self      string // URL of this page, for refreshing
	CSV, XLSX string
	Watching  bool // some calendar is watched
	Narrowed  bool // a filter narrows the list
}

// readAppointments turns the query string into a filter and a query. What can't be
// read is worded beside its field and does not narrow.
func (r *request) readAppointments() (appointmentFilter, appointmentQuery) {
	v := r.URL.Query()
	f := appointmentFilter{Q: strings.TrimSpace(v.Get("q")), Show: v.Get("show"), When: v.Get("when"), Errors: map[string]string{}}
	q := appointmentQuery{Now: r.now()}
	if f.Show == "" {
		f.Show = "all"
	}
	q.Show = f.Show
	if !contains(appointmentShows, f.Show) {
		f.Errors["show"] = r.say("field.unknown")
		q.Show = "all"
	}
	q.BySend = f.When == "send"
	if c := v.Get("calendar"); c != "" {
		id, err := strconv.ParseInt(c, 10, 64)
		if err != nil || id < 0 {
			f.Errors["calendar"] = r.say("field.unknown")
			id = 0
		}
		f.Calendar, q.Calendar = id, id
	}
	today := startOfDay(r.now())
	day := func(field string, otherwise time.Time) (string, time.Time) {
		value := v.Get(field)
		if value == "" {
			return otherwise.Format(time.DateOnly), otherwise
		}
		t, err := time.ParseInLocation(time.DateOnly, value, r.Loc)
		if err != nil {
			f.Errors[field] = r.say("field.date")
			return value, otherwise
		}
		return value, t
	}
	f.From, q.From = day("from", today)
	var last time.Time
	f.To, last = day("to", q.From.AddDate(0, 0, appointmentDays))
	switch {
	case last.Before(q.From):
		f.Errors["to"] = r.say("appointments.backwards")
		last = q.From
	case last.After(q.From.AddDate(0, 0, longestWindow)):
		f.Errors["to"] = r.say("appointments.too_wide", "Count", longestWindow)
		last = q.From.AddDate(0, 0, longestWindow)
	}
	q.To = last.AddDate(0, 0, 1) // the day itself belongs to it
	if at, id, ok := strings.Cut(v.Get("after"), "."); ok {
		us, err1 := strconv.ParseInt(at, 10, 64)
		eid, err2 := strconv.ParseInt(id, 10, 64)
		if err1 == nil && err2 == nil {
			q.After = appointmentCursor{time.UnixMicro(us).UTC(), eid}
		}
	}
	return f, q
}

func contains(all []string, s string) bool {
	for _, each := range all {
		if each == s {
			return true
		}
	}
	return false
}

// startOfDay is midnight, or what the zone has instead of it, of t's day.
func startOfDay(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// matches reports whether an appointment has what is searched: part of its title or
// place, or of its number in any way people write one.
func (row appointmentRow) matches(q string) bool {
	if q == "" {
		return true
	}
	needle := strings.ToLower(q)
	if strings.Contains(strings.ToLower(row.Event.Title), needle) || strings.Contains(strings.ToLower(row.Event.Location), needle) {
		return true
	}
	digits := strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "(", "", ")", "").Replace(needle)
	digits = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(digits, "+"), "00"), "0")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	for _, rem := range row.Reminders {
		if strings.Contains(rem.Recipient, digits) {
			return true
		}
	}
	return strings.Contains(row.Why.Recipient, digits)
}

// scanAppointments reads up to limit appointments that q chooses and that match text,
// in pieces, so that a window of ten thousand is never in memory at once. more tells
// that it goes on behind next.
func (s *Server) scanAppointments(r *request, q appointmentQuery, text string, limit int) (rows []appointmentRow, next appointmentCursor, more bool, err error) {
	chunk := limit + 1
	if text != "" {
		chunk = scanChunk
	}
	for scanned := 0; ; {
		var events []calendars.Event
		var last appointmentCursor
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			ids, end, err := appointmentIDs(ctx, tx, r.Account.ID, q, chunk)
			if err != nil || len(ids) == 0 {
				return err
			}
			last = end
			events, err = s.Calendars.EventsByIDTx(ctx, tx, r.Account.ID, ids)
			return err
		}); err != nil {
			return nil, next, false, err
		}
		if len(events) == 0 {
			return rows, next, false, nil
		}
		found, err := s.explained(r, events)
		if err != nil {
			return nil, next, false, err
		}
		for _, row := range found {
			if !row.matches(text) {
				continue
			}
			if len(rows) == limit {
				end := rows[limit-1].Event
				return rows, appointmentCursor{end.Start, end.ID}, true, nil
			}
			rows = append(rows, row)
		}
		scanned += len(events)
		switch {
		case len(events) < chunk:
			return rows, next, false, nil
		case scanned >= scanMost:
			return rows, last, true, nil
		}
		q.After = last
	}
}

func (s *Server) appointmentList(w http.ResponseWriter, r *request) error {
	f, q := r.readAppointments()
	cals, err := s.Calendars.Calendars(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	p := appointmentPage{Filter: f, Shows: appointmentShows, Total: -1, Sending: -1, Self: r.URL.RequestURI()}
	for _, c := range cals {
		if c.Watched || c.ID == f.Calendar {
			p.Calendars = append(p.Calendars, c)
		}
		p.Watching = p.Watching || c.Watched
	}
	rows, next, more, err := s.scanAppointments(r, q, f.Q, appointmentsPerPage)
	if err != nil {
		return err
	}
	if f.Q == "" {
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			if p.Total, err = countAppointments(ctx, tx, r.Account.ID, q); err != nil || !q.BySend {
				return err
			}
			p.Sending, err = countSending(ctx, tx, r.Account.ID, q)
			return err
		}); err != nil {
			return err
		}
	}
	for _, row := range rows {
		day := startOfDay(reminders.StartOf(row.Event, r.Loc).In(r.Loc))
		if n := len(p.Days); n == 0 || !p.Days[n-1].Day.Equal(day) {
			p.Days = append(p.Days, dayGroup{Day: day})
		}
		last := &p.Days[len(p.Days)-1]
		last.Rows = append(last.Rows, row)
	}
	v := r.URL.Query()
	v.Del("after")
	p.Narrowed = f.Q != "" || f.Calendar != 0 || f.Show != "all" || f.When == "send"
	p.CSV, p.XLSX = "/appointments/export.csv?"+v.Encode(), "/appointments/export.xlsx?"+v.Encode()
	if more {
		p.Searching = f.Q != "" && len(rows) < appointmentsPerPage
		v.Set("after", fmt.Sprintf("%d.%d", next.Start.UnixMicro(), next.ID))
		p.Next = "/appointments?" + v.Encode()
	}
	if r.fragment() {
		return r.piece(w, "appointments.html", "list", p)
	}
	return r.page(w, "appointments.html", "appointments", p)
}

// exportMost bounds an export; no clinic has so many appointments in longestWindow.
const exportMost = 100_000

// appointmentCSV streams the filtered list as it is read.
func (s *Server) appointmentCSV(w http.ResponseWriter, r *request) error {
	return s.appointmentExport(r, newCSVSheet(w, r.fileName("appointments", "csv")))
}

// appointmentXLSX is the filtered list as an Excel workbook.
func (s *Server) appointmentXLSX(w http.ResponseWriter, r *request) error {
	out, err := newXLSXSheet(w, r.fileName("appointments", "xlsx"))
	if err != nil {
		return err
	}
	return s.appointmentExport(r, out)
}

// appointmentExport writes what the filter shows, on all its pages.
func (s *Server) appointmentExport(r *request, out sheet) error {
	defer out.Abandon()
	f, q := r.readAppointments()
	q.After = appointmentCursor{}
	began := false
	for n := 0; n < exportMost; {
		rows, next, more, err := s.scanAppointments(r, q, f.Q, scanChunk)
		if err != nil {
			return err
		}
		if !began {
			var head []any
			for _, c := range []string{"id", "start", "end", "calendar", "title", "recipient", "field", "reminder", "state", "why"} {
				head = append(head, r.say("appointments.column."+c))
			}
			if err := out.Row(head...); err != nil {
				return err
			}
			began = true
		}
		for _, row := range rows {
			if err := out.Row(r.exportRow(row)...); err != nil {
				return err
			}
		}
		n += len(rows)
		if !more {
			break
		}
		q.After = next
	}
	return out.Close()
}

// exportRow is one appointment as a line of the export: of several reminders the next
// planned one speaks, else the last.
func (r *request) exportRow(row appointmentRow) []any {
	e := row.Event
	clock := "2006-01-02 15:04"
	if e.AllDay {
		clock = time.DateOnly
	}
	field := ""
	if row.Why.Field != "" {
		field = r.say("event." + row.Why.Field)
	}
	at, state, why := "", "", ""
	if reason := row.Why.Reason; reason != reminders.Planned {
		why = r.say("why." + string(reason))
	} else if !row.Known {
		why = r.say("appointments.unjudged")
	}
	for _, l := range row.Lines {
		at, state = l.At.In(r.Loc).Format("2006-01-02 15:04"), r.say("reminder."+string(l.Status))
		if l.Message != nil && l.Status == reminders.StatusQueued {
			state = r.say("status." + l.Message.Status.String())
		}
		if l.Reason != reminders.Planned {
			why = r.say("why." + string(l.Reason))
		}
		if l.Status == reminders.StatusPlanned {
			break
		}
	}
	return []any{e.ID, reminders.StartOf(e, r.Loc).In(r.Loc).Format(clock), e.End.In(r.Loc).Format(clock),
		row.Calendar.Name, e.Title, row.Why.Recipient, field, at, state, why}
}

// link is a URL of ours with a query.
func link(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}
