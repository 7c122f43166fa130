package web

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
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
	if n := min(o.Lost, amount); first == o.Document.ID && n > 0 { // that comes back first
		st.Open = append(st.Open, openNow{Invoice: first, Name: o.Document.Name(), Was: o.Lost, Is: o.Lost - n})
		amount -= n
	}
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
		AND p.amount - COALESCE((SELECT sum(v.amount) FROM payments v WHERE v.account_id = p.account_id AND v.reverses_id = p.id), 0) - COALESCE((SELECT sum(f.amount) FROM payments f WHERE f.account_id = p.account_id AND f.kind = 'refund' AND f.provider = 'stripe'
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
