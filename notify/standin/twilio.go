package standin

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rappel/notify/segment"
)

// TwilioConfig describes one account at Twilio.
type TwilioConfig struct {
	SID, Token string
	Now        func() time.Time // nil means time.Now
	Client     *http.Client     // for webhooks; nil means http.DefaultClient
}

// TwilioAction is what Twilio does with a new message instead of accepting it.
type TwilioAction int

// The actions, told apart as those of the SMSC.
const (
	TwilioRefuse    TwilioAction = iota // answer TwilioFault.Status and Code; not accepted
	TwilioGarbage                       // accepted, then a page that is no JSON
	TwilioWithhold                      // accepted; the answer waits for Release
	TwilioCutBefore                     // connection cut; not accepted
	TwilioCutAfter                      // accepted, then the connection cut unanswered
	TwilioHalf                          // accepted, then the answer breaks off in the middle
)

// TwilioFault is one misbehaviour towards new messages.
type TwilioFault struct {
	Action     TwilioAction
	Status     int    // of the HTTP answer
	Code       int    // of the error, such as 21610; 0 = a body without any
	RetryAfter string // header Retry-After
	Accept     bool   // with TwilioRefuse: accepted all the same, as a 502 of a proxy can hide
	Skip       int    // leave this many alone first
	Times      int    // how many it then hits; 0 means 1, negative all
}

// TwilioMessage is a message Twilio accepted.
type TwilioMessage struct {
	SID, From, Service, To, Body string
	Status                       string
	ErrorCode                    int
	Callback                     string
	Validity                     string
	Created                      time.Time
	Sent                         time.Time // zero while queued
}

// Twilio serves the messaging resource of one account. It is an http.Handler.
type Twilio struct {
	cfg TwilioConfig
	mux *http.ServeMux

	mu       sync.Mutex
	changed  chan struct{}
	messages []*TwilioMessage
	lastID   int
	seen     int
	faults   []*TwilioFault
	held     []chan struct{}
	hooks    []twilioHook // not acknowledged
	refused  int
}

// twilioHook is one request to the client.
type twilioHook struct {
	url  string
	form url.Values
}

// NewTwilio returns an account without messages.
func NewTwilio(cfg TwilioConfig) *Twilio {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Client == nil {
		cfg.Client = http.DefaultClient
	}
	tw := &Twilio{cfg: cfg, mux: http.NewServeMux(), changed: make(chan struct{})}
	tw.mux.HandleFunc("POST /2010-04-01/Accounts/{sid}/Messages.json", tw.create)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{sid}/Messages.json", tw.list)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{sid}/Messages/{message}", tw.get)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{file}", tw.account)
	tw.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { twilioError(w, 404, 20404, "no such resource") })
	return tw
}

// ServeHTTP implements http.Handler.
func (tw *Twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if subtle.ConstantTimeCompare([]byte(user+":"+password), []byte(tw.cfg.SID+":"+tw.cfg.Token)) != 1 {
		twilioError(w, 401, 20003, "Authenticate")
		return
	}
	tw.mux.ServeHTTP(w, r)
}

// Fault queues f.
func (tw *Twilio) Fault(f TwilioFault) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	tw.faults = append(tw.faults, &f)
}

func (tw *Twilio) nextFault() *TwilioFault {
	for len(tw.faults) > 0 {
		f := tw.faults[0]
		switch {
		case f.Skip > 0:
			f.Skip--
			return nil
		case f.Times == 0:
			tw.faults = tw.faults[1:]
			continue
		case f.Times > 0:
			f.Times--
		}
		return f
	}
	return nil
}

// Release sends the answers withheld so far.
func (tw *Twilio) Release() {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	for _, c := range tw.held {
		close(c)
	}
	tw.held = nil
}

// Held returns how many answers are withheld.
func (tw *Twilio) Held() int {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	return len(tw.held)
}

// Until returns nil once done is true, asking again whenever something happened.
func (tw *Twilio) Until(ctx context.Context, done func() bool) error {
	for {
		tw.mu.Lock()
		changed := tw.changed
		tw.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// touch tells those in Until. mu is held.
func (tw *Twilio) touch() {
	close(tw.changed)
	tw.changed = make(chan struct{})
}

// Messages returns what was accepted, in order.
func (tw *Twilio) Messages() []TwilioMessage {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	out := make([]TwilioMessage, len(tw.messages))
	for i, m := range tw.messages {
		out[i] = *m
	}
	return out
}

func (tw *Twilio) sid(prefix string) string {
	tw.lastID++
	return fmt.Sprintf("%s%032x", prefix, tw.lastID)
}

func (tw *Twilio) create(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		twilioError(w, 400, 20001, "unreadable form")
		return
	}
	form := r.PostForm
	tw.mu.Lock()
	tw.seen++
	f := tw.nextFault()
	if f == nil {
		f = &TwilioFault{Action: -1}
	}
	var invalid int
	switch to := form.Get("To"); {
	case r.PathValue("sid") != tw.cfg.SID:
		invalid = 20404
	case !strings.HasPrefix(to, "+") || len(to) < 8:
		invalid = 21211
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		invalid = 21603
	case form.Get("Body") == "":
		invalid = 21602
	case len([]rune(form.Get("Body"))) > 1600:
		invalid = 21617
	}
	var m *TwilioMessage
	if invalid == 0 && f.Action != TwilioCutBefore && (f.Action != TwilioRefuse || f.Accept) {
		m = &TwilioMessage{
			SID: tw.sid("SM"), From: form.Get("From"), Service: form.Get("MessagingServiceSid"), To: form.Get("To"), Body: form.Get("Body"),
			Status: "queued", Callback: form.Get("StatusCallback"), Validity: form.Get("ValidityPeriod"), Created: tw.cfg.Now().UTC(),
		}
		tw.messages = append(tw.messages, m)
	}
	var held chan struct{}
	if f.Action == TwilioWithhold {
		held = make(chan struct{})
		tw.held = append(tw.held, held)
	}
	var answer []byte
	if m != nil {
		answer = tw.encode(*m)
	}
	tw.touch()
	tw.mu.Unlock()

	switch f.Action {
	case TwilioRefuse:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Code == 0 {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(f.Status)
			fmt.Fprint(w, "<html><h1>upstream</h1></html>")
			return
		}
		twilioError(w, f.Status, f.Code, "refused by the test")
		return
	case TwilioGarbage:
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "<html>Service portal</html>")
		return
	case TwilioCutBefore, TwilioCutAfter:
		panic(http.ErrAbortHandler)
	case TwilioHalf:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer[:20]) // the cut follows anyway
		panic(http.ErrAbortHandler)
	case TwilioWithhold:
		select {
		case <-held:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if invalid != 0 {
		twilioError(w, 400, invalid, "refused")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer) // a client that went away doesn't change what was accepted
}

// encode renders m as the API does. mu is held.
func (tw *Twilio) encode(m TwilioMessage) []byte {
	n, _ := segment.Count(m.Body)
	fields := map[string]any{
		"sid": m.SID, "account_sid": tw.cfg.SID, "status": m.Status, "to": m.To, "from": nil, "body": m.Body,
		"messaging_service_sid": nil, "num_segments": strconv.Itoa(n), "direction": "outbound-api", "price": nil,
		"date_created": m.Created.Format(time.RFC1123Z), "date_sent": nil, "error_code": nil, "error_message": nil,
		"uri": "/2010-04-01/Accounts/" + tw.cfg.SID + "/Messages/" + m.SID + ".json",
	}
	if m.From != "" {
		fields["from"] = m.From
	}
	if m.Service != "" {
		fields["messaging_service_sid"] = m.Service
	}
	if !m.Sent.IsZero() {
		fields["date_sent"] = m.Sent.Format(time.RFC1123Z)
	}
	if m.ErrorCode != 0 {
		fields["error_code"] = m.ErrorCode
	}
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return b
}

// list answers newest first, in pages.
func (tw *Twilio) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size := 50
	if n, err := strconv.Atoi(q.Get("PageSize")); err == nil && n > 0 && n <= 1000 {
		size = n
	}
	page, err := strconv.Atoi(q.Get("Page"))
	if err != nil {
		page = 0
	}
	tw.mu.Lock()
	var hits []json.RawMessage
	for _, m := range slices.Backward(tw.messages) {
		if to := q.Get("To"); to != "" && m.To != to {
			continue
		}
		if from := q.Get("From"); from != "" && m.From != from {
			continue
		}
		hits = append(hits, tw.encode(*m))
	}
	tw.mu.Unlock()
	from := min(page*size, len(hits))
	to := min(from+size, len(hits))
	var next any
	if to < len(hits) {
		q.Set("Page", strconv.Itoa(page+1))
		next = r.URL.Path + "?" + q.Encode()
	}
	writeJSON(w, 200, map[string]any{"messages": append([]json.RawMessage{}, hits[from:to]...), "next_page_uri": next, "page": page, "page_size": size})
}

func (tw *Twilio) get(w http.ResponseWriter, r *http.Request) {
	sid, ok := strings.CutSuffix(r.PathValue("message"), ".json")
	tw.mu.Lock()
	defer tw.mu.Unlock()
	i := slices.IndexFunc(tw.messages, func(m *TwilioMessage) bool { return m.SID == sid })
	if !ok || i < 0 {
		twilioError(w, 404, 20404, "no such message")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(tw.encode(*tw.messages[i])) // nothing to do about a client that went away
}

func (tw *Twilio) account(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("file") != tw.cfg.SID+".json" {
		twilioError(w, 404, 20404, "no such account")
		return
	}
	writeJSON(w, 200, map[string]any{"sid": tw.cfg.SID, "status": "active", "friendly_name": "Stand-in"})
}

func twilioError(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{"code": code, "message": message, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nothing to do about a client that went away
}

// Report sets the status of a message and calls its StatusCallback. An id never
// given calls fallback, if not empty. The callback is kept for Redeliver unless
// the client answers 2xx.
func (tw *Twilio) Report(sid, status string, code int, fallback string) {
	tw.mu.Lock()
	hook := twilioHook{url: fallback, form: url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "MessageStatus": {status}, "SmsStatus": {status},
		"AccountSid": {tw.cfg.SID}, "ApiVersion": {"2010-04-01"}}}
	for _, m := range tw.messages {
		if m.SID == sid {
			m.Status, m.ErrorCode = status, code
			if m.Sent.IsZero() && status != "queued" {
				m.Sent = tw.cfg.Now().UTC()
			}
			hook.url = m.Callback
			hook.form.Set("To", m.To)
			hook.form.Set("From", m.From)
		}
	}
	if code != 0 {
		hook.form.Set("ErrorCode", strconv.Itoa(code))
	}
	if hook.url != "" {
		tw.hooks = append(tw.hooks, hook)
	}
	tw.mu.Unlock()
	tw.Redeliver()
}

// Receive has a phone write to our number, whose webhook is at address. It returns
// the id of the message.
func (tw *Twilio) Receive(address, from, to, body string) (sid string) {
	n, _ := segment.Count(body)
	tw.mu.Lock()
	sid = tw.sid("SM")
	tw.hooks = append(tw.hooks, twilioHook{address, url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "SmsStatus": {"received"},
		"AccountSid": {tw.cfg.SID}, "From": {from}, "To": {to}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(n)}}})
	tw.mu.Unlock()
	tw.Redeliver()
	return sid
}

// Redeliver makes every webhook request not acknowledged so far, and returns how
// many are left.
func (tw *Twilio) Redeliver() int {
	tw.mu.Lock()
	hooks := tw.hooks
	tw.hooks = nil
	tw.mu.Unlock()
	for _, h := range hooks {
		ok := tw.call(h)
		tw.mu.Lock()
		if !ok {
			tw.hooks = append(tw.hooks, h)
			tw.refused++
		}
		tw.touch()
		tw.mu.Unlock()
	}
	return tw.Undelivered()
}

// Undelivered returns how many webhook requests are not acknowledged.
func (tw *Twilio) Undelivered() int {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	return len(tw.hooks)
}

// Refused returns how many webhook requests failed, those repeated included.
func (tw *Twilio) Refused() int {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	return tw.refused
}

func (tw *Twilio) call(h twilioHook) bool {
	address, _, _ := strings.Cut(h.url, "#") // connection overrides, not sent
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(h.form.Encode()))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("X-Twilio-Signature", TwilioSignature(tw.cfg.Token, address, h.form))
	resp, err := tw.cfg.Client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode/100 == 2
}

// TwilioSignature signs a webhook request the way Twilio does.
//
// Source: https://www.twilio.com/docs/usage/security
func TwilioSignature(token, address string, form url.Values) string {
	var b strings.Builder
	b.WriteString(address)
	for _, key := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[key] {
			b.WriteString(key + value)
		}
	}
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
