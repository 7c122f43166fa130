package calendars

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Store reads what others show: connections, calendars, and events with their texts
// unsealed. It works on either pool.
type Store struct {
	db     *sqlx.DB
	sealer Sealer
}

// NewStore returns a Store over db.
func NewStore(db *sqlx.DB, sealer Sealer) *Store { return &Store{db, sealer} }

// Connections returns all connections of account, the oldest first.
func (s *Store) Connections(ctx context.Context, account int64) (list []Connection, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		err := tx.SelectContext(ctx, &list, "SELECT "+connectionColumns+` FROM connections n
			WHERE n.account_id = $1 ORDER BY n.created_at, n.id`, account)
		if err != nil {
			return fmt.Errorf("select connections: %w", err)
		}
		return nil
	})
	return list, err
}

// Connection returns one connection. ErrUnknown when there is none.
func (s *Store) Connection(ctx context.Context, ref ConnectionRef) (c Connection, err error) {
	err = migrations.InAccount(ctx, s.db, ref.AccountID, func(tx *sqlx.Tx) error {
		c, err = connectionTx(ctx, tx, ref)
		return err
	})
	return c, err
}

func connectionTx(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef) (c Connection, err error) {
	err = tx.GetContext(ctx, &c, "SELECT "+connectionColumns+` FROM connections n WHERE n.account_id = $1 AND n.id = $2`, ref.AccountID, ref.ID)
	return c, unknown(err, "connection", ref.ID)
}

// Calendars returns all calendars of account: by connection, the primary one first,
// then by name.
func (s *Store) Calendars(ctx context.Context, account int64) (list []Calendar, err error) {
	err = migrations.InAccount(ctx, s.db, account, func(tx *sqlx.Tx) error {
		err := tx.SelectContext(ctx, &list, "SELECT "+calendarColumns+` FROM calendars c
			WHERE c.account_id = $1 ORDER BY c.connection_id, c.is_primary DESC, lower(c.name), c.id`, account)
		if err != nil {
			return fmt.Errorf("select calendars: %w", err)
		}
		return nil
	})
	return list, err
}

// Calendar returns one calendar. ErrUnknown when there is none.
func (s *Store) Calendar(ctx context.Context, ref CalendarRef) (c Calendar, err error) {
	err = migrations.InAccount(ctx, s.db, ref.AccountID, func(tx *sqlx.Tx) error {
		c, err = s.CalendarTx(ctx, tx, ref)
		return err
	})
	return c, err
}

// CalendarTx is Calendar within the caller's transaction.
func (s *Store) CalendarTx(ctx context.Context, tx *sqlx.Tx, ref CalendarRef) (c Calendar, err error) {
	err = tx.GetContext(ctx, &c, "SELECT "+calendarColumns+` FROM calendars c WHERE c.account_id = $1 AND c.id = $2`, ref.AccountID, ref.ID)
	return c, unknown(err, "calendar", ref.ID)
}

// unknown tells a missing row from a failed query.
func unknown(err error, what string, id int64) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: %s %d", ErrUnknown, what, id)
	case err != nil:
		return fmt.Errorf("select %s %d: %w", what, id, err)
	}
	return nil
}

// CheckSeals opens the tokens of the newest active connections, over all accounts, and
// returns how many it tried and how many stayed closed. It tells a keyset that is not
// the one this database was written with. For the owner's pool.
func (s *Store) CheckSeals(ctx context.Context) (tried, closed int, err error) {
	var rows []struct {
		AccountID int64  `db:"account_id"`
		ID        int64  `db:"id"`
		Sealed    []byte `db:"sealed_refresh"`
	}
	if err := s.db.SelectContext(ctx, &rows, `SELECT account_id, id, sealed_refresh FROM connections
		WHERE status = 'active' AND sealed_refresh IS NOT NULL ORDER BY created_at DESC LIMIT 100`); err != nil {
		return 0, 0, fmt.Errorf("select sealed tokens: %w", err)
	}
	for _, r := range rows {
		if _, err := openSecret(s.sealer, r.Sealed, refreshContext(ConnectionRef{r.AccountID, r.ID})); err != nil {
			closed++
		}
	}
	return len(rows), closed, nil
}
