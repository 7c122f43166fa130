// Package qrbill is the Swiss QR-bill: what its code says, the references money
// is recognised by, and the payment part drawn at the foot of a page.
//
// # Words
//
//   - A Bill is one demand for payment: whose account, how much, from whom, by which
//     reference.
//   - The payload is what the code says: 31 lines and up to three more, see
//     [Payload].
//   - A QR-IBAN is an IBAN whose institution number lies between 30000 and 31999. It
//     wants a QR reference (QRR, 27 digits); an ordinary IBAN takes a creditor reference
//     (SCOR, RF and two check digits, ISO 11649) or none (NON).
//   - The slip is the bottom 105 mm of an A4 page: receipt 62 mm, payment part 148 mm.
//
// Source: Swiss Implementation Guidelines for the QR-bill, version 2.4.
//
// # Decisions
//
//   - Addresses are structured only (type S); the combined form has ended.
//   - The amount is always there and always in francs: a clinic pays invoices, it does
//     not donate, and QR-IBANs take nothing but francs.
//   - Text that the guide doesn't allow is refused, not replaced: a name that prints
//     wrongly would be on ten thousand invoices before somebody says so. [Clean] is for
//     text that people typed, where a near letter is better than a refusal.
//   - The parser is as strict as the writer, so what one reads the other writes again;
//     a fuzz test holds them to it.
//   - The code carries UTF-8 without an ECI mark, as most bills in use do: some readers
//     of banks stumble over the mark, all of them guess UTF-8.
//   - Payload and references are checked against another implementation, npm's
//     swissqrbill, on random bills; what is printed is read back from the drawn page.
package qrbill
