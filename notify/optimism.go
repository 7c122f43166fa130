package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Rows nobody has written before are inserted as such: ON CONFLICT looks each of them up
// first and costs half as much again as the row itself. Where a row was there all the same,
// the database refuses the batch, nothing of it is written, and it is done again with care.

// optimism says whether a batch is tried without care. After a conflict the next ones
// aren't: where there is one, as with a gateway that counts its ids anew or throttles all
// the time, there are more.
type optimism struct{ careful atomic.Int32 }

// carefulFor is how many batches after a conflict are written with care.
const carefulFor = 32

// dare reports whether to try the next batch without care.
func (o *optimism) dare() bool {
	for {
		n := o.careful.Load()
		if n == 0 {
			return true
		}
		if o.careful.CompareAndSwap(n, n-1) {
			return false
		}
	}
}

// refuted is told that a batch met a row that was there.
func (o *optimism) refuted() { o.careful.Store(carefulFor) }

// conflicts reports whether err says that a row was there already.
func conflicts(err error) bool {
	var pe *pq.Error
	return errors.As(err, &pe) && pe.Code == "23505" // unique_violation
}

// first reports whether o is what happens by the book: accepted at the first try, in one
// segment or under one id, so that nothing is written of it yet.
func (o *outcome) first() bool {
	return o.verdict == vAccepted && o.counted && o.it.Attempts == 0 && len(o.ids) == 1 && o.reason == "" && o.code == ""
}

// Law 8: an INSERT ... SELECT of unnest ends in RETURNING or ON CONFLICT.
var writeFirst = `
WITH w AS (
INSERT INTO sent AS s (account_id, message_id, status, carrier, parts, attempts, accepted_at, status_at)
SELECT u.account_id, u.message_id, 1, $4, 1, 1, ` + instantOf(`u.at`) + `, ` + instantOf(`u.at`) + `
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS bigint[])) AS u (account_id, message_id, at)
RETURNING s.account_id)
SELECT count(*) FROM w`

const referFirst = `
WITH w AS (
INSERT INTO carrier_refs AS r (carrier, carrier_message_id, account_id, message_id, status, whole)
SELECT $1, u.id, u.account_id, u.message_id, 1, true
FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS bigint[])) AS u (id, account_id, message_id)
RETURNING r.account_id)
SELECT count(*) FROM w`

// referFirstTx enters the carrier ids of messages of which nothing is written yet.
// When one is known already, it fails with an error that conflicts.
func (b *book) referFirstTx(ctx context.Context, tx *sqlx.Tx, carrier string, all []standing) error {
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	ids, accounts, messages := make([]string, n), make([]int64, n), make([]int64, n)
	// Sorted ids keep two such statements from waiting for each other. All itself stays in
	// the order of the messages, in which writeFirstTx is faster.
	type entry struct {
		id string
		of *standing
	}
	sorted := make([]entry, n)
	for i := range all {
		sorted[i] = entry{all[i].id, &all[i]}
	}
	slices.SortFunc(sorted, func(a, b entry) int { return strings.Compare(a.id, b.id) })
	for i, e := range sorted {
		ids[i], accounts[i], messages[i] = e.id, e.of.AccountID, e.of.ID
	}
	var written int
	if err := b.statements.getTx(ctx, tx, &written, referFirst, carrier, texts(ids), integers(accounts), integers(messages)); err != nil {
		return fmt.Errorf("enter %d carrier ids: %w", n, err)
	}
	return nil
}

// writeFirstTx writes the acceptance of messages of which nothing is written yet. When
// something is, it fails with an error that conflicts.
func (b *book) writeFirstTx(ctx context.Context, tx *sqlx.Tx, carrier string, all []standing) error {
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	accounts, messages, at := make([]int64, n), make([]int64, n), make([]time.Time, n)
	for i := range all {
		accounts[i], messages[i], at[i] = all[i].AccountID, all[i].ID, all[i].at
	}
	var written int
	if err := b.statements.getTx(ctx, tx, &written, writeFirst, integers(accounts), integers(messages), integers(microseconds(at)), carrier); err != nil {
		return fmt.Errorf("write %d results: %w", n, err)
	}
	return nil
}
