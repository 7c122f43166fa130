package credits

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/ledger"
	"rappel/notify"
)

// Balance is what an account can send by.
type Balance struct {
	Free       bool  `db:"free"`        // nothing is charged: the rest says nothing
	Available  int64 `db:"available"`   // credits
	Held       int64 `db:"held"`        // set aside for messages on their way
	Owed       int64 `db:"owed"`        // used beyond the balance; the next credits repay it
	AlertBelow int64 `db:"alert_below"` // told below this
	Waiting    bool  `db:"waiting"`     // texts wait for credit, or did since the last top-up
}

// Low reports whether fewer are left than the account wants to be told of.
func (b Balance) Low() bool { return !b.Free && b.Available < b.AlertBelow }

// BalanceTx returns account's balance. It is one look at a few rows, for every page. What
// was sent or given back within the last second may not be in it yet, and a lot that ended
// a moment ago may. It works on any role's pool.
func BalanceTx(ctx context.Context, q sqlx.QueryerContext, account int64) (b Balance, err error) {
	if err := sqlx.GetContext(ctx, q, &b, `
		SELECT a.billing = 'free' AS free, s.available, s.held, s.owed, COALESCE(c.alert_below, 50) AS alert_below, COALESCE(c.level = 2, false) AS waiting
		FROM accounts a LEFT JOIN credit_accounts c ON c.account_id = a.account_id AND c.account_id = $1
		CROSS JOIN (
		    SELECT CAST(COALESCE(sum(balance) FILTER (WHERE name = 'available'), 0) AS bigint) AS available,
		        CAST(COALESCE(sum(balance) FILTER (WHERE name = 'held'), 0) AS bigint) AS held,
		        CAST(-COALESCE(sum(balance) FILTER (WHERE name = 'owed'), 0) AS bigint) AS owed
		    FROM ledger_balances WHERE account_id = $1 AND unit = 'SMS' AND name IN ('available', 'held', 'owed')) AS s
		WHERE a.account_id = $1`, account); err != nil {
		return Balance{}, fmt.Errorf("balance of account %d: %w", account, err)
	}
	return b, nil
}

// Holding is a lot with credits in it, and when they end.
type Holding struct {
	Lot
	Ends time.Time // the first day they are of no use, if no text is sent meanwhile
}

// LotsTx returns the lots of account with credits available or held, in the order in which
// they are used. It works on any role's pool.
func LotsTx(ctx context.Context, q sqlx.QueryerContext, account int64) ([]Holding, error) {
	var rows []struct {
		Lot
		LastSMS *time.Time `db:"last_sms_on"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `
		SELECT `+lotColumns+`, c.last_sms_on, `+lotBalances+`
		FROM ledger_balances b JOIN credit_lots l ON l.account_id = b.account_id AND l.id = b.item
		LEFT JOIN credit_accounts c ON c.account_id = b.account_id AND c.account_id = $1
		WHERE b.account_id = $1 AND l.account_id = $1 AND b.unit = 'SMS' AND b.name IN ('available', 'held')
		GROUP BY l.account_id, l.id, c.last_sms_on HAVING sum(b.balance) > 0`, account); err != nil {
		return nil, fmt.Errorf("lots of account %d: %w", account, err)
	}
	lots, last := make([]Lot, len(rows)), time.Time{}
	for i, r := range rows {
		if lots[i] = r.Lot; r.LastSMS != nil {
			last = utc(*r.LastSMS)
		}
		lots[i].clean()
	}
	order(lots, last)
	all := make([]Holding, len(lots))
	for i, l := range lots {
		all[i] = Holding{l, l.EndsOn(last)}
	}
	return all, nil
}

// Usage is what carriers took in a month, by country and kind.
type Usage struct {
	Month    time.Time   `db:"month"` // its first day, in the account's zone
	Country  string      `db:"country"`
	Kind     notify.Kind `db:"kind"`
	Messages int64       `db:"messages"`
	Segments int64       `db:"segments"`
	Credits  int64       `db:"credits"` // of a free account: what they would have cost
}

// UsageTx returns account's usage of the months from the one of from until before that of
// to, newest month first. It works on any role's pool.
func UsageTx(ctx context.Context, q sqlx.QueryerContext, account int64, from, to time.Time) (all []Usage, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT month, country, kind, messages, segments, credits FROM credit_usage
		WHERE account_id = $1 AND month >= CAST($2 AS date) AND month < CAST($3 AS date) ORDER BY month DESC, country, kind`,
		account, firstOf(from), firstOf(to)); err != nil {
		return nil, fmt.Errorf("usage of account %d: %w", account, err)
	}
	for i := range all {
		all[i].Month = utc(all[i].Month)
	}
	return all, nil
}

func firstOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// Entry is one booking as the account's people see it. The changes sum to zero with what
// came from outside.
type Entry struct {
	ID        int64     `db:"id"`
	At        time.Time `db:"booked_at"`
	Kind      string    `db:"kind"` // grant, hold, settle, expire, takeback, repay, transfer, receive
	Note      string    `db:"note"`
	Source    Source    `db:"source"` // grant, receive: of what came; "" otherwise
	Available int64     `db:"available"`
	Held      int64     `db:"held"`
	Consumed  int64     `db:"consumed"`
	Expired   int64     `db:"expired"`
	Owed      int64     `db:"owed"` // below zero: more is owed
}

// EntriesTx returns up to limit bookings of account, newest first, with ids below before
// (0 = from the newest on). It works on any role's pool.
func EntriesTx(ctx context.Context, q sqlx.QueryerContext, account, before int64, limit int) (all []Entry, err error) {
	rows, err := ledger.ListTx(ctx, q, ledger.Query{Account: account, Unit: ledger.SMS, Before: before, Limit: limit})
	if err != nil {
		return nil, err
	}
	lots := map[int64]Source{}
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].ID != r.TxID {
			all = append(all, Entry{ID: r.TxID, At: r.BookedAt, Kind: r.Kind, Note: r.Note})
		}
		e := &all[len(all)-1]
		switch r.Name {
		case "available":
			e.Available += r.Amount
		case "held":
			e.Held += r.Amount
		case "consumed":
			e.Consumed += r.Amount
		case "expired":
			e.Expired += r.Amount
		case "owed":
			e.Owed += r.Amount
		}
		if r.Item > 0 && (r.Kind == "grant" || r.Kind == "receive") {
			source, known := lots[r.Item]
			if !known {
				if err := sqlx.GetContext(ctx, q, &source, `SELECT source FROM credit_lots WHERE account_id = $1 AND id = $2`, account, r.Item); err != nil {
					return nil, fmt.Errorf("look up a lot of account %d: %w", account, err)
				}
				lots[r.Item] = source
			}
			e.Source = source
		}
	}
	return all, nil
}

// CheckTx proves an account's credits again: its books, and that for each lot what is
// booked as held is what messages have set aside and what waits to be booked. It reads
// everything. Fails with ErrBooks or ledger.ErrBooks.
func CheckTx(ctx context.Context, q sqlx.QueryerContext, account int64) error {
	if err := ledger.CheckTx(ctx, q, account); err != nil {
		return err
	}
	var wrong int
	if err := sqlx.GetContext(ctx, q, &wrong, `
		WITH aside AS (
		    SELECT lot_id, sum(credits) AS credits FROM (
		        SELECT lot_id, credits FROM credit_holds WHERE account_id = $1 AND lot_id <> 0
		        UNION ALL SELECT lot_id, credits FROM credit_settlements WHERE account_id = $1 AND lot_id <> 0) AS x GROUP BY lot_id),
		booked AS (SELECT item AS lot_id, balance AS credits FROM ledger_balances WHERE account_id = $1 AND unit = 'SMS' AND name = 'held' AND balance <> 0)
		SELECT count(*) FROM aside a FULL JOIN booked b ON b.lot_id = a.lot_id WHERE a.credits IS DISTINCT FROM b.credits`, account); err != nil {
		return fmt.Errorf("check the credits of account %d: %w", account, err)
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d lots of account %d", ErrBooks, wrong, account)
	}
	return nil
}
