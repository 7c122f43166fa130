package payments_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/paymentstest"
	"rappel/migrations/dbtest"
)

const day = 24 * time.Hour

// offer orders the package of 500.
func offer(w *paymentstest.World, d *payments.Desk, account int64, key string, m payments.Method) payments.Order {
	w.Helper()
	o, err := d.Offer(context.Background(), payments.Wish{Account: account, Key: key, Package: 1, Method: m, By: "user:1"})
	w.OK(err)
	return o
}

func receive(w *paymentstest.World, d *payments.Desk, t payments.Target, ref string, rappen int64) {
	w.Helper()
	w.OK(d.Receive(context.Background(), payments.Receipt{Target: t, Provider: "stripe", Ref: ref, Rappen: rappen, At: w.Clock.Now()}))
}

func status(w *paymentstest.World, o payments.Order) payments.Status {
	w.Helper()
	got, err := payments.ByRef(context.Background(), w.DB, o.Ref())
	w.OK(err)
	return got.Status
}

// The way of the order form: signed, then credit, then invoice, then paid.
func TestOrder_byTransfer(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	ctx := context.Background()
	o := offer(w, w.Desk, 1, "k", payments.Bank)
	if o.Net != 4900 || o.Total != 5297 || o.Status != payments.Offered || len(o.Reference) != 27 || o.Number() != fmt.Sprintf("B-%d", o.ID) {
		t.Errorf("%+v", o)
	}
	if again := offer(w, w.Desk, 1, "k", payments.Bank); again.ID != o.ID {
		t.Errorf("the same wish twice: orders %d and %d", o.ID, again.ID)
	}
	if _, err := w.Desk.Offer(ctx, payments.Wish{Account: 1, Key: "k", Package: 2, Method: payments.Bank, By: "user:1"}); !errors.Is(err, payments.ErrKeyReused) {
		t.Errorf("another wish with the same key: %v", err)
	}
	first, err := payments.Form(ctx, w.DB, o.Ref())
	w.OK(err)
	w.Exec(`UPDATE accounts SET business = 'Anders' WHERE account_id = 1`)
	again, err := payments.Form(ctx, w.DB, o.Ref())
	w.OK(err)
	if !bytes.Equal(first, again) {
		t.Error("the order form changed with the clinic's name")
	}
	w.OK(w.Desk.Attach(ctx, payments.Upload{Ref: o.Ref(), Name: `C:\scan "1".pdf`, Content: []byte("%PDF-1.4 signed"), By: "user:1"}))
	w.OK(w.Desk.Attach(ctx, payments.Upload{Ref: o.Ref(), Name: "again.pdf", Content: []byte("%PDF-1.4 signed"), By: "user:1"}))
	files, err := payments.Files(ctx, w.DB, o.Ref())
	w.OK(err)
	if len(files) != 1 || files[0].Name != "scan 1.pdf" || files[0].Type != "application/pdf" || files[0].Size != 15 {
		t.Errorf("files %+v", files)
	}
	for range 2 {
		w.OK(w.Desk.Sign(ctx, o.Ref()))
	}
	got, err := payments.ByRef(ctx, w.DB, o.Ref())
	w.OK(err)
	if got.Status != payments.Signed || got.Invoice == 0 || w.Open(1, got.Invoice) != 5297 {
		t.Errorf("signed: %+v, open %d", got, w.Open(1, got.Invoice))
	}
	// Its own reference and that of the invoice lead to the same.
	doc, err := billing.DocumentTx(ctx, w.DB, billing.DocumentRef{Account: 1, Document: got.Invoice})
	w.OK(err)
	tx, err := w.DB.Beginx()
	w.OK(err)
	for _, ref := range []string{o.Reference, doc.Reference} {
		target, ok, err := w.Desk.FindTx(ctx, tx, ref)
		if err != nil || !ok || target.Account != 1 || target.Invoice != got.Invoice {
			t.Errorf("%s stands for %+v, %t, %v", ref, target, ok, err)
		}
	}
	w.OK(tx.Rollback())
	receive(w, w.Desk, payments.Target{Account: 1, Invoice: got.Invoice}, "p1", 5000)
	if s := status(w, o); s != payments.Signed {
		t.Errorf("partly paid it is %s", s)
	}
	for range 2 {
		receive(w, w.Desk, payments.Target{Account: 1, Order: o.ID}, "p2", 400)
	}
	if s := status(w, o); s != payments.Fulfilled || w.Open(1, got.Invoice) != 0 || w.Credit(1) != 103 {
		t.Errorf("%s, open %d, credit %d", s, w.Open(1, got.Invoice), w.Credit(1))
	}
	if got := w.Text(`SELECT string_agg(concat_ws(' ', source, credits), ',') FROM granted`); got != "package 500" {
		t.Errorf("granted %s", got)
	}
	if err := w.Desk.Attach(ctx, payments.Upload{Ref: o.Ref(), Content: []byte("%PDF-late"), By: "user:1"}); !errors.Is(err, payments.ErrState) {
		t.Errorf("a form for what is done: %v", err)
	}
	w.Check()
}

func TestOrder_byCard(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	o := offer(w, w.Desk, 2, "k", payments.Stripe)
	if err := w.Desk.Sign(context.Background(), o.Ref()); !errors.Is(err, payments.ErrState) {
		t.Errorf("signed though paid by card: %v", err)
	}
	for range 3 {
		receive(w, w.Desk, payments.Target{Account: 2, Order: o.ID}, "pi_1", o.Total)
	}
	if s := status(w, o); s != payments.Fulfilled || w.Credit(2) != 0 {
		t.Errorf("%s, credit %d", s, w.Credit(2))
	}
	if got := w.Text(`SELECT concat_ws(' ', count(*), min(total), min(status)) FROM invoices`); got != "1 5297 paid" {
		t.Errorf("invoices %s", got)
	}
	w.Check()
}

// What can't be handed over is kept and tried again; the money is in the books meanwhile.
func TestOrder_handOverFails(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	ctx := context.Background()
	o := offer(w, w.Desk, 1, "k", payments.Stripe)
	w.Granter.Fail(errors.New("no credit today"))
	receive(w, w.Desk, payments.Target{Account: 1, Order: o.ID}, "pi_1", o.Total)
	got, err := payments.ByRef(ctx, w.DB, o.Ref())
	w.OK(err)
	if got.Status != payments.Paid || got.Problem == "" || w.Credit(1) != o.Total {
		t.Errorf("%+v, credit %d", got, w.Credit(1))
	}
	if err := w.Desk.Sweep(ctx); err == nil {
		t.Error("a failure is silent")
	}
	w.Granter.Fail(nil)
	for range 2 {
		w.OK(w.Desk.Sweep(ctx))
	}
	if s := status(w, o); s != payments.Fulfilled || w.Credit(1) != 0 {
		t.Errorf("%s, credit %d", s, w.Credit(1))
	}
	w.Check()
}

// An order ends when the clinic's last day is over, not the server's. Late money and late
// forms are taken all the same.
func TestOrder_expires(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	ctx := context.Background()
	a, b, c := offer(w, w.Desk, 1, "a", payments.Bank), offer(w, w.Desk, 1, "b", payments.Bank), offer(w, w.Desk, 2, "c", payments.Stripe)
	w.Clock.Add(30*day + 13*time.Hour + 59*time.Minute) // 31 March 23:59 at summer time, 21:59 UTC
	w.OK(w.Desk.Sweep(ctx))
	if s := status(w, a); s != payments.Offered {
		t.Errorf("on its last day it is %s", s)
	}
	w.Clock.Add(time.Minute)
	w.OK(w.Desk.Sweep(ctx))
	for _, o := range []payments.Order{a, b, c} {
		if s := status(w, o); s != payments.Expired {
			t.Errorf("after it it is %s", s)
		}
	}
	w.OK(w.Desk.Sign(ctx, b.Ref()))
	receive(w, w.Desk, payments.Target{Account: 2, Order: c.ID}, "pi", c.Total)
	if x, y := status(w, b), status(w, c); x != payments.Signed || y != payments.Fulfilled {
		t.Errorf("late: %s and %s", x, y)
	}
	w.Check()
}

func TestOffer_refuses(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	w.Exec(`INSERT INTO accounts (account_id, business, parent_id, billing, created_at) VALUES (3, 'Filiale', 1, 'metered', $1), (4, 'Ohne Adresse', NULL, 'metered', $1)`, w.Clock.Now())
	w.Exec(`UPDATE packages SET valid_to = '2027-03-01' WHERE id = 3`)
	for name, c := range map[string]struct {
		account, pack int64
		want          error
	}{
		"no package":        {1, 99, payments.ErrNoPackage},
		"not sold any more": {1, 3, payments.ErrNoPackage},
		"a sub-account":     {3, 1, payments.ErrPayer},
		"nobody":            {9, 1, billing.ErrUnknown},
		"no address":        {4, 1, billing.ErrAddress},
	} {
		if _, err := w.Desk.Offer(context.Background(), payments.Wish{Account: c.account, Key: "k", Package: c.pack, Method: payments.Bank, By: "user:1"}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	o := offer(w, w.Desk, 1, "k", payments.Bank)
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"a page":   {[]byte("<html><script>"), payments.ErrFile},
		"nothing":  {nil, payments.ErrFile},
		"too much": {append([]byte("%PDF-"), make([]byte, 10<<20)...), payments.ErrTooLarge},
	} {
		if err := w.Desk.Attach(context.Background(), payments.Upload{Ref: o.Ref(), Content: c.content, By: "user:1"}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for i := range 11 {
		err := w.Desk.Attach(context.Background(), payments.Upload{Ref: o.Ref(), Content: fmt.Appendf(nil, "%%PDF-%d", i), By: "user:1"})
		if want := i == 10; errors.Is(err, payments.ErrTooMany) != want {
			t.Errorf("file %d: %v", i+1, err)
		}
	}
	if _, err := payments.ByRef(context.Background(), w.DB, payments.Ref{Account: 2, Order: o.ID}); !errors.Is(err, payments.ErrNoOrder) {
		t.Errorf("another account's order: %v", err)
	}
	web := dbtest.Web(t, w.DSN)
	if all, err := payments.Orders(context.Background(), web, 1, 10); err != nil || len(all) != 0 {
		t.Errorf("seen without an account: %d orders, %v", len(all), err)
	}
}

// P6: whatever receipts come, however often and in whatever order, they count once each.
func TestReceive_anyReplay(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	// What the account owes, less what it has to its credit.
	position := func() (owes int64) {
		var open int64
		w.OK(w.DB.Get(&open, `SELECT CAST(COALESCE(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account_id = 1 AND unit = 'CHF' AND name = 'receivable'`))
		if open > 0 && w.Credit(1) > 0 {
			t.Fatalf("%d owed and %d to its credit at once", open, w.Credit(1))
		}
		return open - w.Credit(1)
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		before := position()
		invoice, _ := w.Invoice(1, rapid.Int64Range(100, 9000).Draw(rt, "net"))
		var total int64
		w.OK(w.DB.Get(&total, `SELECT total FROM invoices WHERE account_id = 1 AND id = $1`, invoice))
		amounts := rapid.SliceOfN(rapid.Int64Range(1, 6000), 1, 4).Draw(rt, "amounts")
		paid, order := int64(0), []int(nil)
		for i, a := range amounts {
			paid += a
			for range rapid.IntRange(1, 3).Draw(rt, "times") {
				order = append(order, i)
			}
		}
		for _, i := range rapid.Permutation(order).Draw(rt, "order") {
			receive(w, w.Desk, payments.Target{Account: 1, Invoice: invoice}, fmt.Sprintf("r%d/%d", n, i), amounts[i])
		}
		if got, want := position(), before+total-paid; got != want {
			rt.Fatalf("owes %d, want %d", got, want)
		}
	})
	w.Check()
}

// P7: killed at every statement of what brings an order to its end, and begun again, it
// comes to the same as without.
func TestOrder_killedAnywhere(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	script := func(d *payments.Desk, account int64) error {
		ctx := context.Background()
		o, err := d.Offer(ctx, payments.Wish{Account: account, Key: "bank", Package: 1, Method: payments.Bank, By: "user:1"})
		if err != nil {
			return err
		}
		if err := d.Sign(ctx, o.Ref()); err != nil {
			return err
		}
		if err := d.Receive(ctx, payments.Receipt{Target: payments.Target{Account: account, Order: o.ID}, Provider: "stripe", Ref: fmt.Sprint("a", account), Rappen: o.Total, At: w.Clock.Now()}); err != nil {
			return err
		}
		c, err := d.Offer(ctx, payments.Wish{Account: account, Key: "card", Package: 2, Method: payments.Stripe, By: "user:1"})
		if err != nil {
			return err
		}
		return d.Receive(ctx, payments.Receipt{Target: payments.Target{Account: account, Order: c.ID}, Provider: "stripe", Ref: fmt.Sprint("b", account), Rappen: c.Total, At: w.Clock.Now()})
	}
	w.OK(script(w.Desk, 1))
	want := w.Money(1)
	db, faults := w.Faulty()
	_, faulty := w.On(db)
	account := int64(100)
	for _, lost := range []bool{false, true} {
		statements := 0
		for n := 1; ; n++ {
			account++
			w.Clinic(account)
			faults.Arm(n, lost)
			err := script(faulty, account)
			if !faults.Hit() {
				w.OK(err)
				break
			}
			statements++
			// An order that couldn't be handed over in between says so and is tried again.
			w.OK(script(w.Desk, account))
			w.OK(w.Desk.Sweep(context.Background()))
			if diff := cmp.Diff(want, w.Money(account)); diff != "" {
				t.Fatalf("killed at statement %d, answer lost %t (-whole +again):\n%s", n, lost, diff)
			}
		}
		if least := map[bool]int{false: 50, true: 5}[lost]; statements < least {
			t.Errorf("only %d statements were tried", statements)
		}
	}
	w.Check()
}

func FuzzKind(f *testing.F) {
	for _, s := range []string{"%PDF-1.7", "\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "<svg>", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		kind, err := payments.Kind(content)
		if (err == nil) != slices.Contains([]string{"application/pdf", "image/jpeg", "image/png"}, kind) {
			t.Fatalf("%q, %v", kind, err)
		}
	})
}

// What was paid before its invoice is made is not asked for on it.
func TestOrder_invoiceOfWhatIsPaid(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	o := offer(w, w.Desk, 1, "k", payments.Stripe)
	older, _ := w.Invoice(1, 3000) // stays open: the money is the order's
	receive(w, w.Desk, payments.Target{Account: 1, Order: o.ID}, "pi", o.Total)
	got, err := payments.ByRef(t.Context(), w.DB, o.Ref())
	w.OK(err)
	doc, err := billing.DocumentTx(t.Context(), w.DB, billing.DocumentRef{Account: 1, Document: got.Invoice})
	w.OK(err)
	p, err := doc.Paper()
	w.OK(err)
	if p.Due != 0 || len(p.Applied) != 1 || p.Applied[0].Rappen != o.Total || p.Total != o.Total || doc.Status != billing.InvoicePaid {
		t.Errorf("%s: due %d of %d, %+v", doc.Status, p.Due, p.Total, p.Applied)
	}
	if w.Open(1, older) != 3243 {
		t.Errorf("open %d", w.Open(1, older))
	}
	w.Check()
}

// lockedGranter answers whether the payer is locked by whoever gives credits.
type lockedGranter struct {
	w      *paymentstest.World
	locked []bool
}

func (g *lockedGranter) GrantTx(ctx context.Context, _ *sqlx.Tx, grant billing.Grant) error {
	var free int
	err := g.w.DB.GetContext(ctx, &free, `SELECT count(*) FROM (SELECT 1 FROM billing_accounts WHERE account_id = $1 FOR UPDATE SKIP LOCKED) x`, grant.Account)
	g.locked = append(g.locked, free == 0)
	return err
}

// Renewals lock the payer, then its credits; so does handing over an order, or the two
// could wait for each other.
func TestOrder_locksThePayerFirst(t *testing.T) {
	t.Parallel()
	w := paymentstest.New(t)
	g := &lockedGranter{w: w}
	desk := payments.NewDesk(payments.Config{DB: w.DB, Billing: w.Billing, Granter: g, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	o := offer(w, desk, 1, "k", payments.Bank)
	w.OK(desk.Sign(t.Context(), o.Ref()))
	if !slices.Equal(g.locked, []bool{true}) {
		t.Errorf("locked %v", g.locked)
	}
}

// What was offered is what is owed, though the rate of VAT or the rounding is another one
// by then. The tax is that of the day the package is handed over.
func TestOrder_totalAsOffered(t *testing.T) {
	t.Parallel()
	rate := func(w *paymentstest.World) {
		w.Exec(`UPDATE tax_rates SET valid_to = '2027-03-10' WHERE valid_to IS NULL AND code = 'standard'`)
		w.Exec(`INSERT INTO tax_rates (code, rate_bp, valid_from, source) VALUES ('standard', 880, '2027-03-10', 'test')`)
	}
	round := func(w *paymentstest.World) { w.Exec(`UPDATE seller SET five_rappen = NOT five_rappen`) }
	for name, c := range map[string]struct {
		before, meanwhile func(*paymentstest.World)
		signed            bool
		want              string // net, tax, rounding, total
	}{
		"paid by the old rate":            {want: "4900 397 0 5297"},
		"paid by the new rate":            {meanwhile: rate, want: "4869 428 0 5297"},
		"signed by the new rate":          {meanwhile: rate, signed: true, want: "4869 428 0 5297"},
		"rounding begins":                 {meanwhile: round, want: "4900 397 0 5297"},
		"rounding ends":                   {before: round, meanwhile: round, want: "4900 397 -2 5295"},
		"rounded and by the new rate":     {before: round, meanwhile: rate, want: "4867 428 0 5295"},
		"rounding and another rate since": {meanwhile: func(w *paymentstest.World) { rate(w); round(w) }, want: "4869 428 0 5297"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := paymentstest.New(t)
			if c.before != nil {
				c.before(w)
			}
			o := offer(w, w.Desk, 1, "k", payments.Bank)
			if c.meanwhile != nil {
				c.meanwhile(w)
			}
			w.Clock.Add(10 * day)
			if c.signed {
				w.OK(w.Desk.Sign(t.Context(), o.Ref()))
			}
			receive(w, w.Desk, payments.Target{Account: 1, Order: o.ID}, "p1", o.Total)
			if got := w.Text(`SELECT concat_ws(' ', net, tax, rounding, total) FROM invoices`); got != c.want || status(w, o) != payments.Fulfilled || w.Credit(1) != 0 {
				t.Errorf("invoice %s, want %s; order %s, credit %d", got, c.want, status(w, o), w.Credit(1))
			}
			// All of it can be credited, to the Rappen.
			var invoice int64
			w.OK(w.DB.Get(&invoice, `SELECT id FROM invoices`))
			_, err := w.Billing.Credit(t.Context(), billing.Correction{Account: 1, Key: "all", Actor: "operator:1", Reason: "Probe"}, invoice, nil)
			w.OK(err)
			if got := w.Text(`SELECT concat_ws(' ', net, tax, rounding, total) FROM invoices WHERE kind = 'credit_note'`); got != c.want {
				t.Errorf("credited %s, want %s", got, c.want)
			}
			w.Check()
		})
	}
}
