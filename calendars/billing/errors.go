package billing

import (
	"errors"
	"fmt"
)

// What can go wrong, matched with errors.Is.
var (
	ErrDate          = errors.New("billing: not a date")
	ErrCatalogue     = errors.New("billing: the catalogue has no such entry")                          // an admin must enter it
	ErrUnknown       = errors.New("billing: no such subscription, invoice or payment")                 // final
	ErrSubscribed    = errors.New("billing: there is a subscription already")                          // final
	ErrNone          = errors.New("billing: there is no subscription")                                 // final
	ErrState         = errors.New("billing: the subscription or invoice does not allow that as it is") // look again
	ErrQuantity      = errors.New("billing: the number of calendars is not possible")                  // see the text
	ErrBehind        = errors.New("billing: a renewal comes first")                                    // retry after it
	ErrStale         = errors.New("billing: it was changed meanwhile")                                 // show it again
	ErrReason        = errors.New("billing: a reason is missing")                                      // ask for one
	ErrFourEyes      = errors.New("billing: that much takes the consent of a second person")           // ask another operator
	ErrAmount        = errors.New("billing: the amount is not possible")                               // see the text
	ErrAddress       = errors.New("billing: the billing address is incomplete")                        // the clinic must enter it
	ErrSeller        = errors.New("billing: the seller's details are incomplete")                      // an admin must enter them
	ErrForeign       = errors.New("billing: this payment belongs to another account")                  // somebody must look
	ErrKeyReused     = errors.New("billing: the same key came with something else")                    // a bug of the caller
	ErrUndeliverable = errors.New("billing: it can't be delivered")                                    // somebody must look; not retried
)

func errAmount(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrAmount}, args...)...)
}
