package standin

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// forbiddenWithToken lists what events.list refuses beside a sync token.
//
// Source: https://developers.google.com/workspace/calendar/api/v3/reference/events/list
var forbiddenWithToken = []string{
	"iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin",
}

// eventsList is events.list.
func (w *World) eventsList(c *call) (map[string]any, *googleFailure) {
	cal, fail := w.visible(c, c.r.PathValue("calendar"))
	if fail != nil {
		return nil, fail
	}
	size, fail := c.size("maxResults", 250, 2500)
	if fail != nil {
		return nil, fail
	}
	single, fail := flag(c.query, "singleEvents")
	if fail != nil {
		return nil, fail
	}
	types := slices.Sorted(slices.Values(c.query["eventTypes"]))
	constant := strings.Join([]string{
		strconv.FormatBool(single), strings.Join(types, ","), c.query.Get("timeZone"), c.query.Get("maxAttendees"),
	}, "|")
	zone := cal.Zone
	if z := c.query.Get("timeZone"); z != "" {
		if _, err := time.LoadLocation(z); err != nil {
			return nil, failInvalid("timeZone", "Invalid time zone: "+z)
		}
		zone = z
	}
	head := map[string]any{
		"kind": "calendar#events", "etag": strconv.Quote("p" + strconv.FormatUint(w.seq, 10)),
		"summary": cal.Name, "updated": rfcMillis(w.now()), "timeZone": zone, "accessRole": cal.Role,
		"defaultReminders": []any{},
	}
	wanted := func(e *Event) bool { return len(types) == 0 || slices.Contains(types, eventType(e)) }
	return w.paged(c, "events/"+cal.ID+"/"+constant, size, func() ([]any, syncState, *googleFailure) {
		state := syncState{Calendar: cal.ID, Seq: w.seq, Epoch: cal.Epoch, Scope: constant}
		if c.query.Has("syncToken") {
			items, fail := w.eventsSince(c, cal, single, constant, wanted, zone)
			return items, state, fail
		}
		items, filtered, fail := w.eventsNow(c, cal, single, wanted, zone)
		if filtered { // such a list is no base to sync from
			state = syncState{}
		}
		return items, state, fail
	}, head)
}

// eventsNow is a full read.
func (w *World) eventsNow(c *call, cal *calendar, single bool, wanted func(*Event) bool, zone string) (items []any, filtered bool, fail *googleFailure) {
	from, fail := c.instant("timeMin")
	if fail != nil {
		return nil, false, fail
	}
	to, fail := c.instant("timeMax")
	if fail != nil {
		return nil, false, fail
	}
	after, fail := c.instant("updatedMin")
	if fail != nil {
		return nil, false, fail
	}
	deleted, fail := flag(c.query, "showDeleted")
	if fail != nil {
		return nil, false, fail
	}
	order := c.query.Get("orderBy")
	switch {
	case !from.IsZero() && !to.IsZero() && !to.After(from):
		return nil, false, failInvalid("timeMax", "The specified time range is empty.")
	case order == "startTime" && !single:
		return nil, false, failInvalid("orderBy", "The requested ordering is not available for the particular query.")
	case order != "" && order != "startTime" && order != "updated":
		return nil, false, failInvalid("orderBy", "Invalid value for orderBy.")
	case !after.IsZero() && w.now().Sub(after) > 28*24*time.Hour:
		return nil, false, &googleFailure{410, "calendar", "updatedMinTooLongAgo",
			"The requested minimum modification time lies too far in the past.", "parameter", "updatedMin"}
	}
	deleted = (deleted || !after.IsZero()) && !c.mode.NoTombstones // updatedMin always includes deletions
	in := overlaps(from, to)
	q := strings.ToLower(c.query.Get("q"))
	uid := c.query.Get("iCalUID")
	var live []Event
	keep := func(e *Event) {
		text := strings.ToLower(e.Title + "\n" + e.Location + "\n" + e.Description)
		if wanted(e) && (after.IsZero() || !e.Updated.Before(after)) && strings.Contains(text, q) && (uid == "" || uid == e.UID) {
			live = append(live, *e)
		}
	}
	for _, e := range cal.Events {
		all := cal.instances(e)
		if single {
			for i := range all {
				if in(all[i].Start, all[i].End) && (!all[i].Dropped && !all[i].Cancelled || deleted) {
					keep(&all[i])
				}
			}
			continue
		}
		hit := false
		for i := range all {
			x := &all[i]
			inside := in(x.Start, x.End)
			hit = hit || inside
			// Cancelled exceptions of a living series are listed here even without
			// showDeleted, else a client would show their slots.
			if x.Changed && inside && !x.Dropped && (!x.Cancelled || deleted) || x.Dropped && inside && !c.mode.NoTombstones {
				keep(x)
			}
		}
		if hit && (!e.Cancelled || deleted) {
			keep(e)
		}
	}
	sortEvents(live)
	if order == "updated" {
		slices.SortStableFunc(live, func(a, b Event) int { return a.Updated.Compare(b.Updated) })
	}
	for i := range live {
		items = append(items, w.googleEvent(c, cal, &live[i], zone))
	}
	if deleted {
		for _, t := range cal.tombsSince(0, single) {
			items = append(items, w.googleTomb(c, cal, t, zone))
		}
	}
	return items, q != "" || uid != "" || !after.IsZero() || order != "", nil
}

// eventsSince is what changed after a sync token. The time bounds of the first
// read do not apply to it, as reported of the real server.
func (w *World) eventsSince(c *call, cal *calendar, single bool, constant string, wanted func(*Event) bool, zone string) ([]any, *googleFailure) {
	for _, name := range forbiddenWithToken {
		if c.query.Has(name) {
			return nil, failInvalid(name, "Sync token cannot be used with other query restrictions.")
		}
	}
	if c.query.Get("showDeleted") == "false" {
		return nil, failInvalid("showDeleted", "Sync token cannot be used with showDeleted=false.")
	}
	var s syncState
	switch {
	case !unseal(c.query.Get("syncToken"), &s), s.Calendar != cal.ID, s.Epoch != cal.Epoch, s.Seq > w.seq:
		return nil, failGone
	case s.Scope != constant:
		return nil, failInvalid("syncToken", "Sync token was issued for a different set of query parameters.")
	}
	var items []any
	if !c.mode.NoTombstones {
		for _, t := range cal.tombsSince(s.Seq, single) {
			items = append(items, w.googleTomb(c, cal, t, zone))
		}
	}
	var live []Event
	for _, e := range cal.Events {
		if !single && e.Repeat != nil && e.Rev > s.Seq {
			live = append(live, *e)
		}
		for _, x := range cal.instances(e) {
			if x.Rev > s.Seq && (single || e.Repeat == nil || x.Changed || x.Dropped) && (!x.Dropped || !c.mode.NoTombstones) {
				live = append(live, x)
			}
		}
	}
	sortEvents(live)
	for i := range live {
		if wanted(&live[i]) {
			items = append(items, w.googleEvent(c, cal, &live[i], zone))
		}
	}
	if c.mode.Duplicates && len(live) > 0 && !live[0].Dropped {
		stale := live[0]
		stale.Title = "(" + stale.Title + ")"
		items = slices.Insert(items, 0, any(w.googleEvent(c, cal, &stale, zone)))
	}
	return items, nil
}

// tombsSince lists tombstones younger than seq by key: with single those of
// instances and single events, else those of objects of their own.
func (c *calendar) tombsSince(seq uint64, single bool) []*tomb {
	var out []*tomb
	for key, t := range c.Tombs {
		if t.Seq <= seq || single && t.Kind == tombMaster || !single && t.Kind == tombSlot {
			continue
		}
		if _, alive := c.lookup(key); alive { // its slot is taken again
			continue
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *tomb) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// eventsGet is events.get; deleted events are still found, as at Google.
func (w *World) eventsGet(c *call) (map[string]any, *googleFailure) {
	cal, fail := w.visible(c, c.r.PathValue("calendar"))
	if fail != nil {
		return nil, fail
	}
	id := c.r.PathValue("event")
	if e, ok := cal.lookup(id); ok {
		return w.googleEvent(c, cal, e, cal.Zone), nil
	}
	if x, ok := cal.Exceptions[id]; ok && !c.mode.NoTombstones {
		return w.googleEvent(c, cal, x, cal.Zone), nil
	}
	if t, ok := cal.Tombs[id]; ok && !c.mode.NoTombstones {
		return w.googleTomb(c, cal, t, cal.Zone), nil
	}
	return nil, failNotFound
}
