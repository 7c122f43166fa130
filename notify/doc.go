// Package notify brings text messages from whoever asks for them to carriers, and what
// becomes of them back: outbox, dispatcher, receipts, replies, message log.
//
// # Words
//
//   - A message is immutable: what was asked for. Its status, one of eleven, and the
//     reason for it lie in sent; its history in message_events.
//   - The queue holds what is to be submitted. A claim is a batch taken out of it: while
//     its row in claims exists, each message in it may have reached the carrier.
//   - Accepted is what a carrier says on submission; delivered is what a receipt (DLR)
//     says. A carrier id names a message, or one segment of it, in receipts.
//   - An unanswered message may or may not have been accepted. Evidence (a look-up at
//     the carrier, a receipt without known carrier id) or else policy decides.
//   - A lane is a carrier with its window, in one process. A destination is a set of
//     numbers with the same lanes, in order of preference.
//   - Traffic is either urgent, which are notifications, or bulk, which is marketing. Each
//     is due work of its own kind, claimed by itself, with its part of a lane's window.
//   - The rules are rows: by country of the recipient and instant, what is allowed and
//     what is delivered. A [Policy] is the rules, the account's settings, and what follows
//     from them for a message: its sender, its suffix, its hour.
//   - A suffix is what marketing says at its end about refusing further texts.
//   - A held message waits for somebody's decision instead of a time, outside the queue.
//   - A [Meter] prices messages, sets their credit aside when they are queued, and hears in
//     the transaction of their end, or of their acceptance, what becomes of it.
//
// # A message's way
//
//	                 WithdrawTx, opt-out             Gate says no       ┌─▶ NOT_SENT withdrawn, stale
//	EnqueueTx ──▶ queued ─────────────────────────────────────────────┼─▶ NOT_ALLOWED opted_out
//	              │   ▲ ▲                                               ├─▶ INVALID_DESTINATION invalid_number
//	              │   │ │                                               ├─▶ ROUTE_NOT_AVAILABLE no_route
//	              │   │ │                                               └─▶ EXPIRED too_late
//	        claim │   │ │ certainly not accepted, or not whole: throttled, temporary, misconfigured,
//	              ▼   │ │ interrupted, out of hours (backoff, until it expires:
//	           claimed┘ │                          NETWORK_ERROR exhausted)
//	            │ │ │   │
//	   accepted │ │ └───┼── refused ──▶ REJECTED, INVALID_…, NOT_ALLOWED, ROUTE_NOT_AVAILABLE
//	            │ │     │              (no route, misconfigured: first the next carrier, by a claim of its own)
//	            │ │ unknown, claim's lease over
//	            │ ▼     │
//	            │ unanswered ── carrier hasn't it; or policy: resend once
//	            │ │   │
//	            │ │   └── policy: give up ──▶ NETWORK_ERROR unanswered
//	            │ │ evidence
//	            ▼ ▼
//	           SENT ── receipts ──▶ DELIVERED, NOT_DELIVERED, REJECTED, …
//	              └─── none for 72 h ──▶ EXPIRED no_receipt ── a late one still counts
//
// Statuses move by [Status.After] alone, whichever way the news comes.
//
// Before the queue stand the rules:
//
//	EnqueueTx ──▶ rules ──┬──▶ queued ◀───────────────── nothing holds it any more
//	                      │                                          ▲
//	                      ├──▶ held ── ReleaseTx, for each reason ───┘
//	                      │     │ │ │  (review, registration, credit)
//	                      │     │ │ └── RejectTx ──▶ NOT_ALLOWED rejected, INVALID_SENDER sender_rejected
//	                      │     │ └──── expired ──▶ EXPIRED too_late
//	                      │     └────── WithdrawTx, opt-out, as above
//	                      ├──▶ INVALID_SENDER: no sender there is that is delivered
//	                      └──▶ EXPIRED, NOT_ALLOWED no_hours
//
// # Exactly once
//
// A message leaves the queue and enters a claim in one statement, before any byte of it
// leaves the machine; it leaves the claim in the transaction that records its outcome.
// So after a crash each message is in the queue (not submitted), in sent (known), or in a
// claim. A claim is renewed while it is worked on; when its lease ends, anybody takes it
// over, and its owner, should it still live, submits nothing more. What was in it is
// unanswered, and never more than the carrier's Window, since the window's tokens are held
// from before the claim until the record.
//
// A carrier that can be asked (Finder) is asked, and what it says is certain: what it has
// under our Reference is the message, and of texts alike those that other messages are
// known to have are theirs, once no text to that person is being submitted. For others,
// a receipt for the same recipient and sender that carries an id nobody knows is taken
// as the message's, unless it could belong to one that is still being submitted; an id
// that is our own Reference is taken for its message alone. When
// UnansweredWait has passed, a notification with time left is sent a second and last
// time, and marketing is given up. Each of these steps is in the history.
//
// # Decisions
//
//   - DELETE from the queue plus one claims row a batch, immutable messages, narrow sent
//     at fillfactor 70: of all designs measured the fastest, 1.8 times a single table.
//   - Accounts are leased by package due, up to fifty at once, and claimed together by one
//     statement, with a claims row for each: fair, shardable, and as fast for a thousand
//     clinics with thirty messages as for one with thirty thousand. A group gets four
//     batches, then stands in line again, due from now on and not since when it was: so a
//     campaign of a million stands behind a single message.
//   - Urgent and bulk traffic have leases, claims and workers of their own, and an eighth of
//     each window is never given to bulk: a reminder doesn't wait for a campaign, its own
//     account's or another's. Priorities in one queue would leave it behind whatever was
//     claimed already.
//   - What is handed to a carrier lies in the carrier's own queue, before whatever comes next.
//     So of a campaign no more is handed over than keeps it busy: by the time answers take
//     beyond the shortest, 40 ms of it (pacer).
//   - By the book, no row of a message, its result or its carrier id is there when it is
//     written: they are inserted without ON CONFLICT, which costs half as much again as the
//     row. A batch that meets one all the same is written again with care (optimism).
//   - A statement over a batch gets the columns that differ as arrays and the others once:
//     taking an array apart costs as much as an index.
//   - Nothing is locked before it is claimed. Leases keep dispatchers apart; where one was
//     too slow and two claim for the same account, the DELETE gives each row to one of them.
//   - What a statement has found by its whole key (a result, a kept receipt) or in the order
//     of an index (the queue), it writes by its place (ctid), against laws 4 and 8 of
//     facts/scale-out.md: then no plan can look for the row another way, however wrong the
//     statistics. Citus refuses ctid. There takeBatch and applyByTheBook name (account_id,
//     message_id), takeEarly (carrier, carrier_message_id), and that without FOR UPDATE.
//   - Which carrier serves a number is asked when claiming, not stored with the message: so
//     a change of RAPPEL_CARRIERS holds for what is queued already. With several
//     destinations a claim reads past the others' messages; with one it doesn't look.
//   - What a gateway takes a second is a bucket of tokens in the database, filled in
//     segments and shared by all processes; claims are made for what is in it, so that
//     nothing waits claimed. Marketing leaves a fifth of it to notifications.
//   - Who serves several carriers doesn't wait for one whose window is full and from which
//     nothing comes back: its texts come again in a moment, the others' go.
//   - A lane that fails ten times in a row rests, then tries a single message (circuit
//     breaker). Each rest is written to carrier_health, which all processes read. A rest
//     since the gateway refused our connection ends with the first that stands (Linked), one
//     for any other configuration when it is over, or doctor finds the configuration right.
//   - A number that a carrier calls invalid isn't texted for 90 days (invalid_numbers):
//     numbers are given out anew, and one false report must not silence a patient for good.
//   - A batch is at most half a window, so that one is on the wire while another is
//     recorded. Results are recorded when the batch is through or after 200 ms, so a slow
//     answer keeps neither the others' results nor their tokens.
//   - What goes by the book (queued, accepted, one receipt) writes no message_events:
//     messages and sent tell it, and [Store.Get] puts it together. Everything else is
//     written. That spares an insert with two indexes for nearly every message.
//   - sent has no row until something happened; then also while a message waits for
//     another attempt, or the next carrier, with the reason. That row is where withdrawals
//     and the dispatcher meet: withdrawn while the carrier has it means that it won't be
//     tried again, there or anywhere.
//   - Opt-outs are read in the very statement that claims, and in the transaction that claims
//     for the next carrier. An opt-out that commits later stops everything but what is being
//     submitted right then.
//   - Failover only where the outcome is known, on a missing route, our configuration, or
//     while a carrier rests; the next carrier's claim is durable before it is submitted
//     there. A throttled message goes to the next carrier at once if there is one, else it
//     waits for the pause.
//   - A message of which some segments were accepted and others certainly not hasn't arrived,
//     for a phone shows no long message with a segment missing: it is tried again, whole,
//     like any other and whatever its kind. Receipts for those segments count for nothing
//     (status -1 in carrier_refs).
//   - Where each segment has an id (Segmented), a message in doubt is taken as accepted
//     when as many ids have shown up as it has segments, in receipts or in the answers
//     there were. With fewer by the time it is decided, only a part of it came through:
//     nobody has read it, and policy goes on from there.
//   - Single messages ([Intake]) share transactions too, two at a time: a batch forms
//     while another commits. One that can't be stored is found by halving the batch,
//     which costs a dozen transactions and not five hundred.
//   - Receipts that arrive together are written together, in two transactions at once. What
//     goes by the book (SENT, one id, its one receipt) is looked up and updated in a single
//     statement, in place (HOT); only what doesn't is read and decided here. An Observer
//     that is Selective keeps it so. Which messages the last quarter of a million ids are
//     of is remembered ([Flights]), so that most receipts need no look-up.
//   - Receipts without known id are kept in early_receipts and matched when the id is
//     recorded. Both may be written at once, unseen by each other: so each side looks for
//     the other's after its own commit, and whoever is later sees it. What a crash leaves
//     between commit and look is found by a look each second.
//   - How often a message was resent is asked of its history, since attempts counts
//     harmless retries too.
//   - Recording is tried for a minute, in which a database fails over. An Observer that
//     refuses is left out after ten seconds. A text sent twice is worse than an observer
//     that must look for itself; but a database that is away is no reason to leave it out.
//   - messages, queue, claims and sent have no foreign keys: they cost more than the rows
//     (measured 60 against 17 µs for a message queued). Triggers do what they did on delete.
//   - Statements of the message path are prepared, with generic plans ([DispatchDSN]):
//     planning them takes longer than a small batch. Nothing in them filters by an array of
//     accounts beside the join: the planner would walk the index once for each of them.
//   - The look for missing receipts is raised before results are recorded and not with
//     them: batches of one account would wait for each other's commits.
//   - The wait for receipts is due work of kind "receipts", one row an account, and reads
//     the account's rows in sent at most once an hour: an index for it would cost every
//     message.
//   - An account of a reply is looked for account by account (each by its index), since
//     what people were written to is kept per account. Replies are few.
//   - Carrier ids may be used anew by a gateway: the newest message has the id. A receipt
//     that names another number than that message's is as good as one of an unknown id: kept
//     aside, evidence for a message in doubt to the number it names, and nothing else. The
//     number may be written in its national form, or stand where the sender does.
//   - The log is read by the two indexes that messages has anyway, by time and by number;
//     one by status would cost every message. So a page whose filter looks at more than
//     those looks at 20,000 messages at most and then says how far back it came, and
//     counts look at the newest 50,000. Nobody searches years page by page.
//   - Nothing is kept for ever: sent messages 180 days and replies 90 unless the account
//     chooses otherwise ([DefaultRetention]). The [Purger] deletes by what has ended and
//     not by what looks done, a night at a time, 500 rows a transaction, one a second, and
//     not while anything is due to be sent (but no longer than a day: a promise to delete
//     is one). Its pauses are due work, so any process goes on where another stopped.
//   - What the room that asked for a message keeps about it is that room's to delete, and
//     goes first: a message stays as long as its [Keeper] needs it. Else a reminder whose
//     promise or message is gone could be sent again, or not be taken back.
//   - What the rules refuse is a message with a status, not an error: in a campaign to
//     many countries one is refused and the others go, and the log shows why.
//   - Where sources disagree about a country the strictest is taken, and a country nobody
//     looked into has the strictest hours of all. Its senders are tried all the same: a
//     wrong no would lose texts for certain, a wrong yes shows as undelivered.
//   - A country with registration_needed refuses senders nobody registered; a registration
//     somebody asked for decides everywhere, needed or not.
//   - Whoever's region is unknown may be in any: without a chosen region the holidays of
//     all regions count, with one those of the country and that region. The Swiss cantons
//     have too many for that: without a chosen one, the days most of them keep count.
//   - A number's zone is its area code's or its country's. Where that leaves several, the
//     hour must be right in all of them.
//   - Hours are decided when a text is enqueued and looked at again right before it is
//     submitted, since a queue may be slow and a carrier rest over the evening.
//   - A suffix is put behind the text before smart encoding and counting, and belongs to
//     the message from then on: what is stored is what is sent and what is paid.
//   - A two-way number is one the account says replies of reach us; of others the link
//     is the only way that works.
//   - Rules and settings are read every ten seconds and decided by from memory. A process
//     may so hold a text just after its reason went, which is why held ones are looked
//     at again each minute (due work of kind "held") and not only on a word.
//   - Every reason a message is held for has a row of its own, so that they are settled in
//     any order. Credit is asked for last: nobody's is set aside for what may never go.
//   - Credit ends where a status is written that ends it: accepted (paid), final without
//     that, withdrawn or stale (given back). What a receipt says later changes nothing about
//     it. A message in doubt keeps its credit until it is decided, and a second try of it
//     costs nothing.
//   - The price is fixed by the tariff of the instant a message is asked for, and stored with
//     it, since it can wait for days: for its time, a review, or credit.
//   - What waits for credit goes in the order in which it expires, everything else in the
//     order in which it was held.
//   - The row in sent is locked before those in held, by whoever releases, withdraws or
//     opts out: so whoever comes second sees the first.
//   - A confirmation of an opt-out is told by its origin. Nobody but the Outbox can give a
//     message that origin, and the claim lets nothing else past an opt-out.
//
// # Figures
//
// Two cores of an AMD EPYC, everything on them, PostgreSQL 15 with default settings, nothing
// else running. The floor is what plain SQL does with the same design and nothing else; it
// is measured in the same run, since absolutes move by a third from hour to hour:
//
//	rappel bench dispatch
//
//	                          insert   claim+result   receipts   whole cycle   of the floor
//	10 accounts              119,700         75,900    161,200        36,100           52 %
//	5 million finished       108,200         78,000    143,200        34,400           52 %
//	1000 accounts of 30       97,600         66,600     94,100        27,900           45 %
//
// They are medians of three; with rounds of 100,000 messages the first is 51 %, of seven. What
// is missing to more is the insert: a message has four indexes and its place in the queue two,
// where the floor has one each.
//
//	over SMPP, receipts on    25,200 a second; 12,200 a second with 48 ms to acceptance (p50)
//	memory meanwhile          at most 263 MB; it stays once 262,144 ids are remembered
//	a reminder past a campaign of 250,000: p50 63 ms, at most 110 ms from commit to accepted
package notify
