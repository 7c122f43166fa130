package credits

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/ledger"
	"rappel/notify"
)

// heldRow is one row of what messages have set aside.
type heldRow struct {
	message, lot, credits int64
	segments              int // 0 on a message's further rows
	kind                  notify.Kind
	country               string
}

// HoldTx implements notify.Meter: charges are covered in their order, each if what is left
// suffices for all of it. Owed ones are covered whatever is left. A free account's are all
// covered, and counted.
//
// Other work on the account's credits waits from here to the end of tx; what a carrier
// answers doesn't.
func (c *Credits) HoldTx(ctx context.Context, tx *sqlx.Tx, account int64, charges []notify.Charge) (uncovered []int64, err error) {
	if len(charges) == 0 {
		return nil, nil
	}
	now := c.cfg.Now()
	if err := c.fill(ctx, tx, charges); err != nil {
		return nil, err
	}
	k, _, err := kindTx(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	if k.Billing == "free" {
		rows := make([]heldRow, len(charges))
		for i, charge := range charges {
			rows[i] = heldRow{charge.MessageID, noLot, int64(charge.Credits), charge.Segments, charge.Kind, charge.Country}
		}
		return nil, insertHoldsTx(ctx, tx, account, rows)
	}
	p, err := c.lockTx(ctx, tx, account, now)
	if err != nil {
		return nil, err
	}
	// A text that isn't booked yet may keep alive what seems to have ended.
	for more := len(p.ended) > 0; more; {
		if more, err = c.settledTx(ctx, tx, p, now); err != nil {
			return nil, err
		}
	}
	var rows []heldRow
	var entries []ledger.Entry
	first := int64(0)
	for _, charge := range charges {
		n, start := int64(charge.Credits), len(rows)
		taken := take(p.lots, n)
		if taken == nil {
			if !charge.Owed {
				uncovered = append(uncovered, charge.MessageID)
				continue
			}
			taken = takeUpTo(p.lots, n)
			for _, t := range taken {
				n -= t.credits
			}
			entries = append(entries, ledger.Move(n, sms("owed", owedLot), sms("held", owedLot))...)
			rows = append(rows, heldRow{charge.MessageID, owedLot, n, 0, charge.Kind, charge.Country})
		}
		for _, t := range taken {
			rows = append(rows, heldRow{charge.MessageID, t.lot, t.credits, 0, charge.Kind, charge.Country})
		}
		entries = append(entries, moves(taken, "available", "held")...)
		rows[start].segments = charge.Segments
		if first == 0 || charge.MessageID < first {
			first = charge.MessageID
		}
	}
	// A message is covered once in its life, so the lowest of a batch names it.
	if err := p.bookTx(ctx, tx, fmt.Sprintf("hold/%d", first), "hold", "", entries, now); err != nil {
		return nil, err
	}
	if err := insertHoldsTx(ctx, tx, account, rows); err != nil {
		return nil, err
	}
	level := p.fallen()
	if len(uncovered) > 0 {
		level = waiting
	}
	return uncovered, p.setTx(ctx, tx, level, p.lastSMS)
}

// fill prices charges that never were: of messages asked for before there was a Meter.
func (c *Credits) fill(ctx context.Context, tx *sqlx.Tx, charges []notify.Charge) error {
	for i := range charges {
		if charges[i].TariffID != 0 {
			continue
		}
		prices, err := c.PriceTx(ctx, tx, charges[i:i+1])
		if err != nil {
			return err
		}
		charges[i].Price = prices[0]
	}
	return nil
}

// insertHoldsTx writes what messages set aside. One that has set aside already is an error
// of the database: nothing is ever paid for twice.
func insertHoldsTx(ctx context.Context, tx *sqlx.Tx, account int64, rows []heldRow) error {
	n := len(rows)
	if n == 0 {
		return nil
	}
	messages, lots, credits, segments, kinds := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	countries := make([]string, n)
	for i, r := range rows {
		messages[i], lots[i], credits[i], segments[i], kinds[i], countries[i] = r.message, r.lot, r.credits, int64(r.segments), int64(r.kind), r.country
	}
	var written int
	if err := tx.GetContext(ctx, &written, `
		WITH i AS (
		INSERT INTO credit_holds AS h (account_id, message_id, lot_id, credits, segments, kind, country)
		SELECT $1, u.message_id, u.lot_id, u.credits, u.segments, u.kind, u.country
		FROM unnest(CAST($2 AS bigint[]), CAST($3 AS bigint[]), CAST($4 AS int[]), CAST($5 AS smallint[]), CAST($6 AS smallint[]), CAST($7 AS text[]))
		    AS u (message_id, lot_id, credits, segments, kind, country)
		RETURNING h.message_id)
		SELECT count(*) FROM i`,
		account, pq.Array(messages), pq.Array(lots), pq.Array(credits), pq.Array(segments), pq.Array(kinds), pq.Array(countries)); err != nil {
		return fmt.Errorf("set aside for %d messages of account %d: %w", n, account, err)
	}
	return nil
}
