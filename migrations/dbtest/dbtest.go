package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver named "postgres"

	"rappel/migrations"
)

const (
	// poolSize keeps parallel tests of parallel packages below maxConnections.
	poolSize       = 10
	maxConnections = 400
	// patience bounds what one test waits for: a first start on a busy machine.
	patience = 3 * time.Minute
)

// New returns the owner's pool on a database of t's own. The database goes with t.
func New(t testing.TB) *sqlx.DB {
	t.Helper()
	return Open(t, NewDSN(t))
}

// NewDSN makes a database of t's own and returns its connection string as the
// owner, a postgres:// URL. The database goes with t; connections still open then are
// cut.
func NewDSN(t testing.TB) string {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	name := databaseName()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := c.admin.ExecContext(ctx, `CREATE DATABASE `+name+` TEMPLATE `+c.template+` STRATEGY FILE_COPY`); err != nil {
		t.Fatalf("dbtest: make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := c.admin.ExecContext(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("dbtest: drop the database: %v", err)
		}
	})
	return c.dsn(name)
}

// Open returns a small pool on dsn that is closed with t.
func Open(t testing.TB, dsn string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		t.Fatalf("dbtest: open: %v", err)
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	db.SetConnMaxIdleTime(5 * time.Second)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("dbtest: close: %v", err)
		}
	})
	return db
}

// Web returns a pool on dsn that works as rappel_web, as the web does: nothing is
// seen of any account outside [migrations.InAccount].
func Web(t testing.TB, dsn string) *sqlx.DB {
	t.Helper()
	web, err := migrations.WebDSN(dsn)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return Open(t, web)
}

// Operator returns a pool on dsn that works as rappel_operator, as the operator's own
// pages do: every account's business, nothing of patients.
func Operator(t testing.TB, dsn string) *sqlx.DB {
	t.Helper()
	operator, err := migrations.OperatorDSN(dsn)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return Open(t, operator)
}

// cluster is the shared server as one test process sees it.
type cluster struct {
	admin    *sqlx.DB // on database postgres
	base     string   // connection string of database postgres
	template string
	use      *os.File // the lock that makes us a user; the kernel gives it back
}

// shared joins the server of this run, once per process; the process stays a user
// until it ends.
var shared = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return join(ctx)
})

func (c *cluster) dsn(name string) string {
	u, err := url.Parse(c.base)
	if err != nil {
		panic(fmt.Sprintf("dbtest: our own connection string is broken: %v", err)) // made by private.DSN
	}
	u.Path = "/" + name
	return u.String()
}

var sequence atomic.Int64

// databaseName is unique on the server and sorts by process, for people who look.
func databaseName() string {
	return "t_" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatInt(sequence.Add(1), 10) + "_" + strings.ToLower(rand.Text()[:6])
}
