package standin

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"rappel/notify/segment"
)

// Report sets the status of a message and calls its StatusCallback. An id never
// given calls fallback, if not empty. The callback is kept for Redeliver unless
// the client answers 2xx.
func (tw *Twilio) Report(sid, status string, code int, fallback string) {
	form := url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "MessageStatus": {status}, "SmsStatus": {status},
		"AccountSid": {tw.cfg.SID}, "ApiVersion": {"2010-04-01"}}
	address := fallback
	tw.mu.Lock()
	for _, m := range tw.messages {
		if m.SID == sid {
			m.Status, m.ErrorCode = status, code
			if m.Sent.IsZero() && status != "queued" {
				m.Sent = tw.cfg.Now().UTC()
			}
			address = m.Callback
			form.Set("To", m.To)
			form.Set("From", m.From)
		}
	}
	tw.mu.Unlock()
	if code != 0 {
		form.Set("ErrorCode", strconv.Itoa(code))
	}
	tw.call(tw.hook(address, form))
}

// Receive has a phone write to our number, whose webhook is at address. It returns
// the id of the message.
func (tw *Twilio) Receive(address, from, to, body string) (sid string) {
	n, _ := segment.Count(body)
	tw.mu.Lock()
	sid = tw.sid("SM")
	tw.mu.Unlock()
	tw.call(tw.hook(address, url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "SmsStatus": {"received"},
		"AccountSid": {tw.cfg.SID}, "From": {from}, "To": {to}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(n)}}))
	return sid
}

func (tw *Twilio) hook(address string, form url.Values) webhook {
	address, _, _ = strings.Cut(address, "#") // connection overrides, not sent
	return webhook{address, http.Header{
		"Content-Type":       {"application/x-www-form-urlencoded; charset=UTF-8"},
		"X-Twilio-Signature": {TwilioSignature(tw.cfg.Token, address, form)},
	}, []byte(form.Encode())}
}

// TwilioSignature signs a webhook request the way Twilio does.
//
// Source: https://www.twilio.com/docs/usage/security
func TwilioSignature(token, address string, form url.Values) string {
	var b strings.Builder
	b.WriteString(address)
	for _, key := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[key] {
			b.WriteString(key + value)
		}
	}
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
