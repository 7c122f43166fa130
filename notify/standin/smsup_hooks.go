package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// Report calls the DLR webhook with a status, by its number, for a reference; also for
// one never given.
func (s *SMSup) Report(reference string, status int) {
	dlr := map[string]any{"date": s.cfg.Now().Format(time.RFC3339), "status": status, "destination": "41790000000",
		"message_id": reference, "campaign_id": "15948909", "country_code": "CH"}
	if m, err := s.message(reference); err == nil {
		dlr["destination"], dlr["campaign_id"] = m.To, m.Ticket
	}
	s.call(s.hook(s.cfg.Webhooks, dlr))
}

// Receive has a phone write to us, through the MO webhook.
func (s *SMSup) Receive(from, body, lastReference string) {
	s.call(s.hook(s.cfg.Webhooks, s.mo(from, body, lastReference)))
}

// Stop has a phone opt out, through the STOP webhook.
func (s *SMSup) Stop(from, body, lastReference string) {
	address := s.cfg.Stops
	if address == "" {
		address = s.cfg.Webhooks
	}
	s.call(s.hook(address, s.mo(from, body, lastReference)))
}

func (s *SMSup) mo(from, body, lastReference string) map[string]any {
	return map[string]any{"date": s.nextDate(), "message": body, "from": from, "account_id": "1234", "last_message_id": lastReference}
}

func (s *SMSup) hook(address string, v any) webhook {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if s.cfg.Secret != "" {
		header.Set("X-SMSFactor-Signature", s.cfg.Secret)
	}
	if s.cfg.HMAC {
		mac := hmac.New(sha256.New, []byte(s.cfg.Secret))
		mac.Write(body)
		header.Set("X-SMSFactor-Signature", hex.EncodeToString(mac.Sum(nil)))
	}
	return webhook{address, header, body}
}
