package accounts

import (
	"errors"
	"fmt"
	"time"
)

// Failures of this package, matched with errors.Is or errors.As.
var (
	ErrBadLogin   = errors.New("accounts: address or password is wrong") // final; say no more than this
	ErrEmailTaken = errors.New("accounts: address is in use already")    // final; choose another
	ErrNotFound   = errors.New("accounts: no such user")                 // final
)

// TooManyAttempts refuses a log-in before looking at the password.
type TooManyAttempts struct{ RetryAt time.Time }

func (e *TooManyAttempts) Error() string {
	return fmt.Sprintf("accounts: too many failed log-ins, try again after %s", e.RetryAt.UTC().Format(time.RFC3339))
}

// FieldError is a value a person can correct: Field names it, Code says what is wrong.
type FieldError struct{ Field, Code string }

func (e *FieldError) Error() string { return "accounts: " + e.Field + ": " + e.Code }
