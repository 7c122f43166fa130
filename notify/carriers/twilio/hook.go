package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
)

// ServeHook answers status callbacks and incoming messages; see carriers.Hook for the
// answers. It takes what carries Twilio's signature.
func (c *Carrier) ServeHook(w http.ResponseWriter, r *http.Request, publicURL string, in notify.Inbox) {
	carriers.Hook{
		Log: c.log,
		Authentic: func(r *http.Request, body []byte) bool {
			form, err := url.ParseQuery(string(body))
			return err == nil && c.signed(publicURL, form, r.Header.Get("X-Twilio-Signature"))
		},
		Parse: func(_ *http.Request, body []byte) (carriers.News, error) { return c.parseHook(body) },
		Done: func(w http.ResponseWriter, n carriers.News) {
			if n.Inbound == nil {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			// An empty TwiML document: no automatic reply from here.
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			_, _ = w.Write([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>")) // kept: a lost answer only repeats it
		},
	}.Serve(w, r, in)
}

// parseHook reads a webhook's form.
func (c *Carrier) parseHook(body []byte) (carriers.News, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return carriers.News{}, fmt.Errorf("%w: no form", carriers.ErrHook)
	}
	get := func(key string) string { return carriers.Text(form.Get(key)) }
	sid := get("MessageSid")
	if sid == "" {
		sid = get("SmsSid")
	}
	if sid == "" {
		return carriers.News{}, fmt.Errorf("%w: no id", carriers.ErrHook)
	}
	status := get("MessageStatus")
	switch {
	case status != "" && status != "received" && status != "receiving":
		code := 0
		if v := get("ErrorCode"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return carriers.News{}, fmt.Errorf("%w: error code", carriers.ErrHook)
			}
			code = n
		}
		s, known := statusOf(status, code)
		r := &notify.Receipt{Carrier: c.cfg.Name, CarrierID: sid, Status: s, Recipient: get("To"), Sender: get("From"), At: rawDate(get("RawDlrDoneDate"))}
		switch {
		case code != 0:
			r.Code = strconv.Itoa(code)
		case !known, s == notify.NotDelivered, status == "canceled":
			r.Code = status
		}
		return carriers.News{Receipt: r}, nil
	case form.Has("From") && (form.Has("Body") || form.Has("NumMedia")):
		return carriers.News{Inbound: &notify.Inbound{Carrier: c.cfg.Name, CarrierID: sid, From: get("From"), To: get("To"), Body: get("Body"), At: c.client.Now()}}, nil
	}
	return carriers.News{}, fmt.Errorf("%w: neither status nor message", carriers.ErrHook)
}

// rawDate reads the operator's date where Twilio passes it on: YYMMDDhhmm in UTC.
func rawDate(s string) time.Time {
	t, err := time.Parse("0601021504", s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// signed checks Twilio's signature in constant time.
func (c *Carrier) signed(publicURL string, form url.Values, signature string) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || c.cfg.Token == "" {
		return false
	}
	ok := false
	for _, u := range variants(publicURL) {
		if hmac.Equal(sign(c.cfg.Token, u, form), given) {
			ok = true
		}
	}
	return ok
}

// sign is HMAC-SHA1 over the URL and every field, sorted by key.
//
// Source: https://www.twilio.com/docs/usage/security
func sign(token, address string, form url.Values) []byte {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, key := range slices.Sorted(maps.Keys(form)) {
		values := slices.Compact(slices.Sorted(slices.Values(form[key])))
		for _, value := range values {
			mac.Write([]byte(key + value))
		}
	}
	return mac.Sum(nil)
}

// variants lists the forms of a URL Twilio may have signed.
func variants(address string) []string {
	out := []string{address, address + overrides}
	u, err := url.Parse(address)
	if err != nil {
		return out
	}
	standard := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	switch u.Port() {
	case "":
		u.Host += ":" + standard
	case standard:
		u.Host = strings.TrimSuffix(u.Host, ":"+standard)
	default: // Twilio signs without the port it was told, its libraries allow for either
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	return append(out, u.String(), u.String()+overrides)
}
