package bank

import "errors"

// What can go wrong, matched with errors.Is. A file that can't be read fails with the
// errors of package camt.
var (
	ErrImported = errors.New("bank: this file was imported before")                 // nothing changed
	ErrNoEntry  = errors.New("bank: no such entry")                                 // final
	ErrDecided  = errors.New("bank: this entry is not in suspense any more")        // look again
	ErrReason   = errors.New("bank: a reason is missing")                           // ask for one
	ErrTarget   = errors.New("bank: choose the account or payment this belongs to") // ask for it
)
