package mail

import "errors"

// Failures of this package, matched with errors.Is.
var (
	ErrURL  = errors.New("mail: unreadable SMTP URL")    // final; the configuration is wrong
	ErrMail = errors.New("mail: not a mail")             // final; a field is missing
	ErrGone = errors.New("mail: no such mail to change") // final
)
