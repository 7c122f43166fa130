package private

import "errors"

var (
	// ErrInUse means a live program already runs a server on the folder. Retry
	// once that program has stopped; the error names its process.
	ErrInUse = errors.New("private: the data folder is in use")
	// ErrVersion means the data were written by a major version of PostgreSQL of
	// which no binaries are here. The folder was not touched. Final until they are.
	ErrVersion = errors.New("private: the data need another PostgreSQL version")
	// ErrNoPostgres means there are no binaries and none could be fetched. Final
	// until PostgreSQL is installed.
	ErrNoPostgres = errors.New("private: PostgreSQL is not installed")
	// ErrFolder means the folder can't serve: unreachable for the server user, not
	// its own, or filled with something else. Final until that is put right.
	ErrFolder = errors.New("private: the data folder can't be used")
	// ErrStart means the server did not come up; the error quotes its log.
	ErrStart = errors.New("private: PostgreSQL did not start")
	// ErrDied means the server ended without being asked to.
	ErrDied = errors.New("private: PostgreSQL ended unexpectedly")
)
