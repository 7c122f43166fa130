package calendars

import "time"

// CalendarRef names a calendar.
type CalendarRef struct{ AccountID, ID int64 }

// CalendarStatus is where a calendar stands; see the diagram in doc.go.
type CalendarStatus string

// The statuses of a calendar. Whether it is watched is another matter: a watched
// calendar that pauses goes on by itself once it can be read again.
const (
	CalendarActive CalendarStatus = "active"
	CalendarPaused CalendarStatus = "paused" // it can't be read; Problem says why
	CalendarGone   CalendarStatus = "gone"   // the provider's list no longer has it
)

// Mode is how a calendar is asked for changes.
type Mode string

// The modes.
const (
	ModeDelta    Mode = "delta"    // doorbell first, snapshot when it rings
	ModeSnapshot Mode = "snapshot" // a snapshot at every poll, for servers whose change feed can't be trusted
)

// Calendar is one calendar of a connection.
type Calendar struct {
	AccountID    int64          `db:"account_id"`
	ID           int64          `db:"id"`
	ConnectionID int64          `db:"connection_id"`
	ProviderRef  string         `db:"provider_ref"` // the provider's calendar id
	Name         string         `db:"name"`
	Zone         string         `db:"zone"` // IANA; "" = the account's
	Role         string         `db:"role"`
	HidesTexts   bool           `db:"hides_texts"` // private appointments reach us without their texts
	Primary      bool           `db:"is_primary"`
	Watched      bool           `db:"watched"`
	WatchedSince *time.Time     `db:"watched_since"`
	Status       CalendarStatus `db:"status"`
	Problem      Problem        `db:"problem"`
	Practitioner string         `db:"practitioner"`  // {practitioner}
	LocationName string         `db:"location_name"` // {location_name}
	AllDay       bool           `db:"all_day"`       // remind of all-day events
	Cron         string         `db:"cron"`
	Mode         Mode           `db:"mode"`
	NextPollAt   *time.Time     `db:"next_poll_at"`
	RungAt       *time.Time     `db:"rung_at"`     // rung from outside, not yet answered
	PolledAt     *time.Time     `db:"polled_at"`   // begin of the last read that succeeded, bell or snapshot
	SnapshotAt   *time.Time     `db:"snapshot_at"` // begin of the last complete snapshot; nil = none since it was (re)started
	SnapshotTo   *time.Time     `db:"snapshot_to"` // far edge of that snapshot
	ChangedAt    *time.Time     `db:"changed_at"`  // last poll that found a change
	Failures     int            `db:"failures"`    // in a row
	HiddenEvents int            `db:"hidden_events"`
	CreatedAt    time.Time      `db:"created_at"`
}

// Ref names c.
func (c Calendar) Ref() CalendarRef { return CalendarRef{c.AccountID, c.ID} }

// Connection names the connection c belongs to.
func (c Calendar) Connection() ConnectionRef { return ConnectionRef{c.AccountID, c.ConnectionID} }

// Pickable reports whether the clinic may choose to watch c.
func (c Calendar) Pickable() bool { return c.Status == CalendarActive }

// calendarColumns are those of Calendar, with the alias c.
const calendarColumns = `c.account_id, c.id, c.connection_id, c.provider_ref, c.name, c.zone, c.role, c.hides_texts, c.is_primary,
	c.watched, c.watched_since, c.status, c.problem, c.practitioner, c.location_name, c.all_day, c.cron, c.mode, c.next_poll_at,
	c.rung_at, c.polled_at, c.snapshot_at, c.snapshot_to, c.changed_at, c.failures, c.hidden_events, c.created_at`

// Settings are what the clinic decides about a calendar.
type Settings struct {
	Practitioner string // up to 100 characters
	LocationName string // up to 100 characters
	AllDay       bool   // remind of all-day events
	Cron         string // five fields, or @hourly and the like, in the calendar's zone; "" = DefaultCron
	Mode         Mode   // "" = ModeDelta
}
