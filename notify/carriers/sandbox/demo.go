package sandbox

import (
	"slices"
	"strings"
	"time"

	"rappel/notify"
)

// Demo is what numbers with certain last digits show.
type Demo struct {
	Ending  string        // the last four digits
	Refusal error         // Send fails with this kind; nil = accepted
	After   time.Duration // with ErrThrottled: when to come again
	Hidden  bool          // the text does not reach the phone
	Silent  bool          // no receipt ever comes
	Status  notify.Status // of the receipt; DELIVERED unless said otherwise
}

// Demos lists the numbers that behave in a way of their own. All others receive
// their texts and confirm them.
func Demos() []Demo {
	return []Demo{
		{Ending: "0001", Hidden: true, Status: notify.NotDelivered},
		{Ending: "0002", Refusal: notify.ErrInvalidDestination, Hidden: true},
		{Ending: "0003", Silent: true},
		{Ending: "0004", Refusal: notify.ErrOptedOut, Hidden: true},
		{Ending: "0005", Refusal: notify.ErrTemporary, Hidden: true},
		{Ending: "0006", Hidden: true, Status: notify.Rejected},
		{Ending: "0007", Refusal: notify.ErrUnknown, Status: notify.Delivered}, // accepted all the same
		{Ending: "0008", Hidden: true, Status: notify.Expired},
		{Ending: "0009", Refusal: notify.ErrThrottled, After: 30 * time.Second, Hidden: true},
		{Ending: "0010", Refusal: notify.ErrUnknown, Hidden: true}, // and not accepted
		{Ending: "0011", Refusal: notify.ErrRejected, Hidden: true},
		{Ending: "0012", Refusal: notify.ErrInvalidSender, Hidden: true},
		{Ending: "0013", Refusal: notify.ErrNotAllowed, Hidden: true},
		{Ending: "0014", Refusal: notify.ErrNoRoute, Hidden: true},
		{Ending: "0015", Refusal: notify.ErrThrottled, Hidden: true},
	}
}

var demos = Demos()

// demoOf returns what phone shows. An ordinary phone is the Demo without ending.
func demoOf(phone string) Demo {
	i := slices.IndexFunc(demos, func(d Demo) bool { return strings.HasSuffix(phone, d.Ending) })
	if i < 0 {
		return Demo{Status: notify.Delivered}
	}
	d := demos[i]
	if d.Status == 0 {
		d.Status = notify.Delivered
	}
	return d
}
