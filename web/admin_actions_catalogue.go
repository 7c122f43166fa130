package web

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// Orders about what is sold. A new price is a new row from a day on; what is finalised
// stays as it is, since every document holds its own words and sums.

// mostTiers is how many tiers the form of a price has room for.
const mostTiers = 5

var catalogueActions = []deskAction{
	{scope: ofCatalogue, name: "price",
		inputs: func(o *deskOrder) []deskInput {
			from := o.firstOfNext()
			all := []deskInput{{name: "interval", kind: inChoice, choices: []string{"monthly", "yearly"}, initial: "monthly"}, {name: "valid_from", kind: inDay, initial: from.String()},
				{name: "free_sms", kind: inCount, initial: "0"}}
			var now billing.Price
			if c, err := billing.CatalogueOf(o.r.Context(), o.s.Operator); err == nil {
				if p, err := c.PriceOn(billing.DefaultPlan, billing.Monthly, o.r.today()); err == nil {
					now, all[2].initial = p, strconv.FormatInt(p.FreeSMS, 10)
				}
			}
			for i := range mostTiers {
				up, unit := "", ""
				if i < len(now.Tiers) {
					up, unit = countOrNone(now.Tiers[i].UpTo), billing.CHF(now.Tiers[i].Unit)
				}
				n := strconv.Itoa(i + 1)
				all = append(all, deskInput{name: "up_to_" + n, kind: inCount, optional: true, initial: up, label: o.r.say("desk.input.up_to", "Tier", n)},
					deskInput{name: "unit_" + n, kind: inCHF, optional: i > 0, initial: unit, label: o.r.say("desk.input.unit", "Tier", n)})
			}
			return all
		},
		preview: previewPrice,
		do: func(o *deskOrder) error {
			price, err := o.price()
			if err != nil {
				return err
			}
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := billing.AddPriceTx(ctx, tx, price)
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "package",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "sms", kind: inCount}, {name: "amount", kind: inCHF}, {name: "valid_from", kind: inDay, initial: o.r.today().String()}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			if err := o.notPast("valid_from"); err != nil {
				return nil, err
			}
			if o.count("sms") == 0 || o.count("sms") > 1_000_000 {
				return nil, &wrongInput{"sms", "desk.wrong.count"}
			}
			if o.chf("amount") == 0 {
				return nil, &wrongInput{"amount", "desk.wrong.nothing"}
			}
			var was []int64
			if err := o.s.Operator.SelectContext(o.r.Context(), &was, `SELECT price_rappen FROM packages WHERE sms = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2) ORDER BY valid_from DESC`,
				o.count("sms"), o.day("valid_from")); err != nil {
				return nil, fmt.Errorf("read packages: %w", err)
			}
			var taken bool
			if err := o.s.Operator.GetContext(o.r.Context(), &taken, `SELECT EXISTS (SELECT 1 FROM packages WHERE sms = $1 AND valid_from >= $2)`, o.count("sms"), o.day("valid_from")); err != nil {
				return nil, fmt.Errorf("read packages: %w", err)
			}
			if taken {
				return nil, &wrongInput{"valid_from", "desk.wrong.later"}
			}
			before := ""
			if len(was) > 0 {
				before = chf(was[0])
			}
			return &deskPreview{Facts: []any{o.count("sms"), o.chf("amount"), o.day("valid_from"), was}, Lines: []deskLine{{Label: o.r.say("desk.input.sms"), Is: o.r.say("desk.line.sms", "Count", o.count("sms"))},
				{o.r.say("desk.column.net"), before, chf(o.chf("amount"))}, {Label: o.r.say("desk.input.valid_from"), Is: civil(o.day("valid_from"))}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				if _, err := tx.ExecContext(ctx, `UPDATE packages SET valid_to = $2 WHERE sms = $1 AND valid_from < $2 AND (valid_to IS NULL OR valid_to > $2)`, o.count("sms"), o.day("valid_from")); err != nil {
					return fmt.Errorf("end the package before: %w", err)
				}
				_, err := tx.ExecContext(ctx, `INSERT INTO packages (sms, price_rappen, valid_from) VALUES ($1, $2, $3)`, o.count("sms"), o.chf("amount"), o.day("valid_from"))
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "package-end", danger: true,
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "sms", kind: inCount, initial: o.ids.Item}, {name: "valid_to", kind: inDay, initial: (o.r.today() + 1).String()}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			if err := o.notPast("valid_to"); err != nil {
				return nil, err
			}
			var ids []int64
			if err := o.s.Operator.SelectContext(o.r.Context(), &ids, `SELECT id FROM packages WHERE sms = $1 AND valid_from < $2 AND (valid_to IS NULL OR valid_to > $2)`, o.count("sms"), o.day("valid_to")); err != nil {
				return nil, fmt.Errorf("read packages: %w", err)
			}
			if len(ids) == 0 {
				return nil, &wrongInput{"sms", "desk.wrong.package"}
			}
			return &deskPreview{Facts: []any{ids, o.day("valid_to")}, Lines: []deskLine{{Label: o.r.say("desk.input.sms"), Is: o.r.say("desk.line.sms", "Count", o.count("sms"))}, {Label: o.r.say("desk.input.valid_to"), Is: civil(o.day("valid_to"))}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE packages SET valid_to = $2 WHERE sms = $1 AND valid_from < $2 AND (valid_to IS NULL OR valid_to > $2)`, o.count("sms"), o.day("valid_to"))
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "tariff",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "country", kind: inText, most: 2, initial: o.ids.Item, optional: true}, {name: "credits", kind: inCount}, {name: "part_gsm", kind: inCount, initial: "153"}, {name: "part_ucs2", kind: inCount, initial: "67"},
				{name: "valid_from", kind: inDay, initial: (o.r.today() + 1).String()}, {name: "source", kind: inText}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			country := o.country()
			if country != "" && (len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
				return nil, &wrongInput{"country", "desk.wrong.country"}
			}
			for _, limit := range []struct {
				name        string
				least, most int64
			}{{"credits", 1, 100}, {"part_gsm", 1, 160}, {"part_ucs2", 1, 70}} {
				if n := o.count(limit.name); n < limit.least || n > limit.most {
					return nil, &wrongInput{limit.name, "desk.wrong.count"}
				}
			}
			if o.day("valid_from") <= o.r.today() {
				return nil, &wrongInput{"valid_from", "desk.wrong.past"}
			}
			var was []int64
			if err := o.s.Operator.SelectContext(o.r.Context(), &was, `SELECT CAST(credits_per_part AS bigint) FROM sms_tariffs WHERE country = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1`,
				country, o.tariffFrom()); err != nil {
				return nil, fmt.Errorf("read tariffs: %w", err)
			}
			before := ""
			if len(was) > 0 {
				before = strconv.FormatInt(was[0], 10)
			}
			label := country
			if label == "" {
				label = o.r.say("desk.line.others")
			}
			return &deskPreview{Facts: []any{country, o.values, was}, Lines: []deskLine{{Label: o.r.say("desk.input.country"), Is: label}, {o.r.say("desk.input.credits"), before, o.values["credits"]}, {Label: o.r.say("desk.input.valid_from"), Is: civil(o.day("valid_from"))}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO sms_tariffs (country, valid_from, part_gsm, part_ucs2, credits_per_part, source) VALUES ($1, $2, $3, $4, $5, $6)`,
					o.country(), o.tariffFrom(), o.count("part_gsm"), o.count("part_ucs2"), o.count("credits"), o.values["source"])
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "gift",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "occasion", kind: inChoice, choices: []string{"signup", "first_package"}, initial: o.ids.Item}, {name: "sms", kind: inCount}, {name: "valid_from", kind: inDay, initial: (o.r.today() + 1).String()}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.day("valid_from") <= o.r.today() {
				return nil, &wrongInput{"valid_from", "desk.wrong.past"}
			}
			var was int64
			if err := o.s.Operator.GetContext(o.r.Context(), &was, `SELECT CAST(credits AS bigint) FROM sms_gifts WHERE occasion = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1`, o.values["occasion"], o.tariffFrom()); err != nil {
				return nil, fmt.Errorf("read gifts: %w", err)
			}
			return &deskPreview{Facts: []any{o.values, was}, Lines: []deskLine{{Label: o.r.say("desk.input.occasion"), Is: o.r.word("choice", o.values["occasion"])}, {o.r.say("desk.input.sms"), strconv.FormatInt(was, 10), o.values["sms"]},
				{Label: o.r.say("desk.input.valid_from"), Is: civil(o.day("valid_from"))}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO sms_gifts (occasion, valid_from, credits) VALUES ($1, $2, $3)`, o.values["occasion"], o.tariffFrom(), o.count("sms"))
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "tax",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "code", kind: inChoice, choices: []string{"standard", "reduced", "exempt"}, initial: "standard"}, {name: "rate", kind: inCHF}, {name: "valid_from", kind: inDay, initial: billing.NewDate(o.r.today().Year()+1, time.January, 1).String()},
				{name: "source", kind: inText}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.day("valid_from") <= o.r.today() {
				return nil, &wrongInput{"valid_from", "desk.wrong.past"}
			}
			if o.chf("rate") > 10_000 {
				return nil, &wrongInput{"rate", "desk.wrong.rate"}
			}
			c, err := billing.CatalogueOf(o.r.Context(), o.s.Operator)
			if err != nil {
				return nil, err
			}
			for _, t := range c.Taxes {
				if t.Code == o.values["code"] && t.From >= o.day("valid_from") {
					return nil, &wrongInput{"valid_from", "desk.wrong.later"}
				}
			}
			before := ""
			if t, err := c.Taxes.At(o.values["code"], o.day("valid_from")-1); err == nil {
				before = percent(t.Rate)
			}
			return &deskPreview{Facts: []any{o.values, c.Taxes}, Lines: []deskLine{{o.r.word("choice", o.values["code"]), before, percent(o.chf("rate"))}, {Label: o.r.say("desk.input.valid_from"), Is: civil(o.day("valid_from"))},
				{Label: o.r.say("desk.line.note"), Is: o.r.say("desk.line.tax")}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				if _, err := tx.ExecContext(ctx, `UPDATE tax_rates SET valid_to = $2 WHERE code = $1 AND (valid_to IS NULL OR valid_to > $2)`, o.values["code"], o.day("valid_from")); err != nil {
					return fmt.Errorf("end the rate before: %w", err)
				}
				_, err := tx.ExecContext(ctx, `INSERT INTO tax_rates (code, rate_bp, valid_from, source) VALUES ($1, $2, $3, $4)`, o.values["code"], o.chf("rate"), o.day("valid_from"), o.values["source"])
				return err
			})
		},
	},
	{scope: ofCatalogue, name: "seller", inputs: sellerInputs, preview: previewSeller,
		do: func(o *deskOrder) error {
			return o.onceTx(func(ctx context.Context, tx *sqlx.Tx) error {
				v := o.sellerValues()
				_, err := tx.ExecContext(ctx, `UPDATE seller SET name = $1, street = $2, house_no = $3, zip = $4, town = $5, vat_uid = $6, iban = $7, bank_id = $8, email = $9, due_days = $10, first_reminder = $11,
					second_reminder = $12, grace_days = $13, warn_days = $14, trial_days = $15, four_eyes_rappen = $16, four_eyes_sms = $17, most_rappen = $18, most_sms = $19, five_rappen = $20, updated_at = $21`,
					append(v, o.s.Now())...)
				return err
			})
		},
	},
}

// onceTx changes the catalogue and notes that the order is done, in one transaction: a
// second time finds it done.
func (o *deskOrder) onceTx(do func(ctx context.Context, tx *sqlx.Tx) error) error {
	return o.r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		var status string
		if err := tx.GetContext(ctx, &status, `SELECT status FROM admin_actions WHERE key = $1 FOR UPDATE`, o.key); err != nil {
			return fmt.Errorf("look up an order: %w", err)
		}
		if status != "begun" {
			return nil
		}
		if err := do(ctx, tx); err != nil {
			return fmt.Errorf("change the catalogue: %w", err)
		}
		return o.doneTx(ctx, tx)
	})
}

// firstOfNext is the first day of the next month.
func (o *deskOrder) firstOfNext() billing.Date {
	y, m, _ := o.r.today().Civil()
	return billing.NewDate(y, m+1, 1)
}

// notPast refuses a day that has begun elsewhere: what is on sale today stays.
func (o *deskOrder) notPast(input string) error {
	if o.day(input) < o.r.today() {
		return &wrongInput{input, "desk.wrong.past"}
	}
	return nil
}

func (o *deskOrder) country() string { return strings.ToUpper(o.values["country"]) }

// tariffFrom is the instant a tariff or gift begins.
func (o *deskOrder) tariffFrom() time.Time { return o.day("valid_from").Start(o.r.Loc) }

// price reads the tiers of the form: rows with an amount, the last of them open.
func (o *deskOrder) price() (p billing.Price, err error) {
	p = billing.Price{Plan: billing.DefaultPlan, Interval: billing.Interval(o.values["interval"]), FreeSMS: o.count("free_sms"), From: o.day("valid_from")}
	for i := 1; i <= mostTiers; i++ {
		if n := strconv.Itoa(i); o.values["unit_"+n] != "" {
			p.Tiers = append(p.Tiers, billing.Tier{UpTo: o.count("up_to_" + n), Unit: o.chf("unit_" + n)})
		}
	}
	if p.Tiers.Check() != nil {
		return p, &wrongInput{"up_to_1", "desk.wrong.tiers"}
	}
	return p, nil
}

func previewPrice(o *deskOrder) (*deskPreview, error) {
	price, err := o.price()
	if err != nil {
		return nil, err
	}
	if price.From <= o.r.today() {
		return nil, &wrongInput{"valid_from", "desk.wrong.past"}
	}
	c, err := billing.CatalogueOf(o.r.Context(), o.s.Operator)
	if err != nil {
		return nil, err
	}
	for _, p := range c.Prices {
		if p.Plan == price.Plan && p.Interval == price.Interval && p.From == price.From {
			return nil, &wrongInput{"valid_from", "desk.wrong.taken"}
		}
	}
	was, err := c.PriceOn(price.Plan, price.Interval, price.From-1)
	if err != nil {
		was = billing.Price{} // the first of its kind
	}
	p := &deskPreview{Facts: []any{price, was.ID}, Lines: []deskLine{{Label: o.r.say("desk.column.interval"), Is: o.r.word("interval", string(price.Interval))}, {Label: o.r.say("desk.input.valid_from"), Is: civil(price.From)},
		{o.r.say("desk.input.free_sms"), strconv.FormatInt(was.FreeSMS, 10), strconv.FormatInt(price.FreeSMS, 10)}}}
	for _, q := range []int64{1, 3, 4, 10, 11, 20} {
		p.Lines = append(p.Lines, deskLine{o.r.say("desk.line.calendars", "Count", q), chf(was.Tiers.Total(q)), chf(price.Tiers.Total(q))})
	}
	var n int64
	if err := o.s.Operator.GetContext(o.r.Context(), &n, `SELECT count(*) FROM subscriptions WHERE status NOT IN ('canceled', 'expired') AND plan_code = $1 AND COALESCE(NULLIF(pending_interval, ''), billing_interval) = $2`,
		price.Plan, price.Interval); err != nil {
		return nil, fmt.Errorf("count subscriptions: %w", err)
	}
	p.Lines = append(p.Lines, deskLine{Label: o.r.say("desk.line.note"), Is: o.r.say("desk.line.renewals", "Count", n)})
	return p, nil
}

// sellerFields are the seller's data in the order of the form and of sellerValues.
var sellerFields = []deskInput{
	{name: "seller_name", kind: inText}, {name: "street", kind: inText, optional: true}, {name: "house_no", kind: inText, optional: true, most: 16}, {name: "zip", kind: inText, most: 16}, {name: "town", kind: inText},
	{name: "vat_uid", kind: inText, most: 30}, {name: "iban", kind: inText, optional: true, most: 40}, {name: "bank_id", kind: inText, optional: true, most: 6}, {name: "email", kind: inText, optional: true},
	{name: "due_days", kind: inCount}, {name: "first_reminder", kind: inCount}, {name: "second_reminder", kind: inCount}, {name: "grace_days", kind: inCount}, {name: "warn_days", kind: inCount}, {name: "trial_days", kind: inCount},
	{name: "four_eyes_rappen", kind: inCHF}, {name: "four_eyes_sms", kind: inCount}, {name: "most_rappen", kind: inCHF}, {name: "most_sms", kind: inCount}, {name: "five_rappen", kind: inChoice, choices: []string{"no", "yes"}},
}

// sellerNow is what stands, as the form writes it.
func (o *deskOrder) sellerNow() (map[string]string, error) {
	seller, err := billing.SellerOf(o.r.Context(), o.s.Operator)
	if err != nil {
		return nil, err
	}
	l, err := o.s.deskLimits(o.r.Context())
	if err != nil {
		return nil, err
	}
	five := "no"
	if seller.FiveRappen {
		five = "yes"
	}
	return map[string]string{"seller_name": seller.Name, "street": seller.Street, "house_no": seller.HouseNo, "zip": seller.Zip, "town": seller.Town, "vat_uid": seller.UID, "iban": seller.IBAN, "bank_id": seller.BankID,
		"email": seller.Email, "due_days": strconv.Itoa(seller.DueDays), "first_reminder": strconv.Itoa(seller.FirstReminder), "second_reminder": strconv.Itoa(seller.SecondReminder), "grace_days": strconv.Itoa(seller.GraceDays),
		"warn_days": strconv.Itoa(seller.WarnDays), "trial_days": strconv.Itoa(seller.TrialDays), "four_eyes_rappen": billing.CHF(l.FourEyesRappen), "four_eyes_sms": strconv.FormatInt(l.FourEyesSMS, 10),
		"most_rappen": billing.CHF(l.MostRappen), "most_sms": strconv.FormatInt(l.MostSMS, 10), "five_rappen": five}, nil
}

func sellerInputs(o *deskOrder) []deskInput {
	all := append([]deskInput(nil), sellerFields...)
	now, err := o.sellerNow()
	if err != nil {
		return all // empty; the preview tells why
	}
	for i := range all {
		all[i].initial = now[all[i].name]
	}
	return all
}

// sellerValues are the form's values as the columns hold them.
func (o *deskOrder) sellerValues() (v []any) {
	for _, in := range sellerFields {
		switch {
		case in.kind == inCHF:
			v = append(v, o.chf(in.name))
		case in.kind == inCount:
			v = append(v, o.count(in.name))
		case in.name == "five_rappen":
			v = append(v, o.values[in.name] == "yes")
		case in.name == "iban":
			v = append(v, strings.ToUpper(strings.ReplaceAll(o.values[in.name], " ", "")))
		default:
			v = append(v, o.values[in.name])
		}
	}
	return v
}

// sellerRanges are what the terms may be.
var sellerRanges = []struct {
	name        string
	least, most int64
}{{"due_days", 0, 90}, {"first_reminder", 1, 60}, {"second_reminder", 1, 60}, {"grace_days", 14, 120}, {"warn_days", 1, 13}, {"trial_days", 0, 90}}

func previewSeller(o *deskOrder) (*deskPreview, error) {
	for _, x := range sellerRanges {
		if n := o.count(x.name); n < x.least || n > x.most {
			return nil, &wrongInput{x.name, "desk.wrong.range"}
		}
	}
	switch {
	case strings.Trim(o.values["bank_id"], "0123456789") != "":
		return nil, &wrongInput{"bank_id", "desk.wrong.count"}
	case o.chf("most_rappen") < o.chf("four_eyes_rappen"):
		return nil, &wrongInput{"most_rappen", "desk.wrong.below"}
	case o.count("most_sms") < o.count("four_eyes_sms"):
		return nil, &wrongInput{"most_sms", "desk.wrong.below"}
	}
	iban := strings.ToUpper(strings.ReplaceAll(o.values["iban"], " ", ""))
	seller := billing.Seller{Name: o.values["seller_name"], Zip: o.values["zip"], Town: o.values["town"], UID: o.values["vat_uid"], IBAN: iban}
	if err := seller.Check(); errors.Is(err, billing.ErrSeller) {
		return nil, &wrongInput{"iban", "desk.wrong.iban"}
	}
	was, err := o.sellerNow()
	if err != nil {
		return nil, err
	}
	p := &deskPreview{Facts: []any{was, o.sellerValues()}}
	for _, in := range sellerFields {
		is := o.values[in.name]
		switch {
		case in.kind == inCHF:
			is = billing.CHF(o.chf(in.name))
		case in.name == "iban":
			is = iban
		}
		if was[in.name] == is {
			continue
		}
		line := deskLine{o.r.say("desk.input." + in.name), was[in.name], is}
		if in.kind == inChoice {
			line.Was, line.Is = o.r.word("choice", line.Was), o.r.word("choice", line.Is)
		}
		p.Lines = append(p.Lines, line)
	}
	if len(p.Lines) == 0 {
		return nil, &wrongInput{"seller_name", "desk.wrong.same"}
	}
	p.Lines = append(p.Lines, deskLine{Label: o.r.say("desk.line.note"), Is: o.r.say("desk.line.seller")})
	return p, nil
}
