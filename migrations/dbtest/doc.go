// Package dbtest hands every test a PostgreSQL database of its own, migrated and
// empty, in some tens of milliseconds.
//
//	db := dbtest.New(t)              // *sqlx.DB as the owner of the schema
//
//	dsn := dbtest.NewDSN(t)          // for several pools on one database:
//	owner := dbtest.Open(t, dsn)     // the owner
//	web := dbtest.Web(t, dsn)        // the web's role, bound by row-level security
//	db := dbtest.Faulty(t, dsn, f)   // fails where f says, before a statement or after it
//
// # Words
//
//   - The base is a folder in the system's temporary folder, keyed by user and by the
//     hash of the migrations. All packages of a go test run share it.
//   - The template is the migrated database that CREATE DATABASE copies.
//   - The keeper is a child process that runs the server for everybody and ends it when
//     nobody has used it for a few seconds.
//
// The life of the server:
//
//	nobody ──first test process──▶ keeper starts, server starts ──▶ in use
//	in use ──every test process gone for [grace]──▶ stopped, data kept for the next run
//	in use ──kill -9 of the keeper──▶ Linux ends the server; the next run starts anew
//
// # Decisions
//
//   - Users are counted by shared file locks, which the kernel takes away from a
//     killed test too. No count can go stale.
//   - The keeper is the test binary itself, started again with a variable set and
//     caught in this package's init. That is the one init of the house: a package that
//     tests import has no main to hook into, and a shell or a helper binary would be
//     one more thing to be installed.
//   - Speed over safety: fsync and autovacuum are off. Data of a server that did not
//     end in order are therefore thrown away and made anew, never repaired.
//   - Nothing skips. No PostgreSQL is a failed test that says how to install it.
//   - A database is dropped by the cleanup of its test; those of killed tests go at the
//     next start of the server.
//
// # Figures
//
// PostgreSQL 15, 29 tables (9 MB), two cores shared with about eight other busy
// processes; go test -run xxx -bench . ./migrations/dbtest, each with the drop:
//
//	BenchmarkNew          140 ms   one database, of which 70 ms are work of the CPU
//	BenchmarkNew_eight    480 ms   eight at once
//
// The copy is made by copying files (STRATEGY FILE_COPY) with wal_level=minimal; logging
// the pages, PostgreSQL's default, cost 450 ms of CPU each. The first start of a server
// takes one to two seconds, a later one some tenths.
package dbtest
