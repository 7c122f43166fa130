// Package ledger keeps the books: credits (SMS) and money (CHF, in Rappen), by double
// entry. It is a mechanism both halves of the house use, as package due is.
//
// # Words
//
//   - An account here is a place of the chart (table ledger_accounts), such as available or
//     receivable; whose it is, is the tenant. Every tenant has all of them. An item tells
//     balances within one apart: a lot of credits, an invoice, a payment.
//   - A transaction has two entries or more that sum to zero in each unit. Its key is what
//     is to be booked once only, unique to the tenant.
//   - A reversal is a transaction with another's entries negated. There is one at most.
//   - The balance of an item is the sum of its entries.
//
// A transaction has one state, booked, and none leads out of it:
//
//	PostTx ──▶ booked ◀── PostTx, same key: nothing new
//	              └────── ReverseTx ──▶ another one, booked
//
// # Why the sums are exact
//
// Nothing is computed that isn't an integer, and each step is the database's word:
//
//  1. When a transaction commits, its entries sum to zero in each unit and are as many as
//     it says (deferred constraint triggers on both tables). So none can be added to it later.
//  2. No entry and no transaction is ever changed, deleted or truncated (triggers, for every
//     role; and the roles of the programs haven't the right). So what summed to zero does.
//  3. By 1 and 2, all entries of a tenant sum to zero in each unit: what is in any set of
//     accounts came from the others.
//  4. A balance row is written by the trigger that fires once for each entry, in the entry's
//     transaction, and by nothing else (direct writes are refused). So each balance is the
//     sum of its entries: true when there are none, and kept so by every entry.
//  5. The trigger refuses the entry that would bring a balance below the account's
//     min_balance. It does so after locking the row, so two at once can't both pass.
//  6. A key is unique, so booking again changes nothing, whoever crashed in between.
//
// A transaction never crosses tenants: what goes from one to another is two, through an
// account (such as transferred) whose sum over all tenants is zero.
//
// # Decisions
//
//   - The chart is one table for all. Counter accounts still are each tenant's own: their
//     balances are keyed by it. So no row is made in advance, and names are a closed set.
//   - Accounts are named, not numbered: an entry can be read, and none needs a look-up.
//   - Items instead of sub-accounts: lots and invoices come and go by the thousand.
//   - A tenant with a booking can't be deleted: books are kept for ten years
//     (Swiss Code of Obligations, Art. 958f). What identifies people lies elsewhere.
//   - Entries for the same place within a transaction are booked as one, in the order of
//     unit, name and item: so the order in which a caller lists them neither makes a balance
//     too low for a moment, nor two transactions wait for each other in a circle.
//   - The same key with other entries is an error, not a repetition.
//   - Below min_balance is known by an SQLSTATE of our own (RP001), told at the statement.
//     Sums are checked here before; the deferred trigger (RP002) is for everybody else.
package ledger
