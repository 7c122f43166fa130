package calendars

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var adapterNoon = time.Date(2026, 3, 23, 12, 0, 0, 0, time.UTC)

func TestRetryAt(t *testing.T) {
	t.Parallel()
	noon := adapterNoon
	for in, want := range map[string]time.Time{
		"":                              {},
		"0":                             {},
		"120":                           noon.Add(2 * time.Minute),
		" 5 ":                           noon.Add(5 * time.Second),
		"4000000000":                    noon.Add(24 * time.Hour),
		"99999999999999999999":          {},
		"-3":                            {},
		"soon":                          {},
		"Mon, 23 Mar 2026 12:01:00 GMT": noon.Add(time.Minute),
		"Mon, 23 Mar 2026 11:59:00 GMT": {},
		"Fri, 31 Dec 9999 23:59:59 GMT": noon.Add(24 * time.Hour),
	} {
		if got := RetryAt(http.Header{"Retry-After": {in}}, noon); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func FuzzRetryAt(f *testing.F) {
	for _, s := range []string{"120", "Mon, 23 Mar 2026 12:01:00 GMT", "-1", "1e9", "18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		at := RetryAt(http.Header{"Retry-After": {value}}, adapterNoon)
		if !at.IsZero() && (!at.After(adapterNoon) || at.After(adapterNoon.Add(longestRetry))) {
			t.Errorf("%q: %v", value, at)
		}
	})
}

// Neither where a calendar lies nor what stands in it gets into an error.
func TestCause(t *testing.T) {
	t.Parallel()
	var event struct{ Summary string }
	odd := json.Unmarshal([]byte(`{"Summary": 791234567}`), &event)
	at := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://api.example/calendars/anna@example.com", Err: err}
	}
	for _, err := range []error{at(io.ErrUnexpectedEOF), at(at(io.ErrUnexpectedEOF)), at(odd), odd} {
		if got := Cause(err).Error(); strings.ContainsAny(got, "@7") {
			t.Errorf("%q", got)
		}
	}
	if got := Cause(at(io.ErrUnexpectedEOF)); !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("%v", got)
	}
}

// TestPages lets a list be long but not endless.
func TestPages(t *testing.T) {
	t.Parallel()
	p := new(Pages)
	for i := 1; i < maxPages; i++ {
		if more, err := p.Next("x", "op", strings.Repeat("t", i), 10); !more || err != nil {
			t.Fatalf("page %d: %v %v", i, more, err)
		}
	}
	if _, err := p.Next("x", "op", "last", 10); !errors.Is(err, ErrPagingLoop) {
		t.Errorf("page %d: %v", maxPages, err)
	}
	p = new(Pages)
	for i, token := range []string{"a", "b", "a", "b", "a"} { // a circle of two
		if more, err := p.Next("x", "op", token, 1); more != (i < 4) || errors.Is(err, ErrPagingLoop) != (i == 4) {
			t.Errorf("turn %d: %v %v", i, more, err)
		}
	}
	p = new(Pages)
	if more, err := p.Next("x", "op", "", maxItems); more || err != nil {
		t.Errorf("the end: %v %v", more, err)
	}
	if _, err := p.Next("x", "op", "", 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("one too many: %v", err)
	}
}

type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }
func (e *endless) Close() error               { e.closed = true; return nil }

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestGuarded ends a reply that never ends, and goes nowhere else.
func TestGuarded(t *testing.T) {
	t.Parallel()
	body, asked := &endless{}, 0
	base := &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
	})}
	client := guardedTo(base, "https://api.example/v1/", 1<<20)
	resp, err := client.Get("https://api.example/v1/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, errTooLarge) {
		t.Errorf("error = %v", err)
	}
	if err := resp.Body.Close(); err != nil || !body.closed || body.read > 2<<20 {
		t.Errorf("%v, %d bytes read, closed %v", err, body.read, body.closed)
	}
	for _, link := range []string{"https://evil.example/v1/x", "http://api.example/v1/x", "https://api.example:444/x"} {
		if _, err := client.Get(link); !errors.Is(err, ErrForeignLink) {
			t.Errorf("%s: %v", link, err)
		}
	}
	if asked != 1 {
		t.Errorf("%d requests left", asked)
	}
}
