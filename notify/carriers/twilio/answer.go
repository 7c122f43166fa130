package twilio

import (
	"encoding/json"

	"rappel/notify"
	"rappel/notify/carriers"
)

// answer is Twilio's JSON: a message, or an error.
type answer struct {
	SID  string `json:"sid"`
	Code int    `json:"code"`
}

// parse reads an answer; one that can't be read is judged by its HTTP status alone.
func parse(body []byte) answer {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}
	}
	return a
}

// kinds by error code: what a new message may be refused with.
//
// Source: https://www.twilio.com/docs/api/errors
var kinds = map[int]error{
	21610: notify.ErrOptedOut,
	21211: notify.ErrInvalidDestination, 21614: notify.ErrInvalidDestination, 21635: notify.ErrInvalidDestination,
	21604: notify.ErrInvalidDestination, 30005: notify.ErrInvalidDestination, 30006: notify.ErrInvalidDestination,
	21212: notify.ErrInvalidSender, 21603: notify.ErrInvalidSender, 21606: notify.ErrInvalidSender, 21659: notify.ErrInvalidSender,
	21408: notify.ErrNotAllowed, 30007: notify.ErrNotAllowed, 30032: notify.ErrNotAllowed, 30034: notify.ErrNotAllowed,
	21612: notify.ErrNoRoute, 30002: notify.ErrNoRoute,
	20429: notify.ErrThrottled, 14107: notify.ErrThrottled, 21611: notify.ErrThrottled, 30001: notify.ErrThrottled,
	20003: notify.ErrMisconfigured, 20005: notify.ErrMisconfigured, 20006: notify.ErrMisconfigured, 20404: notify.ErrMisconfigured,
	21609: notify.ErrMisconfigured, 21701: notify.ErrMisconfigured, 21703: notify.ErrMisconfigured,
}

// kind tells which failure an answer means; nil means accepted.
func kind(status int, a answer) error {
	if k, ok := kinds[a.Code]; ok && status >= 300 && status < 500 {
		return k
	}
	if status/100 == 2 && a.SID == "" {
		return notify.ErrUnknown
	}
	return carriers.Kind(status)
}

// statusOf maps a message's status and error code to ours. ok is false for words
// Twilio may add one day.
//
// Source: https://www.twilio.com/docs/messaging/api/message-resource
func statusOf(status string, code int) (s notify.Status, ok bool) {
	switch status {
	case "accepted", "scheduled", "queued", "sending", "sent", "partially_delivered":
		return notify.Sent, true // Twilio has it: for us that is sent
	case "delivered", "read":
		return notify.Delivered, true
	case "canceled":
		return notify.Rejected, true // only a person in Twilio's console can do that
	case "undelivered", "failed":
		switch code {
		case 30007, 21610, 21408, 30032, 30034:
			return notify.NotAllowed, true
		case 21211, 21614, 21635, 30005, 30006:
			return notify.InvalidDestination, true
		case 21212, 21606, 21603:
			return notify.InvalidSender, true
		case 21612, 30002:
			return notify.RouteNotAvailable, true
		case 30004:
			return notify.Rejected, true
		case 30001:
			return notify.NetworkError, true
		case 30036:
			return notify.Expired, true
		}
		return notify.NotDelivered, true
	}
	return notify.Sent, false
}
