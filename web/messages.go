package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/notify"
)

// messageRoutes are the log (Nachrichtenprotokoll), one message with its history, what
// the statuses mean, the replies and the exports.
//
// Ids for browser tests: form #filters with inputs q, status, kind, origin, period, from,
// to, recipient; #counts with a[data-status=STATUS]; rows tr[data-message="<id>"] with
// .pill[title=STATUS]; #next, #csv, #xlsx; on a message #what, #waits, #history, #about;
// among the meanings #STATUS.
func (s *Server) messageRoutes() []route {
	return []route{
		{"GET /messages", daily, s.messageList},
		{"GET /messages/export.csv", daily, s.messageCSV},
		{"GET /messages/export.xlsx", daily, s.messageXLSX},
		{"GET /messages/replies", daily, s.replyList},
		{"GET /messages/statuses", daily, s.statusList},
		{"GET /messages/{id}", daily, s.messageDetail},
	}
}

// countMost is how many of the newest messages of a period are looked at to count them
// by status: enough for a month of a large practice, a bound for a campaign's.
const countMost = 50_000

// statusCount is one number above the log, which leads to its rows.
type statusCount struct {
	Name string // "" = all
	N    int
	On   bool
	Href string
}

type messagePage struct {
	Filter    messageFilter
	Statuses  []notify.Status
	Kinds     []notify.Kind
	Origins   []notify.Origin
	Periods   []string
	Counts    []statusCount
	Total     int  // of what the filter finds; at least, when Counted
	Counted   bool // only the newest Most were looked at
	Most      int
	Rows      []notify.Entry
	Next      string    // URL of the next page, "" on the last
	Searching bool      // the next page goes on searching
	Back      time.Time // how far back the search has come
	None      bool      // there never was a message
	About     *messageAbout
	CSV, XLSX string
	Reset     string
}

// messageAbout is the appointment whose messages are shown.
type messageAbout struct {
	Event calendars.Event
	All   string // URL without it
}

func (s *Server) messageList(w http.ResponseWriter, r *request) error {
	f, n, err := r.readFilter()
	if err != nil {
		return err
	}
	ctx, account := r.Context(), r.Account.ID
	page, err := s.Messages.List(ctx, account, n)
	if err != nil {
		return err
	}
	p := messagePage{Filter: f, Statuses: notify.Statuses(), Kinds: messageKinds, Origins: messageOrigins, Periods: messagePeriods,
		Most: countMost, Rows: page.Entries, Searching: page.Searching, Back: page.Next.CreatedAt,
		CSV: f.href("/messages/export.csv"), XLSX: f.href("/messages/export.xlsx"), Reset: "/messages"}
	if page.More {
		p.Next = f.href("/messages", "after", writeCursor(page.Next))
	}
	if len(page.Entries) == 0 && n.After == (notify.Cursor{}) {
		any, err := s.Messages.Any(ctx, account)
		if err != nil {
			return err
		}
		p.None = !any
	}
	if err := s.countMessages(r, &p, n); err != nil {
		return err
	}
	if p.About, err = s.appointmentOf(r, f.Appointment, f.Reminder); err != nil {
		return err
	}
	if p.About != nil {
		p.About.All = f.href("/messages", "appointment", "", "reminder", "")
	}
	return r.page(w, "messages.html", "messages", p)
}

// countMessages counts by status what everything but the statuses selects.
func (s *Server) countMessages(r *request, p *messagePage, n notify.Filter) error {
	chosen := n.Statuses
	n.Statuses = nil
	counts, err := s.Messages.Counts(r.Context(), r.Account.ID, n, countMost)
	if err != nil {
		return err
	}
	p.Counted = counts.More
	p.Counts = []statusCount{{N: counts.Total, On: len(chosen) == 0, Href: p.Filter.href("/messages", "status", "")}}
	for _, st := range p.Statuses {
		on := p.Filter.HasStatus(st.String())
		if on {
			p.Total += counts.By[st]
		}
		if counts.By[st] > 0 || on {
			p.Counts = append(p.Counts, statusCount{st.String(), counts.By[st], on, p.Filter.href("/messages", "status", st.String())})
		}
	}
	if len(chosen) == 0 {
		p.Total = counts.Total
	}
	return nil
}

// appointmentOf is the appointment with that id, or of that reminder; nil when there is
// none any more, or none was asked for.
func (s *Server) appointmentOf(r *request, appointment, reminder int64) (*messageAbout, error) {
	if appointment == 0 && reminder != 0 {
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			return tx.GetContext(ctx, &appointment, `SELECT COALESCE(max(event_id), 0) FROM reminders WHERE account_id = $1 AND id = $2`, r.Account.ID, reminder)
		}); err != nil {
			return nil, err
		}
	}
	if appointment == 0 {
		return nil, nil
	}
	e, err := s.Calendars.Event(r.Context(), calendars.EventRef{AccountID: r.Account.ID, ID: appointment})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &messageAbout{Event: e}, nil
}

type replyPage struct {
	Rows []notify.InboundEntry
	Next string
}

const repliesPerPage = 50

func (s *Server) replyList(w http.ResponseWriter, r *request) error {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0 // the newest
	}
	rows, err := s.Messages.Replies(r.Context(), r.Account.ID, "", before, repliesPerPage)
	if err != nil {
		return err
	}
	p := replyPage{Rows: rows}
	if len(rows) == repliesPerPage {
		p.Next = "/messages/replies?" + url.Values{"before": {strconv.FormatInt(rows[len(rows)-1].ID, 10)}}.Encode()
	}
	return r.page(w, "replies.html", "messages", p)
}
