package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/notify/segment"
)

// SMSmodeConfig describes one channel at smsmode.
type SMSmodeConfig struct {
	Key    string
	Now    func() time.Time // nil means time.Now
	Client *http.Client     // for callbacks; nil means http.DefaultClient
}

// SMSmodeMessage is a message smsmode accepted.
type SMSmodeMessage struct {
	ID                       string
	From, To, Body           string
	RefClient                string
	CallbackStatus, Callback string // Callback is for replies
	Status                   string
	Accepted                 time.Time
}

// SMSmode serves the message resource of one SMS channel. It is an http.Handler.
//
// Source: https://dev.smsmode.com/sms/v1/
type SMSmode struct {
	HTTPGateway
	cfg      SMSmodeConfig
	mux      *http.ServeMux
	messages []*SMSmodeMessage // under mu, as all that follows
	lastID   int
	unlisted int // newest messages the listing doesn't show yet
}

// NewSMSmode returns a channel without messages.
func NewSMSmode(cfg SMSmodeConfig) *SMSmode {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &SMSmode{HTTPGateway: HTTPGateway{client: cfg.Client}, cfg: cfg, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /sms/v1/messages", s.create)
	s.mux.HandleFunc("GET /sms/v1/messages", s.list)
	s.mux.HandleFunc("GET /sms/v1/messages/{id}", s.get)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		smsmodeError(404, "NOT_FOUND", "no such resource").write(w)
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *SMSmode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Api-Key") != s.cfg.Key {
		smsmodeError(401, "UNAUTHORIZED", "Invalid API key").write(w)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func smsmodeError(status int, code, message string) reply {
	return jsonReply(status, map[string]any{"title": http.StatusText(status), "message": message, "detail": "", "errorCode": code})
}

// Unlist keeps the newest n messages out of the listing and from being looked up by id:
// both lag some minutes behind.
func (s *SMSmode) Unlist(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlisted = n
}

// Messages returns what was accepted, in order.
func (s *SMSmode) Messages() []SMSmodeMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]SMSmodeMessage, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// newID is of the form of a UUID. mu is held.
func (s *SMSmode) newID() string {
	s.lastID++
	return fmt.Sprintf("e5ab32e9-caf1-464b-92ac-%012x", s.lastID)
}

// smsmodeRequest is the body of POST /sms/v1/messages, strictly.
type smsmodeRequest struct {
	Recipient struct {
		To string `json:"to"`
	} `json:"recipient"`
	Body struct {
		Text string `json:"text"`
	} `json:"body"`
	From           string `json:"from"`
	RefClient      string `json:"refClient"`
	CallbackStatus string `json:"callbackUrlStatus"`
	Callback       string `json:"callbackUrlMo"`
}

func (s *SMSmode) create(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		smsmodeError(400, "BAD_REQUEST", "unreadable body").write(w)
		return
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		smsmodeError(415, "UNSUPPORTED_MEDIA_TYPE", got).write(w)
		return
	}
	s.submit(w, r, func() reply { return s.accept(body.Bytes()) }, func(f HTTPFault) reply {
		return smsmodeError(f.Status, f.Code, "refused by the test")
	})
}

// accept takes a message in, or refuses what smsmode would. mu is held.
func (s *SMSmode) accept(body []byte) reply {
	var req smsmodeRequest
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return smsmodeError(400, "BAD_REQUEST", "unknown field or no JSON")
	}
	to := req.Recipient.To
	local := func(address string) bool {
		return address != "" && !strings.HasPrefix(address, "http://127.0.0.1:") && !strings.HasPrefix(address, "https://")
	}
	switch {
	case len(to) < 7 || strings.Trim(to, "0123456789") != "":
		return smsmodeError(400, "INVALID_PHONE_NUMBER", "recipient.to")
	case req.Body.Text == "", len(req.RefClient) > 140, len(req.From) > 15, local(req.CallbackStatus), local(req.Callback):
		return smsmodeError(400, "BAD_REQUEST", "validation")
	}
	m := &SMSmodeMessage{ID: s.newID(), From: req.From, To: to, Body: req.Body.Text, RefClient: req.RefClient,
		CallbackStatus: req.CallbackStatus, Callback: req.Callback, Status: "SCHEDULED", Accepted: s.cfg.Now().UTC()}
	s.messages = append(s.messages, m)
	return jsonReply(http.StatusCreated, s.encode(*m))
}

// encode renders m as the API does, dates without a zone.
func (s *SMSmode) encode(m SMSmodeMessage) map[string]any {
	n, enc := segment.Count(m.Body)
	at := m.Accepted.Format("2006-01-02T15:04:05")
	v := map[string]any{
		"messageId": m.ID, "acceptedAt": at, "sentDate": at, "type": "SMS", "direction": "MT",
		"channel":   map[string]any{"channelId": "ch-1", "name": "Rappel", "type": "SMS", "flow": "TRANSACTIONAL"},
		"recipient": map[string]any{"to": m.To}, "from": m.From,
		"body":   map[string]any{"text": m.Body, "encoding": enc.String(), "length": len([]rune(m.Body)), "messagePartCount": n, "stop": false},
		"status": map[string]any{"deliveryDate": at, "value": m.Status},
		"href":   "https://rest.smsmode.com/sms/v1/messages/" + m.ID,
	}
	if m.RefClient != "" {
		v["refClient"] = m.RefClient
	}
	return v
}

// list answers newest first, in pages from 1 on, between two dates.
func (s *SMSmode) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	number := func(key string, otherwise int) int {
		n, err := strconv.Atoi(q.Get(key))
		if err != nil || n < 1 {
			return otherwise
		}
		return n
	}
	day := func(key string, otherwise time.Time) time.Time {
		at, err := time.Parse("2006-01-02T15:04:05", q.Get(key))
		if err != nil {
			return otherwise
		}
		return at
	}
	now := s.cfg.Now().UTC()
	from, to := day("startDate", now.AddDate(0, 0, -10)), day("endDate", now)
	page, size := number("page", 1), min(number("pageSize", 10), 100)
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []map[string]any{}
	if q.Get("searchBy[direction]") != "MO" {
		for _, m := range slices.Backward(s.listed()) {
			if !m.Accepted.Before(from) && !m.Accepted.After(to) {
				items = append(items, s.encode(*m))
			}
		}
	}
	items = items[min((page-1)*size, len(items)):]
	jsonReply(200, map[string]any{"items": items[:min(size, len(items))]}).write(w)
}

func (s *SMSmode) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.listed() {
		if m.ID == r.PathValue("id") {
			jsonReply(200, s.encode(*m)).write(w)
			return
		}
	}
	smsmodeError(404, "NOT_FOUND", "no such message").write(w)
}

// listed is what reporting knows of. mu is held.
func (s *SMSmode) listed() []*SMSmodeMessage {
	return s.messages[:max(0, len(s.messages)-s.unlisted)]
}
