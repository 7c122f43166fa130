// Package migrations holds Rappel's schema as numbered SQL, brings a database up
// to it, and says how a statement is bound to one account.
//
// # Words
//
//   - A step is one file NNNN_name.sql in goose's format. Its version is NNNN.
//   - A step is applied when goose_db_version has its version, else pending.
//   - The owner is the role that runs the migrations and the background work
//     (sync, remind, dispatch). Row-level security isn't forced on it.
//   - rappel_web is the role of the web. It owns nothing and row-level security
//     binds it: outside [InAccount] it sees no tenant row at all.
//   - rappel_operator is the role of the operator's own pages (billing admin, reviewer,
//     support). A policy named operator_sees_all opens a table of the business to it over
//     all accounts; a table without that policy, or without a grant, stays shut.
//
// A database goes one way:
//
//	empty ──Up──▶ behind ──Up──▶ current          newer than the binary: ErrNewer
//
// # Decisions
//
//   - Several processes may call [Up] at once; one works, the others wait and find
//     nothing left to do. They wait by asking again every tenth of a second
//     (pg_try_advisory_lock) instead of inside pg_advisory_lock: a waiting
//     statement holds a snapshot, and a migration that says CREATE INDEX
//     CONCURRENTLY would wait for that snapshot to end, which is a deadlock.
//   - A database that knows a version this binary doesn't is refused, never
//     "repaired". An older program writing to a newer schema loses data quietly.
//   - [Status] and [Pending] only read, take no lock and create nothing, so that a
//     readiness probe neither waits for a long migration nor needs rights.
//   - The tenant is bound by SET LOCAL with the number formatted in, not by
//     set_config: only the former reaches the shards of a distributed PostgreSQL.
//   - The web's role is a startup parameter of its pool ([WebDSN]) and not a SET
//     ROLE per request, so that no forgotten statement can run as the owner.
//     Where the web has a login of its own, make that login a member of rappel_web
//     and not of the owner; then not even RESET ROLE leads out.
//   - What the operator's people may not see they can't: rappel_operator has no grant on
//     any table with something of patients, and a test reads the catalogue for it.
//   - rls_test.go asks the catalogue for every table with an account_id. A new
//     table that can't be proven isolated fails it.
package migrations
