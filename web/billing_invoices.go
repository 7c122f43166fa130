package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/paper"
	"rappel/calendars/billing/payments"
)

// invoicesPerPage is how many documents a page of their list has.
const invoicesPerPage = 25

// invoiceShows are what the list can be narrowed to.
var invoiceShows = []string{"open", "paid", "credit_note", "void"}

// invoiceRow is a document in the list.
type invoiceRow struct {
	ID       int64                 `db:"id"`
	Kind     billing.Kind          `db:"kind"`
	Status   billing.InvoiceStatus `db:"status"`
	Series   string                `db:"series"`
	Year     int                   `db:"year"`
	Number   int64                 `db:"number"`
	IssuedOn billing.Date          `db:"issued_on"`
	DueOn    billing.Date          `db:"due_on"`
	Net      int64                 `db:"net"`
	Tax      int64                 `db:"tax"`
	Total    int64                 `db:"total"`
	Open     int64                 `db:"open"`
}

// Name is the number as printed.
func (i invoiceRow) Name() string {
	return billing.Number{Series: i.Series, Year: i.Year, Number: i.Number}.String()
}

// State is how the document stands, by its words.
func (i invoiceRow) State(today billing.Date) string {
	return invoiceState(i.Kind, i.Status, i.DueOn, i.Open, i.Total, today)
}

func invoiceState(kind billing.Kind, status billing.InvoiceStatus, due billing.Date, open, total int64, today billing.Date) string {
	switch {
	case kind == billing.CreditNote:
		return "credit_note"
	case status == billing.InvoiceOpen && due < today:
		return "overdue"
	case status == billing.InvoiceOpen && open < total:
		return "partial"
	}
	return string(status)
}

type invoicesView struct {
	Q, Show, Year string
	Shows         []string
	Years         []int
	Rows          []invoiceRow
	Total         int
	Narrow        bool
	Next          string
	CSV, XLSX     string
	Today         billing.Date
	Card          bool
	Key           string
	query         url.Values
}

// invoicesWhere selects what the filter shows: $1 the account, $2 a part of the number,
// $3 a year or 0, $4 what is shown, $5 documents before this one or 0.
const invoicesWhere = ` FROM invoices i
	LEFT JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id AND b.account_id = $1
	WHERE i.account_id = $1 AND i.status <> 'draft' AND ($2 = '' OR position($2 IN i.series || '-' || i.year || '-' || lpad(CAST(i.number AS text), 6, '0')) > 0)
	AND ($3 = 0 OR i.year = $3) AND ($5 = 0 OR i.id < $5)
	AND CASE $4 WHEN 'open' THEN i.kind = 'invoice' AND i.status = 'open' WHEN 'paid' THEN i.kind = 'invoice' AND i.status = 'paid'
		WHEN 'credit_note' THEN i.kind = 'credit_note' WHEN 'void' THEN i.status IN ('void', 'uncollectible') ELSE true END`

func (r *request) invoicesView() (v invoicesView) {
	q := r.URL.Query()
	v = invoicesView{Q: strings.ToUpper(strings.TrimSpace(q.Get("q"))), Show: q.Get("show"), Year: q.Get("year"), Shows: invoiceShows, Today: r.today(),
		Card: r.s.Cashier != nil, Key: randomText()[:22], query: q}
	v.query.Del("before")
	v.Narrow = v.Q != "" || v.Show != "" || v.Year != ""
	return v
}

func (v invoicesView) href(path string, pairs ...string) string {
	return messageFilter{query: v.query}.href(path, pairs...)
}

// rows reads documents, newest first; limit 0 is all of them.
func (v invoicesView) rows(ctx context.Context, tx *sqlx.Tx, account, before int64, limit int) (rows []invoiceRow, err error) {
	query := `SELECT i.id, i.kind, i.status, i.series, i.year, i.number, i.issued_on, COALESCE(i.due_on, i.issued_on) AS due_on, i.net, i.tax, i.total, COALESCE(b.balance, 0) AS open` +
		invoicesWhere + ` ORDER BY i.id DESC`
	args := append(v.args(account), before)
	if limit > 0 {
		query, args = query+` LIMIT $6`, append(args, limit)
	}
	if err := tx.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("list invoices: %w", err)
	}
	return rows, nil
}

func (v invoicesView) args(account int64) []any {
	year, err := strconv.Atoi(v.Year)
	if err != nil {
		year = 0 // all of them
	}
	return []any{account, v.Q, year, v.Show}
}

func (s *Server) invoiceList(w http.ResponseWriter, r *request) error {
	v := r.invoicesView()
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0 // the newest
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if v.Rows, err = v.rows(ctx, tx, r.Account.ID, before, invoicesPerPage+1); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &v.Total, `SELECT count(*)`+invoicesWhere, append(v.args(r.Account.ID), 0)...); err != nil {
			return fmt.Errorf("count invoices: %w", err)
		}
		return tx.SelectContext(ctx, &v.Years, `SELECT DISTINCT year FROM invoices WHERE account_id = $1 AND status <> 'draft' ORDER BY 1 DESC`, r.Account.ID)
	}); err != nil {
		return err
	}
	if len(v.Rows) > invoicesPerPage {
		v.Rows = v.Rows[:invoicesPerPage]
		v.Next = v.href("/billing/invoices", "before", strconv.FormatInt(v.Rows[len(v.Rows)-1].ID, 10))
	}
	v.CSV, v.XLSX = v.href("/billing/invoices/export.csv"), v.href("/billing/invoices/export.xlsx")
	return r.page(w, "invoices.html", "billing", v)
}

// invoiceColumns are those of an exported list, by their words.
var invoiceColumns = []string{"number", "kind", "issued", "due", "net", "vat", "total", "open", "state"}

func (s *Server) invoiceCSV(w http.ResponseWriter, r *request) error {
	return s.invoiceExport(r, newCSVSheet(w, r.fileName("invoices", "csv")))
}

func (s *Server) invoiceXLSX(w http.ResponseWriter, r *request) error {
	out, err := newXLSXSheet(w, r.fileName("invoices", "xlsx"))
	if err != nil {
		return err
	}
	return s.invoiceExport(r, out)
}

// invoiceExport writes exactly what the filter shows, on all its pages.
func (s *Server) invoiceExport(r *request, out sheet) error {
	defer out.Abandon()
	v := r.invoicesView()
	var rows []invoiceRow
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		rows, err = v.rows(ctx, tx, r.Account.ID, 0, 0)
		return err
	}); err != nil {
		return err
	}
	if err := out.Row(r.head("billing.column.", invoiceColumns)...); err != nil {
		return err
	}
	for _, i := range rows {
		sign := int64(1)
		if i.Kind == billing.CreditNote {
			sign = -1
		}
		if err := out.Row(i.Name(), r.say("billing.kind."+string(i.Kind)), i.IssuedOn.String(), i.DueOn.String(), rappen(sign*i.Net), rappen(sign*i.Tax), rappen(sign*i.Total), rappen(i.Open),
			r.say("billing.invoice."+i.State(v.Today))); err != nil {
			return err
		}
	}
	return out.Close()
}

// head words the columns of an export.
func (r *request) head(prefix string, columns []string) []any {
	head := make([]any, len(columns))
	for i, c := range columns {
		head[i] = r.say(prefix + c)
	}
	return head
}

type invoiceView struct {
	billing.Document
	Paper    paper.Invoice
	State    string
	Card     bool
	Small    bool // less is open than can be charged
	Key      string
	Charged  *Means
	Credits  string // number of the invoice a credit note is about
	Payments []paymentRow
}

// paymentRow is what paid a part of an invoice.
type paymentRow struct {
	Kind   string    `db:"kind"` // payment provider, credit_note, written_off
	Amount int64     `db:"amount"`
	At     time.Time `db:"at"`
}

// document reads one of the request's account.
func (r *request) document() (d billing.Document, err error) {
	id, err := r.id("id")
	if err != nil {
		return d, err
	}
	err = r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		d, err = billing.DocumentTx(ctx, tx, billing.DocumentRef{Account: r.Account.ID, Document: id})
		return err
	})
	return d, err
}

func (s *Server) invoicePage(w http.ResponseWriter, r *request) error {
	d, err := r.document()
	if err != nil {
		return err
	}
	v := invoiceView{Document: d, State: invoiceState(d.Kind, d.Status, d.DueOn, d.Open, d.Total, r.today()), Card: s.Cashier != nil, Small: d.Open < billing.SmallestDebt, Key: randomText()[:22]}
	if v.Paper, err = d.Paper(); err != nil {
		return err
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &v.Payments, `SELECT CASE WHEN a.payment_id IS NOT NULL THEN p.provider WHEN a.credit_note_id IS NOT NULL THEN 'credit_note' ELSE 'written_off' END AS kind, a.amount, a.at
			FROM payment_allocations a LEFT JOIN payments p ON p.account_id = a.account_id AND p.id = a.payment_id AND p.account_id = $1
			WHERE a.account_id = $1 AND a.invoice_id = $2 ORDER BY a.id`, r.Account.ID, d.ID)
	}); err != nil {
		return err
	}
	if !v.Small {
		if v.Charged, err = s.charged(r.Context(), r); err != nil {
			return err
		}
	}
	return r.page(w, "invoice.html", "billing", v)
}

// invoicePDF prints a document as it was frozen; made again it is the same.
func (s *Server) invoicePDF(w http.ResponseWriter, r *request) error {
	d, err := r.document()
	if err != nil {
		return err
	}
	frozen, err := d.Paper()
	if err != nil {
		return err
	}
	pdf, err := frozen.PDF()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(pdf)
	if err := s.Billing.Printed(r.Context(), billing.DocumentRef{Account: d.Account, Document: d.ID}, sum[:]); err != nil {
		return err
	}
	return sendPDF(w, d.Name()+".pdf", pdf)
}

func sendPDF(w http.ResponseWriter, name string, pdf []byte) error {
	attachment(w, "application/pdf", name)
	w.Header().Set("Content-Length", strconv.Itoa(len(pdf)))
	_, _ = w.Write(pdf) // a browser that left needs no answer
	return nil
}

// invoicePay leads to the page on which what is open is paid.
func (s *Server) invoicePay(w http.ResponseWriter, r *request) error {
	d, err := r.document()
	if err != nil {
		return err
	}
	if s.Cashier == nil || d.Kind != billing.Invoice {
		return errNoPage
	}
	key := formKey(r)
	if key == "" {
		return errNoKey
	}
	here := fmt.Sprintf("/billing/invoices/%d", d.ID)
	to, err := s.Cashier.PayInvoice(r.Context(), payments.Target{Account: d.Account, Invoice: d.ID}, key, Return{Done: here + "?paid=1", Cancel: here})
	return s.leave(w, r, to, err, here)
}

// invoiceMail has a document's letter written once more, once a day: it goes to where the
// clinic's invoices go, so nobody can have many sent to others.
func (s *Server) invoiceMail(w http.ResponseWriter, r *request) error {
	d, err := r.document()
	if err != nil {
		return err
	}
	done, err := s.Billing.Resend(r.Context(), billing.Correction{Account: d.Account, Key: fmt.Sprintf("mail/%d/%s", d.ID, r.today()), Actor: r.actor(), Reason: "asked for by the clinic"}, d.ID)
	if err != nil {
		return err
	}
	here := fmt.Sprintf("/billing/invoices/%d", d.ID)
	if done.Again {
		r.flash("warn", "billing.mail.today")
		return r.see(w, here, "")
	}
	return r.see(w, here, "billing.mail.queued")
}

// leave sends the browser to the payment service, or back to here with why not.
func (s *Server) leave(w http.ResponseWriter, r *request, to string, err error, here string) error {
	switch {
	case errors.Is(err, ErrPaid), errors.Is(err, payments.ErrState):
		r.flash("warn", "billing.pay.nothing")
		return r.see(w, here, "")
	case errors.Is(err, ErrTooSmall):
		r.flash("warn", "billing.pay.small")
		return r.see(w, here, "")
	case errors.Is(err, ErrCashier):
		r.flash("bad", "billing.pay.unavailable")
		return r.see(w, here, "")
	case err != nil:
		return err
	}
	http.Redirect(w, r.Request, to, http.StatusSeeOther)
	return nil
}
