package notify_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"pgregory.net/rapid"

	"rappel/migrations/dbtest"
	"rappel/migrations/due"
	"rappel/notify"
)

// ages is past every retention.
const ages = 200 * 24 * time.Hour

// purgeAll purges account 1 in batches and returns how many messages went.
func (w *world) purgeAll(before time.Time, limit int, keeper notify.Keeper) (total int) {
	w.t.Helper()
	for after, first := (notify.Cursor{}), true; first || after != (notify.Cursor{}); first = false {
		n, next, err := w.store.Purge(context.Background(), 1, before, after, limit, keeper)
		if err != nil {
			w.t.Fatal(err)
		}
		if n > limit {
			w.t.Fatalf("%d in a batch of %d", n, limit)
		}
		total, after = total+n, next
	}
	return total
}

func TestStore_Purge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, d := context.Background(), w.dispatcher(nil)
	for range 5 {
		w.enqueue(nil)
	}
	w.tick(d)
	queued := w.enqueue(func(m *notify.NewMessage) { m.SendAt = epoch.Add(time.Hour) })
	w.clock.Add(time.Minute)
	young := w.enqueue(nil)
	w.exec(`UPDATE sent SET status = 3`)
	if n := w.purgeAll(epoch.Add(2*time.Second), 2, nil); n != 5 || w.count(`SELECT count(*) FROM messages`) != 2 || w.count(`SELECT count(*) FROM sent`) != 0 {
		t.Errorf("%d purged", n)
	}
	if n := w.purgeAll(epoch.Add(2*time.Second), 2, nil); n != 0 {
		t.Errorf("%d purged once more", n)
	}
	w.get(queued)
	w.get(young)
	w.tick(d)
	removed := 0
	for after, first := (notify.RefCursor{}), true; first || after != (notify.RefCursor{}); first = false {
		next, n, err := w.store.PurgeRefs(ctx, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		removed += n
		after = next
	}
	if removed != 5 || w.count(`SELECT count(*) FROM carrier_refs`) != 1 {
		t.Errorf("%d carrier ids removed, %d left", removed, w.count(`SELECT count(*) FROM carrier_refs`))
	}
}

// Whatever state a message is in, it goes only if it is old and nothing more can happen to it.
func TestStore_Purge_onlyWhatEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reasons := []string{"", "withdrawn", "stale", "unanswered", "partial", "throttled", "review", "registration", "credit", "withdrawing", "receipt", "refused"}
	rapid.Check(t, func(rt *rapid.T) {
		w.exec(`DELETE FROM messages`)
		for _, table := range []string{"queue", "claims", "unanswered", "message_events"} {
			w.exec(`DELETE FROM ` + table)
		}
		mayGo := map[int64]bool{}
		for id := int64(1); id <= 8; id++ {
			age := rapid.SampledFrom([]time.Duration{0, time.Hour, ages}).Draw(rt, "age")
			at := epoch.Add(-age)
			w.exec(`INSERT INTO messages (account_id, id, kind, reference, origin, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
				VALUES (1, $1, 1, $2, 'reminder', $3, 'Praxis', 'x', 0, 1, 1, $4, $4, $4)`, id, fmt.Sprint(id), patient, at)
			w.exec(`INSERT INTO message_events (account_id, message_id, at, what, status) VALUES (1, $1, $2, 'retry', 0)`, id, at)
			hasSent := rapid.IntRange(0, 9).Draw(rt, "has sent") > 0
			status := rapid.SampledFrom(notify.Statuses()).Draw(rt, "status")
			reason := rapid.SampledFrom(reasons).Draw(rt, "reason")
			late := rapid.IntRange(0, 4).Draw(rt, "accepted lately") == 0
			place := rapid.SampledFrom([]string{"", "", "", "", "queue", "claims", "unanswered"}).Draw(rt, "place")
			if hasSent {
				var accepted any
				if late {
					accepted = epoch
				}
				w.exec(`INSERT INTO sent (account_id, message_id, status, reason, status_at, accepted_at) VALUES (1, $1, $2, $3, $4, $5)`, id, status, reason, at, accepted)
			}
			switch place {
			case "queue":
				w.exec(`INSERT INTO queue (account_id, message_id, priority, send_at) VALUES (1, $1, 1, $2)`, id, epoch)
			case "claims":
				w.exec(`INSERT INTO claims (account_id, carrier, owner, message_ids, attempts, claimed_at, lease_until) VALUES (1, 'one', 'x', $1, '{0}', $2, $2)`, pq.Array([]int64{id}), epoch)
			case "unanswered":
				w.exec(`INSERT INTO unanswered (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at) VALUES (1, $1, 'one', '', '', 1, $2, $2)`, id, epoch)
			}
			mayGo[id] = age == ages && hasSent && !late && place == "" && (status.Final() || status == notify.NotSent && (reason == "withdrawn" || reason == "stale"))
		}
		w.purgeAll(epoch.Add(-100*24*time.Hour), rapid.IntRange(1, 5).Draw(rt, "batch"), nil)
		for id, gone := range mayGo {
			for _, table := range []string{"messages WHERE id", "message_events WHERE message_id"} {
				if there := w.count(`SELECT count(*) FROM `+table+` = $1`, id) > 0; there == gone {
					rt.Errorf("message %d in %s: there %t", id, table, there)
				}
			}
		}
	})
}

// keepOdd keeps messages with odd ids.
type keepOdd struct{}

func (keepOdd) PurgeTx(context.Context, *sqlx.Tx, int64, time.Time, int) (int, error) { return 0, nil }
func (keepOdd) KeepTx(_ context.Context, _ *sqlx.Tx, _ int64, ids []int64) (keep []int64, err error) {
	for _, id := range ids {
		if id%2 == 1 {
			keep = append(keep, id)
		}
	}
	return keep, nil
}

// purger returns a Purger and what it metered.
func (w *world) purger(keeper notify.Keeper) (*notify.Purger, map[string]int) {
	w.t.Helper()
	seen := map[string]int{}
	p, err := notify.NewPurger(notify.PurgerConfig{DB: w.db, Keeper: keeper, Now: w.clock.Now, Meter: func(what string, n int) { seen[what] += n }})
	if err != nil {
		w.t.Fatal(err)
	}
	return p, seen
}

func (w *world) purge(p *notify.Purger) int {
	w.t.Helper()
	n, err := p.Tick(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A night's purge: by the account's own clock, batch by batch with pauses, what nobody
// keeps; then nothing until the next night.
func TestPurger_night(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logOf(1300)
	w.exec(`INSERT INTO sent (account_id, message_id, status, status_at) SELECT 1, id, 3, created_at FROM messages WHERE id % 17 = 0`)
	w.exec(`UPDATE sent SET status = 3 WHERE status < 2`)
	w.exec(`INSERT INTO inbound (account_id, carrier, carrier_message_id, sender, recipient, body, received_at)
		SELECT 1, 'one', n, $2, 'Praxis', 'Ja', $1 FROM generate_series(1, 3) n`, epoch, patient)
	w.exec(`INSERT INTO carrier_refs (carrier, carrier_message_id, account_id, message_id) SELECT 'one', 'r' || id, 1, id FROM messages`)
	p, seen := w.purger(keepOdd{})
	if n := w.purge(p); n != 0 {
		t.Errorf("%d rows went at once", n)
	}
	w.clock.Add(ages)
	var at time.Time
	for step := 0; ; step++ {
		n := w.purge(p)
		if step == 0 && n == 0 {
			t.Fatal("nothing is due")
		}
		if n == 0 {
			break
		}
		if n > 500+2000 {
			t.Fatalf("%d rows at once", n)
		}
		if again := w.purge(p); again != 0 {
			t.Fatalf("%d rows without a pause", again)
		}
		w.clock.Add(time.Second)
	}
	if seen["messages"] != 650 || seen["replies"] != 3 || w.count(`SELECT count(*) FROM messages WHERE id % 2 = 0`) != 0 || w.count(`SELECT count(*) FROM inbound`) != 0 {
		t.Errorf("went: %v", seen)
	}
	if err := w.db.Get(&at, `SELECT due_at FROM due WHERE kind = 'purge'`); err != nil {
		t.Fatal(err)
	}
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	if h := at.In(zurich).Hour(); h < 2 || h > 4 || at.Before(w.clock.Now()) || at.After(w.clock.Now().Add(25*time.Hour)) {
		t.Errorf("due again at %v, now %v", at.In(zurich), w.clock.Now().In(zurich))
	}
	w.clock.Add(24 * time.Hour) // another round through the carrier ids
	w.purge(p)
	if n := w.count(`SELECT count(*) FROM carrier_refs`); n != 650 || seen["carrier_ids"] != 650 {
		t.Errorf("%d carrier ids left, want 650; %d went", n, seen["carrier_ids"])
	}
}

// Numbers go too: an invalid one when it stops nothing any more, a link with the last
// message to its person, and both with their account.
func TestPurger_numbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	old, young := epoch.Add(-181*24*time.Hour), epoch.Add(-time.Hour)
	w.enqueue(func(m *notify.NewMessage) {
		m.Recipient, m.Expires = "+41790000003", epoch.Add(1000*24*time.Hour)
		m.SendAt = epoch.Add(999 * 24 * time.Hour)
	})
	w.exec(`INSERT INTO invalid_numbers (account_id, recipient, message_id, since) VALUES (1, '+41790000001', 1, $1), (1, '+41790000002', 1, $2), (2, '+41790000001', 1, $2)`, old, young)
	w.exec(`INSERT INTO unsubscribe_links (token, account_id, recipient, created_at)
		VALUES ('gone', 1, '+41790000001', $1), ('young', 1, '+41790000002', $2), ('written', 1, '+41790000003', $1), ('other', 2, '+41790000003', $2)`, old, young)
	p, seen := w.purger(nil)
	w.purge(p)
	w.clock.Add(25 * time.Hour)
	for w.purge(p) > 0 {
		w.clock.Add(time.Second)
	}
	if seen["invalid_numbers"] != 1 || w.count(`SELECT count(*) FROM invalid_numbers WHERE recipient = '+41790000002'`) != 1 {
		t.Errorf("%d invalid numbers went, want the old one", seen["invalid_numbers"])
	}
	if seen["links"] != 1 || w.count(`SELECT count(*) FROM unsubscribe_links WHERE token = 'gone'`) != 0 {
		t.Errorf("%d links went, want the old one of whom nothing is kept", seen["links"])
	}
	w.exec(`DELETE FROM accounts WHERE account_id = 2`)
	if n := w.count(`SELECT (SELECT count(*) FROM unsubscribe_links WHERE account_id = 2) + (SELECT count(*) FROM invalid_numbers WHERE account_id = 2)`); n != 0 {
		t.Errorf("%d numbers of an account that is gone", n)
	}
}

// While anything waits to be sent nothing is purged, but not for ever.
func TestPurger_standsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logOf(20)
	w.exec(`UPDATE sent SET status = 3`)
	p, _ := w.purger(nil)
	w.purge(p)
	w.clock.Add(ages)
	if err := due.Raise(t.Context(), w.db, "campaign", 1, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	for range 24*60 - 1 {
		if n := w.purge(p); n != 0 {
			t.Fatalf("%d rows went while a campaign waits", n)
		}
		w.clock.Add(time.Minute)
	}
	w.clock.Add(2 * time.Minute)
	if n := w.purge(p); n == 0 {
		t.Error("nothing went after a day of waiting")
	}
	w.logOfMore(20, 20)
	w.exec(`DELETE FROM due WHERE kind = 'campaign'`)
	if w.clock.Add(24 * time.Hour); w.purge(p) == 0 {
		t.Error("nothing went with nothing to send")
	}
}

// logOfMore adds delivered messages of the same age.
func (w *world) logOfMore(from, n int) {
	w.t.Helper()
	w.exec(`INSERT INTO messages (account_id, id, kind, reference, origin, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
		SELECT 1, n, 1, 'r' || n, 'reminder', $3, 'Praxis', 'x', 0, 1, 1, $4, $4, $4 FROM generate_series($1 + 1, $1 + $2) n`, from, n, patient, epoch)
	w.exec(`INSERT INTO sent (account_id, message_id, status, status_at) SELECT 1, n, 3, $3 FROM generate_series($1 + 1, $1 + $2) n`, from, n, epoch)
}

// Two purgers and a dispatcher with its receipts at once: nothing is lost that is young,
// and every old message goes once.
func TestPurger_besideTheDispatcher(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logOfMore(0, 1500)
	w.exec(`SELECT setval(pg_get_serial_sequence('messages', 'id'), 2000)`)
	a, seenA := w.purger(nil)
	b, seenB := w.purger(nil)
	w.purge(a)
	w.clock.Add(ages)
	d, desk := w.dispatcher(nil), w.desk()
	var all sync.WaitGroup
	for _, p := range []*notify.Purger{a, b} {
		all.Go(func() {
			for range 40 {
				if _, err := p.Tick(context.Background()); err != nil {
					t.Errorf("purge: %v", err)
				}
				w.clock.Add(time.Second)
			}
		})
	}
	var refs []notify.MessageRef
	for range 30 {
		refs = append(refs, w.enqueue(nil))
		w.tick(d)
	}
	all.Wait()
	for _, s := range w.carrier.sent() {
		w.receipt(desk, s.ids[0], notify.Delivered, nil)
	}
	for range 5 {
		w.clock.Add(time.Minute)
		w.purge(a)
		w.purge(b)
	}
	if n := seenA["messages"] + seenB["messages"]; n != 1500 {
		t.Errorf("%d old messages went, want 1500", n)
	}
	for _, ref := range refs {
		if got := w.get(ref); got.Status != notify.Delivered {
			t.Errorf("message %d is %s", ref.ID, got.Status)
		}
	}
}

// A receipt for a message that is gone, and an account that is gone, trouble nobody.
func TestPurger_goneMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, desk := w.dispatcher(nil), w.desk()
	w.enqueue(nil)
	w.tick(d)
	w.exec(`UPDATE sent SET status = 12`)
	if n := w.purgeAll(w.clock.Now().Add(time.Hour), 10, nil); n != 1 {
		t.Fatalf("%d purged", n)
	}
	w.receipt(desk, w.carrier.sent()[0].ids[0], notify.Delivered, nil)
	w.tick(d)
	if n := w.count(`SELECT count(*) FROM sent`); n != 0 {
		t.Errorf("%d rows came back", n)
	}
	p, _ := w.purger(nil)
	w.purge(p)
	w.exec(`DELETE FROM accounts`)
	w.clock.Add(48 * time.Hour)
	w.purge(p)
	if _, err := notify.NewPurger(notify.PurgerConfig{}); !errors.Is(err, notify.ErrConfig) {
		t.Errorf("without a database: %v", err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	ctx, store := t.Context(), notify.NewStore(dbtest.Web(t, w.dsn))
	w.logOfMore(0, 4)
	w.exec(`INSERT INTO inbound (account_id, carrier, carrier_message_id, sender, recipient, body, received_at) VALUES (1, 'one', 'x', $2, 'Praxis', 'Ja', $1)`, epoch, patient)
	if r, err := store.Retention(ctx, 1); err != nil || r != (notify.Retention{}) || r.OrDefault() != notify.DefaultRetention {
		t.Errorf("at first %+v, %v", r, err)
	}
	for _, r := range []notify.Retention{{Messages: 6}, {Replies: 1826}, {Messages: -1}} {
		if err := store.SetRetention(ctx, 1, r); !errors.Is(err, notify.ErrRequest) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	want := notify.Retention{Messages: notify.ShortestRetention, Replies: notify.LongestRetention}
	if err := store.SetRetention(ctx, 1, want); err != nil {
		t.Fatal(err)
	}
	if r, err := store.Retention(ctx, 1); err != nil || r != want {
		t.Errorf("stored %+v, %v", r, err)
	}
	if r, err := store.Retention(ctx, 2); err != nil || r != (notify.Retention{}) {
		t.Errorf("the other account has %+v, %v", r, err)
	}
	if err := store.SetRetention(ctx, 99, want); !errors.Is(err, notify.ErrNotFound) {
		t.Errorf("an account that isn't: %v", err)
	}
	for _, tt := range []struct {
		r                 notify.Retention
		age               time.Duration
		messages, replies int
	}{
		{notify.Retention{}, 0, 0, 0},
		{notify.Retention{}, 91 * 24 * time.Hour, 0, 1},
		{notify.Retention{}, 181 * 24 * time.Hour, 4, 1},
		{notify.Retention{Messages: 7, Replies: 1000}, 8 * 24 * time.Hour, 4, 0},
		{notify.Retention{Messages: 9}, 8 * 24 * time.Hour, 0, 0},
	} {
		if d, err := store.Doomed(ctx, 1, tt.r, epoch.Add(tt.age)); err != nil || d != (notify.Doomed{Messages: tt.messages, Replies: tt.replies}) {
			t.Errorf("%+v after %v: %+v, %v", tt.r, tt.age, d, err)
		}
	}
	for _, tt := range []struct {
		a, b notify.Retention
		want bool
	}{
		{notify.Retention{}, notify.Retention{}, false}, {notify.Retention{Messages: 7}, notify.Retention{}, true},
		{notify.Retention{Messages: 180}, notify.Retention{}, false}, {notify.Retention{Messages: 300, Replies: 89}, notify.Retention{}, true},
	} {
		if got := tt.a.Shorter(tt.b); got != tt.want {
			t.Errorf("%+v shorter than %+v: %t", tt.a, tt.b, got)
		}
	}
}
