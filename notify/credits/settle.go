package credits

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// SettleTx implements notify.Meter. It takes the messages' holds away, which can be done
// once, and leaves word of them to be booked, summed up: so it waits for nobody.
func (c *Credits) SettleTx(ctx context.Context, tx *sqlx.Tx, all []notify.Settlement) error {
	if len(all) == 0 {
		return nil
	}
	accounts, messages, captured := make([]int64, len(all)), make([]int64, len(all)), make([]bool, len(all))
	var at time.Time
	for i, s := range all {
		accounts[i], messages[i], captured[i] = s.AccountID, s.ID, s.Captured
		if s.At.After(at) {
			at = s.At
		}
	}
	var written []int64
	if err := tx.SelectContext(ctx, &written, `
		WITH gone AS (
		    DELETE FROM credit_holds h USING unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS boolean[])) AS u (account_id, message_id, captured)
		    WHERE h.account_id = u.account_id AND h.message_id = u.message_id
		    RETURNING h.account_id, h.lot_id, h.kind, h.country, h.segments, h.credits, u.captured)
		INSERT INTO credit_settlements AS s (account_id, lot_id, captured, kind, country, messages, segments, credits, at)
		SELECT g.account_id, g.lot_id, g.captured, g.kind, g.country, count(*) FILTER (WHERE g.segments > 0), sum(g.segments), sum(g.credits), $4
		FROM gone g GROUP BY g.account_id, g.lot_id, g.captured, g.kind, g.country
		RETURNING s.id`, pq.Array(accounts), pq.Array(messages), pq.Array(captured), at); err != nil {
		return fmt.Errorf("end the holds of %d messages: %w", len(all), err)
	}
	return nil
}
