package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Sub is an account below another: it has users, calendars and SMS of its own; what it
// costs, the account above pays.
type Sub struct {
	ID       int64  `db:"account_id"`
	Business string `db:"business"`
	Users    int    `db:"users"`
}

// Subs lists the sub-accounts of an account, by name.
func (s *Store) Subs(ctx context.Context, parent int64) (all []Sub, err error) {
	if err := s.db.SelectContext(ctx, &all, `SELECT a.account_id, a.business, (SELECT count(*) FROM users u WHERE u.account_id = a.account_id) AS users
		FROM accounts a WHERE a.parent_id = $1 AND a.status = 'active' ORDER BY lower(a.business), a.account_id`, parent); err != nil {
		return nil, fmt.Errorf("list sub-accounts: %w", err)
	}
	return all, nil
}

// CreateSub makes a sub-account of parent, with parent's zone, region and language.
// ErrNested if parent is one itself; a *FieldError of the name.
func (s *Store) CreateSub(ctx context.Context, parent int64, business string) (id int64, err error) {
	if business = strings.Join(strings.Fields(business), " "); business == "" || len([]rune(business)) > 200 {
		return 0, &FieldError{"business", "required"}
	}
	err = migrations.InTx(ctx, s.db, func(tx *sqlx.Tx) error {
		var above sql.NullInt64
		if err := tx.GetContext(ctx, &above, `SELECT parent_id FROM accounts WHERE account_id = $1 FOR UPDATE`, parent); err != nil {
			return fmt.Errorf("lock account: %w", err)
		}
		if above.Valid {
			return ErrNested
		}
		if err := tx.GetContext(ctx, &id,
			`INSERT INTO accounts AS s (parent_id, business, zone, region, more_regions, language, callback, sender, organisation, billing, review, created_at)
			SELECT a.account_id, $2, a.zone, a.region, a.more_regions, a.language, a.callback, a.sender, a.organisation, a.billing, a.review, $3
			FROM accounts a WHERE a.account_id = $1 RETURNING s.account_id`, parent, business, s.now()); err != nil {
			return fmt.Errorf("insert sub-account: %w", err)
		}
		actor, ok := migrations.ActorOf(ctx)
		if !ok {
			actor = migrations.Actor{Kind: "system", Name: "rappel", At: s.now()}
		}
		for _, e := range []Entry{{AccountID: parent, Actor: actor, Action: "accounts.sub_made", Subject: fmt.Sprintf("accounts:%d", id), After: map[string]string{"business": business}},
			{AccountID: id, Actor: actor, Action: "accounts.made"}} {
			if err := RecordTx(ctx, tx, e); err != nil {
				return err
			}
		}
		if s.cfg.Welcome == nil {
			return nil
		}
		return s.cfg.Welcome.WelcomeTx(ctx, tx, Newcomer{Account: id, Parent: parent})
	})
	return id, err
}

// Below reads a sub-account of parent; ErrNotFound if it is none, or another's.
func (s *Store) Below(ctx context.Context, parent, id int64) (a Account, err error) {
	err = s.db.GetContext(ctx, &a, `SELECT `+accountColumns+` FROM accounts a WHERE a.account_id = $1 AND a.parent_id = $2 AND a.status = 'active'`, id, parent)
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrNotFound
	}
	if err != nil {
		return a, fmt.Errorf("read sub-account: %w", err)
	}
	return a, nil
}
