package standin

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// deltaNames are the ways clients spell the function in the path.
var deltaNames = []string{"delta", "delta()", "microsoft.graph.delta()", "microsoft.graph.delta"}

// calendarDelta is calendarView/delta: a first round over a fixed range, then
// rounds of what changed.
func (w *World) calendarDelta(c *call) (int, map[string]any, *graphFailure) {
	if !slices.Contains(deltaNames, c.r.PathValue("delta")) {
		return 0, nil, &graphFailure{http.StatusBadRequest, "BadRequest", "Resource not found for the segment '" + c.r.PathValue("delta") + "'."}
	}
	cal, fail := w.owned(c)
	if fail != nil {
		return 0, nil, fail
	}
	asked, _ := prefers(c.r, "odata.maxpagesize")
	size, fail := c.graphSize(asked, 50, 1000)
	if fail != nil {
		return 0, nil, fail
	}
	if _, ok := prefers(c.r, "odata.maxpagesize"); ok {
		c.rw.Header().Add("Preference-Applied", "odata.maxpagesize="+asked)
	}
	scope := "delta/" + cal.ID
	t := pageToken{Size: size}
	switch {
	case c.query.Has("$skiptoken"):
		if !unseal(c.query.Get("$skiptoken"), &t) {
			return 0, nil, syncStateNotFound
		}
		t.Size = size
	case c.query.Has("$deltatoken"):
		var s syncState
		if !unseal(c.query.Get("$deltatoken"), &s) || s.Calendar != cal.ID || s.Seq > w.seq {
			return 0, nil, syncStateNotFound
		}
		if s.Epoch != cal.Epoch {
			fresh := url.Values{"startDateTime": {s.From.Format("2006-01-02T15:04:05Z")}, "endDateTime": {s.To.Format("2006-01-02T15:04:05Z")}}
			c.rw.Header().Set("Location", c.deltaLink(fresh))
			return 0, nil, &graphFailure{http.StatusGone, "resyncRequired", "The sync state is too old, a full sync is required."}
		}
		items := w.deltaSince(c, cal, s)
		s.Seq = w.seq
		t.List = w.lists.add(&list{items: items, scope: scope, final: map[string]any{"state": seal(s)}})
	default:
		for _, name := range []string{"$select", "$filter", "$expand", "$orderby", "$search", "$top"} {
			if c.query.Has(name) {
				return 0, nil, &graphFailure{http.StatusBadRequest, "ErrorInvalidUrlQuery",
					"The following parameters are not supported with change tracking over the 'Events' resource: '" + name + "'."}
			}
		}
		from, to, fail := c.window()
		if fail != nil {
			return 0, nil, fail
		}
		s := syncState{Calendar: cal.ID, Seq: w.seq, Epoch: cal.Epoch, From: from, To: to}
		t.List = w.lists.add(&list{items: w.deltaNow(c, cal, s), scope: scope, final: map[string]any{"state": seal(s)}})
	}
	items, next, x, ok := w.lists.page(t, c.mode.EmptyPages)
	if !ok || x.scope != scope {
		return 0, nil, syncStateNotFound
	}
	if items == nil {
		items = []any{}
	}
	body := map[string]any{"@odata.context": c.base + "/v1.0/$metadata#Collection(event)", "value": items}
	if next != nil {
		body["@odata.nextLink"] = c.deltaLink(url.Values{"$skiptoken": {seal(next)}})
		return http.StatusOK, body, nil
	}
	if c.mode.EmptyNextLink {
		body["@odata.nextLink"] = ""
	}
	if !c.mode.NoSyncTokens {
		body["@odata.deltaLink"] = c.deltaLink(url.Values{"$deltatoken": {x.final["state"].(string)}})
	}
	return http.StatusOK, body, nil
}

var syncStateNotFound = &graphFailure{http.StatusNotFound, "syncStateNotFound",
	"The sync state generation is not found; please restart the sync with a full enumeration."}

// deltaLink spells the function the plain way, whatever the client wrote.
func (c *call) deltaLink(q url.Values) string {
	path := c.r.URL.EscapedPath()
	return c.base + path[:strings.LastIndexByte(path, '/')] + "/delta?" + q.Encode()
}

// deltaNow is the first round: everything in the range, masters besides their
// occurrences. A series stays together: it follows its master.
func (w *World) deltaNow(c *call, cal *calendar, s syncState) []any {
	s.Seq = 0
	var items []any
	for _, key := range slices.Sorted(maps.Keys(cal.Events)) {
		items = append(items, w.deltaOf(c, cal, cal.Events[key], s, false)...)
	}
	return items
}

// deltaSince is a later round. Everything that changed is told of, as removed
// if it lies outside the range now, even if the client never saw it.
func (w *World) deltaSince(c *call, cal *calendar, s syncState) []any {
	var items []any
	in := overlaps(s.From, s.To)
	for _, key := range slices.Sorted(maps.Keys(cal.Tombs)) {
		t := cal.Tombs[key]
		_, alive := cal.lookup(key)
		near := t.Kind != tombSlot || in(t.Original.AddDate(0, 0, -1), t.Original.AddDate(0, 0, 1))
		if t.Seq > s.Seq && !alive && near && !c.mode.NoTombstones {
			items = append(items, removed(c, cal, key))
		}
	}
	var fresh []any
	for _, key := range slices.Sorted(maps.Keys(cal.Events)) {
		fresh = append(fresh, w.deltaOf(c, cal, cal.Events[key], s, true)...)
	}
	if c.mode.Duplicates && len(fresh) > 0 {
		stale := maps.Clone(fresh[0].(map[string]any))
		if title, ok := stale["subject"].(string); ok {
			stale["subject"] = "(" + title + ")"
		}
		stale["@odata.etag"] = etag(0)
		items = append([]any{stale}, items...)
	}
	return append(items, fresh...)
}

func removed(c *call, cal *calendar, key string) map[string]any {
	return map[string]any{
		"@odata.type": "#microsoft.graph.event", "id": graphID(cal, key, prefersImmutable(c.r)),
		"@removed": map[string]any{"reason": "deleted"},
	}
}

// deltaOf lists what a round says of one event or series. later is false in the
// first round, which says nothing of what lies outside the range.
func (w *World) deltaOf(c *call, cal *calendar, e *Event, s syncState, later bool) []any {
	in := overlaps(s.From, s.To)
	if e.Repeat == nil {
		switch {
		case e.Rev <= s.Seq:
			return nil
		case in(e.Start, e.End):
			return []any{w.graphEventJSON(c, cal, e)}
		case later:
			return []any{removed(c, cal, e.ID)}
		}
		return nil
	}
	var items []any
	inside := false
	for _, i := range cal.instances(e) {
		hit := in(i.Start, i.End) && !i.Dropped
		inside = inside || hit
		if i.Rev <= s.Seq {
			continue
		}
		switch {
		case hit && i.Changed:
			items = append(items, w.graphEventJSON(c, cal, &i))
		case hit:
			items = append(items, w.stub(c, cal, &i))
		case !later || !i.Changed && !i.Dropped: // plain slots outside the range are not told of
		case i.Dropped && (c.mode.SilentInstances || c.mode.NoTombstones):
		default:
			items = append(items, removed(c, cal, i.ID))
		}
	}
	switch {
	case inside && (e.Rev > s.Seq || len(items) > 0):
		return append([]any{w.graphEventJSON(c, cal, e)}, items...)
	case later && (e.Rev > s.Seq || len(items) > 0): // nothing of it is left in the range
		return append([]any{removed(c, cal, e.ID)}, items...)
	}
	return items
}
