// Package standin holds the far side of Rappel's carriers, for tests, for bench
// and for running without an account anywhere: an SMSC that speaks SMPP 3.4 over
// TCP, and servers of what Twilio, SMSup and smsmode offer for messages. They take real
// bytes over real connections, so that the adapters are tried as they will run.
//
// # Words
//
//   - A Part is one accepted submit_sm; a Text is what a handset would show, put
//     together from its parts.
//   - A Fault is one misbehaviour, queued by a test for the next submissions, or for those
//     to certain numbers, with certain words, by chance, or for a time; an HTTPFault is
//     one of a gateway over HTTP, the same for all of them.
//   - A ReceiptPlan says which receipts the SMSC sends by itself: by number and text, lost,
//     doubled, for ids never given, held back, shuffled, late.
//   - A delivery is a deliver_sm on its way to the client: a receipt or an MO. It
//     stays until the client acknowledges it.
//
// A delivery goes this way:
//
//	            bound receiver           deliver_sm_resp 0
//	waiting ───────────────────▶ sent ────────────────────▶ done
//	   ▲                          │
//	   └── refused, or cut ───────┘    (again at Redeliver or at the next bind)
//
// # Decisions
//
//   - Nothing here waits for time to pass unless it is told a time (Fault.Delay,
//     ReceiptPlan.Delay, SMSCConfig.Retry). What a real gateway does late (a slow
//     answer, a receipt an hour after) happens when the test says so: Release,
//     Receipt, ReleaseReceipts, Redeliver. Until waits for something to come true.
//   - Everything accepted is kept in order, with doubles, so that "none lost, none
//     twice" is a comparison of lists and not of counters. A million messages need not
//     be: KeepCounts still tells doubles, KeepNothing takes no room at all.
//   - Deliveries that a client didn't acknowledge outlive its connection and come first at
//     the next bind, of any connection of the same user.
//   - The SMSC costs little, since whoever measures a client pays for both: no allocation
//     for a submit_sm that isn't kept, one system call for all that waits to be written.
//   - The gateways over HTTP read requests strictly: a field they don't document, a
//     wrong header or encoding is answered as the real one would, or shows on the phone
//     (SMSup without its unicode flag). What their documentation leaves open is marked in
//     the adapters' doc.go.
//   - The stand-ins decode with rappel/notify/segment but frame and reassemble by
//     code of their own and not the adapters': a mistake made on both sides would
//     cancel out.
package standin
