package standin

import (
	"fmt"
	"strings"
	"time"
)

// Provider names whose server an object belongs to.
type Provider string

// The two sides of a World.
const (
	Google    Provider = "google"
	Microsoft Provider = "microsoft"
)

// Roles a person can have on a calendar, in Google's words. The Microsoft side
// derives canEdit and canViewPrivateItems from them. NoRole hides the calendar
// from its person, as when a colleague stops sharing it.
const (
	RoleOwner                      = "owner"
	RoleWriter                     = "writer"
	RoleWriterWithoutPrivateAccess = "writerWithoutPrivateAccess"
	RoleReader                     = "reader"
	RoleFreeBusyReader             = "freeBusyReader"
	NoRole                         = ""
)

// Person is an account at one provider.
type Person struct {
	ID       string   `json:"id"` // the subject of id tokens, stable
	Provider Provider `json:"provider"`
	Email    string   `json:"email"`
	Name     string   `json:"name"`
}

// Calendar is one calendar as its person sees it.
type Calendar struct {
	ID      string `json:"id"`
	Person  string `json:"person"` // Person.ID
	Name    string `json:"name"`
	Zone    string `json:"zone"` // IANA name
	Role    string `json:"role"`
	Primary bool   `json:"primary,omitempty"`
}

// Repeat is the recurrence of a series: every Every days or weeks. Count or
// Until ends it; with neither it never ends.
type Repeat struct {
	Freq  string    `json:"freq"`            // "DAILY" or "WEEKLY"
	Every int       `json:"every,omitempty"` // 0 means 1
	Count int       `json:"count,omitempty"` // number of slots, 0 = not limited
	Until time.Time `json:"until,omitzero"`  // last possible start, inclusive; zero = not limited
}

// Daily repeats every day, count times.
func Daily(count int) Repeat { return Repeat{Freq: "DAILY", Count: count} }

// Weekly repeats on the weekday of the first start, count times.
func Weekly(count int) Repeat { return Repeat{Freq: "WEEKLY", Count: count} }

// Event is an appointment: a single one, the master of a series, or one
// instance of a series (Master set). The zero value of every optional field is
// the ordinary case, so AddEvent needs only Title, Start and End.
type Event struct {
	ID       string `json:"id"`       // "" in AddEvent: one is made
	Calendar string `json:"calendar"` // Calendar.ID, set by the World
	UID      string `json:"uid"`      // iCalUID, shared by all instances of a series

	Title       string `json:"title,omitempty"`
	Location    string `json:"location,omitempty"`
	Description string `json:"description,omitempty"` // may be HTML

	// Start and End bound the event, End excluded. For an all-day event they are
	// midnight UTC of the floating dates.
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	AllDay bool      `json:"all_day,omitempty"`
	Zone   string    `json:"zone,omitempty"` // IANA; "" = the calendar's

	Repeat *Repeat `json:"repeat,omitempty"` // set on masters only

	Master   string    `json:"master,omitempty"`   // id of the series, on instances
	Original time.Time `json:"original,omitzero"`  // slot of an instance, unchanged by moves
	Changed  bool      `json:"changed,omitempty"`  // an instance that differs from its series
	Dropped  bool      `json:"dropped,omitempty"`  // an instance that was deleted
	Sequence int       `json:"sequence,omitempty"` // grows with each change

	Cancelled bool   `json:"cancelled,omitempty"` // Graph isCancelled: listed, but off
	Tentative bool   `json:"tentative,omitempty"`
	Declined  bool   `json:"declined,omitempty"` // by the calendar's person
	Private   bool   `json:"private,omitempty"`
	EventType string `json:"event_type,omitempty"` // Google's eventType; "" = default

	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`

	Rev uint64 `json:"rev"` // the World's change counter at the last change
}

// tomb is what is left of a deleted item, for sync tokens and delta links.
type tomb struct {
	Key      string    `json:"key"`
	Master   string    `json:"master,omitempty"`
	Original time.Time `json:"original,omitzero"`
	AllDay   bool      `json:"all_day,omitempty"`
	Kind     tombKind  `json:"kind"`
	Seq      uint64    `json:"seq"`
	Details  *Event    `json:"details,omitempty"` // organizer copies may keep their texts
}

type tombKind string

const (
	tombSingle    tombKind = "single"
	tombMaster    tombKind = "master"
	tombException tombKind = "exception" // an instance that was an object of its own
	tombSlot      tombKind = "slot"      // a plain instance of a series
)

// stamp is the part of an instance id that names its slot.
func stamp(original time.Time, allDay bool) string {
	if allDay {
		return original.UTC().Format("20060102")
	}
	return original.UTC().Format("20060102T150405Z")
}

// InstanceID is the id of the slot original of the series master. Clients of
// the HTTP side must treat it as opaque; tests of the Go API may use it.
func InstanceID(master string, original time.Time, allDay bool) string {
	return master + "_" + stamp(original, allDay)
}

// splitInstanceID undoes InstanceID; ok is false for ids of another shape.
func splitInstanceID(id string) (master string, original time.Time, ok bool) {
	i := strings.LastIndexByte(id, '_')
	if i <= 0 {
		return "", time.Time{}, false
	}
	for _, layout := range []string{"20060102T150405Z", "20060102"} {
		if t, err := time.Parse(layout, id[i+1:]); err == nil {
			return id[:i], t, true
		}
	}
	return "", time.Time{}, false
}

func (e *Event) check() error {
	switch {
	case !e.End.After(e.Start) && !e.End.Equal(e.Start):
		return fmt.Errorf("%w: the end lies before the start", ErrInvalid)
	case e.Start.IsZero():
		return fmt.Errorf("%w: no start", ErrInvalid)
	case e.AllDay && (!e.Start.Equal(midnight(e.Start)) || !e.End.Equal(midnight(e.End)) || e.End.Equal(e.Start)):
		return fmt.Errorf("%w: an all-day event runs from midnight UTC to a later midnight UTC", ErrInvalid)
	case e.Repeat != nil && e.Repeat.Freq != "DAILY" && e.Repeat.Freq != "WEEKLY":
		return fmt.Errorf("%w: a series is DAILY or WEEKLY", ErrInvalid)
	case e.Repeat != nil && (e.Repeat.Count < 0 || e.Repeat.Every < 0):
		return fmt.Errorf("%w: a series counts forward", ErrInvalid)
	}
	if _, err := time.LoadLocation(e.Zone); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(e.slots()) == 0 {
		return fmt.Errorf("%w: the series ends before it starts", ErrInvalid)
	}
	return nil
}

// midnight is the midnight UTC that begins t's date in UTC.
func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
