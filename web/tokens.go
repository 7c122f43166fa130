package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

// tokenRoutes are what programs work with at a clinic.
//
// Ids for browser tests: #name, [name=scopes], #make; #secret, once; form[data-token].
func (s *Server) tokenRoutes() []route {
	return []route{
		{"GET /tokens", owners, s.tokenList},
		{"POST /tokens", owners, s.tokenMake},
		{"POST /tokens/{id}/remove", owners, s.tokenRemove},
	}
}

type tokensPage struct {
	Tokens []accounts.APIToken
	Scopes []string
	Name   string
	Chosen map[string]bool
	Secret string // of the one just made; shown once
	Errors map[string]string
}

func (s *Server) tokenList(w http.ResponseWriter, r *request) error {
	return s.tokens(w, r, http.StatusOK, tokensPage{})
}

func (s *Server) tokens(w http.ResponseWriter, r *request, status int, p tokensPage) error {
	p.Scopes = accounts.Scopes
	if p.Errors == nil {
		p.Errors = map[string]string{}
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		p.Tokens, err = accounts.TokensTx(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	return s.render(w, r, status, "tokens.html", "tokens", p)
}

func (s *Server) tokenMake(w http.ResponseWriter, r *request) error {
	p := tokensPage{Name: r.PostFormValue("name"), Chosen: map[string]bool{}}
	for _, scope := range r.PostForm["scopes"] {
		p.Chosen[scope] = true
	}
	err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		p.Secret, err = accounts.CreateTokenTx(ctx, tx, accounts.NewToken{AccountID: r.Account.ID, Name: p.Name, Scopes: r.PostForm["scopes"], By: r.User}, s.Now())
		return err
	})
	var bad *accounts.FieldError
	if errors.As(err, &bad) {
		p.Errors = r.accountErrors(err)
		return s.tokens(w, r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return s.tokens(w, r, http.StatusOK, tokensPage{Secret: p.Secret})
}

func (s *Server) tokenRemove(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return accounts.RemoveTokenTx(ctx, tx, r.Account.ID, id)
	}); err != nil {
		return err
	}
	return r.see(w, "/tokens", "tokens.removed")
}
