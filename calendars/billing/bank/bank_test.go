package bank_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/camt"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/paymentstest"
)

// world is a paymentstest.World with an importer.
type world struct {
	*paymentstest.World
	importer *bank.Importer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: paymentstest.New(t)}
	w.importer = w.on(w.DB, w.Desk)
	return w
}

func (w *world) on(db *sqlx.DB, d *payments.Desk) *bank.Importer {
	return bank.New(bank.Config{DB: db, Desk: d, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
}

// tx is a payment in a file.
type tx struct {
	ref, bankRef, text string
	rappen             int64
}

// entry is a booking in a file.
type entry struct {
	bankRef  string
	rappen   int64
	debit    bool
	reversal bool
	returned bool // says its details' RtrInf
	payments int  // told without details
	details  []tx
}

// file writes a camt.053 or camt.054.
func file(kind camt.Kind, id string, entries ...entry) bank.File {
	outer, inner := "BkToCstmrStmt", "Stmt"
	if kind == camt.Notification {
		outer, inner = "BkToCstmrDbtCdtNtfctn", "Ntfctn"
	}
	var b strings.Builder
	chf := func(n int64) string { return fmt.Sprintf(`<Amt Ccy="CHF">%d.%02d</Amt>`, n/100, n%100) }
	fmt.Fprintf(&b, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.%s.001.08"><%s><GrpHdr><MsgId>%s</MsgId></GrpHdr><%s><Acct><Id><IBAN>CH9300762011623852957</IBAN></Id></Acct>`, kind, outer, id, inner)
	for _, e := range entries {
		direction := "CRDT"
		if e.debit {
			direction = "DBIT"
		}
		fmt.Fprintf(&b, `<Ntry>%s<CdtDbtInd>%s</CdtDbtInd><RvslInd>%t</RvslInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2027-03-01</Dt></BookgDt><AcctSvcrRef>%s</AcctSvcrRef><NtryDtls>`, chf(e.rappen), direction, e.reversal, e.bankRef)
		if e.payments > 0 {
			fmt.Fprintf(&b, `<Btch><NbOfTxs>%d</NbOfTxs></Btch>`, e.payments)
		}
		for _, d := range e.details {
			fmt.Fprintf(&b, `<TxDtls><Refs><AcctSvcrRef>%s</AcctSvcrRef></Refs>%s<RmtInf>`, d.bankRef, chf(d.rappen))
			if d.ref != "" {
				fmt.Fprintf(&b, `<Strd><CdtrRefInf><Ref>%s</Ref></CdtrRefInf></Strd>`, d.ref)
			}
			fmt.Fprintf(&b, `<Ustrd>%s</Ustrd></RmtInf>`, d.text)
			if e.returned {
				b.WriteString(`<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>`)
			}
			b.WriteString(`</TxDtls>`)
		}
		b.WriteString(`</NtryDtls></Ntry>`)
	}
	fmt.Fprintf(&b, `</%s></%s></Document>`, inner, outer)
	return bank.File{Name: id + ".xml", Content: []byte(b.String()), By: "operator:1"}
}

func (w *world) take(f bank.File, want bank.Result) {
	w.Helper()
	got, err := w.importer.Import(context.Background(), f)
	w.OK(err)
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", f.Name, diff)
	}
	w.Check()
}

// Case 41: pay 20.00 of 32.43, or 40.00; the same file twice changes nothing.
func TestImport_exactPartOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	part, partRef := w.Invoice(1, 3000)
	w.take(file(camt.Statement, "a", entry{bankRef: "1", rappen: 2000, details: []tx{{ref: partRef, rappen: 2000}}}), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	if got := w.Open(1, part); got != 1243 {
		t.Errorf("open %d, want 1243", got)
	}
	over, overRef := w.Invoice(2, 3000)
	f := file(camt.Statement, "b", entry{bankRef: "2", rappen: 4000, details: []tx{{ref: overRef, rappen: 4000}}})
	w.take(f, bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	if w.Open(2, over) != 0 || w.Credit(2) != 757 {
		t.Errorf("open %d, credit %d, want 0 and 757", w.Open(2, over), w.Credit(2))
	}
	before := append(w.Money(1), w.Money(2)...)
	if _, err := w.importer.Import(context.Background(), f); !errors.Is(err, bank.ErrImported) {
		t.Errorf("the same file: %v", err)
	}
	// Also under another name of the file, with the same bookings.
	w.take(file(camt.Statement, "c", entry{bankRef: "2", rappen: 4000, details: []tx{{ref: overRef, rappen: 4000}}}), bank.Result{Kind: "053", Bookings: 1, Known: 1})
	if diff := cmp.Diff(before, append(w.Money(1), w.Money(2)...)); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
	exact, exactRef := w.Invoice(1, 3000)
	w.take(file(camt.Statement, "d", entry{bankRef: "3", rappen: 3243, details: []tx{{ref: exactRef, rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	if w.Open(1, exact) != 0 {
		t.Errorf("open %d", w.Open(1, exact))
	}
}

// A batch is one line in the statement and its payments in the notification, whichever
// comes first; each payment counts once, also when both files have the details.
func TestImport_statementAndNotification(t *testing.T) {
	t.Parallel()
	details := func(a, b string) []tx {
		return []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3243}}
	}
	for name, order := range map[string]func(a, b string) []bank.File{
		"statement first": func(a, b string) []bank.File {
			return []bank.File{file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, payments: 2}), file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, payments: 2, details: details(a, b)})}
		},
		"notification first": func(a, b string) []bank.File {
			return []bank.File{file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, details: details(a, b)}), file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, payments: 2})}
		},
		"both with details": func(a, b string) []bank.File {
			return []bank.File{file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, details: details(a, b)}), file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, details: details(a, b)})}
		},
		"details under other names": func(a, b string) []bank.File {
			other := details(a, b)
			other[0].bankRef, other[1].bankRef = "o1", "o2"
			return []bank.File{file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, details: details(a, b)}), file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, details: other})}
		},
		"a line without a number of payments": func(a, b string) []bank.File {
			return []bank.File{file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486}), file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, details: details(a, b)})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			one, a := w.Invoice(1, 3000)
			two, b := w.Invoice(2, 3000)
			for _, f := range order(a, b) {
				_, err := w.importer.Import(context.Background(), f)
				w.OK(err)
			}
			if w.Open(1, one) != 0 || w.Open(2, two) != 0 || w.Credit(1) != 0 || w.Credit(2) != 0 {
				t.Errorf("open %d and %d, credit %d and %d", w.Open(1, one), w.Open(2, two), w.Credit(1), w.Credit(2))
			}
			rest, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
			w.OK(err)
			batches, err := bank.Batches(context.Background(), w.DB, 10)
			w.OK(err)
			if len(rest) != 0 || len(batches) != 0 {
				t.Errorf("in suspense %+v, batches %+v", rest, batches)
			}
			w.Check()
		})
	}
}

func TestSuspense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	invoice, ref := w.Invoice(1, 3000)
	wrong := []byte(ref)
	wrong[20] = '0' + (wrong[20]-'0'+1)%10
	w.take(file(camt.Notification, "n",
		entry{bankRef: "1", rappen: 3243, details: []tx{{rappen: 3243, text: "Rechnung März"}}},
		entry{bankRef: "2", rappen: 100, details: []tx{{ref: string(wrong), rappen: 100}}},
		entry{bankRef: "3", rappen: 200, details: []tx{{ref: "210000000003139471430009017", rappen: 200}}},
		entry{bankRef: "4", rappen: 300},
		entry{bankRef: "5", rappen: 400, reversal: true},
		entry{bankRef: "6", rappen: 900, debit: true},
	), bank.Result{Kind: "054", Bookings: 6, Suspense: 5, Debits: 1})
	all, err := bank.Suspense(ctx, w.DB, bank.Page{Limit: 10})
	w.OK(err)
	var why []string
	for _, e := range all {
		why = append(why, e.Why)
	}
	if diff := cmp.Diff([]string{"no_reference", "unknown_reference", "unknown_reference", "whole", "debit_undone"}, why); diff != "" {
		t.Fatal(diff)
	}
	page, err := bank.Suspense(ctx, w.DB, bank.Page{After: all[1].ID, Limit: 2})
	w.OK(err)
	if len(page) != 2 || page[0].ID != all[2].ID {
		t.Errorf("page %+v", page)
	}
	decide := func(i int) bank.Decision {
		return bank.Decision{Entry: all[i].ID, By: "operator:1", Reason: "Anruf der Praxis"}
	}
	target := payments.Target{Account: 1, Invoice: invoice}
	if err := w.importer.Assign(ctx, bank.Decision{Entry: all[0].ID, By: "operator:1", Reason: " "}, target); !errors.Is(err, bank.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if err := w.importer.Assign(ctx, decide(0), payments.Target{}); !errors.Is(err, bank.ErrTarget) {
		t.Errorf("to nobody: %v", err)
	}
	if err := w.importer.Assign(ctx, bank.Decision{Entry: 99, By: "operator:1", Reason: "x"}, target); !errors.Is(err, bank.ErrNoEntry) {
		t.Errorf("an entry there isn't: %v", err)
	}
	w.OK(w.importer.Assign(ctx, decide(0), target))
	if err := w.importer.Assign(ctx, decide(0), target); !errors.Is(err, bank.ErrDecided) {
		t.Errorf("twice: %v", err)
	}
	w.OK(w.importer.Assign(ctx, decide(1), payments.Target{Account: 2}))
	w.OK(w.importer.Dismiss(ctx, decide(3)))
	if w.Open(1, invoice) != 0 || w.Credit(1) != 0 || w.Credit(2) != 100 {
		t.Errorf("open %d, credit %d and %d", w.Open(1, invoice), w.Credit(1), w.Credit(2))
	}
	// The details of what was dismissed or assigned as a whole don't count any more.
	w.take(file(camt.Notification, "later", entry{bankRef: "4", rappen: 300, details: []tx{{ref: ref, rappen: 300}}}), bank.Result{Kind: "054", Bookings: 1, Known: 1})
}

// What the bank takes back opens again what it had paid.
func TestImport_takenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invoice, ref := w.Invoice(1, 3000)
	w.take(file(camt.Statement, "a", entry{bankRef: "1", rappen: 3243, details: []tx{{ref: ref, rappen: 3243}}}, entry{bankRef: "2", rappen: 500, details: []tx{{text: "?", rappen: 500}}}),
		bank.Result{Kind: "053", Bookings: 2, Matched: 1, Suspense: 1})
	back := file(camt.Statement, "b", entry{bankRef: "1r", rappen: 3243, debit: true, reversal: true, details: []tx{{ref: ref, rappen: 3243}}}, entry{bankRef: "2", rappen: 500, debit: true, reversal: true},
		entry{bankRef: "9", rappen: 700, debit: true, reversal: true})
	w.take(back, bank.Result{Kind: "053", Bookings: 3, Undone: 2, Suspense: 1})
	if w.Open(1, invoice) != 3243 {
		t.Errorf("open %d", w.Open(1, invoice))
	}
	// A second undoing has nothing left to undo.
	w.take(file(camt.Statement, "c", entry{bankRef: "1s", rappen: 3243, debit: true, reversal: true, details: []tx{{ref: ref, rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 1, Suspense: 1})
	all, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
	w.OK(err)
	for _, e := range all {
		if e.Why != "no_payment" || e.Incoming {
			t.Errorf("%+v", e)
		}
		if err := w.importer.Assign(context.Background(), bank.Decision{Entry: e.ID, By: "operator:1", Reason: "x"}, payments.Target{Account: 1}); !errors.Is(err, bank.ErrTarget) {
			t.Errorf("money that went is assigned: %v", err)
		}
	}
}

// An order is paid by its own reference.
func TestImport_order(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, err := w.Desk.Offer(context.Background(), payments.Wish{Account: 2, Key: "k", Package: 1, Method: payments.Bank, By: "user:1"})
	w.OK(err)
	w.take(file(camt.Notification, "n", entry{bankRef: "1", rappen: o.Total, details: []tx{{ref: o.Reference, rappen: o.Total}}}), bank.Result{Kind: "054", Bookings: 1, Matched: 1})
	if got, err := payments.ByRef(context.Background(), w.DB, o.Ref()); err != nil || got.Status != payments.Fulfilled {
		t.Errorf("%+v, %v", got, err)
	}
}

// orderInParts is an order to be paid at the bank, and the entry of a part of it.
func (w *world) orderInParts() (o payments.Order, part func(id string, rappen int64) entry) {
	w.Helper()
	o, err := w.Desk.Offer(context.Background(), payments.Wish{Account: 2, Key: "k", Package: 1, Method: payments.Bank, By: "user:1"})
	w.OK(err)
	return o, func(id string, rappen int64) entry {
		return entry{bankRef: id, rappen: rappen, details: []tx{{ref: o.Reference, rappen: rappen}}}
	}
}

// An order paid in parts is handed over when they reach its total; a part the bank took
// back doesn't count.
func TestImport_orderInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	o, part := w.orderInParts()
	is := func(want payments.Status, came int64) payments.Order {
		t.Helper()
		got, err := payments.ByRef(ctx, w.DB, o.Ref())
		w.OK(err)
		sum, err := w.Desk.Came(ctx, o.Ref())
		w.OK(err)
		if got.Status != want || sum != came {
			t.Errorf("%s with %d, want %s with %d", got.Status, sum, want, came)
		}
		return got
	}
	w.take(file(camt.Statement, "a", part("1", 2000)), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	is(payments.Offered, 2000)
	back := part("1r", 2000)
	back.debit, back.reversal = true, true
	w.take(file(camt.Statement, "b", back, part("2", 2500)), bank.Result{Kind: "053", Bookings: 2, Matched: 1, Undone: 1})
	is(payments.Offered, 2500)
	rest := file(camt.Statement, "c", part("3", o.Total-2500))
	w.take(rest, bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	got := is(payments.Fulfilled, o.Total)
	if w.Open(2, got.Invoice) != 0 || w.Credit(2) != 0 || w.Text(`SELECT sum(credits) FROM granted`) != "500" {
		t.Errorf("open %d, credit %d, %s SMS", w.Open(2, got.Invoice), w.Credit(2), w.Text(`SELECT sum(credits) FROM granted`))
	}
	w.take(file(camt.Notification, "d", part("3", o.Total-2500), part("4", 100)), bank.Result{Kind: "054", Bookings: 2, Matched: 1, Known: 1})
	if w.Credit(2) != 100 || w.Text(`SELECT count(*) FROM invoices WHERE account_id = 2`) != "1" {
		t.Errorf("credit %d, %s invoices", w.Credit(2), w.Text(`SELECT count(*) FROM invoices WHERE account_id = 2`))
	}
}

// Importers with the same files at once: each payment counts once, or waits in suspense for
// people where what the others brought meanwhile leaves its booking in doubt.
func TestImport_atOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, a := w.Invoice(1, 3000)
	two, b := w.Invoice(2, 3000)
	d := []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3243}}
	files := []bank.File{file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, details: d}), file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, details: []tx{d[1], d[0]}})}
	files = append(files, file(camt.Notification, "single", entry{bankRef: "N1", rappen: 3243, details: d[:1]}, entry{bankRef: "N2", rappen: 3243, details: d[1:]}))
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := w.importer.Import(context.Background(), files[i%len(files)]); err != nil && !errors.Is(err, bank.ErrImported) {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	waiting := w.Text(`SELECT 3243 * count(*) FROM bank_entries WHERE state = 'suspense' AND why = 'alike'`)
	if open := w.Open(1, one) + w.Open(2, two); fmt.Sprint(open) != waiting || w.Credit(1) != 0 || w.Credit(2) != 0 {
		t.Errorf("open %d, in suspense %s, credit %d and %d", open, waiting, w.Credit(1), w.Credit(2))
	}
	w.Check()
}

// P7: broken off at any statement and imported again, a file comes to the same.
func TestImport_killedAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	make := func(account int64) []bank.File {
		_, ref := w.Invoice(account, 3000)
		id := fmt.Sprint(account)
		return []bank.File{
			file(camt.Statement, "s"+id, entry{bankRef: "w" + id, rappen: 3343}),
			file(camt.Notification, "n"+id, entry{bankRef: "w" + id, rappen: 3343, details: []tx{{ref: ref, bankRef: "a" + id, rappen: 3243}, {ref: ref, bankRef: "b" + id, rappen: 100}}},
				entry{bankRef: "r" + id, rappen: 3243, debit: true, reversal: true, details: []tx{{ref: ref, rappen: 3243}}}),
		}
	}
	run := func(m *bank.Importer, files []bank.File) error {
		for _, f := range files {
			if _, err := m.Import(context.Background(), f); err != nil && !errors.Is(err, bank.ErrImported) {
				return err
			}
		}
		return nil
	}
	state := func(account int64) []string {
		all := w.Money(account)
		var rows []string
		w.OK(w.DB.Select(&rows, `SELECT concat_ws(' ', rappen, incoming, state, why, reverses IS NOT NULL) FROM bank_entries WHERE booking_key LIKE '%' || CAST($1 AS text) || '/%' ORDER BY 1`, account))
		var done int
		w.OK(w.DB.Get(&done, `SELECT count(*) FROM bank_files WHERE name LIKE '%' || CAST($1 AS text) || '.xml' AND done_at IS NOT NULL`, account))
		return append(append(all, rows...), fmt.Sprint(done, " files done"))
	}
	account := int64(100)
	w.Clinic(account)
	w.OK(run(w.importer, make(account)))
	want := state(account)
	db, faults := w.Faulty()
	_, desk := w.On(db)
	faulty := w.on(db, desk)
	for _, lost := range []bool{false, true} {
		statements := 0
		for n := 1; ; n++ {
			account++
			w.Clinic(account)
			files := make(account)
			faults.Arm(n, lost)
			err := run(faulty, files)
			if !faults.Hit() {
				w.OK(err)
				break
			}
			statements++
			w.OK(run(w.importer, files))
			if diff := cmp.Diff(want, state(account)); diff != "" {
				t.Fatalf("broken off at statement %d, answer lost %t (-whole +again):\n%s", n, lost, diff)
			}
		}
		if least := map[bool]int{false: 50, true: 5}[lost]; statements < least {
			t.Errorf("only %d statements were tried", statements)
		}
	}
	w.Check()
}

// A file that can't be read changes nothing and says what to do.
func TestImport_refuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data, err := os.ReadFile("../camt/testdata/statement_v04.xml")
	w.OK(err)
	var p *camt.ParseError
	if _, err := w.importer.Import(context.Background(), bank.File{Name: "half.xml", Content: data[:len(data)-40], By: "operator:1"}); !errors.As(err, &p) {
		t.Errorf("%v", err)
	}
	if got := w.Text(`SELECT count(*) FROM bank_files`); got != "0" {
		t.Errorf("%s files are kept", got)
	}
}

// What the books refuse waits for people, and what comes behind it is booked: here the bank
// takes back a payment of which a part was refunded meanwhile.
func TestImport_refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	first, a := w.Invoice(1, 3000)
	second, b := w.Invoice(2, 3000)
	w.take(file(camt.Statement, "a", entry{bankRef: "1", rappen: 6486, details: []tx{{ref: a, rappen: 6486}}}), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	_, err := w.Billing.Refund(ctx, billing.Correction{Account: 1, Key: "k", Actor: "operator:1", Reason: "paid twice"},
		billing.Payment{Provider: "manual", ProviderRef: "out", Amount: 3243})
	w.OK(err)
	f := file(camt.Statement, "b", entry{bankRef: "1r", rappen: 6486, debit: true, reversal: true, details: []tx{{ref: a, rappen: 6486}}},
		entry{bankRef: "2", rappen: 3243, details: []tx{{ref: b, rappen: 3243}}})
	w.take(f, bank.Result{Kind: "053", Bookings: 2, Matched: 1, Suspense: 1})
	if w.Open(1, first) != 0 || w.Open(2, second) != 0 {
		t.Errorf("open %d and %d", w.Open(1, first), w.Open(2, second))
	}
	all, err := bank.Suspense(ctx, w.DB, bank.Page{Limit: 10})
	w.OK(err)
	if len(all) != 1 || all[0].Why != "refused" || all[0].Incoming || !strings.Contains(all[0].Reason, "32.43") {
		t.Errorf("in suspense %+v", all)
	}
	if _, err := w.importer.Import(ctx, f); !errors.Is(err, bank.ErrImported) {
		t.Errorf("again: %v", err)
	}
}

// Two payments of a day that look alike where the bank gives no reference: the second waits
// for somebody to look, and is not taken for the first.
func TestImport_alike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	one, a := w.Invoice(1, 3000)
	_, b := w.Invoice(2, 3000)
	first := file(camt.Notification, "a", entry{rappen: 3243, details: []tx{{ref: a, rappen: 3243}}})
	second := file(camt.Notification, "b", entry{rappen: 3243, details: []tx{{ref: b, rappen: 3243}}})
	w.take(first, bank.Result{Kind: "054", Bookings: 1, Matched: 1})
	w.take(second, bank.Result{Kind: "054", Bookings: 1, Suspense: 1})
	second.Content = append(second.Content, '\n') // another file with the same
	w.take(second, bank.Result{Kind: "054", Bookings: 1, Known: 1})
	all, err := bank.Suspense(ctx, w.DB, bank.Page{Limit: 10})
	w.OK(err)
	if len(all) != 1 || all[0].Why != "alike" || all[0].Reference != b || w.Open(1, one) != 0 {
		t.Errorf("in suspense %+v", all)
	}
}

// Several payments under one reference of the bank are several, also when they come to the
// same: what is beyond the booking's amount waits for somebody to look, and is not taken
// for what is known. The same told again, in the other file, changes nothing.
func TestImport_oneReferenceForSeveral(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(a, b string) []tx{
		"for another invoice":      func(a, b string) []tx { return []tx{{ref: b, rappen: 3243}} },
		"for the same invoice":     func(a, b string) []tx { return []tx{{ref: a, rappen: 3243}} },
		"without saying what for":  func(a, b string) []tx { return []tx{{text: "?", rappen: 3243}} },
		"as a whole":               func(a, b string) []tx { return nil },
		"with a name of the other": func(a, b string) []tx { return []tx{{ref: a, bankRef: "t2", rappen: 3243}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			one, a := w.Invoice(1, 3000)
			_, b := w.Invoice(2, 3000)
			entries := []entry{{bankRef: "X", rappen: 3243, details: []tx{{ref: a, rappen: 3243}}}, {bankRef: "X", rappen: 3243, details: second(a, b)}}
			w.take(file(camt.Statement, "s", entries...), bank.Result{Kind: "053", Bookings: 2, Matched: 1, Suspense: 1})
			w.take(file(camt.Notification, "n", entries...), bank.Result{Kind: "054", Bookings: 2, Known: 2})
			all, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
			w.OK(err)
			if len(all) != 1 || all[0].Why != "alike" || w.Open(1, one) != 0 || w.Credit(1) != 0 {
				t.Errorf("in suspense %+v; open %d, credit %d", all, w.Open(1, one), w.Credit(1))
			}
		})
	}
}

// A booking known by its details and told again as a whole is the same. With details that
// say something else, somebody has to look.
func TestImport_otherDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, a := w.Invoice(1, 3000)
	_, b := w.Invoice(2, 3000)
	w.take(file(camt.Notification, "n", entry{bankRef: "X", rappen: 3243, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}}}), bank.Result{Kind: "054", Bookings: 1, Matched: 1})
	w.take(file(camt.Statement, "s", entry{bankRef: "X", rappen: 3243}), bank.Result{Kind: "053", Bookings: 1, Known: 1})
	w.take(file(camt.Statement, "p", entry{bankRef: "X", rappen: 3243, details: []tx{{ref: b, bankRef: "t9", rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 1, Suspense: 1})
	if w.Open(1, one) != 0 {
		t.Errorf("open %d", w.Open(1, one))
	}
}

// A payment the bank names is one payment, whether it is told as a part of a collective
// booking or as a booking of its own.
func TestImport_collectiveAndSingle(t *testing.T) {
	t.Parallel()
	collective := func(a, b string) []entry {
		return []entry{{bankRef: "X", rappen: 6486, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3243}}}}
	}
	for name, single := range map[string]func(a, b string) []entry{
		"the payments' names": func(a, b string) []entry {
			return []entry{{bankRef: "N1", rappen: 3243, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}}}, {bankRef: "N2", rappen: 3243, details: []tx{{ref: b, bankRef: "t2", rappen: 3243}}}}
		},
		"the bookings' names": func(a, b string) []entry {
			return []entry{{bankRef: "t1", rappen: 3243, details: []tx{{ref: a, rappen: 3243}}}, {bankRef: "t2", rappen: 3243, details: []tx{{ref: b, bankRef: "t2", rappen: 3243}}}}
		},
	} {
		for _, singleFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, single first %t", name, singleFirst), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				one, a := w.Invoice(1, 3000)
				two, b := w.Invoice(2, 3000)
				first, second := collective(a, b), single(a, b)
				if singleFirst {
					first, second = second, first
				}
				w.take(file(camt.Statement, "s", first...), bank.Result{Kind: "053", Bookings: len(first), Matched: 2})
				w.take(file(camt.Notification, "n", second...), bank.Result{Kind: "054", Bookings: len(second), Known: 2})
				w.take(file(camt.Notification, "again", second...), bank.Result{Kind: "054", Bookings: len(second), Known: 2})
				if w.Open(1, one) != 0 || w.Open(2, two) != 0 || w.Credit(1) != 0 || w.Credit(2) != 0 {
					t.Errorf("open %d and %d, credit %d and %d", w.Open(1, one), w.Open(2, two), w.Credit(1), w.Credit(2))
				}
				batches, err := bank.Batches(context.Background(), w.DB, 10)
				w.OK(err)
				if len(batches) != 0 {
					t.Errorf("wait for details: %+v", batches)
				}
			})
		}
	}
}

// A payment of the same name and amount that says it is for something else is for somebody
// to look at.
func TestImport_sameNameOtherPurpose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, a := w.Invoice(1, 3000)
	two, b := w.Invoice(2, 3000)
	w.take(file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, payments: 2, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	f := []entry{{bankRef: "N1", rappen: 3243, details: []tx{{ref: b, bankRef: "t1", rappen: 3243}}}}
	w.take(file(camt.Notification, "n", f...), bank.Result{Kind: "054", Bookings: 1, Suspense: 1})
	w.take(file(camt.Notification, "m", f...), bank.Result{Kind: "054", Bookings: 1, Known: 1})
	// Another amount under the same name is another payment.
	w.take(file(camt.Notification, "o", entry{bankRef: "N2", rappen: 3200, details: []tx{{ref: b, bankRef: "t1", rappen: 3200}}}), bank.Result{Kind: "054", Bookings: 1, Matched: 1})
	if got := w.Open(2, two); got != 43 {
		t.Errorf("open %d", got)
	}
	all, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
	w.OK(err)
	if len(all) != 1 || all[0].Why != bank.WhyAlike || all[0].Reference != b {
		t.Errorf("in suspense %+v", all)
	}
}

// Money that goes back without the mark of a reversal isn't lost from sight: under a
// reference of ours, or as a return, it waits for somebody. What else is paid out doesn't.
func TestImport_returned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, a := w.Invoice(1, 3000)
	w.take(file(camt.Statement, "s", entry{bankRef: "X", rappen: 3243, details: []tx{{ref: a, rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
	back := []entry{{bankRef: "1", rappen: 3243, debit: true, details: []tx{{ref: a, rappen: 3243}}}, {bankRef: "2", rappen: 500, debit: true, returned: true, details: []tx{{text: "?", rappen: 500}}},
		{bankRef: "3", rappen: 600, debit: true, details: []tx{{ref: "210000000003139471430009017", rappen: 600}}},
		{bankRef: "4", rappen: 700, debit: true, payments: 2, details: []tx{{text: "salary", rappen: 100}, {ref: a, rappen: 600}}}}
	w.take(file(camt.Statement, "b", back...), bank.Result{Kind: "053", Bookings: 4, Suspense: 3, Debits: 1})
	w.take(file(camt.Notification, "c", back...), bank.Result{Kind: "054", Bookings: 4, Known: 3, Debits: 1})
	all, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
	w.OK(err)
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprint(e.Why, " ", e.Rappen, " ", e.Incoming))
	}
	if diff := cmp.Diff([]string{"returned 3243 false", "returned 500 false", "returned 600 false"}, got); diff != "" {
		t.Error(diff)
	}
}

// Money that went back is assigned to its payment, in parts, too: they open what they took,
// and stay within what came.
func TestAssignReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	files := 0
	took := func(suspense int, entries ...entry) (waiting []bank.Entry) {
		t.Helper()
		files++
		w.take(file(camt.Statement, fmt.Sprint("s", files), entries...), bank.Result{Kind: "053", Bookings: len(entries), Matched: len(entries) - suspense, Suspense: suspense})
		waiting, err := bank.Suspense(ctx, w.DB, bank.Page{Limit: 10})
		w.OK(err)
		return waiting
	}
	came := func(id, ref string, rappen int64) entry {
		return entry{bankRef: id, rappen: rappen, details: []tx{{ref: ref, rappen: rappen}}}
	}
	went := func(id, ref string, rappen int64) entry {
		return entry{bankRef: id, rappen: rappen, debit: true, returned: true, details: []tx{{ref: ref, rappen: rappen}}}
	}
	latest := func() (id int64) {
		t.Helper()
		w.OK(w.DB.Get(&id, `SELECT max(id) FROM bank_entries WHERE incoming`))
		return id
	}
	assign := func(e bank.Entry, of int64) error {
		return w.importer.AssignReturn(ctx, bank.Return{Decision: bank.Decision{Entry: e.ID, By: "operator:1", Reason: "Konto aufgehoben"}, Of: of})
	}
	invoice, ref := w.Invoice(1, 3000)
	took(0, came("1", ref, 3243))
	payment := latest()
	waiting := took(3, went("2", ref, 1000), went("3", ref, 2000), went("4", ref, 244))
	for _, step := range []struct {
		entry int
		of    int64
		err   error
		open  int64
	}{
		{0, waiting[1].ID, bank.ErrTarget, 0}, {0, 99, bank.ErrTarget, 0},
		{0, payment, nil, 1000}, {0, payment, bank.ErrDecided, 1000},
		{1, payment, nil, 3000}, {2, payment, billing.ErrAmount, 3000},
	} {
		if err := assign(waiting[step.entry], step.of); !errors.Is(err, step.err) || w.Open(1, invoice) != step.open {
			t.Errorf("%+v: %v, open %d", step, err, w.Open(1, invoice))
		}
	}
	// What the bank takes back as a whole isn't there any more.
	all := came("1r", ref, 3243)
	all.debit, all.reversal = true, true
	waiting = took(1, all)
	if got := waiting[len(waiting)-1]; got.Why != bank.WhyRefused || w.Open(1, invoice) != 3000 {
		t.Errorf("%+v, open %d", got, w.Open(1, invoice))
	}
	for _, e := range waiting {
		w.OK(w.importer.Dismiss(ctx, bank.Decision{Entry: e.ID, By: "operator:1", Reason: "x"}))
	}
	// A payment that went back as a whole isn't taken back again.
	other, ref := w.Invoice(2, 3000)
	took(0, came("5", ref, 3243))
	w.OK(assign(took(1, went("6", ref, 3243))[0], latest()))
	all = came("5r", ref, 3243)
	all.debit, all.reversal = true, true
	if waiting = took(1, all); waiting[0].Why != bank.WhyNoPayment || w.Open(2, other) != 3243 {
		t.Errorf("%+v, open %d", waiting[0], w.Open(2, other))
	}
	if err := assign(waiting[0], latest()); !errors.Is(err, bank.ErrTarget) {
		t.Errorf("of what went back before: %v", err)
	}
	w.Check()
}

// What went back of an order's parts doesn't pay it.
func TestAssignReturn_order(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	o, part := w.orderInParts()
	back := part("2", 500)
	back.debit, back.returned = true, true
	w.take(file(camt.Statement, "a", part("1", 2000), back), bank.Result{Kind: "053", Bookings: 2, Matched: 1, Suspense: 1})
	entries, err := bank.Entries(ctx, w.DB, bank.Page{Limit: 10})
	w.OK(err)
	w.OK(w.importer.AssignReturn(ctx, bank.Return{Decision: bank.Decision{Entry: entries[1].ID, By: "operator:1", Reason: "x"}, Of: entries[0].ID}))
	for _, step := range []struct {
		part   entry
		status payments.Status
		came   int64
	}{{part("3", o.Total-2000), payments.Offered, o.Total - 500}, {part("4", 500), payments.Fulfilled, o.Total}} {
		w.take(file(camt.Statement, step.part.bankRef, step.part), bank.Result{Kind: "053", Bookings: 1, Matched: 1})
		got, err := payments.ByRef(ctx, w.DB, o.Ref())
		w.OK(err)
		if sum, err := w.Desk.Came(ctx, o.Ref()); err != nil || got.Status != step.status || sum != step.came {
			t.Errorf("%s with %d, want %s with %d (%v)", got.Status, sum, step.status, step.came, err)
		}
	}
	if w.Credit(2) != 0 {
		t.Errorf("credit %d", w.Credit(2))
	}
	w.Check()
}

// A collective booking taken back without details undoes all of its payments.
func TestImport_batchTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, a := w.Invoice(1, 3000)
	two, b := w.Invoice(2, 3000)
	w.take(file(camt.Notification, "n", entry{bankRef: "X", rappen: 6986, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3243}, {text: "?", bankRef: "t3", rappen: 500}}}),
		bank.Result{Kind: "054", Bookings: 1, Matched: 2, Suspense: 1})
	back := entry{bankRef: "X", rappen: 6986, debit: true, reversal: true, payments: 3}
	w.take(file(camt.Statement, "s", back), bank.Result{Kind: "053", Bookings: 1, Undone: 3})
	w.take(file(camt.Notification, "m", back), bank.Result{Kind: "054", Bookings: 1, Known: 3})
	back.details = []tx{{ref: a, bankRef: "r1", rappen: 3243}, {ref: b, bankRef: "r2", rappen: 3243}, {text: "?", bankRef: "r3", rappen: 500}}
	w.take(file(camt.Notification, "o", back), bank.Result{Kind: "054", Bookings: 1, Known: 3})
	if w.Open(1, one) != 3243 || w.Open(2, two) != 3243 {
		t.Errorf("open %d and %d", w.Open(1, one), w.Open(2, two))
	}
	// One nobody knows is told to somebody.
	w.take(file(camt.Statement, "u", entry{bankRef: "Y", rappen: 900, debit: true, reversal: true, payments: 2}), bank.Result{Kind: "053", Bookings: 1, Suspense: 1})
}

// Money whose details make no sense waits as a whole, with the reason, until a file brings
// better ones; what comes behind it is booked.
func TestImport_unclear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, a := w.Invoice(1, 3000)
	two, b := w.Invoice(2, 3000)
	w.take(file(camt.Statement, "s", entry{bankRef: "X", rappen: 6486, payments: 2, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3300}}},
		entry{bankRef: "Y", rappen: 3200, details: []tx{{ref: b, rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 2, Matched: 1, Suspense: 1})
	all, err := bank.Suspense(context.Background(), w.DB, bank.Page{Limit: 10})
	w.OK(err)
	if len(all) != 1 || all[0].Why != bank.WhyUnclear || all[0].Rappen != 6486 || !strings.Contains(all[0].Reason, "more than the booking") {
		t.Errorf("in suspense %+v", all)
	}
	if got := w.Open(2, two); got != 43 {
		t.Errorf("open %d", got)
	}
	w.take(file(camt.Notification, "n", entry{bankRef: "X", rappen: 6486, payments: 2, details: []tx{{ref: a, bankRef: "t1", rappen: 3243}, {ref: b, bankRef: "t2", rappen: 3243}}}),
		bank.Result{Kind: "054", Bookings: 1, Matched: 2})
	if w.Open(1, one) != 0 || w.Open(2, two) != 0 || w.Credit(2) != 3200 {
		t.Errorf("open %d and %d, credit %d", w.Open(1, one), w.Open(2, two), w.Credit(2))
	}
}

// Money counts from the day of value, also when it is imported or assigned days later.
func TestImport_day(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	_, ref := w.Invoice(1, 3000)
	w.Clock.Add(9 * 24 * time.Hour)
	w.take(file(camt.Statement, "a", entry{bankRef: "1", rappen: 3243, details: []tx{{ref: ref, rappen: 3243}}}, entry{bankRef: "2", rappen: 500, details: []tx{{text: "?", rappen: 500}}},
		entry{bankRef: "1r", rappen: 3243, debit: true, reversal: true, details: []tx{{ref: ref, rappen: 3243}}}), bank.Result{Kind: "053", Bookings: 3, Matched: 1, Suspense: 1, Undone: 1})
	all, err := bank.Suspense(ctx, w.DB, bank.Page{Limit: 10})
	w.OK(err)
	w.OK(w.importer.Assign(ctx, bank.Decision{Entry: all[0].ID, By: "operator:1", Reason: "x"}, payments.Target{Account: 1}))
	var days []string
	w.OK(w.DB.Select(&days, `SELECT kind || ' ' || CAST(paid_on AS text) FROM payments ORDER BY id`))
	if diff := cmp.Diff([]string{"payment 2027-03-01", "reversal 2027-03-01", "payment 2027-03-01"}, days); diff != "" {
		t.Error(diff)
	}
}
