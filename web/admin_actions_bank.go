package web

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

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
