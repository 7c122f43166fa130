package accounts_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"rappel/web/accounts"
)

func TestTOTP(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "olga@example.com", Role: accounts.Reviewer, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []accounts.User{u, op} {
		k, err := accounts.NewTOTP(u.Email)
		if err != nil {
			t.Fatal(err)
		}
		code := func() string {
			c, err := totp.GenerateCode(k.Secret(), h.clock.t)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if _, err := h.EnableTOTP(ctx, u, k.Secret(), "000000"); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("a wrong code: %v", err)
		}
		recovery, err := h.EnableTOTP(ctx, u, k.Secret(), code())
		if err != nil || len(recovery) != 10 {
			t.Fatalf("EnableTOTP = %v, %v", recovery, err)
		}
		if l, _ := h.last("totp_on"); l.To != u.Email {
			t.Errorf("letter %+v", l)
		}
		if got, err := h.ByEmail(ctx, u.Email); err != nil || !got.HasTOTP || got.RecoveryLeft != 10 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := h.CheckSecond(ctx, u, code()); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("the code that turned it on, again: %v", err)
		}
		h.clock.t = h.clock.t.Add(30 * time.Second)
		fresh := code()
		if m, err := h.CheckSecond(ctx, u, fresh[:3]+" "+fresh[3:]); err != nil || m != "totp" {
			t.Errorf("a fresh code: %q, %v", m, err)
		}
		if _, err := h.CheckSecond(ctx, u, fresh); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("the same code again: %v", err)
		}
		old := code()
		h.clock.t = h.clock.t.Add(2 * time.Minute)
		if _, err := h.CheckSecond(ctx, u, old); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("a code of two minutes ago: %v", err)
		}
		if m, err := h.CheckSecond(ctx, u, " "+strings.ToUpper(recovery[3])); err != nil || m != "recovery" {
			t.Errorf("a recovery code: %q, %v", m, err)
		}
		if _, err := h.CheckSecond(ctx, u, recovery[3]); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("the recovery code again: %v", err)
		}
		renewed, err := h.RenewRecovery(ctx, u)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.CheckSecond(ctx, u, recovery[0]); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("a recovery code of before: %v", err)
		}
		// Of many at once, one recovery code lets one in.
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := h.CheckSecond(ctx, u, renewed[0]); err == nil {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("one recovery code let %d in", in.Load())
		}
		h.clock.t = h.clock.t.Add(15 * time.Minute)
		for range 5 {
			if _, err := h.CheckSecond(ctx, u, "000000"); !errors.Is(err, accounts.ErrBadCode) {
				t.Fatal(err)
			}
		}
		var many *accounts.TooManyAttempts
		if _, err := h.CheckSecond(ctx, u, code()); !errors.As(err, &many) {
			t.Errorf("the sixth guess: %v", err)
		}
		if err := h.DisableTOTP(ctx, u); err != nil {
			t.Fatal(err)
		}
		if l, _ := h.last("totp_off"); l.To != u.Email {
			t.Errorf("letter %+v", l)
		}
		h.clock.t = many.RetryAt
		if _, err := h.CheckSecond(ctx, u, code()); !errors.Is(err, accounts.ErrBadCode) {
			t.Errorf("a code when it is off: %v", err)
		}
	}
}
