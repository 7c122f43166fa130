package credits

import "errors"

var (
	// ErrShort means that an account hasn't as many credits as are to be moved. Final until
	// some are added; nothing was changed.
	ErrShort = errors.New("credits: not enough of them")
	// ErrKey means that a key is missing, or was used for something else. Final.
	ErrKey = errors.New("credits: the key stands for something else")
	// ErrRequest means that what is asked for makes no sense, such as a grant of nothing. Final.
	ErrRequest = errors.New("credits: incomplete or senseless request")
	// ErrFamily means that credits were to go to an account of another payer. Final.
	ErrFamily = errors.New("credits: the accounts don't belong together")
	// ErrBooks means that what is set aside and what is booked as such differ. Somebody must
	// look.
	ErrBooks = errors.New("credits: what is held and what is booked differ")
	// ErrTariff means that there is no tariff to price a message by. Somebody must add one.
	ErrTariff = errors.New("credits: no tariff is in force")
)
