package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// dareFrom is how many messages are first inserted without looking whether they are known.
// For fewer, the savepoint for when one is costs more than it saves.
const dareFrom = 64

// insertTx adds drafts, into the queue too if enqueue says so, and gives those added their
// id. It leaves out those whose reference is known already.
func insertTx(ctx context.Context, tx *sqlx.Tx, drafts []*draft, enqueue bool, byKey map[draftKey]*draft, now time.Time) error {
	switch n := len(drafts); {
	case n == 0:
		return nil
	case n < dareFrom:
		return insertUnknownTx(ctx, tx, drafts, enqueue, byKey, now)
	}
	if _, err := tx.ExecContext(ctx, `SAVEPOINT before_insert`); err != nil {
		return err
	}
	err := insertNewTx(ctx, tx, drafts, enqueue, now)
	if conflicts(err) {
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT before_insert`); err != nil {
			return err
		}
		err = insertUnknownTx(ctx, tx, drafts, enqueue, byKey, now)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `RELEASE SAVEPOINT before_insert`)
	return err
}

// messageValues is what is inserted of a message beside its id and the time it is added.
var messageValues = []string{"account_id", "kind", "reference", "origin", "origin_id", "recipient", "sender", "body",
	"encoding", "segments", "units", "send_at", "expires_at", "fresh_until", "tariff_id", "credits"}

// insertNewTx adds drafts of which none is known; if one is, it fails with an error that
// conflicts. That none is known makes it a statement without a look at each row before and
// after: their ids are drawn first.
func insertNewTx(ctx context.Context, tx *sqlx.Tx, drafts []*draft, enqueue bool, now time.Time) error {
	var ids pq.Int64Array
	if err := tx.GetContext(ctx, &ids, `SELECT array_agg(nextval('messages_id_seq')) FROM generate_series(1, CAST($1 AS int))`, len(drafts)); err != nil {
		return fmt.Errorf("draw ids: %w", err)
	}
	c := draftColumns(drafts)
	c.array("id", "bigint", integers(ids))
	query := `INSERT INTO messages AS m (` + strings.Join(messageValues, ", ") + `, id, created_at)
    SELECT ` + c.list(messageValues...) + `, u.id, ` + c.arg(now) + ` FROM ` + c.from() + `
    RETURNING m.account_id`
	if enqueue {
		query += `),
queued AS (
    INSERT INTO queue AS q (account_id, message_id, priority, send_at)
    SELECT ` + c.exprs["account_id"] + `, u.id, ` + priorityOf(c.exprs["kind"]) + `, ` + c.exprs["send_at"] + `
    FROM ` + c.some("account_id", "id", "kind", "send_at").from() + `
    RETURNING q.account_id`
	}
	var added int
	if err := tx.GetContext(ctx, &added, `WITH added AS (
    `+query+`)
SELECT count(*) FROM added`, c.args...); err != nil {
		return err
	}
	for i, d := range drafts {
		d.out.ID = ids[i]
	}
	return nil
}

// insertUnknownTx adds those of drafts whose reference isn't known.
func insertUnknownTx(ctx context.Context, tx *sqlx.Tx, drafts []*draft, enqueue bool, byKey map[draftKey]*draft, now time.Time) error {
	c := draftColumns(drafts)
	query := `INSERT INTO messages AS m (` + strings.Join(messageValues, ", ") + `, created_at)
    SELECT ` + c.list(messageValues...) + `, ` + c.arg(now) + ` FROM ` + c.from() + `
    ON CONFLICT (account_id, reference) DO NOTHING
    RETURNING m.account_id, m.id, m.reference, m.kind, m.send_at`
	if enqueue {
		query += `),
queued AS (
    INSERT INTO queue AS q (account_id, message_id, priority, send_at)
    SELECT a.account_id, a.id, ` + priorityOf("a.kind") + `, a.send_at FROM added a
    RETURNING q.account_id`
	}
	// Arrays, since a row each costs as much as the insert.
	var added struct {
		Accounts, IDs pq.Int64Array
		References    pq.StringArray
	}
	if err := tx.GetContext(ctx, &added, `WITH added AS (
    `+query+`)
SELECT array_agg(account_id) AS accounts, array_agg(id) AS ids, array_agg(reference) AS "references" FROM added`, c.args...); err != nil {
		return err
	}
	for i, id := range added.IDs {
		byKey[draftKey{added.Accounts[i], added.References[i]}].out.ID = id
	}
	return nil
}

// priorityOf is Kind.priority in SQL.
func priorityOf(kind string) string {
	return fmt.Sprintf("CASE WHEN %s = %d THEN %d ELSE %d END", kind, Marketing, priorityMarketing, priorityNotification)
}

// draftColumns are the values of drafts, under the names of the table's columns.
func draftColumns(drafts []*draft) *columns {
	n := len(drafts)
	account, kind, originID := make([]int64, n), make([]int64, n), make([]int64, n)
	reference, origin, recipient, sender, body := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	encoding, segments, units := make([]int64, n), make([]int64, n), make([]int64, n)
	tariffs, credits := make([]int64, n), make([]int64, n)
	sendAt, expires, fresh := make([]time.Time, n), make([]time.Time, n), make([]*time.Time, n)
	for i, d := range drafts {
		account[i], kind[i], originID[i] = d.AccountID, int64(d.Kind), d.OriginID
		reference[i], origin[i], recipient[i], sender[i], body[i] = d.Reference, string(d.Origin), d.Recipient, d.out.Sender, d.out.Body
		encoding[i], segments[i], units[i] = int64(d.out.Encoding), int64(d.out.Segments), int64(d.out.Units)
		sendAt[i], expires[i] = d.sendAt, d.Expires
		tariffs[i], credits[i] = d.price.TariffID, int64(d.price.Credits)
		if !d.FreshUntil.IsZero() {
			fresh[i] = &d.FreshUntil
		}
	}
	c := newColumns()
	c.numbers("account_id", "bigint", account)
	c.numbers("kind", "smallint", kind)
	c.array("reference", "text", texts(reference)) // no two are the same
	c.texts("origin", origin)
	c.numbers("origin_id", "bigint", originID)
	c.texts("recipient", recipient)
	c.texts("sender", sender)
	c.texts("body", body)
	c.numbers("encoding", "smallint", encoding)
	c.numbers("segments", "smallint", segments)
	c.numbers("units", "int", units)
	c.times("send_at", sendAt)
	c.times("expires_at", expires)
	c.optionalTimes("fresh_until", fresh)
	c.numbers("tariff_id", "bigint", tariffs)
	c.numbers("credits", "int", credits)
	for _, name := range []string{"tariff_id", "credits"} { // 0: never priced
		c.exprs[name] = "NULLIF(" + c.exprs[name] + ", 0)"
	}
	return c
}
