package payments

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ByRef reads an order. q is a pool or transaction that sees the account. It fails with
// [ErrNoOrder].
func ByRef(ctx context.Context, q sqlx.QueryerContext, r Ref) (o Order, err error) {
	err = sqlx.GetContext(ctx, q, &o, `SELECT `+orderColumns+` FROM orders o WHERE o.account_id = $1 AND o.id = $2`, r.Account, r.Order)
	if errors.Is(err, sql.ErrNoRows) {
		return o, ErrNoOrder
	} else if err != nil {
		return o, fmt.Errorf("read order %d: %w", r.Order, err)
	}
	return o, nil
}

// Orders lists an account's orders, newest first.
func Orders(ctx context.Context, q sqlx.QueryerContext, account int64, limit int) (all []Order, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT `+orderColumns+` FROM orders o WHERE o.account_id = $1 ORDER BY o.id DESC LIMIT $2`, account, limit); err != nil {
		return nil, fmt.Errorf("list orders of account %d: %w", account, err)
	}
	return all, nil
}

// Waiting lists the orders of all accounts that have one of the statuses, oldest first:
// what an operator looks through. q must see all accounts.
func Waiting(ctx context.Context, q sqlx.QueryerContext, statuses []Status, limit int) (all []Order, err error) {
	words := make([]string, len(statuses))
	for i, s := range statuses {
		words[i] = string(s)
	}
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT `+orderColumns+` FROM orders o WHERE o.status = ANY ($1) ORDER BY o.ordered_at, o.account_id, o.id LIMIT $2`,
		pq.Array(words), limit); err != nil {
		return nil, fmt.Errorf("list orders that wait: %w", err)
	}
	return all, nil
}
