package calendars

import (
	"errors"
	"fmt"
	"time"
)

// Kinds of failure, matched with errors.Is. Each says whether trying again helps.
var (
	ErrCursorLost    = errors.New("calendars: the change cursor is no longer valid")                 // drop it and take a snapshot
	ErrThrottled     = errors.New("calendars: the provider asks to slow down")                       // retry at Error.RetryAt
	ErrUnavailable   = errors.New("calendars: the provider did not answer properly")                 // retry with backoff
	ErrUnauthorized  = errors.New("calendars: the access token was refused")                         // refresh once, retry once
	ErrForbidden     = errors.New("calendars: access to this calendar is not permitted")             // final until the clinic acts
	ErrNotFound      = errors.New("calendars: the calendar no longer exists or is no longer shared") // final until the clinic acts
	ErrGrantRevoked  = errors.New("calendars: the grant has ended")                                  // the clinic must reconnect
	ErrScopeMissing  = errors.New("calendars: a needed permission was not granted")                  // the clinic must consent again
	ErrConsentDenied = errors.New("calendars: consent was refused")                                  // the person pressed cancel
	ErrCodeUsed      = errors.New("calendars: the authorization code is not valid any more")         // start the connection again
	ErrClientConfig  = errors.New("calendars: the provider refuses our client id or secret")         // the operator must act, never the clinic
	ErrForeignLink   = errors.New("calendars: the provider sent a link to another host")             // alarm; the token was not sent there
	ErrPagingLoop    = errors.New("calendars: the provider repeats the same page without end")       // alarm; retry with backoff
)

// Failures of our own side, matched with errors.Is.
var (
	ErrStateMismatch   = errors.New("calendars: this sign-in was not begun here, is too old or was used already") // start the connection again
	ErrAdminConsent    = errors.New("calendars: an administrator has to consent first")                           // the clinic must ask its administrator
	ErrNotRevoked      = errors.New("calendars: disconnected here, but the provider did not confirm")             // final; the person can revoke it at the provider
	ErrNotPickable     = errors.New("calendars: this calendar can't be watched as it stands")                     // final until it is readable and connected
	ErrNotCovered      = errors.New("calendars: the subscription covers no further calendar")                     // final until it does
	ErrInvalidSettings = errors.New("calendars: the settings are not valid")                                      // final; see SettingsError
	ErrNotSynced       = errors.New("calendars: the calendar is not being read")                                  // unwatched, paused, or its connection is not active
	ErrUnknown         = errors.New("calendars: no such connection, calendar, event or provider")                 // final
	ErrSealed          = errors.New("calendars: a sealed value does not open")                                    // the operator must look at the keyset
	ErrInternal        = errors.New("calendars: our own failure")                                                 // retry with backoff
)

// SettingsError says which field of Settings is wrong and why. It is an
// ErrInvalidSettings.
type SettingsError struct {
	Field string // practitioner, location_name, cron, mode
	Why   string // closed set: too_long, syntax, too_often, never, unknown
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("%v: %s: %s", ErrInvalidSettings, e.Field, e.Why)
}

// Is makes e an ErrInvalidSettings.
func (e *SettingsError) Is(target error) bool { return target == ErrInvalidSettings }

// Error is a failure of a provider: its Kind says what to do, Err what happened.
// Its text names no title, address or token.
type Error struct {
	Provider string
	Op       string // what was attempted, such as "events.list"
	Kind     error  // one of the kinds above
	Status   int    // HTTP status, 0 when there was no answer
	Code     string // the provider's own error code, for support
	RetryAt  time.Time
	Err      error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Provider, e.Op, e.Kind)
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d", e.Status)
		if e.Code != "" {
			s += " " + e.Code
		}
		s += ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap lets errors.Is find the Kind and errors.As the transport cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }
