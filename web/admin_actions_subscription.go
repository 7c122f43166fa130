package web

import (
	"strconv"

	"rappel/calendars/billing"
)

// Orders about a clinic's subscription. What they do is what package billing reckons.

// whens are the choices of when a change takes effect.
var whens = []string{"as_ruled", "now", "at_end"}

func (o *deskOrder) when() billing.When {
	if w := o.values["when"]; w != "as_ruled" {
		return billing.When(w)
	}
	return billing.AsRuled
}

// changing is an action that asks package billing for a change.
func changing(name string, danger bool, inputs func(o *deskOrder) []deskInput, change func(o *deskOrder) billing.Change) deskAction {
	return deskAction{scope: ofClinic, name: name, danger: danger, inputs: inputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			before, err := billing.StatusOf(o.r.Context(), o.s.Operator, o.Clinic.ID)
			if err != nil {
				return nil, err
			}
			q, err := o.s.Books.Billing.Preview(o.r.Context(), o.Clinic.ID, change(o))
			if err != nil {
				return nil, err
			}
			return o.quoted(before, q), nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.Do(o.r.Context(), billing.Command{Account: o.Clinic.ID, Key: "admin/" + o.key, Actor: o.actor(), Reason: o.reason,
				Change: change(o), Version: o.preview.version})
			return err
		},
	}
}

// quoted shows a quote beside what is.
func (o *deskOrder) quoted(before billing.Subscription, q billing.Quote) *deskPreview {
	r, after := o.r, q.After
	p := &deskPreview{Facts: q, version: after.Version}
	line := func(name, was, is string) {
		if was != is {
			p.Lines = append(p.Lines, deskLine{r.say("desk.column." + name), was, is})
		}
	}
	p.Lines = append(p.Lines, deskLine{Label: r.say("desk.column.effective"), Is: civil(q.Effective)})
	line("state", r.word("subscriptions", string(before.Status)), r.word("subscriptions", string(after.Status)))
	line("quantity", strconv.FormatInt(before.Quantity, 10), strconv.FormatInt(after.Quantity, 10))
	line("interval", r.word("interval", string(before.Interval)), r.word("interval", string(after.Interval)))
	line("pending_quantity", countOrNone(before.PendingQuantity), countOrNone(after.PendingQuantity))
	line("pending_interval", r.word("interval", string(before.PendingInterval)), r.word("interval", string(after.PendingInterval)))
	line("ends", civil(before.CancelOn), civil(after.CancelOn))
	line("trial_end", civil(before.TrialEnd), civil(after.TrialEnd))
	line("anchor", civil(before.Anchor), civil(after.Anchor))
	line("next_on", civil(before.NextOn), civil(after.NextOn))
	if m := q.Movement; m != nil {
		p.Lines = append(p.Lines, deskLine{r.say("desk.column.mrr"), chf(m.Before), chf(m.After)})
	}
	for _, d := range q.Credits {
		p.Documents = append(p.Documents, o.draft(d))
	}
	if q.Invoice != nil {
		p.Documents = append(p.Documents, o.draft(q.Invoice))
		p.Lines = append(p.Lines, deskLine{Label: r.say("desk.column.from_credit"), Is: chf(q.FromCredit)}, deskLine{Label: r.say("desk.column.due"), Is: chf(q.Due)})
	}
	p.Lines = append(p.Lines, deskLine{Label: r.say("desk.column.credit_after"), Is: chf(q.CreditAfter)})
	return p
}

func countOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// draft shows a document that would be made, in the reader's language.
func (o *deskOrder) draft(d *billing.Draft) deskDraft {
	r := o.r
	out := deskDraft{Title: r.word("kind", string(d.Kind)), Net: chf(d.Net), Total: chf(d.Total)}
	for _, l := range d.Lines {
		text := l.Text
		if text == "" {
			text = r.say("desk.line."+string(l.Kind), "Count", l.Quantity)
		}
		out.Lines = append(out.Lines, deskLine{Label: text, Was: civil(l.Service.From) + "–" + civil(l.Service.To-1), Is: chf(l.Net)})
	}
	for _, t := range d.Taxes {
		out.Taxes = append(out.Taxes, deskLine{Label: percent(t.Rate.Rate), Is: chf(t.Tax)})
	}
	return out
}

func noInputs(*deskOrder) []deskInput { return nil }

// kindOf is a change without values.
func kindOf(kind billing.ChangeKind) func(*deskOrder) billing.Change {
	return func(*deskOrder) billing.Change { return billing.Change{Kind: kind} }
}

// subscription is the subscription as the form begins with it.
func (o *deskOrder) subscription() billing.Subscription {
	sub, err := billing.StatusOf(o.r.Context(), o.s.Operator, o.Clinic.ID)
	if err != nil {
		return billing.Subscription{} // the form is empty then; the preview tells what is wrong
	}
	return sub
}

var subscriptionActions = []deskAction{
	changing("quantity", false,
		func(o *deskOrder) []deskInput {
			return []deskInput{{name: "quantity", kind: inCount, initial: countOrNone(o.subscription().Quantity)}, {name: "when", kind: inChoice, choices: whens, initial: "as_ruled"}}
		},
		func(o *deskOrder) billing.Change {
			return billing.Change{Kind: billing.SetQuantity, Quantity: o.count("quantity"), When: o.when()}
		}),
	changing("interval", false,
		func(o *deskOrder) []deskInput {
			other := "yearly"
			if o.subscription().Interval == billing.Yearly {
				other = "monthly"
			}
			return []deskInput{{name: "interval", kind: inChoice, choices: []string{"monthly", "yearly"}, initial: other}, {name: "when", kind: inChoice, choices: whens, initial: "as_ruled"}}
		},
		func(o *deskOrder) billing.Change {
			return billing.Change{Kind: billing.SetInterval, Interval: billing.Interval(o.values["interval"]), When: o.when()}
		}),
	changing("cancel", true,
		func(*deskOrder) []deskInput {
			return []deskInput{{name: "when", kind: inChoice, choices: []string{"at_end", "now"}, initial: "at_end"}}
		},
		func(o *deskOrder) billing.Change { return billing.Change{Kind: billing.Cancel, When: o.when()} }),
	changing("undo-cancel", false, noInputs, kindOf(billing.UndoCancel)),
	changing("undo-pending", false, noInputs, kindOf(billing.UndoPending)),
	changing("extend-trial", false,
		func(o *deskOrder) []deskInput {
			initial := ""
			if end := o.subscription().TrialEnd; end != 0 {
				initial = (end + 14).String()
			}
			return []deskInput{{name: "until", kind: inDay, initial: initial}}
		},
		func(o *deskOrder) billing.Change {
			return billing.Change{Kind: billing.ExtendTrial, Until: o.day("until")}
		}),
	changing("activate", false, noInputs, kindOf(billing.Activate)),
	changing("suspend", true, noInputs, kindOf(billing.Suspend)),
	changing("resume", false, noInputs, kindOf(billing.Resume)),
	{scope: ofClinic, name: "pause",
		inputs: func(*deskOrder) []deskInput {
			return []deskInput{{name: "pause_until", kind: inDay, optional: true}}
		},
		preview: func(o *deskOrder) (*deskPreview, error) {
			sub := o.subscription()
			if !sub.Status.Live() {
				return nil, billing.ErrNone
			}
			until := o.day("pause_until")
			if until != 0 && until <= o.r.today() {
				return nil, &wrongInput{"pause_until", "desk.wrong.past"}
			}
			return &deskPreview{Facts: []any{sub.Version, until, sub.DunningAfter}, Lines: []deskLine{{o.r.say("desk.column.paused"), civil(sub.DunningAfter), civil(until)}}}, nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Billing.PauseDunning(o.r.Context(), o.correction(), o.day("pause_until"))
			return err
		},
	},
}
