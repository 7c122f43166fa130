package standin

import (
	"cmp"
	"strconv"
	"time"
)

// rfcMillis is how Google writes created and updated.
func rfcMillis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func eventType(e *Event) string { return cmp.Or(e.EventType, "default") }

// googleTomb is a tombstone with the guaranteed fields only: the id of a
// deleted event, and also series and slot of an instance.
func (w *World) googleTomb(c *call, cal *calendar, t *tomb, zone string) map[string]any {
	var out map[string]any
	if t.Details != nil {
		out = w.googleEvent(c, cal, t.Details, zone)
	} else {
		out = map[string]any{"kind": "calendar#event", "etag": strconv.Quote(strconv.FormatUint(t.Seq, 10)), "id": t.Key}
		if t.Master != "" {
			out["recurringEventId"] = t.Master
			out["originalStartTime"] = googleTime(t.Original, t.AllDay, zone)
		}
	}
	out["status"] = "cancelled"
	return out
}

// googleEvent is an event resource as the calendar's person may see it.
func (w *World) googleEvent(c *call, cal *calendar, e *Event, zone string) map[string]any {
	if e.Dropped {
		return map[string]any{
			"kind": "calendar#event", "etag": strconv.Quote(strconv.FormatUint(e.Rev, 10)), "id": e.ID, "status": "cancelled",
			"recurringEventId": e.Master, "originalStartTime": googleTime(e.Original, e.AllDay, zone),
		}
	}
	status := "confirmed"
	switch {
	case e.Cancelled:
		status = "cancelled"
	case e.Tentative:
		status = "tentative"
	}
	out := map[string]any{
		"kind": "calendar#event", "etag": strconv.Quote(strconv.FormatUint(e.Rev, 10)), "id": e.ID, "status": status,
		"htmlLink": c.base + "/calendar/event?eid=" + e.ID,
		"created":  rfcMillis(e.Created), "updated": rfcMillis(e.Updated), "iCalUID": e.UID, "sequence": max(e.Sequence-1, 0),
		"eventType": eventType(e), "start": googleTime(e.Start, e.AllDay, zone), "end": googleTime(e.End, e.AllDay, zone),
		"reminders": map[string]any{"useDefault": true},
		"creator":   map[string]any{"email": c.person.Email}, "organizer": map[string]any{"email": cal.ID, "displayName": cal.Name},
	}
	if !e.AllDay && (e.Repeat != nil || e.Zone != zone) { // the zone the series repeats in
		out["start"].(map[string]any)["timeZone"] = e.Zone
		out["end"].(map[string]any)["timeZone"] = e.Zone
	}
	if e.Repeat != nil {
		out["recurrence"] = []any{e.rrule()}
	}
	if e.Master != "" {
		out["recurringEventId"] = e.Master
		out["originalStartTime"] = googleTime(e.Original, e.AllDay, zone)
	}
	if e.Private {
		out["visibility"] = "private"
	}
	if e.Declined {
		out["attendees"] = []any{
			map[string]any{"email": c.person.Email, "self": true, "responseStatus": "declined"},
			map[string]any{"email": "someone@example.com", "organizer": true, "responseStatus": "accepted"},
		}
	}
	hidden := cal.Role == RoleFreeBusyReader ||
		e.Private && (cal.Role == RoleReader || cal.Role == RoleWriterWithoutPrivateAccess)
	if hidden {
		delete(out, "attendees")
		return out
	}
	for key, text := range map[string]string{"summary": e.Title, "location": e.Location, "description": e.Description} {
		if text != "" {
			out[key] = text
		}
	}
	return out
}

// googleTime writes a start or end: date for all-day events, else dateTime with
// the offset of zone.
func googleTime(t time.Time, allDay bool, zone string) map[string]any {
	if allDay {
		return map[string]any{"date": t.UTC().Format("2006-01-02")}
	}
	loc, err := time.LoadLocation(zone)
	if err != nil { // names are checked on their way in
		loc = time.UTC
	}
	return map[string]any{"dateTime": t.In(loc).Format(time.RFC3339), "timeZone": zone}
}
