package notify

import (
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// applyByTheBook is the statement for receipts in c of messages that are SENT under one id,
// for which a final receipt is the last: nearly all there are. It returns which it applied,
// unless it was all n. c names the messages, or the carrier ids to look them up by.
func applyByTheBook(c *columns, n int) string {
	from, message, where := c.numbered("n"), "u", c.list("status")+" NOT IN (0, 1, 5)"
	if c.exprs["message_id"] == "" {
		from, message, where = from+lookUpRef(c), "k", where+" AND k.whole AND k.status = 1"
		if number := c.exprs["number"]; number != "" { // digits, "" where the receipt names none
			from += `
    CROSS JOIN LATERAL (SELECT 1 FROM messages m
        WHERE m.account_id = k.account_id AND m.id = k.message_id AND right(m.recipient, length(` + number + `)) = ` + number + ` OFFSET 0) AS m`
		}
	}
	return `
WITH r AS MATERIALIZED (
    SELECT u.n, ` + c.list("status") + ` AS next, ` + c.list("code") + ` AS code, ` + c.list("at") + ` AS at, s.place
    FROM ` + from + `
    CROSS JOIN LATERAL (SELECT s.ctid AS place FROM sent s
        WHERE s.account_id = ` + message + `.account_id AND s.message_id = ` + message + `.message_id AND s.status = 1 OFFSET 0) AS s
    WHERE ` + where + `),
w AS (
    UPDATE sent AS s SET status = r.next, code = r.code, status_at = r.at,
        reason = CASE r.next WHEN 3 THEN '' ELSE 'receipt' END, delivered = CASE r.next WHEN 3 THEN s.parts ELSE s.delivered END
    FROM r
    WHERE s.ctid = r.place AND s.status = 1
    RETURNING r.n)
SELECT CASE WHEN count(*) < ` + c.arg(n) + ` THEN array_agg(w.n) ELSE '{}' END AS some, count(*) AS n FROM w`
}

// lookUpRef joins what carrier_refs has for the carrier and the id of u, as k.
//
// OFFSET 0 makes it one look-up by the whole key for each u. As a plain join the planner may
// read every id of the carrier instead and compare: on a table that was empty when somebody
// last counted, that seems cheap, and the plan stays until somebody counts again. What is
// to be written is found in this way too, and then by its place (ctid).
func lookUpRef(c *columns) string {
	return `
    CROSS JOIN LATERAL (SELECT k.account_id, k.message_id, k.status, k.whole FROM carrier_refs k
        WHERE k.carrier = ` + c.list("carrier") + ` AND k.carrier_message_id = u.id OFFSET 0) AS k`
}

// applyByTheBookTx applies those receipts it can in one statement, or in two where not all
// their messages were recorded here lately, and returns the others.
func (b *book) applyByTheBookTx(ctx context.Context, tx *sqlx.Tx, all []folded) (others []folded, err error) {
	refs, known, others := b.flights.messages(all)
	accounts, messages := make([]int64, len(refs)), make([]int64, len(refs))
	for i, ref := range refs {
		accounts[i], messages[i] = ref.AccountID, ref.ID
	}
	known, err = b.applySimplyTx(ctx, tx, known, func(c *columns) {
		c.array("message_id", "bigint", integers(messages))
		c.array("account_id", "bigint", integers(accounts))
	})
	if err != nil {
		return nil, err
	}
	if len(known) > 0 { // the directory may know of another message by now
		others = append(others, known...)
		slices.SortFunc(others, folded.compare)
	}
	carriers, ids, numbers := make([]string, len(others)), make([]string, len(others)), make([]string, len(others))
	named := false
	for i, f := range others {
		carriers[i], ids[i], numbers[i] = f.carrier, f.id, string(digitsOf(f.Recipient))
		named = named || numbers[i] != ""
	}
	return b.applySimplyTx(ctx, tx, others, func(c *columns) {
		c.array("id", "text", texts(ids))
		c.texts("carrier", carriers)
		if named { // of carriers that name no number the messages needn't be read
			c.array("number", "text", texts(numbers))
		}
	})
}

// applySimplyTx runs applyByTheBook with what identify adds to the columns, and returns the
// receipts it didn't apply.
func (b *book) applySimplyTx(ctx context.Context, tx *sqlx.Tx, all []folded, identify func(*columns)) (others []folded, err error) {
	n := len(all)
	if n == 0 {
		return nil, nil
	}
	status, codes, at := make([]int64, n), make([]string, n), make([]time.Time, n)
	for i := range all {
		status[i], codes[i], at[i] = int64(all[i].Status), all[i].Code, all[i].At
	}
	c := newColumns()
	identify(c)
	c.array("status", "smallint", integers(status))
	c.texts("code", codes)
	c.array("at", "bigint", integers(microseconds(at)))
	c.exprs["at"] = instantOf("u.at")
	var applied struct {
		Some pq.Int64Array
		N    int
	}
	if err := b.statements.getTx(ctx, tx, &applied, applyByTheBook(c, n), c.args...); err != nil {
		return nil, err
	}
	if applied.N == n {
		for i := range all {
			b.tally(all[i].carrier, all[i].Status, 1)
		}
		return nil, nil
	}
	done := make([]bool, n)
	for _, nth := range applied.Some {
		done[nth-1] = true
		b.tally(all[nth-1].carrier, all[nth-1].Status, 1)
	}
	for i, f := range all {
		if !done[i] {
			others = append(others, f)
		}
	}
	return others, nil
}
