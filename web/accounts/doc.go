// Package accounts knows who may work at a clinic: accounts (clinics), the people
// who log in, and their passwords.
//
// Words: an account is one clinic, the tenant everything else is keyed by; a user
// is a person at that clinic; a login is the directory entry that tells which
// account an e-mail address belongs to, read before any account is known.
//
// # Decisions
//
//   - Passwords are argon2id (RFC 9106, second recommended option: 64 MiB, three
//     passes, one lane fewer than the cores of a small server) in PHC string format, so the
//     cost can be raised later and old hashes are told apart and renewed at log-in.
//   - An unknown address costs as much time as a wrong password, and both are
//     answered alike: nobody learns who is a customer.
//   - Failed log-ins are counted per address and per client in PostgreSQL, by
//     keyed hash, so that the limit holds over all processes and the table names nobody.
//   - The directory (logins, login_attempts, sessions) is read by the owner role:
//     at log-in there is no account yet that row-level security could check.
package accounts
