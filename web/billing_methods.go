package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/migrations"
	"rappel/web/accounts"
)

type methodsView struct {
	All  []Means
	Auto bool // finalised invoices are charged to the standard one
	Card bool // there is a payment service
	Next *billing.Quote
	Key  string
}

func (s *Server) methodList(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	v := methodsView{Card: s.Cashier != nil, Key: randomText()[:22]}
	var sub billing.Subscription
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if sub, err = billing.StatusOf(ctx, tx, r.Account.ID); err != nil {
			return err
		}
		return tx.GetContext(ctx, &v.Auto, `SELECT COALESCE((SELECT auto_charge FROM billing_accounts WHERE account_id = $1), false)`, r.Account.ID)
	}); err != nil {
		return err
	}
	if v.Card {
		var err error
		if v.All, err = s.Cashier.Methods(r.Context(), r.Account.ID); err != nil {
			return err
		}
	}
	if (sub.Status == billing.Active || sub.Status == billing.Trialing || sub.Status == billing.PastDue) && sub.CancelOn == 0 {
		q, err := s.Billing.Next(r.Context(), r.Account.ID)
		if err != nil && planTrouble(err) == "" {
			return err
		}
		if err == nil && q.Invoice != nil {
			v.Next = &q
		}
	}
	return r.page(w, "methods.html", "billing", v)
}

// methodAdd leads to the page on which a means of payment is left. Who went there is written
// down: the word that one is stored comes from the payment service, which doesn't know them.
func (s *Server) methodAdd(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	if s.Cashier == nil {
		return errNoPage
	}
	key := formKey(r)
	if key == "" {
		return errNoKey
	}
	const here = "/billing/methods"
	to, err := s.Cashier.StoreMethod(r.Context(), r.Account.ID, key, Return{Done: here + "?stored=1", Cancel: here})
	if err == nil {
		err = r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			actor, _ := migrations.ActorOf(ctx)
			return accounts.RecordTx(ctx, tx, accounts.Entry{AccountID: r.Account.ID, Actor: actor, Action: "payment_methods.asked"})
		})
	}
	return s.leave(w, r, to, err, here)
}

// methodAuto says whether invoices are charged by themselves.
func (s *Server) methodAuto(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	auto := r.PostFormValue("auto") != ""
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO billing_accounts AS b (account_id, auto_charge) VALUES ($1, $2)
			ON CONFLICT (account_id) DO UPDATE SET auto_charge = EXCLUDED.auto_charge`, r.Account.ID, auto); err != nil {
			return fmt.Errorf("keep how invoices are paid: %w", err)
		}
		return nil
	}); err != nil {
		return err
	}
	if auto {
		return r.see(w, "/billing/methods", "billing.auto.on")
	}
	return r.see(w, "/billing/methods", "billing.auto.off")
}

func (s *Server) methodStandard(w http.ResponseWriter, r *request) error {
	return s.methodDo(w, r, Cashier.SetStandard, "billing.method.standard_set")
}

func (s *Server) methodRemove(w http.ResponseWriter, r *request) error {
	return s.methodDo(w, r, Cashier.Remove, "billing.method.removed")
}

// methodDo changes one means of payment; another account's doesn't exist.
func (s *Server) methodDo(w http.ResponseWriter, r *request, do func(Cashier, context.Context, int64, int64) error, done string) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if s.Cashier == nil {
		return errNoPage
	}
	switch err := do(s.Cashier, r.Context(), r.Account.ID, id); {
	case errors.Is(err, ErrNoMethod):
		return errNoPage
	case errors.Is(err, ErrCashier):
		r.flash("bad", "billing.pay.unavailable")
		return r.see(w, "/billing/methods", "")
	case err != nil:
		return err
	}
	return r.see(w, "/billing/methods", done)
}
