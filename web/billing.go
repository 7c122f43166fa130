package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

// billingRoutes are what a clinic pays and what for: its plan, invoices, means of payment,
// and the credit texts are sent by.
//
// Ids for browser tests: #state, #subscribe, #change-quantity, #change-interval, #cancel,
// #undo-cancel, #undo-pending, tr[data-invoice="<id>"] with .pay and .pdf; on the plan's
// page #change with quantity and interval, #quote, #confirm; #address with its columns'
// names, #save; on an invoice #pay, #pdf, #mail; on means of payment #add, #auto,
// li[data-method="<id>"]; on credits #balance, tr[data-package="<id>"] with buttons method,
// #alert, tr[data-order="<id>"]; on an order #pay, #form, #file.
func (s *Server) billingRoutes() []route {
	return []route{
		{"GET /billing", money, s.billingPage},
		{"GET /billing/plan", money, s.planPage},
		{"POST /billing/plan/preview", money, s.planPreview},
		{"POST /billing/plan", money, s.planConfirm},
		{"GET /billing/address", money, s.addressPage},
		{"POST /billing/address", money, s.addressSave},
		{"GET /billing/invoices", money, s.invoiceList},
		{"GET /billing/invoices/export.csv", money, s.invoiceCSV},
		{"GET /billing/invoices/export.xlsx", money, s.invoiceXLSX},
		{"GET /billing/invoices/{id}", money, s.invoicePage},
		{"GET /billing/invoices/{id}/document.pdf", money, s.invoicePDF},
		{"POST /billing/invoices/{id}/pay", money, s.invoicePay},
		{"POST /billing/invoices/{id}/mail", money, s.invoiceMail},
		{"GET /billing/methods", money, s.methodList},
		{"POST /billing/methods", money, s.methodAdd},
		{"POST /billing/methods/auto", money, s.methodAuto},
		{"POST /billing/methods/{id}/standard", money, s.methodStandard},
		{"POST /billing/methods/{id}/remove", money, s.methodRemove},
		{"GET /billing/credits", money, s.creditPage},
		{"POST /billing/credits/alert", money, s.creditAlert},
		{"GET /billing/credits/history", money, s.creditHistory},
		{"GET /billing/credits/history/export.csv", money, s.creditCSV},
		{"GET /billing/credits/history/export.xlsx", money, s.creditXLSX},
		{"POST /billing/orders", money, s.orderMake},
		{"GET /billing/orders/{id}", money, s.orderPage},
		{"GET /billing/orders/{id}/form.pdf", money, s.orderForm},
		{"POST /billing/orders/{id}/pay", money, s.orderPay},
		{"POST /billing/orders/{id}/files", money, s.orderFile},
	}
}

// Cashier leads to the provider's pages on which one pays, or leaves a means of payment.
// What it fails with is ErrCashier, ErrPaid, ErrTooSmall or ErrNoMethod.
type Cashier interface {
	PayOrder(ctx context.Context, r payments.Ref, back Return) (address string, err error)
	// PayInvoice and StoreMethod lead to the same page for the same key.
	PayInvoice(ctx context.Context, t payments.Target, key string, back Return) (address string, err error)
	StoreMethod(ctx context.Context, account int64, key string, back Return) (address string, err error)
	Methods(ctx context.Context, account int64) ([]Means, error)
	SetStandard(ctx context.Context, account, method int64) error
	Remove(ctx context.Context, account, method int64) error
	// Origin is where the pages are, such as https://checkout.stripe.com: forms of ours may
	// end there.
	Origin() string
}

// Return is where a provider's page leads to in the end: paths of ours.
type Return struct{ Done, Cancel string }

// Means is a stored means of payment.
type Means struct {
	ID       int64
	Label    string // Visa •••• 4242
	Expires  string // 2027-08, "" = never
	Standard bool   // invoices are charged to it
}

// What a Cashier and a CardDesk fail with.
var (
	ErrCashier  = errors.New("web: the payment service doesn't answer")     // try again
	ErrPaid     = errors.New("web: there is nothing to pay")                // final
	ErrTooSmall = errors.New("web: less is to be paid than can be charged") // wait until more is
	ErrNoMethod = errors.New("web: no such means of payment")               // final
	ErrDeclined = errors.New("web: the charge was declined")                // another means, or by hand
	ErrNoEvent  = errors.New("web: no such event, or it is done")           // final
)

// whoPays is who pays for an account.
type whoPays struct {
	Metered bool   `db:"metered"` // else the operator's own: nothing is to pay
	Parent  int64  `db:"parent"`  // the account that pays for it, 0 = itself
	Service string `db:"service"` // on, suspended, ended
}

// Pays reports whether the account has a plan and invoices of its own.
func (p whoPays) Pays() bool { return p.Metered && p.Parent == 0 }

func whoPaysTx(ctx context.Context, tx *sqlx.Tx, account int64) (p whoPays, err error) {
	if err := tx.GetContext(ctx, &p, `SELECT billing = 'metered' AS metered, COALESCE(parent_id, 0) AS parent, service FROM accounts WHERE account_id = $1`, account); err != nil {
		return p, fmt.Errorf("read who pays: %w", err)
	}
	return p, nil
}

// paying is the payer of the request; ok is false where there is nothing to pay, which the
// page then says.
func (r *request) paying(w http.ResponseWriter) (p whoPays, ok bool, err error) {
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		p, err = whoPaysTx(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return p, false, err
	}
	switch {
	case p.Pays():
		return p, true, nil
	case r.Method != http.MethodGet:
		return p, false, errNoPage
	}
	return p, false, r.page(w, "billing_none.html", "billing", p)
}

// actor is who asks, as the books write it.
func (r *request) actor() string { return "user:" + strconv.FormatInt(r.User.ID, 10) }

// formKey is the idempotency key of the form that was sent, or the empty string where
// there is none: then nothing is done.
func formKey(r *request) string {
	if key := r.PostFormValue("key"); len(key) >= 16 && len(key) <= 64 {
		return "web/" + key
	}
	return ""
}

// errNoKey answers a form that wasn't ours.
var errNoKey = &problem{http.StatusBadRequest, "bad_form", nil}

type billingView struct {
	Sub       billing.Subscription
	Watched   int64
	Next      *billing.Quote // what will be billed, nil = nothing more
	Open      []billing.OpenRow
	Overdue   int64 // Rappen, of Open
	SuspendOn billing.Date
	Credit    int64 // Rappen to the clinic's credit
	Balance   credits.Balance
	Method    *Means // invoices are charged to it
	Card      bool   // one can pay by card
	Key       string
	Ended     billing.Subscription // the last one, where none is live
	Address   bool                 // complete
}

func (s *Server) billingPage(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	v := billingView{Card: s.Cashier != nil, Key: randomText()[:22]}
	ctx, account := r.Context(), r.Account.ID
	var err error
	if v.Watched, err = s.Billing.Watched(ctx, account); err != nil {
		return err
	}
	today := r.today()
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if v.Sub, err = billing.StatusOf(ctx, tx, account); err != nil {
			return err
		}
		if v.Open, err = billing.OpenInvoices(ctx, tx, billing.OpenQuery{Account: account}); err != nil {
			return err
		}
		for _, o := range v.Open {
			if o.DueOn < today {
				v.Overdue += o.Open
			}
		}
		if v.Credit, err = billing.CreditTx(ctx, tx, account); err != nil {
			return err
		}
		if v.Balance, err = credits.BalanceTx(ctx, tx, account); err != nil {
			return err
		}
		var complete addressForm
		if complete, err = addressTx(ctx, tx, account); err != nil {
			return err
		}
		v.Address = complete.Zip != "" && complete.Town != ""
		if v.Sub.Status == billing.PastDue {
			v.SuspendOn, err = suspendOnTx(ctx, tx, v.Sub, today)
		}
		return err
	}); err != nil {
		return err
	}
	switch v.Sub.Status {
	case billing.Trialing, billing.Active, billing.PastDue:
		if v.Sub.CancelOn != 0 {
			break
		}
		q, err := s.Billing.Next(ctx, account)
		if err != nil && !errors.Is(err, billing.ErrCatalogue) {
			return err
		}
		if err == nil && q.Invoice != nil {
			v.Next = &q
		}
	}
	if v.Method, err = s.charged(ctx, r); err != nil {
		return err
	}
	return r.page(w, "billing.html", "billing", v)
}

// charged is the means of payment invoices are charged to by themselves, nil if they
// aren't.
func (s *Server) charged(ctx context.Context, r *request) (*Means, error) {
	if s.Cashier == nil {
		return nil, nil
	}
	var auto bool
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &auto, `SELECT COALESCE((SELECT auto_charge FROM billing_accounts WHERE account_id = $1), false)`, r.Account.ID)
	}); err != nil || !auto {
		return nil, err
	}
	all, err := s.Cashier.Methods(ctx, r.Account.ID)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m.Standard {
			return &m, nil
		}
	}
	return nil, nil
}

// suspendOnTx is the day new reminders stop if nothing is paid, 0 where they don't by
// themselves, or not within a year.
func suspendOnTx(ctx context.Context, tx *sqlx.Tx, sub billing.Subscription, today billing.Date) (first billing.Date, err error) {
	seller, err := billing.SellerOf(ctx, tx)
	if err != nil {
		return 0, err
	}
	var rows []struct {
		DueOn  billing.Date `db:"due_on"`
		First  billing.Date `db:"first"`
		Second billing.Date `db:"second"`
		Last   billing.Date `db:"last"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT i.due_on, max(d.taken_on) FILTER (WHERE d.level = 1) AS first, max(d.taken_on) FILTER (WHERE d.level = 2) AS second,
		max(d.taken_on) FILTER (WHERE d.level = 3) AS last
		FROM invoices i JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id AND b.balance >= $4
		LEFT JOIN dunning_steps d ON d.account_id = i.account_id AND d.invoice_id = i.id AND d.round = i.reopened AND d.account_id = $1
		WHERE i.account_id = $1 AND i.kind = 'invoice' AND i.status = 'open' AND i.subscription_id = $2 AND i.due_on < $3 GROUP BY i.account_id, i.id, i.due_on`,
		sub.AccountID, sub.ID, today, billing.SmallestDebt); err != nil {
		return 0, fmt.Errorf("read what is overdue: %w", err)
	}
	for _, row := range rows {
		on := seller.Terms().SuspendOn(billing.Dunned{DueOn: row.DueOn, Taken: [billing.LastWarning]billing.Date{row.First, row.Second, row.Last}, After: sub.DunningAfter})
		if on < today+365 && (first == 0 || on < first) {
			first = on
		}
	}
	return first, nil
}

// Francs writes an amount of Rappen: 123456 → "CHF 1’234.56".
func (v *view) Francs(amount int64) string { return "CHF\u00a0" + chf(amount) }

// Percent writes basis points: 810 → "8.1 %".
func (v *view) Percent(bp int64) string {
	return strconv.FormatFloat(float64(bp)/100, 'f', -1, 64) + "\u00a0%"
}

// Civil writes a date of the books in full: "11. März 2027"; a dash for none.
func (v *view) Civil(d billing.Date) string {
	if d.IsZero() {
		return "–"
	}
	y, m, day := d.Civil()
	return v.translator().FmtDateLong(time.Date(y, m, day, 0, 0, 0, 0, time.UTC))
}

// CivilOf is Civil for a date that comes as a midnight in UTC.
func (v *view) CivilOf(t time.Time) string { return v.translator().FmtDateLong(t.UTC()) }

// Span writes a half-open period by its first and last day.
func (v *view) Span(p billing.Period) string {
	if p.Days() == 1 {
		return v.Civil(p.From)
	}
	return v.Civil(p.From) + " – " + v.Civil(p.To-1)
}

// Minus is the day before d: the last one of what ends with d.
func (v *view) Minus(d billing.Date) billing.Date { return d - 1 }
