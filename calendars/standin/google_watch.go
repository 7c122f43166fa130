package standin

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	watchTTL  = 7 * 24 * time.Hour // default and longest life of a channel
	maxTTL    = watchTTL
	maxReqLen = 1 << 20
)

// channel is a Google push channel.
type channel struct {
	ID       string    `json:"id"`
	Resource string    `json:"resource"`
	Token    string    `json:"token,omitempty"`
	Address  string    `json:"address"`
	Calendar string    `json:"calendar"`
	Person   string    `json:"person"`
	URI      string    `json:"uri"`
	Expires  time.Time `json:"expires"`
	Number   int       `json:"number"` // of the last message
}

var channelIDs = regexp.MustCompile(`^[A-Za-z0-9\-_+/=]{1,64}$`)

// pushable accepts https, and http on this machine: the stand-in is no
// certificate authority.
func pushable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// eventsWatch is events.watch.
func (w *World) eventsWatch(c *call) (map[string]any, *googleFailure) {
	cal, fail := w.visible(c, c.r.PathValue("calendar"))
	if fail != nil {
		return nil, fail
	}
	var body struct {
		ID, Type, Address, Token string
		Expiration               json.Number
		Params                   map[string]string
	}
	if err := decode(c.r, &body); err != nil {
		return nil, &googleFailure{400, "global", "parseError", "Parse Error", "", ""}
	}
	bad := func(reason, message string) (map[string]any, *googleFailure) {
		return nil, &googleFailure{400, "global", reason, message, "", ""}
	}
	_, taken := w.channels[body.ID]
	switch {
	case !channelIDs.MatchString(body.ID):
		return bad("invalid", "Channel id must be a string of at most 64 characters [A-Za-z0-9\\-_\\+/=]+")
	case body.Type != "web_hook":
		return bad("unknownChannelType", "Unknown channel type")
	case !pushable(body.Address):
		return bad("push.webhookUrlNotHttps", "WebHook callback must be HTTPS: "+body.Address)
	case len(body.Token) > 256:
		return bad("invalid", "Channel token must be at most 256 characters")
	case taken:
		return bad("channelIdNotUnique", "Channel id "+body.ID+" not unique")
	}
	now := w.now()
	expires := now.Add(watchTTL)
	if v := body.Params["ttl"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return bad("invalid", "Invalid ttl")
		}
		expires = now.Add(min(time.Duration(n)*time.Second, maxTTL))
	}
	if body.Expiration != "" {
		ms, err := body.Expiration.Int64()
		if err != nil || !time.UnixMilli(ms).After(now) {
			return bad("channelExpirationInPast", "Channel expiration is in the past")
		}
		if t := time.UnixMilli(ms).UTC(); t.Before(now.Add(maxTTL)) {
			expires = t
		} else {
			expires = now.Add(maxTTL)
		}
	}
	ch := &channel{
		ID: body.ID, Resource: msEncode(cal.ID)[:min(20, len(msEncode(cal.ID)))], Token: body.Token, Address: body.Address,
		Calendar: cal.ID, Person: c.person.ID, Expires: expires.Truncate(time.Millisecond),
		URI: c.base + "/calendar/v3/calendars/" + url.PathEscape(cal.ID) + "/events?alt=json",
	}
	w.channels[ch.ID] = ch
	w.pushGoogle(ch, "sync")
	w.saved()
	out := map[string]any{
		"kind": "api#channel", "id": ch.ID, "resourceId": ch.Resource, "resourceUri": ch.URI,
		"expiration": strconv.FormatInt(ch.Expires.UnixMilli(), 10),
	}
	if ch.Token != "" {
		out["token"] = ch.Token
	}
	return out, nil
}

// channelsStop is channels.stop.
func (w *World) channelsStop(c *call) (map[string]any, *googleFailure) {
	var body struct{ ID, ResourceID string }
	if err := decode(c.r, &body); err != nil {
		return nil, &googleFailure{400, "global", "parseError", "Parse Error", "", ""}
	}
	ch, ok := w.channels[body.ID]
	if !ok || ch.Resource != body.ResourceID || ch.Person != c.person.ID {
		return nil, &googleFailure{404, "global", "notFound", "Channel '" + body.ID + "' not found for project 'standin'", "", ""}
	}
	delete(w.channels, body.ID)
	w.saved()
	return nil, nil
}

// pushGoogle queues one notification.
func (w *World) pushGoogle(ch *channel, state string) {
	ch.Number++
	h := http.Header{}
	h.Set("X-Goog-Channel-ID", ch.ID)
	if ch.Token != "" {
		h.Set("X-Goog-Channel-Token", ch.Token)
	}
	h.Set("X-Goog-Channel-Expiration", ch.Expires.UTC().Format(http.TimeFormat))
	h.Set("X-Goog-Resource-ID", ch.Resource)
	h.Set("X-Goog-Resource-URI", ch.URI)
	h.Set("X-Goog-Resource-State", state)
	h.Set("X-Goog-Message-Number", strconv.Itoa(ch.Number))
	w.outbox.add(post{url: ch.Address, header: h})
	if state != "sync" { // numbers grow with gaps
		ch.Number += ch.Number % 3
	}
}

// Channels lists the ids of Google's living push channels.
func (w *World) Channels() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.channels)), func(id string) bool {
		return !w.now().Before(w.channels[id].Expires)
	})
}
