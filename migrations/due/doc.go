// Package due is the one mechanism by which work that is due finds a process: a
// row says that an account has work of a kind from an instant on, and a process leases
// the accounts that have some.
//
// # Words
//
//   - A kind is what is to be done, such as "sync", "remind", "dispatch". There is one
//     row per account and kind, so a thousand due messages of a clinic are one entry.
//   - To raise is to say that there is work at an instant. It joins the caller's
//     transaction: work and the word of it become visible together.
//   - To lease is to take the accounts with due work for a while. A lease not given
//     back in time is dead, and anybody takes the account over.
//
// One row:
//
//	        Raise(at)              now ≥ at: Lease
//	idle ─────────────▶ waiting ───────────────────▶ leased ──Release(zero)──▶ idle
//	                       ▲                         │ │ ▲ │
//	                       └──Release(next), or ─────┘ │ └─┘ Extend; Raise is noted
//	                          raised meanwhile         │
//	                                                   └─lease over──▶ leased by another
//
// # Decisions
//
//   - Leasing takes the word away (due_at becomes infinity), so a Raise that comes while
//     the account is leased is new word, and Release keeps the earlier of the two. A
//     raise that the holder had already seen costs one empty look, a lost one would
//     cost a reminder; so nothing is compared or cleared at Release.
//   - Dead leases go first: their work has waited longest, and infinity says nothing
//     about since when.
//   - Leases are fenced by the owner's name. A holder that was too slow learns it by
//     [ErrLost]; what it did in the meantime must be safe to do twice, as ever.
//   - The clock is the caller's. Machines must agree within a small part of the lease.
//   - How often to look is the caller's affair, as is what the work is.
//   - The table is read across accounts with row locks, which a distributed PostgreSQL
//     can't do: there it stays an ordinary table on the coordinator. Everything found
//     through it is then claimed account by account.
package due
