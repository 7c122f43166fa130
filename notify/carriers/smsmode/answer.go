package smsmode

import (
	"encoding/json"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers"
)

// verdict tells what an answer to a submission means: the message's id, or why there is
// none, with smsmode's own code where it gave one.
func verdict(status int, body []byte) (id, code string, kind error) {
	if k := carriers.Kind(status); k != nil {
		return "", errorCode(body), k
	}
	var a struct {
		MessageID string `json:"messageId"`
	}
	if err := json.Unmarshal(body, &a); err != nil || carriers.Text(a.MessageID) == "" {
		return "", "", notify.ErrUnknown
	}
	return carriers.Text(a.MessageID), "", nil
}

// errorCode is the code of a refusal, "" if there is none. Only a word counts: anything
// else could quote what was sent.
func errorCode(body []byte) string {
	var a struct {
		ErrorCode string `json:"errorCode"`
	}
	if err := json.Unmarshal(body, &a); err != nil || len(a.ErrorCode) > 40 || !carriers.Word(a.ErrorCode) || isDigits(a.ErrorCode) && len(a.ErrorCode) > 5 {
		return ""
	}
	return a.ErrorCode
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// statusOf maps a message's status and its detail. ok is false for words that aren't
// known; they count as sent.
//
// Source: https://dev.smsmode.com/sms/v1/ for SCHEDULED, ENROUTE, DELIVERED, UNDELIVERABLE,
// UNDELIVERED; the others were seen in integrations.
func statusOf(value, detail string) (s notify.Status, ok bool) {
	switch strings.ToUpper(value) {
	case "SCHEDULED", "ENROUTE", "SENT", "ACCEPTED", "UNKNOWN":
		return notify.Sent, true
	case "DELIVERED", "READ", "RECEIVED":
		return notify.Delivered, true
	case "UNDELIVERABLE", "UNDELIVERED", "FAILED", "ERROR":
		switch strings.ToUpper(detail) {
		case "INVALID_PHONE_NUMBER":
			return notify.InvalidDestination, true
		case "BLACKLISTED", "SPAM":
			return notify.NotAllowed, true
		}
		return notify.NotDelivered, true
	case "EXPIRED":
		return notify.Expired, true
	case "REJECTED", "CANCELLED", "CANCELED":
		return notify.Rejected, true
	}
	return notify.Sent, false
}
