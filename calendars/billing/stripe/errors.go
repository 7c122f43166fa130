package stripe

import "errors"

// What can go wrong, matched with errors.Is.
var (
	ErrConfig    = errors.New("stripe: key and webhook secret are needed")                          // set them
	ErrNoMethod  = errors.New("stripe: the account has no stored means of payment")                 // leave one first
	ErrNothing   = errors.New("stripe: there is nothing to pay")                                    // final
	ErrTooSmall  = errors.New("stripe: less is to be paid than can be charged")                     // wait until more is
	ErrDeclined  = errors.New("stripe: the charge was declined")                                    // another method, or later by hand
	ErrAction    = errors.New("stripe: the holder must confirm the charge")                         // on a page
	ErrProvider  = errors.New("stripe: no answer, or one that can't be used")                       // try again
	ErrForeign   = errors.New("stripe: the payment is not in CHF or says an account that is wrong") // somebody must look
	ErrNoEvent   = errors.New("stripe: no such event")                                              // final
	errSignature = errors.New("stripe: signature is wrong or too old")
)
