package standin

import (
	"encoding/json"
	"net/http"
)

// Report sets the status of a message, with a detail such as SPAM or "", and calls its
// status callback. An id never given calls fallback.
func (s *SMSmode) Report(id, status, detail, fallback string) {
	body, address := map[string]any{"messageId": id, "direction": "MT", "type": "SMS"}, fallback
	s.mu.Lock()
	for _, m := range s.messages {
		if m.ID == id {
			m.Status = status
			body, address = s.encode(*m), m.CallbackStatus
		}
	}
	s.mu.Unlock()
	word := map[string]any{"deliveryDate": s.cfg.Now().UTC().Format("2006-01-02T15:04:05"), "value": status}
	if detail != "" {
		word["detail"] = detail
	}
	body["status"] = word
	s.call(smsmodeHook(address, body))
}

// Receive has a phone write to us. It returns the id of the message. Documentation and
// observation differ on who is in from: turned takes the phone for the recipient.
func (s *SMSmode) Receive(address, from, to, text string, turned bool) (id string) {
	s.mu.Lock()
	id = s.newID()
	s.mu.Unlock()
	if turned {
		from, to = to, from
	}
	s.call(smsmodeHook(address, map[string]any{
		"messageId": id, "originMessageId": "efbc1edd-4de7-4629-8f9d-8cb57123436b", "sentDate": s.cfg.Now().UTC().Format("2006-01-02T15:04:05"),
		"type": "SMS", "direction": "MO", "recipient": map[string]any{"to": to}, "from": from,
		"channel": map[string]any{"channelId": "ch-1", "name": "Rappel", "type": "SMS", "flow": "TRANSACTIONAL"},
		"body":    map[string]any{"text": text, "stop": text == "STOP"},
	}))
	return id
}

func smsmodeHook(address string, v any) webhook {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return webhook{address, http.Header{"Content-Type": {"application/json"}}, body}
}
