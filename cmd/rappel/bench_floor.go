package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// What the floor and the product have in common.
const (
	benchInsertBatch = 5000   // messages of one transaction
	benchInserters   = 2      // connections that insert
	benchShuffle     = 20_000 // receipts come in any order within this many
)

// What the floor alone decides.
const (
	floorClaimBatch   = 2000
	floorReceiptBatch = 1000
	floorWorkers      = 2
)

// benchFloor is the least that must be written for a message to be sent exactly once and
// its receipt be known, in the design that measured fastest: an immutable table of
// messages, a narrow one of what was sent at fillfactor 70, a queue whose rows are deleted
// at claim against one row of claims. Nothing else: no accounts, no retries, no opt-outs,
// no history. So it is a bound for any store on this machine.
type benchFloor struct {
	db    *sqlx.DB
	place *benchPlace
	drop  func(context.Context) error
	last  int64 // highest id given
}

const floorTables = `
CREATE TABLE floor_messages (
    id bigint PRIMARY KEY, account_id bigint NOT NULL, recipient text NOT NULL, sender text NOT NULL, body text NOT NULL,
    created_at timestamptz NOT NULL);
CREATE TABLE floor_queue (id bigint PRIMARY KEY);
CREATE TABLE floor_claims (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ids bigint[] NOT NULL, claimed_at timestamptz NOT NULL);
CREATE TABLE floor_sent (
    id bigint PRIMARY KEY, carrier smallint NOT NULL, carrier_id text NOT NULL, state smallint NOT NULL,
    sent_at timestamptz NOT NULL, state_at timestamptz NOT NULL) WITH (fillfactor = 70);
` + floorCarrierIndex

const floorCarrierIndex = `CREATE INDEX floor_sent_carrier_id ON floor_sent (carrier_id)`

func (b *bench) newFloor(ctx context.Context, round benchRound) (f *benchFloor, err error) {
	dsn, drop, err := b.place.database(ctx, "floor")
	if err != nil {
		return nil, err
	}
	f = &benchFloor{place: b.place, drop: drop}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close(ctx))
		}
	}()
	// The same planner settings as the dispatcher's connections.
	if dsn, err = notify.DispatchDSN(dsn); err != nil {
		return f, err
	}
	if f.db, err = openPool(ctx, dsn, 2*floorWorkers); err != nil {
		return f, err
	}
	if _, err = f.db.ExecContext(ctx, floorTables); err != nil {
		return f, fmt.Errorf("create the floor's tables: %w", err)
	}
	if round.finished > 0 {
		b.say("floor, filling in %d finished messages", round.finished)
		err = f.fill(ctx, round.finished, round.accounts)
	}
	return f, err
}

// close drops the database; it works after the end of ctx too.
func (f *benchFloor) close(ctx context.Context) error {
	var errs []error
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	return errors.Join(append(errs, f.drop(ctx))...)
}

// fill adds messages that are done with.
func (f *benchFloor) fill(ctx context.Context, n, accounts int) error {
	if _, err := f.db.ExecContext(ctx, `DROP INDEX floor_sent_carrier_id`); err != nil { // faster at the end, in one go
		return fmt.Errorf("drop an index: %w", err)
	}
	err := inParallel(2, benchChunks(n, 100_000), func(c benchChunk) error {
		_, err := f.db.ExecContext(ctx, `
			WITH m AS (
			    INSERT INTO floor_messages SELECT i, 1 + i % $3, '+41' || (790000000 + i % 10000000), 'Praxis', $4, now()
			    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) i RETURNING id)
			INSERT INTO floor_sent SELECT id, 1, left(md5(id::text), 20), 3, now(), now() FROM m`,
			c.from+1, c.to, accounts, benchBody(0))
		return err
	})
	if err != nil {
		return fmt.Errorf("fill in finished messages: %w", err)
	}
	f.last = int64(n)
	for _, query := range []string{floorCarrierIndex, `VACUUM ANALYZE`} {
		if _, err := f.db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("fill in finished messages: %w", err)
		}
	}
	return nil
}

// cycle runs the three phases.
func (f *benchFloor) cycle(ctx context.Context, round benchRound) (p benchPhases, err error) {
	if err := f.place.checkpoint(ctx); err != nil {
		return p, err
	}
	n := round.messages
	if p.Insert, err = perSecond(n, func() error { return f.insert(ctx, n, round.accounts) }); err != nil {
		return p, err
	}
	if _, err := f.db.ExecContext(ctx, `ANALYZE`); err != nil {
		return p, fmt.Errorf("analyze: %w", err)
	}
	var ids []string
	if p.Dispatch, err = perSecond(n, func() (err error) { ids, err = f.dispatch(ctx, n); return err }); err != nil {
		return p, err
	}
	shuffleInWindows(ids)
	if p.Receipts, err = perSecond(n, func() error { return f.receipts(ctx, ids) }); err != nil {
		return p, err
	}
	var done int
	if err := f.db.GetContext(ctx, &done, `SELECT count(*) FROM floor_sent WHERE id > $1 AND state = 3`, f.last); err != nil {
		return p, err
	}
	if done != n {
		return p, fmt.Errorf("%d of %d messages were delivered", done, n)
	}
	f.last += int64(n)
	return p.sum(), nil
}

func (f *benchFloor) insert(ctx context.Context, n, accounts int) error {
	return inParallel(benchInserters, benchChunks(n, benchInsertBatch), func(c benchChunk) error {
		tx, err := f.db.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		if err := f.copyIn(ctx, tx.Tx, c, n, accounts); err != nil {
			return errors.Join(fmt.Errorf("insert: %w", err), tx.Rollback())
		}
		return tx.Commit()
	})
}

func (f *benchFloor) copyIn(ctx context.Context, tx *sql.Tx, c benchChunk, n, accounts int) error {
	now := time.Now()
	return errors.Join(
		copyRows(ctx, tx, `COPY floor_messages (id, account_id, recipient, sender, body, created_at) FROM STDIN`, c, func(i int) []any {
			return []any{f.last + int64(i) + 1, benchAccount(i, n, accounts), benchRecipient(i), "Praxis", benchBody(i), now}
		}),
		copyRows(ctx, tx, `COPY floor_queue (id) FROM STDIN`, c, func(i int) []any { return []any{f.last + int64(i) + 1} }))
}

func copyRows(ctx context.Context, tx *sql.Tx, query string, c benchChunk, row func(i int) []any) error {
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	for i := c.from; i < c.to; i++ {
		if _, err := stmt.ExecContext(ctx, row(i)...); err != nil {
			return errors.Join(err, stmt.Close())
		}
	}
	_, err = stmt.ExecContext(ctx)
	return errors.Join(err, stmt.Close())
}

const (
	floorClaim = `
WITH due AS MATERIALIZED (SELECT id FROM floor_queue ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM floor_queue q USING due WHERE q.id = due.id RETURNING q.id),
held AS (INSERT INTO floor_claims (ids, claimed_at) SELECT array_agg(id), now() FROM gone HAVING count(*) > 0 RETURNING id)
SELECT held.id, m.id, m.recipient, m.sender, m.body FROM held, gone JOIN floor_messages m ON m.id = gone.id`
	floorResult = `
WITH freed AS (DELETE FROM floor_claims WHERE id = $1)
INSERT INTO floor_sent (id, carrier, carrier_id, state, sent_at, state_at)
SELECT u.id, 1, u.carrier_id, 1, now(), now() FROM unnest(CAST($2 AS bigint[]), CAST($3 AS text[])) u (id, carrier_id)`
	floorReceipt = `
UPDATE floor_sent s SET state = 3, state_at = now() FROM unnest(CAST($1 AS text[])) u (carrier_id) WHERE s.carrier_id = u.carrier_id`
)

// dispatch claims, pretends to send and records, until the queue is empty. It returns the
// carrier ids in the order recorded.
func (f *benchFloor) dispatch(ctx context.Context, n int) ([]string, error) {
	var mu sync.Mutex
	all := make([]string, 0, n)
	err := inParallel(floorWorkers, make([]struct{}, floorWorkers), func(struct{}) error {
		for {
			claim, ids, err := f.claim(ctx)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				return nil
			}
			carrierIDs := make([]string, len(ids))
			for i := range ids {
				carrierIDs[i] = benchCarrierID()
			}
			if _, err := f.db.ExecContext(ctx, floorResult, claim, pq.Array(ids), pq.Array(carrierIDs)); err != nil {
				return fmt.Errorf("record: %w", err)
			}
			mu.Lock()
			all = append(all, carrierIDs...)
			mu.Unlock()
		}
	})
	return all, err
}

func (f *benchFloor) claim(ctx context.Context) (claim int64, ids []int64, err error) {
	rows, err := f.db.QueryContext(ctx, floorClaim, floorClaimBatch)
	if err != nil {
		return 0, nil, fmt.Errorf("claim: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	ids = make([]int64, 0, floorClaimBatch)
	for rows.Next() {
		var id int64
		var recipient, sender, body string // a carrier would get these
		if err := rows.Scan(&claim, &id, &recipient, &sender, &body); err != nil {
			return 0, nil, fmt.Errorf("claim: %w", err)
		}
		ids = append(ids, id)
	}
	return claim, ids, rows.Err()
}

func (f *benchFloor) receipts(ctx context.Context, ids []string) error {
	var done atomic.Int64
	err := inParallel(floorWorkers, benchChunks(len(ids), floorReceiptBatch), func(c benchChunk) error {
		res, err := f.db.ExecContext(ctx, floorReceipt, pq.Array(ids[c.from:c.to]))
		if err != nil {
			return fmt.Errorf("receipts: %w", err)
		}
		n, err := res.RowsAffected()
		done.Add(n)
		return err
	})
	if err == nil && int(done.Load()) != len(ids) {
		err = fmt.Errorf("%d of %d receipts met their message", done.Load(), len(ids))
	}
	return err
}
