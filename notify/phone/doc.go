// Package phone finds mobile numbers in what receptionists type into calendars:
// plain text or HTML, with dates, rooms, invoices and a second number around. It
// is pure: no I/O, no clock. Parsing rules and numbering plans are those of
// nyaruka/phonenumbers; that library has no finder, so the finder is ours.
//
// A Finder belongs to a region and is made once for each clinic:
//
//	f, err := phone.New("CH", phone.WithFurtherRegions("FR"), phone.WithIgnored(clinic.Numbers...))
//	r := f.Find(event.Location) // r.Numbers, r.Rejected
//
// Parse is for form fields that hold one number.
//
// # Words
//
//   - E.164: +41791234567, the only form in which numbers leave this package.
//   - trunk prefix: the 0 of 079, or nothing as in Italy and Liechtenstein.
//   - group: digits in a row; run: groups with nothing but separators between.
//   - plain text: the text with one ASCII byte for each character (normalize.go):
//     HTML resolved, accents and invisible characters gone. Offsets in results
//     are always those of the original.
//
// # How
//
//	text ── fewer than 7 digits ──> nothing
//	  │
//	plain ── mask: links, mail, IBAN, dates, times, prices
//	  │
//	runs ── AHV, cards, payment references ──> Rejected
//	  │
//	tile: the reading of a run that leaves the fewest digits over
//	  │
//	further regions, for what is still unread
//	  │
//	note: neighbours, labels, dial-in codes, ignored ──> Numbers or Rejected
//	  │
//	hint: a digit or a prefix short, an O for a 0 ──> Rejected
//
// # Decisions
//
//   - A number must carry + or 00 or, where the region's people write one, the
//     trunk prefix; otherwise it is NoPrefix. libphonenumber takes more, and so
//     texts ids.
//   - A run is read as a whole set of numbers, landlines too. Looking for mobiles
//     alone finds one in the middle of 01 42 34 06 78 06 12 34 56 78.
//   - Of an Austrian number with spare digits behind the 11 in use, the last
//     group is a room or postcode, although the plan would allow 13.
//   - Digits that are a number of any kind at home are never read as another
//     region's. 06 12 34 56 78 is a landline in Basel and a mobile in France:
//     Ambiguous, whatever regions are allowed.
//   - Numbers never go on across a line end, <br>, block element or table cell.
//     Labels reach into the next cell, not into the next line.
//   - The nearest word before a number decides: Tel lets it pass, Rechnung
//     refuses it. A + overrules the word, because ids have none.
//   - # or _ beside a number makes it an id (IDLabel); libphonenumber would take
//     it. So does a letter, except a word for telephone: Tel079….
//   - Where the plan can't tell mobile from fixed (USA), a number counts as
//     mobile, but not after words of a conference call.
//   - A letter O is never read as a zero, only pointed out: the person who typed
//     it corrects it once, and we never text a guess.
//   - A tel: link counts as a number of its own; the same number in the text
//     beside it isn't listed again.
//
// # Speed
//
// One of two cores of an AMD EPYC on which other builds ran, Go 1.26. The mix is
// 10,000 texts of 216 bytes, nine in ten with a number, most with dates, times,
// ids or a landline.
//
//	go test -run xxx -bench . ./notify/phone
//
//	                                   µs/text     texts/s   allocations
//	mix                                     13      78,000            54
//	216 bytes without digits              0.41   2,450,000             0
//	title with a date, time and room       2.6     380,000             5
//	title with a number                    6.2     161,000            32
//	HTML with a tel: link                   17      60,000            69
package phone
