package google

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"rappel/calendars"
)

// The least that reads events and lists calendars.
const (
	scopeEvents = "https://www.googleapis.com/auth/calendar.events.readonly"
	scopeList   = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
)

// widerScopes lists what includes a scope we need, for grants that hold more.
var widerScopes = map[string][]string{
	scopeEvents: {
		"https://www.googleapis.com/auth/calendar",
		"https://www.googleapis.com/auth/calendar.readonly",
		"https://www.googleapis.com/auth/calendar.events",
	},
	scopeList: {
		"https://www.googleapis.com/auth/calendar",
		"https://www.googleapis.com/auth/calendar.readonly",
		"https://www.googleapis.com/auth/calendar.calendarlist",
	},
}

// Authority is Google's OAuth side.
type Authority struct {
	cfg    Config
	reader *Reader
}

var _ calendars.Authority = (*Authority)(nil)

func (a *Authority) oauth(redirectURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.cfg.ClientID, ClientSecret: a.cfg.ClientSecret, RedirectURL: redirectURL,
		Scopes: []string{scopeEvents, scopeList},
		// Google reads the client from the form; probing would spend the code twice.
		Endpoint: oauth2.Endpoint{AuthURL: a.cfg.AuthURL, TokenURL: a.cfg.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// AuthCodeURL implements calendars.Authority. prompt=consent makes Google give
// a refresh token on every connection, not only on a person's first one.
func (a *Authority) AuthCodeURL(state, verifier, redirectURL, loginHint string) string {
	opts := []oauth2.AuthCodeOption{
		oauth2.AccessTypeOffline,
		oauth2.SetAuthURLParam("prompt", "consent"),
		oauth2.S256ChallengeOption(verifier),
	}
	if loginHint != "" {
		opts = append(opts, oauth2.SetAuthURLParam("login_hint", loginHint))
	}
	return a.oauth(redirectURL).AuthCodeURL(state, opts...)
}

// Exchange implements calendars.Authority.
func (a *Authority) Exchange(ctx context.Context, code, verifier, redirectURL string) (calendars.Token, calendars.Identity, error) {
	const op = "oauth.exchange"
	ctx, client := a.client(ctx)
	asked := a.cfg.Now()
	tok, err := a.oauth(redirectURL).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return calendars.Token{}, calendars.Identity{}, a.failure(op, exchanging, err)
	}
	t := calendars.TokenOf(tok, asked)
	switch {
	case t.Scopes != nil && (!granted(t.Scopes, scopeEvents) || !granted(t.Scopes, scopeList)):
		return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrScopeMissing, Code: "scope"}
	case t.Refresh == "": // of no use after an hour
		return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrScopeMissing, Code: "no_refresh_token"}
	}
	if raw, ok := tok.Extra("id_token").(string); ok && raw != "" {
		id, err := decodeIdentity(raw, a.cfg.ClientID)
		if err != nil {
			return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Code: "id_token", Err: err}
		}
		return t, id, nil
	}
	id, err := a.reader.identity(ctx, &http.Client{
		Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(tok), Base: client.Transport},
		Timeout:   client.Timeout,
	})
	if err != nil {
		return calendars.Token{}, calendars.Identity{}, err
	}
	return t, id, nil
}

// Refresh implements calendars.Authority.
func (a *Authority) Refresh(ctx context.Context, refresh string) (calendars.Token, error) {
	ctx, _ = a.client(ctx)
	asked := a.cfg.Now()
	tok, err := a.oauth("").TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return calendars.Token{}, a.failure("oauth.refresh", refreshing, err)
	}
	t := calendars.TokenOf(tok, asked)
	if t.Refresh == refresh { // the library repeats the one we sent
		t.Refresh = ""
	}
	return t, nil
}

// Revoke implements calendars.Authority. It ends every grant this person gave
// to our client, also those of other connections to the same Google account.
//
// Source: https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke
func (a *Authority) Revoke(ctx context.Context, t calendars.Token) error {
	const op = "oauth.revoke"
	secret := t.Refresh
	if secret == "" {
		secret = t.Access
	}
	if secret == "" {
		return nil
	}
	ctx, client := a.client(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.RevokeURL, strings.NewReader(url.Values{"token": {secret}}.Encode()))
	if err != nil {
		return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrClientConfig, Err: calendars.Cause(err)}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Err: calendars.Cause(err)}
	}
	defer func() { _ = resp.Body.Close() }() // nothing is read after the status
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusBadRequest:
		// 400 invalid_token: expired or revoked already. Other 400s (no such token
		// type) leave nothing to revoke either.
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // lets the connection be reused
		return nil
	}
	return &calendars.Error{
		Provider: Name, Op: op, Kind: statusKind(resp.StatusCode), Status: resp.StatusCode,
		RetryAt: calendars.RetryAt(resp.Header, a.cfg.Now()),
	}
}

// client picks the HTTP client of the OAuth calls and puts it where x/oauth2
// looks for it.
func (a *Authority) client(ctx context.Context) (context.Context, *http.Client) {
	if c, ok := ctx.Value(oauth2.HTTPClient).(*http.Client); ok && c != nil {
		return ctx, c
	}
	return context.WithValue(ctx, oauth2.HTTPClient, a.cfg.HTTPClient), a.cfg.HTTPClient
}

// granted tells whether scopes include what want allows.
func granted(scopes []string, want string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return s == want || slices.Contains(widerScopes[want], s) })
}

// step is what was asked of the token endpoint.
type step int

const (
	exchanging step = iota // a code for tokens
	refreshing
)

// failure translates what the token endpoint answered.
func (a *Authority) failure(op string, s step, err error) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) || re.Response == nil {
		return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Err: calendars.Cause(err)}
	}
	return &calendars.Error{
		Provider: Name, Op: op, Kind: grantKind(s, re.Response.StatusCode, re.ErrorCode), Status: re.Response.StatusCode,
		Code: calendars.Code(re.ErrorCode), RetryAt: calendars.RetryAt(re.Response.Header, a.cfg.Now()),
	}
}

// grantKind tells what an error of the token endpoint means. Google does not
// tell why a grant ended, and a refused secret comes with 401 like a refused
// code comes with 400: only the error name decides.
//
// Source: RFC 6749 §5.2; https://developers.google.com/identity/protocols/oauth2/web-server#authorization-errors
func grantKind(s step, status int, code string) error {
	if status == http.StatusTooManyRequests || status >= 500 {
		return statusKind(status)
	}
	switch code {
	case "invalid_grant":
		if s == refreshing {
			return calendars.ErrGrantRevoked
		}
		return calendars.ErrCodeUsed
	case "invalid_client", "unauthorized_client", "deleted_client", "disabled_client", "redirect_uri_mismatch",
		"invalid_request", "invalid_scope", "unsupported_grant_type":
		return calendars.ErrClientConfig
	case "access_denied", "admin_policy_enforced", "org_internal":
		switch {
		case s == refreshing:
			return calendars.ErrGrantRevoked
		case code == "admin_policy_enforced":
			return calendars.ErrAdminConsent
		}
		return calendars.ErrConsentDenied
	}
	return calendars.ErrUnavailable
}
