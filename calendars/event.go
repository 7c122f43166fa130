package calendars

import "time"

// EventRef names an event.
type EventRef struct{ AccountID, ID int64 }

// Event is an appointment as last seen: a single one, or one instance of a series.
// Its texts are health data: they are sealed in the database and never logged.
type Event struct {
	AccountID, ID, CalendarID    int64
	Key                          string // the provider's id of this instance
	UID                          string // iCalendar UID; see UID in doc.go's decisions
	Occurrence                   string // original start of a series' instance, RFC 3339 UTC; "" for a single event
	Start, End                   time.Time
	AllDay                       bool
	StartDate                    string // all-day: the floating date, 2006-01-02
	Kind                         string // "default" is an appointment
	Cancelled, Declined, Hidden  bool
	Title, Location, Description string // "" after the texts were purged
	Sealed                       bool   // the stored texts don't open, with any key we have or at all; they read as ""
	ETag                         string
	FirstSeen                    time.Time
	Changed                      time.Time  // last time start, texts or standing changed
	Gone                         *time.Time // absent from a complete snapshot since; nil = it stands there
}

// Ref names e.
func (e Event) Ref() EventRef { return EventRef{e.AccountID, e.ID} }

// Calendar names the calendar e is in.
func (e Event) Calendar() CalendarRef { return CalendarRef{e.AccountID, e.CalendarID} }

// Stands reports whether the appointment is still to take place as far as the
// calendar says: there, neither called off nor declined.
func (e Event) Stands() bool { return e.Gone == nil && !e.Cancelled && !e.Declined }

// Change is one difference between what was stored and what a snapshot shows.
type Change struct {
	Event Event // as it is now; Event.Gone != nil: vanished from a complete snapshot
	// Before is the event as it was. nil means new to the Sink: never seen, or seen
	// for the first time since its calendar was (re)started after a CalendarStopped.
	Before *Event
}
