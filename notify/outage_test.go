package notify_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// outage is a database that lets no transaction begin for a while.
type outage struct {
	mu   sync.Mutex
	left int // so many more
}

var errOutage = errors.New("the database is away")

func (o *outage) begin(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = n
}

type outageConnector struct {
	driver.Connector
	o *outage
}

func (c outageConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return outageConn{conn, c.o}, nil
}

type outageConn struct {
	driver.Conn
	o *outage
}

func (c outageConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	if c.o.left > 0 {
		c.o.left--
		return nil, errOutage
	}
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c outageConn) CheckNamedValue(v *driver.NamedValue) error {
	if k, ok := c.Conn.(driver.NamedValueChecker); ok {
		return k.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// The database goes away between a submission and its recording and comes back at the
// very last try: the Observer hears of it all the same, since it wasn't in the way.
func TestDispatcher_databaseAwayWhileRecording(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dsn, err := notify.DispatchDSN(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{}
	db := sqlx.NewDb(sql.OpenDB(outageConnector{connector, o}), "postgres")
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	const tries = 12
	pauses := make([]time.Duration, tries)
	for i := range pauses {
		pauses[i] = time.Microsecond
	}
	w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
		o.begin(tries)
		return notify.Submission{IDs: idsFor(m, n)}, nil
	}
	ref := w.enqueue(nil)
	d := w.dispatcher(func(c *notify.Config) { c.DB = db })
	notify.SetRecordPauses(d, pauses...)
	w.tick(d)
	w.wantStatus(ref, notify.Sent, "")
	if diff := cmp.Diff([]notify.Status{notify.Sent}, w.seen.of(ref)); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
