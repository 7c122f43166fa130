// Package bank imports what the bank says about the operator's account, finds whose
// money each payment is, and keeps what it can't tell on a list for people.
//
// # Words
//
//   - A booking is a line of the account, an entry one payment in it, see package camt. An
//     entry that stands for a whole booking, because no file told its details, is whole.
//   - Suspense is the list of entries nobody knows the purpose of yet. Assigning says whose
//     an entry is, or which payment it gives back, dismissing that it is nobody's here.
//   - A batch is a booking of several payments. It waits, counting nothing, until a file
//     brings its details.
//
// An entry:
//
//	         reference known                  import
//	(new) ───────────────────▶ matched       ┌──────▶ detailed: its details came
//	  └─────────────────────▶ suspense ──────┤
//	                                         ├─Assign──▶ assigned: booked as a payment, or
//	                                         │           as a part of one that went back
//	                                         └─Dismiss─▶ dismissed
//
// # Decisions
//
//   - An entry is one transaction: the entry, the payment it becomes and the sum of its
//     booking commit together. A file broken off anywhere is imported again and goes on;
//     its row says done only at the end.
//   - The same booking comes in camt.053 and in camt.054. It is counted once: by key, and
//     never beyond its amount, so that details under other names can't count twice.
//   - Where the bank gives no reference, two bookings of a day can look alike, and some
//     banks give several bookings one reference. So what is beyond a booking's amount and
//     has a new key waits in suspense, for somebody who can tell whether it is the same
//     money told in other words. Known without asking is only the whole of what came in
//     details or the other way round, and, under the bank's reference, what another file
//     told for the same purpose and amount by another name, each time once.
//   - One file may tell a collective booking, another the same payments as bookings of
//     their own. So the bank's name of a payment (AcctSvcrRef of TxDtls) is looked for in
//     all bookings of the account: with the same amount, purpose and day it is known, with
//     another purpose or day it waits in suspense. One import at a time works on an account.
//   - A booking whose details can't be told waits in suspense as a whole, and the rest of
//     the file is booked.
//   - A payment counts from its day of value, not from that of the import.
//   - A whole entry in suspense gives way to details that come later. One that was assigned
//     stays, and the details count no more.
//   - What the bank takes back undoes the payment with the same reference and amount, the
//     latest first. If that was in suspense, both are dismissed.
//     A collective booking that is taken back as a whole is taken back payment by payment.
//   - Money that goes under one of our references, or that the bank calls returned, without
//     being marked as a reversal, waits in suspense: what it undoes is for people to say. It
//     may be a part of a payment; what of that the bank takes back later must still be there.
//   - What the books refuse, such as taking back money that was refunded meanwhile, goes to
//     suspense with the refusal, and the import goes on. A database that is out of reach
//     breaks it off instead: that passes.
//   - Other debits are kept as bookings and booked nowhere: fees are no clinic's affair.
//   - Importing is for a billing admin and runs as the owner: what is matched here belongs
//     to any account. An import locks the bank account, a booking, then an order, then a
//     payer, and one of each at a time, so that two imports can't wait for each other.
package bank
