package billing

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// A database that goes away at one chosen statement, BEGIN and COMMIT counted: the
// statement itself and all that follow fail, as for a process that was killed. A COMMIT
// that is hit may have happened or not; both are tried.
type faults struct {
	mu    sync.Mutex
	count int
	at    int  // which statement; 0 = none
	after bool // a COMMIT is done before the end
	dead  bool
}

var errKilled = errors.New("the process was killed")

func (f *faults) arm(at int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.after, f.dead = 0, at, after, false
}

// step counts a statement.
func (f *faults) step(s dbtest.Step) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errKilled, nil
	}
	if f.count++; f.count != f.at {
		return nil, nil
	}
	f.dead = true
	if f.after && s == dbtest.Commit {
		return nil, errKilled
	}
	return errKilled, nil
}

// rows is all that billing wrote, without what only tells when or how often.
func (d *desk) rows() (all []string) {
	d.Helper()
	for _, table := range []struct{ name, without string }{
		{"subscriptions", ""}, {"subscription_periods", ""}, {"quantity_events", ""}, {"mrr_movements", "id"}, {"number_series", ""},
		{"invoice_numbers", "invoice_id"}, {"invoices", "id,credits_invoice_id,qr_reference,snapshot"}, {"invoice_lines", "id,invoice_id,credits_line_id"},
		{"invoice_taxes", "invoice_id"}, {"payments", "id"}, {"payment_allocations", "id,payment_id,credit_note_id,invoice_id"}, {"dunning_steps", "invoice_id"},
		{"billing_jobs", "id,key,invoice_id,attempts"}, {"billing_audit", "id,after"}, {"granted", ""}, {"ledger_balances", "item"},
	} {
		rows := many[string](d, fmt.Sprintf(`SELECT '%s ' || CAST(to_jsonb(t) - CAST(string_to_array('%s', ',') AS text[]) AS text) FROM %s t ORDER BY 1`,
			table.name, table.without, table.name))
		all = append(all, rows...)
	}
	return all
}

// P7: killed at every statement of renewal, finalising, a command, a payment and a
// correction, and run again: the rows are those of an undisturbed run, and the numbers have
// no gap. P6: and running it once more changes nothing.
func TestService_P7_killedAtEveryStatement(t *testing.T) {
	t.Parallel()
	type world struct {
		*desk
		account, first int64
	}
	prepare := func(t *testing.T) world {
		d := newDesk(t, "2027-03-01")
		a := d.clinic(1)
		first := d.begin(a, Monthly, 2).Documents[0]
		d.look()
		d.day("2027-03-11")
		return world{d, a, first}
	}
	for name, do := range map[string]struct {
		on string // the day of the deed
		do func(w world, s *Service) error
	}{
		"command": {"2027-03-11", func(w world, s *Service) error {
			_, err := s.Do(w.ctx, Command{Account: w.account, Key: "k", Actor: "user:1", Change: Change{Kind: SetInterval, Interval: Yearly}})
			return err
		}},
		"renewals": {"2027-05-02", func(w world, s *Service) error {
			_, err := s.Account(w.ctx, w.account)
			return err
		}},
		"payment": {"2027-03-11", func(w world, s *Service) error {
			return migrations.InAccount(w.ctx, s.DB, w.account, func(tx *sqlx.Tx) error {
				_, err := s.RecordPaymentTx(w.ctx, tx, Payment{Account: w.account, Provider: "bank", ProviderRef: "x", Amount: 5000, At: w.clock.now()})
				return err
			})
		}},
		"credit note": {"2027-03-11", func(w world, s *Service) error {
			_, err := s.Credit(w.ctx, Correction{Account: w.account, Key: "c", Actor: "operator:1", Reason: "why"}, w.first, nil)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clean := prepare(t)
			clean.day(do.on)
			if err := do.do(clean, clean.service); err != nil {
				t.Fatal(err)
			}
			clean.look()
			want := clean.rows()
			w := prepare(t)
			w.day(do.on)
			f := &faults{}
			faulty := w.serviceOn(dbtest.Faulty(t, w.dsn, f.step))
			// Each attempt gets one statement further and dies there; every other one in
			// a COMMIT that did happen. All that it wrote stays, so this is one process
			// after the other dying at the same work.
			for n := 1; ; n++ {
				f.arm(n, n%2 == 0)
				err := do.do(w, faulty)
				if err == nil {
					t.Logf("%d statements", n)
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatalf("at statement %d: %v", n, err)
				}
				if n > 2000 {
					t.Fatal("it never gets through")
				}
				w.numbersDense(n)
			}
			for range 2 { // P6
				if err := do.do(w, w.service); err != nil {
					t.Fatal(err)
				}
			}
			w.look()
			if diff := cmp.Diff(want, w.rows()); diff != "" {
				t.Errorf("rows after crashes (-undisturbed +got):\n%s", diff)
			}
			w.audit()
		})
	}
}

// numbersDense looks after every crash.
func (d *desk) numbersDense(n int) {
	d.Helper()
	if wrong := many[string](d, `SELECT s.series FROM number_series s WHERE s.last <> (SELECT count(*) FROM invoices i WHERE i.series = s.series AND i.year = s.year)`); len(wrong) > 0 {
		d.Fatalf("after a crash at statement %d series %v has a gap", n, wrong)
	}
}

// Many workers renew many accounts, late, at the same time: each period once, numbers
// without a gap.
func TestTick_manyWorkers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	const clinics = 12
	for i := int64(1); i <= clinics; i++ {
		d.begin(d.clinic(i), Monthly, i)
	}
	d.day("2027-06-15")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			s := d.serviceOn(d.db)
			for range 2 {
				_, err := s.Tick(d.ctx)
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	for i := range int64(clinics) { // and somebody at the same accounts without a lease
		wg.Go(func() {
			_, err := d.service.Account(d.ctx, i+1)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := many[int](d, `SELECT count(*) FROM invoices`)[0]; n != 4*clinics {
		t.Errorf("%d invoices, want %d", n, 4*clinics)
	}
	if n := many[int](d, `SELECT count(DISTINCT (account_id, period_seq)) FROM invoice_lines`)[0]; n != 4*clinics {
		t.Errorf("%d periods billed, want %d", n, 4*clinics)
	}
	d.audit()
}

// P14: what is renamed, priced or taxed anew after a document was finalised leaves it
// as it was, to the byte.
func TestDocument_P14_staysAsItWas(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	id := d.begin(a, Monthly, 2).Documents[0]
	print := func() []byte {
		p, err := d.doc(a, id).Paper()
		d.ok(err)
		pdf, err := p.PDF()
		d.ok(err)
		return pdf
	}
	before := print()
	d.ok(d.service.Printed(d.ctx, DocumentRef{a, id}, []byte("hash")))
	d.exec(`UPDATE accounts SET business = 'Neu', language = 'fr'`)
	d.exec(`UPDATE billing_accounts SET name = 'Neu', town = 'Bern'`)
	d.exec(`UPDATE seller SET name = 'Andere', vat_uid = 'CHE-2', due_days = 60`)
	d.exec(`INSERT INTO prices (plan_code, billing_interval, valid_from, tier_up_to, tier_rappen) VALUES ('calendars', 'monthly', '2027-03-01', '{0}', '{1}')`)
	d.exec(`UPDATE tax_rates SET valid_to = '2027-03-02' WHERE valid_to IS NULL AND code = 'standard'`)
	d.exec(`INSERT INTO tax_rates (code, rate_bp, valid_from, source) VALUES ('standard', 990, '2027-03-02', 'test')`)
	if !cmp.Equal(before, print()) {
		t.Error("the document changed")
	}
	d.ok(d.service.Printed(d.ctx, DocumentRef{a, id}, []byte("hash")))
	if err := d.service.Printed(d.ctx, DocumentRef{a, id}, []byte("another")); !errors.Is(err, ErrState) {
		t.Errorf("another print: %v", err)
	}
}

// The database itself refuses what the program never asks for.
func TestSchema_refuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	b := d.clinic(2)
	d.begin(a, Monthly, 2)
	d.begin(b, Monthly, 1)
	for name, c := range map[string]struct{ sql, state string }{
		"a changed total":                 {`UPDATE invoices SET total = 1, net = 1, tax = 0 WHERE id = 1`, "42501"},
		"another number":                  {`UPDATE invoices SET number = 9 WHERE id = 1`, "42501"},
		"another snapshot":                {`UPDATE invoices SET snapshot = '{}' WHERE id = 1`, "42501"},
		"back to a draft":                 {`UPDATE invoices SET status = 'draft' WHERE id = 1`, "42501"},
		"void after paid":                 {`UPDATE invoices SET status = 'paid'; UPDATE invoices SET status = 'void'`, "42501"},
		"a deleted invoice":               {`DELETE FROM invoices`, "42501"},
		"a deleted line":                  {`DELETE FROM invoice_lines`, "42501"},
		"a changed line":                  {`UPDATE invoice_lines SET text = 'x'`, "42501"},
		"a line added":                    {`INSERT INTO invoice_lines (account_id, invoice_id, position, kind, billing_key, service_from, service_to, net_rappen, tax_rate_id) SELECT 1, 1, 9, 'manual', 'k', '2027-01-01', '2027-01-02', 1, id FROM tax_rates LIMIT 1`, "42501"},
		"an invoice that is open at once": {`INSERT INTO invoices (account_id, kind, status, net, tax, total) VALUES (1, 'invoice', 'open', 1, 0, 1)`, "42501"},
		"a sum that is wrong":             {`INSERT INTO invoices (account_id, kind, net, tax, total) VALUES (1, 'invoice', 1, 0, 2)`, "23514"},
		"a draft that doesn't add up": {`INSERT INTO invoices (account_id, id, kind, net, tax, total, issued_on) VALUES (1, 900, 'invoice', 5, 0, 5, '2027-01-01');
			UPDATE invoices SET status = 'open', series = 'X', year = 2027, number = 1, snapshot = '{}', finalized_at = '2027-01-01T00:00:00Z' WHERE id = 900`, "23514"},
		"a draft with a number":     {`INSERT INTO invoices (account_id, kind, net, tax, total, number) VALUES (1, 'invoice', 1, 0, 1, 7)`, "23514"},
		"a period that overlaps":    {`INSERT INTO subscription_periods (account_id, subscription_id, seq, from_month, starts_on, ends_on, full_days, price_id) SELECT 1, 1, 1, 1, '2027-03-31', '2027-04-30', 30, id FROM prices LIMIT 1`, "23P01"},
		"a number left out":         {`INSERT INTO subscription_periods (account_id, subscription_id, seq, from_month, starts_on, ends_on, full_days, price_id) SELECT 1, 1, 2, 1, '2027-04-01', '2027-05-01', 30, id FROM prices LIMIT 1`, "23P01"},
		"a longer period":           {`UPDATE subscription_periods SET ends_on = ends_on + 1, full_days = full_days + 1`, "42501"},
		"another's period":          {`INSERT INTO quantity_events (account_id, subscription_id, period_seq, seq, effective_on, quantity, actor, at) VALUES (1, 2, 0, 5, '2027-03-02', 1, 'x', '2027-01-01T00:00:00Z')`, "23503"},
		"two live subscriptions":    {`INSERT INTO subscriptions (account_id, status, plan_code, billing_interval, quantity, anchor_date, next_month, next_seq, next_on, started_on) VALUES (1, 'active', 'calendars', 'monthly', 1, '2027-01-01', 0, 0, '2027-01-01', '2027-01-01')`, "23505"},
		"from active to incomplete": {`UPDATE subscriptions SET status = 'incomplete'`, "42501"},
		"a changed price":           {`UPDATE prices SET free_sms_per_month = 1`, "42501"},
		"a changed rate":            {`UPDATE tax_rates SET rate_bp = 1`, "42501"},
		"rates that overlap":        {`INSERT INTO tax_rates (code, rate_bp, valid_from, source) VALUES ('standard', 900, '2025-01-01', 'x')`, "23P01"},
		"a changed payment":         {`INSERT INTO payments (account_id, kind, provider, provider_ref, amount, paid_on, at) VALUES (1, 'payment', 'x', 'y', 1, '2027-01-01', '2027-01-01T00:00:00Z'); UPDATE payments SET amount = 2`, "42501"},
		"a deleted audit":           {`DELETE FROM billing_audit`, "42501"},
		"credit nobody has":         {`INSERT INTO ledger_tx (account_id, id, key, kind, lines, booked_at) VALUES (1, 900, 'k', 'x', 2, '2027-01-01T00:00:00Z'); INSERT INTO ledger_entries (account_id, tx_id, line, unit, name, item, amount) VALUES (1, 900, 1, 'CHF', 'customer_credit', 0, 1), (1, 900, 2, 'CHF', 'received', 0, -1)`, "RP001"},
	} {
		_, err := d.db.Exec(c.sql)
		if pq.As(err, pqerror.Code(c.state)) == nil {
			t.Errorf("%s: %v, want SQLSTATE %s", name, err, c.state)
		}
	}
	d.audit()
}
