package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"rappel/notify"
)

// Carrier is one account at Twilio.
type Carrier struct {
	cfg      Config
	client   *http.Client
	log      *slog.Logger
	now      func() time.Time
	limit    *rate.Limiter // nil: none
	callback string
}

var (
	_ notify.Carrier = (*Carrier)(nil)
	_ notify.Finder  = (*Carrier)(nil)
	_ notify.Webhook = (*Carrier)(nil)
	_ notify.Checker = (*Carrier)(nil)
)

// New returns the carrier for cfg. A nil client means one of its own. The error
// is an ErrConfig.
func New(cfg Config, client *http.Client) (*Carrier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Carrier{cfg: cfg, log: cfg.Log, now: cfg.Now, callback: cfg.callback()}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With(slog.String("carrier", cfg.Name))
	if c.now == nil {
		c.now = time.Now
	}
	own := http.Client{}
	if client != nil {
		own = *client
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = cfg.Window
		own.Transport = t
	}
	// A redirect would carry the text elsewhere; it is an answer like any other.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client = &own
	if cfg.Rate > 0 {
		c.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(10, int(cfg.Rate))) // a message may have ten segments
	}
	return c, nil
}

// Name implements notify.Carrier.
func (c *Carrier) Name() string { return c.cfg.Name }

// Window implements notify.Carrier.
func (c *Carrier) Window() int { return c.cfg.Window }

func (c *Carrier) url(path string) string {
	return c.cfg.API + "/2010-04-01/Accounts/" + c.cfg.SID + path
}

// Send submits m as one request; Twilio cuts it into segments and gives one id.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	if c.limit != nil {
		if err := c.limit.WaitN(ctx, min(max(1, m.Segments), c.limit.Burst())); err != nil {
			return notify.Submission{}, &notify.SendError{Kind: notify.ErrTemporary, Err: err}
		}
	}
	status, header, body, err := c.do(ctx, http.MethodPost, c.url("/Messages.json"), c.form(m))
	if err != nil {
		return notify.Submission{}, err
	}
	var a answer
	if e := json.Unmarshal(body, &a); e != nil {
		a = answer{} // kind judges by the status alone
	}
	k := kind(status, a)
	if k == nil {
		return notify.Submission{IDs: []string{a.SID}}, nil
	}
	failed := &notify.SendError{Kind: k, Code: strconv.Itoa(status), Err: errStatus}
	switch {
	case a.Code != 0:
		failed.Code, failed.Err = strconv.Itoa(a.Code), nil
	case status < 300:
		failed.Code, failed.Err = "", errGarbage
	}
	if errors.Is(k, notify.ErrThrottled) {
		failed.After = retryAfter(header, c.now())
	}
	return notify.Submission{}, failed
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
	if left := m.Expires.Sub(c.now()); !m.Expires.IsZero() && left >= time.Second && left < 36000*time.Second {
		form.Set("ValidityPeriod", strconv.Itoa(int(left/time.Second)))
	}
	return form
}

// do makes one request and reads the answer whole. Its error is a *notify.SendError
// that tells whether anything had left.
func (c *Carrier) do(ctx context.Context, method, address string, form url.Values) (status int, h http.Header, body []byte, err error) {
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Before the headers are written the connection stands, TLS included.
		WroteHeaderField: func(string, []string) { left.Store(true) },
	})
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var payload io.Reader
	if form != nil {
		payload = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return 0, nil, nil, &notify.SendError{Kind: notify.ErrMisconfigured, Err: errSend}
	}
	req.SetBasicAuth(c.cfg.SID, c.cfg.Token)
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		if body, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20)); err == nil {
			return resp.StatusCode, resp.Header, body, nil
		}
		if resp.StatusCode >= 300 && resp.StatusCode < 500 {
			return resp.StatusCode, resp.Header, nil, nil // refused, the rest was only the reason
		}
	}
	k := notify.ErrTemporary
	if left.Load() {
		k = notify.ErrUnknown
	}
	return 0, nil, nil, &notify.SendError{Kind: k, Err: cause(err)}
}

// cause drops the URL from net/http's errors: listings have the recipient in it.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w: %w", errSend, err)
}

// Check asks for the account, which sends nothing.
func (c *Carrier) Check(ctx context.Context) error {
	status, _, body, err := c.do(ctx, http.MethodGet, c.url(".json"), nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var a answer
		if err := json.Unmarshal(body, &a); err != nil {
			a = answer{} // the HTTP status says enough
		}
		return fmt.Errorf("%w: HTTP %d, code %d", notify.ErrMisconfigured, status, a.Code)
	}
	var account struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(body, &account); err != nil {
		return errGarbage
	}
	if account.Status != "active" {
		return fmt.Errorf("%w: the account is %q", notify.ErrMisconfigured, account.Status)
	}
	return nil
}
