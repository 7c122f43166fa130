package stripe

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

const (
	maxEvent  = 64 << 10
	tolerance = 300 * time.Second
)

// ServeHTTP takes Stripe's events: POST /hooks/stripe. It answers 200 once the event is
// stored, the first time or again; 400 for what Stripe didn't sign; 413 beyond 64 KiB;
// 500 when it couldn't be stored, so that Stripe sends it again.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "413 too large", http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "400 unreadable", http.StatusBadRequest)
		return
	}
	e, err := c.open(body, r.Header.Get("Stripe-Signature"))
	if err != nil {
		c.c.Log.WarnContext(r.Context(), "stripe event refused", slog.Any("err", err))
		http.Error(w, "400 not signed by Stripe", http.StatusBadRequest)
		return
	}
	now := c.c.Now()
	if _, err := c.c.DB.ExecContext(r.Context(), `INSERT INTO webhook_events (provider, webhook_id, kind, object_id, payload, received_at, due_at)
		VALUES ('stripe', $1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING`, e.ID, e.Type, e.Object.ID, body, now); err != nil {
		c.c.Log.ErrorContext(r.Context(), "stripe event not stored", slog.String("event_id", e.ID), slog.Any("err", err))
		http.Error(w, "500 try again", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// event is what is read of an event: which it is, and what to look at.
type event struct {
	ID     string
	Type   string
	Object struct {
		ID, Object, Customer, PaymentIntent string
	}
}

// open checks who sent an event and when, and reads it.
func (c *Client) open(body []byte, signature string) (event, error) {
	if err := webhook.ValidatePayloadIgnoringTolerance(body, signature, c.c.Secret); err != nil {
		return event{}, errSignature
	}
	// The signature holds, so the header is what the sender wrote.
	sent, ok := sentAt(signature)
	if age := c.c.Now().Sub(sent); !ok || age > tolerance || age < -tolerance {
		return event{}, errSignature
	}
	return parse(body)
}

// sentAt is the time in a signature's header.
func sentAt(signature string) (time.Time, bool) {
	var at time.Time
	found := false
	for _, pair := range strings.Split(signature, ",") {
		if value, ok := strings.CutPrefix(pair, "t="); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return time.Time{}, false
			}
			at, found = time.Unix(n, 0), true // the last, as in the check of the signature
		}
	}
	return at, found
}

var errEvent = errors.New("stripe: not an event")

// parse reads the ids of an event.
func parse(body []byte) (e event, err error) {
	var raw struct {
		ID     string `json:"id"`
		Object string `json:"object"`
		Type   string `json:"type"`
		Data   struct {
			Object struct {
				ID            string          `json:"id"`
				Object        string          `json:"object"`
				Customer      json.RawMessage `json:"customer"`
				PaymentIntent json.RawMessage `json:"payment_intent"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &raw); err != nil || raw.Object != "event" || raw.ID == "" || raw.Type == "" {
		return e, errEvent
	}
	e.ID, e.Type = raw.ID, raw.Type
	e.Object.ID, e.Object.Object = raw.Data.Object.ID, raw.Data.Object.Object
	e.Object.Customer, e.Object.PaymentIntent = idOf(raw.Data.Object.Customer), idOf(raw.Data.Object.PaymentIntent)
	return e, nil
}

// idOf reads an id that may stand there alone or with its object.
func idOf(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var whole struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &whole) == nil {
		return whole.ID
	}
	return ""
}
