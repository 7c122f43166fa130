package billing

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
	"rappel/migrations/ledger"
)

// press makes documents within a transaction: drafts first, then what they settle, and
// in the end the numbers.
type press struct {
	service *Service
	tx      *sqlx.Tx
	scene   scene
	sub     int64 // 0 = for no subscription
	dueOn   Date  // of invoices; 0 = by the terms
	paid    int64 // of invoices, in Rappen: came already and is recorded after them
	now     time.Time
	docs    []doc
}

// doc is a draft that waits for its number.
type doc struct {
	id    int64
	draft *Draft
	ref   string
}

func (p *press) account() int64 { return p.scene.payer.Account }

// draft stores d with its lines and books it. The sums are checked by the database when
// it is numbered.
func (p *press) draft(ctx context.Context, d *Draft) error {
	var of, sub *int64
	if d.Of != 0 {
		of = &d.Of
	}
	if p.sub != 0 {
		sub = &p.sub
	}
	issued := p.scene.payer.Today(p.now)
	var dueOn Date
	if d.Kind == Invoice {
		dueOn = p.dueOn
		if dueOn == 0 {
			days := p.scene.seller.DueDays
			if p.scene.payer.DueDays != nil {
				days = *p.scene.payer.DueDays
			}
			dueOn = issued + Date(days)
		}
	}
	it := doc{draft: d}
	if err := p.tx.GetContext(ctx, &it.id, `INSERT INTO invoices AS i (account_id, kind, subscription_id, issued_on, due_on, net, tax, rounding, total, five_rappen, credits_invoice_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING i.id`,
		p.account(), d.Kind, sub, issued, dueOn, d.Net, d.Tax, d.Rounding, d.Total, p.scene.Round, of); err != nil {
		return fmt.Errorf("draft %s: %w", d.Kind, err)
	}
	for i, l := range d.Lines {
		var seq *int
		lineSub, credits := sub, &l.Credits
		if l.Seq != NoPeriod {
			seq = &l.Seq
			l.Key = fmt.Sprintf("sub/%d/%s", p.sub, l.Key)
		} else {
			lineSub = nil
		}
		if l.Credits == 0 {
			credits = nil
		}
		if _, err := p.tx.ExecContext(ctx, `INSERT INTO invoice_lines (account_id, invoice_id, position, kind, billing_key, part, subscription_id, period_seq,
			billing_interval, quantity, quantity_before, text, service_from, service_to, net_rappen, tax_rate_id, credits_line_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			p.account(), it.id, i+1, l.Kind, l.Key, l.Part, lineSub, seq, l.Interval, l.Quantity, l.Before, l.Text,
			l.Service.From, l.Service.To, l.Net, l.Tax.ID, credits); err != nil {
			return fmt.Errorf("draft line %s: %w", l.Key, err)
		}
	}
	for _, t := range d.Taxes {
		if _, err := p.tx.ExecContext(ctx, `INSERT INTO invoice_taxes (account_id, invoice_id, tax_rate_id, net, tax) VALUES ($1, $2, $3, $4, $5)`,
			p.account(), it.id, t.Rate.ID, t.Net, t.Tax); err != nil {
			return fmt.Errorf("draft tax: %w", err)
		}
	}
	if d.Kind == Invoice {
		var err error
		if it.ref, err = p.scene.seller.Reference(DocumentRef{p.account(), it.id}); err != nil {
			return err
		}
	}
	if err := p.book(ctx, it.id, d); err != nil {
		return err
	}
	p.docs = append(p.docs, it)
	return nil
}

// book posts a document: what is owed against what was earned, its tax and rounding. A
// credit note is owed to the customer.
func (p *press) book(ctx context.Context, id int64, d *Draft) error {
	if d.Total == 0 && d.Net == 0 {
		return nil // nothing moves
	}
	sign, owed := int64(1), place("receivable", id)
	if d.Kind == CreditNote {
		sign, owed = -1, place("customer_credit", 0)
	}
	entries := []ledger.Entry{{Place: owed, Amount: sign * d.Total}, {Place: place("revenue", 0), Amount: -sign * d.Net}, {Place: place("rounding", 0), Amount: -sign * d.Rounding}}
	for _, t := range d.Taxes {
		entries = append(entries, ledger.Entry{Place: place("vat", t.Rate.ID), Amount: -sign * t.Tax})
	}
	_, _, err := ledger.PostTx(ctx, p.tx, ledger.Tx{Account: p.account(), Key: fmt.Sprintf("document/%d", id), Kind: string(d.Kind), Entries: entries, At: p.now})
	return err
}

func place(name string, item int64) ledger.Place {
	return ledger.Place{Unit: ledger.CHF, Name: name, Item: item}
}

// settle pays what is open from what the account has to its credit.
func (p *press) settle(ctx context.Context) error {
	for _, d := range p.docs {
		if d.draft.Kind == CreditNote {
			if err := revive(ctx, p.tx, DocumentRef{p.account(), d.draft.Of}, d.draft.Total, p.now); err != nil {
				return err
			}
			if err := payFrom(ctx, p.tx, source{account: p.account(), note: d.id}, d.draft.Of, p.now); err != nil {
				return err
			}
		}
	}
	return settleTx(ctx, p.tx, p.account(), p.now)
}

// ids are those of the documents, in the order they were made.
func (p *press) ids() (ids []int64) {
	for _, d := range p.docs {
		ids = append(ids, d.id)
	}
	return ids
}

// number finalises the documents: the number is the last thing they get, and from then
// on the database keeps them as they are.
func (p *press) number(ctx context.Context) error {
	series := map[Kind]string{Invoice: p.scene.seller.Series, CreditNote: p.scene.seller.CreditSeries}
	for _, d := range p.docs {
		if err := p.jobs(ctx, d); err != nil {
			return err
		}
	}
	for _, d := range p.docs {
		open, err := openOf(ctx, p.tx, DocumentRef{p.account(), d.id})
		if err != nil {
			return err
		}
		status := InvoicePaid // a credit note is settled when it is made
		if d.draft.Kind == Invoice && open > 0 {
			status = InvoiceOpen
		}
		issued := p.scene.payer.Today(p.now)
		var n int64
		if err := p.tx.GetContext(ctx, &n, `INSERT INTO number_series AS s (series, year, last) VALUES ($1, $2, 1)
			ON CONFLICT (series, year) DO UPDATE SET last = s.last + EXCLUDED.last RETURNING s.last`, series[d.draft.Kind], issued.Year()); err != nil {
			return fmt.Errorf("take a number: %w", err)
		}
		num := Number{series[d.draft.Kind], issued.Year(), n}
		snapshot, err := p.snapshot(ctx, d, num, open)
		if err != nil {
			return err
		}
		if _, err := p.tx.ExecContext(ctx, `INSERT INTO invoice_numbers (series, year, number, account_id, invoice_id) VALUES ($1, $2, $3, $4, $5)`,
			num.Series, num.Year, num.Number, p.account(), d.id); err != nil {
			return fmt.Errorf("note number %s: %w", num, err)
		}
		if _, err := p.tx.ExecContext(ctx, `UPDATE invoices SET status = $3, series = $4, year = $5, number = $6, qr_reference = $7, snapshot = $8, finalized_at = $9
			WHERE account_id = $1 AND id = $2`, p.account(), d.id, status, num.Series, num.Year, num.Number, d.ref, snapshot, p.now); err != nil {
			return fmt.Errorf("finalise document %d: %w", d.id, err)
		}
	}
	return nil
}

// jobs notes what is to be done outside once the document stands.
func (p *press) jobs(ctx context.Context, d doc) error {
	kinds := []string{JobMail}
	if d.draft.Kind == Invoice && p.scene.payer.AutoCharge {
		kinds = append(kinds, JobCharge)
	}
	for _, kind := range kinds {
		if err := addJob(ctx, p.tx, Job{Account: p.account(), Kind: kind, Key: fmt.Sprintf("document/%d/%s", d.id, kind), Invoice: &d.id}, p.now); err != nil {
			return err
		}
	}
	return nil
}

// Number is what a document is called.
type Number struct {
	Series string
	Year   int
	Number int64
}

// String is such as R-2027-000017.
func (n Number) String() string { return fmt.Sprintf("%s-%d-%06d", n.Series, n.Year, n.Number) }

// snapshot is the document with all it says, independent of what changes later.
func (p *press) snapshot(ctx context.Context, d doc, num Number, open int64) ([]byte, error) {
	payer, seller := p.scene.payer, p.scene.seller
	out := paper.Invoice{Kind: paper.Kind(d.draft.Kind), Language: payer.Language, Number: num.String(), Customer: payer.Account,
		Seller: seller.Party(), Buyer: payer.Party(), Net: d.draft.Net, Tax: d.draft.Tax, Rounding: d.draft.Rounding, Total: d.draft.Total, Due: d.draft.Total}
	var head struct {
		Issued Date `db:"issued_on"`
		Due    Date `db:"due_on"`
	}
	if err := p.tx.GetContext(ctx, &head, `SELECT issued_on, due_on FROM invoices WHERE account_id = $1 AND id = $2`, p.account(), d.id); err != nil {
		return nil, fmt.Errorf("read document %d: %w", d.id, err)
	}
	out.IssuedOn, out.DueOn = paper.Day(head.Issued.String()), paper.Day(head.Due.String())
	var span Period
	for _, l := range d.draft.Lines {
		text, detail := l.text(payer.Language)
		out.Lines = append(out.Lines, paper.Line{Text: text, Detail: detail, From: paper.Day(l.Service.From.String()), To: paper.Day(l.Service.To.String()),
			Quantity: l.Quantity, Net: l.Net, Rate: l.Tax.Rate})
		if span.Empty() {
			span = l.Service
		}
		span.From, span.To = min(span.From, l.Service.From), max(span.To, l.Service.To)
	}
	out.From, out.To = paper.Day(span.From.String()), paper.Day(span.To.String())
	for _, t := range d.draft.Taxes {
		out.Taxes = append(out.Taxes, paper.Tax{Rate: t.Rate.Rate, Net: t.Net, Tax: t.Tax})
	}
	switch {
	case d.draft.Kind == CreditNote:
		var of Number
		if err := p.tx.GetContext(ctx, &of, `SELECT series, year, number FROM invoices WHERE account_id = $1 AND id = $2`, p.account(), d.draft.Of); err != nil {
			return nil, fmt.Errorf("read invoice %d: %w", d.draft.Of, err)
		}
		out.Credits = of.String()
	default:
		if used := d.draft.Total - open; used > 0 {
			out.Applied = []paper.Applied{{Text: wordsOf(payer.Language).credit, Rappen: used}}
		}
		paid := min(p.paid, open)
		if paid > 0 {
			out.Applied = append(out.Applied, paper.Applied{Text: wordsOf(payer.Language).paid, Rappen: paid})
		}
		out.Due, out.IBAN, out.Reference = open-paid, seller.IBAN, d.ref
	}
	if err := out.Check(); err != nil {
		return nil, fmt.Errorf("document %d: %w", d.id, err)
	}
	return json.Marshal(out)
}

// press makes documents that follow from no change of the subscription.
func (s *Service) press(ctx context.Context, tx *sqlx.Tx, sc scene, drafts []*Draft, dueOn Date, now time.Time) ([]int64, error) {
	return s.pressPaid(ctx, tx, sc, drafts, dueOn, 0, now)
}

// pressPaid is press for invoices of which paid came already, in Rappen.
func (s *Service) pressPaid(ctx context.Context, tx *sqlx.Tx, sc scene, drafts []*Draft, dueOn Date, paid int64, now time.Time) ([]int64, error) {
	if err := sc.seller.Check(); err != nil {
		return nil, err
	}
	if err := sc.payer.Check(); err != nil {
		return nil, err
	}
	p := press{service: s, tx: tx, scene: sc, dueOn: dueOn, paid: paid, now: now}
	for _, d := range drafts {
		if err := p.draft(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	return p.ids(), p.number(ctx)
}
