package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/web/mail"
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

type deskHomeData struct {
	Figures  []deskFigure
	Waiting  []deskFigure
	Ages     []deskAge
	Open     string
	Month    string
	Bars     []fallBar
	Charts   []lineChart
	Months   []deskMonthRow
	Previous string
	Next     string
}

type deskAge struct {
	Words, Count, Open, Href string
	Width                    int // of 100
}

type deskMonthRow struct {
	Month, Begin, End  string
	New, Expansion     string
	Contraction, Churn string
	Reactivation       string
	Logo, Revenue      string
	Clinics, Lost      int64
	ToHref             string
	// Where the rows of each are.
	BeginHref, EndHref          string
	NewHref, ExpansionHref      string
	ContractionHref             string
	ChurnHref, ReactivationHref string
	LogoHref, RevenueHref       string
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
		last := months[len(months)-1]
		d.Figures = []deskFigure{
			{"mrr", chf(mrr), r.say("desk.figure.mrr"), movesTo(today), ""},
			{"live", "", r.say("desk.figure.live"), "", ""},
			{"logo", percent(last.Churned), r.say("desk.figure.logo", "Lost", last.Lost, "All", last.Clinics), moves(month, "gone"), ""},
			{"revenue", percent(last.LostRate), r.say("desk.figure.revenue"), moves(month, "lost"), ""},
			{"sms", "", "", "", ""},
		}
		if err := d.Figures[1].count(ctx, tx, r, deskRowsOf{list: "subscriptions", state: "live"}); err != nil {
			return err
		}
		sms := deskRowsOf{list: "sms"}
		holders, unused, err := sms.read(ctx, tx, today, "sms")
		if err != nil {
			return err
		}
		d.Figures[4].Value, d.Figures[4].Words, d.Figures[4].Href = r.number(unused), r.say("desk.figure.sms", "Count", holders), sms.href()
		for _, w := range []struct {
			name, mood string
			rows       deskRowsOf
		}{
			{"suspense", "warn", deskRowsOf{list: "entries", state: "suspense"}},
			{"orders", "", deskRowsOf{list: "orders", state: "to_sign"}},
			{"stuck", "bad", deskRowsOf{list: "orders", state: "stuck"}},
			{"actions", "warn", deskRowsOf{list: "actions", state: "open"}},
			{"webhooks", "bad", deskRowsOf{list: "webhooks", state: "failed"}},
			{"jobs", "bad", deskRowsOf{list: "jobs", state: "trouble"}},
		} {
			f := deskFigure{Name: w.name, Words: r.say("desk.figure." + w.name), Mood: w.mood}
			if err := f.count(ctx, tx, r, w.rows); err != nil {
				return err
			}
			d.Waiting = append(d.Waiting, f)
		}
		mails := deskFigure{Name: "mails", Words: r.say("desk.figure.mails"), Href: "/admin/mails?state=failed", Mood: "bad"}
		failed, err := mail.Failed(ctx, tx)
		if err != nil {
			return err
		}
		mails.say(r, failed)
		d.Waiting = append(d.Waiting, mails)
		var open, most int64
		for _, a := range ages {
			open, most = open+a.Open, max(most, a.Open)
		}
		d.Open = chf(open)
		for i, a := range ages {
			age := []string{"not_due", "late_30", "late_60", "late_90", "late_more"}[i]
			href := deskRowsOf{list: "pastdue", state: age}.href()
			if i == 0 {
				href = deskRowsOf{list: "invoices", state: age}.href()
			}
			d.Ages = append(d.Ages, deskAge{Words: r.say("desk.age." + age), Count: r.number(a.Invoices), Open: chf(a.Open), Href: href,
				Width: int(billing.MulDiv(a.Open, 100, max(most, 1)))})
		}
		d.Month = r.monthName(month)
		d.Bars = r.waterfall(last, month)
		if d.Charts, err = r.charts(months); err != nil {
			return err
		}
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
			d.Months = append(d.Months, deskMonthRow{Month: r.monthName(begin), Begin: chf(m.Begin), End: chf(m.End), New: chf(m.Moves[billing.MoveNew]), Expansion: chf(m.Moves[billing.MoveExpansion]),
				Contraction: chf(m.Moves[billing.MoveContraction]), Churn: chf(m.Moves[billing.MoveChurn]), Reactivation: chf(m.Moves[billing.MoveReactivation]),
				Logo: percent(m.Churned), Revenue: percent(m.LostRate), Clinics: m.Clinics, Lost: m.Lost, ToHref: "/admin/billing?month=" + m.Month,
				BeginHref: movesTo(begin - 1), EndHref: movesTo(billing.AddMonths(begin, 1) - 1), NewHref: moves(begin, "new"), ExpansionHref: moves(begin, "expansion"), ContractionHref: moves(begin, "contraction"),
				ChurnHref: moves(begin, "churn"), ReactivationHref: moves(begin, "reactivation"), LogoHref: moves(begin, "gone"), RevenueHref: moves(begin, "lost")})
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
func (r *request) waterfall(m billing.RevenueMonth, month billing.Date) (bars []fallBar) {
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
		case "begin":
			b.Words, b.Href = r.say("desk.fall.begin"), movesTo(month-1)
		case "end":
			b.Words, b.Href = r.say("desk.fall.end"), movesTo(billing.AddMonths(month, 1)-1)
		default:
			b.Words, b.Href = r.word("movements", st.name), moves(month, st.name)
		}
		bars = append(bars, b)
	}
	return bars
}
