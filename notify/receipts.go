package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// findKnown is the statement that looks the carrier ids in c up.
func findKnown(c *columns) string {
	return `
SELECT array_agg(u.n) AS n, array_agg(k.account_id) AS accounts, array_agg(k.message_id) AS messages,
    array_agg(k.status) AS status, array_agg(CAST(k.whole AS int)) AS whole, array_agg(COALESCE(m.recipient, '')) AS recipients
FROM ` + c.numbered("n") + lookUpRef(c) + earlyMessage
}

// applyTx applies receipts to the messages they belong to, across accounts, and returns
// those of carrier ids we don't know, or know of a message to somebody else. Applying a
// receipt again changes nothing.
//
// Where an id stands for a whole message, the message's row is all that is written. Of a
// message in parts, each part's status moves by Status.After, and each move counts once:
// any part's failure is its failure; it is DELIVERED only when every part is.
func (b *book) applyTx(ctx context.Context, tx *sqlx.Tx, all []folded) (unknown []folded, err error) {
	all, again := apart(all)
	if len(again) > 0 {
		defer func() {
			if err == nil {
				var more []folded
				more, err = b.applyTx(ctx, tx, again)
				unknown = append(unknown, more...)
				slices.SortFunc(unknown, folded.compare)
			}
		}()
	}
	if !b.hears(ReasonNone, ReasonReceipt) {
		if all, err = b.applyByTheBookTx(ctx, tx, all); err != nil {
			return nil, fmt.Errorf("apply receipts: %w", err)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	n := len(all)
	carriers, ids := make([]string, n), make([]string, n)
	for i := range all {
		carriers[i], ids[i] = all[i].carrier, all[i].id
	}
	c := newColumns()
	c.array("id", "text", texts(ids))
	c.texts("carrier", carriers)
	var r struct {
		N, Accounts, Messages, Status, Whole pq.Int64Array
		Recipients                           pq.StringArray
	}
	if err := b.statements.getTx(ctx, tx, &r, findKnown(c), c.args...); err != nil {
		return nil, fmt.Errorf("look up %d receipts: %w", n, err)
	}
	known := make([]bool, n)
	var whole []parcel
	var parts []folded
	for i, nth := range r.N {
		f := all[nth-1]
		if known[nth-1] = f.Concerns(r.Recipients[i]); !known[nth-1] {
			continue
		}
		switch {
		case Status(r.Status[i]) == voidRef, !f.Status.Final():
			// void, or nothing new: what has an id was accepted
		case r.Whole[i] == 1:
			whole = append(whole, parcel{MessageRef{r.Accounts[i], r.Messages[i]}, f.Receipt})
		default:
			parts = append(parts, f)
		}
	}
	for i, f := range all {
		if !known[i] {
			unknown = append(unknown, f)
		}
	}
	if err := b.applyWholeTx(ctx, tx, whole); err != nil {
		return nil, err
	}
	return unknown, b.applyPartsTx(ctx, tx, parts)
}

// parcel is a receipt and the message it is for.
type parcel struct {
	MessageRef
	Receipt
}

// moved is a message that a receipt gave a new status.
type moved struct {
	MessageRef
	Was      Status `db:"was"`
	Carrier  string `db:"carrier"`
	Kind     Kind   `db:"kind"`
	Origin   Origin `db:"origin"`
	OriginID int64  `db:"origin_id"`
}

// What the message was is read beside the row that is written; should two receipts for one
// message be written in the same instant, the second may take it for what it was before the
// first. Nothing is decided by that.
var applyWhole = `
UPDATE sent AS s SET status = u.status, reason = u.reason, code = u.code, status_at = u.at,
    delivered = CASE WHEN u.status = 3 THEN s.parts ELSE s.delivered END
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS smallint[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS timestamptz[]))
    AS u (account_id, message_id, status, reason, code, at)
JOIN sent o ON o.account_id = u.account_id AND o.message_id = u.message_id
JOIN messages m ON m.account_id = u.account_id AND m.id = u.message_id
WHERE s.account_id = u.account_id AND s.message_id = u.message_id
    AND ` + strings.ReplaceAll(mayReplace, "EXCLUDED.", "u.") + `
RETURNING s.account_id AS accountid, s.message_id AS id, o.status AS was, s.carrier, m.kind, m.origin, m.origin_id`

func (b *book) applyWholeTx(ctx context.Context, tx *sqlx.Tx, all []parcel) error {
	if len(all) == 0 {
		return nil
	}
	// Two ids of one message, since it was sent twice, come one after the other.
	slices.SortStableFunc(all, func(a, b parcel) int { return a.MessageRef.compare(b.MessageRef) })
	for i := 1; i < len(all); i++ {
		if all[i].MessageRef == all[i-1].MessageRef {
			if err := b.applyWholeTx(ctx, tx, all[:i]); err != nil {
				return err
			}
			return b.applyWholeTx(ctx, tx, all[i:])
		}
	}
	n := len(all)
	accounts, ids, status := make([]int64, n), make([]int64, n), make([]int64, n)
	reason, code, at := make([]string, n), make([]string, n), make([]time.Time, n)
	byRef := make(map[MessageRef]*parcel, n)
	for i := range all {
		p := &all[i]
		accounts[i], ids[i], status[i] = p.AccountID, p.ID, int64(p.Status)
		code[i], at[i] = p.Code, p.At
		if p.Status != Delivered {
			reason[i] = string(ReasonReceipt)
		}
		byRef[p.MessageRef] = p
	}
	rows := make([]moved, 0, n)
	if err := b.statements.selectTx(ctx, tx, &rows, applyWhole, integers(accounts), integers(ids), integers(status),
		texts(reason), texts(code), timestamps(at)); err != nil {
		return fmt.Errorf("apply %d receipts: %w", n, err)
	}
	var changes []StatusChange
	var told []happening
	for _, r := range rows {
		p := byRef[r.MessageRef]
		why := ReasonNone
		if p.Status != Delivered {
			why = ReasonReceipt
		}
		b.tally(r.Carrier, p.Status, 1)
		if b.observer != nil {
			changes = append(changes, StatusChange{AccountID: r.AccountID, MessageID: r.ID, Kind: r.Kind, Origin: r.Origin, OriginID: r.OriginID,
				From: r.Was, To: p.Status, Reason: why, Code: p.Code, Carrier: r.Carrier, At: p.At})
		}
		if r.Was != Sent { // by the book is SENT and then one receipt: the row in sent tells that
			told = append(told, happening{r.MessageRef, p.At, WhatReceipt, p.Status, p.Code})
		}
		if p.Status == InvalidDestination {
			if err := listInvalidTx(ctx, tx, r.MessageRef, p.Code, p.At); err != nil {
				return err
			}
		}
	}
	if err := b.tellTx(ctx, tx, told); err != nil {
		return err
	}
	return b.observeTx(ctx, tx, changes)
}
