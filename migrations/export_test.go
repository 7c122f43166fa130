package migrations

import "testing"

// SetEmptyDatabase tells the tests inside the package how to get a database, which
// they can't ask dbtest for themselves: it imports this package.
func SetEmptyDatabase(f func(t testing.TB) string) { emptyDatabase = f }
