package standin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Event is the word that something happened.
type Event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Body []byte `json:"body"`
	Sent bool   `json:"sent"` // and answered with 2xx
	Lost int    `json:"lost"` // times it wasn't
}

// emit notes an event with its object as it is now. The caller holds the lock.
func (w *World) emit(kind string, o object) {
	id := w.id("evt")
	body, err := json.Marshal(object{"id": id, "object": "event", "type": kind, "api_version": "2026-03-25.dahlia", "created": w.o.Now().Unix(), "livemode": false,
		"pending_webhooks": 1, "data": object{"object": o}})
	if err != nil {
		panic(fmt.Sprintf("standin: an object that isn't JSON: %v", err)) // made of plain values
	}
	w.s.Events = append(w.s.Events, &Event{ID: id, Type: kind, Body: body})
	w.wake()
}

func (w *World) wake() {
	select {
	case w.ready <- struct{}{}:
	default: // somebody is told already
	}
}

// Events lists all events, the oldest first.
func (w *World) Events() []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Event, len(w.s.Events))
	for i, e := range w.s.Events {
		all[i] = *e
	}
	return all
}

// Sign is the header that goes with a body sent at an instant.
func (w *World) Sign(body []byte, at time.Time) string {
	mac := hmac.New(sha256.New, []byte(w.o.Secret))
	fmt.Fprintf(mac, "%d.", at.Unix()) // a hash never fails
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// Deliver sends one event to the webhook, signed now, whether it was sent before or not.
// It returns the status answered.
func (w *World) Deliver(ctx context.Context, id string) (int, error) {
	w.mu.Lock()
	i := slices.IndexFunc(w.s.Events, func(e *Event) bool { return e.ID == id })
	if i < 0 {
		w.mu.Unlock()
		return 0, ErrNothing
	}
	body := w.s.Events[i].Body
	w.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.Webhook, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("standin: webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", w.Sign(body, w.o.Now()))
	res, err := w.o.Client.Do(r)
	status := 0
	if err == nil {
		status = res.StatusCode
		err = res.Body.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.save()
	e := w.s.Events[slices.IndexFunc(w.s.Events, func(e *Event) bool { return e.ID == id })]
	if err != nil || status/100 != 2 {
		e.Lost++
	} else {
		e.Sent = true
	}
	return status, err
}

const (
	retryEvery = 3 * time.Second
	mostLost   = 100
)

// Run sends events as they come until ctx ends, each until it is answered with 2xx. Tests
// that deliver by themselves don't run it.
func (w *World) Run(ctx context.Context) error {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		for _, e := range w.Events() {
			if w.o.Webhook == "" || e.Sent || e.Lost >= mostLost || ctx.Err() != nil {
				continue
			}
			if status, err := w.Deliver(ctx, e.ID); err != nil || status/100 != 2 {
				w.o.Log.WarnContext(ctx, "webhook of the stand-in", slog.String("event_id", e.ID), slog.Int("status", status), slog.Any("err", err))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.ready:
		case <-tick.C:
		}
	}
}
