package standin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Microsoft is Microsoft's side: the identity platform below /{tenant}/ and
// Graph below /v1.0/.
func (w *World) Microsoft() http.Handler {
	mux := http.NewServeMux()
	consent := w.consent(Microsoft)
	mux.Handle("GET /{tenant}/oauth2/v2.0/authorize", consent)
	mux.Handle("POST /{tenant}/oauth2/v2.0/authorize", consent)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", w.microsoftToken)
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", certs)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", w.microsoftDiscovery)

	graph := http.NewServeMux()
	anyScope := []string(nil)
	calendars := []string{"Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared", "Calendars.ReadBasic"}
	api := func(pattern string, scopes []string, answer func(*call) (int, map[string]any, *graphFailure)) {
		graph.HandleFunc(pattern, w.graphAPI(scopes, answer))
	}
	api("GET /v1.0/me", anyScope, w.me)
	api("GET /v1.0/me/calendars", calendars, w.graphCalendars)
	api("GET /v1.0/me/calendar", calendars, w.graphCalendar)
	api("GET /v1.0/me/calendars/{calendar}", calendars, w.graphCalendar)
	for _, at := range []string{"/v1.0/me", "/v1.0/me/calendar", "/v1.0/me/calendars/{calendar}"} {
		api("GET "+at+"/calendarView", calendars, w.calendarView)
		api("GET "+at+"/calendarView/{delta}", calendars, w.calendarDelta)
		api("GET "+at+"/events/{event}", calendars, w.graphEvent)
	}
	api("GET /v1.0/subscriptions", calendars, w.subscriptionsList)
	api("GET /v1.0/subscriptions/{id}", calendars, w.subscriptionGet)
	api("DELETE /v1.0/subscriptions/{id}", calendars, w.subscriptionDelete)
	graph.HandleFunc("POST /v1.0/subscriptions", w.subscriptionCreate)
	graph.HandleFunc("PATCH /v1.0/subscriptions/{id}", w.subscriptionUpdate)
	graph.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		w.graphError(rw, r, &graphFailure{http.StatusBadRequest, "BadRequest", "Resource not found for the segment."})
	})
	// One mux cannot hold both: "v1.0" would also be a tenant.
	return w.watched(Microsoft, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1.0/") {
			graph.ServeHTTP(rw, r)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
}

// graphFailure is an error in OData's JSON shape.
type graphFailure struct {
	status        int
	code, message string
}

var graphNotFound = &graphFailure{http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store."}

func graphInvalid(message string) *graphFailure {
	return &graphFailure{http.StatusBadRequest, "ErrorInvalidParameter", message}
}

func (w *World) graphError(rw http.ResponseWriter, r *http.Request, f *graphFailure) {
	w.mu.Lock()
	id, now := w.uuid("request"), w.now()
	w.mu.Unlock()
	rw.Header().Set("request-id", id)
	writeJSON(rw, f.status, map[string]any{"error": map[string]any{
		"code": f.code, "message": f.message,
		"innerError": map[string]any{
			"date": now.Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": r.Header.Get("client-request-id"),
		},
	}})
}

// authorise checks a Graph request's token; w.mu is held.
func (w *World) authorise(rw http.ResponseWriter, r *http.Request, scopes []string) (*call, *graphFailure) {
	g, p, ok := w.bearer(r, Microsoft)
	if !ok {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="invalid_token"`)
		return nil, &graphFailure{http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."}
	}
	if scopes != nil && !hasAny(g.Scopes, scopes) {
		return nil, &graphFailure{http.StatusForbidden, "ErrorAccessDenied", "Access is denied. Check credentials and try again."}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &graphFailure{http.StatusBadRequest, "BadRequest", "Invalid query."}
	}
	return &call{rw: rw, r: r, query: query, grant: g, person: p, base: w.base(Microsoft, r), mode: w.modes[Microsoft]}, nil
}

func (w *World) graphAPI(scopes []string, answer func(*call) (int, map[string]any, *graphFailure)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		status, body, failure := func() (int, map[string]any, *graphFailure) {
			w.mu.Lock()
			defer w.mu.Unlock()
			c, failure := w.authorise(rw, r, scopes)
			if failure != nil {
				return 0, nil, failure
			}
			return answer(c)
		}()
		if prefersImmutable(r) {
			rw.Header().Add("Preference-Applied", `IdType="ImmutableId"`)
		}
		switch {
		case failure != nil:
			w.graphError(rw, r, failure)
		case body == nil:
			rw.WriteHeader(status)
		default:
			writeJSON(rw, status, body)
		}
	}
}

func (w *World) me(c *call) (int, map[string]any, *graphFailure) {
	return http.StatusOK, cut(map[string]any{
		"@odata.context": c.base + "/v1.0/$metadata#users/$entity", "id": c.person.ID, "displayName": c.person.Name,
		"mail": c.person.Email, "userPrincipalName": c.person.Email,
	}, selection(c.query.Get("$select"))), nil
}

// graphSize reads a page size.
func (c *call) graphSize(text string, usual, most int) (int, *graphFailure) {
	n := usual
	if text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > most {
			return 0, &graphFailure{http.StatusBadRequest, "ErrorInvalidUrlQueryFilter",
				"The page size must be between 1 and " + strconv.Itoa(most) + "."}
		}
	}
	if c.mode.PageSize > 0 {
		n = min(n, c.mode.PageSize)
	}
	return n, nil
}

// skipped makes one page out of n items by $skip and adds the next link, the way
// lists without change tracking page: over the data of the moment.
func (c *call) skipped(n int, item func(int) any, size int, body map[string]any) *graphFailure {
	skip := 0
	if v := c.query.Get("$skip"); v != "" {
		var err error
		if skip, err = strconv.Atoi(v); err != nil || skip < 0 {
			return graphInvalid("$skip must be a number.")
		}
	}
	emptyDone := c.query.Get("$skiptoken") == "empty"
	next := url.Values{}
	for key, values := range c.query {
		next[key] = values
	}
	if c.mode.EmptyPages && skip == 0 && !emptyDone {
		next.Set("$skiptoken", "empty")
		body["value"], body["@odata.nextLink"] = []any{}, c.link(next)
		return nil
	}
	page := []any{}
	to := min(max(skip+size, skip), n) // the sum may overflow
	for i := skip; i < to; i++ {
		page = append(page, item(i))
	}
	body["value"] = page
	if to < n {
		next.Set("$skip", strconv.Itoa(to))
		next.Del("$skiptoken")
		body["@odata.nextLink"] = c.link(next)
	}
	return nil
}

// link is the absolute URL of this path with another query.
func (c *call) link(q url.Values) string { return c.base + c.r.URL.EscapedPath() + "?" + q.Encode() }

func (w *World) graphCalendars(c *call) (int, map[string]any, *graphFailure) {
	size, fail := c.graphSize(c.query.Get("$top"), 10, 1000)
	if fail != nil {
		return 0, nil, fail
	}
	var items []any
	for _, cal := range w.calendarsOf(c.person.ID) {
		if !cal.Deleted && cal.Role != NoRole {
			items = append(items, cut(w.graphCalendarJSON(c, cal), selection(c.query.Get("$select"))))
		}
	}
	body := map[string]any{"@odata.context": c.base + "/v1.0/$metadata#users('" + c.person.ID + "')/calendars"}
	if fail := c.skipped(len(items), func(i int) any { return items[i] }, size, body); fail != nil {
		return 0, nil, fail
	}
	return http.StatusOK, body, nil
}

// owned finds the calendar of the path, the default one if it names none.
func (w *World) owned(c *call) (*calendar, *graphFailure) {
	id := c.r.PathValue("calendar")
	for _, cal := range w.calendarsOf(c.person.ID) {
		if (cal.ID == id || id == "" && cal.Primary) && !cal.Deleted && cal.Role != NoRole {
			return cal, nil
		}
	}
	return nil, graphNotFound
}

func (w *World) graphCalendar(c *call) (int, map[string]any, *graphFailure) {
	cal, fail := w.owned(c)
	if fail != nil {
		return 0, nil, fail
	}
	return http.StatusOK, cut(w.graphCalendarJSON(c, cal), selection(c.query.Get("$select"))), nil
}

func (w *World) graphCalendarJSON(c *call, cal *calendar) map[string]any {
	return map[string]any{
		"id": cal.ID, "name": cal.Name, "color": "auto", "hexColor": "", "isDefaultCalendar": cal.Primary,
		"changeKey": "ck" + strconv.FormatUint(cal.Seq, 10), "canShare": cal.Role == RoleOwner,
		"canViewPrivateItems": seesPrivate(cal), "canEdit": slices.Contains([]string{RoleOwner, RoleWriter, RoleWriterWithoutPrivateAccess}, cal.Role),
		"isRemovable": !cal.Primary, "isTallyingResponses": cal.Primary,
		"owner": map[string]any{"name": c.person.Name, "address": c.person.Email},
	}
}

func seesPrivate(cal *calendar) bool { return cal.Role == RoleOwner || cal.Role == RoleWriter }

// window reads the range of a calendar view. A time without offset is UTC.
func (c *call) window() (from, to time.Time, fail *graphFailure) {
	read := func(names ...string) (time.Time, bool) {
		for _, name := range names {
			text := c.query.Get(name)
			for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.9999999", "2006-01-02T15:04", "2006-01-02"} {
				if t, err := time.Parse(layout, text); err == nil {
					return t.UTC(), true
				}
			}
		}
		return time.Time{}, false
	}
	from, ok1 := read("startDateTime", "StartDateTime", "startdatetime")
	to, ok2 := read("endDateTime", "EndDateTime", "enddatetime")
	switch {
	case !ok1 || !ok2:
		return from, to, graphInvalid("This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.")
	case to.Before(from):
		return from, to, graphInvalid("The end of the time window lies before its start.")
	case to.Sub(from) > 1825*24*time.Hour:
		return from, to, graphInvalid("The requested time window is longer than 1825 days.")
	}
	return from, to, nil
}

func (w *World) calendarView(c *call) (int, map[string]any, *graphFailure) {
	cal, fail := w.owned(c)
	if fail != nil {
		return 0, nil, fail
	}
	from, to, fail := c.window()
	if fail != nil {
		return 0, nil, fail
	}
	size, fail := c.graphSize(c.query.Get("$top"), 10, 1000)
	if fail != nil {
		return 0, nil, fail
	}
	names := selection(c.query.Get("$select"))
	live := cal.expand(overlaps(from, to))
	if strings.HasSuffix(strings.ToLower(c.query.Get("$orderby")), " desc") {
		slices.Reverse(live)
	}
	item := func(i int) any {
		item := w.graphEventJSON(c, cal, &live[i])
		if names != nil { // not to be had here, whatever $select says
			delete(item, "createdDateTime")
			delete(item, "lastModifiedDateTime")
		}
		return cut(item, names)
	}
	body := map[string]any{"@odata.context": c.base + "/v1.0/$metadata#users('" + c.person.ID + "')/calendars('x')/calendarView"}
	if fail := c.skipped(len(live), item, size, body); fail != nil {
		return 0, nil, fail
	}
	return http.StatusOK, body, nil
}

func (w *World) graphEvent(c *call) (int, map[string]any, *graphFailure) {
	for _, cal := range w.calendarsOf(c.person.ID) {
		in := c.r.PathValue("calendar")
		if cal.Deleted || cal.Role == NoRole || in != "" && in != cal.ID {
			continue
		}
		key, ok := keyOf(cal, c.r.PathValue("event"))
		if !ok {
			continue
		}
		if e, ok := cal.lookup(key); ok {
			item := cut(w.graphEventJSON(c, cal, e), selection(c.query.Get("$select")))
			item["@odata.context"] = c.base + "/v1.0/$metadata#users('" + c.person.ID + "')/events/$entity"
			return http.StatusOK, item, nil
		}
	}
	return 0, nil, graphNotFound
}
