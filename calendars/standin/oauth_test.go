package standin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"rappel/calendars/standin"
)

const (
	eventsScope = "https://www.googleapis.com/auth/calendar.events.readonly"
	listScope   = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
	emailScope  = "https://www.googleapis.com/auth/userinfo.email"
)

func (b *bench) config(p standin.Provider) *oauth2.Config {
	if p == standin.Google {
		return &oauth2.Config{
			ClientID: "rappel", ClientSecret: "geheim", RedirectURL: "http://127.0.0.1:1/callback",
			Scopes: []string{"openid", "email", eventsScope, listScope},
			Endpoint: oauth2.Endpoint{
				AuthURL: b.google + "/o/oauth2/v2/auth", TokenURL: b.google + "/token", AuthStyle: oauth2.AuthStyleInParams,
			},
		}
	}
	return &oauth2.Config{
		ClientID: "rappel", ClientSecret: "geheim", RedirectURL: "http://127.0.0.1:1/callback",
		Scopes: []string{"openid", "email", "offline_access", "Calendars.Read"},
		Endpoint: oauth2.Endpoint{
			AuthURL: b.microsoft + "/common/oauth2/v2.0/authorize", TokenURL: b.microsoft + "/common/oauth2/v2.0/token",
			AuthStyle: oauth2.AuthStyleInHeader,
		},
	}
}

// approve walks the consent page over HTTP the way a browser does.
func approve(t *testing.T, authURL string, form url.Values) url.Values {
	t.Helper()
	hc := &http.Client{Jar: must[*cookiejar.Jar](t)(cookiejar.New(nil)), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page := must[*http.Response](t)(hc.Get(authURL))
	body := string(must[[]byte](t)(io.ReadAll(page.Body)))
	ok(t, page.Body.Close())
	if page.StatusCode != 200 || !strings.Contains(body, `id="allow"`) {
		t.Fatalf("consent page: %d %s", page.StatusCode, body)
	}
	res := must[*http.Response](t)(hc.PostForm(authURL, form))
	ok(t, res.Body.Close())
	if res.StatusCode != http.StatusFound {
		t.Fatalf("consent: %d", res.StatusCode)
	}
	return must[*url.URL](t)(res.Location()).Query()
}

func retrieve(t *testing.T, err error, code, text string) {
	t.Helper()
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) || e.ErrorCode != code || !strings.Contains(e.ErrorDescription, text) {
		t.Fatalf("got %v, want %s %s", err, code, text)
	}
}

func claims(t *testing.T, tok *oauth2.Token) map[string]any {
	t.Helper()
	id, _ := tok.Extra("id_token").(string)
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		t.Fatalf("no id token: %q", id)
	}
	raw := must[[]byte](t)(base64.RawURLEncoding.DecodeString(parts[1]))
	var c map[string]any
	ok(t, json.Unmarshal(raw, &c))
	return c
}

func TestGoogle_consent(t *testing.T) {
	b := newBench(t, func(o *standin.Options) {
		o.GoogleClient = standin.Client{ID: "rappel", Secret: "geheim", Redirects: []string{"http://127.0.0.1:1/callback"}}
	})
	who, _ := b.person(t, standin.Google)
	conf, ctx := b.config(standin.Google), context.Background()
	verifier := oauth2.GenerateVerifier()
	authURL := conf.AuthCodeURL("s-1", oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(verifier))

	q := approve(t, authURL, url.Values{"person": {who.Email}, "scope": {eventsScope}, "action": {"allow"}})
	if q.Get("state") != "s-1" || q.Get("code") == "" {
		t.Fatalf("callback %v", q)
	}
	_, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption("wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"))
	retrieve(t, err, "invalid_grant", "Invalid code verifier")
	tok := must[*oauth2.Token](t)(conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier)))
	if d := cmp.Diff("openid "+emailScope+" "+eventsScope, tok.Extra("scope")); d != "" {
		t.Errorf("granted scopes (one was unticked): %s", d)
	}
	if tok.RefreshToken == "" {
		t.Error("the first consent with access_type=offline must give a refresh token")
	}
	if c := claims(t, tok); c["sub"] != who.ID || c["email"] != who.Email || c["aud"] != "rappel" {
		t.Errorf("claims %v", c)
	}
	_, err = conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
	retrieve(t, err, "invalid_grant", "Bad Request")

	// second consent without prompt=consent: no refresh token; with it: one again
	again := func(opts ...oauth2.AuthCodeOption) *oauth2.Token {
		v := oauth2.GenerateVerifier()
		opts = append(opts, oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(v))
		to := must[string](t)(b.Approve(standin.Google, conf.AuthCodeURL("s", opts...), standin.Decision{}))
		code := must[*url.URL](t)(url.Parse(to)).Query().Get("code")
		return must[*oauth2.Token](t)(conf.Exchange(ctx, code, oauth2.VerifierOption(v)))
	}
	if x := again(); x.RefreshToken != "" {
		t.Error("a repeated login without prompt=consent must give no refresh token")
	}
	if x := again(oauth2.SetAuthURLParam("prompt", "consent")); x.RefreshToken == "" {
		t.Error("prompt=consent must give a refresh token")
	}

	refresh := func() (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	}
	fresh := must[*oauth2.Token](t)(refresh())
	if fresh.RefreshToken != tok.RefreshToken { // x/oauth2 keeps the old one when the field is absent
		t.Error("a refresh must not give another refresh token")
	}
	wrong := *conf
	wrong.ClientSecret = "falsch"
	_, err = wrong.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	retrieve(t, err, "invalid_client", "")

	res := must[*http.Response](t)(http.PostForm(b.google+"/revoke", url.Values{"token": {fresh.AccessToken}}))
	ok(t, res.Body.Close())
	if res.StatusCode != 200 {
		t.Fatalf("revoke: %d", res.StatusCode)
	}
	_, err = refresh()
	retrieve(t, err, "invalid_grant", "Token has been expired or revoked.")
	res = must[*http.Response](t)(http.PostForm(b.google+"/revoke", url.Values{"token": {fresh.AccessToken}}))
	ok(t, res.Body.Close())
	if res.StatusCode != 400 {
		t.Errorf("second revoke: %d", res.StatusCode)
	}
}

func TestConsent_cancel(t *testing.T) {
	b := newBench(t)
	b.person(t, standin.Google)
	b.person(t, standin.Microsoft)
	for _, p := range []standin.Provider{standin.Google, standin.Microsoft} {
		q := approve(t, b.config(p).AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), url.Values{"action": {"deny"}})
		if q.Get("error") != "access_denied" || q.Get("state") != "s" || q.Get("code") != "" {
			t.Errorf("%s: %v", p, q)
		}
	}
}

func TestConsent_parameters(t *testing.T) {
	b := newBench(t)
	b.person(t, standin.Google)
	good := must[*url.URL](t)(url.Parse(b.config(standin.Google).AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))))
	for name, value := range map[string]string{
		"client_id": "", "redirect_uri": "/relative", "response_type": "token", "state": "", "scope": "", "code_challenge": "",
		"code_challenge_method": "plain", "access_type": "maybe", "prompt": "please", "response_mode": "form_post",
	} {
		q := good.Query()
		q.Set(name, value)
		u := *good
		u.RawQuery = q.Encode()
		res := must[*http.Response](t)(http.Get(u.String()))
		body := string(must[[]byte](t)(io.ReadAll(res.Body)))
		ok(t, res.Body.Close())
		if res.StatusCode != 400 || !strings.Contains(body, `id="problem"`) {
			t.Errorf("%s=%q: %d", name, value, res.StatusCode)
		}
	}
}

func TestGoogle_codeExpires(t *testing.T) {
	b := newBench(t)
	b.person(t, standin.Google)
	conf, v := b.config(standin.Google), oauth2.GenerateVerifier()
	to := must[string](t)(b.Approve(standin.Google, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(v)), standin.Decision{}))
	b.clock.add(10 * time.Minute)
	_, err := conf.Exchange(context.Background(), must[*url.URL](t)(url.Parse(to)).Query().Get("code"), oauth2.VerifierOption(v))
	retrieve(t, err, "invalid_grant", "")
}

func TestMicrosoft_tokens(t *testing.T) {
	b := newBench(t, func(o *standin.Options) { o.MicrosoftClient = standin.Client{ID: "rappel", Secret: "geheim"} })
	who, _ := b.person(t, standin.Microsoft)
	conf, ctx := b.config(standin.Microsoft), context.Background()
	v := oauth2.GenerateVerifier()
	q := approve(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(v)), url.Values{"person": {who.Email}, "action": {"allow"}})
	tok := must[*oauth2.Token](t)(conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(v)))
	if c := claims(t, tok); c["oid"] != who.ID || c["preferred_username"] != who.Email || c["sub"] == who.ID {
		t.Errorf("claims %v", c)
	}
	_, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(v))
	retrieve(t, err, "invalid_grant", "AADSTS54005")
	refresh := func(old string) (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: old}).Token()
	}
	second := must[*oauth2.Token](t)(refresh(tok.RefreshToken))
	if second.RefreshToken == tok.RefreshToken {
		t.Error("a refresh must rotate the token")
	}
	must[*oauth2.Token](t)(refresh(tok.RefreshToken)) // still good for a while
	b.clock.add(2 * time.Hour)
	_, err = refresh(tok.RefreshToken)
	retrieve(t, err, "invalid_grant", "AADSTS700082")
	must[*oauth2.Token](t)(refresh(second.RefreshToken))
	b.SetClient(standin.Microsoft, standin.Client{ID: "rappel", Secret: "neu"})
	_, err = refresh(second.RefreshToken)
	retrieve(t, err, "invalid_client", "AADSTS7000215")
	b.SetClient(standin.Microsoft, standin.Client{})
	ok(t, b.RevokeGrants(who.ID, standin.PasswordChanged))
	_, err = refresh(second.RefreshToken)
	retrieve(t, err, "invalid_grant", "AADSTS50173")
	res, _ := graph{b, second.AccessToken}.do(t, http.MethodGet, "/v1.0/me", "")
	if res.StatusCode != 401 {
		t.Errorf("access token of a revoked grant: %d", res.StatusCode)
	}
}

func TestGoogle_missingScope(t *testing.T) {
	b := newBench(t)
	who, cal := b.person(t, standin.Google)
	_, err := b.client(t, who.ID, listScope).Events.List(cal.ID).Do()
	apiError(t, err, http.StatusForbidden, "insufficientPermissions")
	s := b.client(t, who.ID)
	ok(t, b.RevokeGrants(who.ID, ""))
	_, err = s.Events.List(cal.ID).Do()
	apiError(t, err, http.StatusUnauthorized, "authError")
}
