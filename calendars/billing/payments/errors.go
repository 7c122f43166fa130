package payments

import "errors"

// What can go wrong, matched with errors.Is.
var (
	ErrNoOrder   = errors.New("payments: no such order")                                    // final
	ErrNoPackage = errors.New("payments: this package is not for sale")                     // choose another
	ErrState     = errors.New("payments: the order does not allow that as it is")           // look again
	ErrFile      = errors.New("payments: the file is not a PDF, JPEG or PNG")               // send another
	ErrTooLarge  = errors.New("payments: the file is larger than 10 MB")                    // send a smaller one
	ErrTooMany   = errors.New("payments: this order has ten files already")                 // ask the operator
	ErrPayer     = errors.New("payments: another account pays for this one")                // order there
	ErrKeyReused = errors.New("payments: the same key came with something else")            // a bug of the caller
	ErrReceipt   = errors.New("payments: a receipt needs an account, a name and an amount") // a bug of the caller
)
