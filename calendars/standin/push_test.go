package standin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	gcal "google.golang.org/api/calendar/v3"

	"rappel/calendars/standin"
)

// hook is an endpoint that receives notifications.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	got  []http.Header
	body []map[string]any
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			rw.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(rw, token)
			return
		}
		var v struct{ Value []map[string]any }
		raw, err := io.ReadAll(r.Body)
		if err == nil && len(raw) > 0 {
			err = json.Unmarshal(raw, &v)
		}
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, r.Header.Clone())
		h.body = append(h.body, v.Value...)
		rw.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(h.Close)
	return h
}

func TestGoogle_push(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	s, h := b.client(t, who.ID), newHook(t)
	reply := must[*gcal.Channel](t)(s.Events.Watch(cal.ID, &gcal.Channel{Id: "c-1", Type: "web_hook", Address: h.URL, Token: "geheim"}).Do())
	if want := b.clock.now().Add(7 * 24 * time.Hour).UnixMilli(); reply.Expiration != want || reply.ResourceId == "" {
		t.Errorf("reply %+v, want expiration %d", reply, want)
	}
	_, err := s.Events.Watch(cal.ID, &gcal.Channel{Id: "c-1", Type: "web_hook", Address: h.URL}).Do()
	apiError(t, err, 400, "channelIdNotUnique")
	_, err = s.Events.Watch(cal.ID, &gcal.Channel{Id: "c-2", Type: "web_hook", Address: "http://example.com/"}).Do()
	apiError(t, err, 400, "push.webhookUrlNotHttps")
	e := must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start)))
	must[standin.Event](t)(b.MoveEvent(e.ID, start.Add(time.Hour)))
	b.Settle()
	var got []string
	for _, x := range h.got {
		got = append(got, x.Get("X-Goog-Resource-State")+" "+x.Get("X-Goog-Channel-Token")+" "+x.Get("X-Goog-Channel-ID"))
	}
	if strings.Join(got, ",") != "sync geheim c-1,exists geheim c-1,exists geheim c-1" {
		t.Errorf("notifications %v", got)
	}
	if n := h.got[0].Get("X-Goog-Message-Number"); n != "1" {
		t.Errorf("the first number is %s", n)
	}
	ok(t, s.Channels.Stop(&gcal.Channel{Id: "c-1", ResourceId: reply.ResourceId}).Do())
	apiError(t, s.Channels.Stop(&gcal.Channel{Id: "c-1", ResourceId: reply.ResourceId}).Do(), 404, "notFound")
	must[standin.Event](t)(b.AddEvent(cal.ID, half("B", start)))
	b.Settle()
	if len(h.got) != 3 {
		t.Errorf("%d notifications after stop", len(h.got))
	}
	// an expired channel is silent, a muted World too
	must[*gcal.Channel](t)(s.Events.Watch(cal.ID, &gcal.Channel{Id: "c-3", Type: "web_hook", Address: h.URL, Params: map[string]string{"ttl": "600"}}).Do())
	b.Mute(true)
	must[standin.Event](t)(b.AddEvent(cal.ID, half("C", start)))
	b.Mute(false)
	b.clock.add(600 * time.Second)
	if len(b.Channels()) != 0 {
		t.Error("the channel lives on")
	}
	must[standin.Event](t)(b.AddEvent(cal.ID, half("D", start)))
	b.Settle()
	if len(h.got) != 4 {
		t.Errorf("%d notifications, want 4", len(h.got))
	}
}

func TestMicrosoft_subscriptions(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Microsoft)
	g, h := b.graph(t, who.ID), newHook(t)
	body := func(minutes int) string {
		return fmt.Sprintf(`{"changeType":"created,updated,deleted","resource":"/me/calendars/%s/events","notificationUrl":%q,
			"lifecycleNotificationUrl":%q,"clientState":"geheim","expirationDateTime":%q}`,
			cal.ID, h.URL+"/n?x=1", h.URL+"/l", b.clock.now().Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339))
	}
	res, d := g.do(t, "POST", "/v1.0/subscriptions", body(10081))
	if res.StatusCode != 400 || d["error"].(doc)["code"] != "ValidationError" {
		t.Errorf("too long: %d %v", res.StatusCode, d)
	}
	res, d = g.do(t, "POST", "/v1.0/subscriptions", body(10), immutable)
	if res.StatusCode != 201 || d["expirationDateTime"] != "2026-03-23T08:45:00.0000000Z" {
		t.Fatalf("%d %v", res.StatusCode, d)
	}
	id := d["id"].(string)
	if res, _ = g.do(t, "POST", "/v1.0/subscriptions", body(60)); res.StatusCode != 409 {
		t.Errorf("duplicate: %d", res.StatusCode)
	}
	e := must[standin.Event](t)(b.AddEvent(cal.ID, half("A", start)))
	ok(t, b.CancelEvent(e.ID, standin.Delete))
	ok(t, b.Lifecycle(id, "missed"))
	b.Settle()
	if len(h.body) != 3 || h.body[0]["changeType"] != "created" || h.body[1]["changeType"] != "deleted" || h.body[2]["lifecycleEvent"] != "missed" {
		t.Fatalf("%v", h.body)
	}
	if h.body[0]["clientState"] != "geheim" || h.body[0]["resourceData"].(doc)["id"] != standin.GraphID(e.ID) {
		t.Errorf("%v", h.body[0])
	}
	later := b.clock.now().Add(7 * 24 * time.Hour).Format(time.RFC3339)
	res, d = g.do(t, "PATCH", "/v1.0/subscriptions/"+id, `{"expirationDateTime":"`+later+`"}`)
	if res.StatusCode != 200 || d["expirationDateTime"] != "2026-03-30T08:00:00.0000000Z" {
		t.Errorf("renewal: %d %v", res.StatusCode, d)
	}
	if res, _ = g.do(t, "DELETE", "/v1.0/subscriptions/"+id, ""); res.StatusCode != 204 {
		t.Errorf("delete: %d", res.StatusCode)
	}
	if res, _ = g.do(t, "PATCH", "/v1.0/subscriptions/"+id, `{"expirationDateTime":"`+later+`"}`); res.StatusCode != 404 {
		t.Errorf("renewal of a deleted one: %d", res.StatusCode)
	}
	// an endpoint that answers the handshake wrongly is refused
	bad := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(rw, url.QueryEscape(r.URL.Query().Get("validationToken")))
	}))
	defer bad.Close()
	res, d = g.do(t, "POST", "/v1.0/subscriptions", strings.ReplaceAll(body(60), h.URL, bad.URL))
	if res.StatusCode != 400 || len(b.Subscriptions()) != 0 {
		t.Errorf("wrong handshake: %d %v", res.StatusCode, d)
	}
}
