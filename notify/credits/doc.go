// Package credits is what accounts send texts by: prepaid, in lots, priced by tariff. It
// implements notify.Meter over the books of package ledger (unit SMS).
//
// # Words
//
//   - A tariff says what a text to a country costs, from an instant on. Rows an operator
//     adds; the row without a country is for all that have none, and dear: no text is free
//     by accident. The price is fixed when a message is asked for, and stored with it.
//   - A grant adds a lot. Its source is monthly (free with a subscription), gift or package,
//     and they are used in that order; within a source, what ends first.
//   - A lot ends on a civil date of the account's zone: a fixed one, or a year after the last
//     text (so one text a year keeps a package alive; the year of a 29 February ends on a 28th).
//   - A hold is credits set aside for a message from when it is queued. Captured, they are
//     consumed: a carrier took it. Released, they go back to the lot they came from, and if
//     that has ended meanwhile, they expire.
//   - A settlement is word of holds that ended, not booked yet.
//   - Taken back is what was unused of a grant whose money went back: its lots end early.
//   - Owed is what went beyond the balance, since it had to: an opt-out is confirmed whatever
//     is left. The next credits repay it once a carrier took it.
//   - A free account is the operator's own. Its usage is counted, and nothing else.
//   - A purse is an account's credits while somebody has them locked.
//
// # The way of a credit
//
//	granted ──GrantTx──▶ available ──HoldTx──▶ held ──captured──▶ consumed
//	                       │  │  ▲              │ │
//	                       │  │  └──released────┘ └─released, its lot ended─▶ expired
//	                       │  └────── its lot ends, or is taken back ───────────▲
//	                       └─TransferTx─▶ transferred ═▶ transferred ──▶ available, of another account
//
//	owed ──HoldTx──▶ held ──captured──▶ consumed; available ──▶ owed repays it
//	  ▲───released────┘
//
// And of a message's:
//
//	EnqueueTx ── PriceTx ── HoldTx ─┬─▶ credit_holds ── SettleTx ──▶ credit_settlements ── BookTx ──▶ the books
//	                                └─▶ not covered: held for reason credit, asked about again after a top-up
//
// # Why the sums stay exact
//
// What package ledger proves holds here, and beyond it, for each account and lot:
//
//	booked as held  =  Σ credit_holds + Σ credit_settlements
//
// It is true at first, both being zero. HoldTx adds the same to the left and to the first sum, in
// one transaction. SettleTx moves rows from the first sum to the second: one statement deletes
// holds and inserts exactly their sums. BookTx takes rows out of the second sum and books
// the same out of held, in one transaction. Nothing else writes any of the three. So each
// hold is booked once, as captured or as released, whatever crashes and whoever comes
// twice: the second finds no row to delete. [CheckTx] looks.
//
// # Decisions
//
//   - The message path waits for no balance. A balance is one row, locked until the commit of
//     whoever writes it; the results of a batch belong to many accounts and are recorded by
//     several workers at once, while others enqueue. So ending a hold only deletes it
//     and leaves a sum (a row per batch, account, lot, country and kind), and a worker books
//     these within a second or so, any number of them as one transaction. What is
//     available is right meanwhile, only not yet more by what came back.
//   - Setting aside does wait: that N texts at the same time get exactly what the balance
//     covers needs one after the other. It is one lock and a few rows for each batch of an
//     account, however many messages are in it.
//   - Whoever changes an account's credits locks its row in credit_accounts first, and due
//     rows after. So no two can wait for each other in a circle.
//   - The charges of a batch are covered in their order, each whole or not at all. A long text
//     that isn't covered doesn't keep a short one behind it waiting.
//   - What waits for credit is asked about again in the order in which it expires, as the
//     soonest appointment does. GrantTx raises that as due work in its transaction, so that a
//     payment isn't kept up by a thousand texts; what is too late by then ends as too_late.
//   - A part costs what a segment does: 153 septets where there are several. Price lists that
//     count 160 have it in the tariff (part_gsm); then a text can have more segments than
//     parts. Septets are counted and not characters, or € would break the promise of one.
//   - A message that is accepted after it was given up for lost was released, and stays so:
//     the house pays for its own doubts. One that fails after it was accepted stays paid: the
//     carrier is, too.
//   - What has ended stays ended, and is marked so: a text of a later day doesn't revive a
//     package. Texts are looked at day by day, and lots are marked five minutes after midnight,
//     so that one accepted right before it counts; meanwhile nothing is taken from them.
//   - Taking back ends the lots, so that holds released later bring nothing back: they expire.
//     It is booked as what expires is, under a kind of its own, and it can't be undone: credits
//     for money that comes after all are a new grant. A gift that was taken isn't given again.
//   - What moved to another account before stays there: it may be on its way to patients, and
//     which of several lots it came from isn't what its people were told.
//   - Lots keep their end when they move to another account, and their order. What is free for
//     a month doesn't move: it belongs to a calendar's subscription.
//   - Transferred credits come in without the gift of a first package.
//   - The level falls by use and rises by top-ups only. Else credit that comes back for a
//     moment would make one crossing many alerts.
//   - A beginning below the threshold isn't a crossing: nobody is warned of ten free texts.
//   - Balances on pages may be a second old, lots that ended this minute included. What
//     HoldTx decides by never is: it leaves out what has ended, and books first what may have
//     kept it alive.
package credits
