// Package camt reads what a bank says about an account: camt.053 (statement) and camt.054
// (notification of details), ISO 20022, in any version from 02 on.
//
// # Words
//
//   - A booking (Ntry) is one line of the account. A detail (TxDtls) is one payment in
//     it; a batch is a booking of several payments in one sum.
//   - Credit is money that came, debit money that went. A reversal takes an earlier
//     booking back: a debit that is a reversal undoes a credit.
//   - The key of a booking names it in every file it appears in, that of a detail the
//     payment within the booking. They are what makes a second import change nothing.
//
// # Decisions
//
//   - Elements are found by their local names: banks send versions 02, 04, 08 and later
//     with their own prefixes, and what we read has kept its names, or has moved in ways
//     the parser knows (Sts and Dbtr gained a level in 08).
//   - What isn't understood of a booking is refused with a sentence that says what to do,
//     naming the booking by its place in the file. Half a file is never imported.
//   - But money that came has come: where only the details of a booking can't be told
//     (another currency or direction, more than the booking), it is told as a whole with
//     the reason. The only payment of a booking is what arrived, whatever its detail says
//     was sent: banks exchange it, or keep their charges. Details of what was paid out
//     may be anything, unless the bank says that a payment comes back (RtrInf).
//   - Only CHF: other accounts' bookings in the file are left out and counted; a file that
//     has no others is the wrong one. Bookings of 0.00 are remarks and left out.
//   - Bookings that aren't final (PDNG, INFO) are left out: they come again as BOOK.
//   - The bank's own reference of the booking (AcctSvcrRef) is the key, with direction,
//     reversal and amount, since a reversal may carry the reference of what it reverses.
//     Banks without one get a digest of day and entry reference, and a number among equal
//     ones; what that confuses is noticed when the statement has more of them.
//   - A file tells a booking once. So details of a second one of the same key are
//     numbered on: they are other payments, however alike.
//   - Packed files are not opened. The Swiss standard wants UTF-8; Latin-1 is read where a
//     file says so.
//
// Source: Swiss Payment Standards, implementation guidelines for cash management; ISO
// 20022 message definitions camt.053.001.02 to .08 and camt.054.
package camt
