package web

import (
	"fmt"
	"net/http"
	"time"
)

func (s *Server) deskJob(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofJob)
	if err != nil {
		return err
	}
	sub, err := s.deskSubject(r, &deskAction{scope: ofJob}, ids)
	if err != nil {
		return err
	}
	var row struct {
		Kind     string     `db:"kind"`
		Created  time.Time  `db:"created_at"`
		Attempts int64      `db:"attempts"`
		Next     *time.Time `db:"next_at"`
		Done     *time.Time `db:"done_at"`
		Problem  string     `db:"problem"`
	}
	if err := s.Operator.GetContext(r.Context(), &row, `SELECT kind, created_at, attempts, next_at, done_at, problem FROM billing_jobs WHERE account_id = $1 AND id = $2`, ids.Account, ids.Job); err != nil {
		return fmt.Errorf("read a job: %w", err)
	}
	state := "waiting"
	switch {
	case row.Done != nil:
		state = "done"
	case row.Next == nil:
		state = "failed"
	}
	d := deskThingData{Title: r.word("job", row.Kind), Lead: sub.Clinic.Business, Pill: r.word("jobs", state), Mood: deskMoods[state], Crumb: sub.back, CrumbWords: r.say("desk.list.jobs"), FactsTitle: r.say("desk.column.job")}
	d.Facts = []deskLine{{Label: r.say("desk.column.created"), Is: row.Created.In(r.Loc).Format("02.01.2006 15:04")}, {Label: r.say("desk.column.attempts"), Is: r.number(row.Attempts)}, {Label: r.say("desk.column.problem"), Is: row.Problem}}
	if state != "done" {
		d.Buttons = []deskButton{r.button(fmt.Sprintf("%s/jobs/%d", sub.Clinic.page(), ids.Job), "retry")}
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}

func (s *Server) deskEvent(w http.ResponseWriter, r *request) error {
	item := r.FormValue("item")
	d := deskThingData{Title: r.say("desk.column.event"), Lead: item, Crumb: "/admin/billing/webhooks", CrumbWords: r.say("desk.list.webhooks"), FactsTitle: r.say("desk.column.event"), Note: r.say("desk.event.none")}
	var rows []struct {
		Kind     string    `db:"kind"`
		Object   string    `db:"object_id"`
		Received time.Time `db:"received_at"`
		Attempts int64     `db:"attempts"`
		Problem  string    `db:"error"`
		State    string    `db:"state"`
	}
	if err := s.Operator.SelectContext(r.Context(), &rows, `SELECT h.kind, h.object_id, h.received_at, h.attempts, h.error, `+webhookState+` AS state FROM webhook_events h WHERE h.webhook_id = $1`, item); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	for _, e := range rows {
		d.Note, d.Pill, d.Mood = "", r.word("webhooks", e.State), deskMoods[e.State]
		d.Facts = []deskLine{{Label: r.say("desk.column.event"), Is: e.Kind}, {Label: r.say("desk.column.object"), Is: e.Object}, {Label: r.say("desk.column.received"), Is: e.Received.In(r.Loc).Format("02.01.2006 15:04")},
			{Label: r.say("desk.column.attempts"), Is: r.number(e.Attempts)}, {Label: r.say("desk.column.problem"), Is: e.Problem}}
		if e.State != "done" {
			b := r.button("/admin/billing/webhook", "retry-event")
			b.Href += "?item=" + item
			d.Buttons = []deskButton{b}
		}
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}
