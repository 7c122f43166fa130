package notify

import (
	"context"
	"sync"

	"github.com/jmoiron/sqlx"
)

// statements keeps the statements that run for every batch prepared, one per connection of
// the pool: planning one of them takes longer than running it on a small batch. With
// DispatchDSN they get a generic plan.
//
// The zero value, and nil, prepare nothing: for pools that run such a statement rarely.
type statements struct {
	db *sqlx.DB

	mu  sync.RWMutex
	all map[string]*sqlx.Stmt
}

func newStatements(db *sqlx.DB) *statements {
	return &statements{db: db, all: map[string]*sqlx.Stmt{}}
}

// prepared returns query as a statement of the pool, or nil when it isn't to be prepared.
func (s *statements) prepared(ctx context.Context, query string) (*sqlx.Stmt, error) {
	if s == nil || s.db == nil {
		return nil, nil
	}
	s.mu.RLock()
	stmt := s.all[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt = s.all[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.all[query] = stmt
	return stmt, nil
}

// selectDB is db.SelectContext.
func (s *statements) selectDB(ctx context.Context, db *sqlx.DB, dest any, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		return db.SelectContext(ctx, dest, query, args...)
	}
	return stmt.SelectContext(ctx, dest, args...)
}

// selectTx is tx.SelectContext.
func (s *statements) selectTx(ctx context.Context, tx *sqlx.Tx, dest any, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		return tx.SelectContext(ctx, dest, query, args...)
	}
	return tx.StmtxContext(ctx, stmt).SelectContext(ctx, dest, args...)
}

// getTx is tx.GetContext.
func (s *statements) getTx(ctx context.Context, tx *sqlx.Tx, dest any, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		return tx.GetContext(ctx, dest, query, args...)
	}
	return tx.StmtxContext(ctx, stmt).GetContext(ctx, dest, args...)
}

// execTx is tx.ExecContext without its result.
func (s *statements) execTx(ctx context.Context, tx *sqlx.Tx, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		_, err = tx.ExecContext(ctx, query, args...)
		return err
	}
	_, err = tx.StmtxContext(ctx, stmt).ExecContext(ctx, args...)
	return err
}

// query runs query outside of a transaction and gives each row to scan.
func (s *statements) query(ctx context.Context, scan func(*sqlx.Rows) error, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryxContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close() // its error is that of rows.Err
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
