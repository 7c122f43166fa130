package web

import (
	"fmt"
	"net/http"
	"time"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
)

func (s *Server) deskDocument(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofDocument)
	if err != nil {
		return err
	}
	c, err := s.clinicOf(r, ids.Account)
	if err != nil {
		return err
	}
	doc, err := s.documentOf(r, ids.ref())
	if err != nil {
		return err
	}
	page, err := doc.Paper()
	if err != nil {
		return err
	}
	base := fmt.Sprintf("%s/invoices/%d", c.page(), doc.ID)
	state := string(doc.Status)
	if doc.Kind == billing.Invoice && doc.Status == billing.InvoiceOpen && doc.DueOn < r.today() {
		state = "overdue"
	}
	d := deskThingData{Title: doc.Name(), Lead: r.word("kind", string(doc.Kind)) + " · " + c.Business, Pill: r.word("invoices", state), Mood: deskMoods[state], Crumb: c.page(), CrumbWords: c.Business,
		FactsTitle: r.say("desk.document"), Downloads: []deskButton{{Words: "PDF", Href: base + "/pdf"}}, Note: r.say("desk.document.kept")}
	add := func(name, value string) {
		if value != "" {
			d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column." + name), Is: value})
		}
	}
	add("issued_on", civil(doc.IssuedOn))
	add("due_on", civil(doc.DueOn))
	add("credits_of", page.Credits)
	add("net", chf(doc.Net))
	for _, t := range page.Taxes {
		d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column.tax") + " " + percent(t.Rate), Is: chf(t.Tax)})
	}
	if doc.Rounding != 0 {
		add("rounding", chf(doc.Rounding))
	}
	add("total", chf(doc.Total))
	if doc.Kind == billing.Invoice {
		add("open", chf(doc.Open))
	}
	add("reference", doc.Reference)
	lines := deskTable{Title: r.say("desk.document.lines"), Heads: r.heads("text", "period", "net"), Empty: r.say("desk.none")}
	for _, l := range page.Lines {
		period := ""
		if from, err := billing.ParseDate(string(l.From)); err == nil {
			if to, err := billing.ParseDate(string(l.To)); err == nil {
				period = civil(from) + "–" + civil(to-1)
			}
		}
		text := l.Text
		if l.Detail != "" {
			text += ", " + l.Detail
		}
		lines.Rows = append(lines.Rows, r.cells("text", text, "period", period, "net", chf(l.Net)))
	}
	d.Tables = append(d.Tables, lines)
	paid := deskTable{Title: r.say("desk.document.paid"), Heads: r.heads("at", "what", "amount"), Empty: r.say("desk.none")}
	var rows []struct {
		At     time.Time `db:"at"`
		What   string    `db:"what"`
		Ref    string    `db:"ref"`
		Amount int64     `db:"amount"`
	}
	if err := s.Operator.SelectContext(r.Context(), &rows, `SELECT x.at, CASE WHEN p.id IS NOT NULL THEN p.kind WHEN n.id IS NOT NULL THEN 'credit_note' ELSE 'loss' END AS what,
		COALESCE(p.provider, n.series || '-' || n.year || '-' || lpad(CAST(n.number AS text), 6, '0'), '') AS ref, x.amount
		FROM payment_allocations x LEFT JOIN payments p ON p.account_id = x.account_id AND p.id = x.payment_id LEFT JOIN invoices n ON n.account_id = x.account_id AND n.id = x.credit_note_id
		WHERE x.account_id = $1 AND (x.invoice_id = $2 OR x.credit_note_id = $2) ORDER BY x.at, x.id`, doc.Account, doc.ID); err != nil {
		return fmt.Errorf("read what paid document %d: %w", doc.ID, err)
	}
	for _, p := range rows {
		what := r.word("payments", p.What)
		if p.Ref != "" {
			what += " · " + r.word("provider", p.Ref)
		}
		paid.Rows = append(paid.Rows, r.cells("at", p.At.In(r.Loc).Format("02.01.2006 15:04"), "what", what, "amount", chf(p.Amount)))
	}
	d.Tables = append(d.Tables, paid)
	if doc.Kind == billing.Invoice {
		var steps []struct {
			Level int          `db:"level"`
			On    billing.Date `db:"taken_on"`
		}
		if err := s.Operator.SelectContext(r.Context(), &steps, `SELECT level, taken_on FROM dunning_steps WHERE account_id = $1 AND invoice_id = $2 ORDER BY round, level`, doc.Account, doc.ID); err != nil {
			return fmt.Errorf("read the reminders of invoice %d: %w", doc.ID, err)
		}
		t := deskTable{Title: r.say("desk.document.reminders"), Heads: r.heads("level", "reminded"), Empty: r.say("desk.none")}
		for _, st := range steps {
			t.Rows = append(t.Rows, r.cells("level", r.word("level", []string{"none", "first", "second", "warning"}[min(max(st.Level, 0), 3)]), "reminded", civil(st.On)))
		}
		tries, err := r.charges(doc)
		if err != nil {
			return err
		}
		d.Tables = append(d.Tables, t, tries)
		if doc.Status == billing.InvoiceOpen {
			names := []string{"mark-paid"}
			if s.Books != nil && s.Books.Card != nil {
				names = append(names, "charge")
			}
			for _, name := range append(names, "write-off", "void") {
				if name != "void" || doc.Open == doc.Total {
					d.Buttons = append(d.Buttons, r.button(base, name))
				}
			}
		}
		if doc.Status == billing.InvoiceUncollectible { // somebody paid after all
			d.Buttons = append(d.Buttons, r.button(base, "mark-paid"))
		}
		if doc.Status != billing.InvoiceVoid {
			d.Buttons = append(d.Buttons, r.button(base, "credit-note"))
		}
		if err := r.leftOver(&d, doc, c); err != nil {
			return err
		}
	}
	d.Buttons = append(d.Buttons, r.button(base, "resend"))
	return r.page(w, "admin_thing.html", "admin-billing", d)
}

// leftOver says of an invoice whose money went back that SMS of its order are unused, and
// leads to where they are taken back.
func (r *request) leftOver(d *deskThingData, doc billing.Document, c deskClinic) error {
	var orders []int64
	if err := r.s.Operator.SelectContext(r.Context(), &orders, `SELECT id FROM orders WHERE account_id = $1 AND invoice_id = $2`, doc.Account, doc.ID); err != nil {
		return fmt.Errorf("look for the order of invoice %d: %w", doc.ID, err)
	}
	for _, id := range orders {
		unused, err := r.s.unusedOf(r.Context(), payments.Ref{Account: doc.Account, Order: id}, doc.ID)
		if err != nil {
			return err
		}
		if unused > 0 {
			d.Note = joined(" ", r.say("desk.order.unused", "Count", unused), d.Note)
			d.Buttons = append(d.Buttons, r.button(fmt.Sprintf("%s/orders/%d", c.page(), id), "take-back"))
		}
	}
	return nil
}

// charges are the attempts to charge an invoice.
func (r *request) charges(doc billing.Document) (t deskTable, err error) {
	var rows []struct {
		At     time.Time `db:"asked_at"`
		Amount int64     `db:"amount"`
		Status string    `db:"status"`
		Code   string    `db:"code"`
	}
	if err := r.s.Operator.SelectContext(r.Context(), &rows, `SELECT asked_at, amount, status, code FROM charges WHERE account_id = $1 AND invoice_id = $2 ORDER BY attempt`, doc.Account, doc.ID); err != nil {
		return t, fmt.Errorf("read the charges of invoice %d: %w", doc.ID, err)
	}
	t = deskTable{Title: r.say("desk.document.charges"), Heads: r.heads("at", "amount", "state", "problem"), Empty: r.say("desk.none")}
	for _, c := range rows {
		state, why := c.Status, c.Code
		if c.Status == "declined" && c.Code == "abandoned" {
			state = "abandoned"
		}
		if why == "" || state == "abandoned" {
			switch state {
			case "asked", "processing", "abandoned":
				why = r.word("charge_why", state)
			}
		}
		t.Rows = append(t.Rows, r.cells("at", c.At.In(r.Loc).Format("02.01.2006 15:04"), "amount", chf(c.Amount), "state", r.word("charges", state), "problem", why))
	}
	return t, nil
}

// deskPDF prints a document as it was frozen. One whose print is no longer what it was
// when it was sent isn't handed out.
func (s *Server) deskPDF(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofDocument)
	if err != nil {
		return err
	}
	doc, err := s.documentOf(r, ids.ref())
	if err != nil {
		return err
	}
	pdf, err := printed(doc)
	if err != nil {
		return err
	}
	attachment(w, "application/pdf", doc.Name()+".pdf")
	_, _ = w.Write(pdf) // a browser that left needs no answer
	return nil
}
