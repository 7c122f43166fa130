package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Step is what a program asks of the database.
type Step int

// A Rollback is no step: who is cut off says none, and the server does it all the same.
const (
	Statement Step = iota
	Begin
	Commit
)

// Faulty returns a pool on dsn of whose steps fault decides what becomes: those with an
// error before are not carried out (a COMMIT rolls back), those with an error after are,
// and only the answer is lost. It may be called by several goroutines at once. A
// connection that met a fault is not used again.
func Faulty(t testing.TB, dsn string, fault func(Step) (before, after error)) *sqlx.DB {
	t.Helper()
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		t.Fatalf("dbtest: open: %v", err)
	}
	db := sqlx.NewDb(sql.OpenDB(faultyConnector{connector, fault}), "postgres")
	db.SetMaxOpenConns(poolSize)
	t.Cleanup(func() { _ = db.Close() }) // of connections that were cut on purpose
	return db
}

type faultyConnector struct {
	driver.Connector
	fault func(Step) (before, after error)
}

// Connect implements driver.Connector.
func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, fault: c.fault}, nil
}

type faultyConn struct {
	driver.Conn
	fault func(Step) (before, after error)
	cut   bool
}

// faulty has do carried out as c's fault says.
func faulty[T any](c *faultyConn, s Step, do func() (T, error)) (got T, err error) {
	before, after := c.fault(s)
	c.cut = c.cut || before != nil || after != nil
	if before != nil {
		return got, before
	}
	if got, err = do(); after != nil {
		err = errors.Join(after, err)
	}
	return got, err
}

// QueryContext implements driver.QueryerContext.
func (c *faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := faulty(c, Statement, func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args) })
	if err != nil && rows != nil {
		err = errors.Join(err, rows.Close())
	}
	return rows, err
}

// ExecContext implements driver.ExecerContext.
func (c *faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return faulty(c, Statement, func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args) })
}

// BeginTx implements driver.ConnBeginTx.
func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := faulty(c, Begin, func() (driver.Tx, error) { return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o) })
	if err != nil && tx != nil {
		err = errors.Join(err, tx.Rollback())
	}
	return faultyTx{tx, c}, err
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// IsValid implements driver.Validator.
func (c *faultyConn) IsValid() bool { return !c.cut }

type faultyTx struct {
	driver.Tx
	conn *faultyConn
}

// Commit implements driver.Tx.
func (t faultyTx) Commit() error {
	done := false
	_, err := faulty(t.conn, Commit, func() (struct{}, error) {
		done = true
		return struct{}{}, t.Tx.Commit()
	})
	if !done {
		err = errors.Join(err, t.Tx.Rollback())
	}
	return err
}
