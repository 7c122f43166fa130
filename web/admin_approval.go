package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// approval is an order as it is kept, for a second admin to look at.
type approval struct {
	Key      string     `db:"key"`
	By       int64      `db:"operator_id"`
	Name     string     `db:"operator"`
	Account  int64      `db:"for_account"`
	Action   string     `db:"action"`
	Request  []byte     `db:"request"`
	Digest   string     `db:"digest"`
	Reason   string     `db:"reason"`
	Status   string     `db:"status"`
	At       time.Time  `db:"asked_at"`
	Second   int64      `db:"second"` // who decided, 0 = nobody had to
	Decider  string     `db:"decider"`
	Decision string     `db:"decision"`
	Decided  *time.Time `db:"decided_at"`
}

type deskApprovalData struct {
	Title, Lead string
	Pill, Mood  string
	Item        string
	Facts       []deskLine
	Preview     *deskPreview
	Changed     bool // it would do something else than was shown
	Own         bool // who asks doesn't confirm
	Waiting     bool
	Begun       bool
	None        bool
	Error       string
	Decision    string
}

// approvalOf reads an order by its key; none is the zero value.
func (s *Server) approvalOf(r *request, key string) (a approval, o *deskOrder, err error) {
	var rows []approval
	if err := s.Operator.SelectContext(r.Context(), &rows, `SELECT key, operator_id, operator, for_account, action, request, digest, reason, status, asked_at, COALESCE(decided_by, 0) AS second, decider, decision, decided_at
		FROM admin_actions WHERE key = $1`, key); err != nil {
		return a, nil, fmt.Errorf("read an order: %w", err)
	}
	if len(rows) == 0 {
		return a, nil, nil
	}
	a = rows[0]
	var stored deskRequest
	if err := json.Unmarshal(a.Request, &stored); err != nil {
		return a, nil, fmt.Errorf("read an order: %w", err)
	}
	for _, action := range deskActions() {
		if action.name != a.Action {
			continue
		}
		if o, err = s.orderOf(action, r, stored.IDs); err != nil {
			return a, nil, err
		}
		o.key, o.reason, o.values, o.by, o.second = a.Key, a.Reason, stored.Values, a.By, a.Second
		return a, o, nil
	}
	return a, nil, errNoPage // of a later version
}

func (s *Server) deskApproval(w http.ResponseWriter, r *request) error {
	return s.showApproval(w, r, r.FormValue("item"), http.StatusOK, "")
}

func (s *Server) showApproval(w http.ResponseWriter, r *request, key string, status int, wrong string) error {
	a, o, err := s.approvalOf(r, key)
	if err != nil {
		return err
	}
	if o == nil {
		return r.page(w, "admin_approval.html", "admin-billing", deskApprovalData{Title: r.say("desk.list.actions"), None: true})
	}
	d := deskApprovalData{Title: r.say("desk.action." + a.Action), Lead: o.title, Pill: r.word("actions", a.Status), Mood: deskMoods[a.Status], Item: key, Own: a.By == r.User.ID, Waiting: a.Status == "waiting",
		Begun: a.Status == "begun", Error: wrong, Decision: r.PostFormValue("decision_reason")}
	d.Facts = []deskLine{{Label: r.say("desk.column.who"), Is: a.Name}, {Label: r.say("desk.column.at"), Is: a.At.In(r.Loc).Format("02.01.2006 15:04")}, {Label: r.say("desk.column.reason"), Is: a.Reason}}
	for _, in := range o.action.inputs(o) {
		if v := o.values[in.name]; v != "" {
			label := in.label
			if label == "" {
				label = r.say("desk.input." + in.name)
			}
			if in.kind == inChoice {
				v = r.word("choice", v)
			}
			d.Facts = append(d.Facts, deskLine{Label: label, Is: v})
		}
	}
	if a.Decider != "" || a.Decision != "" {
		d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column.decider"), Is: joined(": ", a.Decider, a.Decision)})
	}
	if d.Waiting {
		d.Preview, err = o.action.preview(o)
		if err != nil {
			var bad *wrongInput
			if !errors.As(err, &bad) && deskTrouble(err) == "" {
				return err
			}
			d.Preview, d.Changed = nil, true
		} else if digest, err := d.Preview.digest(); err != nil {
			return err
		} else {
			d.Changed = digest != a.Digest
		}
	}
	return s.render(w, r, status, "admin_approval.html", "admin-billing", d)
}

// deskDecide confirms or refuses what waits, or finishes what was begun.
func (s *Server) deskDecide(w http.ResponseWriter, r *request) error {
	key := r.PostFormValue("item")
	a, o, err := s.approvalOf(r, key)
	if err != nil {
		return err
	}
	if o == nil {
		return errNoPage
	}
	why := strings.Join(strings.Fields(r.PostFormValue("decision_reason")), " ")
	switch decision := r.PostFormValue("decision"); {
	case decision == "again" && a.Status == "begun":
		return o.finish(w)
	case a.Status != "waiting":
		return r.see(w, "/admin/billing/action?item="+key, "desk.again")
	case len([]rune(why)) > 500:
		return s.showApproval(w, r, key, http.StatusUnprocessableEntity, r.say("desk.wrong.long"))
	case decision == "refuse" && why == "":
		return s.showApproval(w, r, key, http.StatusUnprocessableEntity, r.say("desk.wrong.reason"))
	case decision == "refuse":
		if err := s.decide(r, key, "refused", why); err != nil {
			return err
		}
		return r.see(w, "/admin/billing/actions?state=waiting", "desk.refused")
	case decision != "confirm":
		return errNoPage
	case a.By == r.User.ID:
		return s.showApproval(w, r, key, http.StatusForbidden, r.say("desk.wrong.own"))
	}
	if o.preview, err = o.action.preview(o); err != nil {
		var bad *wrongInput
		if errors.As(err, &bad) || deskTrouble(err) != "" {
			return s.showApproval(w, r, key, http.StatusConflict, r.say("desk.changed_waiting"))
		}
		return err
	}
	digest, err := o.preview.digest()
	if err != nil {
		return err
	}
	if digest != a.Digest {
		return s.showApproval(w, r, key, http.StatusConflict, r.say("desk.changed_waiting"))
	}
	if err := s.decide(r, key, "begun", why); err != nil {
		return err
	}
	o.second = r.User.ID
	return o.finish(w)
}

// decide moves an order on that waits. Of two admins at once, one does.
func (s *Server) decide(r *request, key, status, why string) error {
	res, err := s.Operator.ExecContext(r.Context(), `UPDATE admin_actions SET status = $2, decided_by = $3, decider = $4, decision = $5, decided_at = $6 WHERE key = $1 AND status = 'waiting'`,
		key, status, r.User.ID, r.User.Called(), why, s.Now())
	if err != nil {
		return fmt.Errorf("decide about an order: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(&problem{http.StatusConflict, "bad_form", nil}, err)
	}
	return nil
}
