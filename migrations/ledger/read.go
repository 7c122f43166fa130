package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// BalanceTx returns the balance of one place of account; zero where nothing was booked.
func BalanceTx(ctx context.Context, q sqlx.QueryerContext, account int64, p Place) (balance int64, err error) {
	if err := sqlx.GetContext(ctx, q, &balance, `SELECT COALESCE((SELECT b.balance FROM ledger_balances b
		WHERE b.account_id = $1 AND b.unit = $2 AND b.name = $3 AND b.item = $4), 0)`, account, p.Unit, p.Name, p.Item); err != nil {
		return 0, fmt.Errorf("balance of account %d: %w", account, err)
	}
	return balance, nil
}

// TotalTx returns the sum over all items of an account of the chart.
func TotalTx(ctx context.Context, q sqlx.QueryerContext, account int64, unit Unit, name string) (total int64, err error) {
	if err := sqlx.GetContext(ctx, q, &total, `SELECT CAST(COALESCE(sum(b.balance), 0) AS bigint) FROM ledger_balances b
		WHERE b.account_id = $1 AND b.unit = $2 AND b.name = $3`, account, unit, name); err != nil {
		return 0, fmt.Errorf("total of account %d: %w", account, err)
	}
	return total, nil
}

// ItemsTx returns the balances other than zero of an account of the chart, by item.
func ItemsTx(ctx context.Context, q sqlx.QueryerContext, account int64, unit Unit, name string) (map[int64]int64, error) {
	var rows []struct {
		Item    int64 `db:"item"`
		Balance int64 `db:"balance"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT b.item, b.balance FROM ledger_balances b
		WHERE b.account_id = $1 AND b.unit = $2 AND b.name = $3 AND b.balance <> 0`, account, unit, name); err != nil {
		return nil, fmt.Errorf("balances of account %d: %w", account, err)
	}
	items := make(map[int64]int64, len(rows))
	for _, r := range rows {
		items[r.Item] = r.Balance
	}
	return items, nil
}

// ByKeyTx returns the entries of the transaction with a key; none if there is no such one.
func ByKeyTx(ctx context.Context, q sqlx.QueryerContext, account int64, key string) (all []Entry, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT e.unit, e.name, e.item, e.amount FROM ledger_tx t
		JOIN ledger_entries e ON e.account_id = t.account_id AND e.tx_id = t.id
		WHERE t.account_id = $1 AND e.account_id = $1 AND t.key = $2 ORDER BY e.line`, account, key); err != nil {
		return nil, fmt.Errorf("look up what account %d booked: %w", account, err)
	}
	return all, nil
}

// Row is one entry with the transaction it belongs to.
type Row struct {
	TxID       int64     `db:"tx_id"`
	Line       int       `db:"line"`
	Key        string    `db:"key"`
	Kind       string    `db:"kind"`
	Note       string    `db:"note"`
	ReversesID *int64    `db:"reverses_id"`
	BookedAt   time.Time `db:"booked_at"`
	Entry
}

// Query selects a tenant's transactions.
type Query struct {
	Account int64
	Unit    Unit
	Name    string // only those with an entry in this account of the chart; "" = all
	Item    *int64 // of it; nil = any
	Before  int64  // transaction ids below this; 0 = from the newest on
	Limit   int    // transactions; 0 = 100
}

// ListTx returns the entries in Unit of the transactions q selects, newest transaction
// first, lines in order.
func ListTx(ctx context.Context, tx sqlx.QueryerContext, q Query) (rows []Row, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	if err := sqlx.SelectContext(ctx, tx, &rows, `
		WITH chosen AS MATERIALIZED (
		    SELECT t.id FROM ledger_tx t
		    WHERE t.account_id = $1 AND ($5 = 0 OR t.id < $5) AND EXISTS (
		        SELECT 1 FROM ledger_entries e WHERE e.account_id = $1 AND e.tx_id = t.id AND e.unit = $2
		            AND ($3 = '' OR e.name = $3) AND (CAST($4 AS bigint) IS NULL OR e.item = $4))
		    ORDER BY t.id DESC LIMIT $6)
		SELECT t.id AS tx_id, e.line, t.key, t.kind, t.note, t.reverses_id, t.booked_at, e.unit, e.name, e.item, e.amount
		FROM chosen c JOIN ledger_tx t ON t.account_id = $1 AND t.id = c.id
		JOIN ledger_entries e ON e.account_id = $1 AND e.tx_id = t.id AND e.unit = $2
		ORDER BY t.id DESC, e.line`, q.Account, q.Unit, q.Name, q.Item, q.Before, q.Limit); err != nil {
		return nil, fmt.Errorf("list transactions of account %d: %w", q.Account, err)
	}
	return rows, nil
}

// CheckTx proves an account's books again from their entries: every balance is the sum of
// its entries, and all of them sum to zero in each unit. It reads them all. Fails with
// ErrBooks.
func CheckTx(ctx context.Context, q sqlx.QueryerContext, account int64) error {
	var wrong int
	if err := sqlx.GetContext(ctx, q, &wrong, `
		WITH sums AS (SELECT e.unit, e.name, e.item, sum(e.amount) AS balance FROM ledger_entries e
		    WHERE e.account_id = $1 GROUP BY e.unit, e.name, e.item),
		kept AS (SELECT b.unit, b.name, b.item, b.balance FROM ledger_balances b WHERE b.account_id = $1)
		SELECT (SELECT count(*) FROM sums s FULL JOIN kept k ON k.unit = s.unit AND k.name = s.name AND k.item = s.item
		        WHERE s.balance IS DISTINCT FROM k.balance)
		    + (SELECT count(*) FROM (SELECT unit FROM sums GROUP BY unit HAVING sum(balance) <> 0) AS u)`, account); err != nil {
		return fmt.Errorf("check the books of account %d: %w", account, err)
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d in account %d", ErrBooks, wrong, account)
	}
	return nil
}
