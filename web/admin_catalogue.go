package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

type deskCatalogueData struct {
	Tables  []deskTable
	Buttons [][]deskButton // beside each table
	Seller  []deskLine
	Edit    deskButton
}

// deskCatalogue shows what is sold, for how much and by whom, with what was and what is to
// come.
func (s *Server) deskCatalogue(w http.ResponseWriter, r *request) error {
	var d deskCatalogueData
	const base = "/admin/billing/catalogue"
	today := r.today()
	now := func(from, to billing.Date) string {
		switch {
		case from > today:
			return r.say("desk.catalogue.coming")
		case to != 0 && to <= today:
			return r.say("desk.catalogue.over")
		}
		return r.say("desk.catalogue.now")
	}
	add := func(t deskTable, buttons ...deskButton) {
		t.Empty = r.say("desk.none")
		d.Tables, d.Buttons = append(d.Tables, t), append(d.Buttons, buttons)
	}
	if err := r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		c, err := billing.CatalogueOf(ctx, tx)
		if err != nil {
			return err
		}
		prices := deskTable{Title: r.say("desk.catalogue.prices"), Heads: r.heads("interval", "valid_from", "tiers", "free_sms", "state")}
		for i := len(c.Prices) - 1; i >= 0; i-- {
			p := c.Prices[i]
			end := billing.Date(0)
			for _, other := range c.Prices {
				if other.Plan == p.Plan && other.Interval == p.Interval && other.From > p.From && (end == 0 || other.From < end) {
					end = other.From
				}
			}
			prices.Rows = append(prices.Rows, r.cells("interval", r.word("interval", string(p.Interval)), "valid_from", civil(p.From), "tiers", r.tierWords(p.Tiers), "free_sms", r.number(p.FreeSMS), "state", now(p.From, end)))
		}
		add(prices, r.button(base, "price"))
		var packages []struct {
			SMS  int64        `db:"sms"`
			Net  int64        `db:"price_rappen"`
			From billing.Date `db:"valid_from"`
			To   billing.Date `db:"valid_to"`
		}
		if err := tx.SelectContext(ctx, &packages, `SELECT sms, price_rappen, valid_from, valid_to FROM packages ORDER BY sms, valid_from DESC`); err != nil {
			return fmt.Errorf("read packages: %w", err)
		}
		t := deskTable{Title: r.say("desk.catalogue.packages"), Heads: r.heads("sms", "net", "valid_from", "valid_to", "state")}
		for _, p := range packages {
			t.Rows = append(t.Rows, r.cells("sms", r.number(p.SMS), "net", chf(p.Net), "valid_from", civil(p.From), "valid_to", civil(p.To), "state", now(p.From, p.To)))
		}
		add(t, r.button(base, "package"), r.button(base, "package-end"))
		var tariffs []struct {
			Country string    `db:"country"`
			From    time.Time `db:"valid_from"`
			Credits int64     `db:"credits_per_part"`
			GSM     int64     `db:"part_gsm"`
			UCS2    int64     `db:"part_ucs2"`
			Source  string    `db:"source"`
		}
		if err := tx.SelectContext(ctx, &tariffs, `SELECT country, valid_from, credits_per_part, part_gsm, part_ucs2, source FROM sms_tariffs ORDER BY country, valid_from DESC`); err != nil {
			return fmt.Errorf("read tariffs: %w", err)
		}
		t = deskTable{Title: r.say("desk.catalogue.tariffs"), Heads: r.heads("country", "credits", "part", "valid_from", "source")}
		for _, x := range tariffs {
			country := x.Country
			if country == "" {
				country = r.say("desk.line.others")
			}
			t.Rows = append(t.Rows, r.cells("country", country, "credits", r.number(x.Credits), "part", strconv.FormatInt(x.GSM, 10)+" / "+strconv.FormatInt(x.UCS2, 10), "valid_from", x.From.In(r.Loc).Format("02.01.2006"), "source", x.Source))
		}
		add(t, r.button(base, "tariff"))
		var gifts []struct {
			Occasion string    `db:"occasion"`
			From     time.Time `db:"valid_from"`
			Credits  int64     `db:"credits"`
		}
		if err := tx.SelectContext(ctx, &gifts, `SELECT occasion, valid_from, credits FROM sms_gifts ORDER BY occasion, valid_from DESC`); err != nil {
			return fmt.Errorf("read gifts: %w", err)
		}
		t = deskTable{Title: r.say("desk.catalogue.gifts"), Heads: r.heads("occasion", "sms", "valid_from")}
		for _, g := range gifts {
			t.Rows = append(t.Rows, r.cells("occasion", r.word("choice", g.Occasion), "sms", r.number(g.Credits), "valid_from", g.From.In(r.Loc).Format("02.01.2006")))
		}
		add(t, r.button(base, "gift"))
		var taxes []struct {
			Code   string       `db:"code"`
			Rate   int64        `db:"rate_bp"`
			From   billing.Date `db:"valid_from"`
			To     billing.Date `db:"valid_to"`
			Source string       `db:"source"`
		}
		if err := tx.SelectContext(ctx, &taxes, `SELECT code, rate_bp, valid_from, valid_to, source FROM tax_rates ORDER BY code DESC, valid_from DESC`); err != nil {
			return fmt.Errorf("read tax rates: %w", err)
		}
		t = deskTable{Title: r.say("desk.catalogue.taxes"), Heads: r.heads("code", "rate", "valid_from", "valid_to", "source", "state")}
		for _, x := range taxes {
			t.Rows = append(t.Rows, r.cells("code", r.word("choice", x.Code), "rate", percent(x.Rate), "valid_from", civil(x.From), "valid_to", civil(x.To), "source", x.Source, "state", now(x.From, x.To)))
		}
		add(t, r.button(base, "tax"))
		return nil
	}); err != nil {
		return err
	}
	o := &deskOrder{r: r, s: s}
	seller, err := o.sellerNow()
	if err != nil {
		return err
	}
	for _, in := range sellerFields {
		v := seller[in.name]
		if in.kind == inChoice {
			v = r.word("choice", v)
		}
		if v != "" {
			d.Seller = append(d.Seller, deskLine{Label: r.say("desk.input." + in.name), Is: v})
		}
	}
	full, err := billing.SellerOf(r.Context(), s.Operator)
	if err != nil {
		return err
	}
	d.Seller = append(d.Seller, deskLine{Label: r.say("desk.catalogue.series"), Is: r.say("desk.catalogue.series.is", "Invoices", full.Series, "Credits", full.CreditSeries)})
	d.Edit = r.button(base, "seller")
	return r.page(w, "admin_catalogue.html", "admin-billing", d)
}

// tierWords are such as "1–3: 15.00, 4–10: 12.00, ab 11: 9.00".
func (r *request) tierWords(tiers billing.Tiers) string {
	var parts []string
	from := int64(1)
	for _, t := range tiers {
		span := r.say("desk.line.from", "Number", from)
		if t.UpTo != 0 {
			span = fmt.Sprintf("%d–%d", from, t.UpTo)
		}
		parts = append(parts, span+": "+chf(t.Unit))
		from = t.UpTo + 1
	}
	return strings.Join(parts, ", ")
}
