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
func WebDSN(dsn string) (string, error) { return dsnAs(dsn, WebRole) }

// OperatorDSN is WebDSN for the operator's own pages, role rappel_operator.
func OperatorDSN(dsn string) (string, error) { return dsnAs(dsn, OperatorRole) }

func dsnAs(dsn, role string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		// A later key overrides an earlier one.
		return checkRole(strings.TrimSpace(strings.TrimSpace(dsn)+" role="+role), role)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", unreadable()
	}
	q := u.Query()
	q.Set("role", role)
	u.RawQuery = q.Encode()
	return checkRole(u.String(), role)
}

// checkRole returns dsn if the driver understands it as we do. Without the role the web
// would work as the owner, so this is looked at and not believed: after a trailing
// backslash, for one, the role would be a part of the value before it.
func checkRole(dsn, role string) (string, error) {
	c, err := pq.NewConfig(dsn)
	if err != nil || c.Runtime["role"] != role {
		return "", unreadable()
	}
	return dsn, nil
}

// unreadable leaves the cause out: parsers quote what they read, and that holds a
// password.
func unreadable() error {
	return fmt.Errorf("%w: want postgres://user:password@host:port/name or key=value pairs", ErrDSN)
}
