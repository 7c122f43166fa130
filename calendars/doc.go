// Package calendars connects a clinic's calendars and keeps a true copy of what
// stands in them: OAuth connections, polling, the diff of snapshots, and verifying on
// demand that an appointment still stands.
//
// # Words
//
//   - A [Provider] is a calendar service. Its [Authority] hands out tokens, its
//     [Reader] reads. Adapters for them lie in the folders beneath.
//   - A connection is one person's grant at one provider; it opens calendars.
//   - A calendar is watched once the clinic picked it. Only then it is read.
//   - The doorbell is a question with a cursor (sync token, delta link): did anything
//     change? It is never asked what.
//   - A snapshot is the expanded window [now, now + horizon + 48 h), all pages: the truth.
//   - The diff of a snapshot and the stored events is the list of changes. A key absent
//     from a complete snapshot is gone, whatever the cause.
//   - To verify is to have a read not older than a given age, see [Syncer.Verify].
//
// A connection:
//
//	          Finish                 grant ended
//	(nothing) ──────▶ active ─────────────────────▶ needs_reconnect
//	                   ▲ │ ▲                          │      │
//	                   │ │ └── Finish, same person ───┘      │ Disconnect
//	            Finish │ │ Disconnect                        ▼
//	                   └─┴──────────────────────────▶ disconnected
//
// A calendar, beside being watched or not:
//
//	        404, forbidden, only free/busy          not in the list
//	active ───────────────────────────────▶ paused ────────────────▶ gone
//	   ▲                                       │                        │
//	   └───────── readable in the list ────────┴────────────────────────┘
//
// One poll:
//
//	claim ─▶ doorbell ─silent─▶ commit cursor, next poll
//	            │ rang, or a snapshot is due
//	            ▼
//	        snapshot ─▶ diff ─▶ commit events, tombstones, cursor, next poll, and what the Sink made of it
//
// # Decisions
//
//   - Sync tokens and deltas only ring. Both providers' feeds leave things out or
//     add some; the events come from expanded snapshots alone.
//   - Everything a read brings commits in one transaction with its cursor. A failed or
//     partial read changes nothing but the note of the failure.
//   - A read is only committed on top of the state it was begun on. If another read
//     was committed meanwhile (verify beside poll, an expired lease), the later
//     committer is dropped, not the earlier reader: which of the two saw the later state
//     can't be told without comparing clocks of two machines. Dropping costs one read.
//   - The bell is armed before the snapshot is taken, so that a change between them
//     rings once too often instead of never.
//   - Events that had begun when the window began, and those beyond its far edge, are
//     never reported gone: the snapshot wasn't asked about them. Events moved
//     there are: their key is absent while their stored start lies inside.
//   - After a stop (unwatched, disconnected, paused) the first snapshot of a restart
//     reports every event with Before nil, although the rows were kept. The Sink has
//     dropped its reminders and starts over. A connection that merely needs to be
//     renewed is no stop: reminders stay planned, verifying fails, so none is sent blind.
//   - UID: reminders are keyed by (UID, occurrence). Copies that share both are told
//     apart by '#' and their key; one keeps the plain UID, and whoever once got one of
//     its own keeps it.
//   - Refreshing a token holds the connection's row lock during the call to the
//     authority, and ends even if its caller went away: a rotated refresh token that
//     isn't stored is a connection lost. An invalid_grant is believed only if the row
//     still has the version it was tried with.
//   - Lock order: a connection's row before its calendars' rows. Commit locks one
//     calendar and touches no connection, so it never waits for a refresh.
//   - A clinic whose subscription is suspended or over ([house.SetServiceTx]) keeps its
//     picks, and nothing is read: neither polled nor listed nor verified. A read under way
//     is dropped. What comes back is as after any other stop.
//   - How many calendars are covered is asked within the transaction that picks one
//     ([Quota]); a pick that was there stays, whatever the answer would be today.
//   - Disconnecting first stops and wipes, then revokes. The other order could
//     leave reminders running after a crash. Revoking ends all grants of that person to
//     us at Google, also those of another clinic; that one is then told to reconnect.
//   - A grant of another person than the one to be renewed is revoked and forgotten;
//     the web asks and begins anew without naming a connection.
//   - Next poll: an activation of the calendar's cron spec in its zone, ±25 % of the
//     gap (at most 5 min), the same for the same calendar and activation. Each fourth
//     activation at night (21 to 6), each second after a week without a change, never
//     stretched beyond an hour. There is no factor for reminders that are due soon,
//     since they verify by themselves. Config.Steady turns stretching off.
//   - Errors back off with full jitter to 6 h per calendar. Throttling counts for the
//     whole connection, since both providers count per mailbox. A Retry-After beyond a
//     day is cut to a day. Nobody sleeps on it.
//   - A failed verify leaves the poll's backoff alone, since it is repeated every few
//     seconds while reminders are due; it does note throttling and pauses.
//   - An empty calendar list of somebody who had calendars is taken for a mishap;
//     believing it would stop every reminder.
//   - Instants are cut to microseconds before they are compared: what PostgreSQL
//     rounds must not look like a change.
//   - Purged texts leave the row: reminders point to it.
package calendars
