package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify/segment"
)

// item is a claimed message and what is known about it.
type item struct {
	claim      *claim
	Attempts   int16      // submissions before this claim
	Origin     Origin     `db:"origin"`
	OriginID   int64      `db:"origin_id"`
	FreshUntil *time.Time `db:"fresh_until"`
	OptedOut   bool
	Invalid    bool // the number is on the list of invalid ones
	Message
}

func (it *item) ref() MessageRef { return MessageRef{it.AccountID, it.ID} }

// claim is what one account has in a batch: until its row in claims is gone, every message
// in it may have reached the carrier.
type claim struct {
	account, id int64
	open        int          // messages not recorded yet
	until       atomic.Int64 // end of the lease, Unix nanoseconds
	lost        atomic.Bool  // another process has it
}

// batch is what was claimed together, of one account or several, for one carrier.
type batch struct {
	lane   *lane // nil: no carrier serves these numbers
	k      *traffic
	claims []*claim
	items  []*item
	at     time.Time

	sending context.Context // bounds the submissions that are made at once
	over    func()          // called when the carrier is through with it; nil: nobody waits for that
}

func (b *batch) carrier() string {
	if b.lane == nil {
		return ""
	}
	return b.lane.carrier.Name()
}

// add puts an item into the batch's claim with id, which it makes when it is the first.
func (b *batch) add(it *item, id int64, until time.Time) {
	var c *claim
	if n := len(b.claims); n > 0 && b.claims[n-1].id == id {
		c = b.claims[n-1]
	} else {
		for _, known := range b.claims {
			if known.id == id {
				c = known
			}
		}
	}
	if c == nil {
		c = &claim{account: it.AccountID, id: id}
		c.until.Store(until.UnixNano())
		b.claims = append(b.claims, c)
	}
	it.claim = c
	c.open++
	b.items = append(b.items, it)
}

// One statement takes the batch out of the queue, writes a claims row per account and
// reads the messages, so that a crash leaves each message either queued or claimed.
// Reading opt-outs here, in the snapshot that took the rows, is the last look before
// submission; what confirms an opt-out is the one message that passes.
//
// The accounts are leased, so nobody else takes from these rows, and nothing is locked
// before it is deleted. Each row is deleted where it was found (ctid): the statement's
// snapshot holds it there, and no index needs to find it again. Should another process do so all the same, because a lease ran
// out, what it deleted first isn't among the rows that come back here.
//
// What is small shares a column, and a time comes as microseconds: reading a column costs
// more than making it.
//
// Each account is walked in the order of its index and for one priority, so a million
// texts scheduled for next week are not read.
const takeBatch = `
WITH leased AS MATERIALIZED (
    SELECT a.account_id, a.n, nextval('claims_id_seq') AS claim_id
    FROM unnest(CAST($1 AS bigint[])) WITH ORDINALITY AS a (account_id, n)),
due AS MATERIALIZED (
    SELECT a.claim_id, q.place
    FROM leased a
    CROSS JOIN LATERAL (
        SELECT q.ctid AS place FROM queue q {{join}}
        WHERE q.account_id = a.account_id AND q.priority = $2 AND q.send_at <= $3 {{where}}
        ORDER BY q.send_at LIMIT $4) AS q
    ORDER BY a.n LIMIT $5),
gone AS (
    DELETE FROM queue q USING due b
    WHERE q.ctid = b.place
    RETURNING b.claim_id, q.account_id, q.message_id, q.attempts),
held AS (
    INSERT INTO claims AS c (account_id, id, carrier, owner, message_ids, attempts, claimed_at, lease_until)
    SELECT g.account_id, g.claim_id, $6, $7, array_agg(g.message_id), array_agg(g.attempts), $3, $8
    FROM gone g GROUP BY g.account_id, g.claim_id
    RETURNING c.id)
SELECT g.claim_id, m.account_id, m.id, CAST(g.attempts AS bigint) | (CAST(m.kind AS bigint) << 16) | (CAST(m.encoding AS bigint) << 20)
    | (CASE WHEN m.origin <> 'optout' AND EXISTS (SELECT 1 FROM opt_outs o WHERE o.account_id = m.account_id AND o.recipient = m.recipient)
        THEN 1 << 24 ELSE 0 END)
    | (CASE WHEN EXISTS (SELECT 1 FROM invalid_numbers i WHERE i.account_id = m.account_id AND i.recipient = m.recipient AND i.since > $9)
        THEN 1 << 25 ELSE 0 END)
    | (CAST(m.segments AS bigint) << 32) AS packed,
    m.recipient, m.sender, m.body, CAST(date_part('epoch', m.expires_at) * 1000000 AS bigint) AS expires, m.origin, m.origin_id, m.fresh_until
FROM gone g CROSS JOIN LATERAL (SELECT * FROM messages m WHERE m.account_id = g.account_id AND m.id = g.message_id OFFSET 0) AS m` // see lookUpRef

const messageColumns = `m.account_id AS accountid, m.id, m.kind, m.recipient, m.sender, m.body, m.encoding, m.segments,
	m.expires_at AS expires, m.origin, m.origin_id, m.fresh_until`

// The forms of takeBatch: for all numbers alike; for those of one destination; and what is
// too late anyway, among the oldest, while no carrier takes anything.
var (
	takeAny   = takeForm("", "")
	takeSome  = takeForm("JOIN messages m ON m.account_id = q.account_id AND m.id = q.message_id", destinationOnly)
	takeStale = takeForm("JOIN messages m ON m.account_id = q.account_id AND m.id = q.message_id", destinationOnly+" AND m.expires_at <= $3")
)

const destinationOnly = `AND starts_with(m.recipient, $10)
        AND NOT EXISTS (SELECT 1 FROM unnest(CAST($11 AS text[])) AS e (prefix) WHERE starts_with(m.recipient, e.prefix))`

func takeForm(join, where string) string {
	return strings.NewReplacer("{{join}}", join, "{{where}}", where).Replace(takeBatch)
}

// claimPatience is for a database that doesn't answer.
const claimPatience = 20 * time.Second

// unpack reads what takeBatch packs.
func (it *item) unpack(packed int64) {
	it.Attempts = int16(packed)
	it.Kind = Kind(packed >> 16 & 0xF)
	it.Encoding = segment.Encoding(packed >> 20 & 0xF)
	it.OptedOut, it.Invalid = packed>>24&1 == 1, packed>>25&1 == 1
	it.Segments = int(packed >> 32)
}

// take claims due messages of accounts for dest, at most share of each and limit in all.
// l is the carrier they are for; nil when there is none, or stale only those too late.
//
// The end of ctx doesn't end it: a claim that was made and not heard of would keep its
// messages until its lease is over.
func (d *Dispatcher) take(ctx context.Context, k *traffic, dest *destination, l *lane, accounts []int64, share, limit int64, stale bool) (*batch, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimPatience)
	defer cancel()
	now := d.cfg.Now()
	b := &batch{lane: l, k: k, at: now}
	until := now.Add(d.cfg.ClaimLease)
	query := takeAny
	args := []any{integers(accounts), k.priority, now, share, limit, b.carrier(), d.cfg.Owner, until, now.Add(-invalidFor)}
	if stale || dest.prefix != "" || len(dest.except) > 0 {
		if query = takeSome; stale {
			query = takeStale
		}
		args = append(args, dest.prefix, texts(dest.except))
	}
	err := d.statements.query(ctx, func(rows *sqlx.Rows) error {
		it := &item{}
		var id, packed, expires int64
		m := &it.Message
		if err := rows.Scan(&id, &m.AccountID, &m.ID, &packed, &m.Recipient, &m.Sender, &m.Body, &expires,
			&it.Origin, &it.OriginID, &it.FreshUntil); err != nil {
			return err
		}
		it.unpack(packed)
		m.Expires = time.UnixMicro(expires)
		b.add(it, id, until)
		return nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("claim for %d accounts: %w", len(accounts), err)
	}
	return b, nil
}

// horizon is what an account's queue still holds of a priority.
type horizon struct {
	AccountID int64      `db:"account_id"`
	Oldest    *time.Time `db:"oldest"` // due or not
	Future    *time.Time `db:"future"` // the first that isn't due yet
}

// look says what the queues of accounts still hold.
func (d *Dispatcher) look(ctx context.Context, k *traffic, accounts []int64, now time.Time) (map[int64]horizon, error) {
	all := make(map[int64]horizon, len(accounts))
	err := d.statements.query(ctx, func(rows *sqlx.Rows) error {
		var h horizon
		if err := rows.Scan(&h.AccountID, &h.Oldest, &h.Future); err != nil {
			return err
		}
		all[h.AccountID] = h
		return nil
	}, `SELECT a.account_id,
		(SELECT min(q.send_at) FROM queue q WHERE q.account_id = a.account_id AND q.priority = $2) AS oldest,
		(SELECT min(q.send_at) FROM queue q WHERE q.account_id = a.account_id AND q.priority = $2 AND q.send_at > $3) AS future
		FROM unnest(CAST($1 AS bigint[])) AS a (account_id)`, integers(accounts), k.priority, now)
	if err != nil {
		return nil, fmt.Errorf("look into the queues of %d accounts: %w", len(accounts), err)
	}
	return all, nil
}

// renew shows that claims are still worked on. A claim not among held was taken over by
// another process, or is recorded in full.
func (d *Dispatcher) renew(ctx context.Context, claims []*claim, until time.Time) (held map[int64]bool, err error) {
	accounts, ids := claimKeys(claims)
	held = make(map[int64]bool, len(claims))
	err = d.statements.query(ctx, func(rows *sqlx.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		held[id] = true
		return nil
	}, `UPDATE claims c SET lease_until = $4 FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS u (account_id, id)
		WHERE c.account_id = u.account_id AND c.id = u.id AND c.owner = $3 RETURNING c.id`,
		integers(accounts), integers(ids), d.cfg.Owner, until)
	if err != nil {
		return nil, fmt.Errorf("renew %d claims: %w", len(claims), err)
	}
	return held, nil
}

func claimKeys(claims []*claim) (accounts, ids []int64) {
	accounts, ids = make([]int64, len(claims)), make([]int64, len(claims))
	for i, c := range claims {
		accounts[i], ids[i] = c.account, c.id
	}
	return accounts, ids
}

// shrinkTx takes messages out of the claims, done of each, and removes those that are empty
// then. A claim not among held is another's or gone, or an earlier try has done so already
// whose commit wasn't answered; nothing of it was changed.
func (d *Dispatcher) shrinkTx(ctx context.Context, tx *sqlx.Tx, done map[*claim][]*item) (held map[*claim]bool, err error) {
	held = make(map[*claim]bool, len(done))
	var ended, part []*claim
	for c, items := range done {
		if len(items) == c.open {
			ended = append(ended, c)
		} else {
			part = append(part, c)
		}
	}
	shorter, empty, err := d.partTx(ctx, tx, part, done)
	if err != nil {
		return nil, err
	}
	if ended = append(ended, empty...); len(ended) > 0 {
		accounts, ids := claimKeys(ended)
		var mine []int64
		if err := d.statements.selectTx(ctx, tx, &mine, `
			DELETE FROM claims c USING unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS u (account_id, id)
			WHERE c.account_id = u.account_id AND c.id = u.id AND c.owner = $3 RETURNING c.id`,
			integers(accounts), integers(ids), d.cfg.Owner); err != nil {
			return nil, fmt.Errorf("end %d claims: %w", len(ended), err)
		}
		for _, c := range ended {
			held[c] = slices.Contains(mine, c.id)
		}
	}
	for _, c := range shorter {
		held[c] = true
	}
	maps.DeleteFunc(held, func(_ *claim, mine bool) bool { return !mine })
	return held, nil
}

// partTx takes done out of claims that have more, and returns them, apart from those that
// turn out empty by it. What a claim has is asked of the database: after a commit that
// wasn't answered it may be less than is known here.
func (d *Dispatcher) partTx(ctx context.Context, tx *sqlx.Tx, claims []*claim, done map[*claim][]*item) (shorter, empty []*claim, err error) {
	if len(claims) == 0 {
		return nil, nil, nil
	}
	byID := make(map[int64]*claim, len(claims))
	for _, c := range claims {
		byID[c.id] = c
	}
	accounts, keys := claimKeys(claims)
	var rows []struct {
		ID       int64
		Messages pq.Int64Array `db:"message_ids"`
		Attempts pq.Int64Array
	}
	if err := d.statements.selectTx(ctx, tx, &rows, `
		SELECT c.id, c.message_ids, c.attempts FROM claims c
		JOIN unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS u (account_id, id) ON c.account_id = u.account_id AND c.id = u.id
		WHERE c.owner = $3 ORDER BY c.account_id, c.id FOR UPDATE OF c`,
		integers(accounts), integers(keys), d.cfg.Owner); err != nil {
		return nil, nil, fmt.Errorf("look into %d claims: %w", len(claims), err)
	}
	var ids, attempts []string
	for _, r := range rows {
		c := byID[r.ID]
		gone := make(map[int64]bool, len(done[c]))
		for _, it := range done[c] {
			gone[it.ID] = true
		}
		n := len(r.Messages)
		var restIDs, restAttempts []int64
		for i, id := range r.Messages {
			if !gone[id] {
				restIDs, restAttempts = append(restIDs, id), append(restAttempts, r.Attempts[i])
			}
		}
		switch {
		case n-len(restIDs) < len(gone): // done already
		case len(restIDs) == 0:
			empty = append(empty, c)
		default:
			shorter = append(shorter, c)
			ids, attempts = append(ids, integers(restIDs)), append(attempts, integers(restAttempts))
		}
	}
	if len(shorter) == 0 {
		return nil, empty, nil
	}
	accounts, keys = claimKeys(shorter)
	if err := d.statements.execTx(ctx, tx, `
		UPDATE claims c SET message_ids = CAST(u.ids AS bigint[]), attempts = CAST(u.attempts AS smallint[])
		FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[])) AS u (account_id, id, ids, attempts)
		WHERE c.account_id = u.account_id AND c.id = u.id`,
		integers(accounts), integers(keys), texts(ids), texts(attempts)); err != nil {
		return nil, nil, fmt.Errorf("shorten %d claims: %w", len(shorter), err)
	}
	return shorter, empty, nil
}
