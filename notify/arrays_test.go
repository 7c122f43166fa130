package notify

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
)

// What these write, PostgreSQL reads back as it was.
func TestArrays(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	rapid.Check(t, func(t *rapid.T) {
		var in struct {
			times    []time.Time
			optional []*time.Time
			ints     []int64
			texts    []string
			bools    []bool
		}
		n := rapid.IntRange(0, 20).Draw(t, "n")
		for range n {
			at := time.UnixMicro(rapid.Int64Range(-60e15, 250e15).Draw(t, "at")).UTC()
			in.times = append(in.times, at)
			if rapid.Bool().Draw(t, "known") {
				in.optional = append(in.optional, &at)
			} else {
				in.optional = append(in.optional, nil)
			}
			in.ints = append(in.ints, rapid.Int64().Draw(t, "n"))
			in.texts = append(in.texts, clean(rapid.String().Draw(t, "text")))
			in.bools = append(in.bools, rapid.Bool().Draw(t, "bool"))
		}
		rows, err := db.Query(`SELECT u.* FROM unnest(CAST($1 AS timestamptz[]), CAST($2 AS timestamptz[]), CAST($3 AS bigint[]), CAST($4 AS text[]), CAST($5 AS boolean[]))
			WITH ORDINALITY AS u (a, b, c, d, e, n) ORDER BY n`, timestamps(in.times), optionalTimestamps(in.optional), integers(in.ints), texts(in.texts), booleans(in.bools))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		i := 0
		for ; rows.Next(); i++ {
			var a time.Time
			var b sql.NullTime
			var c, nth int64
			var d string
			var e bool
			if err := rows.Scan(&a, &b, &c, &d, &e, &nth); err != nil {
				t.Fatal(err)
			}
			if !a.Equal(in.times[i]) || b.Valid != (in.optional[i] != nil) || b.Valid && !b.Time.Equal(*in.optional[i]) || c != in.ints[i] || e != in.bools[i] {
				t.Fatalf("element %d: %v %v %v %v, want %v %v %v %v", i, a, b, c, e, in.times[i], in.optional[i], in.ints[i], in.bools[i])
			}
			if diff := cmp.Diff(in.texts[i], d); diff != "" {
				t.Fatalf("text %d: %s", i, diff)
			}
		}
		if err := rows.Err(); err != nil || i != n {
			t.Fatalf("%d elements of %d, %v", i, n, err)
		}
	})
}
