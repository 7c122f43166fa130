package notify

import "fmt"

// Status is what became of a message, by the names and wire codes users know.
// 8 and 10 do not exist.
type Status int16

// The eleven statuses.
const (
	NotSent            Status = 0  // not sent yet
	Sent               Status = 1  // accepted by the carrier, receipt outstanding
	NotDelivered       Status = 2  // sent, but not delivered
	Delivered          Status = 3  // sent and delivered
	NotAllowed         Status = 4  // sent, but may not be delivered; or the recipient opted out
	InvalidDestination Status = 5  // the recipient's number is not valid
	InvalidSender      Status = 6  // the sender is not valid
	RouteNotAvailable  Status = 7  // no route
	Rejected           Status = 9  // turned down, often by settings on the handset
	NetworkError       Status = 11 // failed for reasons of the network
	Expired            Status = 12 // sent, the receipt never came; or too late to be of use
)

var statusNames = map[Status]string{
	NotSent: "NOT_SENT", Sent: "SENT", NotDelivered: "NOT_DELIVERED", Delivered: "DELIVERED",
	NotAllowed: "NOT_ALLOWED", InvalidDestination: "INVALID_DESTINATION", InvalidSender: "INVALID_SENDER",
	RouteNotAvailable: "ROUTE_NOT_AVAILABLE", Rejected: "REJECTED", NetworkError: "NETWORK_ERROR", Expired: "EXPIRED",
}

// Statuses lists all eleven in the order of their codes.
func Statuses() []Status {
	return []Status{NotSent, Sent, NotDelivered, Delivered, NotAllowed, InvalidDestination, InvalidSender,
		RouteNotAvailable, Rejected, NetworkError, Expired}
}

func (s Status) String() string {
	if n, ok := statusNames[s]; ok {
		return n
	}
	return fmt.Sprintf("Status(%d)", int16(s))
}

// ParseStatus is the inverse of String; ok is false for any other word.
func ParseStatus(name string) (s Status, ok bool) {
	for s, n := range statusNames {
		if n == name {
			return s, true
		}
	}
	return 0, false
}

// Final reports whether s ends a message's life. Only NOT_SENT and SENT do not.
func (s Status) Final() bool { return s != NotSent && s != Sent }

// After reports whether next may replace s. A late SENT never undoes a final
// status, and among final ones only two corrections count: DELIVERED replaces
// anything (the handset has it, whatever was said before), and EXPIRED, which we
// only presumed, gives way to any receipt.
func (s Status) After(next Status) bool {
	switch {
	case s == next, s == Delivered:
		return false
	case next == Delivered:
		return true
	case s == Expired:
		return next.Final()
	case s.Final():
		return false
	}
	return next != NotSent
}
