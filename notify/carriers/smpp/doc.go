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
//	closed ──dial, bind──▶ bound ──ctx ends, or unbind comes──▶ draining ──▶ closed
//	   │                     └──────cut, garbage, deaf peer──────────────────▶ │
//	   └─ bind refused: Sends fail with ErrMisconfigured until one succeeds
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
//	enquire=30s       pause between enquire_link
//	timeout=10s       wait for an answer, a bind, a free link
//	system_type=      as the gateway's operator says
//	source_ton=, source_npi=   in place of the rule: name 5/0, +number 1/1, short code 3/0
//	dest_ton=1, dest_npi=1
//	alphabet=gsm      or latin1: what the gateway takes data_coding 0 for
//	concat=udh        or sar: how parts say that they belong together
//	id=auto           or dec (the same form everywhere) or hex (hexadecimal in
//	                  answers, decimal in receipt texts)
//	receipts=1        0 asks for none
//	validity=1        0 leaves validity_period empty
//	zone=UTC          zone of the dates in receipts
//
// # Decisions
//
//   - gosmpp's pdu package codes and decodes; its Session is not used. A bind of
//     ours with a buffered writer, flushed when nothing more waits, carried 1.4 to
//     1.6 times as many submit_sm. And the Session's window mode writes a PDU
//     before it stores the request, so that a fast answer can miss it, and answers
//     ErrWindowsFull where we want to wait.
//   - Frames are cut here and not by pdu.Parse: that fails on answers which are a
//     header only, as many gateways send with an error, and an error in one body
//     would look like a broken stream.
//   - The parts of one message are all written before the first answer is awaited:
//     a cut then leaves a message that went out whole or not at all, and not one
//     whose rest is never sent.
//   - A message of which only some parts were taken is remembered with its
//     reference number, so that sending it again completes it and repeats nothing.
//     The memory is bounded and ends with the process.
//   - The 8-bit reference of the UDH keeps 153 septets a part, as segments are
//     counted; a table of counters by destination keeps it from wrapping early.
//   - alphabet=latin1: GSM-7 has characters Latin-1 lacks (€, Greek). A text with one
//     goes as UCS-2, which may take more parts than were counted.
//   - A deliver_sm is acknowledged when the Inbox has it, else refused with
//     ESME_RX_T_APPN so that the gateway brings it again. One we can't read is
//     refused for good and logged; it would only come back.
//   - Parts of a long reply are held unacknowledged until the last arrives, since
//     they are durable only then. After a while they are refused for the time
//     being, but remembered, which also serves gateways that deliver one by one.
//     A part brought three times without the others is handed on as it is.
//   - SMPP has no id for replies. Ours is a hash of the text, the numbers and the
//     clock cut to five minutes, so that a replay soon after a crash meets the same
//     id; an identical text that is known to be new gets a counter.
//   - id=auto learns from receipts whose id matches an answer only after
//     conversion. A process that has had no such answer itself, being new or not
//     the one that submitted, asks the Inbox which of the two ids it knows. Only a
//     receipt that comes before its message is recorded, and before any other, can
//     be misread; id=hex rules that out where the gateway is known to do so.
//   - An answer that comes after its Send gave up is handed to the Inbox as a
//     receipt with status SENT: evidence for a message of unknown fate.
package smpp
