package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
)

// planKinds are the changes a clinic makes itself.
var planKinds = []billing.ChangeKind{billing.Start, billing.SetQuantity, billing.SetInterval, billing.Cancel, billing.UndoCancel, billing.UndoPending}

// mostCalendars is the most one can ask for here; beyond it one talks to the operator.
const mostCalendars = 1000

// planForm is a change as somebody asks for it.
type planForm struct {
	Do       billing.ChangeKind
	Interval billing.Interval
	Quantity string   // as typed
	Watch    []string // ids of calendars that are to be read once they are covered
}

// planView is a change with what it does. Nothing is changed without it having been seen.
type planView struct {
	planForm
	Sub       billing.Subscription
	Watched   int64
	Errors    map[string]string
	Trouble   string // why it can't be done, in words
	Stale     bool   // it isn't what was shown any more
	Quote     *billing.Quote
	Digest    string // of the quote: what is confirmed is what was shown
	Key       string
	Trial     int // days, 0 = none
	Recurring int64
	Tax       int64
	Rate      int64
	After     billing.Interval // what Recurring is for
	Count     int64
	Prices    []priceView
	Names     []string // of Watch
	Homeless  bool     // there is no address to send invoices to yet
	Here      string   // the page with this change
	DueDays   int      // an invoice is to be paid within
	Card      bool     // one can pay online
	Charged   *Means   // invoices are charged to it by themselves
}

// priceView is what a calendar costs by how many there are.
type priceView struct {
	Interval billing.Interval
	FreeSMS  int64
	Tiers    []tierView
}

type tierView struct{ From, To, Unit int64 } // To 0 = no end

func (r *request) planForm() (f planForm, err error) {
	f = planForm{Do: billing.ChangeKind(r.FormValue("do")), Interval: billing.Interval(r.FormValue("interval")), Quantity: strings.TrimSpace(r.FormValue("quantity")), Watch: r.Form["watch"]}
	if f.Do != "" && !slices.Contains(planKinds, f.Do) {
		return f, errNoPage
	}
	return f, nil
}

func (s *Server) planPage(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	f, err := r.planForm()
	if err != nil {
		return err
	}
	v, err := s.plan(r, f)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(v.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return s.render(w, r, status, "plan.html", "billing", v)
}

// planPreview is what the change in the form would do, as a fragment.
func (s *Server) planPreview(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	f, err := r.planForm()
	if err != nil {
		return err
	}
	v, err := s.plan(r, f)
	if err != nil {
		return err
	}
	return r.piece(w, "plan.html", "quote", v)
}

// plan reckons what f would do now. Mistakes and what stands in the way are in the view.
func (s *Server) plan(r *request, f planForm) (v planView, err error) {
	ctx, account := r.Context(), r.Account.ID
	v = planView{planForm: f, Errors: map[string]string{}, Key: randomText()[:22]}
	var catalogue billing.Catalogue
	var seller billing.Seller
	var had bool
	var owes []billing.OpenRow
	var address addressForm
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if v.Sub, err = billing.StatusOf(ctx, tx, account); err != nil {
			return err
		}
		if catalogue, err = billing.CatalogueOf(ctx, tx); err != nil {
			return err
		}
		if seller, err = billing.SellerOf(ctx, tx); err != nil {
			return err
		}
		if owes, err = billing.OpenInvoices(ctx, tx, billing.OpenQuery{Account: account}); err != nil {
			return err
		}
		if address, err = addressTx(ctx, tx, account); err != nil {
			return err
		}
		if err = tx.GetContext(ctx, &v.DueDays, `SELECT COALESCE((SELECT due_days FROM billing_accounts WHERE account_id = $1), $2)`, account, seller.DueDays); err != nil {
			return err
		}
		return tx.GetContext(ctx, &had, `SELECT EXISTS (SELECT 1 FROM subscriptions WHERE account_id = $1)`, account)
	}); err != nil {
		return v, err
	}
	if v.Watched, err = s.Billing.Watched(ctx, account); err != nil {
		return v, err
	}
	if v.Names, err = s.picked(r, f.Watch); err != nil {
		return v, err
	}
	v.Card = s.Cashier != nil
	if v.Charged, err = s.charged(ctx, r); err != nil {
		return v, err
	}
	if v.Do == "" {
		v.Do = billing.SetQuantity
		if !v.Sub.Status.Live() {
			v.Do = billing.Start
		}
	}
	v.Prices = prices(catalogue, r.today())
	if v.Quantity == "" {
		v.Quantity = strconv.FormatInt(max(1, v.Sub.Quantity, v.Watched), 10)
	}
	if v.Interval == "" {
		v.Interval = billing.Monthly
		if v.Do == billing.SetInterval && v.Sub.Interval == billing.Monthly {
			v.Interval = billing.Yearly
		}
	}
	if !had {
		v.Trial = seller.TrialDays
	}
	change, ok := r.change(&v)
	if !ok {
		return v, nil
	}
	switch {
	case v.Do == billing.Start && v.Trial == 0 && len(owes) > 0:
		v.Trouble = "owes"
		return v, nil
	}
	v.Here = "/billing/plan?" + url.Values{"do": {string(v.Do)}, "interval": {string(v.Interval)}, "quantity": {v.Quantity}, "watch": f.Watch}.Encode()
	q, err := s.Billing.Preview(ctx, account, change)
	if v.Trouble = planTrouble(err); v.Trouble != "" {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Quote = &q
	v.Homeless = v.Do == billing.Start && (address.Zip == "" || address.Town == "")
	if v.Digest, err = digest(q); err != nil {
		return v, err
	}
	return v, v.reckon(catalogue)
}

// change makes what was typed into a change; false with the words where it can't be.
func (r *request) change(v *planView) (c billing.Change, ok bool) {
	c = billing.Change{Kind: v.Do}
	if v.Do == billing.Start || v.Do == billing.SetInterval {
		if c.Interval = v.Interval; c.Interval.Months() == 0 {
			v.Errors["interval"] = r.say("field.unknown")
		}
	}
	if v.Do == billing.Start || v.Do == billing.SetQuantity {
		n, err := strconv.ParseInt(v.Quantity, 10, 64)
		switch {
		case err != nil || n < 1:
			v.Errors["quantity"] = r.say("billing.quantity.wrong")
		case n > mostCalendars:
			v.Errors["quantity"] = r.say("billing.quantity.most", "Most", mostCalendars)
		case n < v.Watched:
			v.Errors["quantity"] = r.say("billing.quantity.watched", "Count", int(v.Watched))
		}
		c.Quantity = n
	}
	if v.Do == billing.Start {
		// Who comes back begins on invoice, as everybody who has a trial behind them.
		c.TrialDays, c.Paid = v.Trial, v.Trial == 0
	}
	return c, len(v.Errors) == 0
}

// planTrouble names what keeps a change from being made, "" for nothing a clinic can help.
func planTrouble(err error) string {
	for kind, name := range map[error]string{billing.ErrQuantity: "quantity", billing.ErrState: "state", billing.ErrSubscribed: "subscribed", billing.ErrNone: "none",
		billing.ErrCatalogue: "seller", billing.ErrSeller: "seller", billing.ErrAddress: "address", billing.ErrBehind: "behind"} {
		if errors.Is(err, kind) {
			return name
		}
	}
	return ""
}

// digest names a quote: another price, day or credit is another digest.
func digest(q billing.Quote) (string, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("name a quote: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// reckon tells what a period costs once the change is made.
func (v *planView) reckon(c billing.Catalogue) error {
	a := v.Quote.After
	if a.CancelOn != 0 || !a.Status.Live() {
		return nil
	}
	v.After, v.Count = a.Interval, a.Quantity
	if a.PendingInterval != "" {
		v.After = a.PendingInterval
	}
	if a.PendingQuantity > 0 {
		v.Count = a.PendingQuantity
	}
	price, err := c.PriceOn(a.Plan, v.After, a.NextOn)
	if err != nil {
		return err
	}
	rate, err := c.Taxes.At(billing.StandardTax, a.NextOn)
	if err != nil {
		return err
	}
	v.Recurring, v.Rate = price.Tiers.Total(v.Count), rate.Rate
	v.Tax = billing.Tax(v.Recurring, rate.Rate)
	return nil
}

// prices are those of the default plan on a day.
func prices(c billing.Catalogue, day billing.Date) (all []priceView) {
	for _, i := range []billing.Interval{billing.Monthly, billing.Yearly} {
		p, err := c.PriceOn(billing.DefaultPlan, i, day)
		if err != nil {
			continue // not for sale
		}
		v, from := priceView{Interval: i, FreeSMS: p.FreeSMS}, int64(1)
		for _, t := range p.Tiers {
			v.Tiers = append(v.Tiers, tierView{from, t.UpTo, t.Unit})
			from = t.UpTo + 1
		}
		all = append(all, v)
	}
	return all
}

// picked are the names of calendars by their ids; another account's is missing.
func (s *Server) picked(r *request, ids []string) (names []string, err error) {
	for _, text := range ids {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errNoPage
		}
		c, err := s.Calendars.Calendar(r.Context(), calendars.CalendarRef{AccountID: r.Account.ID, ID: id})
		if err != nil {
			return nil, err
		}
		names = append(names, c.Name)
	}
	return names, nil
}

// planConfirm makes a change that was shown before. Where it would do something else by
// now it is shown again, and nothing is done; sent twice, it is done once.
func (s *Server) planConfirm(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	f, err := r.planForm()
	if err != nil {
		return err
	}
	key, version := formKey(r), formInt(r, "version")
	if key == "" || f.Do == "" || f.Do != billing.Start && version == 0 {
		return errNoKey
	}
	v, err := s.plan(r, f)
	if err != nil {
		return err
	}
	command := billing.Command{Account: r.Account.ID, Key: key, Actor: r.actor(), Version: int(version)}
	same := v.Quote != nil && v.Digest == r.PostFormValue("quote")
	// A subscription that is another one by now refuses the change by its version, and so
	// does a second beginning. Only the first of two equal forms is found to be done.
	moved := int64(v.Sub.Version) != version || f.Do == billing.Start && v.Sub.Status.Live()
	if !same && !moved {
		v.Stale = v.Quote != nil
		return s.render(w, r, http.StatusConflict, "plan.html", "billing", v)
	}
	trial := formInt(r, "trial") // of the form: a first one that was done before had it
	if same {
		trial = int64(v.Trial)
	}
	if command.Change, err = r.asked(f, trial); err != nil {
		return err
	}
	done, err := s.Billing.Do(r.Context(), command)
	switch {
	case errors.Is(err, billing.ErrStale), errors.Is(err, billing.ErrSubscribed), errors.Is(err, billing.ErrNone):
		v.Stale = true
		return s.render(w, r, http.StatusConflict, "plan.html", "billing", v)
	case errors.Is(err, billing.ErrKeyReused):
		return errNoKey
	case planTrouble(err) != "":
		v.Quote, v.Trouble = nil, planTrouble(err)
		return s.render(w, r, http.StatusConflict, "plan.html", "billing", v)
	case err != nil:
		return err
	}
	return s.planDone(w, r, f, done)
}

// asked is the change as the form that was confirmed has it.
func (r *request) asked(f planForm, trial int64) (billing.Change, error) {
	v := planView{planForm: f, Errors: map[string]string{}, Trial: int(trial)}
	c, ok := r.change(&v)
	if !ok || v.Trial < 0 {
		return c, errNoKey
	}
	return c, nil
}

// planDone leads on: to the calendars that wait for it, to the invoice that is to be paid,
// or back. Who wants to pay online at once goes to the page for that.
func (s *Server) planDone(w http.ResponseWriter, r *request, f planForm, done billing.Done) error {
	if len(f.Watch) > 0 && (f.Do == billing.Start || f.Do == billing.SetQuantity) {
		for _, text := range f.Watch {
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return errNoPage
			}
			err = s.Connector.Watch(r.Context(), calendars.CalendarRef{AccountID: r.Account.ID, ID: id}, true)
			if errors.Is(err, calendars.ErrNotCovered) || errors.Is(err, calendars.ErrNotPickable) {
				r.flash("warn", "billing.done.not_picked")
				return r.see(w, "/calendars", "")
			}
			if err != nil {
				return err
			}
		}
		if r.paysOnline(done) {
			return s.planPay(w, r, done)
		}
		return r.see(w, "/calendars", "billing.done.picked", "Count", len(f.Watch))
	}
	if r.paysOnline(done) {
		return s.planPay(w, r, done)
	}
	if done.Due > 0 && len(done.Documents) > 0 {
		return r.see(w, fmt.Sprintf("/billing/invoices/%d", done.Documents[len(done.Documents)-1]), "billing.done."+string(f.Do))
	}
	return r.see(w, "/billing", "billing.done."+string(f.Do))
}

// paysOnline reports whether what a change made due is to be paid online at once.
func (r *request) paysOnline(done billing.Done) bool {
	return r.PostFormValue("pay") == "online" && r.s.Cashier != nil && done.Due > 0 && len(done.Documents) > 0
}

// planPay leads to the page on which the invoice of a change is paid; where there is none
// now the invoice itself says how else.
func (s *Server) planPay(w http.ResponseWriter, r *request, done billing.Done) error {
	invoice := done.Documents[len(done.Documents)-1]
	here := fmt.Sprintf("/billing/invoices/%d", invoice)
	to, err := s.Cashier.PayInvoice(r.Context(), payments.Target{Account: r.Account.ID, Invoice: invoice}, formKey(r), Return{Done: here + "?paid=1", Cancel: here})
	return s.leave(w, r, to, err, here)
}

// raise leads from calendars that aren't covered to the change that covers them.
func (s *Server) raise(w http.ResponseWriter, r *request, ids []int64) error {
	var sub billing.Subscription
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		sub, err = billing.StatusOf(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	watched, err := s.Billing.Watched(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	q := url.Values{"do": {string(billing.SetQuantity)}, "quantity": {strconv.FormatInt(max(sub.Quantity, watched+int64(len(ids))), 10)}}
	if !sub.Status.Live() {
		q.Set("do", string(billing.Start))
	}
	for _, id := range ids {
		q.Add("watch", strconv.FormatInt(id, 10))
	}
	return r.see(w, "/billing/plan?"+q.Encode(), "")
}

// LineWords says what a line is for.
func (v *view) LineWords(l billing.Line) string {
	say := func(key string, pairs ...any) string { return v.s.words.say(v.Lang, key, pairs...) }
	switch l.Kind {
	case billing.LineRecurring:
		return say("billing.line.recurring."+string(l.Interval), "Count", int(l.Quantity))
	case billing.LineProration:
		if l.Quantity == 0 { // the rest of a period that ends early
			return say("billing.line.unused", "Before", l.Before)
		}
		return say("billing.line.proration", "Before", l.Before, "After", l.Quantity)
	}
	return l.Text
}
