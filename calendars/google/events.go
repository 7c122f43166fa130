package google

import (
	"errors"
	"fmt"
	"time"

	gcal "google.golang.org/api/calendar/v3"

	"rappel/calendars"
)

// gathering collects the items of a list. An item that comes again replaces
// its former self, and a tombstone removes it: the last word counts.
type gathering struct {
	order []string
	byKey map[string]calendars.Instance
}

func newGathering() *gathering { return &gathering{byKey: map[string]calendars.Instance{}} }

func (g *gathering) add(e *gcal.Event, zone *time.Location) error {
	if e == nil {
		return nil
	}
	if e.Id == "" {
		return errors.New("an event has no id")
	}
	if e.Status == "cancelled" && (e.Start == nil || e.Start.Date == "" && e.Start.DateTime == "") {
		delete(g.byKey, e.Id)
		return nil
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

// list is what was gathered, in the order it first came.
func (g *gathering) list() []calendars.Instance {
	out := make([]calendars.Instance, 0, len(g.byKey))
	for _, key := range g.order {
		if i, ok := g.byKey[key]; ok {
			out = append(out, i)
			delete(g.byKey, key) // a key that left and came back stands in order twice
		}
	}
	return out
}

// instance translates an item of an expanded list.
func instance(e *gcal.Event, zone *time.Location) (calendars.Instance, error) {
	start, date, err := moment(e.Start, zone)
	if err != nil {
		return calendars.Instance{}, fmt.Errorf("start: %w", err)
	}
	end := start
	if e.End != nil && (e.End.Date != "" || e.End.DateTime != "") {
		if end, _, err = moment(e.End, zone); err != nil {
			return calendars.Instance{}, fmt.Errorf("end: %w", err)
		}
	}
	if end.Before(start) {
		end = start
	}
	out := calendars.Instance{
		Key: e.Id, UID: e.ICalUID, Start: start, End: end, AllDay: date != "", StartDate: date,
		Kind: e.EventType, Cancelled: e.Status == "cancelled",
		Title: e.Summary, Location: e.Location, Description: e.Description, ETag: e.Etag,
	}
	if out.UID == "" {
		out.UID = e.Id
	}
	if out.Kind == "" {
		out.Kind = "default"
	}
	if e.RecurringEventId != "" {
		original := start
		if o := e.OriginalStartTime; o != nil && (o.Date != "" || o.DateTime != "") {
			if original, _, err = moment(o, zone); err != nil {
				return calendars.Instance{}, fmt.Errorf("original start: %w", err)
			}
		}
		out.Occurrence = original.UTC().Format(time.RFC3339)
	}
	for _, a := range e.Attendees {
		if a != nil && a.Self && a.ResponseStatus == "declined" {
			out.Declined = true
		}
	}
	private := e.Visibility == "private" || e.Visibility == "confidential"
	out.Hidden = private && e.Summary == "" && e.Location == "" && e.Description == ""
	return out, nil
}

// moment reads a dateTime, or a date as its midnight in zone. date is "" for
// a dateTime.
func moment(t *gcal.EventDateTime, zone *time.Location) (at time.Time, date string, err error) {
	switch {
	case t == nil:
		return time.Time{}, "", errors.New("missing")
	case t.DateTime != "":
		at, err = time.Parse(time.RFC3339, t.DateTime)
		if err != nil {
			return time.Time{}, "", errors.New("not an RFC 3339 instant")
		}
		return at.UTC(), "", calendars.Plausible(at)
	case t.Date != "":
		day, err := time.Parse(time.DateOnly, t.Date)
		if err != nil {
			return time.Time{}, "", errors.New("not a date")
		}
		y, m, d := day.Date()
		at = time.Date(y, m, d, 0, 0, 0, 0, zone)
		return at.UTC(), t.Date, calendars.Plausible(at)
	}
	return time.Time{}, "", errors.New("missing")
}
