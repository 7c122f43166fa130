package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
)

// messageRoutes are the log (Nachrichtenprotokoll), one message with its history, the
// replies and the export.
//
// Ids for browser tests: form #filters with inputs q, status, from, to; rows
// tr[data-message="<id>"] with .pill[title=STATUS]; #next; on a message #history.
func (s *Server) messageRoutes() []route {
	return []route{
		{"GET /messages", member, s.messageList},
		{"GET /messages/export.csv", member, s.messageExport},
		{"GET /messages/replies", member, s.replyList},
		{"GET /messages/{id}", member, s.messageDetail},
	}
}

// statusFailed stands in the filter for every final status but DELIVERED.
const statusFailed = "FAILED"

// messageFilter is what the form above the log says, as typed.
type messageFilter struct {
	Q, From, To string
	Status      string // a status name; "" = all
	Reminder    int64  // messages of one reminder; 0 = all
	Errors      map[string]string
}

type messagePage struct {
	Filter   messageFilter
	Statuses []string
	Rows     []notify.Entry
	Next     string // URL of the next page, "" on the last
	First    bool   // nothing narrows and nothing was paged: an empty list means none ever
	Export   string
}

// readFilter turns the query into a Filter; a value that can't be read is worded
// beside its field and does not narrow.
func (r *request) readFilter() (messageFilter, notify.Filter) {
	q := r.URL.Query()
	f := messageFilter{Q: strings.TrimSpace(q.Get("q")), From: q.Get("from"), To: q.Get("to"), Status: q.Get("status"), Errors: map[string]string{}}
	n := notify.Filter{Text: f.Q}
	if digits := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c == '+' {
			return c
		}
		if strings.ContainsRune(" -/().", c) {
			return -1
		}
		return 'x'
	}, f.Q); f.Q != "" && !strings.Contains(digits, "x") {
		// People search a number the way it is written down; it is stored as E.164.
		n.Text = strings.TrimPrefix(strings.TrimPrefix(digits, "00"), "0")
	}
	switch st, ok := notify.ParseStatus(f.Status); {
	case f.Status == "":
	case f.Status == statusFailed:
		n.Statuses = failedStatuses()
	case ok:
		n.Statuses = []notify.Status{st}
	default:
		f.Errors["status"] = r.say("field.unknown")
	}
	day := func(field, value string) (t time.Time) {
		if value == "" {
			return t
		}
		t, err := time.ParseInLocation("2006-01-02", value, r.Loc)
		if err != nil {
			f.Errors[field] = r.say("field.date")
		}
		return t
	}
	n.From = day("from", f.From)
	if to := day("to", f.To); !to.IsZero() {
		n.To = to.AddDate(0, 0, 1) // the day itself belongs to it
	}
	if id, err := strconv.ParseInt(q.Get("reminder"), 10, 64); err == nil && id > 0 {
		f.Reminder = id
		n.Origin, n.OriginID = notify.OriginReminder, id
	}
	if at, id, ok := strings.Cut(q.Get("after"), "."); ok {
		us, err1 := strconv.ParseInt(at, 10, 64)
		mid, err2 := strconv.ParseInt(id, 10, 64)
		if err1 == nil && err2 == nil {
			n.After = notify.Cursor{CreatedAt: time.UnixMicro(us).UTC(), ID: mid}
		}
	}
	return f, n
}

func (s *Server) messageList(w http.ResponseWriter, r *request) error {
	f, n := r.readFilter()
	rows, next, more, err := s.Messages.List(r.Context(), r.Account.ID, n)
	if err != nil {
		return err
	}
	p := messagePage{Filter: f, Rows: rows, Statuses: []string{statusFailed}}
	for _, st := range notify.Statuses() {
		p.Statuses = append(p.Statuses, st.String())
	}
	q := r.URL.Query()
	q.Del("after")
	p.First = len(q) == 0 && n.After.ID == 0
	p.Export = "/messages/export.csv?" + q.Encode()
	if more {
		q.Set("after", fmt.Sprintf("%d.%d", next.CreatedAt.UnixMicro(), next.ID))
		p.Next = "/messages?" + q.Encode()
	}
	return r.page(w, "messages.html", "messages", p)
}

func (s *Server) messageDetail(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	d, err := s.Messages.Get(r.Context(), notify.MessageRef{AccountID: r.Account.ID, ID: id})
	if err != nil {
		return err
	}
	return r.page(w, "message.html", "messages", d)
}

type replyPage struct {
	Rows []notify.InboundEntry
	Next string
}

const repliesPerPage = 50

func (s *Server) replyList(w http.ResponseWriter, r *request) error {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil {
		before = 0 // from the newest on
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

// messageExport streams the filtered log as CSV: UTF-8 with a byte order mark and
// semicolons, which is what a double click in a Swiss or German Excel reads.
func (s *Server) messageExport(w http.ResponseWriter, r *request) error {
	_, n := r.readFilter()
	n.After = notify.Cursor{}
	began := false
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	begin := func() error {
		began = true
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="rappel-`+r.now().Format("2006-01-02")+`.csv"`)
		if _, err := w.Write([]byte("\xef\xbb\xbf")); err != nil {
			return err
		}
		var head []string
		for _, c := range []string{"id", "created", "recipient", "sender", "text", "encoding", "segments", "status", "reason", "status_at"} {
			head = append(head, r.say("messages.column."+c))
		}
		return out.Write(head)
	}
	for e, err := range s.Messages.Export(r.Context(), r.Account.ID, n) {
		if err != nil {
			if began { // half a file must not look like a whole one
				panic(http.ErrAbortHandler)
			}
			return err
		}
		if !began {
			if err := begin(); err != nil {
				return err
			}
		}
		const clock = "2006-01-02 15:04:05"
		if err := out.Write([]string{strconv.FormatInt(e.ID, 10), e.CreatedAt.In(r.Loc).Format(clock), e.Recipient, formulaSafe(e.Sender), formulaSafe(e.Body),
			e.Encoding.String(), strconv.Itoa(e.Segments), e.Status.String(), string(e.Reason), e.StatusAt.In(r.Loc).Format(clock)}); err != nil {
			return err
		}
	}
	if !began {
		if err := begin(); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// formulaSafe keeps a spreadsheet from running a text as a formula. Numbers such as
// +41… are ours and stay as they are.
func formulaSafe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) && !notify.ValidNumber(s) {
		return "'" + s
	}
	return s
}
