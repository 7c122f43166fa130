package calendars

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func diffed(t *testing.T, stored []Event, in ...Instance) (difference, []Event) {
	t.Helper()
	w := Window{morning, morning.Add(9 * day)}
	d, err := diff(CalendarRef{1, 7}, stored, in, w, false, morning)
	if err != nil {
		t.Fatal(err)
	}
	// What the database would hold afterwards.
	after := make(map[string]Event)
	for _, e := range stored {
		if slices.Contains(d.gone, e.ID) {
			e.Gone = &morning
		}
		after[e.Key] = e
	}
	for _, e := range d.put {
		e.ID = int64(len(after) + 1)
		after[e.Key] = *e
	}
	var list []Event
	for _, e := range after {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Event) int { return strings.Compare(a.Key, b.Key) })
	return d, list
}

func uids(events []Event) (list []string) {
	for _, e := range events {
		if e.Gone == nil {
			list = append(list, e.UID)
		}
	}
	return list
}

func TestDiff_CopiesAreToldApart(t *testing.T) {
	t.Parallel()
	copyOf := func(key string) Instance { return at(key, morning.Add(day), func(i *Instance) { i.UID = "u" }) }
	slotOf := func(key string, n int) Instance {
		return at(key, morning.Add(day), slot("u", morning.Add(time.Duration(n)*day)))
	}
	steps := []struct {
		name string
		in   []Instance
		want []string
	}{
		{"one has the plain UID", []Instance{copyOf("m")}, []string{"u"}},
		{"a copy with a smaller key doesn't take it away", []Instance{copyOf("a"), copyOf("m")}, []string{"u#a", "u"}},
		{"in whatever order", []Instance{copyOf("m"), copyOf("a"), copyOf("z")}, []string{"u#a", "u", "u#z"}},
		{"the plain one goes: the others keep their names", []Instance{copyOf("a"), copyOf("z")}, []string{"u#a", "u#z"}},
		{"a new one may be plain", []Instance{copyOf("a"), copyOf("k"), copyOf("z")}, []string{"u#a", "u", "u#z"}},
		{"slots of a series share the UID by right", []Instance{slotOf("s1", 1), slotOf("s2", 2)}, []string{"u", "u"}},
	}
	var stored []Event
	for _, s := range steps {
		_, stored = diffed(t, stored, s.in...)
		if d := cmp.Diff(s.want, uids(stored)); d != "" {
			t.Fatalf("%s (-want +got):\n%s", s.name, d)
		}
		if again, _ := diffed(t, stored, s.in...); len(again.changes) > 0 || len(again.put) > 0 {
			t.Fatalf("%s: a second look changes %d", s.name, len(again.changes))
		}
	}
}

func TestDiff_ForeignTextThatPostgresRefuses(t *testing.T) {
	t.Parallel()
	d, stored := diffed(t, nil, Instance{Key: "k\x00\xff", UID: "u\x00", Start: morning.Add(day), Title: "a\xff\x00b", Kind: "\x00"})
	e := stored[0]
	if e.Key != "k\uFFFD" || e.UID != "u" || e.Title != "a\uFFFDb" || e.Kind != "default" || !e.End.Equal(e.Start) {
		t.Errorf("stored %+v", e)
	}
	if again, _ := diffed(t, stored, Instance{Key: "k\x00\xff", UID: "u\x00", Start: morning.Add(day), Title: "a\xff\x00b", Kind: "\x00"}); len(again.changes) != 0 {
		t.Errorf("the same again is %d changes", len(again.changes))
	}
	if len(d.changes) != 1 {
		t.Errorf("%d changes", len(d.changes))
	}
}

func TestDiff_OddInstances(t *testing.T) {
	t.Parallel()
	if _, err := diff(CalendarRef{1, 7}, nil, []Instance{{UID: "u", Start: morning}}, Window{morning, morning.Add(day)}, false, morning); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an instance without a key: %v", err)
	}
	// T13: a minimal tombstone has no start. It is as good as absent.
	_, stored := diffed(t, nil, at("a", morning.Add(day)))
	d, _ := diffed(t, stored, Instance{Key: "a", Cancelled: true})
	if len(d.gone) != 1 {
		t.Errorf("a tombstone without start: %+v", d)
	}
}

// Random histories of one calendar, played over real PostgreSQL with failing reads,
// lost cursors and passing time: after each tick that read, what is stored is what the
// provider has, and the Sink was told exactly the difference.
func TestSyncer_AnyHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Steady = true })
	b.watching("main")
	cal := b.calendar("main")
	keys := []string{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(r *rapid.T) {
		// Each history begins with an empty calendar nobody has read.
		b.fake.mu.Lock()
		b.fake.onRead = nil
		b.fake.mu.Unlock()
		b.fake.set("main")
		b.exec(`DELETE FROM events`)
		b.exec(`DELETE FROM heard`)
		b.exec(`UPDATE calendars SET snapshot_at = NULL, sealed_cursor = NULL, failures = 0, status = 'active'`)
		b.exec(`UPDATE connections SET retry_at = NULL, failures = 0, next_list_at = '2099-01-01'`)
		known := map[string]string{} // what the Sink should believe stands, by key
		for range rapid.IntRange(1, 12).Draw(r, "rounds") {
			failing := false
			for range rapid.IntRange(0, 4).Draw(r, "edits") {
				key := rapid.SampledFrom(keys).Draw(r, "key")
				start := b.clock.now().Add(time.Duration(rapid.IntRange(-3*60, 20*24*60).Draw(r, "minutes")) * time.Minute)
				b.fake.edit("main", func(items []Instance) []Instance {
					i := slices.IndexFunc(items, func(i Instance) bool { return i.Key == key })
					switch what := rapid.SampledFrom([]string{"put", "delete", "text", "cancel", "etag"}).Draw(r, "what"); {
					case what == "put" && i < 0:
						// Few UIDs, so that copies meet.
						return append(items, at(key, start, func(n *Instance) { n.UID = rapid.SampledFrom([]string{"u", "v"}).Draw(r, "uid") }))
					case i < 0:
					case what == "put":
						items[i].Start, items[i].End = start, start.Add(time.Hour)
					case what == "delete":
						return slices.Delete(items, i, i+1)
					case what == "text":
						items[i].Title = rapid.StringN(0, 5, 20).Draw(r, "title")
					case what == "cancel":
						items[i].Cancelled = !items[i].Cancelled
					case what == "etag":
						items[i].ETag = rapid.StringN(1, 3, 9).Draw(r, "etag")
					}
					return items
				})
			}
			b.clock.advance(time.Duration(rapid.IntRange(1, 600).Draw(r, "pass")) * time.Minute)
			switch rapid.IntRange(0, 9).Draw(r, "trouble") {
			case 0:
				b.fake.fail("snapshot", ErrUnavailable, time.Time{})
				failing = true
			case 1:
				b.fake.fail("bell", ErrUnavailable, time.Time{})
				failing = true
			case 2:
				b.fake.mu.Lock()
				b.fake.cals["main"].lost = b.fake.cals["main"].version + 1
				b.fake.cals["main"].version++
				b.fake.mu.Unlock()
			}
			snaps := b.fake.count("snapshot")
			b.poll()
			b.fake.mu.Lock()
			b.fake.onRead = nil
			windows := b.fake.cals["main"].windows
			b.fake.mu.Unlock()
			heard := b.heard()
			stored := b.events()
			state := b.calendar("main")
			if failing && state.Failures > 0 {
				if len(heard) > 0 {
					r.Fatalf("a failed read told %v", heard)
				}
				continue
			}
			if b.fake.count("snapshot") == snaps {
				if len(heard) > 0 {
					r.Fatalf("a silent bell told %v", heard)
				}
				continue
			}
			w := windows[len(windows)-1]
			truth := map[string]string{}
			for _, i := range b.fake.cals["main"].items {
				if i.Start.Before(w.To) && i.End.After(w.From) {
					truth[i.Key] = fmt.Sprint(i.Start.UTC(), i.End.UTC(), i.Cancelled, plain(i.Title))
				}
			}
			// 1. What stands in the window is the provider's truth.
			mine := map[string]string{}
			names := map[string]bool{}
			for key, e := range stored {
				if e.Gone != nil || !e.Start.After(w.From) && truth[key] == "" || !e.Start.Before(w.To) {
					continue // gone; or begun and no longer asked about; or beyond
				}
				mine[key] = fmt.Sprint(e.Start, e.End, e.Cancelled, e.Title)
				if name := e.UID + " " + e.Occurrence; truth[key] != "" {
					if names[name] {
						r.Fatalf("two events are called %q", name)
					}
					names[name] = true
				}
			}
			if d := cmp.Diff(truth, mine); d != "" {
				r.Fatalf("provider and database differ (-provider +database):\n%s", d)
			}
			// 2. The Sink was told exactly what it did not know.
			told := map[string]bool{}
			for _, h := range heard {
				what, key, _ := strings.Cut(h, " ")
				e := stored[key]
				is := fmt.Sprint(e.Start, e.End, e.Cancelled, e.Title, e.UID, e.Gone != nil)
				if told[key] || known[key] == is || (what == "gone") != (e.Gone != nil) || (what == "new") != (known[key] == "") {
					r.Fatalf("told %q, knew %q, is %q", h, known[key], is)
				}
				told[key], known[key] = true, is
			}
			for key, e := range stored {
				if is := fmt.Sprint(e.Start, e.End, e.Cancelled, e.Title, e.UID, e.Gone != nil); known[key] != is {
					r.Fatalf("%s is %q, but the Sink believes %q", key, is, known[key])
				}
			}
			if !state.SnapshotAt.Equal(b.clock.now()) || state.ID != cal.ID {
				r.Fatalf("snapshot at %v, now %v", state.SnapshotAt, b.clock.now())
			}
		}
	})
}
