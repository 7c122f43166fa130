package notify

import "errors"

// Errors of the outbox and the store. All are final: asking again with the same
// arguments gives the same answer. Any other error comes from the database and
// may be retried.
var (
	// ErrSender means a sender is neither an E.164 number, nor a short code, nor up to 11 characters
	// of A-Z a-z 0-9 space & . - with a letter among them.
	ErrSender = errors.New("notify: invalid sender")
	// ErrRecipient means a recipient is no E.164 number.
	ErrRecipient = errors.New("notify: invalid recipient")
	// ErrBody means a text is empty, longer than MaxSegments segments, or no text: invalid
	// UTF-8, or with NUL in it.
	ErrBody = errors.New("notify: text is empty, too long or not UTF-8")
	// ErrRequest means a message lacks an account, kind, reference, origin or expiry, or that
	// its reference or origin is invalid UTF-8 or has NUL in it.
	ErrRequest = errors.New("notify: incomplete message")
	// ErrNotFound means the account has no such message.
	ErrNotFound = errors.New("notify: no such message")
	// ErrClosed means that marketing may go to a country at no hour.
	ErrClosed = errors.New("notify: no hour is open")
	// ErrConfig means a Dispatcher, Desk, Policy or Holds can't work with the Config it was given.
	ErrConfig = errors.New("notify: unusable configuration")
)
