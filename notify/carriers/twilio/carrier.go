package twilio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
)

// Carrier is one account at Twilio.
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

// New returns the carrier for cfg. A nil client means one of its own. The error
// is a carriers.ErrConfig.
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

// Receives reports whether Twilio can tell us of receipts; without a public base URL, or
// without the auth token that proves them, it can't.
func (c *Carrier) Receives() bool { return c.callback != "" }

// Proves reports whether webhooks can be told from forgeries, which takes the auth token.
func (c *Carrier) Proves() bool { return c.cfg.Token != "" }

func (c *Carrier) url(path string) string {
	return c.cfg.API + "/2010-04-01/Accounts/" + c.cfg.SID + path
}

// request is one to Twilio; a nil form means GET.
func (c *Carrier) request(address string, form url.Values) carriers.Request {
	r := carriers.Request{Method: http.MethodGet, URL: address, Header: http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(c.cfg.login()))},
	}}
	if form != nil {
		r.Method, r.Body = http.MethodPost, []byte(form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// Send submits m as one request; Twilio cuts it into segments and gives one id.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	if err := c.client.Pace(ctx, m.Segments); err != nil {
		return notify.Submission{}, err
	}
	got, err := c.client.Do(ctx, c.request(c.url("/Messages.json"), c.form(m)))
	if err != nil {
		return notify.Submission{}, err
	}
	a := parse(got.Body)
	k := kind(got.Status, a)
	if k == nil {
		return notify.Submission{IDs: []string{a.SID}}, nil
	}
	code := ""
	if a.Code != 0 {
		code = strconv.Itoa(a.Code)
	}
	return notify.Submission{}, c.client.Refusal(got, k, code)
}

func (c *Carrier) form(m notify.Message) url.Values {
	form := url.Values{"To": {m.Recipient}, "Body": {m.Body}}
	if c.cfg.MessagingService != "" {
		form.Set("MessagingServiceSid", c.cfg.MessagingService)
	} else {
		form.Set("From", m.Sender)
	}
	if c.callback != "" {
		form.Set("StatusCallback", c.callback)
	}
	// Twilio takes 1 to 36000 seconds and gives up after 36000 anyway.
	if left := m.Expires.Sub(c.client.Now()); !m.Expires.IsZero() && left >= time.Second && left < 36000*time.Second {
		form.Set("ValidityPeriod", strconv.Itoa(int(left/time.Second)))
	}
	return form
}

// Check asks for the account, which sends nothing.
func (c *Carrier) Check(ctx context.Context) error {
	got, err := c.client.Do(ctx, c.request(c.url(".json"), nil))
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return fmt.Errorf("%w: HTTP %d, code %d", notify.ErrMisconfigured, got.Status, parse(got.Body).Code)
	}
	var account struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(got.Body, &account); err != nil {
		return carriers.ErrGarbage
	}
	if account.Status != "active" {
		return fmt.Errorf("%w: the account is %q", notify.ErrMisconfigured, account.Status)
	}
	return nil
}
