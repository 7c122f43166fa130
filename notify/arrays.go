package notify

import (
	"strconv"
	"time"
)

// These make array literals of PostgreSQL, as parameters to unnest. Batches have thousands
// of elements, and lib/pq's own take several times as long, above all for times.

// timestamps is a timestamptz[] parameter, to the microsecond.
func timestamps(ts []time.Time) string {
	b := make([]byte, 0, 2+28*len(ts))
	b = append(b, '{')
	for i := range ts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTimestamp(b, ts[i])
	}
	return string(append(b, '}'))
}

// optionalTimestamps is timestamps with nil for NULL.
func optionalTimestamps(ts []*time.Time) string {
	b := make([]byte, 0, 2+28*len(ts))
	b = append(b, '{')
	for i, t := range ts {
		if i > 0 {
			b = append(b, ',')
		}
		if t == nil {
			b = append(b, "NULL"...)
		} else {
			b = appendTimestamp(b, *t)
		}
	}
	return string(append(b, '}'))
}

// appendTimestamp writes t as RFC 3339 in UTC, which needs no quotes within an array. It
// is rounded down to the microsecond. Years beyond 1 to 9999 don't occur: what comes from
// outside is checked long before.
func appendTimestamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = appendPadded(b, year, 4)
	b = appendPadded(append(b, '-'), int(month), 2)
	b = appendPadded(append(b, '-'), day, 2)
	b = appendPadded(append(b, 'T'), hour, 2)
	b = appendPadded(append(b, ':'), minute, 2)
	b = appendPadded(append(b, ':'), second, 2)
	if us := t.Nanosecond() / 1000; us > 0 {
		b = appendPadded(append(b, '.'), us, 6)
	}
	return append(b, 'Z')
}

// appendPadded writes n, which is not negative, with zeros before it up to width digits.
func appendPadded(b []byte, n, width int) []byte {
	limit := 1
	for range width - 1 {
		limit *= 10
	}
	for n < limit && limit > 1 {
		b = append(b, '0')
		limit /= 10
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// integers is a parameter for an array of any integer type.
func integers(ns []int64) string {
	b := make([]byte, 0, 2+8*len(ns))
	b = append(b, '{')
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, '}'))
}

// texts is a text[] parameter.
func texts(ss []string) string {
	n := 2
	for _, s := range ss {
		n += len(s) + 3
	}
	b := make([]byte, 0, n)
	b = append(b, '{')
	for i, s := range ss {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		from := 0
		for j := 0; j < len(s); j++ {
			if s[j] == '"' || s[j] == '\\' {
				b = append(append(b, s[from:j]...), '\\')
				from = j
			}
		}
		b = append(append(b, s[from:]...), '"')
	}
	return string(append(b, '}'))
}

// booleans is a boolean[] parameter.
func booleans(bs []bool) string {
	b := make([]byte, 0, 2+2*len(bs))
	b = append(b, '{')
	for i, v := range bs {
		if i > 0 {
			b = append(b, ',')
		}
		if v {
			b = append(b, 't')
		} else {
			b = append(b, 'f')
		}
	}
	return string(append(b, '}'))
}
