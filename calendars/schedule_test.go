package calendars

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var zurich = func() *time.Location {
	l, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		panic(err)
	}
	return l
}()

func TestNextPoll(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 10, 1, 0, 0, time.UTC) // 12:01 in Zurich
	long := noon.Add(-30 * day)
	tests := []struct {
		name     string
		cal      Calendar
		now      time.Time
		steady   bool
		from, to time.Duration // the poll is due from now+from to now+to
	}{
		{"default", Calendar{ID: 1}, noon, false, 4*time.Minute - 75*time.Second, 4*time.Minute + 75*time.Second},
		{"every hour: about the hour", Calendar{ID: 1, Cron: "@hourly"}, noon, false, 54 * time.Minute, 64 * time.Minute},
		{"every day: about the time", Calendar{ID: 1, Cron: "0 7 * * *"}, noon, false, 18*time.Hour + 54*time.Minute, 19*time.Hour + 4*time.Minute},
		{"at night each fourth", Calendar{ID: 1}, noon.Add(12 * time.Hour), false, 19*time.Minute - 75*time.Second, 19*time.Minute + 75*time.Second},
		{"steady at night", Calendar{ID: 1}, noon.Add(12 * time.Hour), true, 4*time.Minute - 75*time.Second, 4*time.Minute + 75*time.Second},
		{"idle for a week each second", Calendar{ID: 1, WatchedSince: &long}, noon, false, 9*time.Minute - 75*time.Second, 9*time.Minute + 75*time.Second},
		{"a calm never beyond an hour", Calendar{ID: 1, Cron: "*/40 * * * *"}, noon.Add(12 * time.Hour), false, 34 * time.Minute, 64 * time.Minute},
		{"a sparse cron isn't stretched", Calendar{ID: 1, Cron: "0 7 * * *", WatchedSince: &long}, noon, false, 18*time.Hour + 54*time.Minute, 19*time.Hour + 4*time.Minute},
		{"a spec that went bad polls all the same", Calendar{ID: 1, Cron: "nonsense"}, noon, false, 2 * time.Minute, 6 * time.Minute},
	}
	for _, tt := range tests {
		got := nextPoll(tt.cal, zurich, tt.now, tt.steady).Sub(tt.now)
		if got < tt.from || got > tt.to {
			t.Errorf("%s: in %v, want %v to %v", tt.name, got, tt.from, tt.to)
		}
	}
}

// Each poll moves on, is the same for all who ask, and no activation is used twice.
func TestNextPoll_Rules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal := Calendar{ID: rapid.Int64().Draw(t, "id"), Cron: rapid.SampledFrom([]string{"*/5 * * * *", "* * * * *", "*/17 8-18 * * 1-5", "@hourly", "30 2 * * *"}).Draw(t, "cron")}
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0).UTC()
		steady := rapid.Bool().Draw(t, "steady")
		if a, b := nextPoll(cal, zurich, now, steady), nextPoll(cal, zurich, now, steady); !a.Equal(b) {
			t.Fatal("not deterministic")
		}
		at := now
		for n := range 20 {
			next := nextPoll(cal, zurich, at, steady)
			if !next.After(at) {
				t.Fatalf("poll at %v, next at %v", at, next)
			}
			// The first may follow soon on whatever made us poll now.
			if n > 0 && next.Sub(at) < 30*time.Second {
				t.Fatalf("poll at %v and again %v later", at, next.Sub(at))
			}
			at = next
		}
	})
}

// Every five minutes is 288 polls a day, jittered or not.
func TestNextPoll_LeavesNoneOut(t *testing.T) {
	t.Parallel()
	for id := range int64(50) {
		n := 0
		for at := morning; at.Before(morning.Add(day)); at = nextPoll(Calendar{ID: id}, zurich, at, true) {
			n++
		}
		if n < 287 || n > 290 {
			t.Errorf("calendar %d: %d polls in a day, want 288", id, n)
		}
	}
}

func TestNextPoll_Spreads(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 10, 1, 0, 0, time.UTC)
	buckets := make([]int, 10)
	for id := range int64(10_000) {
		d := nextPoll(Calendar{ID: id}, zurich, now, false).Sub(now.Add(4*time.Minute - 75*time.Second))
		buckets[min(9, int(d*10/(150*time.Second)))]++
	}
	for i, n := range buckets {
		if n < 800 || n > 1200 {
			t.Errorf("a tenth of the spread, number %d, has %d of 10,000 polls", i, n)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		failures int
		random   float64
		want     time.Duration
	}{
		{1, 1, time.Minute}, {2, 1, 2 * time.Minute}, {3, .5, 2 * time.Minute}, {9, 1, 256 * time.Minute},
		{10, 1, 6 * time.Hour}, {1000, 1, 6 * time.Hour}, {1, 0, 5 * time.Second}, {0, 1, time.Minute},
	}
	for _, tt := range tests {
		if got := backoff(tt.failures, tt.random); got != tt.want {
			t.Errorf("backoff(%d, %v) = %v, want %v", tt.failures, tt.random, got, tt.want)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	for _, s := range []string{"*/5 * * * *", "@daily", "@every 1ns", "TZ=UTC * * * * *", "0 0 31 2 *", "", "1-0 * * * *", "*/0 * * * *", "\x00", "60 * * * *"} {
		f.Add(s)
	}
	now := time.Date(2026, 6, 1, 10, 1, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec string) {
		if checkCron(spec, now) != nil {
			return
		}
		if next := nextPoll(Calendar{ID: 1, Cron: spec}, zurich, now, false); !next.After(now) {
			t.Errorf("%q: next poll %v is not after %v", spec, next, now)
		}
	})
}
