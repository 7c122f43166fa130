// Package paper makes the documents of the operator as PDF: invoices, credit notes,
// reminders of them, and order forms.
//
// # Words
//
//   - A document ([Invoice], [Reminder], [Order]) is all that is printed, as plain
//     values: it is frozen with an invoice and stored as JSON, and printing it never
//     looks anything up. Who renames a clinic later changes no invoice of the past.
//   - Amounts are Rappen, rates basis points, days are written 2006-01-02.
//   - A credit note's amounts are positive: they are what is credited.
//   - The slip is the QR-bill at the foot of the last page, see package qrbill.
//
// # Decisions
//
//   - The same document gives the same bytes: dates of the file are those of the document,
//     the catalogue is sorted, and fonts are our own. What remains are the versions of Go
//     (its compressor) and of fpdf. A golden hash per kind and language tells when a change
//     of either, or of the code, would change printed books; raising it is then somebody's
//     decision, and why the hash of each invoice printed is stored with it.
//   - Documents don't compute: sums come from the engine that froze them. Invoice.Check
//     refuses one that doesn't add up, so a mistake is found before it is printed.
//   - Liberation Sans, since the core fonts of PDF lack letters that the QR-bill allows.
//     It comes with the module github.com/go-fonts/liberation (SIL Open Font License 1.1)
//     and is embedded in part into each file.
//   - The code on the slip holds Latin letters only. A payer whose name or town has none of
//     them is billed like any other: the slip leaves the field of the payer to be filled in, as the
//     standard allows. The document above it has Cyrillic, Greek and Hebrew letters, too;
//     what the font lacks is an empty box there, until the clinic enters another name.
//   - An order form shows prices before tax and says that it is not an invoice: tax shown
//     is tax owed (MWSTG Art. 27).
//   - German, French, Italian, English; anything else is printed in German.
package paper
