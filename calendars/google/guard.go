package google

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"rappel/calendars"
)

// maxBytes bounds what one operation reads, all pages together.
const maxBytes = 256 << 20

var errTooLarge = errors.New("the reply is too large")

// guarded is client, kept on the host of base: it follows no redirect, sends
// nothing elsewhere and reads at most maxBytes.
func guarded(client *http.Client, base string) *http.Client {
	c := *client
	c.Transport = &guard{next: client.Transport, base: base, left: maxBytes}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// guard serves the requests of one operation, which come one after another.
type guard struct {
	next http.RoundTripper
	base string
	left int64
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	base, err := url.Parse(g.base)
	if err != nil {
		return nil, calendars.ErrClientConfig
	}
	if req.URL.Scheme != base.Scheme || req.URL.Host != base.Host {
		return nil, calendars.ErrForeignLink
	}
	next := g.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, guard: g}
	return resp, nil
}

type limited struct {
	io.ReadCloser
	guard *guard
}

// Read fails once more than maxBytes came, instead of pretending the end.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.guard.left -= int64(n); l.guard.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
