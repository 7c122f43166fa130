package standin

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/notify/segment"
)

// TwilioConfig describes one account at Twilio.
type TwilioConfig struct {
	SID, Token  string
	Key, Secret string           // an API key; "" = there is none
	Now         func() time.Time // nil means time.Now
	Client      *http.Client     // for webhooks; nil means http.DefaultClient
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
	HTTPGateway
	cfg      TwilioConfig
	mux      *http.ServeMux
	messages []*TwilioMessage // under mu, as the next
	lastID   int
}

// NewTwilio returns an account without messages.
func NewTwilio(cfg TwilioConfig) *Twilio {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	tw := &Twilio{HTTPGateway: HTTPGateway{client: cfg.Client}, cfg: cfg, mux: http.NewServeMux()}
	tw.mux.HandleFunc("POST /2010-04-01/Accounts/{sid}/Messages.json", tw.create)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{sid}/Messages.json", tw.list)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{sid}/Messages/{message}", tw.get)
	tw.mux.HandleFunc("GET /2010-04-01/Accounts/{file}", tw.account)
	tw.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { twilioError(404, 20404, "no such resource").write(w) })
	return tw
}

// ServeHTTP implements http.Handler.
func (tw *Twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	login := []byte(user + ":" + password)
	key := tw.cfg.Key != "" && subtle.ConstantTimeCompare(login, []byte(tw.cfg.Key+":"+tw.cfg.Secret)) == 1
	if !key && subtle.ConstantTimeCompare(login, []byte(tw.cfg.SID+":"+tw.cfg.Token)) != 1 {
		twilioError(401, 20003, "Authenticate").write(w)
		return
	}
	tw.mux.ServeHTTP(w, r)
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
		twilioError(400, 20001, "unreadable form").write(w)
		return
	}
	tw.submit(w, r, func() reply { return tw.accept(r) }, func(f HTTPFault) reply {
		code, err := strconv.Atoi(f.Code)
		if err != nil {
			panic(err) // a test that queued nonsense
		}
		return twilioError(f.Status, code, "refused by the test")
	})
}

// accept takes a message in, or refuses what Twilio would. mu is held.
func (tw *Twilio) accept(r *http.Request) reply {
	form := r.PostForm
	invalid := 0
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
	if invalid != 0 {
		return twilioError(400, invalid, "refused")
	}
	m := &TwilioMessage{
		SID: tw.sid("SM"), From: form.Get("From"), Service: form.Get("MessagingServiceSid"), To: form.Get("To"), Body: form.Get("Body"),
		Status: "queued", Callback: form.Get("StatusCallback"), Validity: form.Get("ValidityPeriod"), Created: tw.cfg.Now().UTC(),
	}
	tw.messages = append(tw.messages, m)
	return jsonReply(http.StatusCreated, tw.encode(*m))
}

// encode renders m as the API does. mu is held.
func (tw *Twilio) encode(m TwilioMessage) map[string]any {
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
	return fields
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
	hits := []map[string]any{}
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
	jsonReply(200, map[string]any{"messages": hits[from:to], "next_page_uri": next, "page": page, "page_size": size}).write(w)
}

func (tw *Twilio) get(w http.ResponseWriter, r *http.Request) {
	sid, ok := strings.CutSuffix(r.PathValue("message"), ".json")
	tw.mu.Lock()
	defer tw.mu.Unlock()
	i := slices.IndexFunc(tw.messages, func(m *TwilioMessage) bool { return m.SID == sid })
	if !ok || i < 0 {
		twilioError(404, 20404, "no such message").write(w)
		return
	}
	jsonReply(200, tw.encode(*tw.messages[i])).write(w)
}

func (tw *Twilio) account(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("file") != tw.cfg.SID+".json" {
		twilioError(404, 20404, "no such account").write(w)
		return
	}
	jsonReply(200, map[string]any{"sid": tw.cfg.SID, "status": "active", "friendly_name": "Stand-in"}).write(w)
}

func twilioError(status, code int, message string) reply {
	return jsonReply(status, map[string]any{"code": code, "message": message, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code)})
}
