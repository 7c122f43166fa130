package web

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/web/accounts"
)

// request is an HTTP request together with who sent it.
type request struct {
	*http.Request
	s       *Server
	Account accounts.Account // the clinic at work; zero for strangers and for operators at none
	User    accounts.User    // also one of the operator's people
	home    accounts.Account // the user's own, where Account is one they went into
	role    access           // what whoever is logged in may be taken for; 0 = nobody is
	session int64            // number of the log-in
	Lang    string
	Loc     *time.Location
}

// largeBodies are the routes that take more than a megabyte, in bytes.
var largeBodies = map[string]int64{"POST /admin/billing/bank": mostBankFile, "POST /billing/orders/{id}/files": maxOrderFile}

// zurich is the clock of whoever is at no clinic: operators, and who isn't logged in.
var zurich = sync.OnceValue(func() *time.Location {
	if loc, err := time.LoadLocation("Europe/Zurich"); err == nil {
		return loc
	}
	return time.UTC // no zones on this machine
})

// serve wraps a route's handler: who is it, may they, and what if it fails.
func (s *Server) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		hr.Body = http.MaxBytesReader(w, hr.Body, cmp.Or(largeBodies[rt.pattern], 1<<20))
		w.Header().Set("Cache-Control", "no-store")
		r := &request{Request: hr, s: s, Loc: zurich()}
		r.Lang = s.words.language(hr, "")
		if err := r.identify(); err != nil {
			s.fail(w, r, err)
			return
		}
		if rt.access&anybody == 0 && rt.access&r.role == 0 {
			s.fail(w, r, r.refusal())
			return
		}
		if err := readForm(r.Request); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := rt.handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// refusal is the answer to somebody a route isn't for: to log in first, or no. At the
// front door everybody is shown to where they begin.
func (r *request) refusal() error {
	switch {
	case r.role == 0:
		return errLogIn
	case r.Method == http.MethodGet && r.URL.Path == "/" && !r.fragment():
		return errElsewhere
	}
	return &problem{http.StatusForbidden, "forbidden", nil}
}

// readForm reads query and form at once: FormValue and its like would take one that is
// too large, or torn, for an empty one. Text that PostgreSQL can't hold is refused in a
// form; in a query, which only searches, it is left out.
func readForm(r *http.Request) error {
	query := r.URL.Query()
	if clean(query) > 0 {
		r.URL.RawQuery = query.Encode()
	}
	if err := r.ParseForm(); err != nil {
		return &problem{http.StatusBadRequest, "bad_form", err}
	}
	if clean(r.PostForm) > 0 {
		return &problem{http.StatusBadRequest, "bad_form", nil}
	}
	return nil
}

// clean removes what no column can hold from all values and reports how many had some.
func clean(all url.Values) (dirty int) {
	for _, values := range all {
		for i, v := range values {
			if c := strings.ReplaceAll(strings.ToValidUTF8(v, ""), "\x00", ""); c != v {
				values[i] = c
				dirty++
			}
		}
	}
	return dirty
}

// tx runs fn in a transaction bound to the request's account.
func (r *request) tx(fn func(ctx context.Context, tx *sqlx.Tx) error) error {
	return migrations.InAccount(r.Context(), r.s.DB, r.Account.ID, func(tx *sqlx.Tx) error { return fn(r.Context(), tx) })
}

// say is the page language's words for key.
func (r *request) say(key string, pairs ...any) string { return r.s.words.say(r.Lang, key, pairs...) }

// now is the current instant in the clinic's zone.
func (r *request) now() time.Time { return r.s.Now().In(r.Loc) }

// fragment reports whether app.js asks for a piece of a page.
func (r *request) fragment() bool { return r.Header.Get("X-Fragment") != "" }

// id reads a numeric path value; anything else is a page that does not exist.
func (r *request) id(name string) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, errNoPage
	}
	return id, nil
}

// binding ties an OAuth state to this browser session. It is made once per session.
func (r *request) binding() string {
	b := r.s.sessions.GetString(r.Context(), "binding")
	if b == "" {
		b = randomText()
		r.s.sessions.Put(r.Context(), "binding", b)
	}
	return b
}

// client is what limits count: the remote IP, or behind a proxy on this machine the last
// address it forwarded for. Of IPv6 it is the /64, all of which one customer of a provider
// has to choose addresses from (RFC 6177).
func (r *request) client() string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip.Unmap().IsLoopback() {
		parts := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
		if last, err := netip.ParseAddr(strings.TrimSpace(parts[len(parts)-1])); err == nil {
			ip = last
		}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().Addr().String()
}

// see answers a successful POST: back to a page of ours, with words for the top.
func (r *request) see(w http.ResponseWriter, path, flashKey string, pairs ...any) error {
	if flashKey != "" {
		r.flash("good", flashKey, pairs...)
	}
	http.Redirect(w, r.Request, path, http.StatusSeeOther)
	return nil
}

// flash keeps words for the next page, as good, warn or bad news.
func (r *request) flash(mood, key string, pairs ...any) {
	r.brief()
	r.s.sessions.Put(r.Context(), "flash_mood", mood)
	r.s.sessions.Put(r.Context(), "flash", r.say(key, pairs...))
}

// local returns p if it is a path on this site, else "/": a log-in page never
// becomes a springboard to another site.
func local(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t") {
		return "/"
	}
	return p
}
