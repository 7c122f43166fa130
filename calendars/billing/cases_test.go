package billing

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zurich(t testing.TB) *time.Location {
	l, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// step is one change in a case, on a day, and the documents it gives.
type step struct {
	on   string
	do   Change
	want []string // "-net tax" credit notes, "+net tax" invoice
	due  string   // of the invoice, "" = don't look
	err  error
}

func quantity(n int64) Change { return Change{Kind: SetQuantity, Quantity: n} }
func at(w When, c Change) Change {
	c.When = w
	return c
}

// The worked cases that are changes of a subscription, each with the amounts of every
// document, to the Rappen.
func TestAsk_cases(t *testing.T) {
	t.Parallel()
	toYearly := Change{Kind: SetInterval, Interval: Yearly}
	toMonthly := Change{Kind: SetInterval, Interval: Monthly}
	for name, c := range map[string]struct {
		interval Interval
		quantity int64
		from     string
		steps    []step
		credit   string // customer credit in the end, "" = don't look
	}{
		"2 one more on 11 March":       {Monthly, 1, "2027-03-01", []step{{"2027-03-11", quantity(2), []string{"+10.16 0.82"}, "10.98", nil}}, ""},
		"4 one more on 12 March":       {Monthly, 1, "2027-03-01", []step{{"2027-03-12", quantity(2), []string{"+9.68 0.78"}, "", nil}}, ""},
		"5 up and down on one day":     {Monthly, 1, "2027-03-01", []step{{"2027-03-11", quantity(2), []string{"+10.16 0.82"}, "", nil}, {"2027-03-11", at(Now, quantity(1)), []string{"-10.16 0.82"}, "", nil}}, "10.98"},
		"6 two steps are one":          {Monthly, 1, "2027-02-01", []step{{"2027-02-02", quantity(2), []string{"+14.46 1.17"}, "", nil}, {"2027-02-02", quantity(3), []string{"+14.47 1.17"}, "", nil}}, ""},
		"6 the direct way":             {Monthly, 1, "2027-02-01", []step{{"2027-02-02", quantity(3), []string{"+28.93 2.34"}, "", nil}}, ""},
		"7 on the first day":           {Monthly, 1, "2027-03-01", []step{{"2027-03-01", quantity(2), []string{"+15.00 1.22"}, "", nil}}, ""},
		"7 on the last day":            {Monthly, 1, "2027-03-01", []step{{"2027-03-31", quantity(2), []string{"+0.48 0.04"}, "", nil}}, ""},
		"8 over the tier's edge":       {Monthly, 3, "2027-03-01", []step{{"2027-03-16", quantity(4), []string{"+6.19 0.50"}, "", nil}}, ""},
		"9 ten to twelve":              {Monthly, 10, "2027-04-01", []step{{"2027-04-16", quantity(12), []string{"+9.00 0.73"}, "", nil}}, ""},
		"9 twelve to ten, at once":     {Monthly, 12, "2027-04-01", []step{{"2027-04-16", at(Now, quantity(10)), []string{"-9.00 0.73"}, "", nil}}, ""},
		"10 February":                  {Monthly, 1, "2027-02-01", []step{{"2027-02-15", quantity(2), []string{"+7.50 0.61"}, "", nil}}, ""},
		"10 February of a leap year":   {Monthly, 1, "2028-02-01", []step{{"2028-02-15", quantity(2), []string{"+7.76 0.63"}, "", nil}}, ""},
		"14 a clamped period":          {Monthly, 1, "2027-01-31", []step{{"2027-02-14", quantity(2), []string{"+7.50 0.61"}, "", nil}}, ""},
		"16 yearly":                    {Yearly, 1, "2027-01-01", []step{{"2027-07-01", quantity(2), []string{"+75.62 6.13"}, "", nil}}, ""},
		"16 yearly, leap year":         {Yearly, 1, "2028-01-01", []step{{"2028-07-01", quantity(2), []string{"+75.41 6.11"}, "", nil}}, ""},
		"17 yearly, on 29 February":    {Yearly, 1, "2027-03-01", []step{{"2028-02-29", quantity(3), []string{"+0.82 0.07"}, "", nil}}, ""},
		"18 to yearly on 29 February":  {Monthly, 2, "2028-02-15", []step{{"2028-02-29", toYearly, []string{"-15.52 1.26", "+300.00 24.30"}, "307.52", nil}}, "0.00"},
		"20 to yearly, clamped":        {Monthly, 4, "2027-01-31", []step{{"2027-02-10", toYearly, []string{"-36.64 2.97", "+570.00 46.17"}, "576.56", nil}}, "0.00"},
		"21 to monthly by the clinic":  {Yearly, 1, "2027-01-01", []step{{"2027-10-01", toMonthly, nil, "", nil}, {"2028-01-01", Change{Kind: Renew}, []string{"+15.00 1.22"}, "16.22", nil}}, ""},
		"22 to monthly at once":        {Yearly, 1, "2027-01-01", []step{{"2027-10-01", at(Now, toMonthly), []string{"-37.81 3.06", "+15.00 1.22"}, "0.00", nil}}, "24.65"},
		"23 day of a clock change":     {Monthly, 1, "2027-03-01", []step{{"2027-03-28", quantity(2), []string{"+1.94 0.16"}, "", nil}}, ""},
		"24 the other clock change":    {Monthly, 1, "2027-10-01", []step{{"2027-10-31", quantity(2), []string{"+0.48 0.04"}, "", nil}}, ""},
		"25 a plain day":               {Monthly, 1, "2027-04-01", []step{{"2027-04-16", quantity(2), []string{"+7.50 0.61"}, "", nil}}, ""},
		"27 cancelled to the end":      {Monthly, 2, "2027-03-01", []step{{"2027-03-21", Change{Kind: Cancel}, nil, "", nil}, {"2027-04-01", Change{Kind: Renew}, nil, "", nil}}, "0.00"},
		"28 and undone":                {Monthly, 2, "2027-03-01", []step{{"2027-03-21", Change{Kind: Cancel}, nil, "", nil}, {"2027-03-31", Change{Kind: UndoCancel}, nil, "", nil}, {"2027-04-01", Change{Kind: Renew}, []string{"+30.00 2.43"}, "32.43", nil}}, ""},
		"29 cancelled at once":         {Monthly, 2, "2027-03-01", []step{{"2027-03-21", at(Now, Change{Kind: Cancel}), []string{"-10.65 0.86"}, "", nil}}, "11.51"},
		"30 back after the end":        {Monthly, 2, "2027-03-01", []step{{"2027-03-21", Change{Kind: Cancel}, nil, "", nil}, {"2027-04-01", Change{Kind: Renew}, nil, "", nil}, {"2027-04-11", Change{Kind: Start, Interval: Monthly, Quantity: 2, Paid: true}, []string{"+30.00 2.43"}, "", nil}}, ""},
		"31 a year cancelled at once":  {Yearly, 2, "2028-02-29", []step{{"2028-08-31", at(Now, Change{Kind: Cancel}), []string{"-148.77 12.05"}, "", nil}}, "160.82"},
		"33 a decrease is overtaken":   {Monthly, 3, "2027-03-01", []step{{"2027-03-10", quantity(2), nil, "", nil}, {"2027-03-20", quantity(4), []string{"+4.65 0.38"}, "", nil}, {"2027-04-01", Change{Kind: Renew}, []string{"+57.00 4.62"}, "", nil}}, ""},
		"42 two months late":           {Monthly, 1, "2027-03-01", []step{{"2027-05-02", Change{Kind: Renew}, []string{"+15.00 1.22"}, "", nil}, {"2027-05-02", Change{Kind: Renew}, []string{"+15.00 1.22"}, "", nil}, {"2027-05-02", Change{Kind: Renew}, nil, "", ErrState}}, ""},
		"a decrease waits for the end": {Monthly, 3, "2027-03-01", []step{{"2027-03-10", quantity(2), nil, "", nil}, {"2027-04-01", Change{Kind: Renew}, []string{"+30.00 2.43"}, "", nil}}, ""},
		"behind":                       {Monthly, 3, "2027-03-01", []step{{"2027-04-01", quantity(5), nil, "", ErrBehind}}, ""},
		"two at a time":                {Monthly, 3, "2027-03-01", []step{{"2027-03-02", Change{Kind: Start, Interval: Monthly, Quantity: 1}, nil, "", ErrSubscribed}}, ""},
		"none left":                    {Monthly, 3, "2027-03-01", []step{{"2027-03-02", quantity(0), nil, "", ErrQuantity}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := begun(t, c.interval, c.quantity, c.from)
			for _, s := range c.steps {
				q, err := b.try(s.do, day(s.on))
				if !errors.Is(err, s.err) || err != nil && s.err == nil {
					t.Fatalf("%s on %s: %v, want %v", s.do.Kind, s.on, err, s.err)
				}
				if diff := cmp.Diff(s.want, docs(q)); diff != "" {
					t.Errorf("%s on %s (-want +got):\n%s", s.do.Kind, s.on, diff)
				}
				if s.due != "" && CHF(q.Due) != s.due {
					t.Errorf("%s on %s: due %s, want %s", s.do.Kind, s.on, CHF(q.Due), s.due)
				}
			}
			if c.credit != "" && CHF(b.state.Credit) != c.credit {
				t.Errorf("credit left %s, want %s", CHF(b.state.Credit), c.credit)
			}
		})
	}
}

// Cases 1, 34, 35, 37 and 38: single reckonings.
func TestAmounts_cases(t *testing.T) {
	t.Parallel()
	check := func(name, want string, got int64) {
		t.Helper()
		if CHF(got) != want {
			t.Errorf("%s: %s, want %s", name, CHF(got), want)
		}
	}
	for q, want := range map[int64]string{1: "15.00", 3: "45.00", 4: "57.00", 10: "129.00", 11: "138.00", 12: "147.00", 0: "0.00"} {
		check(fmt.Sprintf("1 price of %d", q), want, monthlyTiers.Total(q))
	}
	for net, want := range map[int64]string{1500: "1.22", 4500: "3.65", 4900: "3.97", 8900: "7.21", 39500: "32.00", 6: "0.00", -1500: "-1.22"} {
		check("34 tax of "+CHF(net), want, Tax(net, 810))
	}
	line := Line{Kind: LineManual, Net: 105, Tax: vat}
	check("35 three lines", "0.26", newInvoice([]Line{line, line, line}, false).Tax)
	for total, want := range map[int64]string{5297: "-0.02", 9621: "-0.01", 3243: "0.02", 3240: "0.00"} {
		check("37 of "+CHF(total), want, FiveRappen(total))
	}
	check("38 in 108.10", "8.10", TaxIncluded(10810, 810))
	check("38 in 49.00", "3.67", TaxIncluded(4900, 810))
}

// Case 36: the tax of credit notes telescopes.
func TestBilled_case36(t *testing.T) {
	t.Parallel()
	b := Billed{Invoice: 1, Sums: []BilledSum{{TaxSum: TaxSum{vat, 4500, 365}}}, Lines: []BilledLine{{ID: 7, Line: Line{Net: 4500, Tax: vat}}}}
	var got []string
	for range 3 {
		d, err := b.CreditLines(map[int64]int64{7: 1500}, "goodwill")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, CHF(d.Tax))
	}
	if diff := cmp.Diff([]string{"1.22", "1.21", "1.22"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := b.CreditLines(map[int64]int64{7: 1}, "once more"); !errors.Is(err, ErrAmount) {
		t.Errorf("a fourth: %v", err)
	}
}

// Case 37 on an invoice, and taken back again.
func TestBilled_fiveRappen(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.state.Round = true
	q := b.do(Change{Kind: Start, Interval: Monthly, Quantity: 2, Paid: true}, day("2027-03-01"))
	if CHF(q.Invoice.Total) != "32.45" || q.Invoice.Rounding != 2 {
		t.Errorf("total %s with %d", CHF(q.Invoice.Total), q.Invoice.Rounding)
	}
	q = b.do(at(Now, Change{Kind: Cancel}), day("2027-03-21")) // 11.51 → 11.50
	if n := q.Credits[0]; n.Total != 1150 {
		t.Errorf("credited %s", CHF(n.Total))
	}
	rest, err := b.state.Billed[0].CreditAll("the rest")
	if err != nil || rest.Total != 3245-1150 {
		t.Errorf("the rest is %s, %v", CHF(rest.Total), err)
	}
}

// Cases 3, 23 to 26: what billing by seconds would have asked, and the day-based answer
// beside it in TestAsk_cases.
func TestTargetSeconds_cases(t *testing.T) {
	t.Parallel()
	z := zurich(t)
	month := func(y int, m time.Month) (from, to time.Time) {
		return time.Date(y, m, 1, 0, 0, 0, 0, z), time.Date(y, m+1, 1, 0, 0, 0, 0, z)
	}
	for name, c := range map[string]struct {
		at   time.Time
		want string
	}{
		"3 in the afternoon":           {time.Date(2027, 3, 11, 14, 0, 0, 0, z), "9.87"},
		"23 at noon, clocks went on":   {time.Date(2027, 3, 28, 12, 0, 0, 0, z), "1.70"},
		"24 at noon, clocks went back": {time.Date(2027, 10, 31, 12, 0, 0, 0, z), "0.24"},
		"25 at noon":                   {time.Date(2027, 4, 16, 12, 0, 0, 0, z), "7.25"},
		"26 a second before the end":   {time.Date(2027, 3, 31, 23, 59, 59, 0, z), "0.00"},
		"26 a second after the start":  {time.Date(2027, 3, 1, 0, 0, 1, 0, z), "15.00"},
	} {
		from, to := month(c.at.Year(), c.at.Month())
		base := []Moment{{from, 1}}
		got := TargetSeconds(monthlyTiers, from, to, append(base, Moment{c.at, 2})) - TargetSeconds(monthlyTiers, from, to, base)
		if CHF(got) != c.want {
			t.Errorf("%s: %s, want %s", name, CHF(got), c.want)
		}
	}
	from, to := month(2027, 3)
	if s := to.Unix() - from.Unix(); s != 2674800 {
		t.Errorf("March 2027 has %d s", s)
	}
	if from, to = month(2027, 10); to.Unix()-from.Unix() != 2682000 {
		t.Errorf("October 2027 has %d s", to.Unix()-from.Unix())
	}
}

// Case 4: the clinic's wall calendar decides, not UTC's.
func TestDateIn_case4(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 3, 11, 23, 30, 0, 0, time.UTC)
	if d := DateIn(at, zurich(t)); d != day("2027-03-12") {
		t.Errorf("it is %s", d)
	}
}

// Cases 11, 12, 13 and 19: boundaries.
func TestRenew_boundaries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		interval Interval
		anchor   string
		skip     int
		want     []string
	}{
		"11 31 January":          {Monthly, "2027-01-31", 0, []string{"2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"}},
		"12 in a leap year":      {Monthly, "2028-01-31", 0, []string{"2028-02-29", "2028-03-31", "2028-04-30"}},
		"13 30 August":           {Monthly, "2026-08-30", 4, []string{"2027-01-30", "2027-02-28", "2027-03-30"}},
		"19 yearly, 29 February": {Yearly, "2028-02-29", 0, []string{"2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := begun(t, c.interval, 1, c.anchor)
			var got []string
			for i := range c.skip + len(c.want) {
				on := b.state.Sub.NextOn
				q := b.do(Change{Kind: Renew}, on)
				if i >= c.skip {
					got = append(got, q.Begin.Span.From.String())
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Case 15: a period from a clamped day to a long month.
func TestAsk_case15(t *testing.T) {
	t.Parallel()
	b := begun(t, Monthly, 2, "2027-01-31")
	b.do(Change{Kind: Renew}, day("2027-02-28"))
	q := b.do(quantity(3), day("2027-03-15"))
	if diff := cmp.Diff([]string{"+7.74 0.63"}, docs(q)); diff != "" {
		t.Error(diff)
	}
}

// Case 32: a trial costs nothing, whatever is changed in it, and moves the anchor.
func TestAsk_case32(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.do(Change{Kind: Start, Interval: Monthly, Quantity: 1, TrialDays: 14}, day("2027-02-17"))
	if q := b.do(quantity(2), day("2027-02-20")); q.Invoice != nil || q.Movement != nil {
		t.Errorf("the trial costs %v, %v", q.Invoice, q.Movement)
	}
	if b.state.Sub.Anchor != day("2027-03-03") {
		t.Errorf("anchor %s", b.state.Sub.Anchor)
	}
	q := b.do(Change{Kind: Renew}, day("2027-03-03"))
	if CHF(q.Invoice.Total) != "32.43" || q.Movement.Kind != MoveNew {
		t.Errorf("first invoice %s, %+v", CHF(q.Invoice.Total), q.Movement)
	}
}

// Case 39: a rate that changes within the period splits the line, and a later change
// keeps to the rates of its days.
func TestAsk_case39(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	low, high := vat, TaxRate{ID: 2, Code: StandardTax, Rate: 880, From: day("2028-01-01")}
	low.To = high.From
	b.state.Catalogue.Taxes = TaxRates{low, high}
	q := b.do(Change{Kind: Start, Interval: Yearly, Quantity: 1, Paid: true}, day("2027-07-01"))
	if diff := cmp.Diff([]TaxSum{{low, 7541, 611}, {high, 7459, 656}}, q.Invoice.Taxes); diff != "" {
		t.Error(diff)
	}
	if CHF(q.Invoice.Total) != "162.67" {
		t.Errorf("total %s", CHF(q.Invoice.Total))
	}
	// Ended in the second part, only that part is credited, at its rate.
	q = b.do(at(Now, Change{Kind: Cancel}), day("2028-03-01"))
	if sums := q.Credits[0].Taxes; len(sums) != 1 || sums[0].Rate.ID != high.ID || sums[0].Net != 5000 {
		t.Errorf("credited %+v", sums)
	}
}

// Case 40: credit pays first.
func TestAsk_case40(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.state.Credit = 1151
	q := b.do(Change{Kind: Start, Interval: Monthly, Quantity: 2, Paid: true}, day("2027-04-01"))
	if CHF(q.Due) != "20.92" || q.CreditAfter != 0 {
		t.Errorf("due %s, credit left %s", CHF(q.Due), CHF(q.CreditAfter))
	}
}

// Case 43: a new price counts from the next period on.
func TestAsk_case43(t *testing.T) {
	t.Parallel()
	b := begun(t, Monthly, 1, "2027-03-01")
	b.state.Catalogue.Prices = append(b.state.Catalogue.Prices, Price{ID: 3, Plan: DefaultPlan, Interval: Monthly, From: day("2027-03-15"), Tiers: Tiers{{0, 1800}}})
	if q := b.do(quantity(2), day("2027-03-16")); q.Invoice.Net != 774 { // 16 of 31 days at the old price
		t.Errorf("in March %s", CHF(q.Invoice.Net))
	}
	b = begun(t, Monthly, 1, "2027-03-01")
	b.state.Catalogue.Prices = append(b.state.Catalogue.Prices, Price{ID: 3, Plan: DefaultPlan, Interval: Monthly, From: day("2027-03-15"), Tiers: Tiers{{0, 1800}}})
	q := b.do(Change{Kind: Renew}, day("2027-04-01"))
	if CHF(q.Invoice.Total) != "19.46" || q.Movement.Kind != MoveExpansion {
		t.Errorf("April costs %s, %+v", CHF(q.Invoice.Total), q.Movement)
	}
}

// Case 47: what contracts bring in a month.
func TestMRR_case47(t *testing.T) {
	t.Parallel()
	c := catalogue()
	var sum int64
	for _, k := range []struct {
		price    Price
		quantity int64
		want     string
	}{{c.Prices[0], 4, "57.00"}, {c.Prices[1], 1, "12.50"}, {c.Prices[1], 4, "47.50"}} {
		got := MRR(k.price, Subscription{Status: Active, Quantity: k.quantity})
		if CHF(got) != k.want {
			t.Errorf("%d %s: %s, want %s", k.quantity, k.price.Interval, CHF(got), k.want)
		}
		sum += got
	}
	if CHF(sum) != "117.00" {
		t.Errorf("sum %s", CHF(sum))
	}
}

// A suspension that outlasts its period begins a new one when it ends.
func TestAsk_resume(t *testing.T) {
	t.Parallel()
	b := begun(t, Monthly, 1, "2027-03-01")
	b.do(Change{Kind: FallBehind}, day("2027-03-12"))
	b.do(Change{Kind: Suspend}, day("2027-03-26"))
	if q := b.do(Change{Kind: Resume}, day("2027-03-28")); q.Invoice != nil || q.After.NextOn != day("2027-04-01") {
		t.Errorf("resumed in time: %+v", q.After)
	}
	b.do(Change{Kind: Suspend}, day("2027-03-30"))
	if _, err := b.try(Change{Kind: Renew}, day("2027-04-01")); !errors.Is(err, ErrState) {
		t.Errorf("renewed while suspended: %v", err)
	}
	q := b.do(Change{Kind: Resume}, day("2027-04-10"))
	if q.Begin.Span != (Period{day("2027-04-10"), day("2027-05-10")}) || q.Invoice.Net != 1500 {
		t.Errorf("resumed late: %+v", q.Begin)
	}
}
