package web

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// deskTable is rows with heads, for the pages about one thing.
type deskTable struct {
	Title string
	Heads []deskCell
	Rows  [][]deskCell
	All   string // the list they are from
	Empty string
}

// deskButton leads to a form of an order.
type deskButton struct {
	Words, Href string
	Danger      bool
}

type deskThingData struct {
	Title, Lead string
	Pill, Mood  string
	Crumb       string
	CrumbWords  string
	Facts       []deskLine
	FactsTitle  string
	More        []deskCard
	Tables      []deskTable
	Buttons     []deskButton
	Downloads   []deskButton
	Note        string
}

// deskCard is further facts.
type deskCard struct {
	Title string
	Facts []deskLine
	Note  string
}

// button is the way to an order of action.
func (r *request) button(base string, name string) deskButton {
	b := deskButton{Words: r.say("desk.action." + name), Href: base + "/" + name}
	for _, a := range deskActions() {
		if a.name == name {
			b.Danger = a.danger
		}
	}
	return b
}

// part is the first rows of a list, for one clinic.
func (r *request) part(ctx context.Context, tx *sqlx.Tx, name string, account int64, columns ...string) (t deskTable, err error) {
	const shown = 8
	for i := range deskLists {
		l := &deskLists[i]
		if l.name != name {
			continue
		}
		f := deskFilter{Account: account}
		rows, links, total, err := l.read(ctx, tx, f, r.today(), shown)
		if err != nil {
			return t, err
		}
		t.Title, t.Empty = r.say("desk.list."+name), r.say("desk.none")
		if total > shown {
			t.All = l.href(f, "", nil)
		}
		var chosen []int
		for _, want := range columns {
			for j, c := range l.columns {
				if c.name == want {
					chosen = append(chosen, j)
					t.Heads = append(t.Heads, deskCell{Text: r.say("desk.column." + c.name), Right: c.kind == asMoney || c.kind == asCount})
				}
			}
		}
		for i, row := range rows {
			var cells []deskCell
			for _, j := range chosen {
				cell := r.cell(l.columns[j], row[j])
				cell.Href = links[i][j]
				cells = append(cells, cell)
			}
			t.Rows = append(t.Rows, cells)
		}
		return t, nil
	}
	return t, fmt.Errorf("there is no list %s", name)
}

// actionsFor are the orders that make sense as a subscription stands.
func actionsFor(sub billing.Subscription, metered bool) []string {
	if !metered {
		return []string{"credit-sms"}
	}
	var all []string
	if sub.Status.Live() {
		switch sub.Status {
		case billing.Incomplete:
			all = append(all, "activate")
		case billing.Suspended:
			all = append(all, "resume")
		default:
			all = append(all, "quantity", "interval", "suspend")
		}
		if sub.Status == billing.Trialing {
			all = append(all, "extend-trial")
		}
		if sub.CancelOn != 0 {
			all = append(all, "undo-cancel")
		} else {
			all = append(all, "cancel")
		}
		if sub.PendingQuantity != 0 || sub.PendingInterval != "" {
			all = append(all, "undo-pending")
		}
		all = append(all, "pause")
	}
	return append(all, "credit-chf", "credit-sms", "refund")
}

// heads are the heads of columns by name; cells are their values, name by name.
func (r *request) heads(names ...string) (all []deskCell) {
	for _, n := range names {
		all = append(all, deskCell{Text: r.say("desk.column." + n), Right: rightColumns[n]})
	}
	return all
}

func (r *request) cells(pairs ...string) (all []deskCell) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, deskCell{Label: r.say("desk.column." + pairs[i]), Text: pairs[i+1], Right: rightColumns[pairs[i]]})
	}
	return all
}

// rightColumns hold numbers.
var rightColumns = map[string]bool{"quantity": true, "available": true, "held": true, "net": true, "total": true, "amount": true, "open": true, "credited": true, "tax": true, "chf": true, "sms": true, "begin": true, "end": true, "count": true, "rounding": true, "difference": true,
	"bookings": true, "matched": true, "suspense": true}
