package standin

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed pages
var pages embed.FS

var templates = template.Must(template.New("").ParseFS(pages, "pages/*.html"))

// Decision is what a person does on a consent page.
type Decision struct {
	Email  string   // whom to sign in as; "" = the first person of the provider
	Deny   bool     // presses Cancel
	Untick []string // scopes not granted (granular consent)
}

// Approve answers a consent page without a browser: authURL is what the client
// would redirect to, the result the callback URL the browser would be sent to.
func (w *World) Approve(p Provider, authURL string, d Decision) (string, error) {
	u, err := url.Parse(authURL)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a, problem := w.parseAuth(p, u.Query())
	if problem != "" {
		return "", fmt.Errorf("%w: %s", ErrInvalid, problem)
	}
	people := w.peopleOf(p)
	i := slices.IndexFunc(people, func(x Person) bool { return d.Email == "" || x.Email == d.Email })
	if i < 0 {
		return "", fmt.Errorf("%w: person", ErrNotFound)
	}
	granted := slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool { return slices.Contains(d.Untick, s) })
	to := w.decide(p, a, people[i], granted, d.Deny)
	return to, w.save()
}

// decide makes the callback URL of a decision; w.mu is held.
func (w *World) decide(p Provider, a authRequest, who Person, granted []string, deny bool) string {
	if deny || len(granted) == 0 {
		extra := url.Values{"error": {"access_denied"}}
		if p == Microsoft {
			extra.Set("error_subcode", "cancel")
			extra.Set("error_description", "AADSTS65004: User declined to consent to access the app.")
		}
		return a.back(extra)
	}
	first := true
	for _, g := range w.auth.Grants {
		if g.Person == who.ID && g.Client == a.client && g.Revoked == "" {
			first = false
		}
	}
	prompts := strings.Fields(a.prompt)
	refresh := a.offline && (first || slices.Contains(prompts, "consent"))
	if p == Microsoft {
		refresh = slices.Contains(granted, "offline_access")
	}
	g := w.grant(who, a.client, longScopes(p, granted), refresh)
	value := "4/0A" + w.hexID("code", 24)
	if p == Microsoft {
		value = "M.C1_BAY.2.U." + w.uuid("code")
	}
	w.auth.codes[value] = &code{
		grant: g, redirect: a.redirect, challenge: a.challenge, nonce: a.nonce,
		expires: w.now().Add(codeLife), refresh: refresh,
	}
	extra := url.Values{"code": {value}}
	if p == Google {
		extra.Set("scope", strings.Join(g.Scopes, " "))
		extra.Set("authuser", "0")
		extra.Set("prompt", "consent")
	} else {
		extra.Set("session_state", w.uuid("session"))
	}
	return a.back(extra)
}

// longScopes writes scopes as the token reply does.
func longScopes(p Provider, scopes []string) []string {
	var out []string
	for _, s := range scopes {
		switch {
		case p == Google && s == "email":
			s = scopeEmail
		case p == Google && s == "profile":
			s = scopeProfile
		case p == Microsoft && s == "offline_access": // given by the refresh token, not by the scope
			continue
		case p == Microsoft:
			s = strings.TrimPrefix(s, "https://graph.microsoft.com/")
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

type consentView struct {
	Provider Provider
	Client   string
	People   []Person
	Chosen   string
	Scopes   []scopeView
	Fixed    []string // granted without a checkbox
	Problem  string
	German   bool
}

type scopeView struct{ Name, Text string }

// T chooses the page's language.
func (v consentView) T(de, en string) string {
	if v.German {
		return de
	}
	return en
}

// consent serves an authorization endpoint: GET shows the page, POST to the
// same URL takes the decision.
func (w *World) consent(p Provider) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		a, problem := w.parseAuth(p, r.URL.Query())
		view := consentView{Provider: p, Client: a.client, Problem: problem, German: german(r)}
		if problem != "" {
			w.render(rw, http.StatusBadRequest, "consent.html", view)
			return
		}
		people := w.peopleOf(p)
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				view.Problem = "invalid_request: unreadable form"
				w.render(rw, http.StatusBadRequest, "consent.html", view)
				return
			}
			i := slices.IndexFunc(people, func(x Person) bool { return x.Email == r.PostForm.Get("person") })
			deny := r.PostForm.Get("action") != "allow"
			if i < 0 && !deny {
				view.Problem = "invalid_request: choose an account"
				w.render(rw, http.StatusBadRequest, "consent.html", view)
				return
			}
			var who Person
			if i >= 0 {
				who = people[i]
			}
			granted := slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool {
				return askedFor(p, s) && !slices.Contains(r.PostForm["scope"], s)
			})
			to := w.decide(p, a, who, granted, deny)
			w.saved()
			http.Redirect(rw, r, to, http.StatusFound)
			return
		}
		if strings.Contains(" "+a.prompt+" ", " none ") {
			http.Redirect(rw, r, a.back(url.Values{"error": {"interaction_required"}}), http.StatusFound)
			return
		}
		view.People = people
		for i, x := range people {
			if i == 0 || x.Email == a.hint {
				view.Chosen = x.Email
			}
		}
		for _, s := range a.scopes {
			if askedFor(p, s) {
				view.Scopes = append(view.Scopes, scopeView{s, scopeText(s, view.German)})
			} else {
				view.Fixed = append(view.Fixed, s)
			}
		}
		w.render(rw, http.StatusOK, "consent.html", view)
	}
}

// askedFor tells which scopes have a checkbox: Google's, except those of signing
// in. Microsoft's consent is all or nothing.
func askedFor(p Provider, scope string) bool {
	return p == Google && !slices.Contains([]string{"openid", "email", "profile", scopeEmail, scopeProfile}, scope)
}

func scopeText(scope string, german bool) string {
	texts := map[string][2]string{
		scopeEvents:       {"Termine in Ihren Kalendern ansehen", "View events on your calendars"},
		scopeCalendarList: {"Die Liste Ihrer Kalender ansehen", "See the list of your calendars"},
	}
	t, ok := texts[scope]
	switch {
	case !ok:
		return scope
	case german:
		return t[0]
	}
	return t[1]
}

// german picks the page language: ?lang=, else the browser's first choice,
// German when it says nothing.
func german(r *http.Request) bool {
	lang := r.URL.Query().Get("lang")
	if lang == "" {
		lang = r.Header.Get("Accept-Language")
	}
	return !strings.HasPrefix(strings.ToLower(lang), "en")
}

// render writes a page; a template error is logged, since the status has gone out.
func (w *World) render(rw http.ResponseWriter, status int, name string, data any) {
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	rw.WriteHeader(status)
	if err := templates.ExecuteTemplate(rw, name, data); err != nil {
		w.log.Error("stand-in page not rendered", "page", name, "error", err)
	}
}
