package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pquerna/otp/totp"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/web/accounts"
)

// house is a store with everything around it; letters are kept.
type house struct {
	*accounts.Store
	t     *testing.T
	clock *clock
	db    *sqlx.DB

	mu       sync.Mutex
	letters  []accounts.Letter
	welcomed []accounts.Newcomer
}

type bareSealer struct{}

func (bareSealer) Seal(plain []byte, context string) ([]byte, error) {
	return []byte(context + "|" + string(plain)), nil
}

func (bareSealer) Open(sealed []byte, context string) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(sealed), context+"|")
	if !ok {
		return nil, errors.New("sealed for somebody else")
	}
	return []byte(plain), nil
}

func (h *house) QueueTx(_ context.Context, _ *sqlx.Tx, l accounts.Letter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letters = append(h.letters, l)
	return nil
}

func (h *house) WelcomeTx(_ context.Context, _ *sqlx.Tx, n accounts.Newcomer) error {
	h.welcomed = append(h.welcomed, n)
	return nil
}

func newHouse(t *testing.T) *house { return newHouseOf(t, "") }

// newHouseOf is a house whose operator has terms of its own.
func newHouseOf(t *testing.T, terms string) *house {
	t.Helper()
	dsn := dbtest.NewDSN(t)
	h := &house{t: t, clock: &clock{monday}, db: dbtest.Open(t, dsn)}
	var err error
	h.Store, err = accounts.NewStore(accounts.Config{DB: h.db, Web: dbtest.Web(t, dsn), Operator: dbtest.Operator(t, dsn), Secret: []byte("k"), Cost: cheap, Now: h.clock.now,
		Sealer: bareSealer{}, Mailer: h, Welcome: h, BaseURL: "http://localhost:8080", Terms: terms})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// last is the newest letter; its link's token.
func (h *house) last(kind string) (l accounts.Letter, token string) {
	h.t.Helper()
	if len(h.letters) == 0 || h.letters[len(h.letters)-1].Kind != kind {
		h.t.Fatalf("no letter %q: %+v", kind, h.letters)
	}
	l = h.letters[len(h.letters)-1]
	return l, l.Data["Link"][strings.LastIndexByte(l.Data["Link"], '/')+1:]
}

var anna = accounts.SignUp{FirstName: "Anna", LastName: "Muster", Organisation: "practice", Business: "Praxis am See", Phone: "044 668 18 00", Email: "Anna@Example.com", Password: "ein langes Wort", Language: "fr", Terms: true}

func (h *house) signedUp() accounts.User {
	h.t.Helper()
	if err := h.SignUp(context.Background(), anna, "192.0.2.1"); err != nil {
		h.t.Fatal(err)
	}
	_, token := h.last("confirm")
	u, err := h.Confirm(context.Background(), token, anna.Password, "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// add makes a further user of u's account.
func (h *house) add(u accounts.User, email, role string) accounts.User {
	h.t.Helper()
	n, err := h.Create(context.Background(), accounts.NewUser{AccountID: u.AccountID, Email: email, Password: "ein langes Wort", Role: role})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// No token of a mail lies in the database as it is.
func (h *house) secret(token string) {
	h.t.Helper()
	var n int
	if err := h.db.Get(&n, `SELECT (SELECT count(*) FROM signups s WHERE CAST(s AS text) LIKE '%' || $1 || '%') + (SELECT count(*) FROM link_tokens l WHERE CAST(l AS text) LIKE '%' || $1 || '%')`, token); err != nil || n != 0 {
		h.t.Errorf("the token lies in %d rows, %v", n, err)
	}
}

// Who accepted the operator's own terms isn't noted to have accepted ours.
func TestSignUp_ownTerms(t *testing.T) {
	t.Parallel()
	const own = "https://firma.example/agb-3"
	h, ctx := newHouseOf(t, own), context.Background()
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, token := h.last("confirm")
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := h.db.Get(&got, `SELECT terms_version FROM accounts`); err != nil || got != own {
		t.Errorf("accepted %q, %v", got, err)
	}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM accounts`) != nil || n != 0 {
		t.Error("an account is there before the address is confirmed")
	}
	l, token := h.last("confirm")
	h.secret(token)
	if l.To != "anna@example.com" || l.Language != "fr" || l.Account != 0 {
		t.Errorf("letter %+v", l)
	}
	for range 2 { // a look changes nothing
		if p, err := h.FindSignUp(ctx, token); err != nil || p.Business != "Praxis am See" {
			t.Fatalf("FindSignUp = %+v, %v", p, err)
		}
	}
	if _, err := h.Confirm(ctx, token+"x", anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("another token: %v", err)
	}
	u, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1")
	if err != nil || u.Role != accounts.Owner || u.Name != "Anna Muster" {
		t.Fatalf("Confirm = %+v, %v", u, err)
	}
	if len(h.welcomed) != 1 || h.welcomed[0] != (accounts.Newcomer{Account: u.AccountID}) {
		t.Errorf("welcomed %+v", h.welcomed)
	}
	var row string
	if err := h.db.Get(&row, `SELECT concat_ws(' ', business, organisation, phone, contact_first, contact_last, language, terms_version, terms_at IS NOT NULL, billing, review) FROM accounts`); err != nil ||
		row != "Praxis am See practice +41446681800 Anna Muster fr "+accounts.Terms+" t metered first" {
		t.Errorf("account %q, %v", row, err)
	}
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	if _, err := h.Login(ctx, "anna@example.com", anna.Password, "192.0.2.1"); err != nil {
		t.Errorf("log-in: %v", err)
	}
}

// Whoever asks learns nothing about an address; its owner is told.
func TestSignUp_knownAddress(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	h.signedUp()
	if err := h.SignUp(ctx, anna, "192.0.2.9"); err != nil {
		t.Errorf("a second sign-up: %v, want the same answer as the first", err)
	}
	if l, _ := h.last("known"); l.To != "anna@example.com" {
		t.Errorf("letter %+v", l)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM signups`) != nil || n != 0 {
		t.Error("the second sign-up is kept")
	}
	if _, err := h.AddOperator(ctx, accounts.NewOperator{Email: "anna@example.com", Role: accounts.Support, Password: "ein langes Wort"}); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("an operator with a clinic's address: %v", err)
	}
}

// Two who sign up with one address: the first link that is followed wins, the other's is
// worth nothing, and neither password of the other's opens anything.
func TestSignUp_twice(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	evil := anna
	evil.Password, evil.Business = "ein anderes Wort", "Praxis des Bösen"
	if err := h.SignUp(ctx, evil, "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	_, evilToken := h.last("confirm")
	// Anna has signed up as well, and follows the other's link, or the other hers.
	if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, token := h.last("confirm")
	for password, token := range map[string]string{anna.Password: evilToken, evil.Password: token} {
		if _, err := h.Confirm(ctx, token, password, "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Errorf("confirmed with the password of the other sign-up: %v", err)
		}
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM accounts`) != nil || n != 0 {
		t.Errorf("%d accounts", n)
	}
	u := h.signedUp()
	if _, err := h.Confirm(ctx, evilToken, evil.Password, "203.0.113.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the other's link: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, evil.Password, "203.0.113.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("the other's password: %v", err)
	}
}

func TestSignUp_limits(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	var many *accounts.TooManyAttempts
	for range 3 {
		if err := h.SignUp(ctx, anna, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SignUp(ctx, anna, "198.51.100.7"); !errors.As(err, &many) {
		t.Errorf("a fourth mail to an address: %v", err)
	}
	for i := range 17 {
		n := anna
		n.Email = fmt.Sprintf("a%d@example.com", i)
		if err := h.SignUp(ctx, n, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	n := anna
	n.Email = "last@example.com"
	if err := h.SignUp(ctx, n, "192.0.2.1"); !errors.As(err, &many) {
		t.Errorf("the 21st mail of a client: %v", err)
	}
	_, guessed := h.last("confirm")
	for range 8 {
		if _, err := h.Confirm(ctx, guessed, "ein geratenes Wort", "198.51.100.7"); !errors.Is(err, accounts.ErrBadLogin) {
			t.Fatal(err)
		}
	}
	if _, err := h.Confirm(ctx, guessed, anna.Password, "198.51.100.7"); !errors.As(err, &many) {
		t.Errorf("the ninth guess: %v", err)
	}
	h.clock.t = h.clock.t.Add(48 * time.Hour)
	_, token := h.last("confirm")
	if _, err := h.Confirm(ctx, token, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("a link of two days ago: %v", err)
	}
	if err := h.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := 0; h.db.Get(&n, `SELECT count(*) FROM signups`) != nil || n != 0 {
		t.Errorf("%d old sign-ups are left", n)
	}
}

func TestSignUp_namesTheFields(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for what, c := range map[string]struct {
		change func(*accounts.SignUp)
		want   string
	}{
		"nothing": {func(n *accounts.SignUp) { *n = accounts.SignUp{} }, "first_name:required last_name:required business:required organisation:required phone:invalid email:invalid password:too_short terms:required"},
		"phone":   {func(n *accounts.SignUp) { n.Phone = "12" }, "phone:invalid"},
		"kind":    {func(n *accounts.SignUp) { n.Organisation = "casino" }, "organisation:required"},
		"long":    {func(n *accounts.SignUp) { n.FirstName = strings.Repeat("ä", 101) }, "first_name:too_long"},
		"secret":  {func(n *accounts.SignUp) { n.Password = strings.Repeat("x", 1025) }, "password:too_long"},
	} {
		n := anna
		c.change(&n)
		var bad *accounts.Invalid
		err := h.SignUp(context.Background(), n, "c")
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var got []string
		for _, f := range bad.Fields {
			got = append(got, f.Field+":"+f.Code)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", what, s, c.want)
		}
	}
}

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

func TestReset(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	sid, err := h.Begin(ctx, u, accounts.Session{Method: "password"})
	if err != nil {
		t.Fatal(err)
	}
	before := len(h.letters)
	if err := h.Forgot(ctx, "nobody@example.com", "de", "192.0.2.1"); err != nil || len(h.letters) != before {
		t.Errorf("an unknown address: %v, %d letters", err, len(h.letters)-before)
	}
	if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, first := h.last("reset")
	if err := h.Forgot(ctx, u.Email, "de", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	l, token := h.last("reset")
	h.secret(token)
	if l.Language != "fr" {
		t.Errorf("written in %q", l.Language)
	}
	if err := h.CanReset(ctx, first); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the first link after the second: %v", err)
	}
	var bad *accounts.FieldError
	if err := h.Reset(ctx, token, "kurz"); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	if err := h.Reset(ctx, token, "ein ganz neues Wort"); err != nil {
		t.Fatal(err)
	}
	if err := h.Reset(ctx, token, "noch ein neues Wort"); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, anna.Password, "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("the old password: %v", err)
	}
	if err := h.End(ctx, u, sid); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("a session of before is still there: %v", err)
	}
	if _, err := h.Login(ctx, u.Email, "ein ganz neues Wort", "192.0.2.1"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestChangeEmail(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	if err := h.ChangeEmail(ctx, u, "neu@example.com", "falsches Wort", "192.0.2.1"); !errors.Is(err, accounts.ErrBadLogin) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := h.ChangeEmail(ctx, u, "neu@example.com", anna.Password, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	l, token := h.last("email")
	h.secret(token)
	if l.To != "neu@example.com" {
		t.Errorf("letter %+v", l)
	}
	if _, err := h.ByEmail(ctx, "neu@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("the address counts before it is confirmed: %v", err)
	}
	if err := h.ConfirmEmail(ctx, token); err != nil {
		t.Fatal(err)
	}
	if l, _ := h.last("email_changed"); l.To != "anna@example.com" {
		t.Errorf("the old address isn't told: %+v", l)
	}
	if got, err := h.ByEmail(ctx, "neu@example.com"); err != nil || got.ID != u.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.ByEmail(ctx, "anna@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("the old address still logs in: %v", err)
	}
	if err := h.ConfirmEmail(ctx, token); !errors.Is(err, accounts.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
}

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

func TestSubAccounts(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	id, err := h.CreateSub(ctx, u.AccountID, "  Praxis  am Berg ")
	if err != nil {
		t.Fatal(err)
	}
	if h.welcomed[1] != (accounts.Newcomer{Account: id, Parent: u.AccountID}) {
		t.Errorf("welcomed %+v", h.welcomed)
	}
	if a, err := h.Below(ctx, u.AccountID, id); err != nil || a.Business != "Praxis am Berg" || a.Language != "fr" {
		t.Errorf("Below = %+v, %v", a, err)
	}
	if _, err := h.CreateSub(ctx, id, "Noch tiefer"); !errors.Is(err, accounts.ErrNested) {
		t.Errorf("below a sub-account: %v", err)
	}
	other, err := h.Create(ctx, accounts.NewUser{Business: "Andere", Email: "o@example.com", Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Below(ctx, other.AccountID, id); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("another clinic's: %v", err)
	}
	var billing string
	if err := h.db.Get(&billing, `SELECT billing FROM accounts WHERE account_id = $1`, id); err != nil || billing != "metered" {
		t.Errorf("billing %q, %v", billing, err)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "olga@example.com", Name: "Olga", Role: accounts.Support, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	enter := func() error { _, err := h.Enter(ctx, op, u.AccountID, "support.entered", ""); return err }
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("without a word: %v", err)
	}
	if err := h.Ask(ctx, op, u.AccountID, "Kalender liest nicht"); err != nil {
		t.Fatal(err)
	}
	if l, _ := h.last("support"); l.To != u.Email || l.Data["Reason"] != "Kalender liest nicht" {
		t.Errorf("letter %+v", l)
	}
	grant := func(long time.Duration) error {
		return migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error {
			return accounts.GrantTx(ctx, tx, u, u.AccountID, h.clock.t, long)
		})
	}
	var fe *accounts.FieldError
	for _, long := range []time.Duration{0, -time.Hour, 169 * time.Hour} {
		if err := grant(long); !errors.As(err, &fe) {
			t.Errorf("for %v: %v", long, err)
		}
	}
	if err := grant(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := enter(); err != nil {
		t.Errorf("let in: %v", err)
	}
	h.clock.t = h.clock.t.Add(time.Hour)
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("when it has run out: %v", err)
	}
	if err := grant(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error { return accounts.RevokeTx(ctx, tx, u.AccountID, h.clock.t) }); err != nil {
		t.Fatal(err)
	}
	if err := enter(); !errors.Is(err, accounts.ErrNoConsent) {
		t.Errorf("when it was taken back: %v", err)
	}
	var actions []string
	if err := h.db.Select(&actions, `SELECT action FROM audit WHERE account_id = $1 AND actor_kind = 'operator' ORDER BY id`, u.AccountID); err != nil || strings.Join(actions, " ") != "support.asked support.entered" {
		t.Errorf("written down: %v, %v", actions, err)
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	op, err := h.AddOperator(ctx, accounts.NewOperator{Email: "Olga@example.com", Role: accounts.BillingAdmin, Password: "ein langes Wort"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Login(ctx, "olga@example.com", "ein langes Wort", "c")
	if err != nil || !got.Operator() || got.ID != op.ID || got.Role != accounts.BillingAdmin {
		t.Errorf("Login = %+v, %v", got, err)
	}
	if _, err := h.Create(ctx, accounts.NewUser{Business: "Praxis", Email: "olga@example.com", Password: "ein langes Wort"}); !errors.Is(err, accounts.ErrEmailTaken) {
		t.Errorf("a clinic with an operator's address: %v", err)
	}
	if err := h.Forgot(ctx, "olga@example.com", "de", "c"); err != nil || len(h.letters) != 0 {
		t.Errorf("an operator gets a link: %v, %+v", err, h.letters)
	}
	if err := h.ResetOperator(ctx, "olga@example.com", "ein neues langes Wort"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Login(ctx, "olga@example.com", "ein neues langes Wort", "c"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := h.RemoveOperator(ctx, "olga@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := h.RemoveOperator(ctx, "olga@example.com"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	all, more, err := h.OperatorAudit(ctx, 0)
	if err != nil || more || len(all) != 3 {
		t.Fatalf("%d entries, %t, %v; want added, reset, removed", len(all), more, err)
	}
	for i, want := range []string{"operators.removed", "operators.reset", "operators.added"} {
		if all[i].Action != want || all[i].ActorKind != "system" {
			t.Errorf("entry %d: %s by %s, want %s by the system", i, all[i].Action, all[i].ActorKind, want)
		}
	}
	if older, _, err := h.OperatorAudit(ctx, all[1].ID); err != nil || len(older) != 1 || older[0].ID != all[2].ID {
		t.Errorf("before the second: %v, %v", older, err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), context.Background()
	u := h.signedUp()
	var secret string
	if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) (err error) {
		secret, err = accounts.CreateTokenTx(ctx, tx, accounts.NewToken{AccountID: u.AccountID, Name: "Agenda", Scopes: []string{"messages.read"}, By: u}, monday)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var row string
	if err := h.db.Get(&row, `SELECT CAST(t AS text) FROM api_tokens t`); err != nil || strings.Contains(row, secret) || !strings.Contains(row, secret[:len(secret)-39]) {
		t.Errorf("kept as %s, %v", row, err)
	}
	var fe *accounts.FieldError
	for _, n := range []accounts.NewToken{{AccountID: u.AccountID, Scopes: []string{"messages.read"}}, {AccountID: u.AccountID, Name: "x"}, {AccountID: u.AccountID, Name: "x", Scopes: []string{"everything"}}} {
		if err := migrations.InAccount(ctx, h.db, u.AccountID, func(tx *sqlx.Tx) error {
			_, err := accounts.CreateTokenTx(ctx, tx, n, monday)
			return err
		}); !errors.As(err, &fe) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
