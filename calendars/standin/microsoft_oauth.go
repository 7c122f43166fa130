package standin

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tenantID is the tenant of personal accounts, the one every person here has.
const tenantID = "9188040d-6c67-4c5b-b112-36a304b66dad"

// aadError is the error body of the Microsoft identity platform.
func (w *World) aadError(rw http.ResponseWriter, status int, word string, number int, text string) {
	now := w.now()
	trace, correlation := w.uuid("trace"), w.uuid("correlation")
	body := map[string]any{
		"error": word,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			number, text, trace, correlation, now.Format("2006-01-02 15:04:05Z")),
		"error_codes": []int{number}, "timestamp": now.Format("2006-01-02 15:04:05Z"),
		"trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", number),
	}
	if word == "interaction_required" {
		body["suberror"] = "basic_action"
	}
	writeJSON(rw, status, body)
}

// microsoftToken is the token endpoint of every tenant.
func (w *World) microsoftToken(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		w.aadError(rw, http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read.")
		return
	}
	client, ok := w.clientOf(Microsoft, r)
	switch known := w.client(Microsoft); {
	case client == "":
		w.aadError(rw, http.StatusBadRequest, "invalid_request", 900144,
			"The request body must contain the following parameter: 'client_id'.")
		return
	case known.ID != "" && client != known.ID:
		w.aadError(rw, http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '"+client+"' was not found in the directory.")
		return
	case !ok:
		w.aadError(rw, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
		return
	}
	form := r.PostForm
	switch form.Get("grant_type") {
	case "authorization_code":
		c, ok := w.auth.codes[form.Get("code")]
		verifier := form.Get("code_verifier")
		bad := func(number int, text string) { w.aadError(rw, http.StatusBadRequest, "invalid_grant", number, text) }
		switch {
		case !ok || c.grant.Provider != Microsoft || c.grant.Client != client:
			bad(9002313, "Invalid request. Request is malformed or invalid.")
		case c.used:
			bad(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
		case !w.now().Before(c.expires):
			bad(70008, "The provided authorization code or refresh token has expired due to inactivity.")
		case form.Get("redirect_uri") != c.redirect:
			bad(70002, "The specified value of 'redirect_uri' does not match the one the code was requested with.")
		case verifier == "":
			bad(50148, "The code_verifier is missing.")
		case challengeOf(verifier) != c.challenge:
			bad(501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
		default:
			c.used = true
			w.microsoftTokens(rw, r, c.grant, c.nonce)
		}
	case "refresh_token":
		w.microsoftRefresh(rw, r, client)
	default:
		w.aadError(rw, http.StatusBadRequest, "unsupported_grant_type", 70003,
			"The app requested an unsupported grant type '"+form.Get("grant_type")+"'.")
	}
}

// microsoftRefresh rotates a refresh token: the reply has a new one, and the
// old one goes on for rotatedLife at most.
func (w *World) microsoftRefresh(rw http.ResponseWriter, r *http.Request, client string) {
	t, ok := w.auth.Tokens[r.PostForm.Get("refresh_token")]
	bad := func(number int, text string) { w.aadError(rw, http.StatusBadRequest, "invalid_grant", number, text) }
	if !ok || t.Kind != refreshToken || w.auth.Grants[t.Grant].Provider != Microsoft || w.auth.Grants[t.Grant].Client != client {
		bad(9002313, "Invalid request. Request is malformed or invalid.")
		return
	}
	g := w.auth.Grants[t.Grant]
	switch {
	case g.Revoked == PasswordChanged:
		bad(50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed.")
		return
	case g.Revoked == NeedsMFA:
		w.aadError(rw, http.StatusBadRequest, "interaction_required", 50076,
			"Due to a configuration change made by your administrator, you must use multi-factor authentication.")
		return
	case g.Revoked == Inactive || !w.now().Before(t.Expires):
		bad(700082, "The refresh token has expired due to inactivity.")
		return
	case g.Revoked != "":
		bad(65001, "The user or administrator has not consented to use the application with ID '"+client+"'.")
		return
	}
	if until := w.now().Add(rotatedLife); until.Before(t.Expires) {
		t.Expires = until
	}
	w.microsoftTokens(rw, r, g, "")
}

func (w *World) microsoftTokens(rw http.ResponseWriter, r *http.Request, g *grant, nonce string) {
	life := int(accessLife / time.Second)
	body := map[string]any{
		"token_type": "Bearer", "scope": strings.Join(g.Scopes, " "), "expires_in": life, "ext_expires_in": life,
		"access_token": w.issue(g, accessToken),
	}
	if g.Offline {
		body["refresh_token"] = w.issue(g, refreshToken)
	}
	if hasAny(g.Scopes, []string{"openid"}) {
		id, err := w.idToken(g, w.base(Microsoft, r)+"/"+tenantID+"/v2.0", nonce)
		if err != nil {
			w.log.Error("id token not signed", "error", err)
			w.aadError(rw, http.StatusInternalServerError, "temporarily_unavailable", 90033, "A transient error has occurred.")
			return
		}
		body["id_token"] = id
	}
	w.saved()
	writeJSON(rw, http.StatusOK, body)
}

func (w *World) microsoftDiscovery(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	base := w.base(Microsoft, r)
	w.mu.Unlock()
	tenant := base + "/" + r.PathValue("tenant")
	writeJSON(rw, http.StatusOK, map[string]any{
		"issuer": base + "/" + tenantID + "/v2.0", "authorization_endpoint": tenant + "/oauth2/v2.0/authorize",
		"token_endpoint": tenant + "/oauth2/v2.0/token", "jwks_uri": tenant + "/discovery/v2.0/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"},
		"code_challenge_methods_supported": []string{"S256"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}
