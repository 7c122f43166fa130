package notify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// refKey names a message, or a part of one, as carriers do.
type refKey struct{ carrier, id string }

// folded is what all receipts for one carrier id come to, together.
type folded struct {
	refKey
	Receipt
}

// fold reduces receipts to one per carrier id and recipient named: the status they lead to
// in the order given. The order of different ids doesn't matter; sorted, they can't deadlock.
func fold(all []Receipt, now time.Time) []folded {
	type named struct {
		refKey
		recipient string
	}
	byKey := make(map[refKey]*folded, len(all))
	var more map[named]*folded // of ids that came with several recipients
	for _, r := range all {
		if r.At.IsZero() {
			r.At = now
		}
		r.Code = clean(r.Code)
		k := refKey{r.Carrier, clean(r.CarrierID)}
		known, ok := byKey[k]
		if !ok {
			byKey[k] = &folded{refKey: k, Receipt: r}
			continue
		}
		if known.Recipient != r.Recipient && known.Recipient != "" && r.Recipient != "" {
			if known, ok = more[named{k, r.Recipient}]; !ok {
				if more == nil {
					more = map[named]*folded{}
				}
				more[named{k, r.Recipient}] = &folded{refKey: k, Receipt: r}
				continue
			}
		}
		if known.Status.After(r.Status) {
			known.Status, known.Code, known.At = r.Status, r.Code, r.At
		}
		known.Recipient, known.Sender = cmp.Or(known.Recipient, r.Recipient), cmp.Or(known.Sender, r.Sender)
	}
	out := make([]folded, 0, len(byKey))
	for _, f := range byKey {
		out = append(out, *f)
	}
	for _, f := range more {
		out = append(out, *f)
	}
	slices.SortFunc(out, folded.compare)
	return out
}

// compare orders by carrier and id, then by recipient.
func (f folded) compare(o folded) int {
	return cmp.Or(cmp.Compare(f.carrier, o.carrier), cmp.Compare(f.id, o.id), cmp.Compare(f.Recipient, o.Recipient))
}

// apart splits receipts, sorted, into those whose ids are all different and those whose id
// was there before, with another recipient: mostly none.
func apart(all []folded) (first, again []folded) {
	for i := 1; i < len(all); i++ {
		if all[i].refKey != all[i-1].refKey {
			continue
		}
		first = slices.Clone(all[:i])
		for ; i < len(all); i++ {
			if all[i].refKey == all[i-1].refKey {
				again = append(again, all[i])
			} else {
				first = append(first, all[i])
			}
		}
		return first, again
	}
	return all, nil
}

// clean makes text from outside storable.
func clean(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

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

// findKnown is the statement that looks the carrier ids in c up.
func findKnown(c *columns) string {
	return `
SELECT array_agg(u.n) AS n, array_agg(k.account_id) AS accounts, array_agg(k.message_id) AS messages,
    array_agg(k.status) AS status, array_agg(CAST(k.whole AS int)) AS whole, array_agg(COALESCE(m.recipient, '')) AS recipients
FROM ` + c.numbered("n") + lookUpRef(c) + earlyMessage
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

// applyPartsTx applies receipts for parts of messages.
func (b *book) applyPartsTx(ctx context.Context, tx *sqlx.Tx, all []folded) error {
	if len(all) == 0 {
		return nil
	}
	carriers, ids, status := make([]string, len(all)), make([]string, len(all)), make([]int64, len(all))
	byKey := make(map[refKey]*folded, len(all))
	for i := range all {
		carriers[i], ids[i], status[i] = all[i].carrier, all[i].id, int64(all[i].Status)
		byKey[all[i].refKey] = &all[i]
	}
	type part struct {
		Carrier   string `db:"carrier"`
		CarrierID string `db:"carrier_message_id"`
		AccountID int64  `db:"account_id"`
		MessageID int64  `db:"message_id"`
	}
	var moved []part
	// Parts never are NOT_SENT and void ones (-1) never move, so this is all of Status.After.
	if err := b.statements.selectTx(ctx, tx, &moved, `
		UPDATE carrier_refs AS r SET status = u.status
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS smallint[])) AS u (carrier, id, status)
		WHERE r.carrier = u.carrier AND r.carrier_message_id = u.id
		    AND r.status NOT IN (-1, 3) AND u.status NOT IN (0, 1) AND r.status <> u.status
		    AND (r.status IN (1, 12) OR u.status = 3)
		RETURNING r.carrier, r.carrier_message_id, r.account_id, r.message_id`,
		texts(carriers), texts(ids), integers(status)); err != nil {
		return fmt.Errorf("apply %d receipts: %w", len(all), err)
	}
	byAccount := map[int64][]part{}
	for _, m := range moved {
		byAccount[m.AccountID] = append(byAccount[m.AccountID], m)
	}
	for _, account := range slices.Sorted(maps.Keys(byAccount)) { // in order, so that two of these can't deadlock
		parts := byAccount[account]
		messages := make([]int64, len(parts))
		for i, r := range parts {
			messages[i] = r.MessageID
		}
		standings, err := b.lockTx(ctx, tx, account, messages)
		if err != nil {
			return err
		}
		for _, r := range parts {
			if c := standings[r.MessageID]; c != nil { // nil: purged
				c.apply(byKey[refKey{r.Carrier, r.CarrierID}].Receipt)
			}
		}
		changed := make([]*current, 0, len(standings))
		var changes []StatusChange
		var told []happening
		for _, c := range standings {
			changed = append(changed, c)
			if c.status == c.Status {
				continue
			}
			b.tally(c.Carrier, c.status, 1)
			changes = append(changes, StatusChange{AccountID: account, MessageID: c.ID, Kind: c.Kind, Origin: c.Origin, OriginID: c.OriginID,
				From: c.Status, To: c.status, Reason: c.reason, Code: c.code, Carrier: c.Carrier, At: c.at})
			if c.Status != Sent { // by the book is SENT and then one receipt: the row in sent tells that
				told = append(told, happening{c.MessageRef, c.at, WhatReceipt, c.status, c.code})
			}
			if c.status == InvalidDestination {
				if err := listInvalidTx(ctx, tx, c.MessageRef, c.code, c.at); err != nil {
					return err
				}
			}
		}
		slices.SortFunc(changed, func(a, b *current) int { return cmp.Compare(a.ID, b.ID) })
		if err := b.updateTx(ctx, tx, account, changed); err != nil {
			return err
		}
		if err := b.tellTx(ctx, tx, told); err != nil {
			return err
		}
		if err := b.observeTx(ctx, tx, changes); err != nil {
			return err
		}
	}
	return nil
}

// apply moves the message by one part's receipt.
func (c *current) apply(r Receipt) {
	next := r.Status
	if next == Delivered {
		c.parts++
		if c.Delivered+c.parts < c.Parts {
			return // more parts to come
		}
	}
	if c.status.After(next) {
		c.status, c.reason, c.code, c.at = next, ReasonNone, r.Code, r.At
		if next != Delivered {
			c.reason = ReasonReceipt
		}
	}
}

// keepTx keeps receipts for carrier ids we don't know, or don't know yet. all is sorted. Of
// several with one id and different recipients one is kept.
func (b *book) keepTx(ctx context.Context, tx *sqlx.Tx, all []folded, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	all, _ = apart(all)
	n := len(all)
	carriers, ids, status, at := make([]string, n), make([]string, n), make([]int64, n), make([]time.Time, n)
	codes, recipients, senders := make([]string, n), make([]string, n), make([]string, n)
	for i, f := range all {
		carriers[i], ids[i], status[i], at[i] = f.carrier, f.id, int64(f.Status), f.At
		codes[i], recipients[i], senders[i] = f.Code, clean(f.Recipient), clean(f.Sender)
	}
	// What is kept already gives way as a status does: only to a later step.
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO early_receipts AS s (carrier, carrier_message_id, status, code, recipient, sender, at, received_at)
		SELECT u.carrier, u.id, u.status, u.code, u.recipient, u.sender, u.at, $8
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS smallint[]), CAST($4 AS text[]), CAST($5 AS text[]),
		    CAST($6 AS text[]), CAST($7 AS timestamptz[])) AS u (carrier, id, status, code, recipient, sender, at)
		ON CONFLICT (carrier, carrier_message_id) DO UPDATE
		SET status = EXCLUDED.status, code = EXCLUDED.code, at = EXCLUDED.at
		WHERE `+mayReplace, texts(carriers), texts(ids), integers(status), texts(codes), texts(recipients),
		texts(senders), timestamps(at), now); err != nil {
		return fmt.Errorf("keep %d receipts: %w", n, err)
	}
	return nil
}

type earlyReceipt struct {
	Carrier   string    `db:"carrier"`
	ID        string    `db:"carrier_message_id"`
	Status    Status    `db:"status"`
	Code      string    `db:"code"`
	Recipient string    `db:"recipient"`
	Sender    string    `db:"sender"`
	At        time.Time `db:"at"`
}

func (e earlyReceipt) folded() folded {
	return folded{refKey{e.Carrier, e.ID}, Receipt{Carrier: e.Carrier, CarrierID: e.ID, Status: e.Status, Code: e.Code, At: e.At, Recipient: e.Recipient, Sender: e.Sender}}
}

// findEarly finds the receipts kept for ids of one carrier that are recorded by now. Where
// the carrier stands makes the planner look each id up, see lookUpRef. Mostly none at all is
// kept. Those that concern another number than their id's message stay where they are.
const findEarly = `
SELECT u.id FROM (SELECT CAST($1 AS text) AS carrier, id FROM unnest(CAST($2 AS text[])) AS x (id) OFFSET 0) AS u
CROSS JOIN LATERAL (SELECT e.recipient, e.sender FROM early_receipts e
    WHERE e.carrier = u.carrier AND e.carrier_message_id = u.id OFFSET 0) AS e
CROSS JOIN LATERAL (SELECT k.account_id, k.message_id FROM carrier_refs k
    WHERE k.carrier = u.carrier AND k.carrier_message_id = u.id OFFSET 0) AS k` + earlyMessage + `
WHERE EXISTS (SELECT 1 FROM early_receipts WHERE carrier = $1) AND ` + earlyConcerns

// match applies the receipts kept for ids of one carrier, once these are recorded.
func (b *book) match(ctx context.Context, db *sqlx.DB, carrier string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var early []string
	if err := b.statements.selectDB(ctx, db, &early, findEarly, carrier, texts(ids)); err != nil {
		return fmt.Errorf("look for early receipts: %w", err)
	}
	if len(early) == 0 {
		return nil
	}
	return migrations.InTx(ctx, db, func(tx *sqlx.Tx) error { return b.takeEarlyTx(ctx, tx, carrier, early) })
}

// takeEarly takes the receipts kept for ids of one carrier that are recorded, see findEarly.
const takeEarly = `
WITH found AS MATERIALIZED (
    SELECT e.place FROM (SELECT CAST($1 AS text) AS carrier, id FROM unnest(CAST($2 AS text[])) AS x (id) OFFSET 0) AS u
    CROSS JOIN LATERAL (SELECT e.ctid AS place, e.recipient, e.sender FROM early_receipts e
        WHERE e.carrier = u.carrier AND e.carrier_message_id = u.id FOR UPDATE) AS e
    CROSS JOIN LATERAL (SELECT k.account_id, k.message_id FROM carrier_refs k
        WHERE k.carrier = u.carrier AND k.carrier_message_id = u.id OFFSET 0) AS k` + earlyMessage + `
    WHERE ` + earlyConcerns + `)
DELETE FROM early_receipts e USING found f WHERE e.ctid = f.place
RETURNING e.carrier, e.carrier_message_id, e.status, e.code, e.recipient, e.sender, e.at`

// takeEarlyTx applies the receipts that came before their carrier ids were known.
func (b *book) takeEarlyTx(ctx context.Context, tx *sqlx.Tx, carrier string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Sorted(slices.Values(ids)) // so that two of these can't deadlock
	var rows []earlyReceipt
	if err := b.statements.selectTx(ctx, tx, &rows, takeEarly, carrier, texts(ids)); err != nil {
		return fmt.Errorf("take early receipts: %w", err)
	}
	all := make([]Receipt, len(rows))
	for i, r := range rows {
		all[i] = r.folded().Receipt
	}
	_, err := b.applyTx(ctx, tx, fold(all, time.Time{}))
	return err
}
