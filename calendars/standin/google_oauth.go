package standin

import (
	"net/http"
	"strings"
)

// Google's scopes that open something here.
const (
	scopeEvents       = "https://www.googleapis.com/auth/calendar.events.readonly"
	scopeEventsOwned  = "https://www.googleapis.com/auth/calendar.events.owned.readonly"
	scopeCalendarList = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
	scopeEmail        = "https://www.googleapis.com/auth/userinfo.email"
	scopeProfile      = "https://www.googleapis.com/auth/userinfo.profile"
)

var (
	mayReadEvents = []string{
		scopeEvents, scopeEventsOwned, "https://www.googleapis.com/auth/calendar.events",
		"https://www.googleapis.com/auth/calendar.readonly", "https://www.googleapis.com/auth/calendar",
	}
	mayReadList = []string{
		scopeCalendarList, "https://www.googleapis.com/auth/calendar.calendarlist",
		"https://www.googleapis.com/auth/calendar.readonly", "https://www.googleapis.com/auth/calendar",
	}
)

// oauthError is RFC 6749's error body, in Google's words.
func oauthError(rw http.ResponseWriter, status int, code, description string) {
	body := map[string]any{"error": code}
	if description != "" {
		body["error_description"] = description
	}
	writeJSON(rw, status, body)
}

// googleToken is the token endpoint.
func (w *World) googleToken(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError(rw, http.StatusBadRequest, "invalid_request", "Bad Request")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	client, ok := w.clientOf(Google, r)
	if !ok {
		oauthError(rw, http.StatusUnauthorized, "invalid_client", "Unauthorized")
		return
	}
	form := r.PostForm
	switch form.Get("grant_type") {
	case "authorization_code":
		c, ok := w.auth.codes[form.Get("code")]
		verifier := form.Get("code_verifier")
		switch {
		case !ok || c.grant.Provider != Google || c.grant.Client != client:
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Malformed auth code.")
			return
		case c.used || !w.now().Before(c.expires):
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Bad Request")
			return
		case form.Get("redirect_uri") != c.redirect:
			oauthError(rw, http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request")
			return
		case verifier == "":
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Missing code verifier.")
			return
		case challengeOf(verifier) != c.challenge:
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Invalid code verifier.")
			return
		}
		c.used = true
		w.googleTokens(rw, r, c.grant, c.refresh, c.nonce)
	case "refresh_token":
		t, ok := w.auth.Tokens[form.Get("refresh_token")]
		if !ok || t.Kind != refreshToken {
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Bad Request")
			return
		}
		g := w.auth.Grants[t.Grant]
		switch {
		case g.Provider != Google || g.Client != client:
			oauthError(rw, http.StatusUnauthorized, "unauthorized_client", "Unauthorized")
			return
		case g.Revoked != "" || !w.now().Before(t.Expires):
			oauthError(rw, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
			return
		}
		t.Expires = w.now().Add(googleIdleLife) // use keeps it alive
		w.googleTokens(rw, r, g, false, "")
	default:
		oauthError(rw, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+form.Get("grant_type"))
	}
}

// googleTokens answers with fresh tokens of g.
func (w *World) googleTokens(rw http.ResponseWriter, r *http.Request, g *grant, refresh bool, nonce string) {
	body := map[string]any{
		"access_token": w.issue(g, accessToken), "expires_in": int(accessLife.Seconds()) - 1,
		"scope": strings.Join(g.Scopes, " "), "token_type": "Bearer",
	}
	if refresh {
		body["refresh_token"] = w.issue(g, refreshToken)
	}
	if hasAny(g.Scopes, []string{"openid"}) {
		id, err := w.idToken(g, w.base(Google, r), nonce)
		if err != nil {
			w.log.Error("id token not signed", "error", err)
			oauthError(rw, http.StatusInternalServerError, "internal_failure", "")
			return
		}
		body["id_token"] = id
	}
	w.saved()
	writeJSON(rw, http.StatusOK, body)
}

// googleRevoke ends the whole grant behind an access or refresh token.
func (w *World) googleRevoke(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError(rw, http.StatusBadRequest, "invalid_request", "Bad Request")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.auth.Tokens[r.Form.Get("token")]
	if !ok || w.auth.Grants[t.Grant].Revoked != "" || w.auth.Grants[t.Grant].Provider != Google {
		oauthError(rw, http.StatusBadRequest, "invalid_token", "Token expired or revoked")
		return
	}
	chosen := w.auth.Grants[t.Grant]
	for _, g := range w.auth.Grants {
		if g.Person == chosen.Person && g.Client == chosen.Client {
			g.Revoked = Revoked
		}
	}
	w.saved()
	writeJSON(rw, http.StatusOK, map[string]any{})
}

// googleUserinfo tells whose token it is.
func (w *World) googleUserinfo(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, p, ok := w.bearer(r, Google)
	if !ok {
		oauthError(rw, http.StatusUnauthorized, "invalid_request", "Invalid Credentials")
		return
	}
	writeJSON(rw, http.StatusOK, map[string]any{
		"sub": p.ID, "id": p.ID, "email": p.Email, "email_verified": true, "verified_email": true, "name": p.Name,
	})
}

func hasAny(have, want []string) bool {
	for _, x := range have {
		for _, y := range want {
			if x == y {
				return true
			}
		}
	}
	return false
}
