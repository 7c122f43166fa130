package standin

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// windowsZones maps IANA names to the Windows names Graph uses.
//
// Source: CLDR windowsZones.xml.
var windowsZones = map[string]string{
	"Europe/Zurich": "W. Europe Standard Time", "Europe/Berlin": "W. Europe Standard Time",
	"Europe/Vienna": "W. Europe Standard Time", "Europe/Rome": "W. Europe Standard Time",
	"Europe/Paris": "Romance Standard Time", "Europe/Brussels": "Romance Standard Time",
	"Europe/London": "GMT Standard Time", "America/New_York": "Eastern Standard Time", "UTC": "UTC",
}

func windowsZone(iana string) string {
	if z, ok := windowsZones[iana]; ok {
		return z
	}
	return "tzone://Microsoft/Custom"
}

// graphTime writes a time: seven decimals, no offset, and the zone beside it.
// All-day events are floating midnights labelled UTC whatever zone is asked.
func graphTime(c *call, t time.Time, allDay bool) map[string]any {
	name, loc := "UTC", time.UTC
	if z, ok := prefers(c.r, "outlook.timezone"); ok && !allDay {
		for iana, windows := range windowsZones {
			if z != iana && z != windows || z == "W. Europe Standard Time" && iana != "Europe/Berlin" || z == "Romance Standard Time" && iana != "Europe/Paris" {
				continue
			}
			if l, err := time.LoadLocation(iana); err == nil {
				name, loc = z, l
			}
		}
	}
	return map[string]any{"dateTime": t.In(loc).Format("2006-01-02T15:04:05.0000000"), "timeZone": name}
}

// bodyPreviewLength is where Outlook cuts the plain-text preview, in characters.
const bodyPreviewLength = 255

var (
	breaks   = regexp.MustCompile(`(?i)<(br|/p|/div|/li|/tr)[^>]*>`)
	tags     = regexp.MustCompile(`<[^>]*>`)
	htmlLike = regexp.MustCompile(`(?i)<(a|b|br|p|div|span|html|table|ul|li|i|u)[ />]`)
)

// plain reduces a description to text.
func plain(s string) string {
	if !htmlLike.MatchString(s) {
		return s
	}
	s = breaks.ReplaceAllString(s, "\r\n")
	return strings.TrimSpace(html.UnescapeString(tags.ReplaceAllString(s, "")))
}

func preview(s string) string {
	s = plain(s)
	if utf8.RuneCountInString(s) > bodyPreviewLength {
		return string([]rune(s)[:bodyPreviewLength])
	}
	return s
}

// kind is Graph's event type.
func kind(e *Event) string {
	switch {
	case e.Repeat != nil:
		return "seriesMaster"
	case e.Master == "":
		return "singleInstance"
	case e.Changed || e.Dropped:
		return "exception"
	}
	return "occurrence"
}

func etag(rev uint64) string { return `W/"` + msEncode("rev"+strconv.FormatUint(rev, 10)) + `=="` }

// graphEventJSON is an event resource as the calendar's person may see it. A
// master carries the first occurrence's times.
func (w *World) graphEventJSON(c *call, cal *calendar, e *Event) map[string]any {
	immutable := prefersImmutable(c.r)
	title, place, text, sensitivity := e.Title, e.Location, e.Description, "normal"
	if e.Private {
		sensitivity = "private"
		if !seesPrivate(cal) {
			title, place, text = "Private Appointment", "", ""
		}
	}
	if cal.Role == RoleFreeBusyReader {
		title, place, text = "Busy", "", ""
	}
	showAs := "busy"
	switch {
	case e.Tentative:
		showAs = "tentative"
	case e.EventType == "outOfOffice":
		showAs = "oof"
	case e.EventType == "workingLocation":
		showAs = "workingElsewhere"
	}
	response := "organizer"
	if e.Declined {
		response = "declined"
	}
	content := text
	if !htmlLike.MatchString(text) {
		content = strings.ReplaceAll(html.EscapeString(text), "\n", "<br>\r\n")
	}
	bodyType := "html"
	content = "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>" + content + "</body></html>"
	if v, _ := prefers(c.r, "outlook.body-content-type"); strings.EqualFold(v, "text") {
		bodyType, content = "text", plain(text)
	}
	zone := windowsZone(e.Zone)
	out := map[string]any{
		"@odata.etag": etag(e.Rev), "id": graphID(cal, e.ID, immutable),
		"createdDateTime": e.Created.Format("2006-01-02T15:04:05.0000000Z"), "lastModifiedDateTime": e.Updated.Format("2006-01-02T15:04:05.0000000Z"),
		"changeKey": "ck" + strconv.FormatUint(e.Rev, 10), "categories": []any{}, "iCalUId": "040000008200E000" + strings.ToUpper(msEncode(e.UID)),
		"subject": title, "bodyPreview": preview(text), "body": map[string]any{"contentType": bodyType, "content": content},
		"importance": "normal", "sensitivity": sensitivity, "isAllDay": e.AllDay, "isCancelled": e.Cancelled,
		"isOrganizer": !e.Declined, "showAs": showAs, "type": kind(e), "seriesMasterId": nil, "recurrence": nil,
		"originalStartTimeZone": zone, "originalEndTimeZone": zone, "isReminderOn": true, "reminderMinutesBeforeStart": 15,
		"hasAttachments": false, "isOnlineMeeting": false, "onlineMeeting": nil, "webLink": c.base + "/owa/?itemid=" + e.ID,
		"responseStatus": map[string]any{"response": response, "time": "0001-01-01T00:00:00Z"},
		"start":          graphTime(c, e.Start, e.AllDay), "end": graphTime(c, e.End, e.AllDay),
		"location":  map[string]any{"displayName": place, "locationType": "default", "uniqueId": place, "uniqueIdType": "private"},
		"locations": []any{}, "attendees": []any{},
		"organizer": map[string]any{"emailAddress": map[string]any{"name": c.person.Name, "address": c.person.Email}},
	}
	if e.Cancelled && !strings.HasPrefix(title, "Abgesagt: ") {
		out["subject"] = "Abgesagt: " + title
	}
	if e.Master != "" {
		out["seriesMasterId"] = graphID(cal, e.Master, immutable)
		out["originalStart"] = e.Original.UTC().Format("2006-01-02T15:04:05Z")
	}
	if e.Repeat != nil {
		out["recurrence"] = graphRecurrence(e)
	}
	return out
}

func graphRecurrence(e *Event) map[string]any {
	day := e.Start.In(e.location())
	pattern := map[string]any{"type": "daily", "interval": max(e.Repeat.Every, 1), "firstDayOfWeek": "sunday"}
	if e.Repeat.Freq == "WEEKLY" {
		pattern["type"] = "weekly"
		pattern["daysOfWeek"] = []any{strings.ToLower(day.Weekday().String())}
	}
	bounds := map[string]any{
		"type": "noEnd", "startDate": day.Format("2006-01-02"), "endDate": "0001-01-01",
		"recurrenceTimeZone": windowsZone(e.Zone), "numberOfOccurrences": 0,
	}
	switch {
	case e.Repeat.Count > 0:
		bounds["type"], bounds["numberOfOccurrences"] = "numbered", e.Repeat.Count
	case !e.Repeat.Until.IsZero():
		bounds["type"], bounds["endDate"] = "endDate", e.Repeat.Until.In(e.location()).Format("2006-01-02")
	}
	return map[string]any{"pattern": pattern, "range": bounds}
}

// stub is how a delta shows an occurrence: no texts at all.
func (w *World) stub(c *call, cal *calendar, e *Event) map[string]any {
	immutable := prefersImmutable(c.r)
	return map[string]any{
		"@odata.type": "#microsoft.graph.event", "@odata.etag": etag(e.Rev), "id": graphID(cal, e.ID, immutable),
		"seriesMasterId": graphID(cal, e.Master, immutable), "type": "occurrence",
		"start": graphTime(c, e.Start, e.AllDay), "end": graphTime(c, e.End, e.AllDay),
	}
}
