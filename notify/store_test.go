package notify_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/migrations/dbtest"
	"rappel/notify"
)

func TestStore_List(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	ctx, store := context.Background(), notify.NewStore(dbtest.Web(t, w.dsn))
	d := w.dispatcher(nil)
	var refs []notify.MessageRef
	for i := range 7 {
		refs = append(refs, w.enqueue(func(m *notify.NewMessage) {
			m.Body = fmt.Sprintf("Text 100%% Nr_%d", i)
			if i == 3 {
				m.Recipient, m.Origin, m.OriginID = "+41790000003", notify.OriginCampaign, 9
			}
			if i == 5 {
				m.Expires = m.Expires.Add(-48 * time.Hour)
			}
		}))
		if i%2 == 1 { // pairs share an instant
			w.clock.Add(time.Minute)
		}
	}
	w.tick(d)
	waiting := w.enqueue(nil)
	refs = append(refs, waiting)
	w.enqueue(func(m *notify.NewMessage) { m.AccountID = 2 })
	ids := func(which ...int) (out []int64) {
		for _, i := range which {
			out = append(out, refs[i].ID)
		}
		return out
	}
	tests := []struct {
		name   string
		filter notify.Filter
		want   []int64
	}{
		{"all, newest first", notify.Filter{}, ids(7, 6, 5, 4, 3, 2, 1, 0)},
		{"one status", notify.Filter{Statuses: []notify.Status{notify.Expired}}, ids(5)},
		{"not sent yet", notify.Filter{Statuses: []notify.Status{notify.NotSent, notify.Expired}}, ids(7, 5)},
		{"recipient", notify.Filter{Recipients: []string{"+41790000003"}}, ids(3)},
		{"text", notify.Filter{Text: "nr_4"}, ids(4)},
		{"text is no pattern", notify.Filter{Text: "%"}, ids(6, 5, 4, 3, 2, 1, 0)},
		{"text finds numbers", notify.Filter{Text: "9000000"}, ids(3)},
		{"origin", notify.Filter{Origin: notify.OriginCampaign, OriginIDs: []int64{9}}, ids(3)},
		{"from and to", notify.Filter{From: epoch.Add(time.Minute), To: epoch.Add(2 * time.Minute)}, ids(3, 2)},
		{"nothing", notify.Filter{Text: "nowhere"}, nil},
	}
	for _, tt := range tests {
		for _, limit := range []int{0, 1, 3} {
			f := tt.filter
			f.Limit = limit
			var got []int64
			for {
				page, err := store.List(ctx, 1, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Entries {
					got = append(got, e.ID)
				}
				if f.After = page.Next; !page.More {
					break
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, pages of %d (-want +got):\n%s", tt.name, limit, diff)
			}
			var exported []int64
			f = tt.filter
			f.Limit = limit
			for e, err := range store.Export(ctx, 1, f) {
				if err != nil {
					t.Fatal(err)
				}
				exported = append(exported, e.ID)
			}
			if diff := cmp.Diff(tt.want, exported); diff != "" {
				t.Errorf("%s, exported (-want +got):\n%s", tt.name, diff)
			}
		}
	}
	counts, err := store.Counts(ctx, 1, notify.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[notify.Status]int{notify.NotSent: 1, notify.Sent: 6, notify.Expired: 1}, counts.By); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if d, err := store.Get(ctx, waiting); err != nil || !d.Queued || whats(d) != "queued" {
		t.Errorf("waiting: %+v, %v", d, err)
	}
	if _, err := store.Get(ctx, notify.MessageRef{AccountID: 2, ID: waiting.ID}); !errors.Is(err, notify.ErrNotFound) {
		t.Errorf("another account's message: %v", err)
	}
}

func TestDispatchDSN(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{dbtest.NewDSN(t)} {
		with, err := notify.DispatchDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := dbtest.Open(t, with).Get(&got, `SELECT current_setting('jit') || current_setting('enable_material')`); err != nil || got != "offoff" {
			t.Errorf("settings %q, %v", got, err)
		}
	}
	if got, err := notify.DispatchDSN("host=db user=x"); err != nil || got != "host=db user=x jit=off enable_seqscan=off enable_hashjoin=off enable_mergejoin=off enable_material=off enable_bitmapscan=off enable_memoize=off plan_cache_mode=force_generic_plan" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := notify.DispatchDSN("postgres://u:secret@[::1"); !errors.Is(err, notify.ErrConfig) || err.Error() != "notify: unusable configuration: unreadable connection string" {
		t.Errorf("%v", err)
	}
}

func TestNewDispatcher_refuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*notify.Config){
		"no database":  func(c *notify.Config) { c.DB = nil },
		"no carriers":  func(c *notify.Config) { c.Carriers = nil },
		"same names":   func(c *notify.Config) { c.Carriers = append(c.Carriers, newCarrier("one", 1)) },
		"no window":    func(c *notify.Config) { c.Carriers = []notify.Carrier{newCarrier("x", 0)} },
		"without name": func(c *notify.Config) { c.Carriers = []notify.Carrier{newCarrier("", 1)} },
	} {
		cfg := w.config()
		change(&cfg)
		if _, err := notify.NewDispatcher(cfg); !errors.Is(err, notify.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempts := int16(1); attempts < 40; attempts++ {
		for id := int64(1); id < 50; id++ {
			got := notify.Backoff(5*time.Second, 10*time.Minute, attempts, id)
			mid := min(5*time.Second<<min(attempts-1, 10), 10*time.Minute)
			if got < mid*4/5 || got > mid*6/5 {
				t.Fatalf("attempt %d of message %d: %v, want %v ± 20 %%", attempts, id, got, mid)
			}
		}
	}
}
