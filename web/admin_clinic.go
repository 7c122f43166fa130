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

// deskTable is rows with heads, for the pages about one thing.
type deskTable struct {
	Title string
	Heads []deskCell
	Rows  [][]deskCell
	All   string // the list they are from
	Empty string
}

// deskButton leads to a form of an order.
type deskButton struct {
	Words, Href string
	Danger      bool
}

type deskThingData struct {
	Title, Lead string
	Pill, Mood  string
	Crumb       string
	CrumbWords  string
	Facts       []deskLine
	FactsTitle  string
	More        []deskCard
	Tables      []deskTable
	Buttons     []deskButton
	Downloads   []deskButton
	Note        string
}

// deskCard is further facts.
type deskCard struct {
	Title string
	Facts []deskLine
	Note  string
}

// button is the way to an order of action.
func (r *request) button(base string, name string) deskButton {
	b := deskButton{Words: r.say("desk.action." + name), Href: base + "/" + name}
	for _, a := range deskActions() {
		if a.name == name {
			b.Danger = a.danger
		}
	}
	return b
}

// part is the first rows of a list, for one clinic.
func (r *request) part(ctx context.Context, tx *sqlx.Tx, name string, account int64, columns ...string) (t deskTable, err error) {
	const shown = 8
	for i := range deskLists {
		l := &deskLists[i]
		if l.name != name {
			continue
		}
		f := deskFilter{Account: account}
		rows, links, total, err := l.read(ctx, tx, f, r.today(), shown)
		if err != nil {
			return t, err
		}
		t.Title, t.Empty = r.say("desk.list."+name), r.say("desk.none")
		if total > shown {
			t.All = l.href(f, "", nil)
		}
		var chosen []int
		for _, want := range columns {
			for j, c := range l.columns {
				if c.name == want {
					chosen = append(chosen, j)
					t.Heads = append(t.Heads, deskCell{Text: r.say("desk.column." + c.name), Right: c.kind == asMoney || c.kind == asCount})
				}
			}
		}
		for i, row := range rows {
			var cells []deskCell
			for _, j := range chosen {
				cell := r.cell(l.columns[j], row[j])
				cell.Href = links[i][j]
				cells = append(cells, cell)
			}
			t.Rows = append(t.Rows, cells)
		}
		return t, nil
	}
	return t, fmt.Errorf("there is no list %s", name)
}

func (s *Server) deskClinicPage(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	c, err := s.clinicOf(r, id)
	if err != nil {
		return err
	}
	d := deskThingData{Title: c.Business, Lead: r.say("desk.clinic.number", "Number", id), Crumb: "/admin/billing/clinics", CrumbWords: r.say("desk.list.clinics")}
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		sub, err := billing.StatusOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.clinicFacts(ctx, tx, r, c, &d); err != nil {
			return err
		}
		var connected int64
		if err := tx.GetContext(ctx, &connected, `SELECT `+connectedOf+` FROM accounts a WHERE a.account_id = $1`, id); err != nil {
			return fmt.Errorf("count the calendars of account %d: %w", id, err)
		}
		d.More = append(d.More, r.subscriptionCard(sub, connected))
		if sub.Status != billing.NoStatus {
			d.Pill, d.Mood = r.word("subscriptions", string(sub.Status)), deskMoods[string(sub.Status)]
		}
		balance, err := credits.BalanceTx(ctx, tx, id)
		if err != nil {
			return err
		}
		lots, err := credits.LotsTx(ctx, tx, id)
		if err != nil {
			return err
		}
		smsCard := deskCard{Title: r.say("desk.clinic.sms"), Facts: []deskLine{{Label: r.say("desk.column.sms"), Is: r.number(balance.Available)}, {Label: r.say("desk.clinic.held"), Is: r.number(balance.Held)}}}
		if balance.Owed > 0 {
			smsCard.Facts = append(smsCard.Facts, deskLine{Label: r.say("desk.clinic.owed"), Is: r.number(balance.Owed)})
		}
		if balance.Free {
			smsCard.Note = r.say("desk.clinic.free")
		}
		d.More = append(d.More, smsCard)
		history, err := r.quantities(ctx, tx, id)
		if err != nil {
			return err
		}
		d.Tables = append(d.Tables, history)
		t := deskTable{Title: r.say("desk.clinic.lots"), Heads: r.heads("source", "granted_on", "ends_on", "available", "held"), Empty: r.say("desk.none")}
		for _, l := range lots {
			t.Rows = append(t.Rows, r.cells("source", r.word("source", string(l.Source)), "granted_on", l.GrantedOn.Format("02.01.2006"), "ends_on", l.Ends.Format("02.01.2006"),
				"available", strconv.FormatInt(l.Available, 10), "held", strconv.FormatInt(l.Held, 10)))
		}
		d.Tables = append(d.Tables, t)
		for _, part := range []struct {
			name    string
			columns []string
		}{{"invoices", []string{"document", "kind", "issued_on", "due_on", "total", "open", "state"}}, {"payments", []string{"at", "kind", "provider", "amount", "rest", "reason"}},
			{"orders", []string{"order", "sms", "total", "method", "state", "valid_to"}}, {"actions", []string{"at", "action", "who", "state", "reason"}}, {"history", []string{"at", "who", "action", "reason"}}} {
			t, err := r.part(ctx, tx, part.name, id, part.columns...)
			if err != nil {
				return err
			}
			d.Tables = append(d.Tables, t)
		}
		if c.Parent != nil {
			d.Note = r.say("desk.clinic.child")
			return nil
		}
		for _, name := range actionsFor(sub, c.Billing == "metered") {
			d.Buttons = append(d.Buttons, r.button(c.page(), name))
		}
		d.Downloads = append(d.Downloads, deskButton{Words: r.say("desk.list.ledger"), Href: fmt.Sprintf("/admin/billing/ledger?account=%d", id)},
			deskButton{Words: r.say("audit.title"), Href: fmt.Sprintf("/admin/audit?account=%d", id)})
		return nil
	}); err != nil {
		return err
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}

// actionsFor are the orders that make sense as a subscription stands.
func actionsFor(sub billing.Subscription, metered bool) []string {
	if !metered {
		return []string{"credit-sms"}
	}
	var all []string
	if sub.Status.Live() {
		switch sub.Status {
		case billing.Incomplete:
			all = append(all, "activate")
		case billing.Suspended:
			all = append(all, "resume")
		default:
			all = append(all, "quantity", "interval", "suspend")
		}
		if sub.Status == billing.Trialing {
			all = append(all, "extend-trial")
		}
		if sub.CancelOn != 0 {
			all = append(all, "undo-cancel")
		} else {
			all = append(all, "cancel")
		}
		if sub.PendingQuantity != 0 || sub.PendingInterval != "" {
			all = append(all, "undo-pending")
		}
		all = append(all, "pause")
	}
	return append(all, "credit-chf", "credit-sms", "refund")
}

// clinicFacts are who it is and what it owes.
func (s *Server) clinicFacts(ctx context.Context, tx *sqlx.Tx, r *request, c deskClinic, d *deskThingData) error {
	var row struct {
		Name, Street, House, Zip, Town, Country, UID, Email, Service string
		Auto                                                         bool
		Owed, Credit                                                 int64
		Created                                                      time.Time
	}
	if err := tx.GetContext(ctx, &row, `SELECT COALESCE(b.name, '') AS name, COALESCE(b.street, '') AS street, COALESCE(b.house_no, '') AS house, COALESCE(b.zip, '') AS zip, COALESCE(b.town, '') AS town,
		COALESCE(b.country, '') AS country, COALESCE(b.vat_uid, '') AS uid, COALESCE(b.email, '') AS email, a.service, COALESCE(b.auto_charge, false) AS auto, `+owedBy+` AS owed, `+creditOf+` AS credit, a.created_at AS created
		FROM accounts a LEFT JOIN billing_accounts b ON b.account_id = a.account_id WHERE a.account_id = $1`, c.ID); err != nil {
		return fmt.Errorf("read account %d: %w", c.ID, err)
	}
	d.FactsTitle = r.say("desk.clinic.business")
	add := func(name, value string) {
		if value != "" {
			d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column." + name), Is: value})
		}
	}
	add("billing", r.word("billing", c.Billing))
	add("name", row.Name)
	add("address", joined(", ", joined(" ", row.Street, row.House), joined(" ", row.Zip, row.Town), row.Country))
	add("vat_uid", row.UID)
	add("email", row.Email)
	add("service", r.word("service", row.Service))
	add("since", row.Created.In(r.Loc).Format("02.01.2006"))
	add("owed", chf(row.Owed))
	add("credit", chf(row.Credit))
	method := r.say("desk.clinic.slip")
	if row.Auto {
		method = r.say("desk.clinic.auto")
	}
	add("method", method)
	return nil
}

func joined(between string, parts ...string) (s string) {
	for _, p := range parts {
		switch {
		case p == "":
		case s == "":
			s = p
		default:
			s += between + p
		}
	}
	return s
}

// subscriptionCard is a subscription in facts.
func (r *request) subscriptionCard(sub billing.Subscription, connected int64) deskCard {
	card := deskCard{Title: r.say("desk.clinic.subscription")}
	if sub.Status == billing.NoStatus {
		card.Note = r.say("desk.trouble.none")
		return card
	}
	add := func(name, value string) {
		if value != "" {
			card.Facts = append(card.Facts, deskLine{Label: r.say("desk.column." + name), Is: value})
		}
	}
	add("state", r.word("subscriptions", string(sub.Status)))
	add("quantity", strconv.FormatInt(sub.Quantity, 10))
	add("connected", strconv.FormatInt(connected, 10))
	add("interval", r.word("interval", string(sub.Interval)))
	add("started", civil(sub.StartedOn))
	add("anchor", civil(sub.Anchor))
	add("next_on", civil(sub.NextOn))
	add("trial_end", civil(sub.TrialEnd))
	add("ends", civil(sub.CancelOn))
	add("pending_quantity", countOrNone(sub.PendingQuantity))
	if sub.PendingInterval != "" {
		add("pending_interval", r.word("interval", string(sub.PendingInterval)))
	}
	add("past_due", civil(sub.PastDueSince))
	add("suspended", civil(sub.SuspendedOn))
	add("paused", civil(sub.DunningAfter))
	return card
}

// quantities is what a subscription's quantity was, newest first.
func (r *request) quantities(ctx context.Context, tx *sqlx.Tx, account int64) (t deskTable, err error) {
	var rows []struct {
		On       billing.Date `db:"effective_on"`
		Quantity int64        `db:"quantity"`
		From     billing.Date `db:"starts_on"`
		To       billing.Date `db:"ends_on"`
		Interval string       `db:"billing_interval"`
		Actor    string       `db:"actor"`
		At       time.Time    `db:"at"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT e.effective_on, e.quantity, p.starts_on, p.ends_on, x.billing_interval, e.actor, e.at FROM quantity_events e
		JOIN subscription_periods p ON p.account_id = e.account_id AND p.subscription_id = e.subscription_id AND p.seq = e.period_seq JOIN prices x ON x.id = p.price_id
		WHERE e.account_id = $1 ORDER BY e.subscription_id DESC, e.period_seq DESC, e.seq DESC LIMIT 30`, account); err != nil {
		return t, fmt.Errorf("read the quantities of account %d: %w", account, err)
	}
	t = deskTable{Title: r.say("desk.clinic.quantities"), Heads: r.heads("effective", "quantity", "period", "interval", "who", "at"), Empty: r.say("desk.none")}
	for _, e := range rows {
		t.Rows = append(t.Rows, r.cells("effective", civil(e.On), "quantity", strconv.FormatInt(e.Quantity, 10), "period", civil(e.From)+"–"+civil(e.To-1), "interval", r.word("interval", e.Interval),
			"who", r.actorWords(e.Actor), "at", e.At.In(r.Loc).Format("02.01.2006 15:04")))
	}
	return t, nil
}

// actorWords words who did something: system, user:7, operator:3.
func (r *request) actorWords(actor string) string {
	for _, kind := range []string{"operator", "user"} {
		var id int64
		if _, err := fmt.Sscanf(actor, kind+":%d", &id); err == nil {
			return r.word("history", kind) + " " + strconv.FormatInt(id, 10)
		}
	}
	return r.word("history", actor)
}

// heads are the heads of columns by name; cells are their values, name by name.
func (r *request) heads(names ...string) (all []deskCell) {
	for _, n := range names {
		all = append(all, deskCell{Text: r.say("desk.column." + n), Right: rightColumns[n]})
	}
	return all
}

func (r *request) cells(pairs ...string) (all []deskCell) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, deskCell{Label: r.say("desk.column." + pairs[i]), Text: pairs[i+1], Right: rightColumns[pairs[i]]})
	}
	return all
}

// rightColumns hold numbers.
var rightColumns = map[string]bool{"quantity": true, "available": true, "held": true, "net": true, "total": true, "amount": true, "open": true, "credited": true, "tax": true, "chf": true, "sms": true, "begin": true, "end": true, "count": true, "rounding": true, "difference": true,
	"bookings": true, "matched": true, "suspense": true}

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
		if err := s.Operator.SelectContext(r.Context(), &steps, `SELECT level, taken_on FROM dunning_steps WHERE account_id = $1 AND invoice_id = $2 ORDER BY level`, doc.Account, doc.ID); err != nil {
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
		if doc.Status != billing.InvoiceVoid {
			d.Buttons = append(d.Buttons, r.button(base, "credit-note"))
		}
	}
	d.Buttons = append(d.Buttons, r.button(base, "resend"))
	return r.page(w, "admin_thing.html", "admin-billing", d)
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
		t.Rows = append(t.Rows, r.cells("at", c.At.In(r.Loc).Format("02.01.2006 15:04"), "amount", chf(c.Amount), "state", r.word("charges", c.Status), "problem", c.Code))
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
	d := deskThingData{Title: o.Number(), Lead: sub.Clinic.Business, Pill: r.word("orders", string(o.Status)), Mood: deskMoods[string(o.Status)], Crumb: sub.Clinic.page(), CrumbWords: sub.Clinic.Business,
		FactsTitle: r.say("desk.order"), Downloads: []deskButton{{Words: r.say("desk.order.form"), Href: base + "/form"}}, Note: o.Problem}
	for _, f := range []struct{ name, value string }{{"sms", r.number(o.SMS)}, {"net", chf(o.Net)}, {"total", chf(o.Total)}, {"method", r.word("method", string(o.Method))}, {"offered_on", o.OfferedOn.Format("02.01.2006")},
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

func (s *Server) deskJob(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofJob)
	if err != nil {
		return err
	}
	sub, err := s.deskSubject(r, &deskAction{scope: ofJob}, ids)
	if err != nil {
		return err
	}
	var row struct {
		Kind     string     `db:"kind"`
		Created  time.Time  `db:"created_at"`
		Attempts int64      `db:"attempts"`
		Next     *time.Time `db:"next_at"`
		Done     *time.Time `db:"done_at"`
		Problem  string     `db:"problem"`
	}
	if err := s.Operator.GetContext(r.Context(), &row, `SELECT kind, created_at, attempts, next_at, done_at, problem FROM billing_jobs WHERE account_id = $1 AND id = $2`, ids.Account, ids.Job); err != nil {
		return fmt.Errorf("read a job: %w", err)
	}
	state := "waiting"
	switch {
	case row.Done != nil:
		state = "done"
	case row.Next == nil:
		state = "failed"
	}
	d := deskThingData{Title: r.word("job", row.Kind), Lead: sub.Clinic.Business, Pill: r.word("jobs", state), Mood: deskMoods[state], Crumb: sub.back, CrumbWords: r.say("desk.list.jobs"), FactsTitle: r.say("desk.column.job")}
	d.Facts = []deskLine{{Label: r.say("desk.column.created"), Is: row.Created.In(r.Loc).Format("02.01.2006 15:04")}, {Label: r.say("desk.column.attempts"), Is: r.number(row.Attempts)}, {Label: r.say("desk.column.problem"), Is: row.Problem}}
	if state != "done" {
		d.Buttons = []deskButton{r.button(fmt.Sprintf("%s/jobs/%d", sub.Clinic.page(), ids.Job), "retry")}
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}

func (s *Server) deskEvent(w http.ResponseWriter, r *request) error {
	item := r.FormValue("item")
	d := deskThingData{Title: r.say("desk.column.event"), Lead: item, Crumb: "/admin/billing/webhooks", CrumbWords: r.say("desk.list.webhooks"), FactsTitle: r.say("desk.column.event"), Note: r.say("desk.event.none")}
	var rows []struct {
		Kind     string    `db:"kind"`
		Object   string    `db:"object_id"`
		Received time.Time `db:"received_at"`
		Attempts int64     `db:"attempts"`
		Problem  string    `db:"error"`
		State    string    `db:"state"`
	}
	if err := s.Operator.SelectContext(r.Context(), &rows, `SELECT h.kind, h.object_id, h.received_at, h.attempts, h.error, `+webhookState+` AS state FROM webhook_events h WHERE h.webhook_id = $1`, item); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	for _, e := range rows {
		d.Note, d.Pill, d.Mood = "", r.word("webhooks", e.State), deskMoods[e.State]
		d.Facts = []deskLine{{Label: r.say("desk.column.event"), Is: e.Kind}, {Label: r.say("desk.column.object"), Is: e.Object}, {Label: r.say("desk.column.received"), Is: e.Received.In(r.Loc).Format("02.01.2006 15:04")},
			{Label: r.say("desk.column.attempts"), Is: r.number(e.Attempts)}, {Label: r.say("desk.column.problem"), Is: e.Problem}}
		if e.State != "done" {
			b := r.button("/admin/billing/webhook", "retry-event")
			b.Href += "?item=" + item
			d.Buttons = []deskButton{b}
		}
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}
