package migrations

import "errors"

var (
	// ErrNewer means the database has a migration this program doesn't know.
	// Final: only a newer program helps.
	ErrNewer = errors.New("migrations: the database is newer than this program")
	// ErrNoAccount means a tenant transaction was asked for without an account.
	// Final: it is a mistake of the caller.
	ErrNoAccount = errors.New("migrations: no account given")
	// ErrDSN means a connection string could not be read. Final.
	ErrDSN = errors.New("migrations: unreadable connection string")
)
