package web

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/qrbill"
	"rappel/notify/credits"
)

// Orders about money and credits.

// settled is what an amount to a clinic's credit would pay: the invoice named first, then
// the oldest, as package billing does it.
type settled struct {
	Amount, Credit int64 // the amount; the credit afterwards
	Open           []openNow
}

type openNow struct {
	Invoice int64
	Name    string
	Was, Is int64
}

// settling reckons what amount pays.
func (o *deskOrder) settling(amount, first int64) (st settled, err error) {
	open, err := billing.OpenInvoices(o.r.Context(), o.s.Operator, billing.OpenQuery{Account: o.Clinic.ID})
	if err != nil {
		return st, err
	}
	credit, err := billing.CreditTx(o.r.Context(), o.s.Operator, o.Clinic.ID)
	if err != nil {
		return st, err
	}
	slices.SortFunc(open, func(a, b billing.OpenRow) int {
		if (a.ID == first) != (b.ID == first) {
			if a.ID == first {
				return -1
			}
			return 1
		}
		return int(a.ID - b.ID)
	})
	st.Amount = amount
	rest := credit + amount
	for _, i := range open {
		n := min(rest, i.Open)
		if n > 0 {
			st.Open = append(st.Open, openNow{Invoice: i.ID, Name: i.Name(), Was: i.Open, Is: i.Open - n})
		}
		rest -= n
	}
	st.Credit = rest
	return st, nil
}

func (o *deskOrder) settledPreview(st settled, more ...deskLine) *deskPreview {
	p := &deskPreview{Facts: st, Lines: more}
	for _, i := range st.Open {
		p.Lines = append(p.Lines, deskLine{o.r.say("desk.line.open", "Number", i.Name), chf(i.Was), chf(i.Is)})
	}
	p.Lines = append(p.Lines, deskLine{Label: o.r.say("desk.column.credit_after"), Is: chf(st.Credit)})
	return p
}

// most refuses what is above the limit of one order.
func (o *deskOrder) most(input string, amount int64, limit func(deskLimits) int64) error {
	l, err := o.s.deskLimits(o.r.Context())
	if err != nil {
		return err
	}
	switch {
	case amount <= 0:
		return &wrongInput{input, "desk.wrong.nothing"}
	case amount > limit(l):
		return &wrongInput{input, "desk.wrong.most"}
	}
	return nil
}

func mostCHF(l deskLimits) int64 { return l.MostRappen }
func mostSMS(l deskLimits) int64 { return l.MostSMS }

var moneyActions = []deskAction{
	{scope: ofClinic, name: "credit-chf",
		inputs: func(*deskOrder) []deskInput { return []deskInput{{name: "amount", kind: inCHF}} },
		gives:  func(o *deskOrder) (int64, int64) { return o.chf("amount"), 0 },
		preview: func(o *deskOrder) (*deskPreview, error) {
			if err := o.most("amount", o.chf("amount"), mostCHF); err != nil {
				return nil, err
			}
			st, err := o.settling(o.chf("amount"), 0)
			if err != nil {
				return nil, err
			}
			return o.settledPreview(st, deskLine{Label: o.r.say("desk.column.given"), Is: chf(st.Amount)}), nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.GiveCredit(o.r.Context(), o.correction(), o.chf("amount"))
			return err
		},
	},
	{scope: ofClinic, name: "credit-sms",
		inputs: func(*deskOrder) []deskInput {
			return []deskInput{{name: "sms", kind: inCount}, {name: "expires", kind: inDay, optional: true}}
		},
		gives: func(o *deskOrder) (int64, int64) { return 0, o.count("sms") },
		preview: func(o *deskOrder) (*deskPreview, error) {
			if err := o.most("sms", o.count("sms"), mostSMS); err != nil {
				return nil, err
			}
			if d := o.day("expires"); d != 0 && d <= o.r.today() {
				return nil, &wrongInput{"expires", "desk.wrong.past"}
			}
			b, err := credits.BalanceTx(o.r.Context(), o.s.Operator, o.Clinic.ID)
			if err != nil {
				return nil, err
			}
			after := b.Available + o.count("sms") - min(b.Owed, b.Available+o.count("sms"))
			expires := civil(o.day("expires"))
			if expires == "" {
				expires = o.r.say("desk.line.year")
			}
			return &deskPreview{Facts: []any{o.count("sms"), o.day("expires")}, Lines: []deskLine{{Label: o.r.say("desk.column.given"), Is: o.r.say("desk.line.sms", "Count", o.count("sms"))},
				{o.r.say("desk.column.sms"), strconv.FormatInt(b.Available, 10), strconv.FormatInt(after, 10)}, {Label: o.r.say("desk.input.expires"), Is: expires}}}, nil
		},
		do: func(o *deskOrder) error {
			g := credits.Grant{Account: o.Clinic.ID, Key: "admin/" + o.key, Source: credits.Gift, Credits: o.count("sms"), Note: o.reason}
			if d := o.day("expires"); d != 0 {
				g.ExpiresOn = d.Start(time.UTC)
			}
			return o.r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error { return o.s.Books.Credits.GrantTx(ctx, tx, g) })
		},
	},
	{scope: ofClinic, name: "refund", danger: true,
		inputs: func(o *deskOrder) []deskInput {
			initial := ""
			if credit, err := billing.CreditTx(o.r.Context(), o.s.Operator, o.Clinic.ID); err == nil && credit > 0 {
				initial = billing.CHF(credit)
			}
			return []deskInput{{name: "amount", kind: inCHF, initial: initial}, {name: "way", kind: inChoice, choices: []string{"original", "bank"}, initial: "original"}}
		},
		gives:   func(o *deskOrder) (int64, int64) { return o.chf("amount"), 0 },
		preview: previewRefund,
		do: func(o *deskOrder) error {
			pay := billing.Payment{Provider: "bank", ProviderRef: "refund/" + o.key, Amount: o.chf("amount")}
			intent := ""
			if o.values["way"] == "original" {
				var err error
				if o.s.Books.Card == nil {
					return errNoCard
				}
				if intent, _, err = o.intent(); err != nil {
					return err
				}
				pay.Provider, pay.ProviderRef = "stripe", intent+"/refund/"+o.key
			}
			if _, err := o.s.Books.Billing.Refund(o.r.Context(), o.correction(), pay); err != nil || intent == "" {
				return err
			}
			if err := o.s.Books.Card.Refund(o.r.Context(), intent, pay.Amount, pay.ProviderRef); err != nil {
				return fmt.Errorf("%w: %w", errHalfway, err)
			}
			return nil
		},
	},
	{scope: ofDocument, name: "credit-note", danger: true,
		inputs: func(o *deskOrder) []deskInput {
			all := []deskInput{{name: "extent", kind: inChoice, choices: []string{"all", "part"}, initial: "all"}}
			b, err := o.s.Books.Billing.Creditable(o.r.Context(), o.ids.ref())
			if err != nil {
				return all // the preview tells why
			}
			for _, l := range b.Lines {
				text := l.Line.Text
				if text == "" {
					text = o.r.say("desk.line."+string(l.Line.Kind), "Count", l.Line.Quantity)
				}
				all = append(all, deskInput{name: fmt.Sprintf("line_%d", l.ID), kind: inCHF, optional: true, label: o.r.say("desk.line.left", "Text", text, "Left", chf(l.Left()))})
			}
			return all
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			b, err := o.s.Books.Billing.Creditable(o.r.Context(), o.ids.ref())
			if err != nil {
				return nil, err
			}
			net, err := o.netOfLines()
			if err != nil {
				return nil, err
			}
			var d *billing.Draft
			if len(net) == 0 {
				d, err = b.CreditAll(o.reason)
			} else {
				d, err = b.CreditLines(net, o.reason)
			}
			if err != nil {
				return nil, err
			}
			st, err := o.settling(d.Total, o.Document.ID)
			if err != nil {
				return nil, err
			}
			p := o.settledPreview(st)
			p.Facts, p.Documents = []any{d, st}, []deskDraft{o.draft(d)}
			return p, nil
		},
		do: func(o *deskOrder) error {
			net, err := o.netOfLines()
			if err != nil {
				return err
			}
			_, err = o.s.Books.Billing.Credit(o.r.Context(), o.correction(), o.Document.ID, net)
			return err
		},
	},
	{scope: ofDocument, name: "mark-paid",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "amount", kind: inCHF, initial: billing.CHF(o.Document.Open)}, {name: "paid_on", kind: inDay, initial: o.r.today().String()}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			switch {
			case o.Document.Kind != billing.Invoice || o.Document.Status != billing.InvoiceOpen:
				return nil, billing.ErrState
			case o.chf("amount") == 0:
				return nil, &wrongInput{"amount", "desk.wrong.nothing"}
			case o.day("paid_on") > o.r.today():
				return nil, &wrongInput{"paid_on", "desk.wrong.future"}
			}
			st, err := o.settling(o.chf("amount"), o.Document.ID)
			if err != nil {
				return nil, err
			}
			return o.settledPreview(st, deskLine{Label: o.r.say("desk.input.paid_on"), Is: civil(o.day("paid_on"))}), nil
		},
		do: func(o *deskOrder) error {
			return o.s.Books.Desk.Receive(o.r.Context(), payments.Receipt{Target: payments.Target{Account: o.Clinic.ID, Invoice: o.Document.ID}, Provider: "manual", Ref: "admin/" + o.key,
				Rappen: o.chf("amount"), At: o.day("paid_on").Start(o.r.Loc).Add(12 * time.Hour)})
		},
	},
	{scope: ofDocument, name: "write-off", danger: true, inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Document.Status != billing.InvoiceOpen || o.Document.Open == 0 {
				return nil, billing.ErrState
			}
			return &deskPreview{Facts: o.Document.Open, Lines: []deskLine{{o.r.say("desk.line.open", "Number", o.Document.Name()), chf(o.Document.Open), chf(0)},
				{Label: o.r.word("place", "CHF loss"), Is: chf(o.Document.Open)}}}, nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.WriteOff(o.r.Context(), o.correction(), o.Document.ID)
			return err
		},
	},
	{scope: ofDocument, name: "void", danger: true, inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Document.Kind != billing.Invoice || o.Document.Status != billing.InvoiceOpen || o.Document.Open != o.Document.Total {
				return nil, billing.ErrState
			}
			return &deskPreview{Facts: o.Document.Open, Lines: []deskLine{{o.r.say("desk.column.state"), o.r.word("invoices", "open"), o.r.word("invoices", "void")},
				{o.r.say("desk.line.open", "Number", o.Document.Name()), chf(o.Document.Open), chf(0)}}}, nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.Void(o.r.Context(), o.correction(), o.Document.ID)
			return err
		},
	},
	{scope: ofDocument, name: "resend", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			to, err := o.recipients()
			if err != nil {
				return nil, err
			}
			return &deskPreview{Facts: to, Lines: []deskLine{{Label: o.r.say("desk.column.recipient"), Is: strings.Join(to, ", ")}, {Label: o.r.say("desk.column.document"), Is: o.Document.Name()}}}, nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.Resend(o.r.Context(), o.correction(), o.Document.ID)
			return err
		},
	},
	{scope: ofDocument, name: "charge", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.s.Books.Card == nil {
				return nil, errNoCard
			}
			if o.Document.Kind != billing.Invoice || o.Document.Status != billing.InvoiceOpen || o.Document.Open == 0 {
				return nil, billing.ErrState
			}
			var label string
			err := o.s.Operator.GetContext(o.r.Context(), &label, `SELECT label FROM payment_methods WHERE account_id = $1 AND standard AND removed_at IS NULL`, o.Clinic.ID)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, &wrongInput{"reason", "desk.trouble.method"}
			}
			if err != nil {
				return nil, fmt.Errorf("read the payment method: %w", err)
			}
			return &deskPreview{Facts: []any{o.Document.Open, label}, Lines: []deskLine{{Label: o.r.say("desk.column.method"), Is: label}, {Label: o.r.say("desk.column.amount"), Is: chf(o.Document.Open)}}}, nil
		},
		do: func(o *deskOrder) error {
			return o.s.Books.Card.ChargeInvoice(o.r.Context(), payments.Target{Account: o.Clinic.ID, Invoice: o.Document.ID})
		},
	},
	{scope: ofOrder, name: "sign", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Order.Method != payments.Bank || o.Order.Status != payments.Offered && o.Order.Status != payments.Expired {
				return nil, payments.ErrState
			}
			return &deskPreview{Facts: []any{o.Order.SMS, o.Order.Net, o.Order.Status}, Lines: []deskLine{{o.r.say("desk.column.state"), o.r.word("orders", string(o.Order.Status)), o.r.word("orders", "signed")},
				{Label: o.r.say("desk.column.given"), Is: o.r.say("desk.line.sms", "Count", o.Order.SMS)}, {Label: o.r.say("desk.column.invoiced"), Is: chf(o.Order.Total)}}}, nil
		},
		do: func(o *deskOrder) error { return o.s.Books.Desk.Sign(o.r.Context(), o.Order.Ref()) },
	},
	{scope: ofOrder, name: "hand-over", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.Order.Status != payments.Paid {
				return nil, payments.ErrState
			}
			return &deskPreview{Facts: []any{o.Order.SMS, o.Order.Status}, Lines: []deskLine{{Label: o.r.say("desk.column.given"), Is: o.r.say("desk.line.sms", "Count", o.Order.SMS)}}}, nil
		},
		do: func(o *deskOrder) error { return o.s.Books.Desk.Retry(o.r.Context(), o.Order.Ref()) },
	},
	{scope: ofJob, name: "retry", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			return &deskPreview{Facts: o.ids.Job, Lines: []deskLine{{Label: o.r.say("desk.column.job"), Is: o.title}}}, nil
		},
		do: func(o *deskOrder) error { return o.s.Books.Billing.Retry(o.r.Context(), o.Clinic.ID, o.ids.Job) },
	},
	{scope: ofEvent, name: "retry-event", inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			if o.s.Books.Card == nil {
				return nil, errNoCard
			}
			return &deskPreview{Facts: o.ids.Item, Lines: []deskLine{{Label: o.r.say("desk.column.event"), Is: o.ids.Item}}}, nil
		},
		do: func(o *deskOrder) error { return o.s.Books.Card.Retry(o.r.Context(), o.ids.Item) },
	},
	{scope: ofEntry, name: "assign",
		inputs: func(o *deskOrder) []deskInput {
			return []deskInput{{name: "account", kind: inCount}, {name: "document", kind: inText, optional: true}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			t, c, err := o.target()
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
			t, _, err := o.target()
			if err != nil {
				return err
			}
			return o.s.Books.Bank.Assign(o.r.Context(), bank.Decision{Entry: o.Entry.ID, By: o.actor(), Reason: o.reason}, t)
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

// ref names the document of ids.
func (ids deskIDs) ref() billing.DocumentRef {
	return billing.DocumentRef{Account: ids.Account, Document: ids.Document}
}

// netOfLines are the amounts to credit, by line; none = all of the invoice.
func (o *deskOrder) netOfLines() (map[int64]int64, error) {
	if o.values["extent"] == "all" {
		return nil, nil
	}
	net := map[int64]int64{}
	for name := range o.values {
		var id int64
		if _, err := fmt.Sscanf(name, "line_%d", &id); err != nil {
			continue // another value of the form
		}
		if n := o.chf(name); n > 0 {
			net[id] = n
		}
	}
	if len(net) == 0 {
		return nil, &wrongInput{"extent", "desk.wrong.no_line"}
	}
	return net, nil
}

// intent is the latest payment of the payment service that covers the amount, less what
// of it was sent back already.
func (o *deskOrder) intent() (intent string, on billing.Date, err error) {
	var row struct {
		Intent string       `db:"provider_ref"`
		On     billing.Date `db:"paid_on"`
	}
	// An order that has begun finds the payment it began with.
	err = o.s.Operator.GetContext(o.r.Context(), &row, `SELECT p.provider_ref, p.paid_on FROM payments p WHERE p.account_id = $1 AND p.kind = 'payment' AND p.provider = 'stripe'
		AND NOT EXISTS (SELECT 1 FROM payments v WHERE v.account_id = p.account_id AND v.reverses_id = p.id)
		AND p.amount - COALESCE((SELECT sum(f.amount) FROM payments f WHERE f.account_id = p.account_id AND f.kind = 'refund' AND f.provider = 'stripe'
			AND starts_with(f.provider_ref, p.provider_ref || '/refund/') AND f.provider_ref <> p.provider_ref || '/refund/' || $3), 0) >= $2
		ORDER BY EXISTS (SELECT 1 FROM payments g WHERE g.account_id = p.account_id AND g.provider_ref = p.provider_ref || '/refund/' || $3) DESC, p.at DESC LIMIT 1`,
		o.Clinic.ID, o.chf("amount"), o.key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, errNoIntent
	}
	if err != nil {
		return "", 0, fmt.Errorf("look for a payment to refund: %w", err)
	}
	return row.Intent, row.On, nil
}

func previewRefund(o *deskOrder) (*deskPreview, error) {
	amount := o.chf("amount")
	if err := o.most("amount", amount, mostCHF); err != nil {
		return nil, err
	}
	credit, err := billing.CreditTx(o.r.Context(), o.s.Operator, o.Clinic.ID)
	if err != nil {
		return nil, err
	}
	if amount > credit {
		return nil, &wrongInput{"amount", "desk.wrong.credit"}
	}
	p := &deskPreview{Lines: []deskLine{{o.r.say("desk.column.credit"), chf(credit), chf(credit - amount)}}}
	if o.values["way"] == "bank" {
		p.Facts = []any{"bank", amount, credit}
		p.Lines = append(p.Lines, deskLine{Label: o.r.say("desk.input.way"), Is: o.r.say("desk.line.transfer")})
		return p, nil
	}
	if o.s.Books.Card == nil {
		return nil, errNoCard
	}
	intent, on, err := o.intent()
	if err != nil {
		return nil, err
	}
	p.Facts = []any{intent, amount, credit}
	p.Lines = append(p.Lines, deskLine{Label: o.r.say("desk.input.way"), Is: o.r.say("desk.line.original", "Day", civil(on))})
	return p, nil
}

// recipients are who a document's letter goes to, as package billing finds them.
func (o *deskOrder) recipients() (to []string, err error) {
	if err := o.s.Operator.SelectContext(o.r.Context(), &to, `SELECT b.email FROM billing_accounts b WHERE b.account_id = $1 AND b.email <> ''
		UNION ALL SELECT u.email FROM users u WHERE u.account_id = $1 AND u.role IN ('owner', 'billing')
		AND NOT EXISTS (SELECT 1 FROM billing_accounts b WHERE b.account_id = $1 AND b.email <> '')`, o.Clinic.ID); err != nil {
		return nil, fmt.Errorf("read who sees to money: %w", err)
	}
	if len(to) == 0 {
		return nil, &wrongInput{"reason", "desk.trouble.nobody"}
	}
	return to, nil
}

// target is whose payment an entry shall be: of a clinic, and there of an invoice or an
// order by its number or reference.
func (o *deskOrder) target() (t payments.Target, c deskClinic, err error) {
	if c, err = o.s.clinicOf(o.r, o.count("account")); errors.Is(err, sql.ErrNoRows) || err == nil && (c.Parent != nil || c.Billing != "metered") {
		return t, c, &wrongInput{"account", "desk.wrong.account"}
	} else if err != nil {
		return t, c, err
	}
	t.Account = c.ID
	name := strings.ToUpper(strings.TrimSpace(o.values["document"]))
	if name == "" {
		return t, c, nil
	}
	err = o.s.Operator.GetContext(o.r.Context(), &t, `SELECT x.account, x.invoice, x."order" FROM (
		SELECT i.account_id AS account, i.id AS invoice, CAST(0 AS bigint) AS "order" FROM invoices i
		WHERE i.account_id = $1 AND i.kind = 'invoice' AND i.status <> 'draft' AND (`+numberOfDoc+` = $2 OR i.qr_reference = $3)
		UNION ALL SELECT o.account_id, COALESCE(o.invoice_id, 0), o.id FROM orders o WHERE o.account_id = $1 AND ('B-' || o.id = $2 OR o.qr_reference = $3)) x LIMIT 1`,
		c.ID, name, qrbill.NormalReference(name))
	if errors.Is(err, sql.ErrNoRows) {
		return t, c, &wrongInput{"document", "desk.wrong.document"}
	}
	if err != nil {
		return t, c, fmt.Errorf("look for the document: %w", err)
	}
	return t, c, nil
}
