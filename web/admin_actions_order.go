package web

import (
	"strconv"

	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

// Orders about what a clinic ordered, and about work that failed.

var orderActions = []deskAction{
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
	{scope: ofOrder, name: "take-back", danger: true, inputs: noInputs,
		preview: func(o *deskOrder) (*deskPreview, error) {
			back, err := o.s.moneyBack(o.r.Context(), o.Order.Account, o.Order.Invoice)
			if err != nil {
				return nil, err
			}
			if !back {
				return nil, errNotBack
			}
			left, err := credits.LeftTx(o.r.Context(), o.s.Operator, o.Order.Account, o.Order.Ref().Booked())
			if err != nil {
				return nil, err
			}
			if left.Unused == 0 {
				return nil, errAllUsed
			}
			b, err := credits.BalanceTx(o.r.Context(), o.s.Operator, o.Order.Account)
			if err != nil {
				return nil, err
			}
			return &deskPreview{Facts: []any{left.Granted, left.Unused}, Lines: []deskLine{
				{Label: o.r.say("desk.column.taken_back"), Is: o.r.say("desk.line.unused", "Unused", o.r.number(left.Unused), "Granted", o.r.number(left.Granted))},
				{o.r.say("desk.column.sms"), strconv.FormatInt(b.Available, 10), strconv.FormatInt(b.Available-left.Unused, 10)}}}, nil
		},
		do: func(o *deskOrder) error {
			_, err := o.s.Books.Credits.TakeBack(o.r.Context(), credits.TakeBack{Account: o.Order.Account, Key: o.Order.Ref().Booked(), Note: o.reason})
			return err
		},
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
}
