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
	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/notify"
	"rappel/reminders"
	"rappel/web/accounts"
	"rappel/web/mail"
)

// isMissing reports whether err means that what a page asked for is not there, or
// is another account's, which must look the same.
func isMissing(err error) bool {
	for _, missing := range []error{sql.ErrNoRows, reminders.ErrNotFound, notify.ErrNotFound, calendars.ErrUnknown, accounts.ErrNotFound, mail.ErrGone, billing.ErrUnknown, payments.ErrNoOrder} {
		if errors.Is(err, missing) {
			return true
		}
	}
	return false
}

// hookRoutes are the addresses gateways call, those of gateways that don't sign with a
// token at the end. They know no log-in; each adapter checks the signature or the
// token of its own gateway. The public URL is made of the base URL: the host a proxy
// asks us by is not the one the gateway called.
func (s *Server) hookRoutes(m *http.ServeMux) {
	for name, hook := range s.Hooks {
		serve := func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			hook.ServeHook(w, r, s.BaseURL+r.URL.RequestURI(), s.Inbox)
		}
		m.HandleFunc("POST /hooks/"+name, serve)
		m.HandleFunc("POST /hooks/"+name+"/{token...}", serve)
	}
	if s.Stripe != nil {
		m.Handle("POST /hooks/stripe", s.Stripe)
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
	// Stripe takes its events and checks their signature itself; nil: it isn't set up.
	Stripe http.Handler
	// Billing keeps plans and invoices, Orders those of packages, on the owner's pool.
	Billing *billing.Service
	Orders  *payments.Desk
	Purse   Purse
	// Cashier leads to pages to pay on; nil: one pays by transfer.
	Cashier Cashier
	// Unsubscriber is behind the links in marketing texts; nil: there are none.
	Unsubscriber *notify.Unsubscriber
	// Books is what the billing admin works with; nil: there are no such pages.
	Books *Books
	// Transferer moves credits to and from sub-accounts; nil: the page doesn't offer it.
	Transferer Transferer
	// Review is where held messages are decided about; nil: there is no such page.
	Review ReviewDesk
}

// noticeRow is a problem somebody at the clinic can solve.
type noticeRow struct {
	ID        int64     `db:"id"`
	Kind      string    `db:"kind"`
	Subject   string    `db:"subject"`
	Name      string    `db:"name"` // of the connection or calendar it is about, "" if that is gone
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
		`SELECT n.id, n.kind, n.subject, n.created_at, COALESCE(k.label, c.name, '') AS name FROM notices n
		LEFT JOIN connections k ON k.account_id = n.account_id AND k.account_id = $1 AND n.subject = 'connection:' || k.id
		LEFT JOIN calendars c ON c.account_id = n.account_id AND c.account_id = $1 AND n.subject = 'calendar:' || c.id
		WHERE n.account_id = $1 AND n.resolved_at IS NULL ORDER BY n.id DESC LIMIT 20`, account); err != nil {
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
