package outlook

import (
	"errors"
	"time"

	"rappel/calendars"
)

// Graph writes seven decimals and no offset; the zone stands beside it.
const graphLayout = "2006-01-02T15:04:05.9999999"

// parseMoment reads a time of Graph's with the zone named beside it. date is ""
// unless the event lasts all day.
func parseMoment(text, label string, allDay bool, zone *time.Location) (at time.Time, date string, err error) {
	if allDay {
		if len(text) < len(time.DateOnly) {
			return time.Time{}, "", errors.New("not a date")
		}
		date = text[:len(time.DateOnly)]
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return time.Time{}, "", errors.New("not a date")
		}
		y, m, d := day.Date()
		at = time.Date(y, m, d, 0, 0, 0, 0, zone)
		return at.UTC(), date, calendars.Plausible(at)
	}
	if at, err = time.Parse(time.RFC3339, text); err == nil { // with an offset the label does not matter
		return at.UTC(), "", calendars.Plausible(at)
	}
	loc, err := zoneOf(label)
	if err != nil {
		return time.Time{}, "", err
	}
	if at, err = time.ParseInLocation(graphLayout, text, loc); err != nil {
		return time.Time{}, "", errors.New("not a dateTime")
	}
	return at.UTC(), "", calendars.Plausible(at)
}

// zoneOf finds the zone of a label. Graph says UTC, since we ask for no other.
func zoneOf(label string) (*time.Location, error) {
	switch label {
	case "", "UTC", "Etc/UTC", "Etc/GMT":
		return time.UTC, nil
	case "Local":
		return nil, errors.New("a zone that is not named")
	}
	loc, err := time.LoadLocation(label)
	if err != nil {
		return nil, errors.New("a zone we did not ask for")
	}
	return loc, nil
}

// slot is the original start of an occurrence. That of an all-day event is a
// floating midnight like its start.
func slot(at time.Time, allDay bool, zone *time.Location) time.Time {
	if allDay && at.Equal(at.Truncate(24*time.Hour)) {
		y, m, d := at.Date()
		return time.Date(y, m, d, 0, 0, 0, 0, zone)
	}
	return at
}
