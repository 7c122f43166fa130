package web

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/qrbill"
)

// Orders about entries of the bank's statements.

var entryActions = []deskAction{
	{scope: ofEntry, name: "assign",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "account", kind: inCount}, {name: "document", kind: inText, optional: true}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			t, c, err := o.target("document")
			if err != nil {
				return nil, err
			}
			if o.Entry.State != "suspense" {
				return nil, bank.ErrDecided
			}
			if !o.Entry.Incoming {
				return nil, bank.ErrTarget
			}
			to := *o
			to.Clinic = c
			st, err := to.settling(o.Entry.Rappen, t.Invoice)
			if err != nil {
				return nil, err
			}
			p := o.settledPreview(st, deskLine{Label: o.r.say("desk.column.clinic"), Is: c.Business}, deskLine{Label: o.r.say("desk.column.amount"), Is: chf(o.Entry.Rappen)})
			p.Facts = []any{t, st}
			return p, nil
		},
		do: func(o *deskOrder) error {
			t, _, err := o.target("document")
			if err != nil {
				return err
			}
			return o.s.Books.Bank.Assign(o.r.Context(), bank.Decision{Entry: o.Entry.ID, By: o.actor(), Reason: o.reason}, t)
		},
	},
	{scope: ofEntry, name: "assign-return", danger: true,
		inputs: func(o *deskOrder) []deskInput {
			account, payment := deskInput{name: "account", kind: inCount}, deskInput{name: "payment", kind: inText, optional: true}
			if body, ours := qrbill.BodyOf(o.Entry.Reference); ours {
				account.initial, payment.initial = strconv.FormatInt(body.Account, 10), o.Entry.Reference
			}
			return []deskInput{account, payment}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Entry.State != "suspense" {
				return nil, bank.ErrDecided
			}
			if o.Entry.Incoming {
				return nil, bank.ErrTarget
			}
			from, t, c, err := o.returned()
			if err != nil {
				return nil, err
			}
			st, err := o.unsettling(c.ID, from, o.Entry.Rappen)
			if err != nil {
				return nil, err
			}
			p := o.settledPreview(st, deskLine{Label: o.r.say("desk.column.clinic"), Is: c.Business}, deskLine{Label: o.r.say("desk.input.payment"), Is: joined(" · ", from.On.Format("02.01.2006"), from.Payer, chf(from.Rappen))},
				deskLine{Label: o.r.say("desk.column.amount"), Is: chf(-o.Entry.Rappen)})
			p.Facts = []any{t, from.Entry, st}
			return p, nil
		},
		do: func(o *deskOrder) error {
			from, _, _, err := o.returned()
			if err != nil {
				return err
			}
			return o.s.Books.Bank.AssignReturn(o.r.Context(), bank.Return{Decision: bank.Decision{Entry: o.Entry.ID, By: o.actor(), Reason: o.reason}, Of: from.Entry})
		},
	},
	{scope: ofEntry, name: "dismiss", danger: true, inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Entry.State != "suspense" {
				return nil, bank.ErrDecided
			}
			return &deskPreview{Facts: o.Entry.ID, Lines: []deskLine{{o.r.say("desk.column.state"), o.r.word("entries", "suspense"), o.r.word("entries", "dismissed")}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.s.Books.Bank.Dismiss(o.r.Context(), bank.Decision{Entry: o.Entry.ID, By: o.actor(), Reason: o.reason})
		},
	},
}

// returned is a payment by the bank of which an entry gives back a part, or all.
type returned struct {
	Entry  int64     `db:"id"` // by which it came
	On     time.Time `db:"booked_on"`
	Payer  string    `db:"payer"`
	Rappen int64     `db:"rappen"`
	Unused int64     `db:"unused"` // what of it paid nothing
}

// returned is the payment that is meant: of a clinic, and there of an invoice or an order if
// one is named. Of several that have enough left, one with the entry's reference or from
// whom the money went to, then the latest.
func (o *deskOrder) returned() (p returned, t payments.Target, c deskClinic, err error) {
	if t, c, err = o.target("payment"); err != nil {
		return p, t, c, err
	}
	e := o.Entry
	err = o.s.Operator.GetContext(o.r.Context(), &p, `SELECT e.id, e.booked_on, e.payer, p.amount AS rappen, p.amount - x.used AS unused
		FROM bank_entries e JOIN payments p ON p.account_id = e.for_account AND p.provider = 'bank' AND p.provider_ref = 'entry/' || e.id AND p.kind = 'payment'
		CROSS JOIN LATERAL (SELECT CAST(COALESCE(sum(a.amount), 0) AS bigint) AS used, COALESCE(sum(a.amount) FILTER (WHERE a.out_id IS NOT NULL), 0) AS gone,
		    COALESCE(sum(a.amount) FILTER (WHERE a.invoice_id = $2), 0) AS paid FROM payment_allocations a WHERE a.account_id = p.account_id AND a.payment_id = p.id) x
		WHERE e.for_account = $1 AND e.incoming AND e.state IN ('matched', 'assigned') AND NOT EXISTS (SELECT 1 FROM bank_entries b WHERE b.reverses = e.id)
		AND p.amount - x.gone >= $4 AND ($2 = 0 AND $3 = 0 OR e.for_invoice = $2 OR e.for_order = $3 OR x.paid > 0)
		ORDER BY $5 <> '' AND e.reference = $5 DESC, $6 <> '' AND e.payer_iban = $6 DESC, e.booked_on DESC, e.id DESC LIMIT 1`,
		c.ID, t.Invoice, t.Order, e.Rappen, e.Reference, e.PayerIBAN)
	if errors.Is(err, sql.ErrNoRows) {
		return p, t, c, &wrongInput{"payment", "desk.wrong.payment"}
	}
	if err != nil {
		return p, t, c, fmt.Errorf("look for the payment: %w", err)
	}
	return p, t, c, nil
}

// unsettling reckons what is open again once amount of a payment went back, as package
// billing does it: what paid nothing goes first, then the latest it paid, and other credit
// may pay that.
func (o *deskOrder) unsettling(clinic int64, p returned, amount int64) (st settled, err error) {
	credit, err := billing.CreditTx(o.r.Context(), o.s.Operator, clinic)
	if err != nil {
		return st, err
	}
	var paid []struct {
		Invoice int64  `db:"id"`
		Name    string `db:"name"`
		Lost    bool   `db:"lost"` // written off: it stays so
		Open    int64  `db:"open"`
		Paid    int64  `db:"paid"`
	}
	if err := o.s.Operator.SelectContext(o.r.Context(), &paid, `SELECT i.id, `+numberOfDoc+` AS name, i.status = 'uncollectible' AS lost, CAST(`+openOfDoc+` AS bigint) AS open, x.paid FROM (
		SELECT a.account_id, a.invoice_id, CAST(sum(a.amount) AS bigint) AS paid, max(a.id) AS latest FROM payment_allocations a JOIN payments p ON p.account_id = a.account_id AND p.id = a.payment_id
		WHERE a.account_id = $1 AND p.provider = 'bank' AND p.provider_ref = 'entry/' || CAST($2 AS bigint) AND a.invoice_id IS NOT NULL GROUP BY a.account_id, a.invoice_id HAVING sum(a.amount) > 0) x
		JOIN invoices i ON i.account_id = x.account_id AND i.id = x.invoice_id ORDER BY x.latest DESC`, clinic, p.Entry); err != nil {
		return st, fmt.Errorf("read what a payment paid: %w", err)
	}
	free := min(p.Unused, amount)
	st.Amount, st.Credit = amount, credit-free
	rest := amount - free
	for _, i := range paid {
		n := min(i.Paid, rest)
		rest -= n
		if n > 0 && !i.Lost {
			st.Open = append(st.Open, openNow{Invoice: i.Invoice, Name: i.Name, Was: i.Open, Is: i.Open + n})
		}
	}
	slices.SortFunc(st.Open, func(a, b openNow) int { return int(a.Invoice - b.Invoice) })
	for i := range st.Open {
		n := min(st.Credit, st.Open[i].Is)
		st.Open[i].Is -= n
		st.Credit -= n
	}
	return st, nil
}

// target is what an entry belongs to: to a clinic, and there to an invoice or an order by its
// number or reference, which the field named document has.
func (o *deskOrder) target(document string) (t payments.Target, c deskClinic, err error) {
	if c, err = o.s.clinicOf(o.r, o.count("account")); errors.Is(err, sql.ErrNoRows) || err == nil && (c.Parent != nil || c.Billing != "metered") {
		return t, c, &wrongInput{"account", "desk.wrong.account"}
	} else if err != nil {
		return t, c, err
	}
	t.Account = c.ID
	name := strings.ToUpper(strings.TrimSpace(o.values[document]))
	if name == "" {
		return t, c, nil
	}
	err = o.s.Operator.GetContext(o.r.Context(), &t, `SELECT x.account, x.invoice, x."order" FROM (
		SELECT i.account_id AS account, i.id AS invoice, CAST(0 AS bigint) AS "order" FROM invoices i
		WHERE i.account_id = $1 AND i.kind = 'invoice' AND i.status <> 'draft' AND (`+numberOfDoc+` = $2 OR i.qr_reference = $3)
		UNION ALL SELECT o.account_id, COALESCE(o.invoice_id, 0), o.id FROM orders o WHERE o.account_id = $1 AND ('B-' || o.id = $2 OR o.qr_reference = $3)) x LIMIT 1`,
		c.ID, name, qrbill.NormalReference(name))
	if errors.Is(err, sql.ErrNoRows) {
		return t, c, &wrongInput{document, "desk.wrong.document"}
	}
	if err != nil {
		return t, c, fmt.Errorf("look for the document: %w", err)
	}
	return t, c, nil
}
