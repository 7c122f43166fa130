package notify

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/lib/pq"
)

// dispatchSettings keep the planner from three mistakes it makes on the message tables,
// above all while they are new and have no statistics: a materialized nested loop over a
// batch (measured 23 s instead of 8 ms for a thousand receipts), and compiling statements
// that run for milliseconds (200 ms each). A bitmap, or a memory, for the one row a key finds costs
// as much as finding it. What remains is what every statement here
// wants: walk the batch, probe the index. And with such plans nothing is gained by making
// one for each batch anew.
var dispatchSettings = [][2]string{
	{"jit", "off"}, {"enable_seqscan", "off"}, {"enable_hashjoin", "off"}, {"enable_mergejoin", "off"}, {"enable_material", "off"}, {"enable_bitmapscan", "off"}, {"enable_memoize", "off"},
	{"plan_cache_mode", "force_generic_plan"},
}

// DispatchDSN adds to a connection string, a postgres:// URL or key=value pairs, the
// planner settings the dispatcher's and the desk's connections should have. The driver
// passes them as startup parameters, so every connection of the pool has them. Other work
// should not use such a pool. It fails with ErrConfig when dsn can't be read.
func DispatchDSN(dsn string) (string, error) {
	unreadable := fmt.Errorf("%w: unreadable connection string", ErrConfig) // the cause would quote a password
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		dsn = strings.TrimSpace(dsn)
		for _, s := range dispatchSettings {
			dsn += " " + s[0] + "=" + s[1]
		}
		dsn = strings.TrimSpace(dsn)
		if _, err := pq.NewConfig(dsn); err != nil {
			return "", unreadable
		}
		return dsn, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", unreadable
	}
	q := u.Query()
	for _, s := range dispatchSettings {
		q.Set(s[0], s[1])
	}
	u.RawQuery = q.Encode()
	if _, err := pq.NewConfig(u.String()); err != nil {
		return "", unreadable
	}
	return u.String(), nil
}
