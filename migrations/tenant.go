package migrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"
)

// WebRole is the role the web works as. The schema creates it.
const WebRole = "rappel_web"

// OperatorRole is the role the operator's own pages work as: it sees every account,
// and only what is business: nothing of calendars, messages and patients.
const OperatorRole = "rappel_operator"

// InAccount runs fn in a transaction whose first statement binds it to account,
// so that row-level security shows that account's rows alone. It commits when fn
// returns nil and rolls back on an error or a panic; the panic goes on.
//
// The web opens its pool with [WebDSN]. A pool of the owner isn't filtered: there
// the account in each statement's WHERE is all the isolation there is.
//
// account must be positive, else the answer is [ErrNoAccount] and fn is not run.
func InAccount(ctx context.Context, db *sqlx.DB, account int64, fn func(tx *sqlx.Tx) error) error {
	if account <= 0 {
		return fmt.Errorf("%w: %d", ErrNoAccount, account)
	}
	return InTx(ctx, db, func(tx *sqlx.Tx) error {
		// SET takes no parameter, hence the formatted number. See law 5 in doc.go.
		if _, err := tx.ExecContext(ctx, "SET LOCAL app.account_id = '"+strconv.FormatInt(account, 10)+"'"); err != nil {
			return fmt.Errorf("bind account %d: %w", account, err)
		}
		return fn(tx)
	})
}

// InTx runs fn in a transaction bound to no account: the work of the system,
// which runs as the owner. It commits when fn returns nil and rolls back on an
// error or a panic; the panic goes on.
func InTx(ctx context.Context, db *sqlx.DB, fn func(tx *sqlx.Tx) error) (err error) {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		// Also the way out of a panic or runtime.Goexit (t.Fatal in a test). The
		// error of fn comes first; after a cancelled context database/sql has
		// already rolled back.
		if e := tx.Rollback(); e != nil && ctx.Err() == nil && err != nil {
			err = errors.Join(err, fmt.Errorf("roll back: %w", e))
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	done = true // Commit ends the transaction, whatever it answers.
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
