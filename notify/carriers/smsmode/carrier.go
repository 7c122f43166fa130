package smsmode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers"
)

// Carrier is one channel at smsmode.
type Carrier struct {
	cfg      Config
	client   *carriers.Client
	log      *slog.Logger
	callback string
}

var (
	_ notify.Carrier = (*Carrier)(nil)
	_ notify.Finder  = (*Carrier)(nil)
	_ notify.Webhook = (*Carrier)(nil)
	_ notify.Checker = (*Carrier)(nil)
	_ notify.Limited = (*Carrier)(nil)
)

// New returns the carrier for cfg. A nil client means one of its own. The error is a
// carriers.ErrConfig.
func New(cfg Config, client *http.Client) (*Carrier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Carrier{cfg: cfg, log: cfg.Logger(cfg.Log), client: carriers.NewClient(cfg.Settings, client, cfg.Now), callback: cfg.callback()}, nil
}

// Name implements notify.Carrier.
func (c *Carrier) Name() string { return c.cfg.Name }

// Window implements notify.Carrier.
func (c *Carrier) Window() int { return c.cfg.Window }

// Rate implements notify.Limited.
func (c *Carrier) Rate() float64 { return c.cfg.Rate }

// Receives reports whether smsmode can tell us of receipts and replies; without a public
// base URL it can't.
func (c *Carrier) Receives() bool { return c.callback != "" }

const messages = "/sms/v1/messages"

// request is one to smsmode; a nil body means GET.
func (c *Carrier) request(path string, body []byte) carriers.Request {
	r := carriers.Request{Method: http.MethodGet, URL: c.cfg.API + path, Body: body, Header: http.Header{
		"Accept":    {"application/json"},
		"X-Api-Key": {c.cfg.Key},
	}}
	if body != nil {
		r.Method = http.MethodPost
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// submission is the body of POST /sms/v1/messages.
//
// Source: https://dev.smsmode.com/sms/v1/#tag/Message/operation/send-message
type submission struct {
	Recipient         address `json:"recipient"`
	Body              content `json:"body"`
	From              string  `json:"from"`
	RefClient         string  `json:"refClient"`
	CallbackURLStatus string  `json:"callbackUrlStatus,omitempty"`
	CallbackURLMo     string  `json:"callbackUrlMo,omitempty"`
}

type address struct {
	To string `json:"to"` // digits without "+"
}

type content struct {
	Text string `json:"text"`
	Stop bool   `json:"stop,omitempty"` // in what smsmode tells us
}

// Send submits m as one request; smsmode cuts it into segments and gives one id.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	body, err := c.encode(m)
	if err != nil {
		return notify.Submission{}, err
	}
	if err := c.client.Pace(ctx, m.Segments); err != nil {
		return notify.Submission{}, err
	}
	got, err := c.client.Do(ctx, c.request(messages, body))
	if err != nil {
		return notify.Submission{}, err
	}
	id, code, k := verdict(got.Status, got.Body)
	if k != nil {
		return notify.Submission{}, c.client.Refusal(got, k, code)
	}
	return notify.Submission{IDs: []string{id}}, nil
}

func (c *Carrier) encode(m notify.Message) ([]byte, error) {
	to, ok := carriers.Digits(m.Recipient)
	if !ok {
		return nil, &notify.SendError{Kind: notify.ErrInvalidDestination, Err: errors.New("not an E.164 number")}
	}
	if m.Sender == "" {
		return nil, &notify.SendError{Kind: notify.ErrInvalidSender, Err: errors.New("no sender")}
	}
	b, err := json.Marshal(submission{Recipient: address{to}, Body: content{Text: m.Body}, From: strings.TrimPrefix(m.Sender, "+"),
		RefClient: m.Reference(), CallbackURLStatus: c.callback, CallbackURLMo: c.callback})
	if err != nil {
		return nil, &notify.SendError{Kind: notify.ErrRejected, Err: errors.New("text can't be written as JSON")}
	}
	return b, nil
}

// Check asks for one message of the listing, which sends nothing.
func (c *Carrier) Check(ctx context.Context) error {
	got, err := c.client.Do(ctx, c.request(messages+"?page=1&pageSize=1", nil))
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return fmt.Errorf("%w: HTTP %d %s", notify.ErrMisconfigured, got.Status, errorCode(got.Body))
	}
	var p page
	if err := json.Unmarshal(got.Body, &p); err != nil || p.Items == nil {
		return carriers.ErrGarbage
	}
	return nil
}
