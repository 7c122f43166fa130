package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// deskRoutes are the billing admin's pages: figures, lists, what is shown of one thing,
// and the forms of what can be ordered.
//
// Ids for browser tests: [data-figure] on the first page; #filters, #q, #csv, #xlsx and
// [data-state] on lists; #preview, #confirm, #change on forms of orders, [data-preview]
// around what one would do; #file, #import at the bank; [data-month] .zip, .journal at the
// months.
func (s *Server) deskRoutes() []route {
	all := []route{
		{"GET /admin/billing", roleBillingAdmin, s.deskHome},
		{"GET /admin/billing/clinics/{id}", roleBillingAdmin, s.deskClinicPage},
		{"GET /admin/billing/clinics/{id}/invoices/{document}", roleBillingAdmin, s.deskDocument},
		{"GET /admin/billing/clinics/{id}/invoices/{document}/pdf", roleBillingAdmin, s.deskPDF},
		{"GET /admin/billing/clinics/{id}/orders/{order}", roleBillingAdmin, s.deskOrderPage},
		{"GET /admin/billing/clinics/{id}/orders/{order}/form", roleBillingAdmin, s.deskOrderForm},
		{"GET /admin/billing/clinics/{id}/orders/{order}/files/{file}", roleBillingAdmin, s.deskOrderFile},
		{"GET /admin/billing/clinics/{id}/jobs/{job}", roleBillingAdmin, s.deskJob},
		{"GET /admin/billing/entries/{entry}", roleBillingAdmin, s.deskEntry},
		{"GET /admin/billing/webhook", roleBillingAdmin, s.deskEvent},
		{"GET /admin/billing/action", roleBillingAdmin, s.deskApproval},
		{"POST /admin/billing/action", roleBillingAdmin, s.deskDecide},
		{"GET /admin/billing/bank", roleBillingAdmin, s.deskBank},
		{"POST /admin/billing/bank", roleBillingAdmin, s.deskImport},
		{"GET /admin/billing/catalogue", roleBillingAdmin, s.deskCatalogue},
		{"GET /admin/billing/months", roleBillingAdmin, s.deskMonths},
		{"GET /admin/billing/months/journal", roleBillingAdmin, s.deskJournal},
		{"GET /admin/billing/months/zip", roleBillingAdmin, s.deskZip},
	}
	all = append(all, s.listRoutes()...)
	for _, a := range deskActions() {
		path := deskPaths[a.scope] + a.name
		all = append(all, route{"GET " + path, roleBillingAdmin, s.deskForm(a)}, route{"POST " + path, roleBillingAdmin, s.deskPost(a)})
	}
	return all
}

// deskActions are all orders there are.
func deskActions() (all []*deskAction) {
	for _, set := range [][]deskAction{subscriptionActions, moneyActions, documentActions, orderActions, entryActions, catalogueActions} {
		for i := range set {
			all = append(all, &set[i])
		}
	}
	return all
}

// deskNav is the navigation within the billing admin's pages.
func deskNav() []string {
	names := []string{"", "catalogue", "months", "bank"}
	for _, l := range deskLists {
		names = append(names, l.name)
	}
	return names
}

// deskPlaces are the pages of deskNav, the one at path marked.
func (v *view) DeskNav() (all []deskChoice) {
	path, _, _ := strings.Cut(v.Path, "?")
	for _, name := range deskNav() {
		href, key := "/admin/billing", "desk.home"
		switch name {
		case "":
		case "catalogue", "months", "bank":
			href, key = "/admin/billing/"+name, "desk."+name
		default:
			href, key = "/admin/billing/"+name, "desk.list."+name
		}
		all = append(all, deskChoice{Words: v.s.words.say(v.Lang, key), Name: name, Href: href, On: path == href || name != "" && strings.HasPrefix(path, href+"/")})
	}
	return all
}

// deskFigure is a number with the list of its rows.
type deskFigure struct {
	Name, Value, Words, Href, Mood string
}

type deskHomeData struct {
	Figures  []deskFigure
	Waiting  []deskFigure
	Ages     []deskAge
	Open     string
	Month    string
	Bars     []fallBar
	Months   []deskMonthRow
	Previous string
	Next     string
}

type deskAge struct {
	Words, Count, Open, Href string
	Width                    int // of 100
}

type deskMonthRow struct {
	Month, Begin, End      string
	New, Expansion         string
	Contraction, Churn     string
	Reactivation           string
	Logo, Revenue          string
	Clinics, Lost          int64
	Href, LostHref, ToHref string
}

// fallBar is a bar of the waterfall, in its drawing's units.
type fallBar struct {
	Name, Words, Value, Href, Mood string
	X, Y, W, H, LabelY, ValueY, MX int
	Line                           int // where the next one begins
}

// monthOf reads ?month=YYYY-MM; without one, or with nonsense, it is the current.
func (r *request) monthOf() billing.Date {
	if d, err := billing.ParseDate(r.FormValue("month") + "-01"); err == nil && d.Year() >= 2000 && d.Year() < 9999 {
		return d
	}
	y, m, _ := r.today().Civil()
	return billing.NewDate(y, m, 1)
}

func (s *Server) deskHome(w http.ResponseWriter, r *request) error {
	var d deskHomeData
	today, month := r.today(), r.monthOf()
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		months, err := billing.RevenueMonths(ctx, tx, billing.AddMonths(month, -11), billing.AddMonths(month, 1))
		if err != nil {
			return err
		}
		mrr, err := billing.RevenueOn(ctx, tx, today)
		if err != nil {
			return err
		}
		ages, err := billing.Ages(ctx, tx, today)
		if err != nil {
			return err
		}
		var n struct {
			Live     int64 `db:"live"`
			SMS      int64 `db:"sms"`
			Holders  int64 `db:"holders"`
			Suspense int64 `db:"suspense"`
			Hooks    int64 `db:"hooks"`
			Mails    int64 `db:"mails"`
			Jobs     int64 `db:"jobs"`
			Orders   int64 `db:"orders"`
			Stuck    int64 `db:"stuck"`
			Actions  int64 `db:"actions"`
		}
		if err := tx.GetContext(ctx, &n, `SELECT (SELECT count(*) FROM subscriptions WHERE status IN ('active', 'past_due', 'suspended')) AS live,
			(SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE unit = 'SMS' AND name IN ('available', 'held') AND balance > 0) AS sms,
			(SELECT count(DISTINCT account_id) FROM ledger_balances WHERE unit = 'SMS' AND name IN ('available', 'held') AND balance > 0) AS holders,
			(SELECT count(*) FROM bank_entries WHERE state = 'suspense') AS suspense,
			(SELECT count(*) FROM webhook_events WHERE error <> '' AND processed_at IS NULL) AS hooks,
			(SELECT count(*) FROM mails WHERE status = 'failed') AS mails,
			(SELECT count(*) FROM billing_jobs WHERE done_at IS NULL AND problem <> '') AS jobs,
			(SELECT count(*) FROM orders WHERE status = 'offered' AND method = 'bank') AS orders,
			(SELECT count(*) FROM orders WHERE status = 'paid') AS stuck,
			(SELECT count(*) FROM admin_actions WHERE status IN ('waiting', 'begun')) AS actions`); err != nil {
			return fmt.Errorf("count what waits: %w", err)
		}
		last := months[len(months)-1]
		from, to := month.String(), (billing.AddMonths(month, 1) - 1).String()
		moves := "/admin/billing/movements?from=" + from + "&to=" + to
		d.Figures = []deskFigure{
			{"mrr", chf(mrr), r.say("desk.figure.mrr"), "/admin/billing/movements?to=" + today.String(), ""},
			{"live", r.number(n.Live), r.say("desk.figure.live"), "/admin/billing/subscriptions", ""},
			{"logo", percent(last.Churned), r.say("desk.figure.logo", "Lost", last.Lost, "All", last.Clinics), moves + "&state=churn", ""},
			{"revenue", percent(last.LostRate), r.say("desk.figure.revenue"), moves + "&state=lost", ""},
			{"sms", r.number(n.SMS), r.say("desk.figure.sms", "Count", n.Holders), "/admin/billing/clinics?state=with_sms", ""},
		}
		warn := func(n int64, mood string) string {
			if n == 0 {
				return ""
			}
			return mood
		}
		d.Waiting = []deskFigure{
			{"suspense", r.number(n.Suspense), r.say("desk.figure.suspense"), "/admin/billing/entries?state=suspense", warn(n.Suspense, "warn")},
			{"orders", r.number(n.Orders), r.say("desk.figure.orders"), "/admin/billing/orders?state=to_sign", ""},
			{"stuck", r.number(n.Stuck), r.say("desk.figure.stuck"), "/admin/billing/orders?state=stuck", warn(n.Stuck, "bad")},
			{"actions", r.number(n.Actions), r.say("desk.figure.actions"), "/admin/billing/actions?state=waiting", warn(n.Actions, "warn")},
			{"webhooks", r.number(n.Hooks), r.say("desk.figure.webhooks"), "/admin/billing/webhooks?state=failed", warn(n.Hooks, "bad")},
			{"jobs", r.number(n.Jobs), r.say("desk.figure.jobs"), "/admin/billing/jobs?state=trouble", warn(n.Jobs, "bad")},
			{"mails", r.number(n.Mails), r.say("desk.figure.mails"), "/admin/mails", warn(n.Mails, "bad")},
		}
		var open, most int64
		for _, a := range ages {
			open, most = open+a.Open, max(most, a.Open)
		}
		d.Open = chf(open)
		for i, a := range ages {
			href := "/admin/billing/pastdue?state=" + []string{"", "late_30", "late_60", "late_90", "late_more"}[i]
			if i == 0 {
				href = "/admin/billing/invoices?state=not_due"
			}
			d.Ages = append(d.Ages, deskAge{Words: r.say("desk.age." + []string{"not_due", "late_30", "late_60", "late_90", "late_more"}[i]), Count: r.number(a.Invoices), Open: chf(a.Open), Href: href,
				Width: int(billing.MulDiv(a.Open, 100, max(most, 1)))})
		}
		d.Month = r.monthName(month)
		d.Bars = r.waterfall(last, moves)
		d.Previous = "/admin/billing?month=" + billing.AddMonths(month, -1).Month()
		if next := billing.AddMonths(month, 1); next <= today {
			d.Next = "/admin/billing?month=" + next.Month()
		}
		for i := len(months) - 1; i >= 0; i-- {
			m := months[i]
			begin, err := billing.ParseDate(m.Month + "-01")
			if err != nil {
				return err
			}
			href := "/admin/billing/movements?from=" + begin.String() + "&to=" + (billing.AddMonths(begin, 1) - 1).String()
			d.Months = append(d.Months, deskMonthRow{Month: r.monthName(begin), Begin: chf(m.Begin), End: chf(m.End), New: chf(m.Moves[billing.MoveNew]), Expansion: chf(m.Moves[billing.MoveExpansion]),
				Contraction: chf(m.Moves[billing.MoveContraction]), Churn: chf(m.Moves[billing.MoveChurn]), Reactivation: chf(m.Moves[billing.MoveReactivation]),
				Logo: percent(m.Churned), Revenue: percent(m.LostRate), Clinics: m.Clinics, Lost: m.Lost, Href: href, LostHref: href + "&state=churn", ToHref: "/admin/billing?month=" + m.Month})
		}
		return nil
	}); err != nil {
		return err
	}
	return r.page(w, "admin_billing.html", "admin-billing", d)
}

// number groups digits as view.Number does.
func (r *request) number(n int64) string { return (&view{}).Number(int(n)) }

// monthName is such as "Juni 2026".
func (r *request) monthName(d billing.Date) string {
	y, m, _ := d.Civil()
	tr := (&view{Lang: r.Lang}).translator()
	return tr.MonthWide(m) + time.Date(y, m, 1, 0, 0, 0, 0, time.UTC).Format(" 2006")
}

// The waterfall's drawing: seven bars from what was to what is.
const (
	fallWidth  = 700
	fallTop    = 26
	fallFloor  = 210
	fallColumn = 100
)

// waterfall lays out how revenue went from a month's beginning to its end.
func (r *request) waterfall(m billing.RevenueMonth, href string) (bars []fallBar) {
	type step struct {
		name     string
		from, to int64
		value    int64
		mood     string
	}
	steps := []step{{"begin", 0, m.Begin, m.Begin, "total"}}
	at := m.Begin
	for _, kind := range []billing.MovementKind{billing.MoveNew, billing.MoveReactivation, billing.MoveExpansion, billing.MoveContraction, billing.MoveChurn} {
		delta, mood := m.Moves[kind], "up"
		if kind == billing.MoveContraction || kind == billing.MoveChurn {
			mood = "down"
		}
		steps = append(steps, step{string(kind), at, at + delta, delta, mood})
		at += delta
	}
	steps = append(steps, step{"end", 0, m.End, m.End, "total"})
	most := int64(1)
	for _, st := range steps {
		most = max(most, st.from, st.to)
	}
	y := func(v int64) int {
		return fallFloor - int(billing.MulDiv(v, fallFloor-fallTop, most))
	}
	for i, st := range steps {
		top, foot := y(max(st.from, st.to)), y(min(st.from, st.to))
		b := fallBar{Name: st.name, Value: chf(st.value), Mood: st.mood, X: i*fallColumn + 14, W: fallColumn - 28, Y: top, H: max(foot-top, 2), MX: i*fallColumn + fallColumn/2, ValueY: top - 8, LabelY: fallFloor + 20, Line: y(st.to)}
		switch st.name {
		case "begin", "end":
			b.Words, b.Href = r.say("desk.fall."+st.name), href
		default:
			b.Words, b.Href = r.word("movements", st.name), href+"&state="+st.name
		}
		bars = append(bars, b)
	}
	return bars
}
