package notify_test

import (
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
)

// Many messages at once, some of which are known: those are told apart, the others added,
// and none twice.
func TestEnqueue_manyOfWhichSomeAreKnown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ n, known int }{{63, 1}, {64, 0}, {64, 1}, {300, 300}, {300, 17}} {
		t.Run(fmt.Sprintf("%d of %d", tt.known, tt.n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := map[string]int64{}
			for i := range tt.known {
				ref := w.enqueue(func(m *notify.NewMessage) { m.Reference = fmt.Sprint("r", 3*i) })
				first[fmt.Sprint("r", 3*i)] = ref.ID
			}
			all := make([]notify.NewMessage, tt.n)
			for i := range all {
				all[i] = w.message(func(m *notify.NewMessage) { m.Reference = fmt.Sprint("r", i) })
			}
			if tt.known == tt.n { // all of them
				for i := range all {
					all[i].Reference = fmt.Sprint("r", 3*i)
				}
			}
			var out []notify.Enqueued
			if err := migrations.InTx(t.Context(), w.db, func(tx *sqlx.Tx) (err error) {
				out, err = w.outbox.EnqueueAllTx(t.Context(), tx, all)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			ids := map[int64]bool{}
			for i, e := range out {
				known, dup := first[all[i].Reference]
				if dup != e.Duplicate || dup && known != e.ID || ids[e.ID] {
					t.Fatalf("%s: %+v, known as %d", all[i].Reference, e, known)
				}
				ids[e.ID] = true
			}
			if got, want := w.count(`SELECT count(*) FROM messages`), len(first)+len(ids)-countIn(ids, first); got != want {
				t.Errorf("%d messages, want %d", got, want)
			}
			if got, want := w.count(`SELECT count(*) FROM queue`), w.count(`SELECT count(*) FROM messages`); got != want {
				t.Errorf("%d in the queue of %d", got, want)
			}
		})
	}
}

func countIn(ids map[int64]bool, first map[string]int64) (n int) {
	for _, id := range first {
		if ids[id] {
			n++
		}
	}
	return n
}

// A gateway that starts counting its ids again, and one that gives two messages the same:
// everything is recorded all the same, and counted once.
func TestDispatcher_idsThatAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		return notify.Submission{IDs: []string{fmt.Sprint("id", n%7)}}, nil
	}
	counted := 0
	d := w.dispatcher(func(cfg *notify.Config) {
		cfg.Count = func(_ string, to notify.Status, n int) {
			if to == notify.Sent {
				counted += n
			}
		}
	})
	var refs []notify.MessageRef
	for range 5 {
		for range 4 {
			refs = append(refs, w.enqueue(nil))
		}
		w.tick(d)
	}
	for _, ref := range refs {
		w.wantStatus(ref, notify.Sent, "")
		if got := whats(w.get(ref)); got != "queued accepted" {
			t.Errorf("history %q", got)
		}
	}
	if n := w.count(`SELECT count(*) FROM carrier_refs`); n != 7 || counted != len(refs) {
		t.Errorf("%d ids, %d counted as sent", n, counted)
	}
}
