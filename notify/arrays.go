package notify

import (
	"time"

	"github.com/lib/pq"
)

// timestamps is a timestamptz[] parameter. lib/pq's arrays know strings and numbers.
func timestamps(ts []time.Time) any {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = string(pq.FormatTimestamp(t))
	}
	return pq.Array(out)
}

// optionalTimestamps is timestamps with nil for NULL.
func optionalTimestamps(ts []*time.Time) any {
	out := make([]*string, len(ts))
	for i, t := range ts {
		if t != nil {
			s := string(pq.FormatTimestamp(*t))
			out[i] = &s
		}
	}
	return pq.Array(out)
}
