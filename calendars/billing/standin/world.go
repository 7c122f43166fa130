package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Behaviour is what comes of paying with a method.
type Behaviour string

// Behaviours.
const (
	Succeeds   Behaviour = "succeeds"
	Declines   Behaviour = "declines"
	WantsOwner Behaviour = "wants_owner" // can't be charged without its holder
	TakesTime  Behaviour = "takes_time"  // processing until Finish
)

// Options of a World. Fields without a remark must be set.
type Options struct {
	Now       func() time.Time
	Key       string // sk_test_…, asked of every request
	Secret    string // whsec_…, signs events
	Base      string // where the handler is reached, without a slash at the end
	Webhook   string // where events go; "" = nowhere
	StateFile string // "" = nothing survives
	Client    *http.Client
	Log       *slog.Logger
}

// World is all that the stand-in knows. It is safe for concurrent use.
type World struct {
	o     Options
	mu    sync.Mutex
	s     state
	ready chan struct{} // there are events to send
}

type state struct {
	Seq       int                  `json:"seq"`
	Customers map[string]*customer `json:"customers"`
	Sessions  map[string]*session  `json:"sessions"`
	Intents   map[string]*intent   `json:"intents"`
	Setups    map[string]*setup    `json:"setups"`
	Methods   map[string]*method   `json:"methods"`
	Refunds   map[string]*refund   `json:"refunds"`
	Disputes  map[string]*dispute  `json:"disputes"`
	Events    []*Event             `json:"events"`
	Answers   map[string]answer    `json:"answers"` // by idempotency key
}

type customer struct {
	ID   string            `json:"id"`
	Name string            `json:"name"`
	Meta map[string]string `json:"meta"`
}

type session struct {
	ID, Mode, Status, Customer, Reference, Success, Cancel, What string
	Amount                                                       int64
	Methods                                                      []string
	Meta, InnerMeta                                              map[string]string
	Intent, Setup                                                string
}

type intent struct {
	ID, Status, Customer, Method, Code string
	Reason                             string // why it was canceled
	Amount                             int64
	Meta                               map[string]string
	Created                            int64
}

type setup struct {
	ID, Customer, Method string
	Meta                 map[string]string
}

type method struct {
	ID, Kind, Customer string // Customer "" = detached
	Last4              string
	Behaviour          Behaviour
	Created            int64
}

type refund struct {
	ID, Intent string
	Failed     bool // the money came back to us
	Amount     int64
	Meta       map[string]string
}

type dispute struct {
	ID, Intent string
	Amount     int64
	Won        bool
}

type answer struct {
	Request string `json:"request"`
	Status  int    `json:"status"`
	Body    []byte `json:"body"`
}

// New returns a World, with what its state file keeps.
func New(o Options) (*World, error) {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &World{o: o, ready: make(chan struct{}, 1)}
	if o.StateFile != "" {
		text, err := os.ReadFile(o.StateFile)
		if err == nil {
			err = json.Unmarshal(text, &w.s)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the stand-in's state can't be read; delete %s to begin anew: %w", o.StateFile, err)
		}
	}
	s := &w.s
	for _, made := range []func(){
		func() { fresh(&s.Customers) }, func() { fresh(&s.Sessions) }, func() { fresh(&s.Intents) }, func() { fresh(&s.Setups) },
		func() { fresh(&s.Methods) }, func() { fresh(&s.Refunds) }, func() { fresh(&s.Disputes) }, func() { fresh(&s.Answers) },
	} {
		made()
	}
	w.wake()
	return w, nil
}

func fresh[V any](m *map[string]V) {
	if *m == nil {
		*m = map[string]V{}
	}
}

// save keeps the state. The caller holds the lock.
func (w *World) save() {
	if w.o.StateFile == "" {
		return
	}
	text, err := json.Marshal(w.s)
	if err == nil {
		next := w.o.StateFile + ".next"
		if err = os.WriteFile(next, text, 0o600); err == nil {
			err = os.Rename(next, w.o.StateFile)
		}
	}
	if err != nil {
		w.o.Log.Error("the stand-in's state is not kept", slog.Any("err", err))
	}
}

// id makes a name such as pi_000007. The caller holds the lock.
func (w *World) id(prefix string) string {
	w.s.Seq++
	return fmt.Sprintf("%s_%06d", prefix, w.s.Seq)
}

// Open lists the pages nobody has paid on yet, as ids of sessions.
func (w *World) Open() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.s.Sessions {
		if s.Status == "open" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Intents counts the intents that succeeded and what they come to.
func (w *World) Intents() (n int, rappen int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.s.Intents {
		if i.Status == "succeeded" {
			n, rappen = n+1, rappen+i.Amount
		}
	}
	return n, rappen
}

// ErrNothing says that there is nothing by that name, or nothing to be done with it.
var ErrNothing = errors.New("standin: there is no such thing, or it is done with")

// Pay does on a page what its visitor would: pays with a method of a kind, or leaves it.
// A declined attempt leaves the page open.
func (w *World) Pay(page, kind string, b Behaviour) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.s.Sessions[page]
	if !ok || s.Status != "open" {
		return ErrNothing
	}
	defer w.save()
	m := &method{ID: w.id("pm"), Kind: kind, Last4: map[Behaviour]string{Succeeds: "4242", Declines: "0341", WantsOwner: "3184", TakesTime: "0077"}[b], Behaviour: b, Created: w.o.Now().Unix()}
	w.s.Methods[m.ID] = m
	if s.Mode == "setup" {
		m.Customer = s.Customer
		t := &setup{ID: w.id("seti"), Customer: s.Customer, Method: m.ID, Meta: s.InnerMeta}
		w.s.Setups[t.ID] = t
		s.Setup, s.Status = t.ID, "complete"
		w.emit("setup_intent.succeeded", w.setupJSON(t))
		w.emit("payment_method.attached", w.methodJSON(m))
		w.emit("checkout.session.completed", w.sessionJSON(s))
		return nil
	}
	i := w.s.Intents[s.Intent]
	if i == nil {
		i = &intent{ID: w.id("pi"), Customer: s.Customer, Amount: s.Amount, Meta: s.InnerMeta, Created: w.o.Now().Unix()}
		w.s.Intents[i.ID] = i
		s.Intent = i.ID
		w.emit("payment_intent.created", w.intentJSON(i))
	}
	i.Method = m.ID
	if b == Declines {
		w.fail(i, "insufficient_funds")
		return nil
	}
	if b == TakesTime {
		i.Status, s.Status = "processing", "complete"
		w.emit("payment_intent.processing", w.intentJSON(i))
		w.emit("checkout.session.completed", w.sessionJSON(s))
		return nil
	}
	s.Status = "complete" // the holder is there, so one that wants them succeeds, too
	w.succeed(i)
	w.emit("checkout.session.completed", w.sessionJSON(s))
	return nil
}

// Finish ends what took its time. An intent that is done with is ErrNothing.
func (w *World) Finish(intentID string, ok bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, found := w.s.Intents[intentID]
	if !found || i.Status != "processing" {
		return ErrNothing
	}
	defer w.save()
	if ok {
		w.succeed(i)
	} else {
		w.fail(i, "generic_decline")
	}
	return nil
}

func (w *World) succeed(i *intent) {
	i.Status, i.Code = "succeeded", ""
	w.emit("charge.succeeded", w.chargeJSON(i))
	w.emit("payment_intent.succeeded", w.intentJSON(i))
}

func (w *World) fail(i *intent, code string) {
	i.Status, i.Code = "requires_payment_method", code
	w.emit("charge.failed", w.chargeJSON(i))
	w.emit("payment_intent.payment_failed", w.intentJSON(i))
}

// RefundOutside sends money back as somebody at Stripe's own pages would.
func (w *World) RefundOutside(intentID string, rappen int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.s.Intents[intentID]
	if !ok || i.Status != "succeeded" || rappen > w.left(i) {
		return ErrNothing
	}
	defer w.save()
	w.refund(i, rappen, nil)
	return nil
}

func (w *World) refund(i *intent, rappen int64, meta map[string]string) *refund {
	r := &refund{ID: w.id("re"), Intent: i.ID, Amount: rappen, Meta: meta}
	w.s.Refunds[r.ID] = r
	w.emit("refund.created", w.refundJSON(r))
	w.emit("charge.refunded", w.chargeJSON(i))
	return r
}

// left is what of an intent wasn't refunded. The caller holds the lock.
func (w *World) left(i *intent) int64 {
	left := i.Amount
	for _, r := range w.s.Refunds {
		if r.Intent == i.ID && !r.Failed {
			left -= r.Amount
		}
	}
	return left
}

// Refunds lists the refunds of an intent as ids, the oldest first.
func (w *World) Refunds(intentID string) (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.s.Refunds {
		if r.Intent == intentID {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// FailRefund has the holder's bank send a refund back.
func (w *World) FailRefund(id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.s.Refunds[id]
	if !ok || r.Failed {
		return ErrNothing
	}
	defer w.save()
	r.Failed = true
	w.emit("refund.failed", w.refundJSON(r))
	w.emit("charge.refund.updated", w.refundJSON(r))
	return nil
}

// Dispute has the holder ask their bank for the money back, and the bank take what of it
// wasn't refunded.
func (w *World) Dispute(intentID string) (id string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.s.Intents[intentID]
	if !ok || i.Status != "succeeded" || w.left(i) == 0 {
		return "", ErrNothing
	}
	defer w.save()
	d := &dispute{ID: w.id("dp"), Intent: i.ID, Amount: w.left(i)}
	w.s.Disputes[d.ID] = d
	w.emit("charge.dispute.created", w.disputeJSON(d))
	w.emit("charge.dispute.funds_withdrawn", w.disputeJSON(d))
	return d.ID, nil
}

// Win ends a dispute well: the money comes back.
func (w *World) Win(disputeID string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.s.Disputes[disputeID]
	if !ok || d.Won {
		return ErrNothing
	}
	defer w.save()
	d.Won = true
	w.emit("charge.dispute.funds_reinstated", w.disputeJSON(d))
	w.emit("charge.dispute.closed", w.disputeJSON(d))
	return nil
}

// short is the last part of an id, for people.
func short(id string) string {
	_, number, _ := strings.Cut(id, "_")
	return strings.TrimLeft(number, "0")
}
