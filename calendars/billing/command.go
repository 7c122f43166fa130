package billing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Command is a change somebody asks for.
type Command struct {
	Account int64 // the paying one
	// Key makes asking twice the same as asking once. It is unique to the account.
	Key    string
	Actor  string // user:7, operator:3, system
	Reason string // obliged for operators
	Change Change
	// Version is that of the subscription which was shown; 0 = whichever. ErrStale when
	// it was changed since.
	Version int
}

// Done is what became of a command.
type Done struct {
	Subscription Subscription `json:"subscription"`
	Documents    []int64      `json:"documents"` // made by it, credit notes first
	Due          int64        `json:"due"`       // to be paid of the invoice among them, in Rappen
	Again        bool         `json:"-"`         // it was done before
}

// Preview reckons what change would do now, and does nothing. The answer is what Do
// writes down, as long as nothing else changes: Subscription.Version tells.
func (s *Service) Preview(ctx context.Context, account int64, change Change) (q Quote, err error) {
	if err := s.catchUp(ctx, account); err != nil {
		return q, err
	}
	err = migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
		payer, err := lockPayer(ctx, tx, account)
		if err != nil {
			return err
		}
		sc, err := s.read(ctx, tx, payer)
		if err != nil {
			return err
		}
		if err := mayResume(ctx, tx, sc, change, payer.Today(s.Now())); err != nil {
			return err
		}
		q, err = Ask(sc.State, change, payer.Today(s.Now()))
		return err
	})
	return q, err
}

// Next reckons the next renewal: what will be billed on Subscription.NextOn if nothing
// changes. ErrNone without a subscription.
func (s *Service) Next(ctx context.Context, account int64) (q Quote, err error) {
	err = migrations.InAccount(ctx, s.DB, account, func(tx *sqlx.Tx) error {
		payer, err := payerOf(ctx, tx, account)
		if err != nil {
			return err
		}
		sc, err := s.read(ctx, tx, payer)
		if err != nil {
			return err
		}
		q, err = Ask(sc.State, Change{Kind: Renew}, sc.Sub.NextOn)
		return err
	})
	return q, err
}

// Do does what c asks for, once. A renewal that is due comes first.
func (s *Service) Do(ctx context.Context, c Command) (d Done, err error) {
	if err := c.check(); err != nil {
		return d, err
	}
	if err := s.catchUp(ctx, c.Account); err != nil {
		return d, err
	}
	err = migrations.InAccount(ctx, s.DB, c.Account, func(tx *sqlx.Tx) error {
		d, err = s.DoTx(ctx, tx, c)
		return err
	})
	if err != nil {
		return Done{}, err
	}
	return d, s.align(ctx, c.Account)
}

func (c Command) check() error {
	switch {
	case c.Key == "" || c.Actor == "":
		return fmt.Errorf("%w: key and actor are needed", ErrReason)
	case len(c.Actor) > 9 && c.Actor[:9] == "operator:" && c.Reason == "":
		return fmt.Errorf("%w: say why, for those who look at it later", ErrReason)
	}
	return nil
}

// DoTx is Do within tx, in a transaction bound to the account. ErrBehind when a renewal
// is due first.
func (s *Service) DoTx(ctx context.Context, tx *sqlx.Tx, c Command) (d Done, err error) {
	if err := c.check(); err != nil {
		return d, err
	}
	payer, err := lockPayer(ctx, tx, c.Account)
	if err != nil {
		return d, err
	}
	if payer.Parent != nil {
		return d, fmt.Errorf("%w: account %d is paid for by account %d", ErrState, c.Account, *payer.Parent)
	}
	if !payer.Metered {
		return d, fmt.Errorf("%w: account %d is the operator's own and pays nothing", ErrState, c.Account)
	}
	a := audit{account: c.Account, key: c.Key, actor: c.Actor, action: string(c.Change.Kind), reason: c.Reason, request: c.Change}
	if again, err := a.done(ctx, tx, &d); err != nil || again {
		d.Again = again
		return d, err
	}
	if c.Change.Kind == Start || c.Change.Kind == SetQuantity {
		if err := lockWatched(ctx, tx, c.Account); err != nil {
			return d, err
		}
	}
	sc, err := s.read(ctx, tx, payer)
	if err != nil {
		return d, err
	}
	if c.Version != 0 && c.Version != sc.Sub.Version {
		return d, fmt.Errorf("%w: the subscription was shown as version %d and is %d", ErrStale, c.Version, sc.Sub.Version)
	}
	if err := mayResume(ctx, tx, sc, c.Change, payer.Today(s.Now())); err != nil {
		return d, err
	}
	return s.apply(ctx, tx, sc, c.Change, a)
}

// mayResume answers ErrState to a resumption that dunning would undo at its next look.
func mayResume(ctx context.Context, tx *sqlx.Tx, sc scene, change Change, today Date) error {
	if change.Kind != Resume || sc.Sub.Status != Suspended || sc.Sub.DunningAfter > today {
		return nil
	}
	late, err := overdue(ctx, tx, sc.payer.Account, today)
	if err != nil {
		return err
	}
	if len(late) > 0 {
		return fmt.Errorf("%w: %d of its invoices are overdue; have them paid or written off, or pause the reminders first", ErrState, len(late))
	}
	return nil
}

// apply asks and writes down, with the audit beside it.
func (s *Service) apply(ctx context.Context, tx *sqlx.Tx, sc scene, change Change, a audit) (d Done, err error) {
	now := s.Now()
	if change.Kind == Start { // a trial is for who comes for the first time
		if err := sc.payer.Check(); err != nil {
			return d, err
		}
		if sc.Had && change.TrialDays > 0 {
			return d, fmt.Errorf("%w: there was a subscription before; a trial is for the first", ErrState)
		}
	}
	q, err := Ask(sc.State, change, sc.payer.Today(now))
	if err != nil {
		return d, err
	}
	if change.Kind == Suspend && sc.Sub.Status != Suspended {
		q.After.SuspendedBy = a.actor
	}
	a.before = sc.Sub
	var after Done
	a.after = &after
	// The audit stands before the numbers, and is told its documents by then.
	docs, err := s.write(ctx, tx, sc, &q, a.actor, now, func(docs []int64) error {
		after = Done{Subscription: q.After, Documents: docs, Due: q.Due}
		return a.write(ctx, tx, now)
	})
	if err != nil {
		return d, err
	}
	return Done{Subscription: q.After, Documents: docs, Due: q.Due}, nil
}

// audit is one row of who changed what, and what makes a command happen once.
type audit struct {
	account            int64
	key, actor, action string
	reason             string
	request            any
	before, after      any
}

// done looks whether the command was done before, and reads into result what it gave.
func (a audit) done(ctx context.Context, tx *sqlx.Tx, result any) (again bool, err error) {
	var row struct {
		Action  string `db:"action"`
		Request []byte `db:"request"`
		After   []byte `db:"after"`
	}
	err = tx.GetContext(ctx, &row, `SELECT action, request, after FROM billing_audit WHERE account_id = $1 AND key = $2`, a.account, a.key)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up command %s: %w", a.action, err)
	}
	asked, err := json.Marshal(a.request)
	if err != nil {
		return false, fmt.Errorf("look up command %s: %w", a.action, err)
	}
	if row.Action != a.action || !sameJSON(row.Request, asked) {
		return false, fmt.Errorf("%w: %s", ErrKeyReused, row.Action)
	}
	if err := json.Unmarshal(row.After, result); err != nil {
		return false, fmt.Errorf("look up command %s: %w", a.action, err)
	}
	return true, nil
}

// sameJSON compares what the database may have laid out anew.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func (a audit) write(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	var parts [3][]byte
	for i, v := range []any{a.before, a.after, a.request} {
		if v == nil {
			v = struct{}{}
		}
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("audit %s: %w", a.action, err)
		}
		parts[i] = b
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO billing_audit AS a (account_id, key, actor, action, reason, before, after, request, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING a.id`, a.account, a.key, a.actor, a.action, a.reason, parts[0], parts[1], parts[2], now); err != nil {
		return fmt.Errorf("audit %s: %w", a.action, err)
	}
	return nil
}
