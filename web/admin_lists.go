package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"rappel/calendars/billing"
)

// Pieces of the lists' SQL.
const (
	linkClinic   = `'/admin/billing/clinics/' || a.account_id`
	linkInvoice  = `'/admin/billing/clinics/' || i.account_id || '/invoices/' || i.id`
	numberOfDoc  = `i.series || '-' || i.year || '-' || lpad(CAST(i.number AS text), 6, '0')`
	openOfDoc    = `COALESCE((SELECT b.balance FROM ledger_balances b WHERE b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id), 0)`
	owedBy       = `CAST(COALESCE((SELECT sum(b.balance) FROM ledger_balances b WHERE b.account_id = a.account_id AND b.unit = 'CHF' AND b.name = 'receivable'), 0) AS bigint)`
	creditOf     = `CAST(COALESCE((SELECT -sum(b.balance) FROM ledger_balances b WHERE b.account_id = a.account_id AND b.unit = 'CHF' AND b.name = 'customer_credit'), 0) AS bigint)`
	smsOf        = `CAST(COALESCE((SELECT sum(b.balance) FROM ledger_balances b WHERE b.account_id = a.account_id AND b.unit = 'SMS' AND b.name IN ('available', 'held')), 0) AS bigint)`
	connectedOf  = `CAST(COALESCE((SELECT sum(k.connected) FROM connected_calendars k JOIN accounts x ON x.account_id = k.account_id WHERE x.account_id = a.account_id OR x.parent_id = a.account_id), 0) AS bigint)`
	isOverdue    = `i.kind = 'invoice' AND i.status = 'open' AND i.due_on < $5`
	daysLate     = `($5 - i.due_on)`
	clinicColumn = `a.business`
	// The movement that left a clinic without revenue: it had some as the days asked for
	// began, and has none as they end.
	isGone = `m.kind = 'churn' AND m.after_rappen = 0 AND NOT EXISTS (SELECT 1 FROM mrr_movements x WHERE x.account_id = m.account_id AND (x.moved_on, x.id) > (m.moved_on, m.id) AND ($4 IS NULL OR x.moved_on <= $4))
		AND ($3 IS NULL OR 0 < (SELECT sum(x.after_rappen - x.before_rappen) FROM mrr_movements x WHERE x.account_id = m.account_id AND x.moved_on < $3))`
)

// deskLists are the billing admin's lists, in the order of their navigation.
var deskLists = []deskList{
	{
		name: "clinics",
		columns: []deskColumn{
			{"clinic", clinicColumn, asText, "", linkClinic}, {"account", `a.account_id`, asCount, "", ""}, {"town", `COALESCE(b.town, '')`, asText, "", ""},
			{"billing", `a.billing`, asWord, "billing", ""}, {"state", `COALESCE(s.status, 'none')`, asWord, "subscriptions", ""},
			{"owed", owedBy, asMoney, "", `'/admin/billing/invoices?state=open&account=' || a.account_id`}, {"credit", creditOf, asMoney, "", `'/admin/billing/ledger?state=CHF&account=' || a.account_id`},
			{"sms", smsOf, asCount, "", `'/admin/billing/ledger?state=unused&account=' || a.account_id`}, {"since", `a.created_at`, asTime, "", ""},
		},
		from: `accounts a LEFT JOIN billing_accounts b ON b.account_id = a.account_id
			LEFT JOIN subscriptions s ON s.account_id = a.account_id AND s.status NOT IN ('canceled', 'expired') WHERE a.parent_id IS NULL`,
		states: []deskState{{"metered", `a.billing = 'metered'`}, {"free", `a.billing = 'free'`}, {"no_subscription", `a.billing = 'metered' AND s.status IS NULL`}, {"with_sms", smsOf + ` > 0`}},
		search: `a.business || ' ' || a.account_id || ' ' || COALESCE(b.name || ' ' || b.town || ' ' || b.vat_uid, '')`, account: `a.account_id`, order: `lower(a.business), a.account_id`,
	},
	{
		name: "subscriptions",
		columns: []deskColumn{
			{"clinic", clinicColumn, asText, "", linkClinic}, {"state", `s.status`, asWord, "subscriptions", ""}, {"interval", `s.billing_interval`, asWord, "interval", ""},
			{"quantity", `s.quantity`, asCount, "", ""}, {"connected", connectedOf, asCount, "", ""}, {"next_on", `CASE WHEN s.ended_on IS NULL THEN s.next_on END`, asDay, "", ""},
			{"next_net", `CAST(NULL AS bigint)`, asMoney, "", ""}, {"ends", `COALESCE(s.ended_on, s.cancel_on)`, asDay, "", ""}, {"owed", owedBy, asMoney, "", `'/admin/billing/invoices?state=open&account=' || a.account_id`},
			{"started", `s.started_on`, asDay, "", ""},
			// What the next bill is reckoned from; they are not shown.
			{"hidden", `s.plan_code || '|' || COALESCE(NULLIF(s.pending_interval, ''), s.billing_interval) || '|' || COALESCE(NULLIF(s.pending_quantity, 0), s.quantity) || '|'
				|| CASE WHEN s.status IN ('canceled', 'expired', 'incomplete') OR s.cancel_on <= s.next_on THEN '' ELSE CAST(s.next_on AS text) END`, asHidden, "", ""},
		},
		from: `subscriptions s JOIN accounts a ON a.account_id = s.account_id WHERE true`,
		states: []deskState{{"live", `s.status IN ('active', 'past_due', 'suspended')`}, {"active", `s.status = 'active'`}, {"trialing", `s.status = 'trialing'`}, {"past_due", `s.status = 'past_due'`}, {"suspended", `s.status = 'suspended'`},
			{"incomplete", `s.status = 'incomplete'`}, {"ending", `s.status NOT IN ('canceled', 'expired') AND s.cancel_on IS NOT NULL`}, {"canceled", `s.status = 'canceled'`}, {"expired", `s.status = 'expired'`}},
		search: `a.business || ' ' || a.account_id`, account: `a.account_id`, day: `s.next_on`, order: `s.next_on, s.account_id, s.id`, fill: fillSubscriptions,
	},
	{
		name: "pastdue",
		columns: []deskColumn{
			{"clinic", clinicColumn, asText, "", linkClinic}, {"document", numberOfDoc, asText, "", linkInvoice}, {"due_on", `i.due_on`, asDay, "", ""}, {"days_late", daysLate, asCount, "", ""},
			{"open", openOfDoc, asMoney, "", ""}, {"level", `CASE COALESCE(d.level, 0) WHEN 0 THEN 'none' WHEN 1 THEN 'first' WHEN 2 THEN 'second' ELSE 'warning' END`, asWord, "level", ""},
			{"reminded", `d.taken_on`, asDay, "", ""}, {"paused", `s.dunning_after`, asDay, "", `'/admin/billing/clinics/' || a.account_id || '/pause'`},
			{"subscription", `COALESCE(s.status, 'none')`, asWord, "subscriptions", ""},
		},
		from: `invoices i JOIN accounts a ON a.account_id = i.account_id LEFT JOIN subscriptions s ON s.account_id = i.account_id AND s.status NOT IN ('canceled', 'expired')
			LEFT JOIN (SELECT account_id, invoice_id, round, max(level) AS level, max(taken_on) AS taken_on FROM dunning_steps GROUP BY 1, 2, 3) d
				ON d.account_id = i.account_id AND d.invoice_id = i.id AND d.round = i.reopened
			WHERE ` + isOverdue,
		states: []deskState{{"late_30", daysLate + ` BETWEEN 1 AND 30`}, {"late_60", daysLate + ` BETWEEN 31 AND 60`}, {"late_90", daysLate + ` BETWEEN 61 AND 90`}, {"late_more", daysLate + ` > 90`}, {"paused", `s.dunning_after > $5`}},
		search: `a.business || ' ' || ` + numberOfDoc, account: `a.account_id`, day: `i.due_on`, order: `i.due_on, i.account_id, i.id`,
	},
	{
		name: "invoices",
		columns: []deskColumn{
			{"document", numberOfDoc, asText, "", linkInvoice}, {"kind", `i.kind`, asWord, "kind", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"issued_on", `i.issued_on`, asDay, "", ""}, {"due_on", `i.due_on`, asDay, "", ""},
			{"net", `i.net`, asMoney, "", ""}, {"tax", `i.tax`, asMoney, "", ""}, {"total", `i.total`, asMoney, "", linkInvoice + ` || '/pdf'`}, {"open", openOfDoc, asMoney, "", ""},
			{"state", `CASE WHEN ` + isOverdue + ` THEN 'overdue' ELSE i.status END`, asWord, "invoices", ""}, {"reference", `i.qr_reference`, asText, "", ""},
		},
		from: `invoices i JOIN accounts a ON a.account_id = i.account_id WHERE i.status <> 'draft'`,
		states: []deskState{{"open", `i.kind = 'invoice' AND i.status = 'open'`}, {"not_due", `i.kind = 'invoice' AND i.status = 'open' AND i.due_on >= $5`}, {"overdue", isOverdue}, {"paid", `i.kind = 'invoice' AND i.status = 'paid'`},
			{"credit_note", `i.kind = 'credit_note'`}, {"uncollectible", `i.status = 'uncollectible'`}, {"void", `i.status = 'void'`}},
		search: numberOfDoc + ` || ' ' || a.business || ' ' || i.qr_reference`, account: `i.account_id`, day: `CAST(i.finalized_at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `i.finalized_at DESC, i.account_id, i.id DESC`,
	},
	{
		name: "orders",
		columns: []deskColumn{
			{"order", `'B-' || o.id`, asText, "", `'/admin/billing/clinics/' || o.account_id || '/orders/' || o.id`}, {"clinic", clinicColumn, asText, "", linkClinic}, {"sms", `CAST(o.sms AS bigint)`, asCount, "", ""},
			{"total", `o.total`, asMoney, "", ""}, {"method", `o.method`, asWord, "method", ""}, {"state", `o.status`, asWord, "orders", ""},
			{"forms", `(SELECT count(*) FROM order_files f WHERE f.account_id = o.account_id AND f.order_id = o.id)`, asCount, "", ""},
			{"offered_on", `o.offered_on`, asDay, "", ""}, {"valid_to", `o.valid_to`, asDay, "", ""}, {"problem", `o.problem`, asText, "", ""},
		},
		from: `orders o JOIN accounts a ON a.account_id = o.account_id WHERE true`,
		states: []deskState{{"to_sign", `o.status = 'offered' AND o.method = 'bank'`}, {"to_check", `o.status = 'offered' AND EXISTS (SELECT 1 FROM order_files f WHERE f.account_id = o.account_id AND f.order_id = o.id)`},
			{"to_pay", `o.status = 'signed'`}, {"stuck", `o.status = 'paid'`}, {"fulfilled", `o.status = 'fulfilled'`}, {"expired", `o.status = 'expired'`}},
		search: `'B-' || o.id || ' ' || a.business || ' ' || o.qr_reference`, account: `o.account_id`, day: `o.offered_on`, order: `o.ordered_at DESC, o.account_id, o.id`,
	},
	{
		name: "payments",
		columns: []deskColumn{
			{"at", `p.at`, asTime, "", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"kind", `p.kind`, asWord, "payments", ""}, {"provider", `p.provider`, asWord, "provider", ""},
			{"amount", `CASE WHEN p.kind IN ('refund', 'reversal') THEN -p.amount ELSE p.amount END`, asMoney, "", ""},
			{"rest", `CASE WHEN p.kind IN ('payment', 'goodwill') THEN p.amount - CAST(COALESCE((SELECT sum(x.amount) FROM payment_allocations x WHERE x.account_id = p.account_id AND x.payment_id = p.id), 0) AS bigint) END`, asMoney, "", ""},
			{"paid_on", `p.paid_on`, asDay, "", ""}, {"provider_ref", `p.provider_ref`, asText, "", ""}, {"reason", `p.note`, asText, "", ""},
		},
		from: `payments p JOIN accounts a ON a.account_id = p.account_id WHERE true`,
		states: []deskState{{"payment", `p.kind = 'payment'`}, {"goodwill", `p.kind = 'goodwill'`}, {"refund", `p.kind = 'refund'`}, {"reversal", `p.kind = 'reversal'`},
			{"unused", `p.kind IN ('payment', 'goodwill') AND p.amount > COALESCE((SELECT sum(x.amount) FROM payment_allocations x WHERE x.account_id = p.account_id AND x.payment_id = p.id), 0)`}},
		search: `a.business || ' ' || p.provider_ref || ' ' || p.note`, account: `p.account_id`, day: `p.paid_on`, order: `p.at DESC, p.account_id, p.id DESC`,
	},
	{
		name: "entries",
		columns: []deskColumn{
			{"booked_on", `e.booked_on`, asDay, "", ""}, {"amount", `CASE WHEN e.incoming THEN e.rappen ELSE -e.rappen END`, asMoney, "", `'/admin/billing/entries/' || e.id`}, {"payer", `e.payer`, asText, "", ""}, {"reference", `e.reference`, asText, "", ""},
			{"note", `e.note`, asText, "", ""}, {"state", `e.state`, asWord, "entries", ""}, {"why", `e.why`, asWord, "why", ""}, {"clinic", `COALESCE(a.business, '')`, asText, "", `COALESCE(` + linkClinic + `, '')`},
			{"document", `COALESCE(` + numberOfDoc + `, CASE WHEN e.for_order IS NOT NULL THEN 'B-' || e.for_order END, '')`, asText, "", `COALESCE(` + linkInvoice + `, '')`},
		},
		from:   `bank_entries e LEFT JOIN accounts a ON a.account_id = e.for_account LEFT JOIN invoices i ON i.account_id = e.for_account AND i.id = e.for_invoice WHERE true`,
		states: []deskState{{"suspense", `e.state = 'suspense'`}, {"matched", `e.state = 'matched'`}, {"assigned", `e.state = 'assigned'`}, {"dismissed", `e.state = 'dismissed'`}, {"detailed", `e.state = 'detailed'`}},
		search: `e.payer || ' ' || e.reference || ' ' || e.note || ' ' || COALESCE(a.business, '')`, account: `e.for_account`, day: `e.booked_on`, item: `encode(e.file, 'hex') = $6`, order: `e.booked_on DESC, e.id DESC`,
	},
	{
		name: "ledger",
		columns: []deskColumn{
			{"at", `t.booked_at`, asTime, "", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"booking", `t.id`, asCount, "", ""}, {"what", `t.kind`, asWord, "booking", ""},
			{"place", `e.unit || ' ' || e.name`, asWord, "place", ""}, {"item", `NULLIF(e.item, 0)`, asCount, "", ""}, {"chf", `CASE WHEN e.unit = 'CHF' THEN e.amount END`, asMoney, "", ""},
			{"sms", `CASE WHEN e.unit = 'SMS' THEN e.amount END`, asCount, "", ""}, {"reason", `t.note`, asText, "", ""},
		},
		from: `ledger_tx t JOIN ledger_entries e ON e.account_id = t.account_id AND e.tx_id = t.id JOIN accounts a ON a.account_id = t.account_id WHERE true`,
		states: []deskState{{"CHF", `e.unit = 'CHF'`}, {"SMS", `e.unit = 'SMS'`}, {"unused", `e.unit = 'SMS' AND e.name IN ('available', 'held')`}, {"receivable", `e.unit = 'CHF' AND e.name = 'receivable'`}, {"revenue", `e.unit = 'CHF' AND e.name = 'revenue'`}, {"vat", `e.unit = 'CHF' AND e.name = 'vat'`},
			{"received", `e.unit = 'CHF' AND e.name = 'received'`}, {"customer_credit", `e.unit = 'CHF' AND e.name = 'customer_credit'`}, {"loss", `e.unit = 'CHF' AND e.name = 'loss'`},
			{"goodwill", `e.unit = 'CHF' AND e.name = 'goodwill'`}, {"rounding", `e.unit = 'CHF' AND e.name = 'rounding'`}},
		search: `a.business || ' ' || t.kind || ' ' || t.note`, account: `t.account_id`, day: `CAST(t.booked_at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `t.booked_at DESC, t.account_id, t.id DESC, e.line`,
	},
	{
		name: "sms",
		columns: []deskColumn{
			{"clinic", clinicColumn, asText, "", `'/admin/billing/clinics/' || COALESCE(a.parent_id, a.account_id)`}, {"account", `a.account_id`, asCount, "", ""}, {"above", `COALESCE(p.business, '')`, asText, "", ""},
			{"available", `b.available`, asCount, "", ""}, {"held", `b.held`, asCount, "", ""}, {"sms", `b.available + b.held`, asCount, "", `'/admin/billing/ledger?state=unused&account=' || a.account_id`},
		},
		from: `accounts a LEFT JOIN accounts p ON p.account_id = a.parent_id JOIN (SELECT account_id, CAST(COALESCE(sum(balance) FILTER (WHERE name = 'available'), 0) AS bigint) AS available,
			CAST(COALESCE(sum(balance) FILTER (WHERE name = 'held'), 0) AS bigint) AS held FROM ledger_balances WHERE unit = 'SMS' AND name IN ('available', 'held') AND balance > 0 GROUP BY 1) b ON b.account_id = a.account_id WHERE true`,
		search: `a.business || ' ' || a.account_id || ' ' || COALESCE(p.business, '')`, account: `a.account_id`, order: `b.available + b.held DESC, a.account_id`,
	},
	{
		name: "movements",
		columns: []deskColumn{
			{"moved_on", `m.moved_on`, asDay, "", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"movement", `m.kind`, asWord, "movements", ""},
			{"before", `m.before_rappen`, asMoney, "", ""}, {"after", `m.after_rappen`, asMoney, "", ""}, {"difference", `m.after_rappen - m.before_rappen`, asMoney, "", ""},
		},
		from: `mrr_movements m JOIN accounts a ON a.account_id = m.account_id WHERE true`,
		states: []deskState{{"new", `m.kind = 'new'`}, {"expansion", `m.kind = 'expansion'`}, {"contraction", `m.kind = 'contraction'`}, {"churn", `m.kind = 'churn'`}, {"reactivation", `m.kind = 'reactivation'`},
			{"lost", `m.kind IN ('churn', 'contraction')`}, {"gone", isGone}},
		search: `a.business || ' ' || a.account_id`, account: `m.account_id`, day: `m.moved_on`, order: `m.moved_on DESC, m.account_id, m.id DESC`,
	},
	{
		name: "jobs",
		columns: []deskColumn{
			{"created", `j.created_at`, asTime, "", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"job", `j.kind`, asWord, "job", `'/admin/billing/clinics/' || j.account_id || '/jobs/' || j.id`},
			{"document", `COALESCE(` + numberOfDoc + `, '')`, asText, "", `COALESCE(` + linkInvoice + `, '')`}, {"state", `CASE WHEN j.done_at IS NOT NULL THEN 'done' WHEN j.next_at IS NULL THEN 'failed' ELSE 'waiting' END`, asWord, "jobs", ""},
			{"attempts", `CAST(j.attempts AS bigint)`, asCount, "", ""}, {"next_try", `j.next_at`, asTime, "", ""}, {"problem", `j.problem`, asText, "", ""},
		},
		from:   `billing_jobs j JOIN accounts a ON a.account_id = j.account_id LEFT JOIN invoices i ON i.account_id = j.account_id AND i.id = j.invoice_id WHERE true`,
		states: []deskState{{"failed", `j.done_at IS NULL AND j.next_at IS NULL`}, {"waiting", `j.next_at IS NOT NULL`}, {"trouble", `j.done_at IS NULL AND j.problem <> ''`}, {"done", `j.done_at IS NOT NULL`}},
		search: `a.business || ' ' || j.problem`, account: `j.account_id`, day: `CAST(j.created_at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `j.created_at DESC, j.account_id, j.id DESC`,
	},
	{
		name: "webhooks",
		columns: []deskColumn{
			{"received", `h.received_at`, asTime, "", `'/admin/billing/webhook?item=' || h.webhook_id`}, {"provider", `h.provider`, asWord, "provider", ""}, {"event", `h.kind`, asText, "", ""}, {"object", `h.object_id`, asText, "", ""},
			{"state", webhookState, asWord, "webhooks", ""}, {"attempts", `CAST(h.attempts AS bigint)`, asCount, "", ""}, {"next_try", `h.due_at`, asTime, "", ""}, {"problem", `h.error`, asText, "", ""},
		},
		from:   `webhook_events h WHERE true`,
		states: []deskState{{"failed", `h.error <> '' AND h.processed_at IS NULL`}, {"waiting", `h.error = '' AND h.processed_at IS NULL`}, {"done", `h.processed_at IS NOT NULL`}},
		search: `h.kind || ' ' || h.object_id || ' ' || h.webhook_id || ' ' || h.error`, day: `CAST(h.received_at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `h.received_at DESC, h.webhook_id`,
	},
	{
		name: "actions",
		columns: []deskColumn{
			{"at", `n.asked_at`, asTime, "", `'/admin/billing/action?item=' || n.key`}, {"who", `n.operator`, asText, "", ""}, {"action", `n.action`, asWord, "action", ""},
			{"clinic", `COALESCE(a.business, '')`, asText, "", `COALESCE(` + linkClinic + `, '')`}, {"state", `n.status`, asWord, "actions", ""}, {"chf", `NULLIF(n.rappen, 0)`, asMoney, "", ""}, {"sms", `NULLIF(n.sms, 0)`, asCount, "", ""},
			{"reason", `n.reason`, asText, "", ""}, {"decider", `n.decider`, asText, "", ""}, {"decision", `n.decision`, asText, "", ""},
		},
		from:   `admin_actions n LEFT JOIN accounts a ON a.account_id = n.for_account WHERE true`,
		states: []deskState{{"open", `n.status IN ('waiting', 'begun')`}, {"waiting", `n.status = 'waiting'`}, {"begun", `n.status = 'begun'`}, {"done", `n.status = 'done'`}, {"refused", `n.status = 'refused'`}},
		search: `n.operator || ' ' || n.action || ' ' || n.reason || ' ' || COALESCE(a.business, '')`, account: `n.for_account`, day: `CAST(n.asked_at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `n.asked_at DESC, n.key`,
	},
	{
		name: "history",
		columns: []deskColumn{
			{"at", `h.at`, asTime, "", ""}, {"clinic", clinicColumn, asText, "", linkClinic}, {"who", `CASE WHEN h.actor LIKE 'operator:%' THEN 'operator' WHEN h.actor LIKE 'user:%' THEN 'user' ELSE 'system' END`, asWord, "history", ""},
			{"number", `CASE WHEN h.actor LIKE '%:%' THEN split_part(h.actor, ':', 2) ELSE '' END`, asText, "", ""}, {"action", `h.action`, asWord, "action", ""}, {"reason", `h.reason`, asText, "", ""},
		},
		from:   `billing_audit h JOIN accounts a ON a.account_id = h.account_id WHERE true`,
		states: []deskState{{"operator", `h.actor LIKE 'operator:%'`}, {"user", `h.actor LIKE 'user:%'`}, {"system", `h.actor = 'system'`}},
		search: `a.business || ' ' || h.action || ' ' || h.reason`, account: `h.account_id`, day: `CAST(h.at AT TIME ZONE 'Europe/Zurich' AS date)`, order: `h.at DESC, h.account_id, h.id DESC`,
	},
}

const webhookState = `CASE WHEN h.processed_at IS NOT NULL THEN 'done' WHEN h.error <> '' THEN 'failed' ELSE 'waiting' END`

// fillSubscriptions reckons the next bill, net: what the quantity costs on that day.
func fillSubscriptions(ctx context.Context, s *Server, rows [][]any) error {
	catalogue, err := billing.CatalogueOf(ctx, s.Operator)
	if err != nil {
		return err
	}
	for _, row := range rows {
		next, _ := row[10].(string) // it is a text
		parts := strings.Split(next, "|")
		if len(parts) != 4 || parts[3] == "" {
			continue // no next bill
		}
		quantity, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return fmt.Errorf("next bill: %w", err)
		}
		on, err := billing.ParseDate(parts[3])
		if err != nil {
			return fmt.Errorf("next bill: %w", err)
		}
		price, err := catalogue.PriceOn(parts[0], billing.Interval(parts[1]), on)
		if err != nil {
			return err
		}
		row[6] = price.Tiers.Total(quantity)
	}
	return nil
}
