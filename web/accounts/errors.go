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
	ErrLink       = errors.New("accounts: link is used or too old")      // final; ask for a new one
	ErrBadCode    = errors.New("accounts: code is wrong or was used")    // enter another
	ErrLastOwner  = errors.New("accounts: somebody must stay owner")     // make somebody else owner first
	ErrPasskey    = errors.New("accounts: passkey was not accepted")     // log in otherwise
	ErrNoConsent  = errors.New("accounts: the clinic lets nobody in")    // ask the clinic
	ErrNested     = errors.New("accounts: a sub-account has none below") // final
)

// TooManyAttempts refuses a log-in before looking at the password.
type TooManyAttempts struct{ RetryAt time.Time }

func (e *TooManyAttempts) Error() string {
	return fmt.Sprintf("accounts: too many failed log-ins, try again after %s", e.RetryAt.UTC().Format(time.RFC3339))
}

// Invalid is a form with mistakes a person can correct, at most one of a field.
type Invalid struct{ Fields []FieldError }

func (e *Invalid) Error() string {
	if len(e.Fields) == 0 {
		return "accounts: invalid"
	}
	return e.Fields[0].Error()
}

// FieldError is a value a person can correct: Field names it, Code says what is wrong.
type FieldError struct{ Field, Code string }

func (e *FieldError) Error() string { return "accounts: " + e.Field + ": " + e.Code }
