package calendars

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// target is a calendar as it stood before a read, with what the read needs.
type target struct {
	Calendar
	Sealed      []byte           `db:"sealed_cursor"`
	Provider    string           `db:"provider"`
	ConnStatus  ConnectionStatus `db:"conn_status"`
	ConnRetryAt *time.Time       `db:"conn_retry_at"`
	ConnFailed  int              `db:"conn_failures"`
	AccountZone string           `db:"account_zone"`
	Service     string           `db:"service"`
	Horizon     time.Duration    `db:"-"`
}

const selectTarget = "SELECT " + calendarColumns + `, c.sealed_cursor, n.provider, n.status AS conn_status, n.retry_at AS conn_retry_at,
	n.failures AS conn_failures, a.zone AS account_zone, a.service
	FROM calendars c
	JOIN connections n ON n.account_id = c.account_id AND n.id = c.connection_id AND n.account_id = $1
	JOIN accounts a ON a.account_id = c.account_id AND a.account_id = $1
	WHERE c.account_id = $1 `

// zone is where the clinic of t is.
func (t target) zone() *time.Location {
	for _, name := range []string{t.Zone, t.AccountZone} {
		if name = knownZone(name); name != "" {
			if l, err := time.LoadLocation(name); err == nil {
				return l
			}
		}
	}
	return time.UTC
}

// load reads a calendar that is being synced. ErrNotSynced when it isn't.
func (h *house) load(ctx context.Context, ref CalendarRef) (t target, err error) {
	err = migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		err := tx.GetContext(ctx, &t, selectTarget+"AND c.id = $2", ref.AccountID, ref.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: calendar %d is unknown", ErrNotSynced, ref.ID)
		}
		if err != nil {
			return fmt.Errorf("select calendar %d: %w", ref.ID, err)
		}
		if !t.Watched || t.Status != CalendarActive || t.ConnStatus != ConnectionActive || t.Service != serviceOn {
			return fmt.Errorf("%w: calendar %d (watched %t) is %s, its connection %s, the service %s", ErrNotSynced, ref.ID, t.Watched, t.Status, t.ConnStatus, t.Service)
		}
		t.Horizon, err = h.Sink.Horizon(ctx, tx, ref)
		if err != nil {
			return fmt.Errorf("horizon of calendar %d: %w", ref.ID, err)
		}
		t.Horizon = max(t.Horizon, h.MinHorizon)
		return nil
	})
	return t, err
}

// bellCounts reports whether a silent bell proves that nothing changed.
func (h *house) bellCounts(t target) bool {
	return t.Mode == ModeDelta && !h.providers[t.Provider].DoubtfulBell
}

// knownAt is the instant up to which our events of t are known to be the provider's.
// Zero when they never were. The bell counts where it can be trusted: the stored cursor
// has been carried on without a gap since the last snapshot, as only commit writes it.
func (h *house) knownAt(t target) time.Time {
	switch {
	case t.SnapshotAt == nil:
		return time.Time{}
	case h.bellCounts(t) && t.PolledAt != nil && t.PolledAt.After(*t.SnapshotAt):
		return *t.PolledAt
	}
	return *t.SnapshotAt
}

// reading is what one read brought.
type reading struct {
	begun    time.Time
	cursor   []byte    // nil: the provider has none
	keep     bool      // the bell wasn't asked: the stored cursor stays
	snapshot *Snapshot // nil: the bell was silent, and that suffices
	window   Window
}

// read asks the bell and takes the snapshot if it is needed. mustSee asks for a read
// that proves what stands now.
//
// The bell comes first: whatever changes between it and the snapshot rings again. The
// other order would lose it.
func (h *house) read(ctx context.Context, client *http.Client, p Provider, t target, begun time.Time, mustSee bool) (reading, error) {
	// Providers take whole seconds. Of a fraction more than was asked for, the snapshot
	// would seem to lack what begins on the second.
	from := begun.Truncate(time.Second)
	r := reading{begun: begun, window: Window{from, from.Add(t.Horizon + windowMargin)}}
	where := Ref{Calendar: t.ProviderRef, Zone: t.zone().String()}
	maxAge := maxAgeTrusted
	if !h.bellCounts(t) {
		maxAge = maxAgeDoubtful
	}
	need := t.Mode == ModeSnapshot || t.SnapshotAt == nil || begun.Sub(*t.SnapshotAt) >= maxAge ||
		// Events entering at the far edge ring no bell; nor does a longer rule.
		t.SnapshotTo == nil || t.SnapshotTo.Before(begun.Add(t.Horizon+edgeMargin)) ||
		!h.bellCounts(t) && (mustSee || t.RungAt != nil)

	switch {
	case t.Mode == ModeSnapshot:
	case mustSee && !h.bellCounts(t) && t.Sealed != nil:
		r.keep = true // its answer would change nothing now, and can be had with the next poll
	default:
		cursor, err := openSecret(h.Sealer, t.Sealed, cursorContext(t.Ref()))
		if err != nil {
			cursor = nil // a lost cursor costs one snapshot
		}
		bell, err := p.Reader.Changed(ctx, client, where, cursor, begun, r.window.To.Sub(begun))
		if errors.Is(err, ErrCursorLost) && cursor != nil {
			cursor = nil
			bell, err = p.Reader.Changed(ctx, client, where, nil, begun, r.window.To.Sub(begun))
		}
		if err != nil {
			return r, err
		}
		r.cursor = bell.Cursor
		// A first cursor says nothing of the past, silence without a cursor nothing at all.
		need = need || bell.Changed || cursor == nil || bell.Cursor == nil
	}
	if !need {
		return r, nil
	}
	s, err := p.Reader.Snapshot(ctx, client, where, r.window)
	if err != nil {
		return r, err
	}
	r.snapshot = &s
	return r, nil
}
