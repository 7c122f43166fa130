package accounts_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"rappel/web/accounts"
)

func TestInvitation(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	n := accounts.NewInvitation{AccountID: u.AccountID, Email: "Bea@example.com", Role: "staff", Language: "it", By: u}
	if err := h.Invite(ctx, n, "c"); err != nil {
		t.Fatal(err)
	}
	l, first := h.last("invite")
	if l.To != "bea@example.com" || l.Language != "it" || l.Data["Business"] != "Praxis am See" || l.Data["By"] != "Anna Muster" {
		t.Errorf("letter %+v", l)
	}
	var id int64
	if err := h.db.Get(&id, `SELECT id FROM invitations`); err != nil {
		t.Fatal(err)
	}
	if err := h.Resend(ctx, u.AccountID, id, "c"); err != nil {
		t.Fatal(err)
	}
	_, token := h.last("invite")
	h.secret(token)
	if _, err := h.FindInvitation(ctx, first); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the first link after the second: %v", err)
	}
	bea, err := h.Accept(ctx, token, "Bea Beispiel", "ein langes Wort", "de")
	if err != nil || bea.Role != "staff" || bea.AccountID != u.AccountID {
		t.Fatalf("Accept = %+v, %v", bea, err)
	}
	if _, err := h.Accept(ctx, token, "Eve", "ein langes Wort", "de"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	var fe *accounts.FieldError
	if err := h.Invite(ctx, n, "c"); !errors.As(err, &fe) || fe.Code != "member" {
		t.Errorf("somebody who is there: %v", err)
	}

	// An address that logs in elsewhere: only who holds it learns that.
	other, err := h.Create(ctx, accounts.NewUser{Business: "Andere", Email: "carla@example.com", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	n.Email = other.Email
	if err := h.Invite(ctx, n, "c"); err != nil {
		t.Errorf("inviting a known address: %v, want the same answer", err)
	}
	_, token = h.last("invite")
	if _, err := h.Accept(ctx, token, "Carla", "ein langes Wort", "de"); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("accepting with a known address: %v", err)
	}
	if err := h.db.Get(&id, `SELECT id FROM invitations`); err != nil {
		t.Fatal(err)
	}
	if err := h.Revoke(ctx, other.AccountID, id); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("another clinic revokes it: %v", err)
	}
	if err := h.Revoke(ctx, u.AccountID, id); err != nil {
		t.Fatal(err)
	}
	if _, err := h.FindInvitation(ctx, token); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link of a revoked one: %v", err)
	}
}

// Somebody stays owner, also when two step down at once.
func TestMembers_lastOwner(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	if err := h.SetRole(ctx, u.AccountID, u.ID, "staff"); !errors.Is(err, accounts.ErrLastOwner) {
		t.Errorf("the only owner steps down: %v", err)
	}
	if err := h.Remove(ctx, u.AccountID, u.ID); !errors.Is(err, accounts.ErrLastOwner) {
		t.Errorf("the only owner leaves: %v", err)
	}
	if got, err := h.ByEmail(ctx, u.Email); err != nil || got.Role != "owner" {
		t.Fatalf("afterwards %+v, %v", got, err)
	}
	second := h.add(u, "b@example.com", "owner")
	var wg sync.WaitGroup
	var ok atomic.Int64
	for _, who := range []accounts.User{u, second} {
		wg.Go(func() {
			if err := h.Remove(ctx, who.AccountID, who.ID); err == nil {
				ok.Add(1)
			} else if !errors.Is(err, accounts.ErrLastOwner) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 1 {
		t.Errorf("%d of two owners left", ok.Load())
	}
	if err := h.SetRole(ctx, u.AccountID, 99, "staff"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("nobody's role: %v", err)
	}
}

// A sub-account may be without an owner; and who is none can always go.
func TestMembers_below(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	id, err := h.CreateSub(ctx, u.AccountID, "Praxis am Berg")
	if err != nil {
		t.Fatal(err)
	}
	sub := accounts.User{AccountID: id}
	bea, carla, dora := h.add(sub, "b@example.com", "staff"), h.add(sub, "c@example.com", "owner"), h.add(sub, "d@example.com", "owner")
	for _, remove := range []accounts.User{dora, carla, bea} {
		if err := h.Remove(ctx, id, remove.ID); err != nil {
			t.Errorf("%s, %s: %v", remove.Email, remove.Role, err)
		}
	}
	eva := h.add(sub, "e@example.com", "staff")
	for _, role := range []string{"owner", "billing"} {
		if err := h.SetRole(ctx, id, eva.ID, role); err != nil {
			t.Errorf("to %s: %v", role, err)
		}
	}
	fritz := h.add(u, "f@example.com", "staff")
	if err := h.SetRole(ctx, u.AccountID, fritz.ID, "billing"); err != nil {
		t.Errorf("staff beside the only owner: %v", err)
	}
	if err := h.Remove(ctx, u.AccountID, fritz.ID); err != nil {
		t.Errorf("staff beside the only owner: %v", err)
	}
}
