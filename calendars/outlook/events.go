package outlook

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"rappel/calendars"
)

// gathering collects the items of a list. An item that comes again replaces its
// former self: the last word counts.
type gathering struct {
	order []string
	byKey map[string]calendars.Instance
}

func newGathering() *gathering { return &gathering{byKey: map[string]calendars.Instance{}} }

func (g *gathering) add(e models.Eventable, zone *time.Location) error {
	if e == nil {
		return nil
	}
	if t := e.GetTypeEscaped(); t != nil && *t == models.SERIESMASTER_EVENTTYPE {
		return nil // never an appointment itself; it carries its first slot's times
	}
	i, err := instance(e, zone)
	if err != nil {
		return err
	}
	if _, known := g.byKey[i.Key]; !known {
		g.order = append(g.order, i.Key)
	}
	g.byKey[i.Key] = i
	return nil
}

// within lists what overlaps w, in the order it first came.
func (g *gathering) within(w calendars.Window) []calendars.Instance {
	out := make([]calendars.Instance, 0, len(g.order))
	for _, key := range g.order {
		if i := g.byKey[key]; overlaps(i, w) {
			out = append(out, i)
		}
	}
	return out
}

// overlaps treats both periods as half-open, and an instance without length as
// an instant.
func overlaps(i calendars.Instance, w calendars.Window) bool {
	return i.Start.Before(w.To) && (i.End.After(w.From) || !i.Start.Before(w.From))
}

// instance translates an item of calendarView.
func instance(e models.Eventable, zone *time.Location) (calendars.Instance, error) {
	key := str(e.GetId())
	if key == "" {
		return calendars.Instance{}, errors.New("an event has no id")
	}
	allDay := yes(e.GetIsAllDay())
	start, date, err := moment(e.GetStart(), allDay, zone)
	if err != nil {
		return calendars.Instance{}, fmt.Errorf("start: %w", err)
	}
	end := start
	if e.GetEnd() != nil {
		if end, _, err = moment(e.GetEnd(), allDay, zone); err != nil {
			return calendars.Instance{}, fmt.Errorf("end: %w", err)
		}
	}
	if end.Before(start) {
		end = start
	}
	out := calendars.Instance{
		Key: key, UID: str(e.GetICalUId()), Start: start, End: end, AllDay: allDay, StartDate: date, Kind: "default",
		Cancelled: yes(e.GetIsCancelled()), Title: str(e.GetSubject()), Description: str(e.GetBodyPreview()), ETag: etag(e),
	}
	if out.UID == "" {
		out.UID = key
	}
	if l := e.GetLocation(); l != nil {
		out.Location = str(l.GetDisplayName())
	}
	if str(e.GetSeriesMasterId()) != "" {
		original := start
		if o := e.GetOriginalStart(); o != nil && !o.IsZero() {
			original = slot(o.UTC(), allDay, zone)
		}
		out.Occurrence = original.UTC().Format(time.RFC3339)
	}
	if r := e.GetResponseStatus(); r != nil && r.GetResponse() != nil {
		out.Declined = *r.GetResponse() == models.DECLINED_RESPONSETYPE
	}
	out.Hidden = private(e) && out.Location == "" && out.Description == "" &&
		(out.Title == "" || strings.EqualFold(out.Title, privateSubject))
	return out, nil
}

// privateSubject is what Exchange shows instead of the subject of an item the
// reader may not see.
const privateSubject = "Private Appointment"

func private(e models.Eventable) bool {
	s := e.GetSensitivity()
	return s != nil && (*s == models.PRIVATE_SENSITIVITY || *s == models.CONFIDENTIAL_SENSITIVITY)
}

// etag is an annotation the SDK has no getter for.
func etag(e models.Eventable) string {
	s, _ := e.GetAdditionalData()["@odata.etag"].(*string)
	return str(s)
}

// moment reads a dateTimeTimeZone. For all-day events it is a date, whatever
// zone it is labelled with: Start is its midnight in zone.
func moment(t models.DateTimeTimeZoneable, allDay bool, zone *time.Location) (at time.Time, date string, err error) {
	if t == nil {
		return time.Time{}, "", errors.New("missing")
	}
	return parseMoment(str(t.GetDateTime()), str(t.GetTimeZone()), allDay, zone)
}
