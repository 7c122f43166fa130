package calendars

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// Sink hears what happens to calendars, inside the transaction that makes it so:
// what it writes to tx and the news commit together or not at all. An error undoes
// both. Its methods may run as the owner or as the web's role.
type Sink interface {
	// EventsChanged hears of the changes one snapshot brought; there is at least one.
	EventsChanged(ctx context.Context, tx *sqlx.Tx, cal Calendar, changes []Change, now time.Time) error
	// CalendarStopped: cal is not read any more, so its unsent reminders stop at
	// once. why is one of the Stop codes. Should it be read again, the first
	// snapshot reports every event in it anew, with Before nil.
	CalendarStopped(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, why string, now time.Time) error
	// Horizon is the longest offset of the calendar's rules: how far ahead
	// snapshots must look. 0 when it has none.
	Horizon(ctx context.Context, tx *sqlx.Tx, cal CalendarRef) (time.Duration, error)
}

// Why a calendar stopped: the closed set CalendarStopped hears.
const (
	StopUnwatched    = "unwatched"    // the clinic no longer watches it
	StopDisconnected = "disconnected" // the clinic disconnected its connection
	StopNotFound     = "not_found"    // deleted or no longer shared
	StopForbidden    = "forbidden"    // access was refused
	StopNotReadable  = "not_readable" // only free/busy times are shared any more
	StopNotListed    = "not_listed"   // no longer in the provider's list
	StopService      = "service"      // the clinic's subscription is suspended or over
)

// Notices this package opens, and resolves when the cause is gone. Their subjects
// are "connection:<id>" and "calendar:<id>".
const (
	NoticeReconnect   = "connection_needs_reconnect" // connection: the grant ended
	NoticePaused      = "calendar_paused"            // calendar: it can't be read, the clinic must act at the provider
	NoticeUnreachable = "calendar_unreachable"       // calendar: no successful read for UnreachableAfter
)

// Alarms for the operator, as Config.Alarm hears them.
const (
	AlarmClientConfig = "client_config" // a provider refuses our client id or secret
	AlarmForeignLink  = "foreign_link"  // a provider sent a link to another host
	AlarmPagingLoop   = "paging_loop"   // a provider repeats a page without end
	AlarmSealed       = "sealed"        // stored tokens or texts don't open with our keyset
	AlarmPanic        = "panic"         // our own bug, contained
)

// Meter counts what happens, for the operator's metrics. Implementations are safe
// for concurrent use and quick.
type Meter interface {
	// Poll: one calendar was asked. outcome is quiet, unchanged, changed, superseded
	// or a Problem; took is the time it needed.
	Poll(provider, outcome string, took time.Duration)
	// Changed: n events changed in one snapshot of so many instances.
	Changed(provider string, instances, n int)
	// Refresh: an access token was asked for. outcome is ok, rotated_elsewhere,
	// revoked, client_config or failed.
	Refresh(provider, outcome string)
}

type noMeter struct{}

func (noMeter) Poll(string, string, time.Duration) {}
func (noMeter) Changed(string, int, int)           {}
func (noMeter) Refresh(string, string)             {}
