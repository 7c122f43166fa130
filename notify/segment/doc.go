// Package segment counts and cuts the text of an SMS as the air interface does,
// tells what makes a text dear, and makes it cheaper where the author allows.
// It is pure: no I/O, no state, no clock.
//
// # Words
//
//   - GSM-7: the default alphabet of 127 characters, one septet each, and its
//     extension table of ten more (FF ^ { } \ [ ~ ] | €), sent as ESC and a
//     septet, so two.
//   - UCS-2: everything else. Counted are UTF-16 code units; an emoji has two or
//     more. One character outside GSM-7 moves the whole text here.
//   - unit: a septet or a code unit, whichever the text's encoding has.
//   - segment: what travels and is paid as one SMS: 160 septets or 70 code units
//     alone; 153 or 67 with the 6-octet header that joins several (152 or 66 if
//     the reference number in it has 16 bits).
//
// # Decisions
//
//   - The number of segments isn't ceil(units/153): no segment may end within an
//     ESC pair or a surrogate pair, so 152 letters, € and 152 letters are 306
//     septets in three segments. Measure counts the septets this leaves empty;
//     Units never includes them.
//   - Measure goes over a text once, whatever it holds. Split takes the cuts from the
//     same kind of pass and begins anew where a character turns out to need UCS-2,
//     since the cuts before it then lie elsewhere. The two count by different means,
//     and tests hold them together.
//   - Split cuts into exactly as many segments as Measure counts. Within that it
//     keeps grapheme clusters whole, because phones draw segments that arrive late,
//     and one shows half a family otherwise. uniseg is asked only around cuts where a
//     mark, a joiner or the like stands: everywhere else it is plain what it would say.
//   - A byte that isn't valid UTF-8 counts, and is sent, as U+FFFD.
//   - ESC as a character of the text is not GSM-7: on the air it would swallow
//     the next letter. Neither is TAB.
//   - Smart is all or nothing, see there. Links must arrive as written, so one
//     that needs UCS-2 leaves the whole text alone; so does a mere host name, and what
//     looks like one ("reçu.Merci"): a link that leads elsewhere is worse than a dear
//     text. Signs that could change a meaning when flattened (½, ², °, ©) have no
//     replacement. ẞ becomes SS.
//   - Positions come as byte offsets and as UTF-16 code units, which is how browsers
//     index the text in an editor.
//   - No national language tables (TS 23.038 §6.2.1.2): there is none for
//     German, French or Italian, and gateways here refuse them.
//   - MaxParts is the header's limit, so there are no parts beyond it. Ten is a habit of
//     gateways and the caller's to enforce.
//
// # Speed
//
// One core of an AMD EPYC, Go 1.26, no allocation in Measure and AppendParts. Other work
// ran on the machine, so these are the best of 60 short runs each. The classes are those of
// the benchmarks; the mix has equal shares of them and 260 bytes a message on average.
//
//	go test -run xxx -bench . ./notify/segment
//
//	                          ns/message   messages/s
//	Measure ASCII 120                 55   18,200,000
//	Measure German 150               359    2,800,000
//	Measure GSM-7 400                693    1,440,000
//	Measure emoji 150                589    1,700,000
//	Measure mix                      436    2,290,000
//	AppendParts GSM-7 400            756    1,320,000
//	AppendParts emoji 150            626    1,600,000
//	AppendParts mix                  442    2,260,000
//	Smart, nothing to do              54   18,400,000
//	Smart, nine changes            8,490      118,000
package segment
