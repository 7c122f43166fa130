package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
)

// Whether a column is the same for all rows or not, PostgreSQL reads back what was passed.
func TestColumns(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	type row struct {
		N     int        `db:"n"`
		Num   int64      `db:"num"`
		Text  string     `db:"text"`
		At    time.Time  `db:"at"`
		Until *time.Time `db:"until"`
	}
	rapid.Check(t, func(t *rapid.T) {
		want := make([]row, rapid.IntRange(1, 20).Draw(t, "rows"))
		uniform := rapid.Bool().Draw(t, "uniform")
		instant := rapid.OneOf(rapid.Int64Range(-60e15, 250e15), rapid.Int64Range(1.7e15, 1.8e15))
		for i := range want {
			if uniform && i > 0 {
				want[i] = want[0]
			} else {
				want[i] = row{Num: rapid.Int64().Draw(t, "num"), Text: clean(rapid.String().Draw(t, "text")), At: time.UnixMicro(instant.Draw(t, "at"))}
				if rapid.Bool().Draw(t, "ends") {
					at := time.UnixMicro(instant.Draw(t, "until"))
					want[i].Until = &at
				}
			}
			want[i].N = i + 1
		}
		n := len(want)
		keys, nums, texts, at, until := make([]int64, n), make([]int64, n), make([]string, n), make([]time.Time, n), make([]*time.Time, n)
		for i, r := range want {
			nums[i], texts[i], at[i], until[i] = r.Num, r.Text, r.At, r.Until
		}
		c := newColumns()
		c.array("key", "bigint", integers(keys))
		c.numbers("num", "bigint", nums)
		c.texts("text", texts)
		c.times("at", at)
		c.optionalTimes("until", until)
		var got []row
		if err := db.Select(&got, `SELECT u.n, `+c.list("num")+` AS num, `+c.list("text")+` AS text, `+c.list("at")+` AS at, `+c.list("until")+` AS until
			FROM `+c.numbered("n")+` ORDER BY 1`, c.args...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-passed +read):\n%s", diff)
		}
	})
}
