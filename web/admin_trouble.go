package web

import (
	"errors"

	"rappel/calendars/billing"
	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/payments"
	"rappel/notify/credits"
)

// wrongInput is a value that can't be, for a reason the form alone doesn't know.
type wrongInput struct{ input, key string }

func (e *wrongInput) Error() string { return "web: " + e.input + ": " + e.key }

// deskTroubles word what rooms refuse.
var deskTroubles = []struct {
	err error
	key string
}{
	{billing.ErrStale, "stale"}, {billing.ErrNone, "none"}, {billing.ErrSubscribed, "subscribed"}, {billing.ErrQuantity, "quantity"}, {billing.ErrAmount, "amount"}, {billing.ErrAddress, "address"},
	{billing.ErrSeller, "seller"}, {billing.ErrCatalogue, "catalogue"}, {billing.ErrForeign, "foreign"}, {billing.ErrBehind, "behind"}, {billing.ErrState, "state"}, {billing.ErrKeyReused, "key"},
	{billing.ErrFourEyes, "four_eyes"},
	{payments.ErrState, "state"}, {payments.ErrPayer, "payer"}, {bank.ErrDecided, "decided"}, {bank.ErrTarget, "target"}, {credits.ErrKey, "key"}, {errNoCard, "card"}, {errNoIntent, "intent"}, {errNotBack, "not_back"}, {errAllUsed, "all_used"}, {errHalfway, "halfway"},
	{ErrNoMethod, "method"}, {ErrTooSmall, "small"}, {ErrDeclined, "declined"}, {ErrCashier, "cashier"}, {ErrNoEvent, "event"},
}

var (
	errNoCard   = errors.New("web: no payment service is set up")
	errNoIntent = errors.New("web: no payment of the service has that much left")
	errNotBack  = errors.New("web: the money of the order is still here")
	errAllUsed  = errors.New("web: nothing of the order is unused")
)

// deskTrouble is the key of what is wrong, "" for a failure of ours.
func deskTrouble(err error) string {
	for _, t := range deskTroubles {
		if errors.Is(err, t.err) {
			return "desk.trouble." + t.key
		}
	}
	return ""
}
