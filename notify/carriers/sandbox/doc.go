// Package sandbox is a carrier without a gateway: its texts land on a phone page
// on this machine, on which one can also answer. It is what rappel dev sends with,
// and a safe way to try a real installation.
//
// # Words
//
//   - A text is a row of sandbox_texts: one message on its way to a phone, or one
//     written on it.
//   - A demo number ends in 0001 to 0015 and shows one way in which sending can go;
//     see [Demos].
//
// A text to a phone gets its receipt a moment later, and a text from a phone is
// handed to the Inbox; either is repeated until the Inbox has kept it:
//
//	written ──receipt_at has come──▶ with the Inbox ──kept──▶ receipted
//	                                       └──not kept: again
//
// # URL
//
//	sandbox://?receipt=2s
//
// Parameters and their defaults:
//
//	name=sandbox          the key stored with every message
//	receipt=2s            from acceptance to receipt
//	window=16             Sends under way at once
//	zone=Europe/Zurich    of the times on the phone page
//
// # Decisions
//
//   - The table stands for the outside world: it is only ever added to, so that a
//     text sent twice shows twice. Nothing here looks for doubles.
//   - As gateways do, one id is given for each segment: what holds for several ids
//     is tried every day and not only with a gateway.
//   - Acceptance is one INSERT by itself. When its outcome is not known (the
//     connection broke, the context ended), neither is the message's: ErrUnknown,
//     and Find looks for the reference.
//   - A reply is a row before it is anything else; its id names it towards the Inbox.
//   - The page has no inline script or style and only relative links, so that it
//     lives under any prefix and under a strict Content-Security-Policy, which it
//     also sets. A name as sender can be answered here, which no real phone can.
package sandbox
