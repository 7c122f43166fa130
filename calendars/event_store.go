package calendars

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// eventRow is an event as it lies in the database.
type eventRow struct {
	AccountID  int64      `db:"account_id"`
	ID         int64      `db:"id"`
	CalendarID int64      `db:"calendar_id"`
	Key        string     `db:"instance_key"`
	UID        string     `db:"uid"`
	Occurrence string     `db:"occurrence"`
	StartsAt   time.Time  `db:"starts_at"`
	EndsAt     time.Time  `db:"ends_at"`
	AllDay     bool       `db:"all_day"`
	StartDate  string     `db:"start_date"`
	Kind       string     `db:"kind"`
	Cancelled  bool       `db:"cancelled"`
	Declined   bool       `db:"declined"`
	Hidden     bool       `db:"hidden"`
	Sealed     []byte     `db:"sealed_text"`
	ETag       string     `db:"etag"`
	FirstSeen  time.Time  `db:"first_seen_at"`
	ChangedAt  time.Time  `db:"changed_at"`
	GoneAt     *time.Time `db:"gone_at"`
}

const eventColumns = `e.account_id, e.id, e.calendar_id, e.instance_key, e.uid, e.occurrence, e.starts_at, e.ends_at, e.all_day,
	COALESCE(to_char(e.start_date, 'YYYY-MM-DD'), '') AS start_date, e.kind, e.cancelled, e.declined, e.hidden,
	e.sealed_text, e.etag, e.first_seen_at, e.changed_at, e.gone_at`

// bare is the event without its texts.
func (r eventRow) bare() Event {
	e := Event{
		AccountID: r.AccountID, ID: r.ID, CalendarID: r.CalendarID,
		Key: r.Key, UID: r.UID, Occurrence: r.Occurrence,
		Start: r.StartsAt.UTC(), End: r.EndsAt.UTC(), AllDay: r.AllDay, StartDate: r.StartDate,
		Kind: r.Kind, Cancelled: r.Cancelled, Declined: r.Declined, Hidden: r.Hidden,
		ETag: r.ETag, FirstSeen: r.FirstSeen.UTC(), Changed: r.ChangedAt.UTC(),
	}
	if r.GoneAt != nil {
		gone := r.GoneAt.UTC()
		e.Gone = &gone
	}
	return e
}

// open is the event with its texts, or marked as sealed without them: one row that a
// lost key or a damaged disk made unreadable must not hide the others.
func (r eventRow) open(s Sealer) Event {
	e := r.bare()
	t, err := openTexts(s, e.Calendar(), e.Key, r.Sealed)
	if err != nil {
		e.Sealed = true
		return e
	}
	e.Title, e.Location, e.Description = t.Title, t.Location, t.Description
	return e
}

func openAll(s Sealer, rows []eventRow) []Event {
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = r.open(s)
	}
	return events
}

// EventQuery chooses the events of a window, ordered by start, then id.
type EventQuery struct {
	AccountID  int64
	CalendarID int64     // 0 = of every calendar, watched or not
	From, To   time.Time // events that overlap [From, To); a zero time leaves that side open
	WithGone   bool      // also those that vanished
	Limit      int       // 0 = no limit
}

// Events returns the events q chooses, with their texts where those open (see
// [Event.Sealed]).
func (s *Store) Events(ctx context.Context, q EventQuery) (events []Event, err error) {
	err = migrations.InAccount(ctx, s.db, q.AccountID, func(tx *sqlx.Tx) error {
		events, err = s.EventsTx(ctx, tx, q)
		return err
	})
	return events, err
}

// EventsTx is Events within the caller's transaction.
func (s *Store) EventsTx(ctx context.Context, tx *sqlx.Tx, q EventQuery) ([]Event, error) {
	where := []string{"e.account_id = $1"}
	args := []any{q.AccountID}
	add := func(cond string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(cond, len(args)))
	}
	if q.CalendarID != 0 {
		add("e.calendar_id = $%d", q.CalendarID)
	}
	if !q.From.IsZero() {
		add("(e.ends_at > $%[1]d OR e.starts_at >= $%[1]d)", q.From) // the second for events without length
	}
	if !q.To.IsZero() {
		add("e.starts_at < $%d", q.To)
	}
	if !q.WithGone {
		where = append(where, "e.gone_at IS NULL")
	}
	query := "SELECT " + eventColumns + " FROM events e WHERE " + strings.Join(where, " AND ") + " ORDER BY e.starts_at, e.id"
	if q.Limit > 0 {
		args = append(args, q.Limit)
		query += fmt.Sprintf(" LIMIT $%d", len(args))
	}
	var rows []eventRow
	if err := tx.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("select events: %w", err)
	}
	return openAll(s.sealer, rows), nil
}

// Event returns one event, gone or not. ErrUnknown when there is none.
func (s *Store) Event(ctx context.Context, ref EventRef) (e Event, err error) {
	err = migrations.InAccount(ctx, s.db, ref.AccountID, func(tx *sqlx.Tx) error {
		e, err = s.EventTx(ctx, tx, ref)
		return err
	})
	return e, err
}

// EventTx is Event within the caller's transaction.
func (s *Store) EventTx(ctx context.Context, tx *sqlx.Tx, ref EventRef) (Event, error) {
	events, err := s.EventsByIDTx(ctx, tx, ref.AccountID, []int64{ref.ID})
	if err != nil {
		return Event{}, err
	}
	if len(events) == 0 {
		return Event{}, fmt.Errorf("%w: event %d", ErrUnknown, ref.ID)
	}
	return events[0], nil
}

// EventsByIDTx returns those of ids that exist, gone or not, ordered by start.
func (s *Store) EventsByIDTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64) ([]Event, error) {
	var rows []eventRow
	err := tx.SelectContext(ctx, &rows, "SELECT "+eventColumns+` FROM events e
		WHERE e.account_id = $1 AND e.id = ANY($2) ORDER BY e.starts_at, e.id`, account, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("select events by id: %w", err)
	}
	return openAll(s.sealer, rows), nil
}

// PurgeBefore wipes the texts of up to limit events of account that ended before t
// and still have some, and returns how many. The events stay, since reminders point
// to them. Call it until it returns less than limit.
func (s *Store) PurgeBefore(ctx context.Context, account int64, t time.Time, limit int) (n int, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		// Rows a sync is working on are left for the next time.
		res, err := tx.ExecContext(ctx, `
			WITH old AS MATERIALIZED (
			    SELECT id FROM events
			    WHERE account_id = $1 AND ends_at < $2 AND length(sealed_text) > 0
			    ORDER BY id LIMIT $3
			    FOR UPDATE SKIP LOCKED)
			UPDATE events e SET sealed_text = '' FROM old
			WHERE e.account_id = $1 AND e.id = old.id`, account, t, limit)
		if err != nil {
			return fmt.Errorf("purge texts: %w", err)
		}
		purged, err := res.RowsAffected()
		n = int(purged)
		return err
	})
	return n, err
}

// storedEvents loads what a snapshot of calendar from from on is to be compared
// with: every event that had not ended by then, and those of keys, whenever they were.
// Texts that don't open count as unknown, so that the snapshot writes them anew;
// unsealed says how many. The calendar's row must be locked.
func (h *house) storedEvents(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, from time.Time, keys []string) (events []Event, unsealed int, err error) {
	var rows []eventRow
	err = tx.SelectContext(ctx, &rows, "SELECT "+eventColumns+` FROM events e
		WHERE e.account_id = $1 AND e.calendar_id = $2 AND e.ends_at >= $3`, cal.AccountID, cal.ID, from)
	if err != nil {
		return nil, 0, fmt.Errorf("select stored events: %w", err)
	}
	have := make(map[string]bool, len(rows))
	for _, r := range rows {
		have[r.Key] = true
	}
	var missing []string // new, or moved here from the past
	for _, k := range keys {
		if !have[k] {
			missing = append(missing, k)
		}
	}
	if len(missing) > 0 {
		var old []eventRow
		err = tx.SelectContext(ctx, &old, "SELECT "+eventColumns+` FROM events e
			WHERE e.account_id = $1 AND e.calendar_id = $2 AND e.instance_key = ANY($3) AND e.ends_at < $4`,
			cal.AccountID, cal.ID, pq.Array(missing), from)
		if err != nil {
			return nil, 0, fmt.Errorf("select past events: %w", err)
		}
		rows = append(rows, old...)
	}
	events = openAll(h.Sealer, rows)
	for _, e := range events {
		if e.Sealed {
			unsealed++
		}
	}
	return events, unsealed, nil
}

// putEvents writes events and fills in the ids of the new ones.
func (h *house) putEvents(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, events []*Event) error {
	for len(events) > 0 {
		n := min(len(events), putsPerStatement)
		if err := h.putBatch(ctx, tx, cal, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// The arrays are rows side by side. Law 8: INSERT … SELECT unnest ends in ON CONFLICT
// and RETURNING, and sets only EXCLUDED.
const putEvents = `
INSERT INTO events AS e (account_id, calendar_id, instance_key, uid, occurrence, starts_at, ends_at, all_day, start_date, kind,
    cancelled, declined, hidden, sealed_text, etag, first_seen_at, changed_at, gone_at)
SELECT $1, $2, u.instance_key, u.uid, u.occurrence, u.starts_at, u.ends_at, u.all_day, CAST(NULLIF(u.start_date, '') AS date), u.kind,
    u.cancelled, u.declined, u.hidden, u.sealed_text, u.etag, u.first_seen_at, u.changed_at, NULL
FROM unnest(CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS timestamptz[]), CAST($7 AS timestamptz[]),
    CAST($8 AS boolean[]), CAST($9 AS text[]), CAST($10 AS text[]), CAST($11 AS boolean[]), CAST($12 AS boolean[]), CAST($13 AS boolean[]),
    CAST($14 AS bytea[]), CAST($15 AS text[]), CAST($16 AS timestamptz[]), CAST($17 AS timestamptz[]))
    AS u (instance_key, uid, occurrence, starts_at, ends_at, all_day, start_date, kind, cancelled, declined, hidden,
        sealed_text, etag, first_seen_at, changed_at)
ON CONFLICT (account_id, calendar_id, instance_key) DO UPDATE SET
    uid = EXCLUDED.uid, occurrence = EXCLUDED.occurrence, starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at,
    all_day = EXCLUDED.all_day, start_date = EXCLUDED.start_date, kind = EXCLUDED.kind, cancelled = EXCLUDED.cancelled,
    declined = EXCLUDED.declined, hidden = EXCLUDED.hidden, sealed_text = EXCLUDED.sealed_text, etag = EXCLUDED.etag,
    changed_at = EXCLUDED.changed_at, gone_at = NULL
RETURNING e.id, e.instance_key`

func (h *house) putBatch(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, events []*Event) error {
	n := len(events)
	var (
		keys, uids, occurrences, dates, kinds, etags = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		starts, ends, firsts, changes                = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		allDay, cancelled, declined, hidden          = make([]bool, n), make([]bool, n), make([]bool, n), make([]bool, n)
		sealed                                       = make([][]byte, n)
	)
	byKey := make(map[string]*Event, n)
	for i, e := range events {
		var err error
		if sealed[i], err = sealTexts(h.Sealer, cal, e.Key, texts{e.Title, e.Location, e.Description}); err != nil {
			return err
		}
		keys[i], uids[i], occurrences[i], dates[i], kinds[i], etags[i] = e.Key, e.UID, e.Occurrence, e.StartDate, e.Kind, e.ETag
		starts[i], ends[i], firsts[i], changes[i] = stamp(e.Start), stamp(e.End), stamp(e.FirstSeen), stamp(e.Changed)
		allDay[i], cancelled[i], declined[i], hidden[i] = e.AllDay, e.Cancelled, e.Declined, e.Hidden
		byKey[e.Key] = e
	}
	var ids []struct {
		ID  int64  `db:"id"`
		Key string `db:"instance_key"`
	}
	err := tx.SelectContext(ctx, &ids, putEvents, cal.AccountID, cal.ID, pq.Array(keys), pq.Array(uids), pq.Array(occurrences),
		pq.Array(starts), pq.Array(ends), pq.Array(allDay), pq.Array(dates), pq.Array(kinds), pq.Array(cancelled), pq.Array(declined),
		pq.Array(hidden), pq.ByteaArray(sealed), pq.Array(etags), pq.Array(firsts), pq.Array(changes))
	if err != nil {
		return fmt.Errorf("put events: %w", err)
	}
	for _, r := range ids {
		byKey[r.Key].ID = r.ID
	}
	return nil
}

// stamp writes an instant for an array of timestamptz, which the driver has no type
// for.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z07:00") }

// markGone notes that events vanished.
func markGone(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, ids []int64, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE events SET gone_at = $4, changed_at = $4
		WHERE account_id = $1 AND calendar_id = $2 AND id = ANY($3)`, cal.AccountID, cal.ID, pq.Array(ids), now)
	if err != nil {
		return fmt.Errorf("mark events gone: %w", err)
	}
	return nil
}
