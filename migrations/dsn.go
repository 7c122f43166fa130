package migrations

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/lib/pq"
)

// WebDSN adds role=rappel_web to a connection string, a postgres:// URL or
// key=value pairs, replacing a role it may have. The driver passes keys it doesn't
// know to the server as settings of the session, so every connection of the pool
// starts out as that role. The login must be a member of it; the schema makes the
// one who migrates a member.
//
// It fails with [ErrDSN] when dsn can't be read.
func WebDSN(dsn string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		// A later key overrides an earlier one.
		dsn = strings.TrimSpace(dsn) + " role=" + WebRole
		if _, err := pq.NewConfig(dsn); err != nil {
			return "", unreadable()
		}
		return strings.TrimSpace(dsn), nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", unreadable()
	}
	q := u.Query()
	q.Set("role", WebRole)
	u.RawQuery = q.Encode()
	if _, err := pq.NewConfig(u.String()); err != nil {
		return "", unreadable()
	}
	return u.String(), nil
}

// unreadable leaves the cause out: parsers quote what they read, and that holds a
// password.
func unreadable() error {
	return fmt.Errorf("%w: want postgres://user:password@host:port/name or key=value pairs", ErrDSN)
}
