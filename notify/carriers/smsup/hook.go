package smsup

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers"
)

// ServeHook takes webhooks of the types DLR, MO and STOP that are proved; see the
// package's doc by what, and carriers.Hook for the answers.
func (c *Carrier) ServeHook(w http.ResponseWriter, r *http.Request, _ string, in notify.Inbox) {
	carriers.Hook{
		Log: c.log,
		Authentic: func(r *http.Request, body []byte) bool {
			token, _ := c.path(r)
			named := carriers.Same(token, c.cfg.hook()) || token == "" && c.cfg.Hook == "" && c.cfg.Signature != ""
			return named && c.signed(r.Header.Get("X-SMSFactor-Signature"), body)
		},
		Parse: func(r *http.Request, body []byte) (carriers.News, error) {
			_, stop := c.path(r)
			return c.parseHook(body, stop)
		},
	}.Serve(w, r, in)
}

// path splits what follows the hook's name into the token and whether it is the address
// of STOP webhooks.
func (c *Carrier) path(r *http.Request) (token string, stop bool) {
	rest := carriers.HookPath(r, c.cfg.Name)
	if rest == "stop" {
		return "", true
	}
	return strings.CutSuffix(rest, "/stop")
}

// signed checks the signature, in any of the forms it may have; see the package's doc.
func (c *Carrier) signed(given string, body []byte) bool {
	if c.cfg.Signature == "" {
		return true
	}
	mac := hmac.New(sha256.New, []byte(c.cfg.Signature))
	mac.Write(body)
	sum := mac.Sum(nil)
	// All three are looked at, so that time tells nothing.
	plain := carriers.Same(given, c.cfg.Signature)
	hexed := carriers.Same(strings.ToLower(given), hex.EncodeToString(sum))
	based := carriers.Same(given, base64.StdEncoding.EncodeToString(sum))
	return plain || hexed || based
}

// event is a webhook's JSON: a receipt (DLR), or a reply (MO and STOP).
//
// Source: https://doc.smsup.ch/it/api/sms/webhook/notifica-di-ricezione,
// https://doc.smsup.ch/en/api/sms/webhook/replies and …/stops
type event struct {
	Date string `json:"date"`

	Status      *number `json:"status"`
	Destination text    `json:"destination"`
	MessageID   text    `json:"message_id"`

	From          text   `json:"from"`
	Message       string `json:"message"`
	LastMessageID text   `json:"last_message_id"`
}

// text is a string that may come as a JSON number, as phones and ids do.
type text string

// UnmarshalJSON implements json.Unmarshaler. null leaves t as it is.
func (t *text) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	*t = text(b)
	if _, err := strconv.ParseInt(string(b), 10, 64); err != nil {
		return fmt.Errorf("%w: neither text nor number", carriers.ErrHook)
	}
	return nil
}

// parseHook reads a webhook's body; stop says that it came to the address of opt-outs.
func (c *Carrier) parseHook(body []byte, stop bool) (carriers.News, error) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return carriers.News{}, fmt.Errorf("%w: no JSON of a webhook", carriers.ErrHook) // the cause may quote it
	}
	switch {
	case e.Status != nil && e.Destination != "":
		return c.receipt(e), nil
	case e.From != "" && e.Status == nil:
		return c.reply(e, stop), nil
	}
	return carriers.News{}, fmt.Errorf("%w: neither receipt nor reply", carriers.ErrHook)
}

func (c *Carrier) receipt(e event) carriers.News {
	id := carriers.Text(string(e.MessageID))
	if id == "" {
		c.log.Info("receipt for a text that isn't ours", slog.Int64("status", int64(*e.Status)))
		return carriers.News{}
	}
	s, known := statusOf(*e.Status)
	if !known {
		c.log.Warn("receipt with an unknown status", slog.String("carrier_message_id", id), slog.Int64("status", int64(*e.Status)))
	}
	r := &notify.Receipt{Carrier: c.cfg.Name, CarrierID: id, Status: s, At: carriers.Instant(e.Date)}
	if s != notify.Sent && s != notify.Delivered || !known {
		r.Code = strconv.FormatInt(int64(*e.Status), 10)
	}
	if _, ours := notify.ParseReference(id); ours {
		r.Recipient = carriers.Text(carriers.Number(string(e.Destination)))
	}
	return carriers.News{Receipt: r}
}

func (c *Carrier) reply(e event, stop bool) carriers.News {
	m := &notify.Inbound{Carrier: c.cfg.Name, From: carriers.Text(carriers.Number(string(e.From))), Body: carriers.Text(e.Message), At: carriers.Instant(e.Date)}
	if words := strings.ToUpper(strings.Join(strings.Fields(m.Body), " ")); stop && words != "STOP" && words != "STOP SMS" {
		m.Body = "STOP"
	}
	m.CarrierID = carriers.MadeUpID(e.Date, m.From, m.Body, string(e.LastMessageID))
	if m.At.IsZero() {
		m.At = c.client.Now()
	}
	return carriers.News{Inbound: m}
}

// statusOf maps a receipt's status. 0, not sent yet, is sent for us: SMSup has it. ok is
// false for numbers it may add one day; 8 and 10 don't exist.
//
// Source: https://doc.smsup.ch/it/api/sms/webhook/notifica-di-ricezione
func statusOf(n number) (s notify.Status, ok bool) {
	switch n {
	case 0, 1:
		return notify.Sent, true
	case 2, 3, 4, 5, 6, 7, 9, 11, 12:
		return notify.Status(n), true // our numbers are these
	}
	return notify.Sent, false
}
