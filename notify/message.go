package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"rappel/notify/segment"
)

// MaxSegments is the longest message taken, in segments. Longer ones are refused by
// some operators (French short codes) and never are a reminder.
const MaxSegments = 10

// MessageRef names a message.
type MessageRef struct{ AccountID, ID int64 }

// Origin says which room asked for a message.
type Origin string

// The origins.
const (
	OriginReminder Origin = "reminder" // OriginID is the reminder
	OriginTest     Origin = "test"     // sent by hand to see how it looks
	OriginCampaign Origin = "campaign" // OriginID is the campaign
	OriginAPI      Origin = "api"
	// OriginOptOut confirms an opt-out. It is the one text that still goes to somebody who
	// wants none, so nobody but the Outbox itself may ask for it.
	OriginOptOut Origin = "optout"
)

// NewMessage is what a room asks the Outbox to send.
type NewMessage struct {
	AccountID int64
	Kind      Kind
	Reference string // idempotency key of the caller, unique within the account
	Origin    Origin
	OriginID  int64  // the caller's own id, 0 for none
	Recipient string // E.164 with "+"
	Sender    string // see ValidSender
	Body      string // final text, at most MaxSegments segments
	Smart     bool   // replace typographic characters where that saves UCS-2 (segment.Typographic)
	// SendAt is when it may go at the earliest. The zero value means at once.
	SendAt time.Time
	// Expires is when it is worthless: it is never submitted at or after this.
	Expires time.Time
	// FreshUntil is how long the caller vouches for the content. Past it the
	// dispatcher asks the Gate first. The zero value means always.
	FreshUntil time.Time
}

// Enqueued is what became of a NewMessage.
type Enqueued struct {
	ID        int64
	Segments  int
	Encoding  segment.Encoding
	Units     int       // septets or UTF-16 code units
	Credits   int       // what it costs once a carrier takes it; 0 = nobody counts
	Body      string    // as it will be sent, with suffix and after smart encoding
	Suffix    string    // what was put behind the text, "" = nothing
	Sender    string    // as it will be sent, which may be the account's number
	SendAt    time.Time // when it may go at the earliest, which for marketing may be later than asked
	Duplicate bool      // the reference was known: ID is the first message, nothing was added
	// Status is NotSent, or what it ended as by the rules; Reason then says why. With
	// NotSent, Reason says what holds it; "" means that it is queued.
	Status Status
	Reason Reason
}

// Priority of a kind in the queue; lower goes first.
func (k Kind) priority() int16 {
	if k == Marketing {
		return priorityMarketing
	}
	return priorityNotification
}

const (
	priorityNotification int16 = 1
	priorityMarketing    int16 = 5
)

// String returns "notification" or "marketing".
func (k Kind) String() string {
	switch k {
	case Notification:
		return "notification"
	case Marketing:
		return "marketing"
	}
	return fmt.Sprintf("Kind(%d)", int16(k))
}

// ValidSender reports whether s can be an originator: an E.164 number with "+", a short
// code of 3 to 8 digits, or 1 to 11 characters of A-Z, a-z, 0-9, space, "&", "." and "-" with at least one
// letter and no space at either end. Without a letter handsets take it for a number.
// A short code means something only in its country, so who asks for one writes there.
//
// Source: 3GPP TS 23.040 §9.1.2.5 (11 septets); the alphabet is what Swiss,
// German and French operators have in common.
func ValidSender(s string) bool {
	if strings.HasPrefix(s, "+") {
		return ValidNumber(s)
	}
	if isShortCode(s) {
		return true
	}
	if len(s) == 0 || len(s) > 11 || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	letter := false
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			letter = true
		case '0' <= c && c <= '9', c == ' ', c == '&', c == '.', c == '-':
		default:
			return false
		}
	}
	return letter
}

// isShortCode reports whether s is 3 to 8 digits, the first not 0.
func isShortCode(s string) bool {
	if len(s) < 3 || len(s) > 8 || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// ValidNumber reports whether s has the form of E.164 with "+": 7 to 15 digits, the
// first not 0. Whether a phone is there is another matter.
func ValidNumber(s string) bool {
	if len(s) < 8 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// check refuses what could never be sent.
func (m *NewMessage) check() error {
	switch {
	case m.AccountID <= 0, m.Origin == OriginOptOut, m.Kind != Notification && m.Kind != Marketing, m.Reference == "", m.Origin == "", m.Expires.IsZero(),
		!storable(m.Reference), !storable(string(m.Origin)):
		return ErrRequest
	case !ValidNumber(m.Recipient):
		return ErrRecipient
	case !ValidSender(m.Sender):
		return ErrSender
	case m.Body == "", !storable(m.Body):
		return ErrBody
	}
	return nil
}

// storable reports whether PostgreSQL takes s as a text: UTF-8 without NUL. What it
// doesn't take ends the transaction it is in, and with it the caller's other messages.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
