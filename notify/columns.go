package notify

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns are the parameters of a statement over many rows: each column is an array, which
// the statement unnests. One whose values are all the same is passed once: most of a
// batch's columns are, and each array costs as much as an index.
type columns struct {
	names  []string
	arrays []string
	exprs  map[string]string
	args   []any
}

func newColumns() *columns { return &columns{exprs: map[string]string{}} }

// arg adds a parameter and returns its place.
func (c *columns) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

// array adds a column as an array of typ.
func (c *columns) array(name, typ string, v any) {
	c.arrays = append(c.arrays, "CAST("+c.arg(v)+" AS "+typ+"[])")
	c.names = append(c.names, name)
	c.exprs[name] = "u." + name
}

// once adds a column that has one value.
func (c *columns) once(name, typ string, v any) {
	c.exprs[name] = "CAST(" + c.arg(v) + " AS " + typ + ")"
}

func (c *columns) numbers(name, typ string, vs []int64) {
	if same(vs) {
		c.once(name, typ, vs[0])
		return
	}
	c.array(name, typ, integers(vs))
}

func (c *columns) texts(name string, vs []string) {
	if same(vs) {
		c.once(name, "text", vs[0])
		return
	}
	c.array(name, "text", texts(vs))
}

// times are passed to the microsecond, as numbers: PostgreSQL reads those ten times faster.
func (c *columns) times(name string, vs []time.Time) {
	us := microseconds(vs)
	if slices.ContainsFunc(us, func(u int64) bool { return u > exactMicroseconds || u < -exactMicroseconds }) {
		c.array(name, "timestamptz", timestamps(vs))
		return
	}
	c.numbers(name, "bigint", us)
	c.exprs[name] = instantOf(c.exprs[name])
}

// exactMicroseconds is as far from 1970 as instantOf is exact, since PostgreSQL multiplies
// intervals by double precision numbers: the year 2255.
const exactMicroseconds = 1 << 53

// microseconds are times as [instantOf] takes them.
func microseconds(ts []time.Time) []int64 {
	us := make([]int64, len(ts))
	for i := range ts {
		us[i] = ts[i].UnixMicro()
	}
	return us
}

// instantOf is the timestamptz that many microseconds after 1970.
func instantOf(microseconds string) string {
	return "(TIMESTAMPTZ 'epoch' + " + microseconds + " * INTERVAL '1 microsecond')"
}

// optionalTimes is times with nil for NULL.
func (c *columns) optionalTimes(name string, vs []*time.Time) {
	all := make([]time.Time, 0, len(vs))
	for _, t := range vs {
		if t != nil {
			all = append(all, *t)
		}
	}
	switch len(all) {
	case 0:
		c.exprs[name] = "CAST(NULL AS timestamptz)"
	case len(vs):
		c.times(name, all)
	default:
		c.array(name, "timestamptz", optionalTimestamps(vs))
	}
}

// list is what to select for names, in their order.
func (c *columns) list(names ...string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = c.exprs[name]
	}
	return strings.Join(all, ", ")
}

// from unnests the arrays; it names them u. One column at least must be an array.
func (c *columns) from() string {
	return "unnest(" + strings.Join(c.arrays, ", ") + ") AS u (" + strings.Join(c.names, ", ") + ")"
}

// some are the columns of c with these names, of which one at least must be an array: what
// isn't used needn't be unnested.
func (c *columns) some(names ...string) *columns {
	part := &columns{exprs: c.exprs}
	for i, name := range c.names {
		if slices.Contains(names, name) {
			part.names, part.arrays = append(part.names, name), append(part.arrays, c.arrays[i])
		}
	}
	return part
}

// numbered is from with the rows' numbers, from 1, as column n.
func (c *columns) numbered(n string) string {
	return "unnest(" + strings.Join(c.arrays, ", ") + ") WITH ORDINALITY AS u (" + strings.Join(c.names, ", ") + ", " + n + ")"
}

func same[T comparable](vs []T) bool {
	for _, v := range vs {
		if v != vs[0] {
			return false
		}
	}
	return len(vs) > 0
}
