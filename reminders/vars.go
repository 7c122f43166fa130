package reminders

import (
	"time"

	"rappel/calendars"
)

// VarsFor are the values of the placeholders for one appointment, worded in
// language. Dates and times are in the clinic's zone, whatever zone the calendar, the
// appointment or the patient is in (T06).
func VarsFor(s Settings, cal calendars.Calendar, e calendars.Event, language string) (Vars, error) {
	v := Vars{Business: s.Business, LocationName: cal.LocationName, Callback: s.Callback, Practitioner: cal.Practitioner}
	if e.AllDay && e.StartDate != "" {
		var err error
		v.Weekday, v.Date, err = Day(e.StartDate, language)
		return v, err
	}
	v.Weekday, v.Date, v.Time = When(e.Start, s.Location(), language)
	return v, nil
}

// SampleVars are values to show a template with: an appointment two days from now at
// half past two, and made-up names where a calendar would name them.
func SampleVars(s Settings, language string, now time.Time) Vars {
	zone := s.Location()
	y, m, d := now.In(zone).Date()
	v := Vars{Business: s.Business, Callback: s.Callback, LocationName: "Bahnhofstrasse 1", Practitioner: "Dr. A. Muster"}
	v.Weekday, v.Date, v.Time = When(wall(y, m, d+2, 14, 30, 0, zone), zone, language)
	return v
}
