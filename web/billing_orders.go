package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
)

// maxOrderFile is what a request with a signed form may hold: ten megabytes and its frame.
const maxOrderFile = 11 << 20

type orderView struct {
	payments.Order
	Files   []payments.FileInfo
	Card    bool
	Key     string
	Invoice billing.Document // zero = none yet
	Errors  map[string]string
	Paying  bool  // the browser comes from the payment service
	Late    bool  // its last day is over
	Came    int64 // of its total, in Rappen, while nothing is handed over
}

// orderMake makes an order of a package; by card it leads on to the page to pay on.
func (s *Server) orderMake(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	key := formKey(r)
	if key == "" {
		return errNoKey
	}
	method := payments.Method(r.PostFormValue("method"))
	if method != payments.Bank && (method != payments.Stripe || s.Cashier == nil) {
		return errNoKey
	}
	o, err := s.Orders.Offer(r.Context(), payments.Wish{Account: r.Account.ID, Key: key, Package: formInt(r, "package"), Method: method, By: r.actor()})
	switch {
	case errors.Is(err, billing.ErrAddress):
		r.flash("warn", "billing.address.needed")
		return r.see(w, "/billing/address?next=/billing/credits", "")
	case errors.Is(err, payments.ErrNoPackage):
		r.flash("bad", "billing.package.gone")
		return r.see(w, "/billing/credits", "")
	case errors.Is(err, billing.ErrSeller):
		r.flash("bad", "billing.trouble.seller")
		return r.see(w, "/billing/credits", "")
	case errors.Is(err, payments.ErrKeyReused):
		return errNoKey
	case err != nil:
		return err
	}
	if method == payments.Stripe {
		return s.payOrder(w, r, o)
	}
	return r.see(w, orderPath(o), "billing.order.made")
}

func orderPath(o payments.Order) string { return fmt.Sprintf("/billing/orders/%d", o.ID) }

// payOrder leads to the page on which an order is paid.
func (s *Server) payOrder(w http.ResponseWriter, r *request, o payments.Order) error {
	to, err := s.Cashier.PayOrder(r.Context(), o.Ref(), Return{Done: orderPath(o) + "?paid=1", Cancel: orderPath(o)})
	return s.leave(w, r, to, err, orderPath(o))
}

// order reads one of the request's account.
func (r *request) order() (o payments.Order, err error) {
	id, err := r.id("id")
	if err != nil {
		return o, err
	}
	err = r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		o, err = payments.ByRef(ctx, tx, payments.Ref{Account: r.Account.ID, Order: id})
		return err
	})
	return o, err
}

func (s *Server) orderPage(w http.ResponseWriter, r *request) error {
	return s.orderShow(w, r, http.StatusOK, map[string]string{})
}

func (s *Server) orderShow(w http.ResponseWriter, r *request, status int, errs map[string]string) error {
	o, err := r.order()
	if err != nil {
		return err
	}
	y, m, d := o.ValidTo.Date()
	v := orderView{Order: o, Card: s.Cashier != nil, Key: randomText()[:22], Errors: errs, Paying: r.URL.Query().Get("paid") != "" && o.Status == payments.Offered,
		Late: billing.NewDate(y, m, d) < r.today()}
	if o.Method == payments.Bank && o.Invoice == 0 {
		if v.Came, err = s.Orders.Came(r.Context(), o.Ref()); err != nil {
			return err
		}
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if v.Files, err = payments.Files(ctx, tx, o.Ref()); err != nil || o.Invoice == 0 {
			return err
		}
		v.Invoice, err = billing.DocumentTx(ctx, tx, billing.DocumentRef{Account: o.Account, Document: o.Invoice})
		return err
	}); err != nil {
		return err
	}
	if r.fragment() {
		return r.piece(w, "order.html", "order-state", v)
	}
	return s.render(w, r, status, "order.html", "billing", v)
}

// orderForm prints the form to sign.
func (s *Server) orderForm(w http.ResponseWriter, r *request) error {
	o, err := r.order()
	if err != nil {
		return err
	}
	var pdf []byte
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		pdf, err = payments.Form(ctx, tx, o.Ref())
		return err
	}); err != nil {
		return err
	}
	return sendPDF(w, "rappel-"+o.Number()+".pdf", pdf)
}

func (s *Server) orderPay(w http.ResponseWriter, r *request) error {
	o, err := r.order()
	if err != nil {
		return err
	}
	if s.Cashier == nil || o.Method != payments.Stripe {
		return errNoPage
	}
	return s.payOrder(w, r, o)
}

// orderFile takes a signed form; the same file again changes nothing.
func (s *Server) orderFile(w http.ResponseWriter, r *request) error {
	o, err := r.order()
	if err != nil {
		return err
	}
	wrong := func(key string) error {
		return s.orderShow(w, r, http.StatusUnprocessableEntity, map[string]string{"file": r.say("billing.file." + key)})
	}
	file, head, err := r.FormFile("file")
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return wrong("large")
	case err != nil:
		return wrong("missing")
	}
	defer file.Close() // only read
	content, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	err = s.Orders.Attach(r.Context(), payments.Upload{Ref: o.Ref(), Name: head.Filename, Content: content, By: r.actor()})
	for kind, key := range map[error]string{payments.ErrFile: "kind", payments.ErrTooLarge: "large", payments.ErrTooMany: "many", payments.ErrState: "done"} {
		if errors.Is(err, kind) {
			return wrong(key)
		}
	}
	if err != nil {
		return err
	}
	return r.see(w, orderPath(o), "billing.file.sent")
}
