// Package smpp is the carrier for gateways that speak SMPP 3.4: several binds as
// transceiver, each with a window of submit_sm under way, receipts and replies
// arriving as deliver_sm.
//
// # Words
//
//   - A link is one TCP connection that is bound. The pool hands out its slots:
//     one slot is room for one submit_sm in a link's window.
//   - A part is one submit_sm. A message of several segments is as many parts,
//     each with an id and a receipt of its own.
//   - An answer is a submit_sm_resp, or a generic_nack in its place.
//
// A link goes this way; whatever ends it, it is opened again after a pause:
//
//	                      mute for a timeout
//	closed ──dial, bind──▶ bound ◀────────────▶ suspended ──enquire_link unanswered──▶ closed
//	   │                     ├──ctx ends, or unbind comes──▶ draining ──────────────▶ │
//	   │                     └──────cut, garbage, deaf peer─────────────────────────▶ │
//	   └─ bind refused, certificate refused: Sends fail with ErrMisconfigured until one succeeds
//
// A part goes this way; the answer to "may it be sent again?" hangs on written:
//
//	queued ──▶ written ──▶ answered               cut or timeout when queued:  ErrTemporary
//	   └─ withdrawn                               cut or timeout when written: ErrUnknown
//
// # URL
//
//	smpp://user:password@host:2775?window=50&rate=200&binds=2
//
// With smpps:// or tls=1 the connection is TLS. Parameters and their defaults:
//
//	name=smpp         the key stored with every message
//	window=10         submit_sm under way per bind
//	binds=1           connections
//	rate=0            parts per second over all binds, 0 = no limit
//	pause=500ms       nothing leaves for so long after an answer that says throttled
//	enquire=30s       pause between enquire_link
//	timeout=10s       wait for an answer (up to a quarter longer), a bind, a free link
//	system_type=      as the gateway's operator says
//	source_ton=, source_npi=   in place of the rule: name 5/0, +number 1/1, short code 3/0
//	dest_ton=1, dest_npi=1
//	alphabet=gsm      or latin1: what the gateway takes data_coding 0 for
//	concat=udh        or sar: how parts say that they belong together
//	ref=8             or 16: bits of the reference in the UDH
//	id=auto           or dec (the same form everywhere), hex (hexadecimal in answers,
//	                  decimal in receipt texts) or hexreceipt (the other way round)
//	receipts=1        0 asks for none
//	validity=1        0 leaves validity_period empty
//	unknown=          codes (err) of receipts by which nobody has the number, such as 001,027
//	zone=UTC          zone of the dates in receipts
//	ca=               a file of certificates in PEM form: the authorities to trust, with TLS
//	tls_name=         the name the gateway's certificate is for, if not the host's
//
// # Decisions
//
//   - What a message costs is ours: submit_sm, its answers, deliver_sm and its answers
//     are coded and read here, into buffers used again and again, and tests hold them
//     against gosmpp's reading. gosmpp's pdu package codes what is seldom (binds, unbind,
//     enquire_link, generic_nack) and names the constants. Its Session is not used: it
//     takes one system call per PDU, writes a PDU before it stores the request, so that a
//     fast answer can miss it, and answers ErrWindowsFull where we want to wait.
//   - Nothing is per message that can be per link: one writer that sends all that waits in
//     one piece, one timer for all answers, one ring in place of a map of requests, and
//     workers for deliver_sm that stay.
//   - Frames are cut here and not by pdu.Parse: that fails on answers which are a
//     header only, as many gateways send with an error, and an error in one body
//     would look like a broken stream.
//   - The parts of one message are all written before the first answer is awaited:
//     a cut then leaves a message that went out whole or not at all, and not one
//     whose rest is never sent.
//   - A message of which some parts were taken and others refused for now is completed
//     within the same Send, so that each Send leaves a text that is there or is not, whichever
//     process died in between. What Send couldn't complete is void: the next one begins
//     anew, with a reference number of its own.
//   - The 8-bit reference of the UDH keeps 153 septets a part, as segments are
//     counted; a table of counters by destination keeps it from wrapping early. With
//     ref=16 a message has the 16-bit one where that takes no further part, and else the
//     8-bit one, since it was priced by the count for that.
//   - No message_payload: who splits it, into how many segments and at what price, is the
//     gateway's secret, and there would be one id for receipts of several segments.
//   - SAR parameters go only to gateways that don't say they speak less than 3.4; others
//     get UDH, for a phone shows parts apart that say nothing.
//   - alphabet=latin1: GSM-7 has characters Latin-1 lacks (€, Greek). A text with one
//     goes as UCS-2, which may take more parts than were counted: texts are counted and
//     priced before it is known which carrier gets them. The data_codings that say GSM-7
//     whatever the default is (0xF0 to 0xF3) also say how a phone keeps the text, and a
//     gateway needn't take them. Nobody's € becomes EUR unasked.
//   - The dispatcher paces by Rate, for all processes together. The limiter here only
//     smooths what it lets go: a tenth of a second's worth at once, since gateways count
//     over a second. It waits before a slot is taken, so it holds up nobody else.
//   - After 0x58 or 0x14, what hasn't left yet, over any bind, fails at once with
//     ErrThrottled: it would only be refused, and some gateways count that. The pause is
//     shorter than the dispatcher's own, which decides when to go on.
//   - An answer that doesn't come while nothing at all does may mean that the connection
//     is half open. Its slots are withheld then and enquire_link sent at once: else it
//     would swallow a window of messages for each timeout until somebody noticed.
//   - An enquire_link that isn't answered in time ends a link only if nothing else came
//     either: some gateways answer late while they bring receipts, or not at all.
//   - A deliver_sm is acknowledged when the Inbox has it, else refused with
//     ESME_RX_T_APPN so that the gateway brings it again. One we can't read is
//     refused for good and logged; it would only come back. A thousand may wait for the
//     Inbox on each link, since it writes those that wait together.
//   - Parts of a long reply are held unacknowledged until the last arrives, since
//     they are durable only then. After a while they are refused for the time
//     being, but remembered, which also serves gateways that deliver one by one.
//     A part brought three times without the others is handed on as it is.
//   - What a phone wrote is read as what it must be where it can't be what data_coding says:
//     UCS-2 in the other byte order, UTF-8. Parts are joined before they are read, for some
//     are cut within a character.
//   - Receipts also come as data_sm, and as deliver_sm that say they are what a phone
//     wrote. The text of a receipt, with date and code, is one whatever esm_class says; with
//     less it is one if the Inbox knows the id as that of a message to who sent it.
//   - UNDELIV says INVALID_DESTINATION, and so puts the number on the list, by the GSM
//     network's own code for an unknown subscriber. err in the text means something else at
//     each gateway, so its codes count only where unknown= names them.
//   - SMPP has no id for replies. Ours is a hash of the text, the numbers and the
//     clock cut to five minutes, so that a replay soon after a crash meets the same
//     id; an identical text that is known to be new gets a counter.
//   - id=auto learns from receipts whose id was answered in one form only, and is sure
//     after 64 that say the same. Gateways that count from 1 have most ids in every form:
//     then the number decides that the receipt names, and if it names none, nothing is
//     learned from it. A process that has had no such answer itself, being new or not the
//     one that submitted, asks the Inbox which of the ids it knows. Where it knows none of
//     them, the receipt came before its message was recorded: it is held unacknowledged for
//     up to four seconds and then taken as it stands. It isn't kept under all its ids, since
//     those left over would be evidence for messages of unknown fate. Each receipt of others
//     who share the account is held, too, so after 32 in vain none is until one tells
//     something. One that comes so early and names no number can be taken for that of another
//     message, which has its id in another form. id=hex and the like need none of this.
//   - A gateway may change the form when its operator replaces it. One receipt in 16, or one
//     a second, asks the Inbox whether the form still holds; 16 in a row that are known in
//     another only open the question again. One that names the recipient finds its message
//     at once, one that doesn't could be somebody else's.
//   - An answer that comes after its Send gave up is handed to the Inbox as a
//     receipt with status SENT: evidence for a message of unknown fate.
//   - An answer about a message never stops the carrier: 0x15 and 0x53 refuse that message
//     alone, and 0x0D to 0x0F, which are about binds, pass. Only a refused bind is for the
//     operator to mend.
//   - 0x01, 0x15, 0x43, 0x61, 0x62 and their like say that we built a PDU wrongly. They are
//     logged as errors, with the message's ids, for somebody who can change this program.
//   - User and password may be longer than SMPP allows: many gateways hand out such ones. The
//     log says so.
//   - A bind refused with 0x05 or 0x0D is tried again like a lost connection: it is what
//     gateways say that are being started, or still believe an old session alive. Only a
//     message that never got past it has no route. A wrong password, user or system type is
//     for the operator to mend; the first bind that succeeds ends the carrier's rest.
//   - A certificate that can't be trusted is the operator's to mend, like a wrong
//     password: messages wait, and the log says in words what to do. There is no way to
//     turn the check off; ca trusts whichever authority the gateway has.
//
// # Speed
//
// BenchmarkSend, texts of 120 characters, carrier and stand-in in one process, processor
// time of both ends and the kernel; two cores of an AMD EPYC shared with other work, which
// is why no rates are given. With receipts, each is acknowledged after an Inbox that does
// nothing.
//
//	go test -run xxx -bench Send ./notify/carriers/smpp
//
//	                                      µs of processor   allocations
//	2 binds, window 100                               4.5             3
//	2 binds, window 100, with receipts               12.5             8
//	2 binds, window 1000, with receipts              13.5             8
//
// Of the allocations two are the Submission, and those of receipts what the Inbox gets.
package smpp
