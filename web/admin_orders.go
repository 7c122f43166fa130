package web

import (
	"errors"
	"fmt"
	"net/http"

	"rappel/calendars/billing/payments"
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
	return r.page(w, "admin_thing.html", "admin-billing", d)
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
