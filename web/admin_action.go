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

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/migrations"
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
	second  int64 // who confirmed it, where that took another one; 0 = nobody
	values  map[string]string
	preview *deskPreview
}

// actor is how the rooms know who ordered.
func (o *deskOrder) actor() string { return fmt.Sprintf("operator:%d", o.by) }

func (o *deskOrder) correction() billing.Correction {
	c := billing.Correction{Account: o.Clinic.ID, Key: "admin/" + o.key, Actor: o.actor(), Reason: o.reason}
	if o.second != 0 {
		c.Second = fmt.Sprintf("operator:%d", o.second)
	}
	return c
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

func (p *deskPreview) digest() (string, error) {
	b, err := json.Marshal(p.Facts)
	if err != nil {
		return "", fmt.Errorf("digest of a preview: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
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
		Second   int64  `db:"second"`
	}
	err = o.s.Operator.GetContext(o.r.Context(), &row, `SELECT status, operator_id, action, request, reason, COALESCE(decided_by, 0) AS second FROM admin_actions WHERE key = $1`, o.key)
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
	o.values, o.reason, o.second = stored.Values, row.Reason, row.Second
	return row.Status, nil
}

// deskRequest is an order as it is kept.
type deskRequest struct {
	IDs    deskIDs           `json:"ids"`
	Values map[string]string `json:"values"`
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
