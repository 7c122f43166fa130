package notify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"
)

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
