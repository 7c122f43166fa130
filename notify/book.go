package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// book writes what became of messages. Dispatcher and Desk share it, so that whichever
// way news comes, the same rules decide.
type book struct {
	observer   Observer
	log        *slog.Logger
	statements *statements     // nil: prepares nothing
	perSegment map[string]bool // of the carriers known: whether each segment has an id
	count      func(carrier string, to Status, n int)
	meter      Meter    // nil: nothing is charged
	flights    *Flights // nil: every receipt is looked up
}

func newBook(cfg Config, s *statements) *book {
	return &book{observer: cfg.Observer, log: cfg.Log, statements: s, perSegment: perSegment(cfg.Carriers), count: cfg.Count, meter: cfg.Meter, flights: cfg.Flights}
}

// tally counts statuses, when somebody wants to know.
func (b *book) tally(carrier string, to Status, n int) {
	if b.count != nil && n > 0 {
		b.count(carrier, to, n)
	}
}

// standing is a new state for a message.
type standing struct {
	MessageRef
	it       *item  // for the Observer; nil where it isn't known
	id       string // the carrier's, of a message accepted at its first try
	status   Status
	reason   Reason
	code     string
	carrier  string
	parts    int
	attempts int
	accepted *time.Time
	at       time.Time
}

// mayReplace is Status.After in SQL, over the row s and the new values EXCLUDED; a test
// compares the two for every pair. Beyond it, the reason of a message that is NOT_SENT may
// change while it waits, except that a withdrawal sticks: one that came too late gives way
// only to the news that it was in time after all.
const mayReplace = `(s.status <> EXCLUDED.status AND s.status <> 3 AND (
	EXCLUDED.status = 3
	OR (s.status = 12 AND EXCLUDED.status NOT IN (0, 1))
	OR s.status = 0
	OR (s.status = 1 AND EXCLUDED.status <> 0)))`

const writeSent = `
WITH w AS (
INSERT INTO sent AS s (account_id, message_id, status, reason, code, carrier, parts, attempts, accepted_at, status_at)
SELECT u.account_id, u.message_id, u.status, u.reason, u.code, u.carrier, u.parts, u.attempts, u.accepted_at, u.status_at
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS text[]),
    CAST($7 AS smallint[]), CAST($8 AS smallint[]), CAST($9 AS timestamptz[]), CAST($10 AS timestamptz[]))
    AS u (account_id, message_id, status, reason, code, carrier, parts, attempts, accepted_at, status_at)
ON CONFLICT (account_id, message_id) DO UPDATE
SET status = EXCLUDED.status, reason = EXCLUDED.reason, code = EXCLUDED.code, carrier = EXCLUDED.carrier,
    parts = EXCLUDED.parts, delivered = 0, attempts = EXCLUDED.attempts,
    accepted_at = COALESCE(EXCLUDED.accepted_at, s.accepted_at), status_at = EXCLUDED.status_at
WHERE ` + mayReplace + ` OR (s.status = 0 AND EXCLUDED.status = 0 AND (s.reason NOT IN ('withdrawing', 'withdrawn', 'stale')
    OR s.reason = 'withdrawing' AND EXCLUDED.reason IN ('withdrawn', 'stale')))
RETURNING s.account_id, s.message_id)
SELECT count(*) AS n, CASE WHEN count(*) < $11 THEN array_agg(w.account_id) END AS accounts,
    CASE WHEN count(*) < $11 THEN array_agg(w.message_id) END AS ids FROM w`

// those is a set of messages, or all that were asked about.
type those struct {
	all bool
	set map[MessageRef]bool
}

func (t those) has(r MessageRef) bool { return t.all || t.set[r] }

// writeTx gives messages their new standing where the old one allows it, and returns those
// it was given to. The others keep what they had.
func (b *book) writeTx(ctx context.Context, tx *sqlx.Tx, all []standing) (those, error) {
	if len(all) == 0 {
		return those{}, nil
	}
	// Sorted, two of these can't wait for each other in a circle.
	slices.SortFunc(all, func(a, b standing) int { return a.compare(b.MessageRef) })
	n := len(all)
	accounts, ids, status, parts, attempts := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	reason, code, carrier := make([]string, n), make([]string, n), make([]string, n)
	accepted, at := make([]*time.Time, n), make([]time.Time, n)
	for i, s := range all {
		accounts[i], ids[i], status[i], parts[i], attempts[i] = s.AccountID, s.ID, int64(s.status), int64(s.parts), int64(s.attempts)
		reason[i], code[i], carrier[i] = string(s.reason), s.code, s.carrier
		accepted[i], at[i] = s.accepted, s.at
	}
	var written []struct {
		N        int
		Accounts pq.Int64Array
		IDs      pq.Int64Array
	}
	if err := b.statements.selectTx(ctx, tx, &written, writeSent, integers(accounts), integers(ids), integers(status), texts(reason), texts(code),
		texts(carrier), integers(parts), integers(attempts), optionalTimestamps(accepted), timestamps(at), n); err != nil {
		return those{}, fmt.Errorf("write %d results: %w", n, err)
	}
	w := written[0]
	if w.N == n {
		return those{all: true}, nil
	}
	set := make(map[MessageRef]bool, w.N)
	for i := range w.IDs {
		set[MessageRef{w.Accounts[i], w.IDs[i]}] = true
	}
	return those{set: set}, nil
}

// compare orders by account, then by id.
func (r MessageRef) compare(s MessageRef) int {
	return cmp.Or(cmp.Compare(r.AccountID, s.AccountID), cmp.Compare(r.ID, s.ID))
}

// happening is an entry for a message's history.
type happening struct {
	MessageRef
	at     time.Time
	what   What
	status Status
	code   string
}

func (b *book) tellTx(ctx context.Context, tx *sqlx.Tx, all []happening) error {
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	accounts, ids, status := make([]int64, n), make([]int64, n), make([]int64, n)
	what, code, at := make([]string, n), make([]string, n), make([]time.Time, n)
	for i, h := range all {
		accounts[i], ids[i], status[i], what[i], code[i], at[i] = h.AccountID, h.ID, int64(h.status), string(h.what), h.code, h.at
	}
	var written []int64
	if err := b.statements.selectTx(ctx, tx, &written, `
		INSERT INTO message_events AS e (account_id, message_id, at, what, status, code)
		SELECT u.account_id, u.message_id, u.at, u.what, u.status, u.code
		FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS timestamptz[]), CAST($4 AS text[]), CAST($5 AS smallint[]), CAST($6 AS text[]))
		    AS u (account_id, message_id, at, what, status, code)
		RETURNING e.message_id`, integers(accounts), integers(ids), timestamps(at), texts(what), integers(status), texts(code)); err != nil {
		return fmt.Errorf("write the history of %d messages: %w", n, err)
	}
	return nil
}

// voidRef is the status of a carrier id whose receipts count for nothing: it stands for a
// segment of a message that wasn't taken whole.
const voidRef = -1

// carrierID is a carrier's id for a message, or for one of its segments.
type carrierID struct {
	id      string
	message MessageRef
	status  Status
	whole   bool // it stands for the whole message, whose status then is its own
}

// referTx enters carrier ids into the directory. An id known already belongs to the newest
// message from now on: some gateways start counting again.
func (b *book) referTx(ctx context.Context, tx *sqlx.Tx, carrier string, all []carrierID) error {
	if len(all) == 0 {
		return nil
	}
	// The same id twice in one statement would be an error of the database, and sorted
	// ids keep two such statements from waiting for each other.
	slices.SortFunc(all, func(a, b carrierID) int { return cmp.Or(cmp.Compare(a.id, b.id), a.message.compare(b.message)) })
	all = slices.CompactFunc(all, func(a, b carrierID) bool { return a.id == b.id })
	n := len(all)
	ids, accounts, messages, status, whole := make([]string, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	for i, c := range all {
		ids[i], accounts[i], messages[i], status[i], whole[i] = c.id, c.message.AccountID, c.message.ID, int64(c.status), c.whole
	}
	if err := b.statements.execTx(ctx, tx, `
		INSERT INTO carrier_refs (carrier, carrier_message_id, account_id, message_id, status, whole)
		SELECT $1, u.id, u.account_id, u.message_id, u.status, u.whole
		FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS bigint[]), CAST($5 AS smallint[]), CAST($6 AS boolean[]))
		    AS u (id, account_id, message_id, status, whole)
		ON CONFLICT (carrier, carrier_message_id) DO UPDATE
		SET account_id = EXCLUDED.account_id, message_id = EXCLUDED.message_id, status = EXCLUDED.status, whole = EXCLUDED.whole`,
		carrier, texts(ids), integers(accounts), integers(messages), integers(status), booleans(whole)); err != nil {
		return fmt.Errorf("enter %d carrier ids: %w", n, err)
	}
	return nil
}

// errObserver marks what the Observer answered.
var errObserver = errors.New("observer")

// observeTx tells the Observer, account by account. A panic of it is an error like any
// other.
func (b *book) observeTx(ctx context.Context, tx *sqlx.Tx, changes []StatusChange) (err error) {
	if b.observer == nil || len(changes) == 0 {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: it panicked on %d changes", errObserver, len(changes))
		}
	}()
	slices.SortStableFunc(changes, func(a, b StatusChange) int {
		return MessageRef{a.AccountID, a.MessageID}.compare(MessageRef{b.AccountID, b.MessageID})
	})
	for len(changes) > 0 {
		n := slices.IndexFunc(changes, func(c StatusChange) bool { return c.AccountID != changes[0].AccountID })
		if n < 0 {
			n = len(changes)
		}
		if err := b.observer.StatusChanged(ctx, tx, changes[:n:n]); err != nil {
			return fmt.Errorf("%w of %d changes: %w", errObserver, n, err)
		}
		changes = changes[n:]
	}
	return nil
}

// hears reports whether the Observer wants to know of changes with any of reasons.
func (b *book) hears(reasons ...Reason) bool {
	if b.observer == nil {
		return false
	}
	s, ok := b.observer.(Selective)
	return !ok || slices.ContainsFunc(reasons, s.Hears)
}

// current is a message's standing before receipts are applied to it.
type current struct {
	MessageRef
	Status    Status `db:"status"`
	Reason    Reason `db:"reason"`
	Code      string `db:"code"`
	Carrier   string `db:"carrier"`
	Parts     int    `db:"parts"`
	Delivered int    `db:"delivered"`
	Kind      Kind   `db:"kind"`
	Origin    Origin `db:"origin"`
	OriginID  int64  `db:"origin_id"`

	status Status // new
	reason Reason
	code   string
	at     time.Time
	parts  int // newly delivered
}

// lockTx reads the standing of messages and locks it, in the order of their ids. Locks are
// taken account by account (law 4).
func (b *book) lockTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64) (map[int64]*current, error) {
	var rows []*current
	err := tx.SelectContext(ctx, &rows, `
		SELECT s.account_id AS accountid, s.message_id AS id, s.status, s.reason, s.code, s.carrier, s.parts, s.delivered, m.kind, m.origin, m.origin_id
		FROM sent s JOIN messages m ON m.account_id = s.account_id AND m.id = s.message_id AND m.account_id = $1
		WHERE s.account_id = $1 AND s.message_id = ANY(CAST($2 AS bigint[]))
		ORDER BY s.message_id FOR UPDATE OF s`, account, integers(ids))
	if err != nil {
		return nil, fmt.Errorf("lock %d messages: %w", len(ids), err)
	}
	all := make(map[int64]*current, len(rows))
	for _, r := range rows {
		r.status, r.reason, r.code = r.Status, r.Reason, r.Code
		all[r.ID] = r
	}
	return all, nil
}

// updateTx writes what receipts changed, in place (HOT: no column here is indexed).
func (b *book) updateTx(ctx context.Context, tx *sqlx.Tx, account int64, all []*current) error {
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	ids, status, delivered := make([]int64, n), make([]int64, n), make([]int64, n)
	reason, code, at := make([]string, n), make([]string, n), make([]*time.Time, n)
	for i, c := range all {
		ids[i], status[i], delivered[i] = c.ID, int64(c.status), int64(c.Delivered+c.parts)
		reason[i], code[i] = string(c.reason), c.code
		if c.status != c.Status {
			at[i] = &c.at
		}
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE sent AS s SET status = u.status, delivered = u.delivered, reason = u.reason, code = u.code,
		    status_at = COALESCE(u.at, s.status_at)
		FROM unnest(CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS smallint[]), CAST($5 AS text[]), CAST($6 AS text[]), CAST($7 AS timestamptz[]))
		    AS u (message_id, status, delivered, reason, code, at)
		WHERE s.account_id = $1 AND s.message_id = u.message_id`,
		account, integers(ids), integers(status), integers(delivered), texts(reason), texts(code), optionalTimestamps(at)); err != nil {
		return fmt.Errorf("update %d messages: %w", n, err)
	}
	return nil
}
