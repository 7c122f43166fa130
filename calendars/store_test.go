package calendars

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

func TestStore_Events(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.add("other")
	b.fake.set("main", at("a", morning.Add(time.Hour)), at("b", morning.Add(day)), at("c", morning.Add(2*day)))
	b.fake.set("other", at("d", morning.Add(day)))
	cals := b.watching("main", "other")
	b.tick()
	b.fake.set("main", at("a", morning.Add(time.Hour)), at("b", morning.Add(day)))
	b.poll()
	tests := []struct {
		name string
		q    EventQuery
		want []string
	}{
		{"all that stand", EventQuery{}, []string{"a", "b", "d"}},
		{"with gone", EventQuery{WithGone: true}, []string{"a", "b", "d", "c"}},
		{"of one calendar", EventQuery{CalendarID: cals[1].ID}, []string{"d"}},
		{"from: what still runs counts", EventQuery{From: morning.Add(time.Hour + 29*time.Minute)}, []string{"a", "b", "d"}},
		{"from: its end does not", EventQuery{From: morning.Add(time.Hour + 30*time.Minute)}, []string{"b", "d"}},
		{"to is excluded", EventQuery{To: morning.Add(day)}, []string{"a"}},
		{"limit", EventQuery{Limit: 2}, []string{"a", "b"}},
		{"another account", EventQuery{AccountID: 2}, nil},
	}
	for _, tt := range tests {
		tt.q.AccountID = orElse(tt.q.AccountID, int64(account))
		list, err := b.store.Events(b.ctx, tt.q)
		b.ok(err)
		var got []string
		for _, e := range list {
			got = append(got, e.Key)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	e := b.events()["a"]
	got, err := b.store.Event(b.ctx, e.Ref())
	b.ok(err)
	if d := cmp.Diff(e, got); d != "" {
		t.Errorf("by id (-want +got):\n%s", d)
	}
	for _, ref := range []EventRef{{account, 999}, {2, e.ID}} {
		if _, err := b.store.Event(b.ctx, ref); !errors.Is(err, ErrUnknown) {
			t.Errorf("event %v: %v", ref, err)
		}
	}
	b.ok(migrations.InAccount(b.ctx, b.db, account, func(tx *sqlx.Tx) error {
		list, err := b.store.EventsByIDTx(b.ctx, tx, account, []int64{b.events()["b"].ID, e.ID, 999})
		if err == nil && (len(list) != 2 || list[0].Key != "a" || list[1].Key != "b") {
			t.Errorf("by ids: %+v", list)
		}
		return err
	}))
	if _, err := b.store.Connection(b.ctx, ConnectionRef{account, 999}); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown connection: %v", err)
	}
	if c, err := b.store.Connection(b.ctx, b.connection().Ref()); err != nil || c.Provider != "fake" {
		t.Errorf("connection: %+v, %v", c, err)
	}
}
