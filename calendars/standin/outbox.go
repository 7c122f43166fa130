package standin

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// post is one outgoing notification.
type post struct {
	url    string
	header http.Header
	body   []byte
}

// Delivery tells how a notification went.
type Delivery struct {
	URL    string
	Header http.Header
	Body   []byte
	Status int // 0 = no reply
}

// maxDeliveries bounds the memory of past notifications.
const maxDeliveries = 1000

// outbox delivers notifications in order, one at a time, from a goroutine that
// lives only while there are some. Failed ones are not repeated: the real
// servers repeat with a growing delay, and promise nothing.
type outbox struct {
	client *http.Client

	mu    sync.Mutex
	queue []post
	busy  bool
	idle  []chan struct{}
	done  []Delivery
	mute  bool
}

func (o *outbox) add(p post) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mute {
		return
	}
	o.queue = append(o.queue, p)
	if !o.busy {
		o.busy = true
		go o.run()
	}
}

func (o *outbox) run() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.busy = false
			for _, c := range o.idle {
				close(c)
			}
			o.idle = nil
			o.mu.Unlock()
			return
		}
		p := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		d := Delivery{URL: p.url, Header: p.header, Body: p.body}
		if req, err := http.NewRequest(http.MethodPost, p.url, bytes.NewReader(p.body)); err == nil {
			req.Header = p.header
			if res, err := o.client.Do(req); err == nil {
				d.Status = res.StatusCode
				_ = res.Body.Close() // only the status counts
			}
		}
		o.mu.Lock()
		o.done = append(o.done, d)
		if len(o.done) > maxDeliveries {
			o.done = o.done[1:]
		}
		o.mu.Unlock()
	}
}

// Settle waits until every notification queued so far has been tried.
func (w *World) Settle() {
	w.outbox.mu.Lock()
	if !w.outbox.busy {
		w.outbox.mu.Unlock()
		return
	}
	c := make(chan struct{})
	w.outbox.idle = append(w.outbox.idle, c)
	w.outbox.mu.Unlock()
	<-c
}

// Mute drops notifications from now on, or delivers them again: nothing is
// kept for later.
func (w *World) Mute(on bool) {
	w.outbox.mu.Lock()
	defer w.outbox.mu.Unlock()
	w.outbox.mute = on
}

// Deliveries lists the notifications tried, the oldest first.
func (w *World) Deliveries() []Delivery {
	w.outbox.mu.Lock()
	defer w.outbox.mu.Unlock()
	return slices.Clone(w.outbox.done)
}

// ring tells subscribers of changes; w.mu is held.
func (w *World) ring(rings []ring) {
	rung := map[string]bool{}
	for _, x := range rings {
		c, ok := w.calendars[x.calendar]
		if !ok {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(w.channels)) {
			ch := w.channels[id]
			if ch.Calendar != c.ID || rung[id] {
				continue
			}
			if !w.now().Before(ch.Expires) {
				delete(w.channels, id)
				continue
			}
			rung[id] = true // one message per change, whatever it touched
			w.pushGoogle(ch, "exists")
		}
		if x.kind != "" {
			w.pushMicrosoft(c, x)
		}
	}
}

// decode reads a JSON request body of bounded size.
func decode(r *http.Request, into any) error {
	return json.NewDecoder(io.LimitReader(r.Body, maxReqLen)).Decode(into)
}
