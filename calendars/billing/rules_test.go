package billing

import (
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var anyDay = rapid.Custom(func(t *rapid.T) Date {
	return NewDate(2026, 1, 1) + Date(rapid.IntRange(0, 6*365).Draw(t, "day"))
})

var anyInterval = rapid.SampledFrom([]Interval{Monthly, Yearly})

// anyTiers are graduated prices as an admin may enter them.
var anyTiers = rapid.Custom(func(t *rapid.T) Tiers {
	var tiers Tiers
	var up int64
	for range rapid.IntRange(0, 3).Draw(t, "tiers") {
		up += rapid.Int64Range(1, 8).Draw(t, "wide")
		tiers = append(tiers, Tier{up, rapid.Int64Range(0, 20000).Draw(t, "unit")})
	}
	return append(tiers, Tier{0, rapid.Int64Range(0, 20000).Draw(t, "last")})
})

// anyCatalogue has any prices, and a tax rate that changes on any day.
func anyCatalogue(t *rapid.T) Catalogue {
	c := catalogue()
	c.Prices[0].Tiers, c.Prices[1].Tiers = anyTiers.Draw(t, "monthly"), anyTiers.Draw(t, "yearly")
	if rapid.Bool().Draw(t, "new rate") {
		next := TaxRate{ID: 2, Code: StandardTax, Rate: rapid.Int64Range(0, 2000).Draw(t, "rate"), From: anyDay.Draw(t, "from")}
		c.Taxes[0].To = next.From
		c.Taxes = append(c.Taxes, next)
	}
	return c
}

// play begins a subscription and makes any changes within one period. It returns the
// book and the day of the last change.
func play(t *rapid.T, b *book) {
	b.state.Round = rapid.Bool().Draw(t, "five rappen")
	on := anyDay.Draw(t, "start")
	b.do(Change{Kind: Start, Interval: anyInterval.Draw(t, "interval"), Quantity: rapid.Int64Range(1, 14).Draw(t, "quantity"), Paid: true}, on)
	span := b.state.Current.Span
	for range rapid.IntRange(0, 8).Draw(t, "changes") {
		on = min(on+Date(rapid.IntRange(0, int(span.Days())/3).Draw(t, "later")), span.To-1)
		b.do(at(Now, quantity(rapid.Int64Range(1, 14).Draw(t, "to"))), on)
	}
}

// billed is the net of all documents' lines of a period.
func (b *book) billed(seq int) (sum int64) {
	for _, d := range b.made {
		for _, l := range d.Lines {
			if l.Seq != seq {
				continue
			}
			if d.Kind == CreditNote {
				sum -= l.Net
			} else {
				sum += l.Net
			}
		}
	}
	return sum
}

// exact is what a timeline costs, day by day, in fractions, rounded once.
func exact(c Current) int64 {
	sum := new(big.Rat)
	for d := c.Span.From; d < c.Span.To; d++ {
		var q int64
		for _, s := range c.Steps {
			if s.On <= d {
				q = s.Quantity
			}
		}
		sum.Add(sum, big.NewRat(c.Price.Tiers.Total(q), c.Full))
	}
	// Halves away from zero: the sum is not negative here.
	sum.Add(sum, big.NewRat(1, 2))
	return new(big.Int).Quo(sum.Num(), sum.Denom()).Int64()
}

// P1: however often it changes, the lines of a period add up to the exact sum of its
// days, rounded once.
func TestAsk_P1_linesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		b.state.Catalogue = anyCatalogue(t)
		play(t, b)
		if got, want := b.billed(0), exact(*b.state.Current); got != want {
			t.Fatalf("billed %s, exact %s", CHF(got), CHF(want))
		}
	})
}

// P2: what a period costs depends on how long which quantity held, not on the way there.
func TestAsk_P2_onlyTheTimelineCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start, interval, first := anyDay.Draw(t, "start"), anyInterval.Draw(t, "interval"), rapid.Int64Range(1, 14).Draw(t, "first")
		span := PeriodAt(start, 0, interval)
		final := map[Date]int64{}
		for range rapid.IntRange(1, 4).Draw(t, "dates") {
			final[start+Date(rapid.IntRange(0, int(span.Days())-1).Draw(t, "on"))] = rapid.Int64Range(1, 14).Draw(t, "to")
		}
		days := make([]Date, 0, len(final))
		for d := range final {
			days = append(days, d)
		}
		slices.Sort(days)
		run := func(detours bool) int64 {
			b := newBook(t)
			b.do(Change{Kind: Start, Interval: interval, Quantity: first, Paid: true}, start)
			for _, d := range days {
				if detours {
					for range rapid.IntRange(0, 3).Draw(t, "detours") {
						b.do(at(Now, quantity(rapid.Int64Range(1, 14).Draw(t, "detour"))), d)
					}
				}
				b.do(at(Now, quantity(final[d])), d)
			}
			return b.billed(0)
		}
		if a, b := run(false), run(true); a != b {
			t.Fatalf("directly %s, with detours %s", CHF(a), CHF(b))
		}
	})
}

// P3: up and down again on one date is nothing, net and tax.
func TestAsk_P3_upAndDownIsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		b.state.Catalogue = anyCatalogue(t)
		start := anyDay.Draw(t, "start")
		b.do(Change{Kind: Start, Interval: anyInterval.Draw(t, "interval"), Quantity: rapid.Int64Range(1, 14).Draw(t, "quantity"), Paid: true}, start)
		net, tax := b.sum()
		on := start + Date(rapid.IntRange(0, int(b.state.Current.Span.Days())-1).Draw(t, "on"))
		q := b.state.Sub.Quantity
		b.do(at(Now, quantity(q+rapid.Int64Range(1, 14).Draw(t, "more"))), on)
		b.do(at(Now, quantity(q)), on)
		if n, x := b.sum(); n != net || x != tax {
			t.Fatalf("left over: net %s, tax %s", CHF(n-net), CHF(x-tax))
		}
	})
}

// P4: graduated prices never fall with the quantity, and ordering more never credits.
func TestAsk_P4_moreNeverCredits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tiers := anyTiers.Draw(t, "tiers")
		for q := range int64(20) {
			if tiers.Total(q+1) < tiers.Total(q) {
				t.Fatalf("%d cost %s, %d cost %s", q, CHF(tiers.Total(q)), q+1, CHF(tiers.Total(q+1)))
			}
		}
		b := newBook(t)
		b.state.Catalogue = anyCatalogue(t)
		play(t, b)
		span := b.state.Current.Span
		last := b.state.Current.Steps[len(b.state.Current.Steps)-1].On
		on := last + Date(rapid.IntRange(0, int(span.To-last)-1).Draw(t, "on"))
		q := b.do(at(Now, quantity(b.state.Sub.Quantity+rapid.Int64Range(1, 9).Draw(t, "more"))), on)
		if len(q.Credits) > 0 {
			t.Fatalf("more calendars gave %v", docs(q))
		}
	})
}

// P5: from any anchor, ten years of periods have neither gap nor overlap, and their
// numbers are dense.
func TestAsk_P5_periodsTile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		start := anyDay.Draw(t, "start")
		b.do(Change{Kind: Start, Interval: anyInterval.Draw(t, "interval"), Quantity: 1, Paid: true}, start)
		for b.state.Sub.NextOn < start+3653 {
			switch span := b.state.Current.Span; rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				b.do(at(Now, Change{Kind: SetInterval, Interval: anyInterval.Draw(t, "interval")}), span.From+Date(rapid.IntRange(0, int(span.Days())-1).Draw(t, "on")))
			case 1:
				b.do(at(AtEnd, Change{Kind: SetInterval, Interval: anyInterval.Draw(t, "interval")}), span.From)
			}
			b.do(Change{Kind: Renew}, b.state.Sub.NextOn)
		}
		for i, c := range b.spans {
			if c.Seq != i {
				t.Fatalf("period %d has the number %d", i, c.Seq)
			}
			if i > 0 && c.Span.From != b.spans[i-1].Span.To {
				t.Fatalf("%v follows %v", c.Span, b.spans[i-1].Span)
			}
		}
	})
}

// P8: credit notes never exceed their invoice, rate by rate, and with the last Rappen
// of net all of tax and rounding is gone.
func TestBilled_P8_creditsStayWithin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		b.state.Catalogue = anyCatalogue(t)
		play(t, b)
		for i := range b.state.Billed {
			v := &b.state.Billed[i]
			total := v.Rounding
			for range rapid.IntRange(0, 3).Draw(t, "goodwill") {
				l := v.Lines[rapid.IntRange(0, len(v.Lines)-1).Draw(t, "line")]
				if l.Left() == 0 {
					continue
				}
				if _, err := v.CreditLines(map[int64]int64{l.ID: rapid.Int64Range(1, l.Left()).Draw(t, "net")}, "goodwill"); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range v.Sums {
				total += s.Net + s.Tax
				if s.CreditedNet < 0 || s.CreditedNet > s.Net || s.CreditedTax < 0 || s.CreditedTax > s.Tax {
					t.Fatalf("credited %d+%d of %d+%d", s.CreditedNet, s.CreditedTax, s.Net, s.Tax)
				}
			}
			if _, err := v.CreditAll("all of it"); err != nil && !errors.Is(err, ErrAmount) {
				t.Fatal(err)
			}
			for _, s := range v.Sums {
				if s.CreditedNet != s.Net || s.CreditedTax != s.Tax {
					t.Fatalf("left of a credited invoice: %d+%d", s.Net-s.CreditedNet, s.Tax-s.CreditedTax)
				}
			}
		}
	})
}

// P11 in small: Ask changes nothing it is given, so that a preview leaves no trace; that
// what is written equals it is TestService_P11.
func TestAsk_P11_leavesTheStateAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		play(t, b)
		before := cloneBilled(b.state.Billed)
		steps := slices.Clone(b.state.Current.Steps)
		if _, err := Ask(b.state, at(Now, quantity(rapid.Int64Range(1, 14).Draw(t, "to"))), b.state.Current.Span.To-1); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, b.state.Billed); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(steps, b.state.Current.Steps); diff != "" {
			t.Fatal(diff)
		}
	})
}

// P12: neither the zone of an instant nor that of the process changes what day it is at
// the clinic, and a day begins where it began.
func TestDateIn_P12_zonesDoNotMatter(t *testing.T) {
	t.Parallel()
	names := []string{"UTC", "Europe/Zurich", "Pacific/Kiritimati", "America/St_Johns", "Asia/Tehran", "Pacific/Apia"}
	load := func(t *rapid.T, label string) *time.Location {
		l, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, label))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	rapid.Check(t, func(t *rapid.T) {
		clinic, elsewhere := load(t, "clinic"), load(t, "elsewhere")
		d := anyDay.Draw(t, "day")
		at := d.Start(clinic).Add(time.Duration(rapid.IntRange(0, 22*3600).Draw(t, "seconds")) * time.Second)
		if got := DateIn(at.In(elsewhere), clinic); got != d {
			t.Fatalf("%s is on %s, not %s", at, got, d)
		}
		if before := DateIn(d.Start(clinic).Add(-time.Second), clinic); before >= d {
			t.Fatalf("a second before %s is %s", d, before)
		}
		if back, err := ParseDate(d.String()); err != nil || back != d {
			t.Fatalf("%s read back is %s, %v", d, back, err)
		}
	})
}

// MulDiv is the exact quotient, rounded half away from zero.
func TestMulDiv(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "a"), rapid.Int64Range(-1<<20, 1<<20).Draw(t, "b")
		den := rapid.Int64Range(1, 1<<40).Draw(t, "den")
		num := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		sign := num.Sign()
		num.Abs(num).Mul(num, big.NewInt(2)).Add(num, big.NewInt(den)).Quo(num, big.NewInt(2*den))
		if want := num.Int64() * int64(sign); MulDiv(a, b, den) != want {
			t.Fatalf("%d·%d/%d = %d, want %d", a, b, den, MulDiv(a, b, den), want)
		}
	})
}

func TestTiers_Check(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tiers Tiers
		ok    bool
	}{
		"usual":        {monthlyTiers, true},
		"none":         {nil, false},
		"not open":     {Tiers{{3, 100}}, false},
		"not rising":   {Tiers{{3, 100}, {3, 90}, {0, 1}}, false},
		"open between": {Tiers{{0, 100}, {0, 90}}, false},
		"negative":     {Tiers{{0, -1}}, false},
	} {
		if err := c.tiers.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrCatalogue) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2027-03-31", "2028-02-29", "2027-02-29", "", "0001-01-01", "31.3.2027", "9999-12-31", "0000-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err != nil {
			if !errors.Is(err, ErrDate) || d != 0 {
				t.Errorf("%q: %v, %v", s, d, err)
			}
			return
		}
		if d.String() != s {
			t.Errorf("%q reads as %s", s, d)
		}
	})
}

// A bill of a total that was offered comes to it at whatever rate, and can be credited to
// nothing.
func TestBill_total(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rates := TaxRates{{ID: 1, Code: StandardTax, Rate: rapid.Int64Range(0, 3000).Draw(t, "rate")}}
		b := Bill{Key: "k", Total: rapid.Int64Range(1, 1_000_000).Draw(t, "total"), Lines: []BillLine{{Kind: LinePackage, Text: "SMS", Quantity: 1, Net: rapid.Int64Range(0, 1_000_000).Draw(t, "net")}}}
		d, round, err := b.draft(Catalogue{Taxes: rates}, rapid.Bool().Draw(t, "round"), 20_000)
		if err != nil {
			t.Fatal(err)
		}
		if d.Total != b.Total || d.Lines[0].Net != d.Net || d.Net+d.Tax+d.Rounding != d.Total || d.Tax < 0 || d.Net < 0 {
			t.Fatalf("%+v for %d", d, b.Total)
		}
		if exact := Tax(d.Net, rates[0].Rate); max(exact-d.Tax, d.Tax-exact) > 1 || d.Rounding != 0 && !round {
			t.Fatalf("%+v", d)
		}
		billed := Billed{Invoice: 1, Round: round, Rounding: d.Rounding, Sums: []BilledSum{{TaxSum: d.Taxes[0]}}, Lines: []BilledLine{{ID: 1, Line: d.Lines[0]}}}
		if d.Net == 0 {
			return
		}
		note, err := billed.CreditAll("all")
		if err != nil || note.Total != d.Total || note.Tax != d.Tax {
			t.Fatalf("credited %+v, %v", note, err)
		}
	})
	for _, b := range []Bill{{Total: -1}, {Total: 5, Lines: make([]BillLine, 2)}} {
		for i := range b.Lines {
			b.Lines[i] = BillLine{Kind: LineManual, Text: "x", Net: 1}
		}
		if _, err := b.Quote(Catalogue{Taxes: TaxRates{{ID: 1, Code: StandardTax}}}, false, 20_000); !errors.Is(err, ErrAmount) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
