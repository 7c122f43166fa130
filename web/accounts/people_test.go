package accounts_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"

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
