package notify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

// logOf fills account 1's log straight into the tables: n messages, some at one instant.
func (w *world) logOf(n int) {
	w.t.Helper()
	w.exec(`INSERT INTO messages (account_id, id, kind, reference, origin, origin_id, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
		SELECT 1, n, 1 + n % 2, 'r' || n, CASE n % 3 WHEN 0 THEN 'campaign' ELSE 'reminder' END, n % 5, '+4179000000' || n % 7, 'Praxis', 'Text ' || n % 11, 0, 1, 6, t, t, t
		FROM (SELECT n, CAST($1 AS timestamptz) + (n / 3) * interval '1 minute' AS t FROM generate_series(1, $2) n) x`, epoch, n)
	w.exec(`INSERT INTO sent (account_id, message_id, status, status_at) SELECT 1, id, CASE id % 13 WHEN 0 THEN 12 WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE 3 END, created_at FROM messages WHERE id % 17 <> 0`)
}

// Whatever the filter and however few messages a page may look at, the pages together are
// what the filter selects, each once and in order; and the counts are theirs.
func TestStore_List_searchesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 200
	w.logOf(n)
	w.account(2)
	ctx := t.Context()
	web := dbtest.Web(t, w.dsn)
	rapid.Check(t, func(rt *rapid.T) {
		store := notify.NewStoreLooking(web, rapid.IntRange(1, 60).Draw(rt, "look"))
		f := notify.Filter{Limit: rapid.IntRange(1, 30).Draw(rt, "limit")}
		if rapid.Bool().Draw(rt, "by status") {
			f.Statuses = rapid.SliceOfNDistinct(rapid.SampledFrom(notify.Statuses()), 1, 3, rapid.ID[notify.Status]).Draw(rt, "statuses")
		}
		f.Kind = rapid.SampledFrom([]notify.Kind{0, notify.Notification, notify.Marketing}).Draw(rt, "kind")
		f.Origin = rapid.SampledFrom([]notify.Origin{"", notify.OriginCampaign, notify.OriginReminder}).Draw(rt, "origin")
		f.Text = rapid.SampledFrom([]string{"", "text 7", "nowhere"}).Draw(rt, "text")
		if rapid.Bool().Draw(rt, "by number") {
			f.Recipients = []string{"+41790000003", "+41790000005"}
		}
		if rapid.Bool().Draw(rt, "by time") {
			f.From, f.To = epoch.Add(10*time.Minute), epoch.Add(50*time.Minute)
		}
		var all []int64
		first := f
		for pages := 0; ; pages++ {
			p, err := store.List(ctx, 1, f)
			if err != nil {
				rt.Fatal(err)
			}
			if len(p.Entries) > f.Limit || pages > n {
				rt.Fatalf("page %d has %d rows", pages, len(p.Entries))
			}
			for _, e := range p.Entries {
				if len(f.Statuses) > 0 && !slices.Contains(f.Statuses, e.Status) {
					rt.Errorf("message %d is %s", e.ID, e.Status)
				}
				all = append(all, e.ID)
			}
			if !p.More {
				break
			}
			if !p.Searching && len(p.Entries) < f.Limit {
				rt.Fatalf("a short page that is neither the last nor a pause of the search")
			}
			f.After = p.Next
		}
		first.Limit = 1000
		whole, err := notify.NewStore(web).List(ctx, 1, first)
		if err != nil {
			rt.Fatal(err)
		}
		var want []int64
		for _, e := range whole.Entries {
			want = append(want, e.ID)
		}
		if !slices.Equal(all, want) {
			rt.Fatalf("pages %v, at once %v", all, want)
		}
		counts, err := store.Counts(ctx, 1, first, 0)
		if err != nil || counts.Total != len(want) || counts.More {
			rt.Fatalf("counted %+v (%v), listed %d", counts, err, len(want))
		}
	})
	if any, err := notify.NewStore(web).Any(ctx, 2); any || err != nil {
		t.Errorf("another account has messages: %v, %v", any, err)
	}
}

// Counting stops somewhere and says so; what it counted are the newest.
func TestStore_Counts_isBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logOf(100)
	for _, tt := range []struct {
		most, total int
		more        bool
	}{{0, 100, false}, {99, 99, true}, {100, 100, false}, {1000, 100, false}, {1, 1, true}} {
		got, err := w.store.Counts(t.Context(), 1, notify.Filter{}, tt.most)
		if err != nil || got.Total != tt.total || got.More != tt.more {
			t.Errorf("at most %d: %+v, %v", tt.most, got, err)
		}
	}
	newest, err := w.store.Counts(t.Context(), 1, notify.Filter{Text: "text 1"}, 10)
	if err != nil || newest.Total != 2 || !newest.More { // of 91 to 100, 98 is text 10 and 100 text 1
		t.Errorf("text among the newest: %+v, %v", newest, err)
	}
	if any, err := w.store.Any(t.Context(), 1); !any || err != nil {
		t.Errorf("any: %v, %v", any, err)
	}
}

// No page reads the table: with a hundred thousand messages that all are left out, the plan
// of each statement touches no more than it may look at.
func TestStore_List_readsLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logOf(100_000)
	w.exec(`ANALYZE messages, sent`)
	db := dbtest.Open(t, w.dsn)
	db.SetMaxOpenConns(1) // a session tells its figures when asked to
	store := notify.NewStoreLooking(db, 500)
	for name, f := range map[string]notify.Filter{
		"nearly all": {Statuses: []notify.Status{notify.Delivered}}, "none": {Statuses: []notify.Status{notify.Rejected}},
		"text": {Text: "nowhere"}, "period": {From: epoch, Kind: notify.Marketing, Text: "nowhere"}, "no filter": {},
	} {
		before := scanned(t, db)
		if _, err := store.List(t.Context(), 1, f); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Counts(t.Context(), 1, f, 500); err != nil {
			t.Fatal(err)
		}
		if read := scanned(t, db) - before; read < 50 || read > 5000 {
			t.Errorf("%s: %d rows read", name, read)
		}
	}
}

// scanned is how many rows db's only session read from messages and sent so far.
func scanned(t *testing.T, db *sqlx.DB) (n int) {
	t.Helper()
	if _, err := db.Exec(`SELECT pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	if err := db.Get(&n, `SELECT sum(seq_tup_read) + (SELECT sum(idx_tup_read) FROM pg_stat_all_indexes WHERE relname IN ('messages', 'sent'))
		FROM pg_stat_all_tables WHERE relname IN ('messages', 'sent')`); err != nil {
		t.Fatal(err)
	}
	return n
}
