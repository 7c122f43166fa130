package web

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
	"rappel/notify/credits"
	"rappel/web/accounts"
)

// What a billing admin orders goes one way, whatever it is:
//
//	form ──▶ preview ──confirmed──▶ begun ──▶ done
//	            ▲           │         ▲  └──▶ refused (something came in the way)
//	            │           └▶ waiting ┘ (a second admin confirms, or refuses)
//	            └── it would do something else by now: shown again
//
// The form has a random key. An order is one row of admin_actions by that key, and the
// rooms do what they are asked for once per key: so a form sent twice, or a crash in
// between, does it once. What was confirmed is compared with what it would do now, by a
// digest of the preview.

// inputKind says how a value is entered.
type inputKind int

const (
	inText inputKind = iota
	inCount
	inCHF
	inDay
	inChoice
)

// deskInput is a value an order needs.
type deskInput struct {
	name     string // of the form; worded desk.input.<name>, with a hint where there is desk.input.<name>.hint
	kind     inputKind
	choices  []string // worded desk.choice.<value>
	optional bool
	initial  string
	label    string // instead of the words of name
	most     int    // characters of a text; 0 = 200
}

// deskAction is something an admin can order.
type deskAction struct {
	scope  deskScope
	name   string // the end of its path, and worded desk.action.<name>
	danger bool
	inputs func(o *deskOrder) []deskInput
	// preview reckons what the order would do and changes nothing.
	preview func(o *deskOrder) (*deskPreview, error)
	// do does it, once by the order's key. An errHalfway is finished by doing it again.
	do func(o *deskOrder) error
	// gives is what the order gives away, for the limits; nil = nothing.
	gives func(o *deskOrder) (rappen, sms int64)
}

// errHalfway is an order that our books have and somebody outside has not yet.
var errHalfway = errors.New("web: done in the books, not yet outside")

// deskPreview is what an order would do. Facts are compared, the rest is shown.
type deskPreview struct {
	Facts     any
	Lines     []deskLine
	Documents []deskDraft
	version   int
}

type deskLine struct{ Label, Was, Is string }

// deskDraft is a document that would be made.
type deskDraft struct {
	Title string
	Lines []deskLine // Is = net
	Net   string
	Taxes []deskLine
	Total string
}

// deskOrder is a form as it was sent.
type deskOrder struct {
	deskSubject
	r       *request
	s       *Server
	action  *deskAction
	key     string
	reason  string
	by      int64 // who orders it
	values  map[string]string
	preview *deskPreview
}

// actor is how the rooms know who ordered.
func (o *deskOrder) actor() string { return fmt.Sprintf("operator:%d", o.by) }

func (o *deskOrder) correction() billing.Correction {
	return billing.Correction{Account: o.Clinic.ID, Key: "admin/" + o.key, Actor: o.actor(), Reason: o.reason}
}

// chf, count and day are values that were read; the form has been checked.
func (o *deskOrder) chf(name string) int64 {
	n, ok := readCHF(o.values[name])
	if !ok {
		return 0 // left empty
	}
	return n
}

func (o *deskOrder) count(name string) int64 {
	n, err := strconv.ParseInt(o.values[name], 10, 64)
	if err != nil {
		return 0 // left empty
	}
	return n
}

func (o *deskOrder) day(name string) billing.Date {
	d, err := billing.ParseDate(o.values[name])
	if err != nil {
		return 0 // left empty
	}
	return d
}

// wrongInput is a value that can't be, for a reason the form alone doesn't know.
type wrongInput struct{ input, key string }

func (e *wrongInput) Error() string { return "web: " + e.input + ": " + e.key }

// deskTroubles word what rooms refuse.
var deskTroubles = []struct {
	err error
	key string
}{
	{billing.ErrStale, "stale"}, {billing.ErrNone, "none"}, {billing.ErrSubscribed, "subscribed"}, {billing.ErrQuantity, "quantity"}, {billing.ErrAmount, "amount"}, {billing.ErrAddress, "address"},
	{billing.ErrSeller, "seller"}, {billing.ErrCatalogue, "catalogue"}, {billing.ErrForeign, "foreign"}, {billing.ErrBehind, "behind"}, {billing.ErrState, "state"}, {billing.ErrKeyReused, "key"},
	{payments.ErrState, "state"}, {payments.ErrPayer, "payer"}, {bank.ErrDecided, "decided"}, {bank.ErrTarget, "target"}, {credits.ErrKey, "key"}, {errNoCard, "card"}, {errNoIntent, "intent"}, {errHalfway, "halfway"},
}

var (
	errNoCard   = errors.New("web: no payment service is set up")
	errNoIntent = errors.New("web: no payment of the service has that much left")
)

// deskTrouble is the key of what is wrong, "" for a failure of ours.
func deskTrouble(err error) string {
	for _, t := range deskTroubles {
		if errors.Is(err, t.err) {
			return "desk.trouble." + t.key
		}
	}
	return ""
}

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

func (p *deskPreview) digest() (string, error) {
	b, err := json.Marshal(p.Facts)
	if err != nil {
		return "", fmt.Errorf("digest of a preview: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
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

// status is how far the order with this key has come, "" if there is none. An order of
// somebody else is none of whoever asks.
func (o *deskOrder) status() (status string, err error) {
	var row struct {
		Status   string `db:"status"`
		Operator int64  `db:"operator_id"`
		Action   string `db:"action"`
		Request  []byte `db:"request"`
		Reason   string `db:"reason"`
	}
	err = o.s.Operator.GetContext(o.r.Context(), &row, `SELECT status, operator_id, action, request, reason FROM admin_actions WHERE key = $1`, o.key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up an order: %w", err)
	}
	if row.Operator != o.by || row.Action != o.action.name {
		return "", errNoPage
	}
	var stored deskRequest
	if err := json.Unmarshal(row.Request, &stored); err != nil {
		return "", fmt.Errorf("read an order: %w", err)
	}
	o.values, o.reason = stored.Values, row.Reason
	return row.Status, nil
}

// deskRequest is an order as it is kept.
type deskRequest struct {
	IDs    deskIDs           `json:"ids"`
	Values map[string]string `json:"values"`
}

// limits are the seller's.
type deskLimits struct {
	FourEyesRappen int64 `db:"four_eyes_rappen"`
	FourEyesSMS    int64 `db:"four_eyes_sms"`
	MostRappen     int64 `db:"most_rappen"`
	MostSMS        int64 `db:"most_sms"`
}

func (s *Server) deskLimits(ctx context.Context) (l deskLimits, err error) {
	if err := s.Operator.GetContext(ctx, &l, `SELECT four_eyes_rappen, four_eyes_sms, most_rappen, most_sms FROM seller`); err != nil {
		return l, fmt.Errorf("read the limits: %w", err)
	}
	return l, nil
}

// fourEyes reports whether a second admin must confirm. What one admin gave the same
// clinic within a day counts together: a large gift isn't made small by cutting it up.
func (o *deskOrder) fourEyes(ctx context.Context) (bool, error) {
	if o.action.gives == nil {
		return false, nil
	}
	l, err := o.s.deskLimits(ctx)
	if err != nil {
		return false, err
	}
	var given struct {
		Rappen int64 `db:"rappen"`
		SMS    int64 `db:"sms"`
	}
	if err := o.s.Operator.GetContext(ctx, &given, `SELECT CAST(COALESCE(sum(rappen), 0) AS bigint) AS rappen, CAST(COALESCE(sum(sms), 0) AS bigint) AS sms FROM admin_actions
		WHERE for_account = $1 AND operator_id = $2 AND status <> 'refused' AND asked_at > $3 AND key <> $4`, o.Clinic.ID, o.by, o.s.Now().Add(-24*time.Hour), o.key); err != nil {
		return false, fmt.Errorf("sum up what was given: %w", err)
	}
	rappen, sms := o.action.gives(o)
	return rappen > 0 && given.Rappen+rappen > l.FourEyesRappen || sms > 0 && given.SMS+sms > l.FourEyesSMS, nil
}

// order notes what was confirmed and does it, or leaves it to a second admin.
func (o *deskOrder) order(w http.ResponseWriter, digest string) error {
	ctx := o.r.Context()
	second, err := o.fourEyes(ctx)
	if err != nil {
		return err
	}
	status := "begun"
	if second {
		status = "waiting"
	}
	var rappen, sms int64
	if o.action.gives != nil {
		rappen, sms = o.action.gives(o)
	}
	request, err := json.Marshal(deskRequest{o.ids, o.values})
	if err != nil {
		return fmt.Errorf("note an order: %w", err)
	}
	if _, err := o.s.Operator.ExecContext(ctx, `INSERT INTO admin_actions (key, operator_id, operator, for_account, action, request, digest, rappen, sms, reason, status, asked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		o.key, o.by, o.r.User.Called(), o.Clinic.ID, o.action.name, request, digest, rappen, sms, o.reason, status, o.s.Now()); err != nil {
		return fmt.Errorf("note an order: %w", err)
	}
	if second {
		return o.r.see(w, o.landing(status), "desk.waits")
	}
	return o.finish(w)
}

// finish does what has begun, and notes that it is done.
func (o *deskOrder) finish(w http.ResponseWriter) error {
	if o.preview == nil { // begun before a crash: the rooms know by the key what was done
		var err error
		if o.preview, err = o.action.preview(o); err != nil {
			o.preview = &deskPreview{}
		}
	}
	if err := o.action.do(o); err != nil {
		if errors.Is(err, errHalfway) {
			o.s.Log.ErrorContext(o.r.Context(), "an order is done in the books only", slog.String("action", o.action.name), slog.Int64("account_id", o.Clinic.ID), slog.Any("err", err))
			o.r.flash("bad", "desk.trouble.halfway")
			http.Redirect(w, o.r.Request, o.landing("begun"), http.StatusSeeOther)
			return nil
		}
		if deskTrouble(err) == "" {
			return err
		}
		if _, e := o.s.Operator.ExecContext(o.r.Context(), `UPDATE admin_actions SET status = 'refused', decision = $2 WHERE key = $1 AND status = 'begun'`, o.key, o.r.say(deskTrouble(err))); e != nil {
			return errors.Join(err, fmt.Errorf("note what came in the way: %w", e))
		}
		o.key = randomText()
		return o.refused(w, err)
	}
	if err := o.done(); err != nil { // a second time where the action noted it itself
		return err
	}
	return o.r.see(w, o.landing("done"), "desk.done."+o.action.name)
}

// done notes that an order is done, in the clinic's log, too.
func (o *deskOrder) done() error { return o.r.operatorTx(o.doneTx) }

// doneTx is done in the caller's transaction of the operator's role. A second time
// changes nothing.
func (o *deskOrder) doneTx(ctx context.Context, tx *sqlx.Tx) error {
	res, err := tx.ExecContext(ctx, `UPDATE admin_actions SET status = 'done', done_at = $2 WHERE key = $1 AND status = 'begun'`, o.key, o.s.Now())
	if err != nil {
		return fmt.Errorf("note that an order is done: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // somebody else was quicker
	}
	actor, _ := migrations.ActorOf(ctx) // always there behind a log-in
	entry := accounts.Entry{AccountID: o.Clinic.ID, Actor: actor, Action: "billing." + o.action.name, Subject: o.subject(), Reason: o.reason}
	if o.Clinic.ID != 0 {
		return accounts.RecordTx(ctx, tx, entry)
	}
	values, err := json.Marshal(o.values)
	if err != nil {
		return fmt.Errorf("audit %s: %w", entry.Action, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO operator_audit (at, operator_id, actor, role, action, subject, after, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.s.Now(), o.r.User.ID, o.r.User.Called(), o.r.User.Role, entry.Action, entry.Subject, values, o.reason); err != nil {
		return fmt.Errorf("audit %s: %w", entry.Action, err)
	}
	return nil
}

// subject names what the order is about in the log.
func (o *deskOrder) subject() string {
	switch {
	case o.Document.ID != 0:
		return "invoices:" + o.Document.Name()
	case o.Order.ID != 0:
		return "orders:" + o.Order.Number()
	case o.Entry.ID != 0:
		return fmt.Sprintf("bank_entries:%d", o.Entry.ID)
	}
	return o.ids.Item
}

// landing is the page after an order.
func (o *deskOrder) landing(status string) string {
	if status == "waiting" || status == "begun" {
		return "/admin/billing/action?item=" + o.key
	}
	return o.back
}
