package web

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nyaruka/phonenumbers"

	"rappel/calendars"
	"rappel/notify"
	"rappel/reminders"
)

// isMissing reports whether err means that what a page asked for is not there, or
// is another account's, which must look the same.
func isMissing(err error) bool {
	for _, missing := range []error{sql.ErrNoRows, reminders.ErrNotFound, notify.ErrNotFound, calendars.ErrUnknown} {
		if errors.Is(err, missing) {
			return true
		}
	}
	return false
}

// hookRoutes are the addresses gateways call. They know no session; each adapter
// checks the signature of its own gateway.
func (s *Server) hookRoutes(m *http.ServeMux) {
	for name, hook := range s.Hooks {
		m.HandleFunc("POST /hooks/"+name, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			hook.ServeHook(w, r, s.BaseURL+r.URL.RequestURI(), s.Inbox)
		})
	}
}

// Rooms are the parts of the house the web shows and writes through. Every store
// among them works on the web's pool.
type Rooms struct {
	Hooks     map[string]notify.Webhook // by carrier name
	Inbox     notify.Inbox
	Providers []string // calendar services that can be connected
	Calendars *calendars.Store
	Connector *calendars.Connector
	Planner   *reminders.Planner
	Templates *reminders.Templates
	Rules     *reminders.Rules
	Settings  *reminders.SettingsStore
	Planned   *reminders.Store
	Messages  *notify.Store
}

// noticeRow is a problem somebody at the clinic can solve.
type noticeRow struct {
	ID        int64     `db:"id"`
	Kind      string    `db:"kind"`
	Subject   string    `db:"subject"`
	CreatedAt time.Time `db:"created_at"`
}

// Ref is the number in a subject such as "connection:7"; "" if there is none.
func (n noticeRow) Ref() string {
	_, ref, _ := strings.Cut(n.Subject, ":")
	return ref
}

func openNotices(ctx context.Context, tx *sqlx.Tx, account int64) ([]noticeRow, error) {
	var rows []noticeRow
	if err := tx.SelectContext(ctx, &rows,
		`SELECT id, kind, subject, created_at FROM notices WHERE account_id = $1 AND resolved_at IS NULL ORDER BY id DESC LIMIT 20`, account); err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return rows, nil
}

// displayPhone writes an E.164 number the way people read it; anything else is
// shown as it is.
func displayPhone(e164 string) string {
	if !strings.HasPrefix(e164, "+") {
		return e164
	}
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return e164
	}
	return phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
}
