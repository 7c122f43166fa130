package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/notify/credits"
)

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
