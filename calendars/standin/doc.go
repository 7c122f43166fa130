// Package standin holds faithful stand-ins for Google Calendar and Microsoft
// Graph, for tests and for `rappel dev`: consent pages, token endpoints, the
// calendar APIs with their paging, sync tokens, delta links and push, and a
// small page on which one edits appointments as if in the real calendar.
//
// # Words
//
// A World holds everything both servers serve. A person is an account at one
// provider; a calendar belongs to one person and has a role. An event is single
// or the master of a series; a slot is one original start of a series, an
// instance the appointment in a slot, an exception an instance that differs
// from its series. A tombstone is what is left of something deleted. A grant is
// one consent of a person to a client. A fault is a misbehaviour a test
// switches on for some requests, a Mode one that lasts.
//
// # Life of a grant
//
//	consent page --Allow--> code --token endpoint--> access (+ refresh) token
//	     |                   |                            |
//	   Cancel            used or 10 min old          RevokeGrants, /revoke,
//	     v                   v                       old age
//	access_denied       invalid_grant                     v
//	                                            401, then invalid_grant
//
// # Decisions
//
//   - Every change of the model takes the next number of one counter. Sync
//     tokens and delta links carry that number and nothing is kept per client,
//     so tokens survive a restart and any number of clients can sync.
//   - A list is frozen at its first page, so pages fit together whatever
//     changes meanwhile; Graph's calendarView alone pages over live data by
//     $skip, as the real one does.
//   - Tombstones carry only what the providers guarantee. An incremental read
//     ignores the time bounds of the first one (reported of Google) and a delta
//     calls everything changed outside its range removed (documented by
//     Microsoft): clients must not take either for the truth.
//   - PKCE with S256, state and one of the configured clients are demanded
//     although the real servers are more lenient: Rappel always sends them, and
//     a test should fail when it does not.
//   - Push goes to https, and to http on this machine only. A failed
//     notification is not repeated: the real ones promise nothing.
//   - A series is daily or weekly and expands to at most 730 slots.
//   - Ids and tokens come from a counter and the seed when there is one, else
//     from crypto/rand; the state file keeps the counter.
//   - Requests keeps secrets as they came, in memory, for assertions; nothing
//     of them is logged.
//
// The behaviour follows Google's and Microsoft's published references, and for
// the oddities what users of both reported; sources are named where a rule is
// not obvious.
package standin
