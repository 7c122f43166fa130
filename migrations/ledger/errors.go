package ledger

import "errors"

var (
	// ErrShort means that a balance would fall below its account's minimum. Final until
	// something is booked into it. The database transaction is broken: roll it back.
	ErrShort = errors.New("ledger: the balance is too low")
	// ErrEntries means that entries don't sum to zero, are fewer than two, too many, or
	// name an account the chart hasn't. Final: it is a mistake of the caller.
	ErrEntries = errors.New("ledger: entries that don't add up")
	// ErrKey means that a key is missing, or was used for something else. Final.
	ErrKey = errors.New("ledger: the key stands for something else")
	// ErrNotFound means that the tenant has no such transaction. Final.
	ErrNotFound = errors.New("ledger: no such transaction")
	// ErrReversed means that a transaction has been reversed already, by another key. Final.
	ErrReversed = errors.New("ledger: reversed already")
	// ErrBooks means that a balance isn't the sum of its entries. Somebody must look.
	ErrBooks = errors.New("ledger: a balance is not the sum of its entries")
)
