// Package accounts knows who may work at a clinic: accounts (clinics), the people
// who log in, how they prove who they are, and what they did.
//
// Words: an account is one clinic, the tenant everything else is keyed by; a sub-account
// has people, calendars and credits of its own and is paid for by the account above, the
// root; a user is a person at an account; an operator is one of those who run the product,
// a user of no clinic (AccountID 0); a login is the directory entry that tells which
// account an e-mail address belongs to, read before any account is known; a link is a
// one-time address in a mail.
//
//	signed up ──link followed, password──▶ account with its owner
//	    └──48 h──▶ forgotten
//	invited ──link followed──▶ user          (sent again: older links are worth nothing)
//	    └──7 days, or revoked──▶ forgotten
//	password right ──▶ no second factor ──▶ session
//	      └──▶ code of the app, or a recovery code ──▶ session
//	passkey ──▶ session                        (it stands for both)
//	session ──7 days unseen, 30 days, ended by its user, or a changed password or role──▶ over
//
// # Decisions
//
//   - Passwords are argon2id (RFC 9106, second recommended option: 64 MiB, three
//     passes, one lane fewer than the cores of a small server) in PHC string format, so the
//     cost can be raised later and old hashes are told apart and renewed at log-in.
//   - An unknown address costs as much time as a wrong password, and both are
//     answered alike: nobody learns who is a customer. Sign-up, forgotten passwords,
//     invitations and changes of address answer alike, too; a mail tells whose address it is.
//   - Failed log-ins are counted per address and per client in PostgreSQL, by
//     keyed hash, so that the limit holds over all processes and the table names nobody.
//     Requests that make mail leave are counted the same way. Who is logged in and is asked
//     for the password again has a count of their own, apart from the address's.
//   - Nothing of an account exists before its address is confirmed: whoever signs up with
//     somebody else's address leaves nothing behind, and their password opens nothing. The
//     link alone opens nothing either: it asks for the password of its own sign-up, so that
//     nobody confirms what a stranger has filled in.
//   - What travels in a link, a recovery code or a program's token has so many random bits
//     that a plain hash of it is kept: there is nothing to guess. Looks at links change
//     nothing, since programs look at mails before people do.
//   - The secret of an authenticator app must be read again, so it is sealed, bound to its
//     user. A code is taken once: the row remembers the 30-second step.
//   - What adds a way to log in, or takes one away, asks for the password and is told by mail.
//     What `rappel user reset-factor` takes away is told by nobody but whoever runs it: the
//     command line sends no mail. A new password makes links for another address or password worth nothing; passkeys stay,
//     and the mail after a reset names them.
//   - A session is a row (user_sessions) beside the browser's token: deleting it ends the
//     session at the next request, in every process. What it shows is no more than one needs
//     to know one's devices by.
//   - A clinic keeps an owner: steps down and removals take turns on the account's row. A
//     sub-account may have none: the owner of the account above sees to it.
//   - Support acts in a clinic only while its owner's consent runs; each request is written
//     down before it is served.
//   - An address is a user of one clinic or one of the operator's people. Operators have no
//     password reset by mail and, but in `rappel dev`, can do nothing without a second factor.
//   - What people change is written down by triggers of the schema in the same transaction
//     (migrations.Actor); RecordTx is for what is no change of a row.
//   - The directory (logins, login_attempts, sessions, sign-ups, links, operators) is read by
//     the owner role: at log-in there is no account yet that row-level security could check.
package accounts
