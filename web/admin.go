package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/web/accounts"
	"rappel/web/mail"
)

// adminRoutes are the frame of the operator's own pages. They work as rappel_operator,
// which sees no patient's data.
//
// Ids for browser tests: form[data-mail].
func (s *Server) adminRoutes() []route {
	return []route{
		{"GET /admin", operators, s.adminHome},
		{"GET /admin/mails", roleBillingAdmin | roleSupport, s.adminMails},
		{"POST /admin/mails/{id}/retry", roleBillingAdmin | roleSupport, s.adminMailRetry},
	}
}

// operatorTx runs fn in a transaction of the operator's role: over all accounts, without a
// single patient.
func (r *request) operatorTx(fn func(ctx context.Context, tx *sqlx.Tx) error) error {
	return migrations.InTx(r.Context(), r.s.Operator, func(tx *sqlx.Tx) error { return fn(r.Context(), tx) })
}

// adminData counts what waits for somebody; a count of what the reader may not see is 0.
type adminData struct {
	Accounts int `db:"accounts"`
	Metered  int `db:"metered"`
	Mails    int `db:"mails"`
	Consents int `db:"consents"`
	Held     int
}

func (s *Server) adminHome(w http.ResponseWriter, r *request) error {
	var d adminData
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		if err := tx.GetContext(ctx, &d, `SELECT (SELECT count(*) FROM accounts WHERE status = 'active' AND parent_id IS NULL) AS accounts,
			(SELECT count(*) FROM accounts WHERE status = 'active' AND parent_id IS NULL AND billing = 'metered') AS metered,
			(SELECT count(*) FROM mails WHERE status = 'failed') AS mails,
			(SELECT count(*) FROM support_consents WHERE revoked_at IS NULL AND expires_at > $1) AS consents`, s.Now()); err != nil {
			return fmt.Errorf("count what waits: %w", err)
		}
		return nil
	}); err != nil {
		return err
	}
	if s.Review != nil && r.role&roleReviewer != 0 {
		cases, err := s.Review.Waiting(r.Context())
		if err != nil {
			return err
		}
		for _, c := range cases {
			d.Held += c.Count
		}
	}
	return r.page(w, "admin.html", "admin", d)
}

// mailsShown is how many mails the page lists.
const mailsShown = 200

func (s *Server) adminMails(w http.ResponseWriter, r *request) error {
	all, err := mail.List(r.Context(), s.Operator, r.FormValue("state"), mailsShown)
	if err != nil {
		return err
	}
	return r.page(w, "admin_mails.html", "admin-mails", all)
}

func (s *Server) adminMailRetry(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		var account int64
		if err := tx.GetContext(ctx, &account, `SELECT account_id FROM mails WHERE id = $1 AND status = 'failed'`, id); err != nil {
			return fmt.Errorf("find mail: %w", err)
		}
		if err := mail.RetryTx(ctx, tx, account, id, s.Now()); err != nil {
			return err
		}
		actor, _ := migrations.ActorOf(ctx) // always there behind a log-in
		e := accounts.Entry{AccountID: account, Actor: actor, Action: "mails.retried", Subject: fmt.Sprintf("mails:%d", id)}
		if account == 0 {
			return accounts.RecordOperatorTx(ctx, tx, e) // no clinic's log to write it to
		}
		return accounts.RecordTx(ctx, tx, e)
	}); err != nil {
		return err
	}
	return r.see(w, "/admin/mails", "admin.mails.retried")
}
