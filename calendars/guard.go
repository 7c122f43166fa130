package calendars

import (
	"errors"
	"io"
	"net/http"
	"net/url"
)

// maxBytes bounds what one operation of an adapter reads, all pages together.
const maxBytes = 256 << 20

var errTooLarge = errors.New("the reply is too large")

// Guarded is client for one operation, whose requests come one after another: it is
// kept on the host of base, where alone its access token may go (ErrForeignLink), follows
// no redirect, and reads at most 256 MiB.
func Guarded(client *http.Client, base string) *http.Client {
	return guardedTo(client, base, maxBytes)
}

func guardedTo(client *http.Client, base string, most int64) *http.Client {
	c := *client
	c.Transport = &guard{next: client.Transport, base: base, left: most}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// SameHost reports whether link leads to the host of base, by the same scheme.
func SameHost(link, base string) bool {
	l, err := url.Parse(link)
	if err != nil {
		return false
	}
	b, err := url.Parse(base)
	return err == nil && l.Scheme == b.Scheme && l.Host == b.Host
}

type guard struct {
	next http.RoundTripper
	base string
	left int64
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if !SameHost(req.URL.String(), g.base) {
		return nil, ErrForeignLink
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

// Read fails once more than the limit came, instead of pretending the end.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.guard.left -= int64(n); l.guard.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
