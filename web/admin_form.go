package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"rappel/calendars/billing"
)

type deskActionData struct {
	Title, Subject string
	Back, Path     string
	Item           string
	Key, Digest    string
	Inputs         []deskInputView
	Reason         string
	Errors         map[string]string
	Trouble        string
	Preview        *deskPreview
	FourEyes       bool
	Danger         bool
	Name           string
}

type deskInputView struct {
	Name, Label, Hint, Value, Type, Mode string
	Choices                              []deskChoice
	Optional                             bool
	Error                                string
}

// form serves an action's empty form.
func (s *Server) deskForm(a *deskAction) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		o, err := s.newOrder(a, r)
		if err != nil {
			return err
		}
		for _, in := range a.inputs(o) {
			o.values[in.name] = in.initial
		}
		o.key = randomText()
		return o.show(w, http.StatusOK, nil, "")
	}
}

func (s *Server) newOrder(a *deskAction, r *request) (*deskOrder, error) {
	ids, err := r.deskIDs(a.scope)
	if err != nil {
		return nil, err
	}
	return s.orderOf(a, r, ids)
}

// orderOf is an order about what ids name, with nothing entered yet.
func (s *Server) orderOf(a *deskAction, r *request, ids deskIDs) (*deskOrder, error) {
	if s.Books == nil {
		return nil, errNoPage
	}
	subject, err := s.deskSubject(r, a, ids)
	if err != nil {
		return nil, err
	}
	return &deskOrder{deskSubject: subject, r: r, s: s, action: a, by: r.User.ID, values: map[string]string{}}, nil
}

// deskPost serves what a form is sent to: first for its preview, then to do it.
func (s *Server) deskPost(a *deskAction) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		o, err := s.newOrder(a, r)
		if err != nil {
			return err
		}
		o.key = r.PostFormValue("key")
		if len(o.key) < 20 || len(o.key) > 100 {
			return &problem{http.StatusBadRequest, "bad_form", nil}
		}
		if status, err := o.status(); err != nil || status != "" {
			if err == nil && status == "begun" {
				err = o.finish(w) // a crash came in between
			} else if err == nil {
				err = r.see(w, o.landing(status), "desk.again")
			}
			return err
		}
		wrong := o.readForm(r)
		if len(wrong) > 0 || r.PostFormValue("step") == "back" {
			status := http.StatusUnprocessableEntity
			if len(wrong) == 0 {
				status = http.StatusOK
			}
			return o.show(w, status, wrong, "")
		}
		if o.preview, err = a.preview(o); err != nil {
			return o.refused(w, err)
		}
		if r.PostFormValue("step") != "do" {
			return o.show(w, http.StatusOK, nil, "")
		}
		digest, err := o.preview.digest()
		if err != nil {
			return err
		}
		if digest != r.PostFormValue("digest") {
			return o.show(w, http.StatusConflict, nil, r.say("desk.changed"))
		}
		return o.order(w, digest)
	}
}

// refused shows the form with what a room has against it.
func (o *deskOrder) refused(w http.ResponseWriter, err error) error {
	var wrong *wrongInput
	if errors.As(err, &wrong) {
		return o.show(w, http.StatusUnprocessableEntity, map[string]string{wrong.input: o.r.say(wrong.key)}, "")
	}
	key := deskTrouble(err)
	if key == "" {
		return err
	}
	o.preview = nil
	return o.show(w, http.StatusUnprocessableEntity, nil, o.r.say(key))
}

// readForm reads and checks the values; the words beside each field that is wrong.
func (o *deskOrder) readForm(r *request) map[string]string {
	wrong := map[string]string{}
	for _, in := range o.action.inputs(o) {
		v := strings.TrimSpace(r.PostFormValue(in.name))
		o.values[in.name] = v
		if v == "" {
			if !in.optional {
				wrong[in.name] = r.say("desk.wrong.required")
			}
			continue
		}
		if key := in.fault(v); key != "" {
			wrong[in.name] = r.say(key)
		}
	}
	o.reason = strings.Join(strings.Fields(r.PostFormValue("reason")), " ")
	switch n := len([]rune(o.reason)); {
	case n == 0:
		wrong["reason"] = r.say("desk.wrong.reason")
	case n > 500:
		wrong["reason"] = r.say("desk.wrong.long")
	}
	return wrong
}

// fault is the key of what is wrong with a value, "" for nothing.
func (in deskInput) fault(v string) string {
	switch in.kind {
	case inCount:
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < 0 || n > 1_000_000_000 {
			return "desk.wrong.count"
		}
	case inCHF:
		if _, ok := readCHF(v); !ok {
			return "desk.wrong.chf"
		}
	case inDay:
		if d, err := billing.ParseDate(v); err != nil || d.Year() < 2000 || d.Year() > 9999 {
			return "field.date"
		}
	case inChoice:
		for _, c := range in.choices {
			if c == v {
				return ""
			}
		}
		return "field.unknown"
	default:
		most := in.most
		if most == 0 {
			most = 200
		}
		if len([]rune(v)) > most {
			return "desk.wrong.long"
		}
	}
	return ""
}

// show renders the form, or what it would do.
func (o *deskOrder) show(w http.ResponseWriter, status int, wrong map[string]string, trouble string) error {
	r := o.r
	d := deskActionData{Title: r.say("desk.action." + o.action.name), Subject: o.title, Back: o.back, Path: o.path, Item: o.ids.Item, Key: o.key, Reason: o.reason, Errors: wrong, Trouble: trouble,
		Preview: o.preview, Danger: o.action.danger, Name: o.action.name}
	if d.Errors == nil {
		d.Errors = map[string]string{}
	}
	for _, in := range o.action.inputs(o) {
		d.Inputs = append(d.Inputs, o.view(in, wrong[in.name]))
	}
	if o.preview != nil {
		var err error
		if d.Digest, err = o.preview.digest(); err != nil {
			return err
		}
		if d.FourEyes, err = o.fourEyes(r.Context()); err != nil {
			return err
		}
	}
	return r.s.render(w, r, status, "admin_action.html", "admin-billing", d)
}

func (o *deskOrder) view(in deskInput, wrong string) deskInputView {
	r := o.r
	v := deskInputView{Name: in.name, Label: in.label, Value: o.values[in.name], Optional: in.optional, Error: wrong, Type: "text"}
	if v.Label == "" {
		v.Label = r.say("desk.input." + in.name)
	}
	if key := "desk.input." + in.name + ".hint"; r.s.words.has(key) && in.label == "" {
		v.Hint = r.say(key)
	}
	switch in.kind {
	case inCount:
		v.Type, v.Mode = "text", "numeric"
	case inCHF:
		v.Mode = "decimal"
	case inDay:
		v.Type = "date"
	case inChoice:
		for _, c := range in.choices {
			v.Choices = append(v.Choices, deskChoice{Words: r.word("choice", c), Name: c, On: c == v.Value})
		}
	}
	return v
}
