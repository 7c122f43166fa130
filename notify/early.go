package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

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

func (e earlyReceipt) receipt() Receipt {
	return Receipt{Carrier: e.Carrier, CarrierID: e.ID, Status: e.Status, Code: e.Code, At: e.At, Recipient: e.Recipient, Sender: e.Sender}
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
// One that is being replaced just then stays, since the statement doesn't see where it is
// afterwards. Who replaced it looks after its commit, and matchCrossed should that one die.
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
		all[i] = r.receipt()
	}
	_, err := b.applyTx(ctx, tx, fold(all, time.Time{}))
	return err
}
