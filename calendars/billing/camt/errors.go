package camt

import (
	"errors"
	"fmt"
)

// What can be wrong with a file, matched with errors.Is. The same file fails again.
var (
	ErrNotCamt  = errors.New("camt: not a camt.053 or camt.054 file")
	ErrBroken   = errors.New("camt: the file is damaged or incomplete")
	ErrCurrency = errors.New("camt: an amount is not in CHF")
	ErrTooLarge = errors.New("camt: the file is too large")
)

// A ParseError says what is wrong where, and what to do about it.
type ParseError struct {
	Kind    error
	Booking int    // 1 = the first of the file; 0 = the file as a whole
	Why     string // names elements and amounts, never people
}

func (e *ParseError) Error() string {
	if e.Booking > 0 {
		return fmt.Sprintf("%v: booking %d: %s", e.Kind, e.Booking, e.Why)
	}
	return fmt.Sprintf("%v: %s", e.Kind, e.Why)
}

// Unwrap lets errors.Is find the kind.
func (e *ParseError) Unwrap() error { return e.Kind }

func refuse(kind error, booking int, why string, args ...any) error {
	return &ParseError{Kind: kind, Booking: booking, Why: fmt.Sprintf(why, args...)}
}
