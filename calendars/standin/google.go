package standin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Google is Google's side: consent page, token endpoint and Calendar API v3,
// with the paths below the handler as Google spells them.
func (w *World) Google() http.Handler {
	mux := http.NewServeMux()
	consent := w.consent(Google)
	mux.Handle("GET /o/oauth2/v2/auth", consent)
	mux.Handle("POST /o/oauth2/v2/auth", consent)
	for _, path := range []string{"/token", "/oauth2/token"} {
		mux.HandleFunc("POST "+path, w.googleToken)
	}
	for _, path := range []string{"/revoke", "/oauth2/revoke"} {
		mux.HandleFunc("POST "+path, w.googleRevoke)
	}
	for _, path := range []string{"/oauth2/v2/userinfo", "/oauth2/v3/userinfo", "/v1/userinfo"} {
		mux.HandleFunc("GET "+path, w.googleUserinfo)
	}
	mux.HandleFunc("GET /oauth2/v3/certs", certs)
	mux.HandleFunc("GET /.well-known/openid-configuration", w.googleDiscovery)

	api := "/calendar/v3"
	mux.HandleFunc("GET "+api+"/users/me/calendarList", w.googleAPI(mayReadList, w.calendarList))
	mux.HandleFunc("GET "+api+"/calendars/{calendar}/events", w.googleAPI(mayReadEvents, w.eventsList))
	mux.HandleFunc("GET "+api+"/calendars/{calendar}/events/{event}", w.googleAPI(mayReadEvents, w.eventsGet))
	mux.HandleFunc("POST "+api+"/calendars/{calendar}/events/watch", w.googleAPI(mayReadEvents, w.eventsWatch))
	mux.HandleFunc("POST "+api+"/channels/stop", w.googleAPI(slices.Concat(mayReadList, mayReadEvents), w.channelsStop))
	mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) {
		googleFailure{http.StatusNotFound, "global", "notFound", "Not Found", "", ""}.write(rw)
	})
	return w.watched(Google, mux)
}

func (w *World) googleDiscovery(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	base := w.base(Google, r)
	w.mu.Unlock()
	writeJSON(rw, http.StatusOK, map[string]any{
		"issuer": base, "authorization_endpoint": base + "/o/oauth2/v2/auth", "token_endpoint": base + "/token",
		"revocation_endpoint": base + "/revoke", "userinfo_endpoint": base + "/v1/userinfo",
		"jwks_uri": base + "/oauth2/v3/certs", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "code_challenge_methods_supported": []string{"S256"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// googleFailure is an error in Google's JSON shape.
type googleFailure struct {
	status                  int
	domain, reason, message string
	locationType, location  string
}

func (f googleFailure) write(rw http.ResponseWriter) {
	one := map[string]any{"domain": f.domain, "reason": f.reason, "message": f.message}
	if f.location != "" {
		one["locationType"], one["location"] = f.locationType, f.location
	}
	writeJSON(rw, f.status, map[string]any{"error": map[string]any{
		"code": f.status, "message": f.message, "errors": []any{one},
	}})
}

var (
	failNotFound = &googleFailure{http.StatusNotFound, "global", "notFound", "Not Found", "", ""}
	failGone     = &googleFailure{http.StatusGone, "calendar", "fullSyncRequired",
		"Sync token is no longer valid, a full sync is required.", "parameter", "syncToken"}
)

func failInvalid(parameter, message string) *googleFailure {
	return &googleFailure{http.StatusBadRequest, "global", "invalid", message, "parameter", parameter}
}

// call is one authorised request to an API; w.mu is held while it is answered.
type call struct {
	rw     http.ResponseWriter
	r      *http.Request
	query  url.Values
	grant  *grant
	person *Person
	base   string
	mode   Mode
}

// googleAPI checks the bearer token and one of the scopes, then answers with
// what answer returns, cut to the fields mask.
func (w *World) googleAPI(scopes []string, answer func(*call) (map[string]any, *googleFailure)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, failure := func() (map[string]any, *googleFailure) {
			w.mu.Lock()
			defer w.mu.Unlock()
			g, p, ok := w.bearer(r, Google)
			if !ok {
				rw.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
				return nil, &googleFailure{http.StatusUnauthorized, "global", "authError", "Invalid Credentials", "header", "Authorization"}
			}
			if !hasAny(g.Scopes, scopes) {
				return nil, &googleFailure{http.StatusForbidden, "global", "insufficientPermissions",
					"Request had insufficient authentication scopes.", "", ""}
			}
			query, err := url.ParseQuery(r.URL.RawQuery)
			if err != nil {
				return nil, failInvalid("query", "Invalid query.")
			}
			return answer(&call{rw: rw, r: r, query: query, grant: g, person: p, base: w.base(Google, r), mode: w.modes[Google]})
		}()
		switch {
		case failure != nil:
			failure.write(rw)
		case body == nil:
			rw.WriteHeader(http.StatusNoContent)
		default:
			mask, err := parseMask(r.URL.Query().Get("fields"))
			if err != nil {
				failInvalid("fields", "Invalid field selection "+r.URL.Query().Get("fields")).write(rw)
				return
			}
			writeJSON(rw, http.StatusOK, mask.apply(body))
		}
	}
}

// visible finds a calendar the caller can reach.
func (w *World) visible(c *call, id string) (*calendar, *googleFailure) {
	if id == "primary" {
		id = c.person.Email
	}
	cal, ok := w.calendars[id]
	if !ok || cal.Deleted || cal.Person != c.person.ID || cal.Role == NoRole {
		return nil, failNotFound
	}
	if hasAny(c.grant.Scopes, []string{scopeEventsOwned}) && !hasAny(c.grant.Scopes, []string{scopeEvents}) && cal.Role != RoleOwner {
		return nil, failNotFound
	}
	return cal, nil
}

// flag reads a boolean parameter.
func flag(q url.Values, name string) (bool, *googleFailure) {
	switch strings.ToLower(q.Get(name)) {
	case "":
		return false, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, failInvalid(name, "Invalid boolean value: '"+q.Get(name)+"'.")
}
