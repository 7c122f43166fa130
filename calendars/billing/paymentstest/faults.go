package paymentstest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ErrFault is what the database answers where it was told to fail.
var ErrFault = errors.New("paymentstest: the database went away")

// Faults is a database that fails at one chosen statement, BEGIN and COMMIT counted.
type Faults struct {
	mu    sync.Mutex
	count int
	at    int
	hit   bool
	lost  bool
}

// Arm has the n-th statement from now fail. With lost only COMMITs count, and what fails
// is the answer: the COMMIT takes place.
func (f *Faults) Arm(n int, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.hit, f.lost = 0, n, false, lost
}

// Hit reports whether that statement was reached.
func (f *Faults) Hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// step answers ErrFault at the chosen statement, late when it is to take place first.
func (f *Faults) step(commit bool) (early, late error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost && !commit {
		return nil, nil
	}
	if f.count++; f.at == 0 || f.count != f.at {
		return nil, nil
	}
	f.hit = true
	if f.lost {
		return nil, ErrFault
	}
	return ErrFault, nil
}

// Faulty returns a pool of w's database that fails as f says.
func (w *World) Faulty() (*sqlx.DB, *Faults) {
	w.Helper()
	f := &Faults{}
	connector, err := pq.NewConnector(w.DSN)
	w.OK(err)
	db := sqlx.NewDb(sql.OpenDB(faultyConnector{connector, f}), "postgres")
	w.Cleanup(func() { _ = db.Close() }) // of connections that were cut on purpose
	return db, f
}

type faultyConnector struct {
	driver.Connector
	f *Faults
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn, c.f}, nil
}

type faultyConn struct {
	driver.Conn
	f *Faults
}

func (c *faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	if err, _ := c.f.step(false); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if err, _ := c.f.step(false); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err, _ := c.f.step(false); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return faultyTx{tx, c.f}, nil
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type faultyTx struct {
	driver.Tx
	f *Faults
}

func (t faultyTx) Commit() error {
	early, late := t.f.step(true)
	if early != nil {
		return errors.Join(early, t.Tx.Rollback())
	}
	return errors.Join(late, t.Tx.Commit())
}
