package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nyaruka/phonenumbers"

	"rappel/notify"
)

// statusFailed stands in the filter for every final status but DELIVERED.
const statusFailed = "FAILED"

// The choices of a period. Without one the log shows the last 30 days: a list of all
// messages ever is what nobody looks for and the dearest to read.
const (
	periodToday = "today"
	periodWeek  = "7"
	periodMonth = "30"
	periodRange = "range" // from a day to a day
	periodAll   = "all"
)

var (
	messagePeriods = []string{periodToday, periodWeek, periodMonth, periodRange, periodAll}
	messageKinds   = []notify.Kind{notify.Notification, notify.Marketing}
	messageOrigins = []notify.Origin{notify.OriginReminder, notify.OriginCampaign, notify.OriginAPI, notify.OriginTest, notify.OriginOptOut}
)

// messageFilter is what the form above the log says, as typed.
type messageFilter struct {
	Q, Recipient      string
	Statuses          []string // names; empty = all
	Kind, Origin      string   // "" = all
	Period, From, To  string
	Reminder          int64 // messages of one reminder; 0 = all
	Appointment       int64 // messages of all reminders of one appointment; 0 = all
	Errors            map[string]string
	Narrow, OwnPeriod bool       // something else than the period narrows; a period was chosen
	query             url.Values // without the place in the list
}

// readFilter turns the query into a Filter; a value that can't be read is worded
// beside its field and does not narrow.
func (r *request) readFilter() (messageFilter, notify.Filter, error) {
	q := r.URL.Query()
	f := messageFilter{Q: strings.TrimSpace(q.Get("q")), Recipient: strings.TrimSpace(q.Get("recipient")), Kind: q.Get("kind"), Origin: q.Get("origin"),
		Period: q.Get("period"), From: q.Get("from"), To: q.Get("to"), Errors: map[string]string{}, query: q}
	n := notify.Filter{Text: searched(f.Q), After: readCursor(q.Get("after"))}
	q.Del("after")
	unknown := func(field string) { f.Errors[field] = r.say("field.unknown") }

	for _, name := range q["status"] {
		switch st, ok := notify.ParseStatus(name); {
		case name == "":
		case name == statusFailed:
			n.Statuses = append(n.Statuses, failedStatuses()...)
		case ok:
			n.Statuses = append(n.Statuses, st)
		default:
			unknown("status")
		}
	}
	slices.Sort(n.Statuses)
	n.Statuses = slices.Compact(n.Statuses)
	for _, st := range n.Statuses {
		f.Statuses = append(f.Statuses, st.String())
	}
	if f.Kind != "" {
		if i := slices.IndexFunc(messageKinds, func(k notify.Kind) bool { return k.String() == f.Kind }); i >= 0 {
			n.Kind = messageKinds[i]
		} else {
			unknown("kind")
		}
	}
	if f.Origin != "" {
		if n.Origin = notify.Origin(f.Origin); !slices.Contains(messageOrigins, n.Origin) {
			unknown("origin")
			n.Origin = ""
		}
	}
	if f.Recipient != "" {
		if number, err := phonenumbers.Parse(f.Recipient, r.Account.Region); err == nil && phonenumbers.IsPossibleNumber(number) {
			n.Recipients = []string{phonenumbers.Format(number, phonenumbers.E164)}
		} else {
			f.Errors["recipient"] = r.say("messages.recipient.bad")
		}
	}
	if err := r.readAbout(&f, &n); err != nil {
		return f, n, err
	}
	f.Narrow = f.Q != "" || len(n.Statuses) > 0 || n.Kind != 0 || n.Origin != "" || len(n.Recipients) > 0 || len(n.OriginIDs) > 0
	r.readPeriod(&f, &n)
	return f, n, nil
}

// searched is how a search is put to the log: people write a number the way it is
// written down; it is stored as E.164.
func searched(q string) string {
	digits := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c == '+' {
			return c
		}
		if strings.ContainsRune(" -/().", c) {
			return -1
		}
		return 'x'
	}, q)
	if digits == "" || strings.Contains(digits, "x") {
		return q
	}
	return strings.TrimPrefix(strings.TrimPrefix(digits, "00"), "0")
}

// readCursor is the place in the list a page goes on from; what makes no sense is the
// beginning.
func readCursor(s string) notify.Cursor {
	at, id, ok := strings.Cut(s, ".")
	us, err1 := strconv.ParseInt(at, 10, 64)
	mid, err2 := strconv.ParseInt(id, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return notify.Cursor{}
	}
	return notify.Cursor{CreatedAt: time.UnixMicro(us).UTC(), ID: mid}
}

func writeCursor(c notify.Cursor) string { return fmt.Sprintf("%d.%d", c.CreatedAt.UnixMicro(), c.ID) }

// readPeriod chooses [From, To) in the clinic's zone. What is about one person or one
// appointment is shown whole unless a period is chosen.
func (r *request) readPeriod(f *messageFilter, n *notify.Filter) {
	f.OwnPeriod = f.Period != "" || f.From != "" || f.To != ""
	if f.Period == "" {
		switch {
		case f.From != "" || f.To != "":
			f.Period = periodRange
		case len(n.Recipients) > 0 || len(n.OriginIDs) > 0:
			f.Period = periodAll
		default:
			f.Period = periodMonth
		}
	}
	today := startOfDay(r.now())
	switch f.Period {
	case periodToday:
		n.From = today
	case periodWeek:
		n.From = today.AddDate(0, 0, -6)
	case periodAll:
	case periodRange:
		n.From = r.readDay(f, "from", f.From)
		if last := r.readDay(f, "to", f.To); !last.IsZero() {
			n.To = last.AddDate(0, 0, 1) // the day itself belongs to it
			if last.Before(n.From) {
				f.Errors["to"] = r.say("appointments.backwards")
			}
		}
	default:
		f.Errors["period"] = r.say("field.unknown")
		fallthrough
	case periodMonth:
		n.From = today.AddDate(0, 0, -29)
	}
}

func (r *request) readDay(f *messageFilter, field, value string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, value, r.Loc)
	if err != nil {
		f.Errors[field] = r.say("field.date")
		return time.Time{}
	}
	return t
}

// readAbout narrows to what a reminder or an appointment sent. Messages are found by
// number, which has an index, and then by reminder.
func (r *request) readAbout(f *messageFilter, n *notify.Filter) error {
	id := func(name string) int64 {
		if v, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64); err == nil && v > 0 {
			return v
		}
		return 0
	}
	f.Reminder, f.Appointment = id("reminder"), id("appointment")
	if f.Reminder == 0 && f.Appointment == 0 {
		return nil
	}
	var rows []struct {
		ID        int64  `db:"id"`
		Recipient string `db:"recipient"`
	}
	err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		if err := tx.SelectContext(ctx, &rows, `SELECT r.id, r.recipient FROM reminders r
			WHERE r.account_id = $1 AND ($2 = 0 OR r.id = $2) AND ($3 = 0 OR r.event_id = $3) AND ($2 <> 0 OR $3 <> 0)`,
			r.Account.ID, f.Reminder, f.Appointment); err != nil {
			return fmt.Errorf("look for reminders of messages: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.Origin, n.OriginIDs = notify.OriginReminder, []int64{0} // of one that is gone nothing is left
	numbers := []string{""}
	for _, row := range rows {
		n.OriginIDs, numbers = append(n.OriginIDs, row.ID), append(numbers, row.Recipient)
	}
	if len(n.Recipients) == 0 {
		slices.Sort(numbers)
		n.Recipients = slices.Compact(numbers)
	}
	return nil
}

// href is the log as f shows it, changed by pairs; an empty value removes a field.
func (f messageFilter) href(path string, pairs ...string) string {
	v := url.Values{}
	for name, values := range f.query {
		v[name] = values
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// HasStatus reports whether the filter names status.
func (f messageFilter) HasStatus(name string) bool { return slices.Contains(f.Statuses, name) }
