package billing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/migrations"
)

// P6, P11, P13: whatever a clinic, an admin, the bank and time do to an account, in
// whatever order and however often again: what was previewed is what is billed, what comes
// twice counts once, the books prove themselves, and what is open is what was billed less
// what paid it.
func TestService_P6_P11_P13(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-01-31")
	account := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		account++
		d.day("2027-01-31")
		a := d.clinic(account)
		keys := 0
		var said []Command
		var paid []Payment
		ok := func(err error) {
			if err != nil {
				rt.Fatalf("account %d: %v", a, err)
			}
		}
		// refused are the answers that are part of the game.
		refused := func(err error) bool {
			for _, e := range []error{ErrState, ErrSubscribed, ErrNone, ErrQuantity, ErrAmount} {
				if errors.Is(err, e) {
					return true
				}
			}
			return false
		}
		change := rapid.Custom(func(t *rapid.T) Change {
			return Change{
				Kind:     rapid.SampledFrom([]ChangeKind{Start, Start, SetQuantity, SetQuantity, SetQuantity, SetInterval, Cancel, UndoCancel, UndoPending, Suspend, Resume}).Draw(t, "kind"),
				Interval: anyInterval.Draw(t, "interval"), Quantity: rapid.Int64Range(1, 12).Draw(t, "quantity"),
				When: rapid.SampledFrom([]When{AsRuled, AsRuled, Now, AtEnd}).Draw(t, "when"), Paid: rapid.Bool().Draw(t, "paid"),
			}
		})
		deeds := map[string]func(*rapid.T){
			"command": func(t *rapid.T) {
				c := change.Draw(t, "change")
				keys++
				cmd := Command{Account: a, Key: fmt.Sprintf("k%d", keys), Actor: "operator:1", Reason: "test", Change: c}
				q, qerr := d.service.Preview(d.ctx, a, c)
				got, err := d.service.Do(d.ctx, cmd)
				if qerr != nil || err != nil {
					if !refused(err) || !errors.Is(qerr, errors.Unwrap(err)) && !refused(qerr) {
						t.Fatalf("previewed %v, done %v", qerr, err)
					}
					return
				}
				said = append(said, cmd)
				q.After.ID = got.Subscription.ID
				q.After.GrantedUntil, q.After.Version = got.Subscription.GrantedUntil, got.Subscription.Version
				if c.Kind == Suspend { // a preview asks nobody's name
					q.After.SuspendedBy = cmd.Actor
				}
				if diff := cmp.Diff(q.After, got.Subscription); diff != "" {
					t.Fatalf("subscription (-previewed +done):\n%s", diff)
				}
				want := len(q.Credits)
				if q.Invoice != nil {
					want++
				}
				if len(got.Documents) != want || q.Due != got.Due || q.CreditAfter != d.credit(a) {
					t.Fatalf("previewed %d documents, %s due, %s left; done %d, %s, %s", want, CHF(q.Due), CHF(q.CreditAfter), len(got.Documents), CHF(got.Due), CHF(d.credit(a)))
				}
				for i, draft := range q.Credits {
					if doc := d.doc(a, got.Documents[i]); doc.Net != draft.Net || doc.Tax != draft.Tax || doc.Total != draft.Total {
						t.Fatalf("credit note %d+%d, previewed %d+%d", doc.Net, doc.Tax, draft.Net, draft.Tax)
					}
				}
				if q.Invoice != nil {
					if doc := d.doc(a, got.Documents[want-1]); doc.Net != q.Invoice.Net || doc.Tax != q.Invoice.Tax || doc.Open != q.Due {
						t.Fatalf("invoice %d+%d open %d, previewed %d+%d due %d", doc.Net, doc.Tax, doc.Open, q.Invoice.Net, q.Invoice.Tax, q.Due)
					}
				}
			},
			"the same command again": func(t *rapid.T) {
				if len(said) == 0 {
					return
				}
				n := many[int](d, `SELECT count(*) FROM invoices`)[0]
				got, err := d.service.Do(d.ctx, rapid.SampledFrom(said).Draw(t, "command"))
				ok(err)
				if !got.Again || many[int](d, `SELECT count(*) FROM invoices`)[0] < n {
					t.Fatalf("done again: %+v", got)
				}
			},
			"pay": func(t *rapid.T) {
				p := Payment{Account: a, Provider: "bank", ProviderRef: fmt.Sprintf("%d-%d", a, len(paid)), Amount: rapid.Int64Range(1, 60000).Draw(t, "amount"), At: d.clock.now()}
				if open := many[int64](d, `SELECT id FROM invoices WHERE account_id = $1 AND status = 'open' ORDER BY id`, a); len(open) > 0 && rapid.Bool().Draw(t, "which") {
					p.Invoice = rapid.SampledFrom(open).Draw(t, "invoice")
				}
				r := d.record(t, p)
				if !r.Fresh {
					t.Fatal("a new payment isn't")
				}
				paid = append(paid, p)
			},
			"the same payment again": func(t *rapid.T) {
				if len(paid) == 0 {
					return
				}
				before := d.credit(a)
				if r := d.record(t, rapid.SampledFrom(paid).Draw(t, "payment")); r.Fresh || r.Credit != before {
					t.Fatalf("it counted twice: %+v", r)
				}
			},
			"reverse": func(t *rapid.T) {
				if len(paid) == 0 {
					return
				}
				p := rapid.SampledFrom(paid).Draw(t, "payment")
				ok(d.reverse(a, Reversal{Of: p.ProviderRef, ProviderRef: "back-" + p.ProviderRef}))
			},
			"credit note": func(t *rapid.T) {
				ids := many[int64](d, `SELECT id FROM invoices WHERE account_id = $1 AND kind = 'invoice' ORDER BY id`, a)
				if len(ids) == 0 {
					return
				}
				keys++
				if _, err := d.service.Credit(d.ctx, Correction{Account: a, Key: fmt.Sprintf("k%d", keys), Actor: "operator:1", Reason: "test"}, rapid.SampledFrom(ids).Draw(t, "invoice"), nil); err != nil && !refused(err) {
					t.Fatal(err)
				}
			},
			"write off": func(t *rapid.T) {
				ids := many[int64](d, `SELECT id FROM invoices WHERE account_id = $1 AND status = 'open' ORDER BY id`, a)
				if len(ids) == 0 {
					return
				}
				keys++
				if _, err := d.service.WriteOff(d.ctx, Correction{Account: a, Key: fmt.Sprintf("k%d", keys), Actor: "operator:1", Reason: "test"}, rapid.SampledFrom(ids).Draw(t, "invoice")); err != nil && !refused(err) {
					t.Fatal(err)
				}
			},
			"time": func(t *rapid.T) {
				on := DateIn(d.clock.now(), zurich(d)) + Date(rapid.IntRange(1, 40).Draw(t, "days"))
				d.day(on.String())
				_, err := d.service.Account(d.ctx, a)
				ok(err)
			},
		}
		// A dozen deeds and not rapid's thirty: each is some dozens of statements.
		names := slices.Sorted(maps.Keys(deeds))
		for range rapid.IntRange(1, 12).Draw(rt, "deeds") {
			deeds[rapid.SampledFrom(names).Draw(rt, "deed")](rt)
			if wrong := d.wrong(a); len(wrong) > 0 {
				rt.Fatalf("account %d: %v", a, wrong)
			}
		}
		// The movements of revenue add up to what it is.
		sum := many[int64](d, `SELECT CAST(COALESCE(sum(after_rappen - before_rappen), 0) AS bigint) FROM mrr_movements WHERE account_id = $1`, a)[0]
		var is int64
		ok(migrations.InAccount(d.ctx, d.db, a, func(tx *sqlx.Tx) error {
			payer, err := payerOf(d.ctx, tx, a)
			if err != nil {
				return err
			}
			sc, err := d.service.read(d.ctx, tx, payer)
			if err == nil && sc.Current != nil {
				is = MRR(sc.Current.Price, sc.Sub)
			}
			return err
		}))
		if sum != is {
			rt.Fatalf("movements add up to %s, revenue is %s", CHF(sum), CHF(is))
		}
	})
	d.audit()
}

func (d *desk) record(t *rapid.T, p Payment) (r Recorded) {
	if err := migrations.InAccount(d.ctx, d.db, p.Account, func(tx *sqlx.Tx) (err error) {
		r, err = d.service.RecordPaymentTx(d.ctx, tx, p)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// What is asked for is kept as JSON to tell a repetition from another wish.
func TestChange_json(t *testing.T) {
	t.Parallel()
	for _, c := range []Change{{Kind: ExtendTrial, Until: day("2027-03-01")}, {Kind: SetQuantity, Quantity: 3, When: Now}, {Kind: UndoCancel}} {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Change
		if err := json.Unmarshal(b, &back); err != nil || back != c {
			t.Errorf("%s read back is %+v, %v", b, back, err)
		}
	}
}
