package outlook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"rappel/calendars"
)

// scopes we ask for. Only calendarScopes must come back: the others are granted
// with it or not echoed.
var scopes = []string{"openid", "email", "profile", "offline_access", "Calendars.Read"}

// calendarScopes each let us read calendars, in lower case.
var calendarScopes = []string{"calendars.read", "calendars.readwrite"}

// Authority is the Microsoft identity platform.
type Authority struct{ cfg Config }

var _ calendars.Authority = (*Authority)(nil)

func (a *Authority) oauth(redirectURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.cfg.ClientID, ClientSecret: a.cfg.ClientSecret, RedirectURL: redirectURL, Scopes: scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL:  a.cfg.AuthorityURL + "/oauth2/v2.0/authorize",
			TokenURL: a.cfg.AuthorityURL + "/oauth2/v2.0/token",
			// Probing would spend the code twice.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// AuthCodeURL implements calendars.Authority. People are signed in with several
// accounts, so they are asked which one.
func (a *Authority) AuthCodeURL(state, verifier, redirectURL, loginHint string) string {
	opts := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("prompt", "select_account"),
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
	asked := a.cfg.Now()
	tok, err := a.oauth(redirectURL).Exchange(a.context(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return calendars.Token{}, calendars.Identity{}, a.failure(op, exchanging, err)
	}
	t := calendars.TokenOf(tok, asked)
	switch {
	case t.Scopes != nil && !slices.ContainsFunc(t.Scopes, readsCalendars):
		return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrScopeMissing, Code: "scope"}
	case t.Refresh == "": // of no use after an hour
		return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrScopeMissing, Code: "no_refresh_token"}
	}
	raw, _ := tok.Extra("id_token").(string)
	c, err := decodeClaims(raw)
	if err == nil {
		err = c.meantFor(a.cfg.ClientID)
	}
	if err != nil {
		return calendars.Token{}, calendars.Identity{}, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Code: "id_token", Err: err}
	}
	return t, c.identity(), nil
}

// Refresh implements calendars.Authority. The old refresh token lives on for a
// while, but the new one is to be used from now on.
func (a *Authority) Refresh(ctx context.Context, refresh string) (calendars.Token, error) {
	asked := a.cfg.Now()
	tok, err := a.oauth("").TokenSource(a.context(ctx), &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return calendars.Token{}, a.failure("oauth.refresh", refreshing, err)
	}
	t := calendars.TokenOf(tok, asked)
	if t.Refresh == refresh { // the library repeats the one we sent
		t.Refresh = ""
	}
	return t, nil
}

// Revoke implements calendars.Authority by doing nothing: see the package's
// decisions.
func (a *Authority) Revoke(context.Context, calendars.Token) error { return nil }

// context puts the HTTP client of the calls where x/oauth2 looks for it.
func (a *Authority) context(ctx context.Context) context.Context {
	if c, ok := ctx.Value(oauth2.HTTPClient).(*http.Client); ok && c != nil {
		return ctx
	}
	return context.WithValue(ctx, oauth2.HTTPClient, a.cfg.HTTPClient)
}

// readsCalendars tells whether a scope, with or without its resource in front,
// lets us read calendars.
func readsCalendars(scope string) bool {
	scope = strings.ToLower(scope)
	return slices.Contains(calendarScopes, scope[strings.LastIndexByte(scope, '/')+1:])
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
	detail := aadCode(re.Body, re.ErrorDescription)
	out := &calendars.Error{
		Provider: Name, Op: op, Kind: grantKind(s, re.Response.StatusCode, re.ErrorCode, detail), Status: re.Response.StatusCode,
		Code: calendars.Code(re.ErrorCode), RetryAt: calendars.RetryAt(re.Response.Header, a.cfg.Now()),
	}
	if detail != 0 {
		out.Code = strings.TrimSpace(out.Code + " AADSTS" + strconv.Itoa(detail))
	}
	return out
}

// AADSTS numbers that say more than the error name.
const (
	aadConsentMissing = 65001
	aadAdminConsent   = 90094
	aadAdminConsent2  = 90095 // the same, with a request form
	aadDeclined       = 65004
	aadThrottled      = 90055
)

// grantKind tells what an error of the token endpoint means. The error name
// decides, because Microsoft reserves to change the numbers; they only refine
// what to tell the clinic. All ways a grant can end (90 days unused, password
// reset, account disabled, consent withdrawn, conditional access) need the
// same remedy: connect again.
//
// Source: https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
func grantKind(s step, status int, code string, detail int) error {
	switch {
	case status == http.StatusTooManyRequests, detail == aadThrottled:
		return calendars.ErrThrottled
	case status >= 500:
		return calendars.ErrUnavailable
	}
	switch code {
	case "invalid_grant", "interaction_required", "consent_required", "login_required":
		switch {
		case s == refreshing:
			return calendars.ErrGrantRevoked
		case detail == aadAdminConsent, detail == aadAdminConsent2:
			return calendars.ErrAdminConsent
		case detail == aadDeclined:
			return calendars.ErrConsentDenied
		case code == "consent_required", detail == aadConsentMissing:
			return calendars.ErrScopeMissing
		}
		return calendars.ErrCodeUsed
	case "access_denied":
		if s == refreshing {
			return calendars.ErrGrantRevoked
		}
		return calendars.ErrConsentDenied
	case "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "invalid_resource", "unsupported_grant_type":
		return calendars.ErrClientConfig
	}
	return calendars.ErrUnavailable // temporarily_unavailable, server_error and what is not OAuth at all
}

var aadShape = regexp.MustCompile(`^AADSTS([0-9]{4,9})\b`)

// aadCode finds the AADSTS number: in error_codes, else at the start of the
// description. 0 when there is none. The description itself is never kept, as
// it may name the user.
func aadCode(body []byte, description string) int {
	var reply struct {
		Codes []int `json:"error_codes"`
	}
	if err := json.Unmarshal(body, &reply); err == nil && len(reply.Codes) > 0 && reply.Codes[0] > 0 {
		return reply.Codes[0]
	}
	if m := aadShape.FindStringSubmatch(description); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 0
}
