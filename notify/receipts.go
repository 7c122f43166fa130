package notify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// refKey names a message, or a part of one, as carriers do.
type refKey struct{ carrier, id string }

// folded is what all receipts for one carrier id come to, together.
type folded struct {
	refKey
	Receipt
}

// fold reduces receipts to one per carrier id: the status they lead to in the order
// given. The order of different ids doesn't matter; sorted, they can't deadlock.
func fold(all []Receipt, now time.Time) []folded {
	byKey := map[refKey]*folded{}
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
		if known.Status.After(r.Status) {
			known.Status, known.Code, known.At = r.Status, r.Code, r.At
		}
		known.Recipient, known.Sender = cmp.Or(known.Recipient, r.Recipient), cmp.Or(known.Sender, r.Sender)
	}
	out := make([]folded, 0, len(byKey))
	for _, f := range byKey {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b folded) int { return cmp.Or(cmp.Compare(a.carrier, b.carrier), cmp.Compare(a.id, b.id)) })
	return out
}

// clean makes text from outside storable.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// applyTx applies receipts to the messages they belong to, across accounts, and returns
// those of carrier ids we don't know. Applying a receipt again changes nothing.
//
// A part's status moves by Status.After, and each move of a part counts once. Of the
// message: any part's failure is its failure; it is DELIVERED only when every part is.
func (b *book) applyTx(ctx context.Context, tx *sqlx.Tx, all []folded) (unknown []folded, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	carriers, ids, status := make([]string, len(all)), make([]string, len(all)), make([]int64, len(all))
	byKey := make(map[refKey]*folded, len(all))
	for i := range all {
		carriers[i], ids[i], status[i] = all[i].carrier, all[i].id, int64(all[i].Status)
		byKey[all[i].refKey] = &all[i]
	}
	type ref struct {
		Carrier   string `db:"carrier"`
		ID        string `db:"carrier_message_id"`
		AccountID int64  `db:"account_id"`
		MessageID int64  `db:"message_id"`
	}
	var moved []ref
	// Parts never are NOT_SENT and void ones (-1) never move, so this is all of Status.After.
	if err := tx.SelectContext(ctx, &moved, `
		UPDATE carrier_refs AS r SET status = u.status
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS smallint[])) AS u (carrier, id, status)
		WHERE r.carrier = u.carrier AND r.carrier_message_id = u.id
		    AND r.status NOT IN (-1, 3) AND u.status NOT IN (0, 1) AND r.status <> u.status
		    AND (r.status IN (1, 12) OR u.status = 3)
		RETURNING r.carrier, r.carrier_message_id, r.account_id, r.message_id`,
		pq.Array(carriers), pq.Array(ids), pq.Array(status)); err != nil {
		return nil, fmt.Errorf("apply %d receipts: %w", len(all), err)
	}
	byAccount := map[int64][]ref{}
	for _, m := range moved {
		byAccount[m.AccountID] = append(byAccount[m.AccountID], m)
	}
	if len(moved) < len(all) {
		unknown, err = b.unknownTx(ctx, tx, all, carriers, ids)
		if err != nil {
			return nil, err
		}
	}
	accounts := make([]int64, 0, len(byAccount))
	for a := range byAccount {
		accounts = append(accounts, a)
	}
	slices.Sort(accounts) // always in the same order, so that two of these can't deadlock
	for _, account := range accounts {
		refs := byAccount[account]
		messages := make([]int64, len(refs))
		for i, r := range refs {
			messages[i] = r.MessageID
		}
		standings, err := b.lockTx(ctx, tx, account, messages)
		if err != nil {
			return nil, err
		}
		for _, r := range refs {
			if c := standings[r.MessageID]; c != nil { // nil: purged
				c.apply(byKey[refKey{r.Carrier, r.ID}].Receipt)
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
			changes = append(changes, StatusChange{AccountID: account, MessageID: c.ID, Kind: c.Kind, Origin: c.Origin, OriginID: c.OriginID,
				From: c.Status, To: c.status, Reason: c.reason, Code: c.code, Carrier: c.Carrier, At: c.at})
			if c.Status != Sent { // by the book is SENT and then one receipt: the row in sent tells that
				told = append(told, happening{id: c.ID, at: c.at, what: WhatReceipt, status: c.status, code: c.code})
			}
		}
		slices.SortFunc(changed, func(a, b *current) int { return cmp.Compare(a.ID, b.ID) })
		slices.SortFunc(changes, func(a, b StatusChange) int { return cmp.Compare(a.MessageID, b.MessageID) })
		if err := b.updateTx(ctx, tx, account, changed); err != nil {
			return nil, err
		}
		if err := b.tellTx(ctx, tx, account, told); err != nil {
			return nil, err
		}
		if err := b.observeTx(ctx, tx, changes); err != nil {
			return nil, err
		}
	}
	return unknown, nil
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

// unknownTx returns those of all that stand for no message of ours.
func (b *book) unknownTx(ctx context.Context, tx *sqlx.Tx, all []folded, carriers, ids []string) ([]folded, error) {
	var known []struct {
		Carrier string `db:"carrier"`
		ID      string `db:"carrier_message_id"`
	}
	if err := tx.SelectContext(ctx, &known, `
		SELECT r.carrier, r.carrier_message_id FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS u (carrier, id)
		JOIN carrier_refs r ON r.carrier = u.carrier AND r.carrier_message_id = u.id`, pq.Array(carriers), pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("look up %d carrier ids: %w", len(ids), err)
	}
	set := make(map[refKey]bool, len(known))
	for _, k := range known {
		set[refKey{k.Carrier, k.ID}] = true
	}
	var unknown []folded
	for _, f := range all {
		if !set[f.refKey] {
			unknown = append(unknown, f)
		}
	}
	return unknown, nil
}

// keepTx keeps receipts for carrier ids we don't know, or don't know yet. all has each id
// once, see fold.
func (b *book) keepTx(ctx context.Context, tx *sqlx.Tx, all []folded, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
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
		WHERE `+mayReplace, pq.Array(carriers), pq.Array(ids), pq.Array(status), pq.Array(codes), pq.Array(recipients),
		pq.Array(senders), timestamps(at), now); err != nil {
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

// takeEarlyTx applies the receipts that came before their carrier ids were known.
func (b *book) takeEarlyTx(ctx context.Context, tx *sqlx.Tx, carrier string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var rows []earlyReceipt
	if err := tx.SelectContext(ctx, &rows, `
		DELETE FROM early_receipts WHERE carrier = $1 AND carrier_message_id = ANY(CAST($2 AS text[]))
		RETURNING carrier, carrier_message_id, status, code, recipient, sender, at`, carrier, pq.Array(ids)); err != nil {
		return fmt.Errorf("take early receipts: %w", err)
	}
	all := make([]Receipt, len(rows))
	for i, r := range rows {
		all[i] = r.folded().Receipt
	}
	_, err := b.applyTx(ctx, tx, fold(all, time.Time{}))
	return err
}
