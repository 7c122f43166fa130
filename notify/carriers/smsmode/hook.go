package smsmode

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers"
)

// ServeHook takes callbacks, receipts and replies, whose path ends in the hook's token;
// see carriers.Hook for the answers.
func (c *Carrier) ServeHook(w http.ResponseWriter, r *http.Request, _ string, in notify.Inbox) {
	carriers.Hook{
		Log: c.log,
		Authentic: func(r *http.Request, _ []byte) bool {
			return carriers.Same(carriers.HookPath(r, c.cfg.Name), c.cfg.hook())
		},
		Parse: func(_ *http.Request, body []byte) (carriers.News, error) { return c.parseHook(body) },
	}.Serve(w, r, in)
}

// object is a message as smsmode tells of it, in callbacks and in the listing.
//
// Source: https://dev.smsmode.com/sms/v1/#tag/Callback
type object struct {
	MessageID string  `json:"messageId"`
	Direction string  `json:"direction"` // MT or MO; may be missing
	From      string  `json:"from"`
	Recipient address `json:"recipient"`
	Body      content `json:"body"`
	RefClient string  `json:"refClient"`
	Status    struct {
		Value  string `json:"value"`
		Detail string `json:"detail"`
	} `json:"status"`
}

// parseHook reads a callback's body. A receipt has a status, a reply none.
func (c *Carrier) parseHook(body []byte) (carriers.News, error) {
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		return carriers.News{}, fmt.Errorf("%w: no JSON of a callback", carriers.ErrHook) // the cause may quote it
	}
	id, mo := carriers.Text(o.MessageID), strings.EqualFold(o.Direction, "MO")
	switch {
	case id == "":
		return carriers.News{}, fmt.Errorf("%w: no id", carriers.ErrHook)
	case !mo && o.Status.Value != "":
		return c.receipt(id, o), nil
	case mo || o.Direction == "":
		return c.reply(id, o)
	}
	return carriers.News{}, fmt.Errorf("%w: neither receipt nor reply", carriers.ErrHook)
}

func (c *Carrier) receipt(id string, o object) carriers.News {
	s, known := statusOf(o.Status.Value, o.Status.Detail)
	r := &notify.Receipt{Carrier: c.cfg.Name, CarrierID: id, Status: s,
		Recipient: carriers.Text(carriers.Number(o.Recipient.To)), Sender: sender(o.From)}
	if !known || s != notify.Sent && s != notify.Delivered {
		r.Code = word(o.Status.Value)
		if d := word(o.Status.Detail); d != "" {
			r.Code += " " + d
		}
	}
	if !known {
		c.log.Warn("receipt with an unknown status", slog.String("carrier_message_id", id), slog.String("status", r.Code))
	}
	return carriers.News{Receipt: r}
}

// word keeps a status or detail that is a word and drops one that is a sentence: those
// may quote a number.
func word(s string) string {
	if len(s) > 40 || !carriers.Word(s) {
		return ""
	}
	return s
}

// sender is who a text came from, as notify writes it.
func sender(from string) string {
	if isDigits(from) {
		return carriers.Number(from)
	}
	return carriers.Text(from)
}

func (c *Carrier) reply(id string, o object) (carriers.News, error) {
	phone, ours := o.From, o.Recipient.To
	if !carriers.IsNumber(phone) {
		phone, ours = ours, phone
	}
	if !carriers.IsNumber(phone) {
		return carriers.News{}, fmt.Errorf("%w: a reply of nobody", carriers.ErrHook)
	}
	m := &notify.Inbound{Carrier: c.cfg.Name, CarrierID: id, From: carriers.Number(phone), To: carriers.Text(carriers.Number(ours)),
		Body: carriers.Text(o.Body.Text), At: c.client.Now()}
	if o.Body.Stop && !strings.EqualFold(strings.TrimSpace(m.Body), "STOP") {
		m.Body = "STOP"
	}
	return carriers.News{Inbound: m}, nil
}
