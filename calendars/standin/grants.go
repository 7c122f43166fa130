package standin

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Lifetimes. An authorization code and an access token live as long as at the
// real providers; a Microsoft refresh token rolls for 90 days, and one that was
// rotated out is accepted for another hour, so that a client that lost the new
// one to a crash is not locked out.
const (
	codeLife       = 10 * time.Minute
	accessLife     = time.Hour
	refreshLife    = 90 * 24 * time.Hour  // Microsoft
	googleIdleLife = 182 * 24 * time.Hour // Google: unused for six months
	rotatedLife    = time.Hour
	maxRefresh     = 100 // Google: live refresh tokens per account and client
)

// grant is one consent of a person to a client.
type grant struct {
	ID       string   `json:"id"`
	Provider Provider `json:"provider"`
	Person   string   `json:"person"`
	Client   string   `json:"client"`
	Scopes   []string `json:"scopes"` // as granted, in the provider's long form
	Offline  bool     `json:"offline"`
	Revoked  string   `json:"revoked,omitempty"` // why: "revoked", "password", "consent"
}

type tokenKind string

const (
	accessToken  tokenKind = "access"
	refreshToken tokenKind = "refresh"
)

type token struct {
	Kind    tokenKind `json:"kind"`
	Grant   string    `json:"grant"`
	Expires time.Time `json:"expires"`
	Serial  uint64    `json:"serial"` // order of issue
}

// code is an authorization code on its way to the client.
type code struct {
	grant     *grant
	redirect  string
	challenge string
	nonce     string
	expires   time.Time
	used      bool
	refresh   bool
}

// authState is every grant and token; codes live too short to be saved.
type authState struct {
	Grants map[string]*grant `json:"grants"`
	Tokens map[string]*token `json:"tokens"`
	codes  map[string]*code
}

func newAuthState() authState {
	return authState{Grants: map[string]*grant{}, Tokens: map[string]*token{}, codes: map[string]*code{}}
}

// Reasons for RevokeGrants. Google answers invalid_grant for all of them;
// Microsoft's AADSTS code differs.
const (
	Revoked         = "revoked"  // the person removed the app: AADSTS65001
	PasswordChanged = "password" // AADSTS50173
	Inactive        = "inactive" // AADSTS700082
	NeedsMFA        = "mfa"      // interaction_required, AADSTS50076
)

// RevokeGrants ends every grant of a person from outside, as the account page
// of the provider does: access tokens answer 401, refresh tokens invalid_grant.
func (w *World) RevokeGrants(person, reason string) error {
	return w.change(func() ([]ring, error) {
		if _, ok := w.people[person]; !ok {
			return nil, fmt.Errorf("%w: person", ErrNotFound)
		}
		for _, g := range w.auth.Grants {
			if g.Person == person && g.Revoked == "" {
				g.Revoked = cmp.Or(reason, Revoked)
			}
		}
		return nil, nil
	})
}

// ExpireAccessTokens makes every access token of a person expire now; refresh
// tokens stay.
func (w *World) ExpireAccessTokens(person string) error {
	return w.change(func() ([]ring, error) {
		for key, t := range w.auth.Tokens {
			if t.Kind == accessToken && w.auth.Grants[t.Grant].Person == person {
				delete(w.auth.Tokens, key)
			}
		}
		return nil, nil
	})
}

// Token makes an access token with the given scopes without any consent, for
// tests that are not about OAuth.
func (w *World) Token(person string, scopes ...string) (string, error) {
	var out string
	err := w.change(func() ([]ring, error) {
		p, ok := w.people[person]
		if !ok {
			return nil, fmt.Errorf("%w: person", ErrNotFound)
		}
		if len(scopes) == 0 {
			scopes = []string{scopeEvents, scopeCalendarList, "openid", scopeEmail}
			if p.Provider == Microsoft {
				scopes = []string{"openid", "email", "Calendars.Read"}
			}
		}
		g := w.grant(*p, "direct", scopes, false)
		out = w.issue(g, accessToken)
		return nil, nil
	})
	return out, err
}

// grant records a consent. w.mu is held, as for everything below.
func (w *World) grant(p Person, client string, scopes []string, offline bool) *grant {
	g := &grant{ID: w.hexID("grant", 8), Provider: p.Provider, Person: p.ID, Client: client, Scopes: scopes, Offline: offline}
	w.auth.Grants[g.ID] = g
	return g
}

// issue makes a token of g.
func (w *World) issue(g *grant, kind tokenKind) string {
	prefix, life := "ya29.", accessLife
	switch {
	case kind == refreshToken && g.Provider == Google:
		prefix, life = "1//0", googleIdleLife
	case kind == refreshToken:
		prefix, life = "0.A", refreshLife
	case g.Provider == Microsoft:
		prefix = "EwB"
	}
	value := prefix + base64.RawURLEncoding.EncodeToString(w.bytes(string(kind)))
	w.auth.Tokens[value] = &token{Kind: kind, Grant: g.ID, Expires: w.now().Add(life), Serial: w.serial}
	if kind == refreshToken && g.Provider == Google {
		w.dropOldest(g)
	}
	w.dropExpired()
	return value
}

// dropOldest keeps at most maxRefresh refresh tokens per account and client;
// Google lets the oldest die without a word.
func (w *World) dropOldest(g *grant) {
	var keys []string
	for key, t := range w.auth.Tokens {
		other := w.auth.Grants[t.Grant]
		if t.Kind == refreshToken && other.Person == g.Person && other.Client == g.Client && other.Revoked == "" {
			keys = append(keys, key)
		}
	}
	if len(keys) <= maxRefresh {
		return
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(w.auth.Tokens[a].Serial, w.auth.Tokens[b].Serial) })
	delete(w.auth.Tokens, keys[0])
}

// dropExpired forgets access tokens and codes that nobody can use any more, so
// that a long-running World does not grow.
func (w *World) dropExpired() {
	now := w.now()
	for key, t := range w.auth.Tokens {
		if t.Kind == accessToken && !now.Before(t.Expires) {
			delete(w.auth.Tokens, key)
		}
	}
	for key, c := range w.auth.codes {
		if now.After(c.expires.Add(time.Hour)) {
			delete(w.auth.codes, key)
		}
	}
}

// bearer finds the grant behind a request's access token.
func (w *World) bearer(r *http.Request, p Provider) (*grant, *Person, bool) {
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, nil, false
	}
	t, ok := w.auth.Tokens[value]
	if !ok || t.Kind != accessToken || !w.now().Before(t.Expires) {
		return nil, nil, false
	}
	g := w.auth.Grants[t.Grant]
	if g.Revoked != "" || g.Provider != p {
		return nil, nil, false
	}
	return g, w.people[g.Person], true
}

// authRequest is a checked request to an authorization endpoint.
type authRequest struct {
	client, redirect, state, challenge, nonce, hint, prompt string
	scopes                                                  []string
	offline                                                 bool
}

// parseAuth checks what both providers demand. The problem is shown on a page
// and never redirected, since the redirect URI cannot be trusted yet.
func (w *World) parseAuth(p Provider, q url.Values) (a authRequest, problem string) {
	a = authRequest{
		client: q.Get("client_id"), redirect: q.Get("redirect_uri"), state: q.Get("state"),
		challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), hint: q.Get("login_hint"),
		prompt: q.Get("prompt"), scopes: strings.Fields(q.Get("scope")), offline: q.Get("access_type") == "offline",
	}
	known := w.client(p)
	to, err := url.Parse(a.redirect)
	switch {
	case a.client == "":
		return a, "invalid_request: Missing required parameter: client_id"
	case known.ID != "" && a.client != known.ID:
		return a, "invalid_client: The OAuth client was not found."
	case err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" || to.Fragment != "":
		return a, "invalid_request: Missing or invalid parameter: redirect_uri"
	case known.ID != "" && len(known.Redirects) > 0 && !slices.Contains(known.Redirects, a.redirect):
		return a, "redirect_uri_mismatch"
	case q.Get("response_type") != "code":
		return a, "unsupported_response_type: only response_type=code is offered here"
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return a, "invalid_request: only response_mode=query is offered here"
	case len(a.scopes) == 0:
		return a, "invalid_request: Missing required parameter: scope"
	case a.state == "":
		return a, "invalid_request: state is missing"
	case a.challenge == "":
		return a, "invalid_request: code_challenge is missing"
	case q.Get("code_challenge_method") != "S256":
		return a, "invalid_request: code_challenge_method must be S256"
	case len(a.challenge) != 43:
		return a, "invalid_request: code_challenge is not a base64url SHA-256"
	case p == Google && !slices.Contains([]string{"", "online", "offline"}, q.Get("access_type")):
		return a, "invalid_request: access_type is online or offline"
	}
	for _, word := range strings.Fields(a.prompt) {
		if !slices.Contains([]string{"none", "consent", "select_account", "login"}, word) {
			return a, "invalid_request: unknown prompt"
		}
	}
	return a, ""
}

// back is the redirect to the client with extra parameters.
func (a authRequest) back(extra url.Values) string {
	to, err := url.Parse(a.redirect)
	if err != nil { // parseAuth has parsed it
		return a.redirect
	}
	q := to.Query()
	for key, values := range extra {
		q[key] = values
	}
	q.Set("state", a.state)
	to.RawQuery = q.Encode()
	return to.String()
}

// challengeOf is RFC 7636's S256.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// clientOf reads client credentials from Basic or the form and checks them.
func (w *World) clientOf(p Provider, r *http.Request) (id string, ok bool) {
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 2.3.1: both are form-encoded first
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil {
			return id, false
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	known := w.client(p)
	if id == "" {
		return id, false
	}
	if known.ID == "" {
		return id, true
	}
	return id, id == known.ID && subtle.ConstantTimeCompare([]byte(secret), []byte(known.Secret)) == 1
}
