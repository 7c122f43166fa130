package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// HTTPAction is what a gateway over HTTP does with a submission instead of accepting
// and answering it.
type HTTPAction int

// The actions, told apart as those of the SMSC: what matters is whether the gateway
// has the message afterwards.
const (
	HTTPRefuse    HTTPAction = iota // answer Status and Code; not accepted
	HTTPGarbage                     // accepted, then a page that is no JSON
	HTTPEmpty                       // accepted, then a good status and no body
	HTTPWithhold                    // accepted; the answer waits for Release
	HTTPCutBefore                   // connection cut; not accepted
	HTTPCutAfter                    // accepted, then the connection cut unanswered
	HTTPHalf                        // accepted, then the answer breaks off in the middle
)

// HTTPFault is one misbehaviour towards submissions.
type HTTPFault struct {
	Action     HTTPAction
	Status     int    // of the HTTP answer
	Code       string // the gateway's own; "" = a proxy's page instead of its words
	RetryAfter string // header Retry-After
	Accept     bool   // with HTTPRefuse: accepted all the same, as a 502 of a proxy can hide
	Skip       int    // leave this many submissions alone first
	Times      int    // how many it then hits; 0 means 1, negative all until ClearFaults
}

// HTTPGateway is what stand-ins of gateways over HTTP have in common: faults, answers
// withheld, and webhooks repeated until they are acknowledged. The zero value works.
type HTTPGateway struct {
	client *http.Client // for webhooks

	mu      sync.Mutex
	changed chan struct{} // nil until somebody waits
	faults  []*HTTPFault
	held    []chan struct{}
	hooks   []webhook // not acknowledged
	refused int
}

// webhook is one request to the client.
type webhook struct {
	url    string
	header http.Header
	body   []byte
}

// reply is an answer to a submission.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func jsonReply(status int, v any) reply {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return reply{status, http.Header{"Content-Type": {"application/json"}}, b}
}

func (a reply) write(w http.ResponseWriter) {
	for key, values := range a.header {
		w.Header()[key] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that went away doesn't change what was accepted
}

// Fault queues f. Faults are used up in the order they were queued.
func (g *HTTPGateway) Fault(f HTTPFault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	g.faults = append(g.faults, &f)
}

// ClearFaults forgets what is left of the queued faults.
func (g *HTTPGateway) ClearFaults() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// nextFault uses up the fault for the submission at hand, nil if there is none. mu is
// held.
func (g *HTTPGateway) nextFault() *HTTPFault {
	for len(g.faults) > 0 {
		f := g.faults[0]
		switch {
		case f.Skip > 0:
			f.Skip--
			return nil
		case f.Times == 0:
			g.faults = g.faults[1:]
			continue
		case f.Times > 0:
			f.Times--
		}
		return f
	}
	return nil
}

// submit answers one submission. accept takes it in, or refuses it, with mu held;
// refuse words a fault's code as this gateway does.
func (g *HTTPGateway) submit(w http.ResponseWriter, r *http.Request, accept func() reply, refuse func(HTTPFault) reply) {
	g.mu.Lock()
	f := g.nextFault()
	if f == nil {
		answer := accept()
		g.touch()
		g.mu.Unlock()
		answer.write(w)
		return
	}
	var answer reply
	if f.Action != HTTPCutBefore && (f.Action != HTTPRefuse || f.Accept) {
		answer = accept()
	}
	var held chan struct{}
	if f.Action == HTTPWithhold {
		held = make(chan struct{})
		g.held = append(g.held, held)
	}
	g.touch()
	g.mu.Unlock()

	switch f.Action {
	case HTTPRefuse:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Code == "" {
			reply{f.Status, http.Header{"Content-Type": {"text/html"}}, []byte("<html><h1>upstream</h1></html>")}.write(w)
			return
		}
		refuse(*f).write(w)
	case HTTPGarbage:
		reply{answer.status, http.Header{"Content-Type": {"text/html"}}, []byte("<html>Service portal</html>")}.write(w)
	case HTTPEmpty:
		reply{status: answer.status}.write(w)
	case HTTPHalf:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer.body)))
		reply{answer.status, answer.header, answer.body[:len(answer.body)/2]}.write(w)
		panic(http.ErrAbortHandler)
	case HTTPWithhold:
		select {
		case <-held:
			answer.write(w)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	default: // both cuts
		panic(http.ErrAbortHandler)
	}
}

// Release sends the answers withheld so far.
func (g *HTTPGateway) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.held {
		close(c)
	}
	g.held = nil
}

// Held returns how many answers are withheld.
func (g *HTTPGateway) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held)
}

// Until returns nil once done is true, asking again whenever something happened.
func (g *HTTPGateway) Until(ctx context.Context, done func() bool) error {
	for {
		g.mu.Lock()
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// touch tells those in Until. mu is held.
func (g *HTTPGateway) touch() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// call queues h and makes every webhook request not acknowledged so far.
func (g *HTTPGateway) call(h webhook) {
	if h.url == "" {
		return // the client asked for none
	}
	g.mu.Lock()
	g.hooks = append(g.hooks, h)
	g.mu.Unlock()
	g.Redeliver()
}

// Redeliver makes every webhook request not acknowledged so far, and returns how many
// are left.
func (g *HTTPGateway) Redeliver() int {
	g.mu.Lock()
	hooks := g.hooks
	g.hooks = nil
	g.mu.Unlock()
	for _, h := range hooks {
		err := g.post(h)
		g.mu.Lock()
		if err != nil {
			g.hooks = append(g.hooks, h)
			g.refused++
		}
		g.touch()
		g.mu.Unlock()
	}
	return g.Undelivered()
}

// Undelivered returns how many webhook requests are not acknowledged.
func (g *HTTPGateway) Undelivered() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.hooks)
}

// Refused returns how many webhook requests failed, those repeated included.
func (g *HTTPGateway) Refused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// post makes one webhook request; nil means 2xx.
func (g *HTTPGateway) post(h webhook) error {
	req, err := http.NewRequest(http.MethodPost, h.url, bytes.NewReader(h.body))
	if err != nil {
		return err
	}
	req.Header = h.header.Clone()
	client := g.client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("standin: webhook answered %d", resp.StatusCode)
	}
	return nil
}
