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

// SMSupConfig describes one account at SMSup.
type SMSupConfig struct {
	Token  string
	Now    func() time.Time // nil means time.Now
	Client *http.Client     // for webhooks; nil means http.DefaultClient
	// Webhooks is where the account's webhooks lead; the STOP ones too if Stops is "".
	Webhooks, Stops string
	// Secret is the webhooks' signature, sent in a header as it is, or with HMAC as
	// the hexadecimal HMAC-SHA-256 of the body: the vendor doesn't say which.
	Secret string
	HMAC   bool
}

// SMSupMessage is a message SMSup accepted.
type SMSupMessage struct {
	Ticket    string // of its campaign
	Reference string // gsmsmsid
	From, To  string
	Body      string // as the phone shows it
	Push      string // alert or marketing
	Unicode   bool
	Created   time.Time
}

// SMSup serves the sending half of SMSup's API for one account. It is an http.Handler.
//
// Source: https://doc.smsup.ch/en, https://dev.smsfactor.com/en
type SMSup struct {
	HTTPGateway
	cfg      SMSupConfig
	mux      *http.ServeMux
	messages []SMSupMessage // under mu, as all that follows
	credits  int
	blocked  map[string]string // digits → the counter they fall under
	unlisted int               // newest messages the history doesn't show yet
	replies  int
}

// NewSMSup returns an account with a million credits and no messages.
func NewSMSup(cfg SMSupConfig) *SMSup {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &SMSup{HTTPGateway: HTTPGateway{client: cfg.Client}, cfg: cfg, mux: http.NewServeMux(), credits: 1e6, blocked: map[string]string{}}
	s.mux.HandleFunc("POST /send", s.send)
	s.mux.HandleFunc("GET /campaigns", s.campaigns)
	s.mux.HandleFunc("GET /credits", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		jsonReply(200, map[string]any{"status": 1, "message": "OK", "credits": strconv.Itoa(s.credits), "postpaid": "0", "postpaid_limit": false, "unlimited": false}).write(w)
	})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { smsupStatus(404, -5, "Resource not found").write(w) })
	return s
}

// ServeHTTP implements http.Handler. Without an Accept header for JSON the answer is
// XML, as is the request expected then.
func (s *SMSup) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Accept") != "application/json":
		reply{200, http.Header{"Content-Type": {"application/xml"}}, []byte(`<?xml version="1.0" encoding="UTF-8"?><response><status>-2</status><message>XML error</message></response>`)}.write(w)
	case r.Header.Get("Authorization") != "Bearer "+s.cfg.Token:
		smsupStatus(401, -1, "Authentication error").write(w)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func smsupStatus(http, status int, message string) reply {
	return jsonReply(http, map[string]any{"status": status, "message": message})
}

// Block puts a phone, by its number, under one of the counters of what is filtered
// before sending: blacklisted, npai, invalid, not_allowed, flood, country_limit.
func (s *SMSup) Block(number, counter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked[strings.TrimPrefix(number, "+")] = counter
}

// SetCredits sets what is left on the account.
func (s *SMSup) SetCredits(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credits = n
}

// Unlist keeps the newest n messages out of the history, as if it lagged behind.
func (s *SMSup) Unlist(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlisted = n
}

// Messages returns what was accepted, in order.
func (s *SMSup) Messages() []SMSupMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// smsupRequest is the body of POST /send, strictly.
type smsupRequest struct {
	SMS struct {
		Message struct {
			Text     string `json:"text"`
			PushType string `json:"pushtype"`
			Sender   string `json:"sender"`
			Delay    string `json:"delay"`
			Unicode  int    `json:"unicode"`
		} `json:"message"`
		Recipients struct {
			GSM []struct {
				Reference string `json:"gsmsmsid"`
				Value     string `json:"value"`
			} `json:"gsm"`
		} `json:"recipients"`
	} `json:"sms"`
}

func (s *SMSup) send(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		smsupStatus(200, -6, "JSON error").write(w)
		return
	}
	s.submit(w, r, func() reply { return s.accept(body.Bytes()) }, s.refuse)
}

// refuse words a fault: a status such as -3, or a counter of what was filtered.
func (s *SMSup) refuse(f HTTPFault) reply {
	if n, err := strconv.Atoi(f.Code); err == nil {
		return smsupStatus(f.Status, n, "refused by the test")
	}
	return s.funnel("", f.Code)
}

// funnel answers a campaign of one message: sent, or filtered under a counter.
func (s *SMSup) funnel(ticket, counter string) reply {
	a := map[string]any{"status": 1, "message": "OK", "ticket": ticket, "cost": 0, "credits": s.credits, "total": 1, "sent": 0,
		"blacklisted": 0, "duplicated": 0, "npai": 0, "invalid": 0, "not_allowed": 0, "flood": 0, "country_limit": 0}
	if counter == "" {
		counter, a["cost"] = "sent", 1
	}
	a[counter] = 1
	return jsonReply(200, a)
}

// accept takes a campaign of one message in, or refuses what SMSup would. mu is held.
func (s *SMSup) accept(body []byte) reply {
	var req smsupRequest
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return smsupStatus(200, -6, "JSON error")
	}
	m, to := req.SMS.Message, req.SMS.Recipients.GSM
	switch {
	case m.Text == "", len(to) != 1, m.PushType != "alert" && m.PushType != "marketing", m.Unicode != 0 && m.Unicode != 1, len(m.Sender) > 15:
		return smsupStatus(200, -7, "Data error")
	case m.Delay != "":
		return smsupStatus(200, -4, "Incorrect date delay")
	case s.credits < 1:
		return smsupStatus(200, -3, "Not enough credits")
	case strings.Trim(to[0].Value, "0123456789") != "" || len(to[0].Value) < 7:
		return s.funnel("", "invalid")
	}
	if counter := s.blocked[to[0].Value]; counter != "" {
		return s.funnel("", counter)
	}
	text := m.Text
	if _, enc := segment.Count(text); enc == segment.UCS2 && m.Unicode == 0 {
		// What is outside GSM-7 doesn't reach a phone without the flag.
		text = strings.Map(func(r rune) rune {
			if _, e := segment.Count(string(r)); e == segment.UCS2 {
				return '?'
			}
			return r
		}, text)
	}
	s.credits--
	ticket := strconv.Itoa(14672468 + len(s.messages))
	s.messages = append(s.messages, SMSupMessage{Ticket: ticket, Reference: to[0].Reference, From: m.Sender, To: to[0].Value, Body: text,
		Push: m.PushType, Unicode: m.Unicode == 1, Created: s.cfg.Now()})
	return s.funnel(ticket, "")
}

// campaigns is the history, with dates in the vendor's own zone.
func (s *SMSup) campaigns(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	number := func(key string, otherwise int) int {
		n, err := strconv.Atoi(q.Get(key))
		if err != nil || n < 0 {
			return otherwise
		}
		return n
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err) // every binary here brings its zones
	}
	start, length := number("start", 0), min(number("length", 100), 1000)
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []map[string]any{}
	for _, m := range s.messages[:max(0, len(s.messages)-s.unlisted)] {
		if d := q.Get("destination"); d != "" && d != m.To {
			continue
		}
		date := m.Created.In(paris).Format(time.DateTime)
		rows = append(rows, map[string]any{"id": m.Ticket, "sender": m.From, "text": m.Body, "creation_date": date, "date": date,
			"cost": "1", "lists": []any{}, "status": "Sent", "delivery_rate": "0"})
	}
	if q.Get("sort") == "-id" {
		slices.Reverse(rows)
	}
	total := len(rows)
	rows = rows[min(start, total):]
	jsonReply(200, map[string]any{"status": 1, "message": "OK", "campaigns": rows[:min(length, len(rows))],
		"totalRecords": total, "totalDisplayRecords": total}).write(w)
}

// nextDate is the date of the next reply: a second after the one before, as no two
// replies of a person come in the same.
func (s *SMSup) nextDate() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies++
	return s.cfg.Now().Add(time.Duration(s.replies) * time.Second).Format(time.RFC3339)
}

func (s *SMSup) message(reference string) (SMSupMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.Reference == reference {
			return m, nil
		}
	}
	return SMSupMessage{}, fmt.Errorf("standin: no message %q", reference)
}
