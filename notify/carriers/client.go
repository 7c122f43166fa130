package carriers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// Causes inside a *notify.SendError.
var (
	ErrSend    = errors.New("request failed")
	ErrStatus  = errors.New("unexpected HTTP status")
	ErrGarbage = errors.New("answer can't be read")
)

// maxAnswer bounds what is read of an answer; a page of a listing is some 100 kB.
const maxAnswer = 4 << 20

// Client makes requests to one gateway. It is safe for concurrent use.
type Client struct {
	http    http.Client
	timeout time.Duration
	now     func() time.Time
	limit   *rate.Limiter // nil: none
}

// NewClient returns the client for s, built on base. A nil base means a transport of its
// own; a nil now means time.Now.
func NewClient(s Settings, base *http.Client, now func() time.Time) *Client {
	c := &Client{timeout: s.Timeout, now: now}
	if c.now == nil {
		c.now = time.Now
	}
	if base != nil {
		c.http = *base
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = s.Window
		c.http.Transport = t
	}
	// A redirect would carry the text elsewhere; it is an answer like any other.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if s.Rate > 0 {
		c.limit = rate.NewLimiter(rate.Limit(s.Rate), max(10, int(s.Rate))) // a message may have ten segments
	}
	return c
}

// Now is the client's clock.
func (c *Client) Now() time.Time { return c.now() }

// Pace waits until segments may be submitted. Its error is a *notify.SendError: ctx
// ended before.
func (c *Client) Pace(ctx context.Context, segments int) error {
	if c.limit == nil {
		return nil
	}
	if err := c.limit.WaitN(ctx, min(max(1, segments), c.limit.Burst())); err != nil {
		return &notify.SendError{Kind: notify.ErrTemporary, Err: err}
	}
	return nil
}

// Request is one request to a gateway.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte // nil: none
}

// Answer is what a gateway answered, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes one request. Its error is a *notify.SendError that tells whether anything had
// left: ErrTemporary if certainly not, else ErrUnknown.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Before the headers are written the connection stands, TLS included.
		WroteHeaderField: func(string, []string) { left.Store(true) },
	})
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return Answer{}, &notify.SendError{Kind: notify.ErrMisconfigured, Err: ErrSend} // the cause quotes the URL
	}
	for key, values := range r.Header {
		req.Header[key] = values
	}
	resp, err := c.http.Do(req)
	if err == nil {
		defer resp.Body.Close()
		a := Answer{Status: resp.StatusCode, Header: resp.Header}
		if a.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err == nil {
			return a, nil
		}
		if a.Status >= 300 && a.Status < 500 {
			a.Body = nil
			return a, nil // refused, the rest was only the reason
		}
	}
	k := notify.ErrTemporary
	if left.Load() {
		k = notify.ErrUnknown
	}
	return Answer{}, &notify.SendError{Kind: k, Err: cause(err)}
}

// cause drops the URL from net/http's errors: listings have the recipient in it.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w: %w", ErrSend, err)
}

// Kind tells which failure an HTTP status means as such, for answers whose body says
// nothing more; nil for 2xx.
func Kind(status int) error {
	switch {
	case status == http.StatusTooManyRequests:
		return notify.ErrThrottled
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed, status == http.StatusProxyAuthRequired:
		return notify.ErrMisconfigured
	case status >= 500, status == http.StatusRequestTimeout:
		return notify.ErrUnknown
	case status >= 400:
		return notify.ErrRejected
	case status >= 200 && status < 300:
		return nil
	}
	return notify.ErrMisconfigured // somebody else answers at that address
}

// Refusal is the failure of kind k that a means. code is the gateway's own; "" means the
// HTTP status.
func (c *Client) Refusal(a Answer, k error, code string) *notify.SendError {
	e := &notify.SendError{Kind: k, Code: code}
	switch {
	case code != "":
	case a.Status/100 == 2:
		e.Err = ErrGarbage
	default:
		e.Code, e.Err = strconv.Itoa(a.Status), ErrStatus
	}
	if errors.Is(k, notify.ErrThrottled) {
		e.After = retryAfter(a.Header, c.now())
	}
	return e
}

// retryAfter reads the header, seconds or a date, up to a day; 0 when it says nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return min(t.Sub(now), 24*time.Hour)
	}
	return 0
}

// Digits is an E.164 number without its "+"; ok is false if it isn't one.
func Digits(e164 string) (digits string, ok bool) {
	digits, ok = strings.CutPrefix(e164, "+")
	return digits, ok && len(digits) >= 6 && len(digits) <= 15 && digits[0] != '0' && !strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
}

// Number is what a gateway wrote for a phone, as E.164 if it is a number of more digits
// than a short code has, else as written.
func Number(written string) string {
	if digits, ok := international(written); ok {
		return "+" + digits
	}
	return written
}

// IsNumber reports whether written is an international number and not a name or a
// short code.
func IsNumber(written string) bool {
	_, ok := international(written)
	return ok
}

func international(written string) (string, bool) {
	digits := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '.' || r == '(' || r == ')' {
			return -1
		}
		return r
	}, written)
	if rest, plus := strings.CutPrefix(digits, "+"); plus {
		digits = rest
	} else {
		digits = strings.TrimPrefix(digits, "00")
	}
	_, ok := Digits("+" + digits)
	return digits, ok && len(digits) >= 7
}
