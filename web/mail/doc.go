// Package mail sends e-mail from an outbox.
//
// Words: a mail is queued in the transaction that has something to say, so that it goes
// out if and only if that happened; the worker hands it to an SMTP server; sent means the
// server took it, not that it arrived.
//
//	queued ──server took it──▶ sent
//	  │  ▲
//	  │  └── refused for now, or no answer: again after 1, 2, 4 … minutes, at most 6 hours
//	  └── refused for good, or ten tries: failed ──somebody tries again──▶ queued
//
// # Decisions
//
//   - At least once: what a crash leaves open is sent again, with the same Message-ID made
//     of the key, by which post boxes and people tell doubles.
//   - What a mail says lies sealed, for it holds one-time links, and is gone from the
//     database once the server took it. `rappel dev` alone keeps it, to show it.
//   - One process at a time takes mails from the outbox (a row of chores is its lock) and
//     lets go of it before it talks to the server: a mail taken is out of reach of others
//     until its lease ends. There are few mails; what counts is that no statement locks
//     rows of many accounts at once.
//   - A mail that failed stays and is shown to the operator with what the server said, its
//     addresses left out.
//   - Account 0 is nobody's: a sign-up has no account yet, and the operator's people have none.
package mail
