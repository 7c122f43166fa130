package web

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
)

// Orders about an invoice or a credit note.

var documentActions = []deskAction{
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
			return []deskInput{{name: "amount", kind: inCHF, initial: billing.CHF(o.Document.Open + o.Lost)}, {name: "paid_on", kind: inDay, initial: o.r.today().String()}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			switch {
			case o.Document.Kind != billing.Invoice || o.Document.Status != billing.InvoiceOpen && o.Lost == 0:
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
			if o.Document.Open < billing.SmallestDebt {
				return nil, ErrTooSmall
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
