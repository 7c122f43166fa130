package web

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
)

// deskScope says what an order is about.
type deskScope int

const (
	ofClinic deskScope = iota
	ofDocument
	ofOrder
	ofJob
	ofEntry
	ofEvent
	ofCatalogue
)

// deskPaths are where the forms of a scope's orders are, before the action's name.
var deskPaths = map[deskScope]string{
	ofClinic: "/admin/billing/clinics/{id}/", ofDocument: "/admin/billing/clinics/{id}/invoices/{document}/", ofOrder: "/admin/billing/clinics/{id}/orders/{order}/",
	ofJob: "/admin/billing/clinics/{id}/jobs/{job}/", ofEntry: "/admin/billing/entries/{entry}/", ofEvent: "/admin/billing/webhook/", ofCatalogue: "/admin/billing/catalogue/",
}

// deskIDs name a subject.
type deskIDs struct {
	Account  int64  `json:"account,omitempty"`
	Document int64  `json:"document,omitempty"`
	Order    int64  `json:"order,omitempty"`
	Job      int64  `json:"job,omitempty"`
	Entry    int64  `json:"entry,omitempty"`
	Item     string `json:"item,omitempty"` // of an event, or a row of the catalogue
}

// deskIDs reads a path's ids.
func (r *request) deskIDs(scope deskScope) (ids deskIDs, err error) {
	read := func(into *int64, name string) {
		if err == nil {
			*into, err = r.id(name)
		}
	}
	if scope <= ofJob {
		read(&ids.Account, "id")
	}
	switch scope {
	case ofDocument:
		read(&ids.Document, "document")
	case ofOrder:
		read(&ids.Order, "order")
	case ofJob:
		read(&ids.Job, "job")
	case ofEntry:
		read(&ids.Entry, "entry")
	case ofEvent, ofCatalogue:
		ids.Item = r.FormValue("item")
	}
	return ids, err
}

// deskSubject is what an order is about, as it stands.
type deskSubject struct {
	ids      deskIDs
	Clinic   deskClinic
	Document billing.Document // zero = none
	Lost     int64            // Rappen written off of it
	Order    payments.Order   // zero = none
	Entry    bank.Entry       // zero = none
	title    string
	back     string // page to return to
	path     string // of the order's form
}

// deskClinic is who an order is for; the zero value is nobody.
type deskClinic struct {
	ID       int64  `db:"account_id"`
	Business string `db:"business"`
	Billing  string `db:"billing"`
	Zone     string `db:"zone"`
	Language string `db:"language"`
	Parent   *int64 `db:"parent_id"`
}

// page is the clinic's page.
func (c deskClinic) page() string { return fmt.Sprintf("/admin/billing/clinics/%d", c.ID) }

// clinicOf reads an account as rappel_operator.
func (s *Server) clinicOf(r *request, account int64) (c deskClinic, err error) {
	if err := s.Operator.GetContext(r.Context(), &c, `SELECT account_id, business, billing, zone, language, parent_id FROM accounts WHERE account_id = $1`, account); err != nil {
		return c, fmt.Errorf("read account %d: %w", account, err)
	}
	return c, nil
}

// deskSubject reads what ids name; what isn't there is a page that doesn't exist.
func (s *Server) deskSubject(r *request, a *deskAction, ids deskIDs) (sub deskSubject, err error) {
	ctx := r.Context()
	sub.ids = ids
	if ids.Account != 0 {
		if sub.Clinic, err = s.clinicOf(r, ids.Account); err != nil {
			return sub, err
		}
		sub.title, sub.back = sub.Clinic.Business, sub.Clinic.page()
	}
	base := fmt.Sprintf("/admin/billing/clinics/%d/", ids.Account)
	switch a.scope {
	case ofClinic:
		sub.path = base + a.name
	case ofDocument:
		if sub.Document, err = s.documentOf(r, billing.DocumentRef{Account: ids.Account, Document: ids.Document}); err != nil {
			return sub, err
		}
		if sub.Lost, err = billing.LostTx(ctx, s.Operator, billing.DocumentRef{Account: ids.Account, Document: ids.Document}); err != nil {
			return sub, err
		}
		sub.back = fmt.Sprintf("%sinvoices/%d", base, ids.Document)
		sub.title, sub.path = sub.Document.Name()+" · "+sub.title, sub.back+"/"+a.name
	case ofOrder:
		sub.Order, err = payments.ByRef(ctx, s.Operator, payments.Ref{Account: ids.Account, Order: ids.Order})
		if errors.Is(err, payments.ErrNoOrder) {
			return sub, errNoPage
		}
		if err != nil {
			return sub, err
		}
		sub.back = fmt.Sprintf("%sorders/%d", base, ids.Order)
		sub.title, sub.path = sub.Order.Number()+" · "+sub.title, sub.back+"/"+a.name
	case ofJob:
		var kind string
		if err := s.Operator.GetContext(ctx, &kind, `SELECT kind FROM billing_jobs WHERE account_id = $1 AND id = $2`, ids.Account, ids.Job); err != nil {
			return sub, fmt.Errorf("read a job: %w", err)
		}
		sub.title, sub.path = r.word("job", kind)+" · "+sub.title, fmt.Sprintf("%sjobs/%d/%s", base, ids.Job, a.name)
		sub.back = "/admin/billing/jobs"
	case ofEntry:
		if sub.Entry, err = s.entryOf(r, ids.Entry); err != nil {
			return sub, err
		}
		sub.back = fmt.Sprintf("/admin/billing/entries/%d", ids.Entry)
		sub.title, sub.path = chf(sub.Entry.Rappen)+" · "+sub.Entry.Payer, sub.back+"/"+a.name
	case ofEvent:
		sub.back, sub.path, sub.title = "/admin/billing/webhook?item="+ids.Item, "/admin/billing/webhook/"+a.name, ids.Item
	case ofCatalogue:
		sub.back, sub.path, sub.title = "/admin/billing/catalogue", "/admin/billing/catalogue/"+a.name, r.say("desk.catalogue")
	}
	return sub, nil
}

// documentOf reads a document as rappel_operator.
func (s *Server) documentOf(r *request, ref billing.DocumentRef) (billing.Document, error) {
	d, err := billing.DocumentTx(r.Context(), s.Operator, ref)
	if errors.Is(err, billing.ErrUnknown) {
		return d, errNoPage
	}
	return d, err
}

// entryOf reads a booking of the bank as rappel_operator.
func (s *Server) entryOf(r *request, id int64) (e bank.Entry, err error) {
	all, err := bank.Entries(r.Context(), s.Operator, bank.Page{After: id - 1, Limit: 1})
	if err != nil {
		return e, err
	}
	if len(all) == 0 || all[0].ID != id {
		return e, fmt.Errorf("entry %s: %w", strconv.FormatInt(id, 10), sql.ErrNoRows)
	}
	return all[0], nil
}
