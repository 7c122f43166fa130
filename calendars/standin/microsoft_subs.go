package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxSubscription = 10080 * time.Minute
	minSubscription = 45 * time.Minute
)

// subscription is a Graph change-notification subscription.
type subscription struct {
	ID          string    `json:"id"`
	Person      string    `json:"person"`
	Client      string    `json:"client"`
	Resource    string    `json:"resource"`
	Calendar    string    `json:"calendar"` // "" = every calendar of the person
	ChangeType  string    `json:"change_type"`
	Notify      string    `json:"notify"`
	Lifecycle   string    `json:"lifecycle,omitempty"`
	ClientState string    `json:"client_state,omitempty"`
	Immutable   bool      `json:"immutable"`
	Expires     time.Time `json:"expires"`
}

type subscriptionBody struct {
	ChangeType               string     `json:"changeType"`
	Resource                 string     `json:"resource"`
	NotificationURL          string     `json:"notificationUrl"`
	LifecycleNotificationURL string     `json:"lifecycleNotificationUrl"`
	ClientState              string     `json:"clientState"`
	ExpirationDateTime       *time.Time `json:"expirationDateTime"`
	IncludeResourceData      bool       `json:"includeResourceData"`
}

func (s *subscription) json(base string) map[string]any {
	out := map[string]any{
		"@odata.context": base + "/v1.0/$metadata#subscriptions/$entity", "id": s.ID, "resource": s.Resource,
		"applicationId": s.Client, "changeType": s.ChangeType, "clientState": s.ClientState, "notificationUrl": s.Notify,
		"lifecycleNotificationUrl": nil, "expirationDateTime": s.Expires.Format("2006-01-02T15:04:05.0000000Z"),
		"creatorId": s.Person, "includeResourceData": nil, "latestSupportedTlsVersion": "v1_2",
	}
	if s.Lifecycle != "" {
		out["lifecycleNotificationUrl"] = s.Lifecycle
	}
	return out
}

func validation(message string) *graphFailure {
	return &graphFailure{http.StatusBadRequest, "ValidationError", message}
}

// expiry checks an expiration; under 45 minutes is raised to 45.
func (w *World) expiry(t *time.Time) (time.Time, *graphFailure) {
	now := w.now()
	switch {
	case t == nil:
		return now, validation("expirationDateTime is a required property for subscription creation.")
	case !t.After(now):
		return now, validation("Subscription expiration must be in the future.")
	case t.Sub(now) > maxSubscription:
		return now, validation("Subscription expiration can only be 10080 minutes in the future.")
	}
	if t.Sub(now) < minSubscription {
		return now.Add(minSubscription), nil
	}
	return t.UTC(), nil
}

// subscriptionCreate checks the body, shakes hands with both URLs without
// holding the lock, and stores the subscription.
func (w *World) subscriptionCreate(rw http.ResponseWriter, r *http.Request) {
	var body subscriptionBody
	if err := decode(r, &body); err != nil {
		w.graphError(rw, r, &graphFailure{http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload."})
		return
	}
	s, base, failure := w.prepare(rw, r, body)
	for _, to := range []string{body.NotificationURL, body.LifecycleNotificationURL} {
		if failure == nil && to != "" {
			failure = w.handshake(to)
		}
	}
	if failure != nil {
		w.graphError(rw, r, failure)
		return
	}
	w.mu.Lock()
	w.subs[s.ID] = s
	w.saved()
	w.mu.Unlock()
	writeJSON(rw, http.StatusCreated, s.json(base))
}

func (w *World) prepare(rw http.ResponseWriter, r *http.Request, body subscriptionBody) (*subscription, string, *graphFailure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, failure := w.authorise(rw, r, []string{"Calendars.Read", "Calendars.ReadWrite"})
	if failure != nil {
		return nil, "", failure
	}
	expires, failure := w.expiry(body.ExpirationDateTime)
	if failure != nil {
		return nil, "", failure
	}
	for _, x := range strings.Split(body.ChangeType, ",") {
		if !slices.Contains([]string{"created", "updated", "deleted"}, strings.TrimSpace(x)) {
			return nil, "", validation("Invalid 'changeType' attribute.")
		}
	}
	switch {
	case !pushable(body.NotificationURL):
		return nil, "", validation("NotificationUrl must start with 'https'.")
	case body.LifecycleNotificationURL != "" && !pushable(body.LifecycleNotificationURL):
		return nil, "", validation("LifecycleNotificationUrl must start with 'https'.")
	case len(body.ClientState) > 128:
		return nil, "", validation("clientState must be at most 128 characters.")
	case body.IncludeResourceData:
		return nil, "", validation("includeResourceData needs an encryption certificate, which is not offered here.")
	}
	resource := strings.TrimPrefix(body.Resource, "/")
	calendarID := ""
	if resource != "me/events" {
		id, ok := strings.CutPrefix(resource, "me/calendars/")
		id, ok2 := strings.CutSuffix(id, "/events")
		plainID, err := url.PathUnescape(id)
		if !ok || !ok2 || err != nil {
			return nil, "", validation("Unsupported resource '" + body.Resource + "'.")
		}
		cal, found := w.calendars[plainID]
		if !found || cal.Deleted || cal.Person != c.person.ID || cal.Role == NoRole {
			return nil, "", &graphFailure{http.StatusNotFound, "ResourceNotFound", "The calendar of the subscription was not found."}
		}
		calendarID = cal.ID
	}
	for _, other := range w.subs {
		if other.Person == c.person.ID && other.Calendar == calendarID && other.ChangeType == body.ChangeType && w.now().Before(other.Expires) {
			return nil, "", &graphFailure{http.StatusConflict, "ResourceAlreadyExists", "A subscription for this resource and change type exists already."}
		}
	}
	return &subscription{
		ID: w.uuid("subscription"), Person: c.person.ID, Client: c.grant.Client, Resource: body.Resource, Calendar: calendarID,
		ChangeType: body.ChangeType, Notify: body.NotificationURL, Lifecycle: body.LifecycleNotificationURL,
		ClientState: body.ClientState, Immutable: prefersImmutable(r), Expires: expires,
	}, c.base, nil
}

// handshake asks a notification URL to repeat a token. The token has characters
// that only a decoded answer gets right.
func (w *World) handshake(to string) *graphFailure {
	w.mu.Lock()
	secret := "Validation: Testing client application reachability + <b>&\"" + w.uuid("validation") + "\" äöü %41"
	w.mu.Unlock()
	u, err := url.Parse(to)
	if err != nil {
		return validation("The notification URL is malformed.")
	}
	q := u.Query()
	q.Set("validationToken", secret)
	u.RawQuery = q.Encode()
	refused := func(why string) *graphFailure {
		return validation("Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request. " + why)
	}
	res, err := w.opt.Outgoing.Post(u.String(), "text/plain; charset=utf-8", nil)
	if err != nil {
		return refused("No reply.")
	}
	got, err := io.ReadAll(io.LimitReader(res.Body, maxReqLen))
	_ = res.Body.Close() // it has been read
	switch {
	case err != nil || res.StatusCode != http.StatusOK:
		return refused(fmt.Sprintf("Status %d.", res.StatusCode))
	case !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"):
		return refused("The content type must be text/plain.")
	case string(got) != secret:
		return refused("The token was not repeated as it is.")
	}
	return nil
}

// mine finds a subscription of the caller.
func (w *World) mine(c *call) (*subscription, *graphFailure) {
	s, ok := w.subs[c.r.PathValue("id")]
	if !ok || s.Person != c.person.ID || !w.now().Before(s.Expires) {
		return nil, &graphFailure{http.StatusNotFound, "ResourceNotFound", "The object was not found."}
	}
	return s, nil
}

func (w *World) subscriptionUpdate(rw http.ResponseWriter, r *http.Request) {
	var body subscriptionBody
	if err := decode(r, &body); err != nil {
		w.graphError(rw, r, &graphFailure{http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload."})
		return
	}
	if body.NotificationURL != "" {
		if !pushable(body.NotificationURL) {
			w.graphError(rw, r, validation("NotificationUrl must start with 'https'."))
			return
		}
		if failure := w.handshake(body.NotificationURL); failure != nil {
			w.graphError(rw, r, failure)
			return
		}
	}
	w.graphAPI([]string{"Calendars.Read", "Calendars.ReadWrite"}, func(c *call) (int, map[string]any, *graphFailure) {
		s, failure := w.mine(c)
		if failure != nil {
			return 0, nil, failure
		}
		if body.ExpirationDateTime != nil || body.NotificationURL == "" {
			expires, failure := w.expiry(body.ExpirationDateTime)
			if failure != nil {
				return 0, nil, failure
			}
			s.Expires = expires
		}
		if body.NotificationURL != "" {
			s.Notify = body.NotificationURL
		}
		w.saved()
		return http.StatusOK, s.json(c.base), nil
	})(rw, r)
}

func (w *World) subscriptionGet(c *call) (int, map[string]any, *graphFailure) {
	s, failure := w.mine(c)
	if failure != nil {
		return 0, nil, failure
	}
	return http.StatusOK, s.json(c.base), nil
}

func (w *World) subscriptionDelete(c *call) (int, map[string]any, *graphFailure) {
	s, failure := w.mine(c)
	if failure != nil {
		return 0, nil, failure
	}
	delete(w.subs, s.ID)
	w.saved()
	return http.StatusNoContent, nil, nil
}

func (w *World) subscriptionsList(c *call) (int, map[string]any, *graphFailure) {
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(w.subs)) {
		if s := w.subs[id]; s.Person == c.person.ID && w.now().Before(s.Expires) {
			items = append(items, s.json(c.base))
		}
	}
	return http.StatusOK, map[string]any{"@odata.context": c.base + "/v1.0/$metadata#subscriptions", "value": items}, nil
}

// Subscriptions lists the ids of Graph's living subscriptions.
func (w *World) Subscriptions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.subs)), func(id string) bool { return !w.now().Before(w.subs[id].Expires) })
}

// pushMicrosoft queues the notifications of one change; w.mu is held.
func (w *World) pushMicrosoft(c *calendar, x ring) {
	for _, id := range slices.Sorted(maps.Keys(w.subs)) {
		s := w.subs[id]
		if s.Person != c.Person || s.Calendar != "" && s.Calendar != c.ID || !strings.Contains(s.ChangeType, x.kind) {
			continue
		}
		if !w.now().Before(s.Expires) {
			delete(w.subs, id)
			continue
		}
		item := graphID(c, x.event, s.Immutable)
		resource := "Users/" + s.Person + "/Events/" + item
		w.pushGraph(s.Notify, map[string]any{
			"subscriptionId": s.ID, "subscriptionExpirationDateTime": s.Expires.Format(time.RFC3339Nano),
			"clientState": s.ClientState, "changeType": x.kind, "resource": resource, "tenantId": tenantID,
			"resourceData": map[string]any{
				"@odata.type": "#Microsoft.Graph.Event", "@odata.id": resource, "@odata.etag": etag(w.seq), "id": item,
			},
		})
	}
}

// Lifecycle sends a lifecycle event of a subscription: reauthorizationRequired,
// subscriptionRemoved (which also ends it) or missed.
func (w *World) Lifecycle(subscriptionID, event string) error {
	return w.change(func() ([]ring, error) {
		s, ok := w.subs[subscriptionID]
		if !ok || s.Lifecycle == "" {
			return nil, fmt.Errorf("%w: no subscription with a lifecycle URL", ErrNotFound)
		}
		if event == "subscriptionRemoved" {
			delete(w.subs, s.ID)
		}
		w.pushGraph(s.Lifecycle, map[string]any{
			"subscriptionId": s.ID, "subscriptionExpirationDateTime": s.Expires.Format(time.RFC3339Nano),
			"clientState": s.ClientState, "lifecycleEvent": event, "tenantId": tenantID, "organizationId": tenantID,
			"resource": s.Resource,
		})
		return nil, nil
	})
}

func (w *World) pushGraph(to string, item map[string]any) {
	raw, err := json.Marshal(map[string]any{"value": []any{item}})
	if err != nil {
		w.log.Error("notification not encoded", "error", err)
		return
	}
	w.outbox.add(post{url: to, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: raw})
}
