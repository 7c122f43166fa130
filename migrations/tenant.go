package migrations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// WebRole is the role the web works as. The schema creates it.
const WebRole = "rappel_web"

// OperatorRole is the role the operator's own pages work as: it sees every account,
// and only what is business: nothing of calendars, messages and patients.
const OperatorRole = "rappel_operator"

// Actor is a person who changes something. The schema's audit_change triggers write
// what they change into table audit, in the same transaction.
type Actor struct {
	Kind   string    `json:"kind"` // user, operator, or system for what another program brings
	ID     int64     `json:"id"`
	Name   string    `json:"name"` // as they are called at the time
	Role   string    `json:"role"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"` // why, where a reason is asked for
}

type actorKey struct{}

// WithActor names who acts to every [InAccount] below ctx. Work of the system has no
// actor, and isn't audited.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf is who acts; ok is false for work of the system.
func ActorOf(ctx context.Context) (a Actor, ok bool) {
	a, ok = ctx.Value(actorKey{}).(Actor)
	return a, ok
}

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
		bind := "SET LOCAL app.account_id = '" + strconv.FormatInt(account, 10) + "'"
		if a, ok := ctx.Value(actorKey{}).(Actor); ok {
			who, err := json.Marshal(a)
			if err != nil {
				return fmt.Errorf("name the actor: %w", err)
			}
			bind += "; SET LOCAL app.actor = " + pq.QuoteLiteral(string(who))
		}
		if _, err := tx.ExecContext(ctx, bind); err != nil {
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
