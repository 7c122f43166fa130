package smsup

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
	"rappel/notify/segment"
)

// Carrier is one account at SMSup.
type Carrier struct {
	cfg    Config
	client *carriers.Client
	log    *slog.Logger
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
	return &Carrier{cfg: cfg, log: cfg.Logger(cfg.Log), client: carriers.NewClient(cfg.Settings, client, cfg.Now)}, nil
}

// Name implements notify.Carrier.
func (c *Carrier) Name() string { return c.cfg.Name }

// Window implements notify.Carrier.
func (c *Carrier) Window() int { return c.cfg.Window }

// Rate implements notify.Limited.
func (c *Carrier) Rate() float64 { return c.cfg.Rate }

// HookToken is the end of the webhooks' URL where nobody chose one, and "" where somebody
// did: who makes the webhooks must be told.
func (c *Carrier) HookToken() string {
	if c.cfg.Hook != "" {
		return ""
	}
	return c.cfg.hook()
}

// request is one to SMSup; a nil body means GET.
func (c *Carrier) request(path string, body []byte) carriers.Request {
	r := carriers.Request{Method: http.MethodGet, URL: c.cfg.API + path, Body: body, Header: http.Header{
		"Accept":        {"application/json"}, // else it reads and answers XML
		"Authorization": {"Bearer " + c.cfg.Token},
	}}
	if body != nil {
		r.Method = http.MethodPost
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// campaign is the body of POST /send.
//
// Source: https://dev.smsfactor.com/en, "Campaign"
type campaign struct {
	SMS struct {
		Message struct {
			Text     string `json:"text"`
			PushType string `json:"pushtype"`
			Sender   string `json:"sender"`
			Unicode  int    `json:"unicode,omitempty"`
		} `json:"message"`
		Recipients struct {
			GSM []recipient `json:"gsm"`
		} `json:"recipients"`
	} `json:"sms"`
}

type recipient struct {
	ID    string `json:"gsmsmsid"`
	Value string `json:"value"` // digits without "+"
}

// Send submits m as a campaign of one; SMSup cuts it into segments. The id is m's own
// Reference.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	body, err := encode(m)
	if err != nil {
		return notify.Submission{}, err
	}
	if err := c.client.Pace(ctx, m.Segments); err != nil {
		return notify.Submission{}, err
	}
	got, err := c.client.Do(ctx, c.request("/send", body))
	if err != nil {
		return notify.Submission{}, err
	}
	a, ok := parseAnswer(got.Body)
	code, k := verdict(got.Status, a, ok)
	if k != nil {
		return notify.Submission{}, c.client.Refusal(got, k, code)
	}
	if code == moderated {
		c.log.InfoContext(ctx, "message waits for moderation", slog.Int64("account_id", m.AccountID), slog.Int64("message_id", m.ID))
	}
	return notify.Submission{IDs: []string{m.Reference()}}, nil
}

func encode(m notify.Message) ([]byte, error) {
	to, ok := carriers.Digits(m.Recipient)
	if !ok {
		return nil, &notify.SendError{Kind: notify.ErrInvalidDestination, Err: errors.New("not an E.164 number")}
	}
	if m.Sender == "" {
		return nil, &notify.SendError{Kind: notify.ErrInvalidSender, Err: errors.New("no sender")}
	}
	var req campaign
	msg := &req.SMS.Message
	msg.Text, msg.PushType, msg.Sender = m.Body, "alert", strings.TrimPrefix(m.Sender, "+")
	if m.Kind == notify.Marketing {
		msg.PushType = "marketing"
	}
	if m.Encoding == segment.UCS2 {
		msg.Unicode = 1
	}
	req.SMS.Recipients.GSM = []recipient{{m.Reference(), to}}
	b, err := json.Marshal(req)
	if err != nil {
		return nil, &notify.SendError{Kind: notify.ErrRejected, Err: errors.New("text can't be written as JSON")}
	}
	return b, nil
}

// Check asks for the credits, which sends nothing. An account without any is
// misconfigured too.
func (c *Carrier) Check(ctx context.Context) error {
	got, err := c.client.Do(ctx, c.request("/credits", nil))
	if err != nil {
		return err
	}
	var a struct {
		Status    *number `json:"status"`
		Credits   *number `json:"credits"`
		Postpaid  number  `json:"postpaid"`
		Unlimited bool    `json:"unlimited"`
	}
	readable := json.Unmarshal(got.Body, &a) == nil
	switch {
	case readable && a.Status != nil && *a.Status < 0:
		return fmt.Errorf("%w: status %d", notify.ErrMisconfigured, *a.Status)
	case got.Status != http.StatusOK:
		return fmt.Errorf("%w: HTTP %d", notify.ErrMisconfigured, got.Status)
	case !readable || a.Credits == nil:
		return carriers.ErrGarbage
	case *a.Credits < 1 && a.Postpaid == 0 && !a.Unlimited:
		return fmt.Errorf("%w: the account has no credits left", notify.ErrMisconfigured)
	}
	return nil
}
