package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind string

// What can go wrong.
const (
	Respond     FaultKind = "respond"      // answers Status, Header and Body instead
	Hold        FaultKind = "hold"         // waits for Until, then answers as usual
	Cut         FaultKind = "cut"          // closes the connection without an answer
	CutMiddle   FaultKind = "cut-middle"   // closes it in the middle of the real answer
	Garbage     FaultKind = "garbage"      // 200 with half a JSON document
	RepeatPage  FaultKind = "repeat-page"  // the next page is always this one again
	ForeignLink FaultKind = "foreign-link" // links in the answer point to another host
)

// FaultSpec switches one fault on.
type FaultSpec struct {
	Provider Provider // "" = both
	Path     string   // regular expression on "METHOD path?query"; "" = every request
	Kind     FaultKind

	Status int         // Respond; 0 = 503
	Header http.Header // Respond
	Body   string      // Respond; "" = the provider's usual error body of the status

	Until <-chan struct{} // Hold: closed by the test
	Host  string          // ForeignLink; "" = evil.example

	After int // so many matching requests pass unharmed first
	Times int // then so many are hit; 0 = until Clear
}

// Fault is a fault that is switched on.
type Fault struct {
	spec FaultSpec
	re   *regexp.Regexp

	mu      sync.Mutex
	passed  int
	hits    int
	cleared bool
	started chan struct{}
}

// Fault switches a fault on. Of several that match a request, the oldest strikes.
func (w *World) Fault(spec FaultSpec) (*Fault, error) {
	re, err := regexp.Compile(spec.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	kinds := []FaultKind{Respond, Hold, Cut, CutMiddle, Garbage, RepeatPage, ForeignLink}
	if !slices.Contains(kinds, spec.Kind) || spec.Kind == Hold && spec.Until == nil {
		return nil, fmt.Errorf("%w: unknown fault, or one to hold without an end", ErrInvalid)
	}
	f := &Fault{spec: spec, re: re, started: make(chan struct{})}
	w.faultMu.Lock()
	defer w.faultMu.Unlock()
	w.faults = append(w.faults, f)
	return f, nil
}

// ClearFaults ends every fault.
func (w *World) ClearFaults() {
	w.faultMu.Lock()
	defer w.faultMu.Unlock()
	w.faults = nil
}

// Clear ends the fault.
func (f *Fault) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleared = true
}

// Hits counts the requests it struck.
func (f *Fault) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// Started is closed when the fault strikes for the first time, so that a test
// knows a held request has arrived.
func (f *Fault) Started() <-chan struct{} { return f.started }

// takes tells whether the fault strikes request x.
func (f *Fault) takes(x *Request) bool {
	if f.spec.Provider != "" && f.spec.Provider != x.Provider || !f.re.MatchString(x.line()) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cleared || f.spec.Times > 0 && f.hits >= f.spec.Times {
		return false
	}
	if f.passed < f.spec.After {
		f.passed++
		return false
	}
	if f.hits == 0 {
		close(f.started)
	}
	f.hits++
	return true
}

// strike answers r, through the first fault that takes it.
func (w *World) strike(x *Request, rw http.ResponseWriter, r *http.Request, next http.Handler) {
	w.faultMu.Lock()
	i := slices.IndexFunc(w.faults, func(f *Fault) bool { return f.takes(x) })
	var f *Fault
	if i >= 0 {
		f = w.faults[i]
	}
	w.faultMu.Unlock()
	if f == nil {
		next.ServeHTTP(rw, r)
		return
	}
	switch f.spec.Kind {
	case Respond:
		w.respond(f.spec, x, rw, r)
	case Hold:
		select {
		case <-f.spec.Until:
			next.ServeHTTP(rw, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	case Cut:
		panic(http.ErrAbortHandler) // net/http closes the connection on it
	case Garbage:
		rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
		rw.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(rw, `{"items":[{"id":"x","start":{"dateT`) // a lost client is no matter
	default:
		w.distort(f.spec, x, rw, r, next)
	}
}

func (w *World) respond(spec FaultSpec, x *Request, rw http.ResponseWriter, r *http.Request) {
	status := spec.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	for key, values := range spec.Header {
		rw.Header()[key] = values
	}
	switch {
	case spec.Body != "":
		if rw.Header().Get("Content-Type") == "" {
			rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, spec.Body) // a lost client is no matter
	case x.Provider == Google:
		googleFailure{status, "global", "backendError", http.StatusText(status), "", ""}.write(rw)
	default:
		w.graphError(rw, r, &graphFailure{status, "serviceNotAvailable", http.StatusText(status)})
	}
}

// distort lets next answer and spoils the answer.
func (w *World) distort(spec FaultSpec, x *Request, rw http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := &buffer{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(rec, r)
	body := rec.body.Bytes()
	var doc map[string]any
	if spec.Kind != CutMiddle && json.Unmarshal(body, &doc) == nil {
		switch spec.Kind {
		case RepeatPage:
			repeat(doc, x, w)
		case ForeignLink:
			host := spec.Host
			if host == "" {
				host = "evil.example"
			}
			for _, key := range []string{"@odata.nextLink", "@odata.deltaLink"} {
				if link, ok := doc[key].(string); ok && link != "" {
					if u, err := url.Parse(link); err == nil {
						u.Host = host
						doc[key] = u.String()
					}
				}
			}
		}
		if spoiled, err := json.Marshal(doc); err == nil {
			body = spoiled
		}
	}
	for key, values := range rec.header {
		rw.Header()[key] = values
	}
	rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rw.WriteHeader(rec.status)
	if spec.Kind == CutMiddle {
		_, _ = rw.Write(bytes.Clone(body[:len(body)/2]))
		_ = http.NewResponseController(rw).Flush() // best effort: the half may also get lost
		panic(http.ErrAbortHandler)
	}
	_, _ = rw.Write(body) // a lost client is no matter
}

// buffer holds an answer back so that it can be spoilt.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header         { return b.header }
func (b *buffer) WriteHeader(status int)      { b.status = status }
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// repeat makes the next page this page.
func repeat(doc map[string]any, x *Request, w *World) {
	if x.Provider == Google {
		token := x.Query.Get("pageToken")
		if next, ok := doc["nextPageToken"].(string); ok && token == "" {
			token = next
		}
		if token == "" {
			token = "again"
		}
		doc["nextPageToken"] = token
		delete(doc, "nextSyncToken")
		return
	}
	w.mu.Lock()
	base := w.opt.MicrosoftBase
	w.mu.Unlock()
	if base == "" {
		base = "http://" + x.host
	}
	link := base + x.Path + "?" + x.Query.Encode()
	if next, ok := doc["@odata.nextLink"].(string); ok && next != "" && !x.Query.Has("$skiptoken") && !x.Query.Has("$skip") {
		link = next
	}
	doc["@odata.nextLink"] = link
	delete(doc, "@odata.deltaLink")
}

// TokenDown is a token endpoint that answers 503.
func TokenDown(p Provider) FaultSpec {
	return FaultSpec{Provider: p, Path: `^POST /.*token$`, Kind: Respond, Status: http.StatusServiceUnavailable,
		Body: `{"error":"temporarily_unavailable"}`}
}

// WrongSecret is a token endpoint that does not know our client secret.
func WrongSecret(p Provider) FaultSpec {
	body := `{"error":"invalid_client","error_description":"The provided client secret is invalid."}`
	if p == Microsoft {
		body = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}`
	}
	return FaultSpec{Provider: p, Path: `^POST /.*token$`, Kind: Respond, Status: http.StatusUnauthorized, Body: body}
}

// Throttled is an API over its quota. wait > 0 adds Retry-After in seconds, an
// at an HTTP date.
func Throttled(p Provider, wait time.Duration, at time.Time) FaultSpec {
	h := http.Header{}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	if !at.IsZero() {
		h.Set("Retry-After", at.UTC().Format(http.TimeFormat))
	}
	spec := FaultSpec{Provider: p, Path: ` /v1\.0/`, Kind: Respond, Status: http.StatusTooManyRequests, Header: h,
		Body: `{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit.","innerError":{"code":"MailboxConcurrency"}}}`}
	if p == Google {
		spec.Path, spec.Status = ` /calendar/v3/`, http.StatusForbidden
		spec.Body = `{"error":{"code":403,"message":"Rate Limit Exceeded","errors":[{"domain":"usageLimits","reason":"rateLimitExceeded","message":"Rate Limit Exceeded"}]}}`
	}
	return spec
}

// CursorGone is a server that no longer knows any sync token or delta link.
func CursorGone(p Provider) FaultSpec {
	if p == Google {
		return FaultSpec{Provider: p, Path: `syncToken=`, Kind: Respond, Status: http.StatusGone, Body: `{"error":{"code":410,` +
			`"message":"Sync token is no longer valid, a full sync is required.","errors":[{"domain":"calendar","reason":"fullSyncRequired",` +
			`"message":"Sync token is no longer valid, a full sync is required.","locationType":"parameter","location":"syncToken"}]}}`}
	}
	return FaultSpec{Provider: p, Path: `deltatoken=`, Kind: Respond, Status: http.StatusNotFound,
		Body: `{"error":{"code":"syncStateNotFound","message":"The sync state generation is not found."}}`}
}
