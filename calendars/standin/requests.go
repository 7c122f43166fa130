package standin

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Request is one request a server received. It holds tokens and secrets as they
// came: it is for assertions in tests, never for a log.
type Request struct {
	At       time.Time
	Provider Provider
	Method   string
	Path     string // as sent, percent-encoding kept, below the mount point
	Query    url.Values
	Header   http.Header
	Body     string
	Status   int // 0 = the connection was cut, or the answer is still under way

	host string
}

// maxRequests bounds the log; the oldest go first. maxLogged bounds a body in it.
const (
	maxRequests = 10000
	maxLogged   = 64 << 10
)

type requestLog struct {
	mu    sync.Mutex
	items []*Request
}

// Requests lists the requests received so far, the oldest first.
func (w *World) Requests() []Request {
	w.requests.mu.Lock()
	defer w.requests.mu.Unlock()
	out := make([]Request, len(w.requests.items))
	for i, x := range w.requests.items {
		out[i] = *x
	}
	return out
}

// Count counts the requests to p ("" = both) whose "METHOD path?query" matches
// the regular expression.
func (w *World) Count(p Provider, pattern string) int {
	re := regexp.MustCompile(pattern)
	n := 0
	for _, x := range w.Requests() {
		if (p == "" || p == x.Provider) && re.MatchString(x.line()) {
			n++
		}
	}
	return n
}

// ForgetRequests empties the log.
func (w *World) ForgetRequests() {
	w.requests.mu.Lock()
	defer w.requests.mu.Unlock()
	w.requests.items = nil
}

// line is what patterns are matched against.
func (x *Request) line() string {
	l := x.Method + " " + x.Path
	if len(x.Query) > 0 {
		l += "?" + x.Query.Encode()
	}
	return l
}

// watched logs every request and lets faults strike before next answers.
func (w *World) watched(p Provider, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := requestBody(r)
		if err != nil { // cut off while sending, or not what its encoding says
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		x := &Request{
			At: w.now(), Provider: p, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(),
			host: r.Host, Header: r.Header.Clone(), Body: string(body[:min(len(body), maxLogged)]),
		}
		w.requests.mu.Lock()
		if len(w.requests.items) >= maxRequests {
			w.requests.items = slices.Delete(w.requests.items, 0, maxRequests/10)
		}
		w.requests.items = append(w.requests.items, x)
		w.requests.mu.Unlock()
		out := &statusWriter{ResponseWriter: rw, seen: func(status int) {
			w.requests.mu.Lock()
			x.Status = status
			w.requests.mu.Unlock()
		}}
		w.strike(x, out, r, next)
	})
}

// requestBody reads the body; the Graph SDK may send it gzipped.
func requestBody(r *http.Request) ([]byte, error) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("gzipped body: %w", err)
		}
		in = z
	}
	return io.ReadAll(io.LimitReader(in, maxReqLen))
}

// statusWriter reports the status that goes out.
type statusWriter struct {
	http.ResponseWriter
	seen func(int)
}

func (s *statusWriter) WriteHeader(status int) {
	if s.seen != nil {
		s.seen(status)
		s.seen = nil
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.seen != nil {
		s.seen(http.StatusOK)
		s.seen = nil
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
