package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rappel/web/accounts"
)

// Transferer moves credits between an account and those below it.
type Transferer interface {
	// Available is how many credits an account can give away.
	Available(ctx context.Context, account int64) (int64, error)
	// Transfer moves credits once for each key. ErrTooFew if there are not so many.
	Transfer(ctx context.Context, t Transfer) error
}

// Transfer is credits that go from one account to another of the same payer.
type Transfer struct {
	From, To int64
	Credits  int64
	Key      string
	Note     string
}

// ErrTooFew is a Transferer's answer that the account has less to give.
var ErrTooFew = errors.New("web: not so many credits")

// subAccountRoutes are the accounts below a clinic's own: places or practices with people,
// calendars and credits of their own, which one owner looks after.
//
// Ids for browser tests: #business, #make; form[data-enter], form[data-transfer] with
// credits and direction; #leave in the banner.
func (s *Server) subAccountRoutes() []route {
	return []route{
		{"GET /accounts", owners, s.subAccountList},
		{"POST /accounts", owners, s.subAccountMake},
		{"POST /accounts/{id}/enter", owners, s.subAccountEnter},
		{"POST /accounts/{id}/transfer", owners, s.subAccountTransfer},
		{"POST /accounts/leave", owners, s.subAccountLeave},
	}
}

type subView struct {
	accounts.Sub
	Credits int64
	Amount  string // as typed, where it was wrong
	Trouble string
	Key     string // of the transfer its form makes, so that a second click makes none
}

type subAccountsPage struct {
	Subs      []subView
	Transfers bool
	Credits   int64
	Business  string
	Nested    bool // this is a sub-account itself
	Errors    map[string]string
}

func (s *Server) subAccountList(w http.ResponseWriter, r *request) error {
	return s.subAccounts(w, r, http.StatusOK, subAccountsPage{}, subView{})
}

// subAccounts shows the list; wrong is the row with a mistake in it.
func (s *Server) subAccounts(w http.ResponseWriter, r *request, status int, p subAccountsPage, wrong subView) error {
	ctx := r.Context()
	if p.Errors == nil {
		p.Errors = map[string]string{}
	}
	p.Nested, p.Transfers = r.Account.ParentID != 0, s.Transferer != nil
	all, err := s.Accounts.Subs(ctx, r.Account.ID)
	if err != nil {
		return err
	}
	if p.Transfers {
		if p.Credits, err = s.Transferer.Available(ctx, r.Account.ID); err != nil {
			return err
		}
	}
	for _, a := range all {
		v := subView{Sub: a, Key: randomText()[:22]}
		if p.Transfers {
			if v.Credits, err = s.Transferer.Available(ctx, a.ID); err != nil {
				return err
			}
		}
		if a.ID == wrong.ID {
			v.Amount, v.Trouble = wrong.Amount, wrong.Trouble
		}
		p.Subs = append(p.Subs, v)
	}
	return s.render(w, r, status, "accounts.html", "accounts", p)
}

func (s *Server) subAccountMake(w http.ResponseWriter, r *request) error {
	if r.Account.ParentID != 0 {
		return errNoPage
	}
	name := r.PostFormValue("business")
	_, err := s.Accounts.CreateSub(r.Context(), r.Account.ID, name)
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		return s.subAccounts(w, r, http.StatusUnprocessableEntity, subAccountsPage{Business: name, Errors: r.accountErrors(err)}, subView{})
	}
	if err != nil {
		return err
	}
	return r.see(w, "/accounts", "accounts.made", "Business", strings.TrimSpace(name))
}

// below is the sub-account of the request; anything else doesn't exist.
func (r *request) below() (accounts.Account, error) {
	id, err := r.id("id")
	if err != nil {
		return accounts.Account{}, err
	}
	return r.s.Accounts.Below(r.Context(), r.Account.ID, id)
}

func (s *Server) subAccountEnter(w http.ResponseWriter, r *request) error {
	a, err := r.below()
	if err != nil {
		return err
	}
	if err := s.move(r.Context(), a.ID); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) subAccountLeave(w http.ResponseWriter, r *request) error {
	if err := s.move(r.Context(), 0); err != nil {
		return err
	}
	http.Redirect(w, r.Request, "/accounts", http.StatusSeeOther)
	return nil
}

// subAccountTransfer gives credits to a sub-account, or takes them back.
func (s *Server) subAccountTransfer(w http.ResponseWriter, r *request) error {
	a, err := r.below()
	if err != nil {
		return err
	}
	if s.Transferer == nil {
		return errNoPage
	}
	wrong := subView{Sub: accounts.Sub{ID: a.ID}, Amount: strings.TrimSpace(r.PostFormValue("credits"))}
	n, err := strconv.ParseInt(wrong.Amount, 10, 64)
	if err != nil || n < 1 || n > 1_000_000_000 {
		wrong.Trouble = r.say("accounts.transfer.wrong")
		return s.subAccounts(w, r, http.StatusUnprocessableEntity, subAccountsPage{}, wrong)
	}
	key := r.PostFormValue("key")
	if key == "" || len(key) > 64 {
		key = randomText()
	}
	t := Transfer{From: r.Account.ID, To: a.ID, Credits: n, Key: fmt.Sprintf("%d/%s", r.Account.ID, key)}
	if r.PostFormValue("direction") == "back" {
		t.From, t.To = t.To, t.From
	}
	err = s.Transferer.Transfer(r.Context(), t)
	if errors.Is(err, ErrTooFew) {
		wrong.Trouble = r.say("accounts.transfer.too_few")
		return s.subAccounts(w, r, http.StatusUnprocessableEntity, subAccountsPage{}, wrong)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/accounts", "accounts.transfer.done", "Count", int(n))
}
