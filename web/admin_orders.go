package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

func (s *Server) deskOrderPage(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofOrder)
	if err != nil {
		return err
	}
	sub, err := s.deskSubject(r, &deskAction{scope: ofOrder}, ids)
	if err != nil {
		return err
	}
	o, base := sub.Order, sub.back
	files, err := payments.Files(r.Context(), s.Operator, o.Ref())
	if err != nil {
		return err
	}
	part := ""
	if o.Method == payments.Bank && o.Invoice == 0 && s.Books != nil {
		came, err := s.Books.Desk.Came(r.Context(), o.Ref())
		if err != nil {
			return err
		}
		if came > 0 {
			part = r.say("desk.order.part", "Came", chf(came), "Total", chf(o.Total))
		}
	}
	d := deskThingData{Title: o.Number(), Lead: sub.Clinic.Business, Pill: r.word("orders", string(o.Status)), Mood: deskMoods[string(o.Status)], Crumb: sub.Clinic.page(), CrumbWords: sub.Clinic.Business,
		FactsTitle: r.say("desk.order"), Downloads: []deskButton{{Words: r.say("desk.order.form"), Href: base + "/form"}}, Note: o.Problem}
	for _, f := range []struct{ name, value string }{{"sms", r.number(o.SMS)}, {"net", chf(o.Net)}, {"total", chf(o.Total)}, {"part_paid", part}, {"method", r.word("method", string(o.Method))}, {"offered_on", o.OfferedOn.Format("02.01.2006")},
		{"valid_to", o.ValidTo.Format("02.01.2006")}, {"who", r.actorWords(o.OrderedBy)}, {"reference", o.Reference}} {
		if f.value != "" {
			d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column." + f.name), Is: f.value})
		}
	}
	t := deskTable{Title: r.say("desk.order.files"), Heads: r.heads("name", "at", "who"), Empty: r.say("desk.order.no_file")}
	for _, f := range files {
		cells := r.cells("name", f.Name, "at", f.UploadedAt.In(r.Loc).Format("02.01.2006 15:04"), "who", r.actorWords(f.UploadedBy))
		cells[0].Href = fmt.Sprintf("%s/files/%d", base, f.Seq)
		t.Rows = append(t.Rows, cells)
	}
	d.Tables = []deskTable{t}
	if o.Method == payments.Bank && (o.Status == payments.Offered || o.Status == payments.Expired) {
		d.Buttons = append(d.Buttons, r.button(base, "sign"))
	}
	if o.Status == payments.Paid {
		d.Buttons = append(d.Buttons, r.button(base, "hand-over"))
	}
	unused, err := s.unusedOf(r.Context(), o.Ref(), o.Invoice)
	if err != nil {
		return err
	}
	if unused > 0 {
		d.Note = joined(" ", d.Note, r.say("desk.order.unused", "Count", unused))
		d.Buttons = append(d.Buttons, r.button(base, "take-back"))
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}

// moneyBack reports whether the money of an invoice went back or won't come, so that what
// it was for can be taken back, too.
func (s *Server) moneyBack(ctx context.Context, account, invoice int64) (back bool, err error) {
	if err := s.Operator.GetContext(ctx, &back, `SELECT EXISTS (SELECT 1 FROM invoices i WHERE i.account_id = $1 AND i.id = $2 AND (i.status IN ('void', 'uncollectible')
		OR EXISTS (SELECT 1 FROM invoices n WHERE n.account_id = $1 AND n.credits_invoice_id = $2)
		OR i.status = 'open' AND EXISTS (SELECT 1 FROM payment_allocations x WHERE x.account_id = $1 AND x.invoice_id = $2 AND x.payment_id IS NOT NULL AND x.amount < 0)))`,
		account, invoice); err != nil {
		return false, fmt.Errorf("look whether the money of invoice %d went back: %w", invoice, err)
	}
	return back, nil
}

// unusedOf is how many SMS of an order can be taken back: none unless its money went back.
func (s *Server) unusedOf(ctx context.Context, order payments.Ref, invoice int64) (int64, error) {
	back, err := s.moneyBack(ctx, order.Account, invoice)
	if err != nil || !back {
		return 0, err
	}
	left, err := credits.LeftTx(ctx, s.Operator, order.Account, order.Booked())
	return left.Unused, err
}

func (s *Server) deskOrderForm(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofOrder)
	if err != nil {
		return err
	}
	pdf, err := payments.Form(r.Context(), s.Operator, payments.Ref{Account: ids.Account, Order: ids.Order})
	if errors.Is(err, payments.ErrNoOrder) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	attachment(w, "application/pdf", fmt.Sprintf("B-%d.pdf", ids.Order))
	_, _ = w.Write(pdf) // a browser that left needs no answer
	return nil
}

// deskOrderFile hands a signed form out, as a download only: it is whatever somebody sent.
func (s *Server) deskOrderFile(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofOrder)
	if err != nil {
		return err
	}
	seq, err := r.id("file")
	if err != nil || seq > 1000 {
		return errNoPage
	}
	info, content, err := payments.File(r.Context(), s.Operator, payments.Ref{Account: ids.Account, Order: ids.Order}, int(seq))
	if errors.Is(err, payments.ErrNoOrder) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	ending := map[string]string{"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}[info.Type]
	attachment(w, info.Type, fmt.Sprintf("B-%d-%d.%s", ids.Order, seq, ending))
	_, _ = w.Write(content) // a browser that left needs no answer
	return nil
}
