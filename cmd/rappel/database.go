package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// remedyError is a trouble of the surroundings together with what to do about it.
type remedyError struct {
	what, remedy string
	err          error // nil when it would show a secret
}

func (e *remedyError) Error() string { return e.what + "; " + e.remedy }

func (e *remedyError) Unwrap() error { return e.err }

// openPool connects to dsn with at most max connections and pings once. Its error is
// a *remedyError and never shows the DSN, which holds a password.
func openPool(ctx context.Context, dsn string, max int) (*sqlx.DB, error) {
	// The driver's own complaint about a DSN quotes it, and it complains only when
	// it connects.
	if _, err := pq.NewConfig(dsn); err != nil {
		return nil, &remedyError{what: "RAPPEL_DATABASE_URL can't be read",
			remedy: "write it as postgres://user:password@host:port/name, with %XX in place of special characters of the password"}
	}
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(max)
	db.SetMaxIdleConns(max)
	db.SetConnMaxIdleTime(5 * time.Minute)
	pingCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := db.PingContext(pingCtx); err != nil {
		if closing := db.Close(); closing != nil {
			err = errors.Join(err, closing)
		}
		return nil, databaseTrouble(err)
	}
	return db, nil
}

// databaseTrouble words why no connection came about.
//
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
func databaseTrouble(err error) *remedyError {
	e := &remedyError{err: err}
	var pe *pq.Error
	var ne net.Error
	switch {
	case errors.Is(err, pq.ErrSSLNotSupported):
		e.what, e.remedy = "the database server has no TLS", "turn it on there, or append sslmode=disable to RAPPEL_DATABASE_URL if nobody can listen on the way"
	case errors.As(err, &pe):
		e.what = "the database server refuses: " + pe.Message
		switch pe.Code {
		case "28P01", "28000":
			e.remedy = "correct user and password in RAPPEL_DATABASE_URL, and see that the server's pg_hba.conf lets them in"
		case "3D000":
			e.remedy = "create the database, or correct its name at the end of RAPPEL_DATABASE_URL"
		case "53300":
			e.remedy = "raise max_connections of the server: a process of Rappel may use up to 40"
		case "57P03", "57P01":
			e.remedy = "wait until it has started; if that takes long, look at its log"
		default:
			e.remedy = "look at its log (SQLSTATE " + string(pe.Code) + ")"
		}
	case errors.As(err, &ne), errors.Is(err, context.DeadlineExceeded):
		e.what, e.remedy = "the database does not answer: "+err.Error(), "check host and port in RAPPEL_DATABASE_URL, that the server runs, and the firewall"
	default:
		e.what, e.remedy = "the database can't be used: "+err.Error(), "check RAPPEL_DATABASE_URL and the server's log"
	}
	return e
}
