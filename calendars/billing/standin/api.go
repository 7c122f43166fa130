package standin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Handler serves the API below /v1 and the pages below /pay and /portal.
func (w *World) Handler() http.Handler {
	m := http.NewServeMux()
	for pattern, do := range map[string]func(form url.Values, r *http.Request) (object, error){
		"POST /v1/customers":                     w.postCustomer,
		"GET /v1/customers/{id}/payment_methods": w.listMethods,
		"POST /v1/checkout/sessions":             w.postSession,
		"GET /v1/checkout/sessions/{id}":         w.getSession,
		"POST /v1/payment_intents":               w.postIntent,
		"GET /v1/payment_intents":                w.listIntents,
		"GET /v1/payment_intents/{id}":           w.getIntent,
		"POST /v1/payment_intents/{id}/confirm":  w.confirmIntent,
		"POST /v1/payment_intents/{id}/cancel":   w.cancelIntent,
		"POST /v1/payment_methods/{id}/detach":   w.detach,
		"POST /v1/billing_portal/sessions":       w.postPortal,
		"POST /v1/refunds":                       w.postRefund,
		"GET /v1/refunds":                        w.listRefunds,
		"GET /v1/refunds/{id}":                   w.getRefund,
		"GET /v1/disputes/{id}":                  w.getDispute,
	} {
		m.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) { w.serve(rw, r, do) })
	}
	m.HandleFunc("/v1/", func(rw http.ResponseWriter, r *http.Request) {
		reply(rw, apiError{404, "invalid_request_error", "", "Unrecognized request URL", nil}.answer())
	})
	m.HandleFunc("GET /pay/{id}", w.showPage)
	m.HandleFunc("POST /pay/{id}", w.usePage)
	m.HandleFunc("GET /portal/{customer}", w.showPortal)
	m.HandleFunc("POST /portal/{customer}", w.usePortal)
	return m
}

// apiError is an answer that says no.
type apiError struct {
	status     int
	kind, code string
	message    string
	intent     object // with a card_error
}

func (e apiError) Error() string { return e.message }

func (e apiError) answer() answer {
	inner := object{"type": e.kind, "message": e.message}
	if e.code != "" {
		inner["code"] = e.code
	}
	if e.intent != nil {
		for k, v := range e.intent["last_payment_error"].(object) {
			inner[k] = v
		}
		inner["payment_intent"] = e.intent
	}
	body, err := json.Marshal(object{"error": inner})
	if err != nil {
		return answer{Status: 500}
	}
	return answer{Status: e.status, Body: body}
}

func missing(what string) error {
	return apiError{404, "invalid_request_error", "resource_missing", "No such " + what, nil}
}

func wrongParam(what string) error {
	return apiError{400, "invalid_request_error", "parameter_invalid", "Invalid " + what, nil}
}

// leastCHF is the least Stripe charges in francs, in Rappen.
const leastCHF = 50

func tooSmall() error {
	return apiError{400, "invalid_request_error", "amount_too_small", "Amount must be at least 0.50 chf", nil}
}

// serve checks the key, answers a repeated request as before, and runs do.
func (w *World) serve(rw http.ResponseWriter, r *http.Request, do func(url.Values, *http.Request) (object, error)) {
	if r.Header.Get("Authorization") != "Bearer "+w.o.Key {
		reply(rw, apiError{401, "invalid_request_error", "", "Invalid API Key provided", nil}.answer())
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		reply(rw, apiError{400, "invalid_request_error", "", "The form can't be read", nil}.answer())
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key, request := "", r.Method+" "+r.URL.Path+"?"+r.Form.Encode()
	if r.Method == http.MethodPost {
		key = r.Header.Get("Idempotency-Key")
	}
	if before, ok := w.s.Answers[key]; ok && key != "" {
		if before.Request != request {
			reply(rw, apiError{400, "idempotency_error", "idempotency_key_in_use", "Keys for idempotent requests can only be used with the same parameters they were first used with", nil}.answer())
			return
		}
		rw.Header().Set("Idempotent-Replayed", "true")
		reply(rw, before)
		return
	}
	o, err := do(r.Form, r)
	var a answer
	var no apiError
	switch {
	case errors.As(err, &no):
		a = no.answer()
	default:
		body, err := json.Marshal(o)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		a = answer{Status: 200, Body: body}
	}
	if key != "" && a.Status != 401 {
		a.Request = request
		w.s.Answers[key] = a
	}
	if r.Method == http.MethodPost {
		w.save()
	}
	reply(rw, a)
}

func reply(rw http.ResponseWriter, a answer) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Request-Id", "req_standin")
	rw.WriteHeader(a.Status)
	_, _ = rw.Write(a.Body) // a client that left needs no answer
}

// sub collects name[x]=y.
func sub(form url.Values, name string) map[string]string {
	m := map[string]string{}
	for k, v := range form {
		if inner, ok := strings.CutPrefix(k, name+"["); ok && strings.HasSuffix(inner, "]") && !strings.Contains(inner, "[") {
			m[strings.TrimSuffix(inner, "]")] = v[0]
		}
	}
	return m
}

// list collects name[0], name[1] …
func list(form url.Values, name string) (all []string) {
	for i := 0; form.Has(name + "[" + strconv.Itoa(i) + "]"); i++ {
		all = append(all, form.Get(name+"["+strconv.Itoa(i)+"]"))
	}
	return all
}

func (w *World) postCustomer(f url.Values, _ *http.Request) (object, error) {
	c := &customer{ID: w.id("cus"), Name: f.Get("name"), Meta: sub(f, "metadata")}
	w.s.Customers[c.ID] = c
	return w.customerJSON(c), nil
}

func (w *World) listMethods(_ url.Values, r *http.Request) (object, error) {
	if w.s.Customers[r.PathValue("id")] == nil {
		return nil, missing("customer")
	}
	data := []object{}
	for _, m := range w.methodsOf(r.PathValue("id")) {
		data = append(data, w.methodJSON(m))
	}
	return object{"object": "list", "data": data, "has_more": false, "url": r.URL.Path}, nil
}

// methodsOf lists what a customer has stored, the newest first, as Stripe does.
func (w *World) methodsOf(customer string) (all []*method) {
	for _, m := range w.s.Methods {
		if m.Customer == customer {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *method) int { return strings.Compare(b.ID, a.ID) })
	return all
}

func (w *World) postSession(f url.Values, _ *http.Request) (object, error) {
	s := &session{Mode: f.Get("mode"), Status: "open", Customer: f.Get("customer"), Reference: f.Get("client_reference_id"), Success: f.Get("success_url"), Cancel: f.Get("cancel_url"),
		Methods: list(f, "payment_method_types"), Meta: sub(f, "metadata")}
	if w.s.Customers[s.Customer] == nil {
		return nil, missing("customer")
	}
	switch s.Mode {
	case "payment":
		unit, err := strconv.ParseInt(f.Get("line_items[0][price_data][unit_amount]"), 10, 64)
		n, err2 := strconv.ParseInt(f.Get("line_items[0][quantity]"), 10, 64)
		if err != nil || err2 != nil || f.Get("line_items[0][price_data][currency]") != "chf" {
			return nil, wrongParam("line_items")
		}
		if unit*n < leastCHF {
			return nil, tooSmall()
		}
		s.Amount, s.What, s.InnerMeta = unit*n, f.Get("line_items[0][price_data][product_data][name]"), sub(f, "payment_intent_data[metadata]")
	case "setup":
		s.InnerMeta = sub(f, "setup_intent_data[metadata]")
	default:
		return nil, wrongParam("mode")
	}
	s.ID = w.id("cs_test")
	w.s.Sessions[s.ID] = s
	return w.sessionJSON(s), nil
}

func (w *World) getSession(_ url.Values, r *http.Request) (object, error) {
	s := w.s.Sessions[r.PathValue("id")]
	if s == nil {
		return nil, missing("checkout.session")
	}
	return w.sessionJSON(s), nil
}

func (w *World) postIntent(f url.Values, _ *http.Request) (object, error) {
	amount, err := strconv.ParseInt(f.Get("amount"), 10, 64)
	m := w.s.Methods[f.Get("payment_method")]
	switch {
	case err != nil || f.Get("currency") != "chf":
		return nil, wrongParam("amount")
	case amount < leastCHF:
		return nil, tooSmall()
	case m == nil || m.Customer == "" || m.Customer != f.Get("customer"):
		return nil, missing("payment_method")
	case f.Get("confirm") != "" || f.Get("off_session") != "":
		return nil, wrongParam("confirm, off_session: the stand-in confirms in a request of its own")
	}
	i := &intent{ID: w.id("pi"), Status: "requires_confirmation", Customer: m.Customer, Method: m.ID, Amount: amount, Meta: sub(f, "metadata"), Created: w.o.Now().Unix()}
	w.s.Intents[i.ID] = i
	w.emit("payment_intent.created", w.intentJSON(i))
	return w.intentJSON(i), nil
}

func (w *World) confirmIntent(f url.Values, r *http.Request) (object, error) {
	i := w.s.Intents[r.PathValue("id")]
	switch {
	case i == nil:
		return nil, missing("payment_intent")
	case i.Status != "requires_confirmation":
		return nil, unexpected(i)
	case f.Get("off_session") != "true":
		return nil, wrongParam("off_session: the stand-in knows no other way")
	}
	m := w.s.Methods[i.Method]
	if m == nil || m.Customer != i.Customer {
		return nil, missing("payment_method")
	}
	switch m.Behaviour {
	case Declines:
		w.fail(i, "insufficient_funds")
		return nil, apiError{402, "card_error", "card_declined", "Your card was declined.", w.intentJSON(i)}
	case WantsOwner:
		w.fail(i, "authentication_required")
		return nil, apiError{402, "card_error", "authentication_required", "This transaction requires authentication.", w.intentJSON(i)}
	case TakesTime:
		i.Status = "processing"
		w.emit("payment_intent.processing", w.intentJSON(i))
	default:
		w.succeed(i)
	}
	return w.intentJSON(i), nil
}

func (w *World) cancelIntent(f url.Values, r *http.Request) (object, error) {
	i := w.s.Intents[r.PathValue("id")]
	switch {
	case i == nil:
		return nil, missing("payment_intent")
	case i.Status == "succeeded", i.Status == "processing", i.Status == "canceled":
		return nil, unexpected(i)
	}
	i.Status, i.Reason = "canceled", f.Get("cancellation_reason")
	w.emit("payment_intent.canceled", w.intentJSON(i))
	return w.intentJSON(i), nil
}

// unexpected refuses what can't be done to an intent as it stands.
func unexpected(i *intent) error {
	return apiError{400, "invalid_request_error", "payment_intent_unexpected_state", "This PaymentIntent has a status of " + i.Status, nil}
}

// listIntents lists a customer's intents.
func (w *World) listIntents(f url.Values, r *http.Request) (object, error) {
	since, err := strconv.ParseInt(f.Get("created[gte]"), 10, 64)
	if f.Has("created[gte]") && err != nil {
		return nil, wrongParam("created")
	}
	var ids []string
	for id, i := range w.s.Intents {
		if i.Customer == f.Get("customer") && i.Created >= since {
			ids = append(ids, id)
		}
	}
	return newest(r, ids, func(id string) object { return w.intentJSON(w.s.Intents[id]) }), nil
}

// newest lists what has these ids, the newest first, as Stripe does.
func newest(r *http.Request, ids []string, show func(id string) object) object {
	slices.Sort(ids)
	slices.Reverse(ids)
	data := []object{}
	for _, id := range ids {
		data = append(data, show(id))
	}
	return object{"object": "list", "data": data, "has_more": false, "url": r.URL.Path}
}

func (w *World) getIntent(_ url.Values, r *http.Request) (object, error) {
	i := w.s.Intents[r.PathValue("id")]
	if i == nil {
		return nil, missing("payment_intent")
	}
	return w.intentJSON(i), nil
}

func (w *World) detach(_ url.Values, r *http.Request) (object, error) {
	m := w.s.Methods[r.PathValue("id")]
	if m == nil || m.Customer == "" {
		return nil, missing("payment_method")
	}
	m.Customer = ""
	w.emit("payment_method.detached", w.methodJSON(m))
	return w.methodJSON(m), nil
}

func (w *World) postPortal(f url.Values, _ *http.Request) (object, error) {
	c := w.s.Customers[f.Get("customer")]
	if c == nil {
		return nil, missing("customer")
	}
	return object{"id": w.id("bps"), "object": "billing_portal.session", "customer": c.ID, "return_url": f.Get("return_url"),
		"url": w.o.Base + "/portal/" + c.ID + "?return=" + url.QueryEscape(f.Get("return_url"))}, nil
}

func (w *World) postRefund(f url.Values, _ *http.Request) (object, error) {
	i := w.s.Intents[f.Get("payment_intent")]
	if i == nil || i.Status != "succeeded" {
		return nil, missing("payment_intent")
	}
	amount, err := strconv.ParseInt(f.Get("amount"), 10, 64)
	if err != nil || amount <= 0 || amount > w.left(i) {
		return nil, wrongParam("amount: more than is left")
	}
	return w.refundJSON(w.refund(i, amount, sub(f, "metadata"))), nil
}

// listRefunds lists an intent's refunds.
func (w *World) listRefunds(f url.Values, r *http.Request) (object, error) {
	var ids []string
	for id, re := range w.s.Refunds {
		if re.Intent == f.Get("payment_intent") {
			ids = append(ids, id)
		}
	}
	return newest(r, ids, func(id string) object { return w.refundJSON(w.s.Refunds[id]) }), nil
}

func (w *World) getRefund(_ url.Values, r *http.Request) (object, error) {
	re := w.s.Refunds[r.PathValue("id")]
	if re == nil {
		return nil, missing("refund")
	}
	return w.refundJSON(re), nil
}

func (w *World) getDispute(_ url.Values, r *http.Request) (object, error) {
	d := w.s.Disputes[r.PathValue("id")]
	if d == nil {
		return nil, missing("dispute")
	}
	return w.disputeJSON(d), nil
}
