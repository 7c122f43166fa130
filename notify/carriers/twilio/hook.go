package twilio

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
)

var (
	errHook  = errors.New("twilio: webhook can't be read")
	errPanic = errors.New("twilio: inbox panicked")
)

// maxHook bounds a webhook's body. A text of ten segments is a few kilobytes.
const maxHook = 256 << 10

// ServeHook answers status callbacks and incoming messages. Without a proper
// signature it answers 403, for what it can't read 400, and 503 when in has not
// kept it, so that Twilio tries again.
func (c *Carrier) ServeHook(w http.ResponseWriter, r *http.Request, publicURL string, in notify.Inbox) {
	ctx := r.Context()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxHook)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "unreadable form", http.StatusBadRequest)
		return
	}
	if !c.signed(publicURL, r.PostForm, r.Header.Get("X-Twilio-Signature")) {
		c.log.WarnContext(ctx, "webhook with a wrong signature")
		http.Error(w, "signature", http.StatusForbidden)
		return
	}
	news, err := c.parseHook(r.PostForm)
	if err != nil {
		c.log.ErrorContext(ctx, "signed webhook can't be read", slog.Int("fields", len(r.PostForm)))
		http.Error(w, "unknown kind of webhook", http.StatusBadRequest)
		return
	}
	if err := news.hand(ctx, in); err != nil {
		c.log.ErrorContext(ctx, "webhook not kept", slog.Any("error", err))
		w.Header().Set("Retry-After", "5")
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if news.inbound != nil {
		// An empty TwiML document: no automatic reply from here.
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = w.Write([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>")) // kept: a lost answer only repeats it
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// news is what a webhook brings: one of the two, or a status not worth telling.
type news struct {
	receipt *notify.Receipt
	inbound *notify.Inbound
}

func (n news) hand(ctx context.Context, in notify.Inbox) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic // its value could hold a text or a number
		}
	}()
	switch {
	case n.receipt != nil:
		return in.Receipt(ctx, *n.receipt)
	case n.inbound != nil:
		return in.Inbound(ctx, *n.inbound)
	}
	return nil
}

// parseHook reads a webhook's form.
func (c *Carrier) parseHook(form url.Values) (news, error) {
	get := func(key string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(form.Get(key), "\uFFFD"), "\x00", "\uFFFD")
	}
	sid := get("MessageSid")
	if sid == "" {
		sid = get("SmsSid")
	}
	if sid == "" {
		return news{}, fmt.Errorf("%w: no id", errHook)
	}
	status := get("MessageStatus")
	switch {
	case status != "" && status != "received" && status != "receiving":
		code := 0
		if v := get("ErrorCode"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return news{}, fmt.Errorf("%w: error code", errHook)
			}
			code = n
		}
		s, known := statusOf(status, code)
		r := &notify.Receipt{Carrier: c.cfg.Name, CarrierID: sid, Status: s, Recipient: get("To"), Sender: get("From"), At: rawDate(get("RawDlrDoneDate"))}
		switch {
		case code != 0:
			r.Code = strconv.Itoa(code)
		case !known, s == notify.NotDelivered:
			r.Code = status
		}
		return news{receipt: r}, nil
	case form.Has("From") && (form.Has("Body") || form.Has("NumMedia")):
		return news{inbound: &notify.Inbound{Carrier: c.cfg.Name, CarrierID: sid, From: get("From"), To: get("To"), Body: get("Body"), At: c.now()}}, nil
	}
	return news{}, fmt.Errorf("%w: neither status nor message", errHook)
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
	if err != nil {
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
	default:
		return out
	}
	return append(out, u.String(), u.String()+overrides)
}
