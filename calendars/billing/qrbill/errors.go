package qrbill

import (
	"errors"
	"fmt"
)

// What can be wrong with a bill, matched with errors.Is. None may be retried: the
// bill must change.
var (
	ErrIBAN      = errors.New("qrbill: not an IBAN of Switzerland or Liechtenstein")
	ErrReference = errors.New("qrbill: the reference is wrong or doesn't go with the account")
	ErrAddress   = errors.New("qrbill: the address is incomplete")
	ErrAmount    = errors.New("qrbill: the amount is outside 0.01 to 999 999 999.99")
	ErrText      = errors.New("qrbill: a character is not allowed on a QR-bill")
	ErrTooLong   = errors.New("qrbill: too long")
	ErrFormat    = errors.New("qrbill: not the payload of a QR-bill")
)

// A FieldError says which part of a bill is wrong, by a name such as "creditor.town".
type FieldError struct {
	Field string
	Kind  error  // one of this package's
	Why   string // for people who set up the seller; holds nothing of the customer
}

func (e *FieldError) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("%v: %s", e.Kind, e.Field)
	}
	return fmt.Sprintf("%v: %s: %s", e.Kind, e.Field, e.Why)
}

// Unwrap lets errors.Is find the kind.
func (e *FieldError) Unwrap() error { return e.Kind }

func fail(kind error, field, why string, args ...any) error {
	return &FieldError{Field: field, Kind: kind, Why: fmt.Sprintf(why, args...)}
}
