package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

// Purse is what the web asks of credits beside reading.
type Purse interface {
	// SetAlertTx sets below how many credits an account wants to be told.
	SetAlertTx(ctx context.Context, tx *sqlx.Tx, account, below int64) error
}

// mostAlert bounds the threshold: beyond it nobody is warned in time.
const mostAlert = 1_000_000

type creditView struct {
	whoPays
	Balance  credits.Balance
	Lots     []credits.Holding
	Packages []packageView
	Orders   []payments.Order
	Usage    []usageMonth
	Tariffs  []credits.Tariff
	Card     bool
	Key      string
	Alert    string // as typed
	Errors   map[string]string
	History  []credits.Entry
	Address  bool
}

type packageView struct {
	credits.Package
	Tax, Total int64
	Each       string // francs per SMS
}

// usageMonth is what was sent in a month.
type usageMonth struct {
	Month   time.Time
	Rows    []credits.Usage
	Credits int64
}

// usageMonths is how many months the page tells.
const usageMonths = 6

func (s *Server) creditPage(w http.ResponseWriter, r *request) error {
	return s.creditShow(w, r, http.StatusOK, "", map[string]string{})
}

// creditShow shows credits; alert is a threshold as typed, where it was wrong.
func (s *Server) creditShow(w http.ResponseWriter, r *request, status int, alert string, errs map[string]string) error {
	v := creditView{Card: s.Cashier != nil, Key: randomText()[:22], Alert: alert, Errors: errs}
	account, now := r.Account.ID, r.now()
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if v.whoPays, err = whoPaysTx(ctx, tx, account); err != nil {
			return err
		}
		if v.Balance, err = credits.BalanceTx(ctx, tx, account); err != nil {
			return err
		}
		if v.Lots, err = credits.LotsTx(ctx, tx, account); err != nil {
			return err
		}
		usage, err := credits.UsageTx(ctx, tx, account, now.AddDate(0, 1-usageMonths, 1-now.Day()), now.AddDate(0, 1, 1-now.Day()))
		if err != nil {
			return err
		}
		v.Usage = byMonth(usage)
		tariffs, err := credits.Tariffs(ctx, tx)
		if err != nil {
			return err
		}
		v.Tariffs = inForce(tariffs, now)
		if v.History, err = credits.EntriesTx(ctx, tx, account, 0, 5); err != nil || !v.Pays() {
			return err
		}
		address, err := addressTx(ctx, tx, account)
		if err != nil {
			return err
		}
		v.Address = address.Zip != "" && address.Town != ""
		if v.Packages, err = packagesTx(ctx, tx, r.today()); err != nil {
			return err
		}
		v.Orders, err = payments.Orders(ctx, tx, account, 10)
		return err
	}); err != nil {
		return err
	}
	if v.Alert == "" {
		v.Alert = strconv.FormatInt(v.Balance.AlertBelow, 10)
	}
	return s.render(w, r, status, "credits.html", "billing", v)
}

// packagesTx are those on sale today, with the tax there would be.
func packagesTx(ctx context.Context, tx *sqlx.Tx, today billing.Date) (all []packageView, err error) {
	y, m, d := today.Civil()
	packages, err := credits.Packages(ctx, tx, time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return nil, err
	}
	catalogue, err := billing.CatalogueOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	rate, err := catalogue.Taxes.At(billing.StandardTax, today)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		tax := billing.Tax(p.PriceRappen, rate.Rate)
		tenths := billing.MulDiv(p.PriceRappen, 10, int64(p.SMS)) // of a Rappen
		all = append(all, packageView{p, tax, p.PriceRappen + tax, strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64)})
	}
	return all, nil
}

func byMonth(usage []credits.Usage) (all []usageMonth) {
	for _, u := range usage {
		if len(all) == 0 || !all[len(all)-1].Month.Equal(u.Month) {
			all = append(all, usageMonth{Month: u.Month})
		}
		m := &all[len(all)-1]
		m.Rows = append(m.Rows, u)
		m.Credits += u.Credits
	}
	return all
}

// inForce keeps of each country the tariff that holds now; the one for all others is last.
func inForce(all []credits.Tariff, now time.Time) (out []credits.Tariff) {
	seen := map[string]bool{}
	for _, t := range all {
		if seen[t.Country] || t.ValidFrom.After(now) {
			continue
		}
		seen[t.Country] = true
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b credits.Tariff) int {
		switch {
		case a.Country == b.Country:
			return 0
		case a.Country == "":
			return 1
		case b.Country == "":
			return -1
		case a.PerPart != b.PerPart:
			return a.PerPart - b.PerPart
		}
		return strings.Compare(a.Country, b.Country)
	})
	return out
}

// regions names countries in each language.
var regions = map[string]display.Namer{"de": display.Regions(language.German), "fr": display.Regions(language.French), "it": display.Regions(language.Italian), "en": display.Regions(language.English)}

// Country is the name of an ISO 3166-1 code; "" is every other country.
func (v *view) Country(code string) string {
	if code == "" {
		return v.s.words.say(v.Lang, "billing.country.other")
	}
	region, err := language.ParseRegion(code)
	if err != nil || regions[v.Lang] == nil {
		return code
	}
	return regions[v.Lang].Name(region)
}

// Month is a month and its year: "Juni 2026".
func (v *view) Month(t time.Time) string {
	return v.translator().MonthWide(t.Month()) + " " + strconv.Itoa(t.Year())
}

// creditAlert keeps the threshold below which one is told.
func (s *Server) creditAlert(w http.ResponseWriter, r *request) error {
	text := strings.TrimSpace(r.PostFormValue("below"))
	below, err := strconv.ParseInt(text, 10, 64)
	if err != nil || below < 0 || below > mostAlert {
		if text == "" {
			text = " " // kept as it was: empty
		}
		return s.creditShow(w, r, http.StatusUnprocessableEntity, text, map[string]string{"below": r.say("billing.alert.wrong")})
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error { return s.Purse.SetAlertTx(ctx, tx, r.Account.ID, below) }); err != nil {
		return err
	}
	return r.see(w, "/billing/credits", "billing.alert.saved")
}

// historyPerPage is how many bookings a page of their history has.
const historyPerPage = 50

type historyView struct {
	Rows []credits.Entry
	Next string
}

func (s *Server) creditHistory(w http.ResponseWriter, r *request) error {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0 // the newest
	}
	var v historyView
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		v.Rows, err = credits.EntriesTx(ctx, tx, r.Account.ID, before, historyPerPage+1)
		return err
	}); err != nil {
		return err
	}
	if len(v.Rows) > historyPerPage {
		v.Rows = v.Rows[:historyPerPage]
		v.Next = "/billing/credits/history?before=" + strconv.FormatInt(v.Rows[len(v.Rows)-1].ID, 10)
	}
	return r.page(w, "credit_history.html", "billing", v)
}

// entryKind is a booking by its words: what kind, and of what source where that matters.
func entryKind(e credits.Entry) string {
	if e.Source != "" {
		return e.Kind + "." + string(e.Source)
	}
	return e.Kind
}

// EntryKind is entryKind, for pages.
func (v *view) EntryKind(e credits.Entry) string { return entryKind(e) }

// Signed is a number with its sign: +500, −3.
func (v *view) Signed(n int64) string {
	switch {
	case n > 0:
		return "+" + v.Big(n)
	case n < 0:
		return "−" + v.Big(-n)
	}
	return "0"
}

// historyColumns are those of the exported history, by their words.
var historyColumns = []string{"time", "what", "available", "held", "sent", "expired", "note"}

func (s *Server) creditCSV(w http.ResponseWriter, r *request) error {
	return s.creditExport(r, newCSVSheet(w, r.fileName("credits", "csv")))
}

func (s *Server) creditXLSX(w http.ResponseWriter, r *request) error {
	out, err := newXLSXSheet(w, r.fileName("credits", "xlsx"))
	if err != nil {
		return err
	}
	return s.creditExport(r, out)
}

// creditExport writes the whole history, page by page.
func (s *Server) creditExport(r *request, out sheet) error {
	defer out.Abandon()
	if err := out.Row(r.head("billing.column.", historyColumns)...); err != nil {
		return err
	}
	for before := int64(0); ; {
		var rows []credits.Entry
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
			rows, err = credits.EntriesTx(ctx, tx, r.Account.ID, before, 1000)
			return err
		}); err != nil {
			return err
		}
		for _, e := range rows {
			if err := out.Row(e.At.In(r.Loc), r.say("billing.entry."+entryKind(e)), e.Available, e.Held, e.Consumed, e.Expired, e.Note); err != nil {
				return err
			}
			before = e.ID
		}
		if len(rows) < 1000 {
			return out.Close()
		}
	}
}
