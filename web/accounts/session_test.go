package accounts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/web/accounts"
)

// A change of role ends what somebody is logged in to.
func TestSessions(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	bea := h.add(u, "b@example.com", "staff")
	var ids []int64
	for range 3 {
		id, err := h.Begin(ctx, bea, accounts.Session{Method: "password", Agent: "Firefox, Linux", Place: "192.0.2.*"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := h.End(ctx, u, ids[0]); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("somebody else ends it: %v", err)
	}
	if err := h.EndOthers(ctx, bea, ids[1]); err != nil {
		t.Fatal(err)
	}
	if all, err := h.Sessions(ctx, bea); err != nil || len(all) != 1 || all[0].ID != ids[1] {
		t.Errorf("left %+v, %v", all, err)
	}
	if err := h.SetRole(ctx, u.AccountID, bea.ID, "billing"); err != nil {
		t.Fatal(err)
	}
	if all, err := h.Sessions(ctx, bea); err != nil || len(all) != 0 {
		t.Errorf("after the change of role %+v, %v", all, err)
	}
	who := accounts.Whose{Account: bea.AccountID, User: bea.ID, Session: ids[1]}
	if err := migrations.InAccount(ctx, h.db, bea.AccountID, func(tx *sqlx.Tx) error {
		_, _, err := accounts.GetTx(ctx, tx, who, h.clock.t)
		return err
	}); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("an ended session: %v", err)
	}
	id, err := h.Begin(ctx, bea, accounts.Session{Method: "password"})
	if err != nil {
		t.Fatal(err)
	}
	who.Session = id
	for _, c := range []struct {
		after time.Duration
		want  error
	}{{6 * 24 * time.Hour, nil}, {13 * 24 * time.Hour, accounts.ErrNotFound}} { // the visit after six days isn't one of the thirteenth
		at := monday.Add(c.after)
		if err := migrations.InAccount(ctx, h.db, bea.AccountID, func(tx *sqlx.Tx) error {
			_, _, err := accounts.GetTx(ctx, tx, who, at)
			return err
		}); !errors.Is(err, c.want) {
			t.Errorf("after %v: %v, want %v", c.after, err, c.want)
		}
	}
}
