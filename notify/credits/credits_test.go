package credits_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/migrations/ledger"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/segment"
)

// Case 44: what comes in, and the gift of the first package once.
func TestGrantTx_44(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	signUp := func() error {
		return b.tx(1, func(ctx context.Context, tx *sqlx.Tx) error { return b.credits.SignUpTx(ctx, tx, 1) })
	}
	first, second := credits.Grant{Key: "order/1", Source: credits.Bought, Credits: 500}, credits.Grant{Key: "order/2", Source: credits.Bought, Credits: 500}
	for _, step := range []struct {
		name string
		do   func() error
		want int64
	}{
		{"sign-up", signUp, 10},
		{"sign-up, again", signUp, 10},
		{"first package, with its gift", func() error { return b.grant(first) }, 1010},
		{"the same, again", func() error { return b.grant(first) }, 1010},
		{"second package", func() error { return b.grant(second) }, 1510},
		{"the first, once more", func() error { return b.grant(first) }, 1510},
	} {
		b.ok(step.do())
		if got := b.balance(1).Available; got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	if n := b.letters.count(credits.MailBonus); n != 1 {
		t.Errorf("%d mails about the gift, want 1", n)
	}
	for name, g := range map[string]credits.Grant{
		"other credits": {Key: "order/1", Source: credits.Bought, Credits: 1000},
		"other source":  {Key: "order/1", Source: credits.Gift, Credits: 500},
		"no key":        {Source: credits.Bought, Credits: 500},
	} {
		if err := b.grant(g); !errors.Is(err, credits.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", name, err)
		}
	}
	for name, g := range map[string]credits.Grant{
		"nothing":   {Key: "x", Source: credits.Gift},
		"no source": {Key: "x", Credits: 5},
	} {
		if err := b.grant(g); !errors.Is(err, credits.ErrRequest) {
			t.Errorf("%s: %v, want ErrRequest", name, err)
		}
	}
	b.check(1)
}

// Case 45: what texts cost, by the tariffs that are there from the beginning and by one
// that counts as the oldest price lists do.
func TestTariff_45(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(`INSERT INTO sms_tariffs (country, valid_from, part_gsm, credits_per_part, source) VALUES ('AD', '2020-01-01T00:00:00Z', 160, 1, 'test')`)
	b.exec(`INSERT INTO sms_tariffs (country, valid_from, credits_per_part, source) VALUES ('FR', '2027-03-10T08:00:01Z', 7, 'test'), ('BE', '2027-03-11T00:00:00Z', 9, 'test')`)
	for _, tt := range []struct {
		country, body string
		want          int
	}{
		{"CH", strings.Repeat("x", 160), 1},
		{"CH", strings.Repeat("x", 161), 2},
		{"CH", strings.Repeat("x", 306), 2},
		{"CH", strings.Repeat("x", 307), 3},
		{"CH", "🦷" + strings.Repeat("x", 68), 1},
		{"CH", "🦷" + strings.Repeat("x", 69), 2},
		{"CH", strings.Repeat("x", 152) + strings.Repeat("€", 77), 3}, // 306 septets, but no € may be cut
		{"AD", strings.Repeat("x", 320), 2},                           // three segments
		{"AD", strings.Repeat("x", 321), 3},
		{"AD", strings.Repeat("x", 80) + strings.Repeat("€", 40), 1}, // 160 septets
		{"AD", strings.Repeat("x", 81) + strings.Repeat("€", 40), 2},
		{"FR", "x", 2}, // the dearer one isn't in force yet
		{"BE", "x", 4}, // nor is its first
		{"", "x", 4},
		{"ZZ", strings.Repeat("x", 161), 8},
	} {
		r := segment.Measure(tt.body)
		prices, err := b.credits.PriceTx(t.Context(), b.db, []notify.Charge{{Country: tt.country, Encoding: r.Encoding, Segments: r.Segments, Units: r.Units}})
		if err != nil || len(prices) != 1 || prices[0].Credits != tt.want || prices[0].TariffID == 0 {
			t.Errorf("%q, %d units: %+v, %v; want %d credits", tt.country, r.Units, prices, err, tt.want)
		}
	}
	b.exec(`DELETE FROM sms_tariffs WHERE country = ''`)
	b.clock.set(epoch.Add(time.Minute)) // and what was read is old
	if _, err := b.credits.PriceTx(t.Context(), b.db, []notify.Charge{{Country: "ZZ", Segments: 1, Units: 1}}); !errors.Is(err, credits.ErrTariff) {
		t.Errorf("without a tariff: %v, want ErrTariff", err)
	}
}

// Case 45, balance 1 and need 2: refused, and nothing is held; what needs 1 still goes.
func TestHoldTx_covers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ok(b.grant(credits.Grant{Key: "a", Source: credits.Gift, Credits: 1}))
	uncovered, err := b.hold(1, charge(1, 2))
	if err != nil || len(uncovered) != 1 {
		t.Fatalf("uncovered %v, %v", uncovered, err)
	}
	if bal := b.balance(1); bal.Available != 1 || bal.Held != 0 || !bal.Waiting {
		t.Errorf("balance %+v", bal)
	}
	if uncovered, err = b.hold(1, charge(2, 2), charge(3, 1), charge(4, 1)); err != nil || !cmp.Equal(uncovered, []int64{2, 4}) {
		t.Errorf("uncovered %v, %v; want 2 and 4", uncovered, err)
	}
	if bal := b.balance(1); bal.Available != 0 || bal.Held != 1 {
		t.Errorf("balance %+v", bal)
	}
	// Nothing is set aside twice for one message.
	if _, err := b.hold(1, charge(3, 1)); err != nil {
		t.Error(err) // there is nothing to set aside, so it is refused as too poor
	}
	b.ok(b.grant(credits.Grant{Key: "b", Source: credits.Gift, Credits: 5}))
	if _, err := b.hold(1, charge(3, 1)); err == nil {
		t.Error("a message was charged twice")
	}
	b.check(1)
}

// Lots are used in the order monthly, gift, package, and what comes back goes where it came
// from; over two lots, too.
func TestLots_order(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(`INSERT INTO sms_gifts (occasion, valid_from, credits) VALUES ('first_package', $1, 0)`, epoch)
	b.ok(b.grant(credits.Grant{Key: "p", Source: credits.Bought, Credits: 2}))
	b.ok(b.grant(credits.Grant{Key: "g", Source: credits.Gift, Credits: 2}))
	b.ok(b.grant(credits.Grant{Key: "m2", Source: credits.Monthly, Credits: 2, ExpiresOn: date(2027, 5, 1)}))
	b.ok(b.grant(credits.Grant{Key: "m1", Source: credits.Monthly, Credits: 2, ExpiresOn: date(2027, 4, 1)}))
	lots := func() (all [][2]int64) {
		t.Helper()
		holdings, err := credits.LotsTx(t.Context(), b.db, 1)
		b.ok(err)
		for _, h := range holdings {
			all = append(all, [2]int64{h.Available, h.Held})
		}
		return all
	}
	if _, err := b.hold(1, charge(1, 3)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][2]int64{{0, 2}, {1, 1}, {2, 0}, {2, 0}}, lots()); diff != "" {
		t.Errorf("after a hold (-want +got):\n%s", diff)
	}
	b.ok(b.settle(1, 1, false))
	b.ok(b.settle(1, 1, true)) // too late: it is over
	b.ok(b.book(1))
	b.ok(b.book(1))
	if diff := cmp.Diff([][2]int64{{2, 0}, {2, 0}, {2, 0}, {2, 0}}, lots()); diff != "" {
		t.Errorf("after its release (-want +got):\n%s", diff)
	}
	if _, err := b.hold(1, charge(2, 7)); err != nil {
		t.Fatal(err)
	}
	b.ok(b.settle(1, 2, true))
	b.ok(b.book(1))
	if diff := cmp.Diff([][2]int64{{1, 0}}, lots()); diff != "" {
		t.Errorf("after a capture (-want +got):\n%s", diff)
	}
	usage, err := credits.UsageTx(t.Context(), b.db, 1, date(2027, 3, 1), date(2027, 4, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]credits.Usage{{Month: date(2027, 3, 1), Country: "CH", Kind: notify.Notification, Messages: 1, Segments: 7, Credits: 7}}, usage); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	b.check(1)
}

// Case 46: one text a year keeps a package alive.
func TestExpireTx_46(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		bought  time.Time
		texts   []time.Time
		ends    time.Time
		instead time.Time // a clock just before
	}{
		{"last text on 10 March 2027", date(2027, 1, 5), []time.Time{date(2027, 3, 10)}, date(2028, 3, 10), date(2028, 3, 9)},
		{"another on its last day", date(2027, 1, 5), []time.Time{date(2027, 3, 10), date(2028, 3, 9)}, date(2029, 3, 9), date(2029, 3, 8)},
		{"last text on a 29 February", date(2028, 1, 5), []time.Time{date(2028, 2, 29)}, date(2029, 2, 28), date(2029, 2, 27)},
		{"none at all", date(2027, 1, 5), nil, date(2028, 1, 5), date(2028, 1, 4)},
		{"bought after the last text", date(2027, 6, 1), []time.Time{date(2027, 3, 10)}, date(2028, 6, 1), date(2028, 5, 31)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.exec(`INSERT INTO sms_gifts (occasion, valid_from, credits) VALUES ('first_package', $1, 0)`, epoch.AddDate(-1, 0, 0))
			zone, err := time.LoadLocation("Europe/Zurich")
			b.ok(err)
			at := func(day time.Time, hour, minute int) time.Time {
				return time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, zone)
			}
			sent := int64(0)
			send := func(day time.Time) {
				b.clock.set(at(day, 23, 59))
				sent++
				_, err := b.hold(1, charge(sent, 1))
				b.ok(err)
				b.ok(b.settle(1, sent, true))
			}
			texts := tt.texts
			for len(texts) > 0 && texts[0].Before(tt.bought) { // from a gift that has its own end
				b.clock.set(at(texts[0], 12, 0))
				b.ok(b.grant(credits.Grant{Key: "gift", Source: credits.Gift, Credits: 1, ExpiresOn: date(2030, 1, 1)}))
				send(texts[0])
				texts = texts[1:]
			}
			b.clock.set(at(tt.bought, 0, 0))
			b.ok(b.grant(credits.Grant{Key: "order", Source: credits.Bought, Credits: 100}))
			for _, day := range texts {
				send(day)
			}
			b.clock.set(at(tt.instead, 23, 59))
			b.tick()
			if got, want := b.balance(1).Available, int64(100-len(texts)); got != want {
				t.Errorf("the day before: %d, want %d", got, want)
			}
			b.clock.set(at(tt.ends, 0, 0))
			if uncovered, err := b.hold(1, charge(100, 1)); err != nil || len(uncovered) == 0 {
				t.Errorf("on the day it is used still: %v", err)
			}
			b.clock.set(at(tt.ends, 0, 5))
			b.tick()
			if got := b.balance(1).Available; got != 0 {
				t.Errorf("on the day: %d left", got)
			}
			if got, want := b.total(1, "expired"), int64(100-len(texts)); got != want {
				t.Errorf("expired %d, want %d", got, want)
			}
			b.check(1)
		})
	}
}

// What is held when its lot ends stays held: used, it is used; released, it expires.
func TestExpireTx_held(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ok(b.grant(credits.Grant{Key: "m", Source: credits.Monthly, Credits: 5, ExpiresOn: date(2027, 4, 1)}))
	if uncovered, err := b.hold(1, charge(1, 1), charge(2, 2)); err != nil || uncovered != nil {
		t.Fatal(uncovered, err)
	}
	b.clock.set(time.Date(2027, 3, 31, 22, 0, 0, 0, time.UTC)) // midnight in Zürich, in summer time
	if uncovered, err := b.hold(1, charge(3, 1)); err != nil || uncovered == nil {
		t.Errorf("an ended lot was used before it was taken away: %v", err)
	}
	b.clock.set(b.clock.now().Add(5 * time.Minute))
	b.tick()
	if bal := b.balance(1); bal.Available != 0 || bal.Held != 3 {
		t.Errorf("balance %+v", bal)
	}
	b.ok(b.settle(1, 1, true))
	b.ok(b.settle(1, 2, false))
	b.tick()
	for name, want := range map[string]int64{"available": 0, "held": 0, "consumed": 1, "expired": 4} {
		if got := b.total(1, name); got != want {
			t.Errorf("%s %d, want %d", name, got, want)
		}
	}
	b.check(1)
}

// An opt-out is confirmed whatever the balance, and repaid by the next credits once it was
// sent; one that never left is owed by nobody.
func TestHoldTx_owed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ok(b.grant(credits.Grant{Key: "a", Source: credits.Gift, Credits: 1}))
	owed := func(id int64, n int) notify.Charge {
		c := charge(id, n)
		c.Origin, c.Owed = notify.OriginOptOut, true
		return c
	}
	if uncovered, err := b.hold(1, owed(1, 2), owed(2, 2), charge(3, 1)); err != nil || !cmp.Equal(uncovered, []int64{3}) {
		t.Fatal(uncovered, err)
	}
	if bal := b.balance(1); bal.Available != 0 || bal.Held != 4 || bal.Owed != 3 {
		t.Errorf("balance %+v", bal)
	}
	b.ok(b.settle(1, 1, true))
	b.ok(b.book(1))
	b.ok(b.grant(credits.Grant{Key: "b", Source: credits.Gift, Credits: 10}))
	if bal := b.balance(1); bal.Available != 9 || bal.Held != 2 || bal.Owed != 2 {
		t.Errorf("after repaying what was sent: %+v", bal)
	}
	b.ok(b.settle(1, 2, false))
	b.ok(b.book(1))
	if bal := b.balance(1); bal.Available != 9 || bal.Held != 0 || bal.Owed != 0 {
		t.Errorf("after the other never left: %+v", bal)
	}
	b.check(1)
}

// A free account is never short and has no books, but its usage is counted.
func TestFree(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(`UPDATE accounts SET billing = 'free' WHERE account_id = 1`)
	if uncovered, err := b.hold(1, charge(1, 1), charge(2, 3), charge(3, 1)); err != nil || uncovered != nil {
		t.Fatal(uncovered, err)
	}
	b.ok(b.settle(1, 1, true))
	b.ok(b.settle(1, 2, true))
	b.ok(b.settle(1, 3, false))
	b.tick()
	usage, err := credits.UsageTx(t.Context(), b.db, 1, date(2027, 3, 1), date(2027, 4, 1))
	if err != nil || len(usage) != 1 || usage[0].Messages != 2 || usage[0].Credits != 4 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	if bal := b.balance(1); !bal.Free || bal.Low() {
		t.Errorf("balance %+v", bal)
	}
	entries, err := credits.EntriesTx(t.Context(), b.db, 1, 0, 10)
	if err != nil || len(entries) != 0 {
		t.Errorf("entries %+v, %v", entries, err)
	}
	b.check(1)
}

func TestTransferTx(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.account(2, 1)
	b.account(3, 1)
	b.account(4, 0)
	b.exec(`INSERT INTO sms_gifts (occasion, valid_from, credits) VALUES ('first_package', $1, 0)`, epoch)
	b.ok(b.grant(credits.Grant{Key: "m", Source: credits.Monthly, Credits: 5, ExpiresOn: date(2027, 4, 1)}))
	b.ok(b.grant(credits.Grant{Key: "g", Source: credits.Gift, Credits: 3, ExpiresOn: date(2027, 9, 1)}))
	b.ok(b.grant(credits.Grant{Key: "p", Source: credits.Bought, Credits: 10}))
	b.clock.set(epoch.AddDate(0, 1, 0))
	there := credits.Transfer{From: 1, To: 2, Credits: 5, Key: "t1"}
	for _, first := range []bool{true, false} {
		moved, err := b.moved(there)
		if err != nil || moved != first {
			t.Errorf("moved %t, %v; want %t", moved, err, first)
		}
	}
	lots, err := credits.LotsTx(t.Context(), b.db, 2)
	b.ok(err)
	if len(lots) != 2 || lots[0].Source != credits.Gift || lots[0].Available != 3 || !lots[0].Ends.Equal(date(2027, 9, 1)) ||
		lots[1].Source != credits.Bought || lots[1].Available != 2 || !lots[1].Ends.Equal(date(2028, 3, 10)) {
		t.Errorf("the sub-account has %+v", lots)
	}
	b.ok(b.transfer(credits.Transfer{From: 2, To: 3, Credits: 4, Key: "t2"})) // between two of them
	b.ok(b.transfer(credits.Transfer{From: 3, To: 1, Credits: 1, Key: "t1"})) // and back; keys are each account's own
	for account, want := range map[int64]int64{1: 9, 2: 1, 3: 3, 4: 0} {
		if got := b.balance(account).Available; account != 1 && got != want || account == 1 && got != want+5 {
			t.Errorf("account %d has %d", account, got)
		}
	}
	for name, tt := range map[string]struct {
		t    credits.Transfer
		want error
	}{
		"to another payer's":        {credits.Transfer{From: 1, To: 4, Credits: 1, Key: "x"}, credits.ErrFamily},
		"more than may go":          {credits.Transfer{From: 1, To: 2, Credits: 10, Key: "x"}, credits.ErrShort},
		"the key for other ones":    {credits.Transfer{From: 1, To: 2, Credits: 6, Key: "t1"}, credits.ErrKey},
		"the key for another":       {credits.Transfer{From: 1, To: 3, Credits: 5, Key: "t1"}, credits.ErrKey},
		"nothing":                   {credits.Transfer{From: 1, To: 2, Key: "x"}, credits.ErrRequest},
		"to itself":                 {credits.Transfer{From: 1, To: 1, Credits: 1, Key: "x"}, credits.ErrRequest},
		"without a key":             {credits.Transfer{From: 1, To: 2, Credits: 1}, credits.ErrKey},
		"to an account there isn't": {credits.Transfer{From: 1, To: 99, Credits: 1, Key: "x"}, credits.ErrFamily},
	} {
		if err := b.transfer(tt.t); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	b.check(1, 2, 3, 4)
}

// The alert comes once when the balance falls below the threshold, again only after a
// top-up that brought it above.
func TestAlert(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	notices := func() (open []string) {
		t.Helper()
		b.ok(b.db.Select(&open, `SELECT kind FROM notices WHERE account_id = 1 AND subject = 'credits' AND resolved_at IS NULL ORDER BY 1`))
		return open
	}
	next := int64(0)
	use := func(n int) {
		t.Helper()
		next++
		_, err := b.hold(1, charge(next, n))
		b.ok(err)
		b.clock.set(b.clock.now().Add(time.Second))
		b.tick()
	}
	b.ok(b.grant(credits.Grant{Key: "few", Source: credits.Gift, Credits: 10}))
	use(1) // below from the beginning: no crossing, no alert
	want := func(what string, lows, outs int, open ...string) {
		t.Helper()
		if l, o := b.letters.count(credits.MailLow), b.letters.count(credits.MailOut); l != lows || o != outs {
			t.Errorf("%s: %d and %d mails, want %d and %d", what, l, o, lows, outs)
		}
		if got := notices(); !cmp.Equal(got, open) && len(got)+len(open) > 0 {
			t.Errorf("%s: notices %v, want %v", what, got, open)
		}
	}
	want("a small beginning", 0, 0)
	b.ok(b.grant(credits.Grant{Key: "more", Source: credits.Gift, Credits: 50}))
	b.tick()
	use(9)
	want("exactly the threshold", 0, 0)
	use(1)
	want("below", 1, 0, credits.NoticeLow)
	use(1)
	want("further below", 1, 0, credits.NoticeLow)
	use(500)
	want("texts wait", 1, 1, credits.NoticeOut)
	use(500)
	want("more texts wait", 1, 1, credits.NoticeOut)
	b.ok(b.grant(credits.Grant{Key: "package", Source: credits.Gift, Credits: 500}))
	b.tick()
	want("topped up", 1, 1)
	use(505)
	want("below again", 2, 1, credits.NoticeLow)
	b.ok(b.tx(1, func(ctx context.Context, tx *sqlx.Tx) error { return b.credits.SetAlertTx(ctx, tx, 1, 0) }))
	b.tick()
	want("not to be told", 2, 1)
	err := b.tx(1, func(ctx context.Context, tx *sqlx.Tx) error { return b.credits.SetAlertTx(ctx, tx, 1, -1) })
	if !errors.Is(err, credits.ErrRequest) {
		t.Errorf("a negative threshold: %v", err)
	}
	b.check(1)
}

// P10: N at the same time with balance B: exactly B of them are covered.
func TestHoldTx_P10(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n, balance = 60, 23
	b.ok(b.grant(credits.Grant{Key: "m", Source: credits.Monthly, Credits: 11, ExpiresOn: date(2027, 4, 1)}))
	b.ok(b.grant(credits.Grant{Key: "g", Source: credits.Gift, Credits: balance - 11}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	covered := 0
	for i := range n {
		wg.Go(func() {
			uncovered, err := b.hold(1, charge(int64(i+1), 1))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if uncovered == nil {
				covered++
			}
		})
	}
	wg.Wait()
	if bal := b.balance(1); covered != balance || bal.Available != 0 || bal.Held != balance {
		t.Errorf("%d of %d covered by %d; balance %+v", covered, n, balance, bal)
	}
	// They all end at the same time, half of them both ways, while others book.
	for i := range n {
		for _, captured := range []bool{i%2 == 0, i%3 == 0} {
			wg.Go(func() {
				if err := b.settle(1, int64(i+1), captured); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for range 4 {
		wg.Go(func() {
			if err := b.book(1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.ok(b.book(1))
	if bal := b.balance(1); bal.Held != 0 || bal.Available+b.total(1, "consumed") != balance {
		t.Errorf("balance %+v, consumed %d", bal, b.total(1, "consumed"))
	}
	b.check(1)
}

// The web holds, ends and reads as the role that row-level security binds; an operator
// grants as theirs.
func TestRoles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.account(2, 0)
	web := dbtest.Web(t, b.dsn)
	dsn, err := migrations.OperatorDSN(b.dsn)
	b.ok(err)
	operator := dbtest.Open(t, dsn)
	err = migrations.InTx(t.Context(), operator, func(tx *sqlx.Tx) error {
		return b.over(operator).GrantTx(t.Context(), tx, credits.Grant{Account: 1, Key: "manual/1", Source: credits.Gift, Credits: 4, Note: "goodwill"})
	})
	b.ok(err)
	c := b.over(web)
	err = migrations.InAccount(t.Context(), web, 1, func(tx *sqlx.Tx) error {
		uncovered, err := c.HoldTx(t.Context(), tx, 1, []notify.Charge{charge(1, 3), charge(2, 2), charge(3, 1)})
		if err != nil || !cmp.Equal(uncovered, []int64{2}) {
			t.Errorf("uncovered %v, %v", uncovered, err)
		}
		if err := c.SettleTx(t.Context(), tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: 1, ID: 3}, At: epoch}}); err != nil {
			return err
		}
		if err := c.SetAlertTx(t.Context(), tx, 1, 7); err != nil {
			return err
		}
		bal, err := credits.BalanceTx(t.Context(), tx, 1)
		if diff := cmp.Diff(credits.Balance{Available: 0, Held: 4, AlertBelow: 7, Waiting: true}, bal); err != nil || diff != "" {
			t.Errorf("balance %v (-want +got):\n%s", err, diff)
		}
		entries, err := credits.EntriesTx(t.Context(), tx, 1, 0, 10)
		if err != nil || len(entries) != 2 || entries[0].Kind != "hold" || entries[0].Available != -4 || entries[1].Source != credits.Gift || entries[1].Note != "goodwill" {
			t.Errorf("entries %+v, %v", entries, err)
		}
		more, err := credits.EntriesTx(t.Context(), tx, 1, entries[0].ID, 10)
		if err != nil || len(more) != 1 || more[0].Kind != "grant" {
			t.Errorf("the next page %+v, %v", more, err)
		}
		if packages, err := credits.Packages(t.Context(), tx, date(2027, 3, 10)); err != nil || len(packages) != 3 || packages[0].SMS != 500 || packages[0].PriceRappen != 4900 {
			t.Errorf("packages %+v, %v", packages, err)
		}
		return nil
	})
	b.ok(err)
	err = migrations.InAccount(t.Context(), web, 1, func(tx *sqlx.Tx) error {
		return b.over(web).GrantTx(t.Context(), tx, credits.Grant{Account: 1, Key: "mine", Source: credits.Gift, Credits: 4})
	})
	if err == nil {
		t.Error("the web gave itself credits")
	}
	if _, err := ledger.BalanceTx(t.Context(), operator, 1, ledger.Place{Unit: ledger.SMS, Name: "available", Item: 1}); err != nil {
		t.Error(err)
	}
	b.tick()
	b.check(1, 2)
}

// Around the midnight on which a package ends: a text of the day before that is booked
// after it keeps the package alive, one of the day itself doesn't revive it.
func TestExpireTx_midnight(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		sent time.Time
		want int64
	}{
		{"a second before", time.Date(2028, 3, 9, 23, 59, 59, 0, zone), 99},
		{"a second after", time.Date(2028, 3, 10, 0, 0, 1, 0, zone), 0},
	} {
		b := newBench(t)
		b.exec(`INSERT INTO sms_gifts (occasion, valid_from, credits) VALUES ('first_package', $1, 0)`, epoch)
		b.ok(b.grant(credits.Grant{Key: "order", Source: credits.Bought, Credits: 100})) // on 10 March 2027
		b.clock.set(time.Date(2028, 3, 9, 12, 0, 0, 0, zone))
		_, err := b.hold(1, charge(1, 1))
		b.ok(err)
		b.clock.set(tt.sent)
		b.ok(b.settle(1, 1, true))
		b.clock.set(time.Date(2028, 3, 10, 0, 0, 2, 0, zone))
		b.ok(b.book(1))
		b.clock.set(time.Date(2028, 3, 10, 0, 5, 0, 0, zone))
		b.tick()
		if got := b.balance(1).Available; got != tt.want || b.total(1, "consumed") != 1 {
			t.Errorf("%s: %d left, want %d", tt.name, got, tt.want)
		}
		b.check(1)
	}
}
