package calendarstest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"rappel/calendars"
	"rappel/calendars/standin"
)

const verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"

// consent sends the person through the consent page and returns the callback's
// query.
func (b *bench) consent(d standin.Decision) url.Values {
	b.t.Helper()
	to := must(b.Approve(b.side, b.provider.Authority.AuthCodeURL("state-1", verifier, redirect, ""), d))(b.t)
	q := must(url.Parse(to))(b.t).Query()
	if q.Get("state") != "state-1" {
		b.t.Errorf("state came back as %q", q.Get("state"))
	}
	return q
}

// connect goes all the way to a token.
func (b *bench) connect() (calendars.Token, calendars.Identity) {
	b.t.Helper()
	q := b.consent(standin.Decision{Email: email})
	tok, id, err := b.provider.Authority.Exchange(context.Background(), q.Get("code"), verifier, redirect)
	check(b.t, err)
	return tok, id
}

func runAuthority(t *testing.T, h Harness) {
	ctx := context.Background()
	cases := map[string]func(t *testing.T, b *bench){
		"the request for consent is complete": func(t *testing.T, b *bench) {
			u := must(url.Parse(b.provider.Authority.AuthCodeURL("state-1", verifier, redirect, email)))(t)
			want := map[string]string{
				"response_type": "code", "client_id": "rappel-client", "redirect_uri": redirect, "state": "state-1",
				"code_challenge_method": "S256", "code_challenge": oauth2.S256ChallengeFromVerifier(verifier), "login_hint": email,
			}
			if b.side == standin.Google {
				want["access_type"], want["prompt"] = "offline", "consent"
			} else {
				want["prompt"] = "select_account"
			}
			for name, value := range want {
				if got := u.Query().Get(name); got != value {
					t.Errorf("%s = %q, want %q", name, got, value)
				}
			}
			if u.Query().Has("code_verifier") || u.Query().Has("client_secret") {
				t.Error("a secret is in the URL")
			}
			if u := must(url.Parse(b.provider.Authority.AuthCodeURL("s", verifier, redirect, "")))(t); u.Query().Has("login_hint") {
				t.Error("an empty login hint is sent")
			}
		},
		"a code becomes a token and a person": func(t *testing.T, b *bench) {
			tok, id := b.connect()
			if tok.Access == "" || tok.Refresh == "" || id.Subject == "" || id.Label != email {
				t.Errorf("token with access %v, refresh %v; identity %+v", tok.Access != "", tok.Refresh != "", id)
			}
			if life := tok.Expiry.Sub(start); life < 50*time.Minute || life > time.Hour {
				t.Errorf("the token lives %v by our clock, want about an hour", life)
			}
			if _, err := b.provider.Reader.Calendars(ctx, bearer(tok.Access)); err != nil {
				t.Errorf("reading with the token: %v", err)
			}
			_, again := b.connect()
			if again != id {
				t.Errorf("the same person is %+v the second time, %+v the first", again, id)
			}
		},
		"a refresh brings a working token": func(t *testing.T, b *bench) {
			tok, _ := b.connect()
			check(t, b.ExpireAccessTokens(b.person.ID))
			if _, err := b.provider.Reader.Calendars(ctx, bearer(tok.Access)); !errors.Is(err, calendars.ErrUnauthorized) {
				t.Errorf("an expired token: %v, want ErrUnauthorized", err)
			}
			fresh := must(b.provider.Authority.Refresh(ctx, tok.Refresh))(t)
			if fresh.Refresh == tok.Refresh {
				t.Error("the refresh token sent is returned as if it were new")
			}
			if b.side == standin.Microsoft && fresh.Refresh == "" {
				t.Error("the rotated refresh token is lost")
			}
			if _, err := b.provider.Reader.Calendars(ctx, bearer(fresh.Access)); err != nil {
				t.Errorf("reading with the new token: %v", err)
			}
		},
		"T33 a grant that ended, for whatever reason": func(t *testing.T, b *bench) {
			for _, why := range []string{standin.Revoked, standin.PasswordChanged, standin.Inactive, standin.NeedsMFA} {
				tok, _ := b.connect()
				check(t, b.RevokeGrants(b.person.ID, why))
				_, err := b.provider.Authority.Refresh(ctx, tok.Refresh)
				b.failed(err, calendars.ErrGrantRevoked)
				_, err = b.provider.Reader.Calendars(ctx, bearer(tok.Access))
				b.failed(err, calendars.ErrUnauthorized)
			}
			_, err := b.provider.Authority.Refresh(ctx, "never-issued")
			b.failed(err, calendars.ErrGrantRevoked)
		},
		"T34 our own client is wrong": func(t *testing.T, b *bench) {
			tok, _ := b.connect()
			b.SetClient(b.side, standin.Client{ID: "rappel-client", Secret: "another"})
			_, err := b.provider.Authority.Refresh(ctx, tok.Refresh)
			b.failed(err, calendars.ErrClientConfig)
			b.SetClient(b.side, standin.Client{})
			b.fault(standin.WrongSecret(b.side))
			_, _, err = b.provider.Authority.Exchange(ctx, "a-code", verifier, redirect)
			b.failed(err, calendars.ErrClientConfig)
		},
		"T34 the token endpoint is down": func(t *testing.T, b *bench) {
			tok, _ := b.connect()
			token := `^POST /.*token$`
			for _, spec := range []standin.FaultSpec{
				standin.TokenDown(b.side),
				{Path: token, Kind: standin.Respond, Status: 500, Body: `{"error":"invalid_grant"}`},
				{Path: token, Kind: standin.Respond, Status: 502, Body: "<html>bad gateway</html>"},
				{Path: token, Kind: standin.Respond, Status: 404, Body: "<html>no such page</html>"},
				{Path: token, Kind: standin.Cut},
				{Path: token, Kind: standin.CutMiddle},
				{Path: token, Kind: standin.Garbage},
				{Path: token, Kind: standin.Respond, Status: 200, Body: `{"expires_in":3600}`},
				{Path: token, Kind: standin.Respond, Status: 200, Body: `[]`},
			} {
				f := b.fault(spec)
				_, err := b.provider.Authority.Refresh(ctx, tok.Refresh)
				b.failed(err, calendars.ErrUnavailable)
				f.Clear()
			}
			f := b.fault(standin.FaultSpec{Path: token, Kind: standin.Respond, Status: 429, Header: http.Header{"Retry-After": {"30"}}, Body: "{}"})
			_, err := b.provider.Authority.Refresh(ctx, tok.Refresh)
			if got := b.failed(err, calendars.ErrThrottled).RetryAt; !got.Equal(start.Add(30 * time.Second)) {
				t.Errorf("retry at %v", got)
			}
			f.Clear()
			check(t, second(b.provider.Authority.Refresh(ctx, tok.Refresh)))
		},
		"T34 a token endpoint that hangs": func(t *testing.T, b *bench) {
			until := make(chan struct{})
			defer close(until)
			f := b.fault(standin.FaultSpec{Path: `^POST /.*token$`, Kind: standin.Hold, Until: until})
			ctx, cancel := context.WithCancel(ctx)
			go func() {
				<-f.Started()
				cancel()
			}()
			_, err := b.provider.Authority.Refresh(ctx, "some-token")
			if b.failed(err, calendars.ErrUnavailable); !errors.Is(err, context.Canceled) {
				t.Errorf("the cause is lost: %v", err)
			}
		},
		"T35 two refreshes at once": func(t *testing.T, b *bench) {
			tok, _ := b.connect()
			var wg sync.WaitGroup
			var got [2]calendars.Token
			var errs [2]error
			for i := range got {
				wg.Go(func() { got[i], errs[i] = b.provider.Authority.Refresh(ctx, tok.Refresh) })
			}
			wg.Wait()
			for i := range got {
				check(t, errs[i])
				check(t, second(b.provider.Reader.Calendars(ctx, bearer(got[i].Access))))
				if got[i].Refresh != "" {
					check(t, second(b.provider.Authority.Refresh(ctx, got[i].Refresh)))
				}
			}
		},
		"T36 a scope is unticked": func(t *testing.T, b *bench) {
			untick := []string{"Calendars.Read"}
			if b.side == standin.Google {
				untick = []string{
					"https://www.googleapis.com/auth/calendar.events.readonly",
					"https://www.googleapis.com/auth/calendar.calendarlist.readonly",
				}
			}
			for _, scope := range untick {
				q := b.consent(standin.Decision{Email: email, Untick: []string{scope}})
				_, _, err := b.provider.Authority.Exchange(ctx, q.Get("code"), verifier, redirect)
				b.failed(err, calendars.ErrScopeMissing)
			}
		},
		"T36 a code used twice, a wrong verifier, an old code": func(t *testing.T, b *bench) {
			code := b.consent(standin.Decision{Email: email}).Get("code")
			check(t, third(b.provider.Authority.Exchange(ctx, code, verifier, redirect)))
			_, _, err := b.provider.Authority.Exchange(ctx, code, verifier, redirect)
			b.failed(err, calendars.ErrCodeUsed)

			code = b.consent(standin.Decision{Email: email}).Get("code")
			_, _, err = b.provider.Authority.Exchange(ctx, code, verifier+"x", redirect)
			b.failed(err, calendars.ErrCodeUsed)

			code = b.consent(standin.Decision{Email: email}).Get("code")
			b.wait(11 * time.Minute)
			_, _, err = b.provider.Authority.Exchange(ctx, code, verifier, redirect)
			b.failed(err, calendars.ErrCodeUsed)
		},
		"T36 cancel gives no code": func(t *testing.T, b *bench) {
			if q := b.consent(standin.Decision{Deny: true}); q.Get("error") != "access_denied" || q.Has("code") {
				t.Errorf("callback = %v", q)
			}
		},
		"T25 disconnecting": func(t *testing.T, b *bench) {
			tok, _ := b.connect()
			check(t, b.provider.Authority.Revoke(ctx, tok))
			_, err := b.provider.Authority.Refresh(ctx, tok.Refresh)
			if b.side == standin.Google {
				b.failed(err, calendars.ErrGrantRevoked)
			} else {
				check(t, err) // Microsoft offers no revocation
			}
			check(t, b.provider.Authority.Revoke(ctx, tok)) // ended already: not an error
			check(t, b.provider.Authority.Revoke(ctx, calendars.Token{}))
			if b.side == standin.Google {
				b.fault(standin.FaultSpec{Path: "revoke", Kind: standin.Respond, Status: 503})
				b.failed(b.provider.Authority.Revoke(ctx, tok), calendars.ErrUnavailable)
			}
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t, h))
		})
	}
}

func second[A any](_ A, err error) error { return err }

func third[A, B any](_ A, _ B, err error) error { return err }
